"""What every request passes first: it must be for this host, from a page that may ask, and not too large.

Also puts the security headers on every answer, and answers for defects further in. Of the API it knows only the address
of photos and of motion files.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from visavis_models.errors import BadRequest, VisavisError
from visavis_server.api.errors import error_response, internal_error
from visavis_server.metrics import Metrics
from visavis_server.settings import LOOPBACK_HOSTS, Settings

_log = logging.getLogger(__name__)

PHOTO_PATH = "/v1/avatars"
SMALL_BODY_BYTES = 64 * 1024
REPLAY_PATH = "/motion/replay"
MOTION_BYTES = 32 * 1024 * 1024
"""Of a motion file that is to be replayed: an hour as Parquet, half of one as JSON."""
_DISCARD_BYTES = 64 * 1024 * 1024
"""Up to this much of a body that is too large is read and thrown away: a browser that is cut off while it still sends
shows its user a broken connection instead of our answer."""
_BODY_PAUSE_S = 20.0
"""A body may not stall for longer."""
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: mediastream:; "
        "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Door:
    """Which hosts and origins may come in.

    Args:
        hosts: names under which the server answers; empty: any.
        origins: other sites that may use the API.
    """

    hosts: frozenset[str]
    origins: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> Door:
        """The door that these settings describe.

        A server for this machine only answers to this machine's names only; otherwise any web page could reach it by
        letting its own name point here.
        """
        hosts = {host.lower() for host in settings.server.allowed_hosts}
        if settings.server.loopback:
            hosts |= {*LOOPBACK_HOSTS, settings.server.host.lower()}
        return cls(frozenset(hosts), frozenset(settings.server.allowed_origins))

    def refusal(self, method: str, headers: Mapping[str, str]) -> VisavisError | None:
        """Why a request may not come in, or None. `method` is `WEBSOCKET` for a WebSocket."""
        host = headers.get("host", "")
        if self.hosts and host_name(host) not in self.hosts:
            return BadRequest(
                "host_refused",
                "This server does not answer under this host name.",
                "Open it as http://localhost, or add the name to server.allowed_hosts.",
            )
        origin = headers.get("origin")
        if origin is None or method in _SAFE_METHODS or origin in self.origins:
            return None
        if urlsplit(origin).netloc.lower() == host.lower() != "":
            return None
        return BadRequest(
            "origin_refused",
            "A page of another web site may not use this server.",
            "Add the site to server.allowed_origins if it is yours.",
        )


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


class Guard:
    """ASGI middleware round the whole app."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._door = Door.of(settings)
        self._metrics = metrics
        self._photo_bytes = settings.photos.max_photo_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it in."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._door.refusal("WEBSOCKET", Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            self._metrics.error(refusal.code)
            await WebSocket(scope, receive, send).send_denial_response(error_response(refusal))

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        answer = _Answer(send)
        body = _Body(receive, self._limit(scope["path"], scope["method"]))
        refusal = self._door.refusal(scope["method"], headers)
        if refusal is None and body.too_long(headers.get("content-length")):
            if "expect" not in headers:  # whoever asks first has not begun to send
                await body.discard(int(headers["content-length"]))
            refusal = body.refusal()
        if refusal is None:
            try:
                await self._app(scope, body.receive, answer.unless(body))
            except Exception as error:
                if body.broken is None:
                    where = {"method": scope["method"], "path": scope["path"]}
                    _log.error("request failed", extra=where, exc_info=error)
                    refusal = internal_error()
                if answer.started:
                    raise  # half an answer is out: the server can only hang up
            if body.broken is not None:
                if body.broken.code == "body_too_large":
                    await body.discard()
                refusal = body.refusal()
        if refusal is not None and not answer.started:
            self._metrics.error(refusal.code)
            response: Response = error_response(refusal)
            await response(scope, receive, answer.send)

    def _limit(self, path: str, method: str) -> int:
        if method == "POST" and path == PHOTO_PATH:
            return self._photo_bytes + SMALL_BODY_BYTES
        if method == "POST" and path.startswith("/v1/sessions/") and path.endswith(REPLAY_PATH):
            return MOTION_BYTES + SMALL_BODY_BYTES
        return SMALL_BODY_BYTES


class _Answer:
    """Lets an answer through, with the security headers on it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

    def unless(self, body: _Body) -> Send:
        """Drops what the app says of a body that broke off: it cannot know why."""

        async def send(message: Message) -> None:
            if body.broken is None or self.started:
                await self.send(message)

        return send


class _Body:
    """Reads a body up to its limit."""

    def __init__(self, receive: Receive, limit_bytes: int) -> None:
        self._receive = receive
        self._limit_bytes = limit_bytes
        self._read_bytes = 0
        self._whole = False
        self.broken: VisavisError | None = None

    def too_long(self, content_length: str | None) -> bool:
        return content_length is not None and content_length.isdecimal() and int(content_length) > self._limit_bytes

    def refusal(self) -> VisavisError:
        if self.broken is not None and self.broken.code != "body_too_large":
            return self.broken
        limit = f"{self._limit_bytes // 1024} KB"
        if self._limit_bytes > SMALL_BODY_BYTES:
            limit = f"{(self._limit_bytes - SMALL_BODY_BYTES) / 1024 / 1024:.0f} MB"
            return BadRequest(
                "photo_too_large", f"This photo is larger than {limit}.", "Make it smaller: 2000 pixels are plenty."
            )
        return BadRequest("body_too_large", f"This request is larger than {limit}.", "Send less.")

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), _BODY_PAUSE_S)
        except TimeoutError:
            self.broken = BadRequest("body_too_slow", "The request stopped half way.", "Check the network; try again.")
            return {"type": "http.disconnect"}
        if message["type"] == "http.request":
            self._read_bytes += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._read_bytes > self._limit_bytes:
                self.broken = BadRequest("body_too_large", "The request is too large.", "Send less.")
                return {"type": "http.disconnect"}
        return message

    async def discard(self, length_bytes: int = 0) -> None:
        """Read on for a while and forget, unless it is hopelessly long."""
        if length_bytes > _DISCARD_BYTES:
            return
        try:
            async with asyncio.timeout(_BODY_PAUSE_S):
                while not self._whole and self._read_bytes <= _DISCARD_BYTES:
                    message = await self._receive()
                    if message["type"] != "http.request":
                        return
                    self._read_bytes += len(message.get("body", b""))
                    self._whole = not message.get("more_body", False)
        except TimeoutError:
            return
