"""Sends a session to an RTMP server: YouTube, Twitch, MediaMTX, nginx-rtmp. Joins what is encoded to the connection."""

from __future__ import annotations

from collections.abc import Callable

from visavis_server.outputs.access_units import TIMESCALE_HZ
from visavis_server.outputs.program import Program
from visavis_server.outputs.rtmp_connection import RtmpConnection
from visavis_server.outputs.stream import Progress, Stream
from visavis_server.outputs.target import Target
from visavis_server.outputs.unit_queue import UnitQueue

QUEUE_S = 4.0
QUEUE_BYTES = 8 * 1024 * 1024


class RtmpStream(Stream):
    """A stream over RTMP or RTMPS.

    Args:
        program: what is sent.
        target: where to.
        give_up_s: see `Stream`.
        on_over: see `Stream`.
    """

    def __init__(self, program: Program, target: Target, give_up_s: float, on_over: Callable[[], None]) -> None:
        self._program = program
        self._left_out_before = program.pictures_left_out
        self._queue = UnitQueue(QUEUE_S, QUEUE_BYTES, program.ask_keyframe)
        self._seconds = 0.0
        self._bytes = 0
        super().__init__(target, give_up_s, on_over)

    def _progress(self) -> Progress:
        dropped = self._queue.pictures_dropped + self._program.pictures_left_out - self._left_out_before
        return Progress(self._seconds, self._bytes, dropped, self._queue.voice_dropped_s)

    async def _transmit(self) -> None:
        connection = await RtmpConnection.connect(self._target, self._program.format)
        self._bytes += connection.sent_bytes
        self._queue.restart()
        self._program.add(self._queue)
        self._live()
        try:
            await self._send(connection)
        except BaseException:
            self._program.remove(self._queue)
            await connection.close()
            raise

    async def _send(self, connection: RtmpConnection) -> None:
        seconds_before, bytes_before, begin = self._seconds, self._bytes - connection.sent_bytes, None
        while (unit := await self._queue.get()) is not None:
            begin = unit.pts if begin is None else begin
            await connection.send(unit)
            self._seconds = seconds_before + max(0, unit.pts - begin) / TIMESCALE_HZ
            self._bytes = bytes_before + connection.sent_bytes
