"""Sends a session to an RTMP server: YouTube, Twitch, MediaMTX, nginx-rtmp. Joins what is encoded to the connection.

Asks for fewer bits where the uplink carries no more. Knows nothing of RTMP itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from visavis_server.outputs.access_units import TIMESCALE_HZ
from visavis_server.outputs.program import Program
from visavis_server.outputs.rtmp_connection import RtmpConnection
from visavis_server.outputs.stream import Progress, Stream
from visavis_server.outputs.target import Target
from visavis_server.outputs.unit_queue import UnitQueue
from visavis_server.outputs.uplink_rate import UplinkRate
from visavis_server.rtc.stats import RateMeter

_log = logging.getLogger(__name__)

QUEUE_S = 4.0
QUEUE_BYTES = 8 * 1024 * 1024
WATCH_S = 0.5


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
        self._uplink = UplinkRate(program.format.video_bps, program.format.audio_bps)
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
        self._program.limit(self._queue, self._uplink.bps)
        self._program.add(self._queue)
        self._live()
        watching = asyncio.create_task(self._watch(connection), name="watch uplink")
        try:
            await self._send(connection)
        except BaseException:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
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

    async def _watch(self, connection: RtmpConnection) -> None:
        """Let the pictures' rate follow what goes through."""
        meter, gone_bytes = RateMeter(), connection.sent_bytes - connection.waiting_bytes
        while True:
            await asyncio.sleep(WATCH_S)
            before, now_s = gone_bytes, time.monotonic()
            gone_bytes = connection.sent_bytes - connection.waiting_bytes
            meter.add(gone_bytes - before, now_s)
            waiting_bytes = self._queue.waiting_bytes + connection.waiting_bytes
            had_bps = self._uplink.bps
            bps = self._uplink.read(waiting_bytes, meter.bps(now_s) or 0, now_s)
            if bps != had_bps:
                _log.info("stream's rate follows the uplink", extra={"to": self.shown, "video_kbps": round(bps / 1000)})
                self._program.limit(self._queue, bps)
