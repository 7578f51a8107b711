"""Puts the HTTP API, the signalling and the page together into one ASGI app, and takes them down in order.

Knows nothing of how sessions draw or how avatars are made: it is given a stage and a library.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from visavis_models.errors import NotFound
from visavis_server import __version__
from visavis_server.access.gate import Gate, KnownAs, current_entry
from visavis_server.access.keys import KeyStore, keys_file
from visavis_server.access.usage import Usage
from visavis_server.api.access import access_routes
from visavis_server.api.access_check import AccessCheck, would_enter
from visavis_server.api.agents import agent_routes
from visavis_server.api.avatars import avatar_routes
from visavis_server.api.connection_checks import check_routes
from visavis_server.api.errors import install_error_handlers
from visavis_server.api.guard import Guard
from visavis_server.api.health import health_routes
from visavis_server.api.moods import mood_routes
from visavis_server.api.motion import motion_routes
from visavis_server.api.obs_page import obs_routes
from visavis_server.api.outputs import output_routes
from visavis_server.api.reference import reference_routes
from visavis_server.api.sessions import session_routes
from visavis_server.api.shows import show_routes
from visavis_server.api.signalling import signalling_routes
from visavis_server.api.speakers import speaker_routes
from visavis_server.api.watching import watching_routes
from visavis_server.api.whip import transmission_routes
from visavis_server.avatar_desk import AvatarDesk, Library
from visavis_server.avatar_removal import AvatarRemoval
from visavis_server.call import Call
from visavis_server.connection_checks import ConnectionChecks
from visavis_server.device_metrics import DeviceMetrics
from visavis_server.ice_servers import IceServers
from visavis_server.media_peer import MediaPeer, PeerFactory
from visavis_server.metrics import Metrics
from visavis_server.outputs.desk import Outputs
from visavis_server.outputs.figures import OutputFigures
from visavis_server.page import PageMount, page_folder
from visavis_server.registry import SessionRegistry, Stage
from visavis_server.settings import IceServer, RtcSettings, Settings
from visavis_server.shows import Shows
from visavis_server.transmissions import Transmissions

if TYPE_CHECKING:
    from visavis_server.access.ledger import Ledger
    from visavis_server.rtc import Reach
    from visavis_server.tracing.traces import Traces

_log = logging.getLogger(__name__)


def rtc_peer(
    reach: Callable[[], Reach],
    *,
    on_voice: Callable[..., None],
    on_closed: Callable[[str], None],
    ice_servers: tuple[IceServer, ...],
) -> MediaPeer:
    """A WebRTC peer that is reached so: the default of `create_app`."""
    from visavis_server import rtc  # aiortc takes most of a second to import, and tests with fakes need none of it

    servers = [rtc.IceServer(server.urls, server.username, server.credential) for server in ice_servers]
    return rtc.Peer(on_voice=on_voice, on_closed=on_closed, ice_servers=servers, reach=reach())


def reach_of(settings: RtcSettings) -> Callable[[], Reach]:
    """How these settings want connections to be reached: one and the same, made when the first one asks."""

    @cache
    def reach() -> Reach:
        from visavis_server import rtc

        ports = settings.port_range
        return rtc.Reach(settings.relay_only, rtc.PortPool(ports) if ports else None, settings.public_address)

    return reach


def _known_as(transmissions: Transmissions, name: str) -> KnownAs | None:
    """The session that somebody means, by its id, watch id or show's name."""
    try:
        session = transmissions.watched(name).session
    except NotFound:
        return None
    return KnownAs(session.id, session.avatar_id)


def create_app(
    settings: Settings,
    studio: Stage,
    library: Library,
    peer_factory: PeerFactory | None = None,
    metrics: Metrics | None = None,
    grace_s: float = 1.0,
    after_recording: Callable[[Path], object] | None = None,
    traces: Traces | None = None,
    ledger: Ledger | None = None,
) -> FastAPI:
    """The whole server as an ASGI app.

    `app.state.registry`, `desk` and `metrics` are there for the process that serves it. Its shutdown
    ends every call, then the studio, then the library's threads.

    Args:
        settings: the operator's choices.
        studio: where sessions perform; closed with the app.
        library: the avatars.
        peer_factory: makes media connections; None makes WebRTC peers.
        metrics: to share them with others; None makes them.
        grace_s: see `SessionRegistry`.
        after_recording: see `Outputs`.
        traces: told of every session; not closed with the app. None: nothing is traced.
        ledger: what the workers of one server count together; None: this process is all there is.
    """
    metrics = metrics or Metrics(settings.capacity)
    desk = AvatarDesk(library, settings.photos.max_waiting, metrics, settings.video.format)
    reach, ice = reach_of(settings.rtc), IceServers(settings.rtc)
    registry = SessionRegistry(settings, studio, metrics, peer_factory or partial(rtc_peer, reach), grace_s, ice)
    transmissions = Transmissions(registry, desk, settings.rtc, metrics, ice, reach)
    outputs = Outputs(settings.outputs, transmissions, ice, reach, after_recording)
    metrics.registry.register(OutputFigures(outputs))
    metrics.registry.register(DeviceMetrics(lambda: studio.figures))

    def opened(call: Call) -> None:
        if traces is not None:
            traces.follow(call.session)
        outputs.greet(call)

    registry.on_opened = opened
    removal = AvatarRemoval(desk, registry, studio.forget, outputs.settled, settings.outputs.record_dir)
    shows = Shows(registry, desk, transmissions, metrics)
    checks = ConnectionChecks(ice, reach)
    keys = KeyStore(keys_file(settings.data_dir), settings.access.key)
    gate = Gate(settings, keys, partial(_known_as, transmissions), ledger=ledger)
    usage = Usage(settings.limits.sessions, ledger=ledger)
    registry.permit = lambda: usage.admit(current_entry.get())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        registry.start()
        watch = asyncio.create_task(metrics.watch_event_loop(), name="watch event loop")
        removed = asyncio.create_task(removal.watch(), name="watch avatars")
        try:
            yield
        finally:
            await registry.aclose()
            await outputs.aclose()
            await transmissions.aclose()
            await checks.aclose()
            try:
                await studio.aclose()
            except Exception:  # what remains must still be closed
                _log.exception("studio did not close cleanly")
            await desk.aclose()
            for task in (watch, removed):
                task.cancel()
            await asyncio.gather(watch, removed, return_exceptions=True)

    app = FastAPI(
        title="visavis",
        version=__version__,
        description="One photo and a live voice become a live talking video.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own pages load their scripts from a CDN
        redoc_url=None,
    )
    app.state.registry = registry
    app.state.desk = desk
    app.state.metrics = metrics
    app.state.transmissions = transmissions
    app.state.shows = shows
    app.state.outputs = outputs
    app.state.gate = gate
    app.state.removal = removal
    install_error_handlers(app, metrics)
    app.include_router(health_routes(registry, metrics, settings, ice))
    app.include_router(check_routes(checks))
    app.include_router(avatar_routes(desk, settings, removal.remove, gate.check_photo))
    app.include_router(session_routes(registry, desk, transmissions))
    app.include_router(mood_routes(registry))
    app.include_router(speaker_routes(registry))
    app.include_router(motion_routes(registry))
    app.include_router(output_routes(outputs, registry, settings.outputs))
    app.include_router(signalling_routes(registry, metrics))
    app.include_router(agent_routes(registry, desk, settings.agents, metrics, transmissions.names))
    app.include_router(transmission_routes(transmissions, ice, partial(would_enter, gate)))
    app.include_router(watching_routes(transmissions, metrics))
    app.include_router(access_routes(gate, keys, settings.access))
    app.include_router(show_routes(shows, settings.shows))
    app.include_router(reference_routes(app))
    folder = page_folder()
    if folder is None:
        _log.warning("the web page is not there; only the API is served")
    else:
        app.include_router(obs_routes(folder))
        app.router.routes.append(PageMount(folder))
    if traces is not None:
        from visavis_server.tracing.traces import TakeTraceparent

        app.add_middleware(TakeTraceparent)
    app.add_middleware(AccessCheck, gate=gate, metrics=metrics)
    app.add_middleware(Guard, settings=settings, metrics=metrics)
    if settings.server.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.server.allowed_origins),
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "If-Match", "Traceparent"],
            expose_headers=["Accept-Patch", "ETag", "Link", "Location", "Retry-After"],
            max_age=600,
        )
    return app
