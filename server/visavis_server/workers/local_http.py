"""One HTTP exchange with a worker over its socket: bodies flow through in both directions.

Knows nothing of which worker, or of what is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import h11

Headers = Sequence[tuple[bytes, bytes]]
_CHUNK_BYTES = 64 * 1024


class WorkerGone(Exception):
    """The worker does not answer, or fell silent in the middle."""


@dataclass(slots=True)
class Answer:
    """What came back; `close` must be called."""

    status: int
    headers: list[tuple[bytes, bytes]]
    _connection: h11.Connection
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    _sending: asyncio.Task[None] | None = None

    async def body(self) -> AsyncIterator[bytes]:
        """The body, as it comes.

        Raises:
            WorkerGone: it ended too early.
        """
        while True:
            event = await _next_event(self._connection, self._reader)
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return

    async def whole(self, most_bytes: int = 16 * 1024 * 1024) -> bytes:
        """All of the body.

        Raises:
            WorkerGone: it ended too early, or is too long.
        """
        parts = [part async for part in self.body()]
        if sum(map(len, parts)) > most_bytes:
            raise WorkerGone("too long an answer")
        return b"".join(parts)

    async def close(self) -> None:
        """Free the connection. Idempotent."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


async def ask(
    address: str, method: str, target: bytes, headers: Headers, body: AsyncIterator[bytes] | bytes = b""
) -> Answer:
    """Ask a worker.

    Args:
        address: path of its socket.
        method: of HTTP.
        target: path and query.
        headers: names in lower case; they say how long the body is, or that it is chunked.
        body: whole, or as it comes.

    Raises:
        WorkerGone: see there.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(address)
    except OSError as error:
        raise WorkerGone(str(error)) from error
    connection = h11.Connection(h11.CLIENT)
    sending: asyncio.Task[None] | None = None
    try:
        head = connection.send(h11.Request(method=method, target=target, headers=list(headers)))
        writer.write(head or b"")
        sending = asyncio.create_task(_send(connection, writer, body), name="send to worker")
        while True:
            event = await _next_event(connection, reader)
            if isinstance(event, h11.Response):
                found = [(bytes(name).lower(), bytes(value)) for name, value in event.headers]
                return Answer(event.status_code, found, connection, reader, writer, sending)
    except BaseException:
        if sending is not None:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        writer.close()
        raise


async def _send(connection: h11.Connection, writer: asyncio.StreamWriter, body: AsyncIterator[bytes] | bytes) -> None:
    with suppress(OSError, h11.LocalProtocolError):  # whoever answers early need not read on
        if isinstance(body, bytes):
            writer.write(connection.send(h11.Data(data=body)) or b"")
        else:
            async for part in body:
                writer.write(connection.send(h11.Data(data=part)) or b"")
                await writer.drain()
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()


async def _next_event(connection: h11.Connection, reader: asyncio.StreamReader) -> object:
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(_CHUNK_BYTES))
            elif isinstance(event, h11.ConnectionClosed):
                raise WorkerGone("connection closed")
            else:
                return event
    except (OSError, h11.RemoteProtocolError) as error:
        raise WorkerGone(str(error)) from error
