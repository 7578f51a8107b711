"""One browser's pictures: one thread converts and encodes, the newest picture wins, the rate follows the link.

Knows nothing of sessions.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import Executor
from typing import TYPE_CHECKING

import av
from aiortc import RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCEncodedFrame

from visavis_server.media import Published
from visavis_server.rtc.bitrate import BitrateLimits
from visavis_server.rtc.encoders import H264Encoder, PictureEncoder, Vp8Encoder
from visavis_server.rtc.fitting import FittedFrames
from visavis_server.rtc.layouts import Layout, frame_size_px, frames_of
from visavis_server.rtc.media_clock import MediaClock
from visavis_server.rtc.pictures_out import PicturesOut
from visavis_server.rtc.repairs import keyframe_spacing_s
from visavis_server.rtc.tracks import PictureTrack

if TYPE_CHECKING:
    from visavis_server.tracing.window_trace import Figure

logger = logging.getLogger(__name__)


class PictureOutbound(PicturesOut):
    """The avatar's pictures: one thread converts and encodes, the newest picture wins, the rate follows the link."""

    def __init__(
        self,
        sender: RTCRtpSender,
        track: PictureTrack,
        clock: MediaClock,
        executor: Executor,
        limits: BitrateLimits,
        layout: Layout = "plain",
    ) -> None:
        super().__init__(sender, clock, limits)
        self._executor = executor
        self._track = track
        self._layout: Layout = layout
        self._frames = FittedFrames(frames_of(layout))
        self._keyframe_wanted = False
        self._keyframe_due_s = 0.0
        self._encoder: PictureEncoder | None = None
        self.size_px: tuple[int, int] | None = None
        """Of the pictures as they are sent: smaller than the canvas on a narrow link."""
        self.frames_sent = 0

    @property
    def codec(self) -> str | None:
        """H264 or VP8; None before the first picture."""
        return None if self._encoder is None else self._encoder.name

    @property
    def keyframes(self) -> int:
        """Keyframes made so far."""
        return 0 if self._encoder is None else self._encoder.keyframes

    def want_keyframe(self) -> None:
        """Make the next picture a whole one, unless one was made a moment ago."""
        self._keyframe_wanted = True

    def start_over(self) -> None:
        """See `PicturesOut`."""
        self._keyframe_wanted, self._keyframe_due_s = True, 0.0

    async def _encoded(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        item = await self._track.next_item()
        if self.holding:
            return None
        canvas_px = frame_size_px(item, self._layout)
        now_s = time.monotonic()
        controller = self._controlled(canvas_px)
        target_bps, rate_bps = round(self.share * controller.at(now_s)), round(self.share * controller.rate_bps)
        step = self._steps.at(rate_bps, now_s)
        keyframe = self._keyframe_wanted and now_s >= self._keyframe_due_s
        if item.index % step.every and not keyframe:
            return None
        before, encode_bps = self.keyframes, target_bps if codec.name.upper() == "H264" else rate_bps
        encoding_s = time.monotonic()
        payloads, timestamp, size_px = await asyncio.get_running_loop().run_in_executor(
            self._executor, self._encode, codec.name, item, step.scale, encode_bps, keyframe
        )
        if not payloads:
            return None
        self.size_px = size_px
        if item.trace is not None:
            encoded_s, size_bytes = time.monotonic(), sum(map(len, payloads))
            figures: dict[str, Figure] = {"to": "call", "bytes": size_bytes, "keyframe": self.keyframes > before}
            item.trace.stage("encode", encoding_s, encoded_s, figures)
            self._sending = item.trace, "call", encoded_s
        if self.keyframes > before:
            self._keyframe_wanted = False
            self._keyframe_due_s = now_s + keyframe_spacing_s(sum(map(len, payloads)), target_bps, self.rtt_s)
        self.frames_sent += 1
        return RTCEncodedFrame(payloads, timestamp, None)  # type: ignore[arg-type]  # aiortc's own pictures pass None

    def release(self) -> None:
        """Drop the encoder and the picture that it was at."""
        self._encoder = None
        self._frames = FittedFrames(frames_of(self._layout))

    def _encode(
        self, codec: str, item: Published, scale: float, target_bps: int, keyframe: bool
    ) -> tuple[list[bytes], int, tuple[int, int]]:
        """On the encoding thread: even to look for hardware may take long."""
        frame = self._frames.frame(item, scale)
        if frame is None:  # the first ticks after somebody asked for a matte have none yet
            return [], 0, (0, 0)
        if self._encoder is None:
            self._encoder = H264Encoder() if codec.upper() == "H264" else Vp8Encoder()
        assert frame.pts is not None
        self._encoder.ceiling_bps = self._limits.scaled(*frame_size_px(item, self._layout)).max_bps
        try:
            payloads = self._encoder.encode(frame, target_bps, keyframe=keyframe)
        except (av.FFmpegError, ValueError) as error:  # a graphics card may be lost at any time
            logger.warning("The %s encoder failed (%s); a new one is made on the CPU.", codec, error)
            self._encoder.restart()
            payloads = self._encoder.encode(frame, target_bps, keyframe=True)
        return payloads, frame.pts, (frame.width, frame.height)
