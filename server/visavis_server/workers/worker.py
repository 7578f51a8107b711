"""The inside of a worker process: the whole server, answering its front alone.

It lives for as long as its standard input is open. Who the client really is the front tells in a header; nobody else
can reach the socket.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from visavis_server.access.ledger import Ledger
from visavis_server.api.access_check import COUNTED
from visavis_server.workers.destinations import ORDER_PATH
from visavis_server.workers.plan import WorkerPlan

if TYPE_CHECKING:
    from fastapi import FastAPI

    from visavis_models.avatar import Avatar

CLIENT_HEADER = b"x-visavis-client"
"""Address and port of the client, and `http` or `https`, by which it came; set by the front, and by nobody else."""
AGAIN = "again"
"""What follows them where another worker was asked the same before: a request counts once."""


def asked_again(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers for a worker that is asked what another one was asked before."""
    return [(n, v + b" " + AGAIN.encode()) if n == CLIENT_HEADER else (n, v) for n, v in headers]


class FromFront:
    """ASGI middleware round a worker's app: puts the real client in place of the front.

    Args:
        app: answers clients.
        orders: answers the front itself.
    """

    def __init__(self, app: ASGIApp, orders: ASGIApp) -> None:
        self._app = app
        self._orders = orders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] in ("http", "websocket"):
            told = Headers(scope=scope).get(CLIENT_HEADER.decode(), "").split(" ")
            headers = [(name, value) for name, value in scope["headers"] if name != CLIENT_HEADER]
            scope = {**scope, "headers": headers}
            if len(told) >= 3:
                secure = told[2] == "https"
                plain = "ws" if scope["type"] == "websocket" else "http"
                scope["client"] = (told[0], int(told[1]))
                scope["scheme"] = f"{plain}s" if secure else plain
                scope[COUNTED] = AGAIN in told[3:]
            elif scope["type"] == "http" and scope["path"].startswith(ORDER_PATH):
                await self._orders(scope, receive, send)
                return
            else:
                scope["client"] = ("127.0.0.1", 0)
        await self._app(scope, receive, send)


def answer_front(app: FastAPI, warm_up: Callable[[Avatar], Awaitable[None]]) -> None:
    """Let an app be a worker's: it answers its front, and through it everybody else.

    Args:
        app: as `create_app` makes it.
        warm_up: gets an avatar ready.
    """
    from visavis_server.workers.orders import Orders

    state = app.state
    orders = Orders(state.registry, state.desk, warm_up, state.transmissions.knows, state.removal.follow)
    app.add_middleware(FromFront, orders=orders)


def open_worker_socket(address: str) -> socket.socket:
    """The socket at which a worker answers its front; only this user may connect to it."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        sock.bind(address)
    finally:
        os.umask(before)
    sock.listen(256)
    sock.set_inheritable(False)
    return sock


def read_plan(stream: BinaryIO) -> WorkerPlan:
    """What the front has sent; what follows it is nothing until the worker is to end."""
    length = int.from_bytes(stream.read(8), "big")
    return WorkerPlan.unpacked(stream.read(length))


def end_with(stream: BinaryIO) -> None:
    """End this process in order once the stream ends: the front wants it, or is no more."""

    def watch() -> None:
        while stream.read(1):
            pass
        os.kill(os.getpid(), signal.SIGINT)  # at once: the front has let run out what may

    threading.Thread(target=watch, name="watch front", daemon=True).start()


def work() -> None:
    """Be a worker."""
    from visavis_server import serving
    from visavis_server.logs import start_logging

    plan = read_plan(sys.stdin.buffer)
    start_logging(plan.settings.log.level, plan.settings.log.format, f"worker {plan.number}")
    sock = open_worker_socket(plan.address)
    end_with(sys.stdin.buffer)
    ledger = Ledger(Path(plan.address).parent, plan.number)
    try:
        serving.serve_forever(plan.settings, sock, lambda: None, worker=plan.number, ledger=ledger)
    finally:
        sock.close()
        ledger.close()
    serving.leave()
