"""Takes connections for HTTPS, and tells those that speak plain HTTP where to go and what their browser will say.

People type addresses without https; without this they would see a broken connection. The first byte tells the two
apart. Knows nothing of what is served.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from html import escape

_log = logging.getLogger(__name__)

_TLS_HANDSHAKE = 0x16
_FIRST_BYTE_S = 10.0
_ANSWER_S = 5.0
_MAX_UNDECIDED = 200
_HANDSHAKE_S = 15.0
_MAX_HEAD_BYTES = 8192
_HOST = re.compile(
    rb"^host:[ \t]*([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?[ \t]*\r?$", re.IGNORECASE | re.MULTILINE
)

_STYLE = """
:root{color-scheme:light dark}body{font:17px/1.6 system-ui,sans-serif;max-width:38rem;margin:3rem auto;padding:0 1rem}
code{font:14px ui-monospace,monospace;overflow-wrap:anywhere}
a.go{display:inline-block;padding:.6rem 1.2rem;border-radius:.5rem;background:#2563eb;color:#fff;text-decoration:none}
"""
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>visavis: one more step</title>
<meta name="viewport" content="width=device-width"><style>{style}</style></head><body><h1>One more step</h1>
<p>Browsers give the microphone only to pages that come over HTTPS. This server has it:</p>
<p><a class="go" href="{url}">Open {shown}</a></p>{own}</body></html>"""
_OWN = """<h2>Your browser will warn you</h2><p>The server has made its certificate itself, and nobody else vouches for
it. So the browser says that the connection is not private. What you send is encrypted all the same; only who receives
it is for you to make sure of. The browser shows the certificate's SHA-256 fingerprint, and it should be this one, which
also stands where the server was started:</p><p><code>{fingerprint}</code></p>
<p>Then choose <b>Advanced</b> and <b>Proceed</b> (Chrome, Edge), <b>Accept the risk</b> (Firefox) or <b>Visit this
website</b> (Safari). It asks once. Whoever runs the server avoids it with a certificate of their own:
<code>--tls-cert</code> and <code>--tls-key</code>.</p>"""


def explanation(url: str, fingerprint: str | None) -> bytes:
    """The page that tells where HTTPS is.

    Args:
        url: of the page, with https.
        fingerprint: of a certificate that the server has made itself; None: it is another one.
    """
    own = "" if fingerprint is None else _OWN.format(fingerprint=escape(fingerprint))
    return _PAGE.format(style=_STYLE, url=escape(url, quote=True), shown=escape(url), own=own).encode()


class HttpsDoor:
    """Accepts connections on one socket.

    Args:
        sock: listens, non-blocking.
        context: for HTTPS.
        make_protocol: serves one connection.
        fingerprint: see `explanation`.
    """

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        make_protocol: Callable[[], asyncio.Protocol],
        fingerprint: str | None,
    ) -> None:
        self._sock = sock
        self._context = context
        self._make_protocol = make_protocol
        self._fingerprint = fingerprint
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to accept."""
        self._sock.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(), name="accept https")

    async def aclose(self) -> None:
        """Accept no more; connections that are served already go on."""
        tasks = [task for task in (self._accepting, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._sock)
            except OSError:  # the visitor has gone again, or the process has no descriptor left
                await asyncio.sleep(0.05)
                continue
            if len(self._tasks) >= _MAX_UNDECIDED:
                connection.close()
                continue
            task = asyncio.create_task(self._take(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        handed_over = False
        try:
            connection.setblocking(False)
            async with asyncio.timeout(_FIRST_BYTE_S):
                first = await _peek(connection)
            if first and first[0] == _TLS_HANDSHAKE:
                handed_over = True
                await loop.connect_accepted_socket(
                    self._make_protocol, connection, ssl=self._context, ssl_handshake_timeout=_HANDSHAKE_S
                )
            elif first:
                async with asyncio.timeout(_ANSWER_S):
                    await self._explain(connection)
        except (OSError, TimeoutError, ssl.SSLError):
            _log.debug("connection came to nothing")
        finally:
            if not handed_over:
                connection.close()

    async def _explain(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _MAX_HEAD_BYTES:
            more = await loop.sock_recv(connection, _MAX_HEAD_BYTES)
            if not more:
                return
            head += more
        named = _HOST.search(head)
        host = named[1].decode("ascii") if named else "localhost"
        url = f"https://{host}:{connection.getsockname()[1]}/"
        body = explanation(url, self._fingerprint)
        asks_page = head.startswith((b"GET ", b"HEAD "))
        status = "200 OK" if asks_page else "421 Misdirected Request"
        answer = (
            f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
            "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n"
            "Connection: close\r\n\r\n"
        )
        await loop.sock_sendall(connection, answer.encode() + (b"" if head.startswith(b"HEAD ") else body))
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)


async def _peek(connection: socket.socket) -> bytes:
    """The first byte, which stays where it is; empty: the visitor has gone."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return connection.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            pass
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(connection, lambda ready=ready: ready.done() or ready.set_result(None))  # type: ignore[misc]
        try:
            await ready
        finally:
            loop.remove_reader(connection)
