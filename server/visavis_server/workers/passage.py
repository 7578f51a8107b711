"""Passes a WebSocket on to a worker, both ways; a client whose worker ends is told so before it is closed.

Knows nothing of what is said, but for the last words.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode

from visavis_models.errors import Busy
from visavis_server.api.errors import error_response
from visavis_server.api.messages import as_text, bye_message, error_message
from visavis_server.workers.crew import Worker
from visavis_server.workers.destinations import Destination

_log = logging.getLogger(__name__)

_MOST_MESSAGE_BYTES = 1024 * 1024
"""Above what workers take: they are to refuse it themselves."""
_OWN = frozenset(
    (
        b"host", b"connection", b"upgrade", b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions",
        b"sec-websocket-protocol", b"content-length", b"origin", b"user-agent",
    )
)  # fmt: skip
"""Headers that the connection to the worker has of its own, or is told otherwise."""


async def pass_websocket(
    workers: Sequence[Worker],
    where: Destination,
    scope: Scope,
    receive: Receive,
    send: Send,
    headers: Sequence[tuple[bytes, bytes]],
) -> None:
    """Connect a client with the first worker that can be reached, until either side leaves."""
    socket = WebSocket(scope, receive, send)
    for worker in workers:
        try:
            connection = await _connected(worker, scope, headers)
        except InvalidStatus as refused:
            await _refuse(refused, scope, receive, send)
            return
        except (OSError, TimeoutError, WebSocketException) as error:
            _log.warning("worker gave no answer", extra={"worker": worker.number, "why": str(error)})
            continue
        if where.opens:
            worker.note_opened()
        async with connection:
            await socket.accept(connection.subprotocol)
            await _pass(socket, connection)
        return
    await socket.send_denial_response(error_response(worker_lost()))


async def _connected(worker: Worker, scope: Scope, headers: Sequence[tuple[bytes, bytes]]) -> ClientConnection:
    told = {name: value for name, value in headers if name in (b"host", b"origin", b"user-agent")}
    query = scope["query_string"].decode("latin-1")
    path = scope.get("raw_path", scope["path"].encode()).decode("latin-1") + (f"?{query}" if query else "")
    host = told.get(b"host", b"localhost").decode("latin-1")
    origin: Any = told[b"origin"].decode("latin-1") if b"origin" in told else None
    agent = told[b"user-agent"].decode("latin-1") if b"user-agent" in told else None
    return await unix_connect(
        worker.plan.address,
        f"ws://{host}{path}",
        additional_headers=[(n.decode("latin-1"), v.decode("latin-1")) for n, v in headers if n not in _OWN],
        origin=origin,
        user_agent_header=agent,
        subprotocols=scope.get("subprotocols") or None,
        compression=None,
        max_size=_MOST_MESSAGE_BYTES,
        ping_interval=None,  # the front asks the client, and a worker's end is seen at once
        open_timeout=15,
    )


async def _refuse(refused: InvalidStatus, scope: Scope, receive: Receive, send: Send) -> None:
    """The worker does not let it in: its answer is the answer."""
    answer = refused.response
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.raw_items()]
    start = {"type": "websocket.http.response.start", "status": answer.status_code, "headers": headers}
    await receive()  # websocket.connect
    await send(start)
    await send({"type": "websocket.http.response.body", "body": answer.body or b""})


async def _pass(socket: WebSocket, connection: ClientConnection) -> None:
    tasks = [asyncio.create_task(_to_worker(socket, connection)), asyncio.create_task(_to_client(socket, connection))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _to_worker(socket: WebSocket, connection: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                code = message.get("code") or CloseCode.NORMAL_CLOSURE
                await connection.close(code if code in (1000, 1001) or 3000 <= code < 5000 else 1001)
                return
            text = message.get("text")
            await connection.send(text if text is not None else message.get("bytes") or b"")
    await asyncio.Event().wait()  # the worker has closed: what it said is still on its way to the client


async def _to_client(socket: WebSocket, connection: ClientConnection) -> None:
    with suppress(RuntimeError):  # the client has left
        try:
            while True:
                message = await connection.recv()
                if isinstance(message, str):
                    await socket.send_text(message)
                else:
                    await socket.send_bytes(message)
        except ConnectionClosed as closed:
            if closed.rcvd is not None:
                await socket.close(closed.rcvd.code, closed.rcvd.reason)
                return
        lost = error_message(worker_lost())
        if socket.scope["path"].endswith(("/agent", "/agents")):
            lost["segment"] = None
        await socket.send_text(as_text(lost))
        await socket.send_text(as_text(bye_message("failed")))
        await socket.close(CloseCode.SERVICE_RESTART)


def worker_lost() -> Busy:
    """What a client is told whose worker has ended."""
    return Busy(
        "worker_lost", "The part of the server that drew this avatar has ended.", "Open the session again: it is ready."
    )
