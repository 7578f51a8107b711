"""RTMP's messages and the chunks that they are cut into. Only bytes, and a reader for them; knows nothing of commands.

Reads what strangers send: lengths are bounded.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass

CHUNK_BYTES = 4096
"""How long our chunks are; the server is told."""
MAX_MESSAGE_BYTES = 64 * 1024
"""A server has little to say to a publisher."""
_MAX_STREAMS = 64
_EXTENDED = 0xFFFFFF

SET_CHUNK_SIZE, ABORT, ACKNOWLEDGEMENT, USER_CONTROL, WINDOW_SIZE = 1, 2, 3, 4, 5
AUDIO, VIDEO, COMMAND_AMF3, DATA, COMMAND = 8, 9, 17, 18, 20


class BadChunk(ValueError):
    """The server does not speak RTMP."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message."""

    kind: int
    stream: int
    data: bytes


def chunked(channel: int, message: Message, time_ms: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
    """A message as chunks with a full header.

    Args:
        channel: chunk stream, 2 to 63.
        message: what is sent.
        time_ms: its timestamp; wraps after 49 days.
        chunk_bytes: how long a chunk is.
    """
    time_ms &= 0xFFFFFFFF
    extended = struct.pack("!I", time_ms) if time_ms >= _EXTENDED else b""
    head = struct.pack("!I", min(time_ms, _EXTENDED))[1:] + struct.pack("!I", len(message.data))[1:]
    parts = [bytes((channel,)), head, bytes((message.kind,)), struct.pack("<I", message.stream), extended]
    parts.append(message.data[:chunk_bytes])
    for at in range(chunk_bytes, len(message.data), chunk_bytes):
        parts += [bytes((0xC0 | channel,)), extended, message.data[at : at + chunk_bytes]]
    return b"".join(parts)


@dataclass(slots=True)
class _Inflow:
    """What is known of one chunk stream."""

    length: int = 0
    kind: int = 0
    stream: int = 0
    extended: bool = False
    data: bytearray | None = None


class ChunkReader:
    """Puts a server's chunks together into messages."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._inflows: dict[int, _Inflow] = {}
        self._chunk_bytes = 128
        self.read_bytes = 0
        """How much has come, for acknowledgements."""

    async def next(self) -> Message:
        """The next message that is not about chunks themselves.

        Raises:
            BadChunk: it is no RTMP, or too long.
            asyncio.IncompleteReadError: the connection has ended.
        """
        while True:
            message = await self._chunk()
            if message is None:
                continue
            if message.kind == SET_CHUNK_SIZE and len(message.data) >= 4:
                size = int.from_bytes(message.data[:4]) & 0x7FFFFFFF
                if not size:
                    raise BadChunk("chunks of nothing")
                self._chunk_bytes = min(size, MAX_MESSAGE_BYTES)
            elif message.kind == ABORT and len(message.data) >= 4:
                self._inflows.pop(int.from_bytes(message.data[:4]), None)
            else:
                return message

    async def _chunk(self) -> Message | None:
        (first,) = await self._read(1)
        layout, channel = first >> 6, first & 63
        if channel == 0:
            channel = 64 + (await self._read(1))[0]
        elif channel == 1:
            low, high = await self._read(2)
            channel = 64 + low + 256 * high
        if channel not in self._inflows and (layout > 1 or len(self._inflows) >= _MAX_STREAMS):
            raise BadChunk("a chunk without a beginning")
        inflow = self._inflows.setdefault(channel, _Inflow())
        await self._header(layout, inflow)
        if inflow.data is None:
            if inflow.length > MAX_MESSAGE_BYTES:
                raise BadChunk("a message that is too long")
            inflow.data = bytearray()
        inflow.data += await self._read(min(self._chunk_bytes, inflow.length - len(inflow.data)))
        if len(inflow.data) < inflow.length:
            return None
        data, inflow.data = bytes(inflow.data), None
        return Message(inflow.kind, inflow.stream, data)

    async def _header(self, layout: int, inflow: _Inflow) -> None:
        if layout < 3:
            if inflow.data is not None:
                raise BadChunk("a message within a message")
            inflow.extended = int.from_bytes(await self._read(3)) == _EXTENDED
        if layout < 2:
            *length, inflow.kind = await self._read(4)
            inflow.length = int.from_bytes(bytes(length))
        if layout == 0:
            inflow.stream = int.from_bytes(await self._read(4), "little")
        if inflow.extended:
            await self._read(4)

    async def _read(self, count: int) -> bytes:
        data = await self._reader.readexactly(count)
        self.read_bytes += count
        return data
