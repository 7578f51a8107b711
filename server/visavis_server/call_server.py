"""A uvicorn that ends calls with a good-bye, and lets them run out first where it is asked to.

Knows nothing of the API's routes or of where it listens.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from visavis_server.draining import Drainable
from visavis_server.exhaustion import ExhaustionReporter
from visavis_server.plain_http import HttpsDoor
from visavis_server.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp

    from visavis_server.own_certificate import OwnCertificate
    from visavis_server.workers.crew import Crew

WS_FRAME_BYTES = 768 * 1024
"""Above what a message may be, so that one that is a little too large is answered rather than cut off."""
_WS_PING_S = 5.0
"""A browser that has vanished from the network is noticed after twice this."""
_LAST_WORDS_S = 1.0
_CONNECTIONS = 400
"""More at once are refused: idle ones must not use up the process's file descriptors."""
_GRACEFUL_S = 2
_BACKLOG = 128


class CallServer(uvicorn.Server):
    """uvicorn, but calls end with a good-bye before their WebSockets are cut, and signals end it quietly.

    SIGTERM lets nobody new in and waits for those who are there; SIGINT, or a second SIGTERM, ends it at once.

    Args:
        config: what it serves, and how.
        on_ready: called once it answers.
        say_goodbye: ends all calls.
        own: the certificate, if visavis has made it.
        calls: what SIGTERM lets run out; None: it ends at once.
        drain_s: for how long.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        on_ready: Callable[[], None],
        say_goodbye: Callable[[], Awaitable[None]],
        own: OwnCertificate | None = None,
        calls: Drainable | None = None,
        drain_s: float = 0.0,
    ) -> None:
        super().__init__(config)
        self._calls = calls
        self._drain_s = drain_s
        self._drain_until_s: float | None = None
        self._own = own
        self._doors: list[HttpsDoor] = []
        self._say_goodbye = say_goodbye
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        asyncio.get_running_loop().set_exception_handler(ExhaustionReporter())
        sorted_out = self.config.ssl is not None and sockets is not None and sys.platform != "win32"
        await super().startup([] if sorted_out else sockets)
        if self.started:
            if sorted_out and sockets is not None and self.config.ssl is not None:
                fingerprint = None if self._own is None else self._own.fingerprint
                self._doors = [HttpsDoor(sock, self.config.ssl, self._protocol, fingerprint) for sock in sockets]
                for door in self._doors:
                    door.open()
            self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal. It may come between any two instructions, so only a time is noted here."""
        if sig == signal.SIGTERM and self._calls is not None and self._drain_until_s is None:
            self._drain_until_s = time.monotonic() + self._drain_s
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether it is time to leave."""
        if self._drain_until_s is not None and self._calls is not None and not self.should_exit:
            self._calls.drain()
            self.should_exit = self._calls.active == 0 or time.monotonic() >= self._drain_until_s
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say good-bye to every call, then stop."""
        for door in self._doors:
            await door.aclose()
        await self._say_goodbye()
        if self.server_state.tasks:
            await asyncio.wait(tuple(self.server_state.tasks), timeout=_LAST_WORDS_S)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        """Serves one connection."""
        make: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM as a wish to stop; uvicorn's own would raise them again afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)


def call_server(
    app: FastAPI,
    settings: Settings,
    on_ready: Callable[[], None] = lambda: None,
    own_certificate: OwnCertificate | None = None,
) -> CallServer:
    """The server of an app, not yet serving."""

    async def say_goodbye() -> None:
        await app.state.desk.aclose()
        await app.state.registry.aclose("shutdown")

    calls, drain_s = app.state.registry, settings.sessions.drain_s
    return CallServer(_config(app, settings), on_ready, say_goodbye, own_certificate, calls, drain_s)


def front_server(
    front: ASGIApp,
    settings: Settings,
    on_ready: Callable[[], None],
    crew: Crew,
    own_certificate: OwnCertificate | None = None,
) -> CallServer:
    """The server of several workers' front, not yet serving; the workers end with it."""
    drain_s = settings.sessions.drain_s
    return CallServer(_config(front, settings), on_ready, crew.aclose, own_certificate, crew, drain_s)


def _config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.server.host,
        port=settings.server.port,
        ws="websockets-sansio",
        ws_max_size=WS_FRAME_BYTES,
        ws_ping_interval=_WS_PING_S,
        ws_ping_timeout=_WS_PING_S,
        ws_per_message_deflate=False,  # messages are small, and each compressor costs a session 200 KB
        ssl_certfile=settings.server.tls_cert,
        ssl_keyfile=settings.server.tls_key,
        log_config=None,
        access_log=False,
        limit_concurrency=_CONNECTIONS,
        server_header=False,
        backlog=_BACKLOG,
        proxy_headers=False,  # the gate knows which proxies are to be believed
        timeout_graceful_shutdown=_GRACEFUL_S,
    )
