"""Publishes one stream to an RTMP server: handshake, commands, FLV's messages. On the event loop, never blocks it.

Written here rather than taken from FFmpeg, whose RTMP holds Python's lock while it connects: one server that does not
answer would stop every session (PyAV 18.1). Knows nothing of sessions or of trying again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import time
from typing import Any

from visavis_server.outputs import amf
from visavis_server.outputs.access_units import TIMESCALE_HZ, AccessUnit, StreamFormat
from visavis_server.outputs.rtmp_chunks import (
    ACKNOWLEDGEMENT,
    AUDIO,
    CHUNK_BYTES,
    COMMAND,
    COMMAND_AMF3,
    DATA,
    SET_CHUNK_SIZE,
    USER_CONTROL,
    VIDEO,
    WINDOW_SIZE,
    BadChunk,
    ChunkReader,
    Message,
    chunked,
)
from visavis_server.outputs.target import Target
from visavis_server.outputs.trouble import Rejected, Unreachable

HANDSHAKE_S = 10.0
STALL_S = 10.0
"""A server that takes nothing for so long is as good as gone."""
BUFFER_BYTES = 256 * 1024
"""What may wait in this program for the kernel to take it."""
UNSENT_BYTES = 32 * 1024
"""What may wait in the kernel: by itself it would take megabytes, many seconds on a narrow uplink, and say nothing."""
GOODBYE_S = 1.0
CHATTER_BYTES = 256 * 1024
CHATTER_BPS = 64_000
"""A server that says more than this, to one who only publishes, means no good."""
_CONTROL, _COMMANDS, _AUDIO, _VIDEO = 2, 3, 4, 6
_PING_REQUEST, _PING_RESPONSE = 6, 7
_AAC_STEREO = 0xAF
_KEYFRAME, _INTER = 0x17, 0x27


class RtmpConnection:
    """A connection on which a stream is published; made by `connect`."""

    def __init__(self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._target = target
        self._reader = reader
        self._writer = writer
        self._chunks = ChunkReader(reader)
        self._window = 0
        self._acknowledged = 0
        self._stream = 0
        self._app, self._name = target.rtmp_names
        self._listening: asyncio.Task[None] | None = None
        self._begin: int | None = None
        self._opened_s = time.monotonic()
        self.sent_bytes = 0

    @classmethod
    async def connect(cls, target: Target, form: StreamFormat) -> RtmpConnection:
        """Connect, publish, and say what comes.

        Raises:
            BadRequest: `address_refused`.
            Unreachable: the network or the server fails now.
            Rejected: the server does not want this stream.
        """
        reader, writer = await target.policy.connect(target.host, target.port, target.tls)
        writer.transport.set_write_buffer_limits(high=BUFFER_BYTES)
        _let_it_wait_here(writer)
        connection = cls(target, reader, writer)
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                await connection._handshake()
                await connection._publish()
                await connection._introduce(form)
        except BaseException as error:
            connection.abort()
            if isinstance(error, TimeoutError):
                message = "The server takes the connection, and then says nothing."
                raise Unreachable("no_answer", message, "Check that it is an RTMP server.") from error
            if isinstance(error, BadChunk | amf.BadAmf):
                raise Unreachable("not_rtmp", "The server does not speak RTMP.", "Check address and port.") from error
            if isinstance(error, OSError | asyncio.IncompleteReadError):
                message = "The server hangs up before the stream begins."
                raise Unreachable("hung_up", message, "Check the address and the stream key.") from error
            raise
        connection._listening = asyncio.create_task(connection._listen(), name="rtmp listen")
        return connection

    @property
    def waiting_bytes(self) -> int:
        """What the kernel has not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    async def send(self, unit: AccessUnit) -> None:
        """Send one unit; waits while the server is slow. The first one begins at time 0.

        Raises:
            Unreachable: the connection is lost, or takes nothing any more.
            Rejected: the server ends the stream.
        """
        if self._begin is None:
            self._begin = unit.pts
        time_ms = max(0, round((unit.pts - self._begin) * 1000 / TIMESCALE_HZ))
        if unit.is_picture:
            head = bytes((_KEYFRAME if unit.is_keyframe else _INTER, 1, 0, 0, 0))
            self._write(_VIDEO, Message(VIDEO, self._stream, head + unit.data), time_ms)
        else:
            self._write(_AUDIO, Message(AUDIO, self._stream, bytes((_AAC_STEREO, 1)) + unit.data), time_ms)
        await self._drain()

    async def close(self) -> None:
        """Say that the stream is over, and hang up."""
        await self._stop_listening()
        try:
            async with asyncio.timeout(GOODBYE_S):
                self._command("FCUnpublish", 6, None, self._name)
                self._command("deleteStream", 7, None, self._stream)
                await self._writer.drain()
                self._writer.close()
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            self.abort()

    def abort(self) -> None:
        """Hang up without a word; whatever waits is thrown away."""
        if self._listening is not None:
            self._listening.cancel()
        self._writer.transport.abort()

    async def _stop_listening(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def _handshake(self) -> None:
        ours = bytes(8) + os.urandom(1528)
        self._writer.write(b"\x03" + ours)
        answer = await self._reader.readexactly(1 + 1536)
        if answer[0] != 3:
            raise BadChunk("not version 3")
        self._writer.write(answer[1:])
        await self._reader.readexactly(1536)

    async def _publish(self) -> None:
        about = {
            "app": self._app,
            "type": "nonprivate",
            "flashVer": "FMLE/3.0 (compatible; visavis)",
            "tcUrl": f"{self._target.origin}/{self._app}",
        }
        self._write(_CONTROL, Message(SET_CHUNK_SIZE, 0, struct.pack("!I", CHUNK_BYTES)), 0)
        self._command("connect", 1, about)
        await self._result(1)
        self._command("releaseStream", 2, None, self._name)
        self._command("FCPublish", 3, None, self._name)
        self._command("createStream", 4, None)
        values = await self._result(4)
        stream = values[3] if len(values) > 3 else None
        if not isinstance(stream, float) or not 0 <= stream < 2**31:
            raise BadChunk("no stream")
        self._stream = int(stream)
        self._command("publish", 5, None, self._name, "live", stream=self._stream)
        while True:
            values = await self._next_command()
            if values[0] == "onStatus":
                code = self._check_status(values)
                if code == "NetStream.Publish.Start":
                    return

    async def _introduce(self, form: StreamFormat) -> None:
        about: dict[str, amf.Value] = {
            "width": float(form.width_px),
            "height": float(form.height_px),
            "framerate": 25.0,
            "videocodecid": 7.0,
            "videodatarate": form.video_bps / 1000,
            "audiocodecid": 10.0,
            "audiodatarate": form.audio_bps / 1000,
            "audiosamplerate": float(TIMESCALE_HZ),
            "audiosamplesize": 16.0,
            "stereo": form.channels == 2,
            "encoder": "visavis",
        }
        self._write(_AUDIO, Message(DATA, self._stream, amf.write("@setDataFrame", "onMetaData", about)), 0)
        head = bytes((_KEYFRAME, 0, 0, 0, 0))
        self._write(_VIDEO, Message(VIDEO, self._stream, head + form.avc_config), 0)
        self._write(_AUDIO, Message(AUDIO, self._stream, bytes((_AAC_STEREO, 0)) + form.audio_config), 0)
        await self._writer.drain()

    async def _listen(self) -> None:
        """Answer pings, and hear when the server has had enough."""
        while True:
            values = await self._next_command()
            if values[0] == "onStatus":
                self._check_status(values)

    async def _result(self, transaction: int) -> list[Any]:
        while True:
            values = await self._next_command()
            if values[0] == "onStatus":
                self._check_status(values)
            if len(values) > 1 and values[1] == transaction:
                if values[0] == "_error":
                    raise self._rejected(values)
                if values[0] == "_result":
                    return values

    async def _next_command(self) -> list[Any]:
        while True:
            message = await self._chunks.next()
            if self._chunks.read_bytes > CHATTER_BYTES + CHATTER_BPS / 8 * (time.monotonic() - self._opened_s):
                raise BadChunk("more than a publisher needs to know")
            if self._window and self._chunks.read_bytes - self._acknowledged >= self._window // 2:
                self._acknowledged = self._chunks.read_bytes
                count = struct.pack("!I", self._acknowledged & 0xFFFFFFFF)
                self._write(_CONTROL, Message(ACKNOWLEDGEMENT, 0, count), 0)
            if message.kind == WINDOW_SIZE and len(message.data) >= 4:
                self._window = int.from_bytes(message.data[:4])
            elif message.kind == USER_CONTROL and message.data[:2] == struct.pack("!H", _PING_REQUEST):
                pong = struct.pack("!H", _PING_RESPONSE) + message.data[2:6]
                self._write(_CONTROL, Message(USER_CONTROL, 0, pong), 0)
            elif message.kind in (COMMAND, COMMAND_AMF3):
                values = amf.read(message.data[message.kind == COMMAND_AMF3 :])
                if values and isinstance(values[0], str):
                    return values

    def _check_status(self, values: list[Any]) -> str:
        """The code of a status.

        Raises:
            Rejected: it is an error, or says that the stream is over.
        """
        about = values[3] if len(values) > 3 and isinstance(values[3], dict) else {}
        code = str(about.get("code", ""))
        if about.get("level") == "error" or code in ("NetStream.Unpublish.Success", "NetConnection.Connect.Closed"):
            raise self._rejected(values)
        return code

    def _rejected(self, values: list[Any]) -> Rejected:
        about = next((value for value in reversed(values) if isinstance(value, dict)), {})
        said = " ".join(str(about.get(key) or "") for key in ("code", "description")).strip()
        said = self._target.without_secrets(said) or "no reason given"
        remedy = "Check the address and the stream key, and that nothing else streams there."
        return Rejected("stream_rejected", f"The server does not take this stream ({said}).", remedy)

    def _command(self, name: str, transaction: int, *values: amf.Value, stream: int = 0) -> None:
        data = amf.write(name, float(transaction), *values)
        self._write(_COMMANDS, Message(COMMAND, stream, data), 0)

    def _write(self, channel: int, message: Message, time_ms: int) -> None:
        if channel == _CONTROL and self._writer.transport.get_write_buffer_size() > BUFFER_BYTES:
            return  # a server that pings and never reads
        data = chunked(channel, message, time_ms)
        self.sent_bytes += len(data)
        self._writer.write(data)

    async def _drain(self) -> None:
        listening = self._listening
        if listening is not None and listening.done():
            await self._stop_listening()
            error = listening.exception() if not listening.cancelled() else None
            if isinstance(error, Rejected):
                raise error
            raise Unreachable("connection_lost", "The server has hung up.", "It is tried again.") from error
        try:
            async with asyncio.timeout(STALL_S):
                await self._writer.drain()
        except TimeoutError as error:
            message = f"The server has taken nothing for {STALL_S:.0f} s."
            raise Unreachable("stalled", message, "Check the uplink and the server.") from error
        except OSError as error:
            raise Unreachable("connection_lost", "The connection was lost.", "It is tried again.") from error


def _let_it_wait_here(writer: asyncio.StreamWriter) -> None:
    """Where the system can be told to take little in advance; elsewhere a full uplink is noticed later."""
    sock, option = writer.get_extra_info("socket"), getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if sock is not None and option is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
