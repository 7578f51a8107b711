"""Runs the app as a process: takes the port, serves, and leaves in order when asked to.

Knows nothing of the API's routes.
"""

from __future__ import annotations

import asyncio
import errno
import importlib
import logging
import os
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from visavis_models.errors import BadInput
from visavis_server.call_server import call_server
from visavis_server.settings import BadSetting, CameraSettings, ServerSettings, Settings

if TYPE_CHECKING:
    from visavis_models.portrait.library import AvatarLibrary
    from visavis_server.access.ledger import Ledger
    from visavis_server.own_certificate import OwnCertificate
    from visavis_server.studio import Studio
    from visavis_server.virtual_camera import VirtualCamera

_log = logging.getLogger(__name__)


def open_socket(host: str, port: int) -> socket.socket:
    """Take the address before anything slow begins.

    Raises:
        BadInput: `port_taken`, `port_forbidden` or `bad_address`.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, proto)
    except (OSError, UnicodeError) as error:
        raise BadInput(
            "bad_address", f"{host} is no address to listen on.", "Use 127.0.0.1, 0.0.0.0 or a name of this machine."
        ) from error
    try:
        if sys.platform != "win32":  # there it would share the port with another server
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(128)
    except OSError as error:
        sock.close()
        raise _cannot_listen(host, port, error) from error
    sock.set_inheritable(False)
    return sock


def _cannot_listen(host: str, port: int, error: OSError) -> BadInput:
    if error.errno == errno.EADDRINUSE:
        return BadInput(
            "port_taken",
            f"Port {port} is taken by another program.",
            f"Stop that program, or choose another port: visavis serve --port {port + 1 if port < 65535 else 8765}",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return BadInput("port_forbidden", f"You may not use port {port}.", "Choose a port above 1023.")
    return BadInput(
        "bad_address", f"This machine has no address {host}.", "Use 127.0.0.1, 0.0.0.0 or an address of this machine."
    )


def check_tls(settings: ServerSettings) -> None:
    """Make sure that certificate and key can be used, before anything slow begins.

    Raises:
        BadSetting: they cannot.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise BadSetting(
            "server.tls_cert",
            f"and server.tls_key do not work together: {error}",
            "Give PEM files of one certificate and its own private key, without a password.",
        ) from error


def page_url(settings: ServerSettings, port: int) -> str:
    """Where the page is to be opened on this machine."""
    scheme = "https" if settings.https else "http"
    host = "localhost" if settings.loopback or settings.host in ("0.0.0.0", "::") else settings.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def microphone_warning(settings: ServerSettings, port: int) -> str | None:
    """What to tell an operator whose visitors' browsers will refuse the microphone; None if they will not."""
    if settings.loopback or settings.https:
        return None
    return (
        f"Browsers on other machines will refuse the microphone, because this is not HTTPS: only "
        f"http://localhost:{port} works, on this machine. For other machines leave --tls off away, give --tls-cert and "
        "--tls-key, or put an HTTPS proxy in front."
    )


def check_camera(settings: Settings) -> None:
    """Make sure that nobody appears on the operator's camera who should not.

    Raises:
        BadSetting: every visitor's avatar could.
    """
    if settings.camera.device and not settings.server.loopback and not settings.shows.play:
        raise BadSetting(
            "camera.device",
            "would show whoever reaches this server on your camera",
            "Serve on 127.0.0.1, or let the camera show a show of your own: --play FILE.",
        )


@contextmanager
def camera_of(settings: CameraSettings) -> Iterator[VirtualCamera | None]:
    """The virtual camera that is wanted, if any, until the block ends; see `VirtualCamera`."""
    if not settings.device:
        yield None
        return
    from visavis_server.virtual_camera import VirtualCamera

    camera = VirtualCamera(settings.device, settings.width, settings.height)
    try:
        yield camera
    finally:
        camera.close()


def serve_forever(
    settings: Settings,
    sock: socket.socket,
    on_ready: Callable[[], None],
    camera: VirtualCamera | None = None,
    own_certificate: OwnCertificate | None = None,
    worker: int = 0,
    ledger: Ledger | None = None,
) -> None:
    """Build the product, serve it on this socket until a signal comes, and take it down in order.

    Args:
        settings: the operator's choices.
        sock: listens already.
        on_ready: called once it answers.
        camera: shows the avatar too.
        own_certificate: if HTTPS is served with one that visavis has made.
        worker: its number, if this is one of several processes behind a front; 0: it is all there is.
        ledger: what these count together.
    """
    from visavis_models.portrait.library import AvatarLibrary
    from visavis_server.app import create_app
    from visavis_server.listening.crew import ListeningCrew
    from visavis_server.provenance.signing import recording_signer
    from visavis_server.steering import SteeringPolicy
    from visavis_server.studio import Studio, StudioSettings
    from visavis_server.tracing.exporting import traces_of
    from visavis_server.wiring import default_renderer, finish_for, listener_maker
    from visavis_server.workers.destinations import id_prefix
    from visavis_server.workers.worker import answer_front

    library = AvatarLibrary(settings.data_dir / "avatars", canvas=settings.photos.canvas)
    renderer = default_renderer(settings.drawing, settings.provenance)
    _log.info("drawing", extra={"renderer": renderer.name})
    how = StudioSettings(
        long_side_px=settings.video.long_side_px,
        policy=SteeringPolicy(settings.sessions.when_busy, settings.sessions.least_fps),
        id_prefix=id_prefix(worker) if worker else "",
        finish=finish_for(settings.provenance),
        hearing_threads=settings.sessions.listening_processes,
    )
    ears = ListeningCrew(settings.sessions.listening_processes) if settings.sessions.listening_processes else None
    studio = Studio(renderer, listener_maker() if ears is None else ears.listener, how)
    traces = traces_of(settings.traces, worker)
    signer = recording_signer(settings)
    app = create_app(settings, studio, library, after_recording=signer, traces=traces, ledger=ledger)
    if worker:
        answer_front(app, studio.warm_up)
    server = call_server(app, settings, on_ready, own_certificate)

    async def run() -> None:
        beside = [asyncio.create_task(_warm_up(studio, library), name="warm up")]
        if settings.shows.play:
            from visavis_server.house_show import keep_playing

            playing = keep_playing(app.state.shows, app.state.desk, settings.shows)
            beside.append(asyncio.create_task(playing, name="house show"))
        feed = None
        if camera is not None:
            from visavis_server.camera_feed import CameraFeed

            feed = CameraFeed(app.state.registry, camera, camera.clear, strangers=settings.server.loopback)
        try:
            await server.serve(sockets=[sock])
        finally:
            if feed is not None:
                feed.close()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            if ears is not None:
                ears.close()

    try:
        asyncio.run(run())
    finally:
        if traces is not None:
            traces.close()


def leave() -> NoReturn:
    """End the process at once. Everything of ours is closed by now.

    Python would wait for an analysis that nobody waits for any more, and then spend seconds in the networks' libraries.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


async def _warm_up(studio: Studio, library: AvatarLibrary) -> None:
    """What the first caller would wait for is done while nobody waits."""
    try:
        await asyncio.to_thread(importlib.import_module, "visavis_server.rtc")
        avatars = await asyncio.to_thread(library.list)
        if avatars:
            await studio.warm_up(await asyncio.to_thread(library.get, avatars[0].id))
            _log.info("warmed up")
    except Exception:  # the first session will tell its user what is wrong
        _log.exception("warm-up failed")
