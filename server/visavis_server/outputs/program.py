"""Encodes what one session publishes once, as H.264 and AAC, for every recording and RTMP server that takes it.

Knows nothing of files or servers. Runs on the event loop that made it, but for encoding.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any, Protocol

import av
import numpy as np
from av.codec.context import Flags
from av.video.frame import PictureType

from visavis_models.chunk import CHUNK_MS, FRAME_RATE_HZ, PLAYBACK_SAMPLES
from visavis_models.errors import EngineError
from visavis_server.channel import Channel, Closed, Overflow
from visavis_server.media import Published
from visavis_server.outputs.access_units import (
    PICTURE_DURATION,
    TIMESCALE_HZ,
    AccessUnit,
    StreamFormat,
    length_prefixed,
    parameter_sets,
)
from visavis_server.rtc.encoders import h264_level
from visavis_server.rtc.tracks import FrameMaker

_log = logging.getLogger(__name__)

KEYFRAME_EVERY = 2 * FRAME_RATE_HZ
"""What YouTube and Twitch ask for."""
KEYFRAME_SPACING_S = 0.5
TICKS_HELD_MS = 2000
PICTURES_AT_ONCE = 25
"""An encoder that is more ticks behind leaves out every other one of their pictures, or more, but no voice."""
QUALITY_CRF = 20
AUDIO_BPS = 128_000
CHANNELS = 2
"""Some players of the big platforms still stumble over mono."""
CLOSE_S = 2.0


class Taker(Protocol):
    """Takes what is encoded."""

    def take(self, unit: AccessUnit) -> None:
        """One unit, on the event loop; must not block."""
        ...


class Program:
    """One encoding of one session; a `MediaSink`.

    Args:
        width_px: of the pictures; odd sizes lose a column.
        height_px: of the pictures; odd sizes lose a row.
        video_kbps: the pictures' rate is what their quality needs, but never more than this.

    Raises:
        EngineError: `no_encoder`.
    """

    def __init__(self, width_px: int, height_px: int, video_kbps: int) -> None:
        self._size_px = (width_px & ~1, height_px & ~1)
        self._bps = self._coded_bps = 1000 * video_kbps
        self._limits: dict[Taker, int] = {}
        self._ticks: Channel[Published] = Channel(TICKS_HELD_MS, CHUNK_MS, Overflow.DROP_OLDEST)
        self._takers: list[Taker] = []
        self._frames = FrameMaker()
        self._next_tick: int | None = None
        try:
            self._video, self._audio = _video_encoder(self._size_px, self._bps, self._bps), _audio_encoder()
        except (av.FFmpegError, ValueError) as error:
            message = "This machine cannot encode H.264 and AAC."
            raise EngineError("no_encoder", message, "Install av from PyPI, whose wheels can.") from error
        self._wanted = False
        self._keyframe_at_s = -KEYFRAME_SPACING_S
        self._left_out = 0
        self._executor = ThreadPoolExecutor(1, "visavis-program")
        sps, pps = parameter_sets(bytes(self._video.extradata or b""))
        self.format = StreamFormat(
            *self._size_px, sps, pps, bytes(self._audio.extradata or b""), CHANNELS, self._bps, AUDIO_BPS
        )
        self._task = asyncio.create_task(self._run(), name="program")

    @property
    def takers(self) -> int:
        """How many take it."""
        return len(self._takers)

    @property
    def pictures_left_out(self) -> int:
        """Pictures that were never encoded, because this machine was too slow."""
        return self._left_out + self._ticks.dropped

    def publish(self, item: Published) -> None:
        """Take one tick of the media clock."""
        try:
            self._ticks.offer(item)
        except Closed:
            return

    def add(self, taker: Taker) -> None:
        """Hand on to this one too."""
        self._takers.append(taker)

    def remove(self, taker: Taker) -> None:
        """Hand on to it no more."""
        if taker in self._takers:
            self._takers.remove(taker)
        self._limits.pop(taker, None)

    def limit(self, taker: Taker, bps: int) -> None:
        """Pictures should take no more than this on the way of this one; it holds until the taker is removed.

        Where the ways of all takers are narrow, the lowest limit holds for all. Somebody who can take everything (a
        recording, or a stream with a wide uplink) is not spoilt by another's.
        """
        self._limits[taker] = bps

    @property
    def rate_bps(self) -> int:
        """What pictures may take at the most now."""
        limits = [self._limits.get(taker, self._bps) for taker in self._takers]
        return self._bps if not limits or max(limits) == self._bps else min(limits)

    def ask_keyframe(self) -> None:
        """Somebody cannot begin without a whole picture."""
        self._wanted = True

    async def drain(self) -> None:
        """Wait until what was published by now is encoded and handed on."""
        deadline_s = time.monotonic() + CLOSE_S
        while len(self._ticks) and not self._task.done() and time.monotonic() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(CHUNK_MS / 4000)
        done: asyncio.Future[None] = asyncio.wrap_future(self._executor.submit(lambda: None))
        await asyncio.wait([done], timeout=CLOSE_S)

    async def close(self) -> None:
        """Free encoders and thread. Idempotent."""
        self._takers.clear()
        self._ticks.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        async for item in self._ticks:
            if not self._takers:
                continue
            batch, rate_bps = [item, *self._ticks.take_all()], self.rate_bps
            begun_s = time.monotonic()
            keyframe = self._due_wish(begun_s)
            try:
                units = await loop.run_in_executor(self._executor, self._encode, batch, keyframe, rate_bps)
            except Exception:  # what cannot be encoded must not end the program
                _log.exception("ticks could not be encoded for outputs")
                self._video, self._audio, self._next_tick = self._renewed()
                continue
            for each in batch:
                if each.trace is not None:
                    each.trace.stage("encode", begun_s, time.monotonic(), {"to": "outputs"})
            for taker in tuple(self._takers):
                for unit in units:
                    taker.take(unit)

    def _renewed(self) -> tuple[Any, Any, None]:
        return _video_encoder(self._size_px, self._coded_bps, self._bps), _audio_encoder(), None

    def _due_wish(self, now_s: float) -> bool:
        if not self._wanted or now_s - self._keyframe_at_s < KEYFRAME_SPACING_S:
            return False
        self._wanted, self._keyframe_at_s = False, now_s
        return True

    def _encode(self, batch: Sequence[Published], keyframe: bool, rate_bps: int) -> Sequence[AccessUnit]:
        """On the encoding thread. FFmpeg gives no way to another highest rate, so that a change costs a keyframe."""
        if rate_bps != self._coded_bps:
            self._video, self._coded_bps = _video_encoder(self._size_px, rate_bps, self._bps), rate_bps
        every = -(-len(batch) // PICTURES_AT_ONCE)
        shown = batch[(len(batch) - 1) % every :: every]  # the newest one always
        self._left_out += len(batch) - len(shown)
        units = [unit for item in batch for unit in self._voice(item)]
        for item in shown:
            units += self._picture(item, keyframe)
            keyframe = False
        return sorted(units, key=lambda unit: unit.pts)

    def _picture(self, item: Published, keyframe: bool) -> list[AccessUnit]:
        frame = self._frames.frame(item)
        frame.pts, frame.time_base = item.index, Fraction(1, FRAME_RATE_HZ)
        frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        return [
            AccessUnit(True, length_prefixed(bytes(packet)), packet.pts * PICTURE_DURATION, packet.is_keyframe)
            for packet in self._video.encode(frame)
        ]

    def _voice(self, item: Published) -> list[AccessUnit]:
        if self._next_tick is not None and item.index != self._next_tick:
            self._audio = _audio_encoder()  # a gap: the encoder would close it, and lips would lead from then on
        self._next_tick = item.index + 1
        both = np.repeat(item.voice, CHANNELS)[None]  # FFmpeg's own way from mono to stereo costs 3 dB
        frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
        frame.sample_rate, frame.pts = TIMESCALE_HZ, item.index * PLAYBACK_SAMPLES
        frame.time_base = Fraction(1, TIMESCALE_HZ)
        return [AccessUnit(False, bytes(packet), packet.pts, True) for packet in self._audio.encode(frame)]


def _video_encoder(size_px: tuple[int, int], bps: int, full_bps: int) -> Any:
    """For so many bits a second at the most; parameter sets are those of the full rate, which receivers know."""
    codec: Any = av.CodecContext.create("libx264", "w")
    codec.width, codec.height = size_px
    codec.pix_fmt, codec.color_range, codec.colorspace = "yuv420p", 1, 6  # cv2 converts by BT.601
    codec.color_primaries = codec.color_trc = 6
    codec.framerate, codec.time_base = Fraction(FRAME_RATE_HZ), Fraction(1, FRAME_RATE_HZ)
    codec.gop_size = KEYFRAME_EVERY
    codec.thread_count = 1  # a second thread costs a core that another session needs
    codec.flags |= Flags.global_header
    level = h264_level(*size_px, full_bps)
    codec.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "profile": "high",
        "level": f"{level // 10}.{level % 10}",
        "crf": str(QUALITY_CRF),
        "maxrate": str(bps),
        "bufsize": str(bps),
        "forced-idr": "1",
        "sc_threshold": "0",
    }
    codec.open()
    return codec


def _audio_encoder() -> Any:
    codec: Any = av.CodecContext.create("aac", "w")
    codec.bit_rate = AUDIO_BPS
    codec.format, codec.layout, codec.sample_rate = "fltp", "stereo", TIMESCALE_HZ
    codec.time_base = Fraction(1, TIMESCALE_HZ)
    codec.flags |= Flags.global_header
    codec.open()
    return codec
