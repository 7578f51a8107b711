"""RTMP servers that behave badly, on real sockets: they speak as much RTMP as their part needs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

from visavis_server.outputs import amf
from visavis_server.outputs.rtmp_chunks import COMMAND, ChunkReader, Message, chunked

Part = Literal["reads", "silent", "stops_reading", "rejects", "garbage", "hangs_up", "floods", "ends", "slow"]


@dataclass
class FakeRtmp:
    """One server; `part` may change between connections."""

    part: Part
    port: int = 0
    connections: int = 0
    messages: list[Message] = field(default_factory=list)
    commands: list[list[amf.Value]] = field(default_factory=list)
    open_now: int = 0
    reads_bps: float = 500_000
    """What a slow one takes."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_now -= 1
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.part == "silent":
            await reader.read()
        if self.part == "hangs_up":
            return
        if self.part == "garbage":
            writer.write(os.urandom(8000))
            await reader.read()
        client = await reader.readexactly(1537)
        writer.write(b"\x03" + bytes(1536) + client[1:])
        await reader.readexactly(1536)
        chunks = ChunkReader(reader)
        while True:
            message = await chunks.next()
            self.messages.append(message)
            if message.kind != COMMAND:
                continue
            values = amf.read(message.data)
            self.commands.append(values)
            if not await self._answer(values, reader, writer):
                await asyncio.sleep(3600)

    async def _answer(
        self, values: list[amf.Value], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """False: nothing is read any more."""

        def say(*answer: amf.Value) -> None:
            writer.write(chunked(3, Message(COMMAND, 0, amf.write(*answer)), 0, 128))

        if values[0] == "connect":
            say("_result", 1.0, {"fmsVer": "FMS/3,0"}, {"code": "NetConnection.Connect.Success", "level": "status"})
        elif values[0] == "createStream":
            say("_result", values[1], None, 7.0)
        elif values[0] == "publish" and self.part == "rejects":
            about: dict[str, amf.Value] = {"level": "error", "code": "NetStream.Publish.BadName"}
            say("onStatus", 0.0, None, about | {"description": f"{values[3]} is not a key"})
        elif values[0] == "publish":
            say("onStatus", 0.0, None, {"level": "status", "code": "NetStream.Publish.Start"})
            if self.part == "floods":
                with contextlib.suppress(OSError):
                    while True:
                        writer.write(chunked(2, Message(4, 0, b"\0\6\0\0\0\0"), 0) * 1000)
                        await writer.drain()
            while self.part == "slow" and (data := await reader.read(2048)):  # noqa: ASYNC110 - it is slow
                await asyncio.sleep(8 * len(data) / self.reads_bps)
            if self.part == "ends":
                say("onStatus", 0.0, None, {"level": "status", "code": "NetStream.Unpublish.Success"})
            return self.part != "stops_reading"
        return True


@contextlib.asynccontextmanager
async def fake_rtmp(part: Part, tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeRtmp]:
    """A server on a free port; its receive buffer is small, so that one that stops reading is noticed soon."""
    fake = FakeRtmp(part)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    sock.bind(("127.0.0.1", 0))
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(fake.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, sock=sock, limit=8192, ssl=tls)
    fake.port = sock.getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
