"""Turns pictures into H.264 or VP8 and voice into Opus, cut into RTP payloads, within a bitrate that moves.

Knows nothing of sockets, clocks or congestion: whoever calls gives the target. Not thread-safe: one thread at a time.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from fractions import Fraction
from typing import Protocol

import av
import numpy as np
from aiortc.codecs.h264 import H264Encoder as _AiortcH264
from aiortc.codecs.vpx import Vp8Encoder as _AiortcVp8
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

FRAME_RATE = 25
VIDEO_HZ = 90_000
VOICE_HZ = 48_000
OPUS_SAMPLES = 960
OPUS_BPS = 48_000
KEYFRAME_INTERVAL = 3000
"""Frames between keyframes that nobody asked for: two minutes."""
DEFAULT_CEILING_BPS = 2_500_000
BUFFER_S = 0.35
"""How far a burst may run ahead of the rate. Bounds the size of a keyframe, and with it the delay that it causes."""
H264_LEVELS = (  # Annex A, table A-1: level_idc, macroblocks/s, macroblocks/frame, kbit/s in Baseline
    (30, 40_500, 1_620, 10_000),
    (31, 108_000, 3_600, 14_000),
    (32, 216_000, 5_120, 20_000),
    (40, 245_760, 8_192, 20_000),
    (42, 522_240, 8_704, 50_000),
    (51, 983_040, 36_864, 240_000),
)
_NVENC = "h264_nvenc"
_SMPTE_170M = 6
_LIMITED_RANGE = 1


class PictureEncoder(Protocol):
    """Encodes pictures of one stream."""

    name: str
    """The codec, as in SDP: H264 or VP8."""
    keyframes: int
    """How many keyframes were made."""
    ceiling_bps: int
    """The rate that will never be passed at this size; set before a picture of a new size comes."""

    def encode(self, frame: av.VideoFrame, target_bps: int, *, keyframe: bool) -> list[bytes]:
        """RTP payloads of one yuv420p frame; its pts counts 1/90000 s."""
        ...

    def restart(self) -> None:
        """Forget a failed codec; the next frame is a keyframe made on the CPU."""
        ...


def h264_level(width_px: int, height_px: int, bps: int) -> int:
    """The lowest H.264 level (as level_idc) that allows this size and rate at 25 frames per second."""
    blocks = -(-width_px // 16) * -(-height_px // 16)
    for level, blocks_per_s, blocks_per_frame, kbps in H264_LEVELS:
        if blocks <= blocks_per_frame and blocks * FRAME_RATE <= blocks_per_s and bps <= 1000 * kbps:
            return level
    return H264_LEVELS[-1][0]


def _context(
    name: str, frame: av.VideoFrame, bps: int, buffer_bits: float, options: dict[str, str]
) -> VideoCodecContext:
    codec = av.CodecContext.create(name, "w")
    assert isinstance(codec, VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "yuv420p"
    codec.bit_rate = bps
    codec.framerate = Fraction(FRAME_RATE)
    codec.time_base = Fraction(1, VIDEO_HZ)
    codec.gop_size = KEYFRAME_INTERVAL
    codec.color_range, codec.colorspace = _LIMITED_RANGE, _SMPTE_170M  # cv2 converts by BT.601
    codec.thread_count = 1  # a second thread costs a core that another session needs
    codec.options = {"maxrate": str(bps), "bufsize": str(round(buffer_bits))} | options
    return codec


class _Pictures(ABC):
    """What both codecs share: when a context must be made anew, and keyframes counted."""

    name = ""

    def __init__(self) -> None:
        self._codec: VideoCodecContext | None = None
        self.keyframes = 0
        self.ceiling_bps = DEFAULT_CEILING_BPS

    @abstractmethod
    def _open(self, frame: av.VideoFrame, bps: int) -> VideoCodecContext: ...

    @abstractmethod
    def _retarget(self, codec: VideoCodecContext, bps: int, *, keyframe: bool) -> bool:
        """Bring the context to this rate; False if a new one is needed."""
        ...

    def restart(self) -> None:
        """Forget a failed codec; the next frame is a keyframe."""
        self._codec = None

    def _bitstream(self, frame: av.VideoFrame, target_bps: int, *, keyframe: bool) -> bytes:
        codec = self._codec
        if codec is not None and (
            (codec.width, codec.height) != (frame.width, frame.height)
            or not self._retarget(codec, target_bps, keyframe=keyframe)
        ):
            codec = None
        if codec is None:
            codec = self._codec = self._open(frame, target_bps)
        frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        packets = codec.encode(frame)
        self.keyframes += sum(packet.is_keyframe for packet in packets)
        return b"".join(bytes(packet) for packet in packets)


class H264Encoder(_Pictures):
    """H.264 Constrained Baseline. The rate changes inside the running encoder, without a keyframe.

    x264 follows a new rate only when it was started at a constant one (maxrate equal to the rate), and never above
    that; so it is started at the ceiling and turned down before the first picture. Its buffer keeps its size in bits:
    once that no longer fits, the next keyframe that somebody asks for is made by a new encoder.
    """

    name = "H264"

    def __init__(self, preset: str = "superfast") -> None:
        super().__init__()
        self._preset = preset
        self._fitting_bps = self._top_bps = 0
        self._hardware = hardware_opens()

    def encode(self, frame: av.VideoFrame, target_bps: int, *, keyframe: bool) -> list[bytes]:
        """RTP payloads of one frame, in NAL units, fragments and aggregates (packetization-mode 1)."""
        data = self._bitstream(frame, target_bps, keyframe=keyframe)
        return _AiortcH264._packetize(_AiortcH264._split_bitstream(data)) if data else []

    def restart(self) -> None:
        """Forget a failed codec; the next frame is a keyframe made on the CPU."""
        super().restart()
        self._hardware = False

    def _open(self, frame: av.VideoFrame, bps: int) -> VideoCodecContext:
        self._fitting_bps, self._top_bps = bps, max(bps, self.ceiling_bps)
        codec = self._hardware_context(frame) or self._cpu_context(frame)
        codec.bit_rate = bps
        return codec

    def _hardware_context(self, frame: av.VideoFrame) -> VideoCodecContext | None:
        if self._hardware:
            options = {"preset": "p4", "tune": "ull", "rc": "cbr", "zerolatency": "1", "delay": "0", "forced-idr": "1"}
            try:
                options["profile"] = "baseline"
                codec = _context(_NVENC, frame, self._top_bps, BUFFER_S * self._fitting_bps, options)
                codec.open()
            except (av.FFmpegError, ValueError) as error:  # its sessions are limited: the CPU takes over
                logger.warning("NVENC refuses another stream (%s); this one is encoded on the CPU.", error)
                self._hardware = False
            else:
                return codec
        return None

    def _cpu_context(self, frame: av.VideoFrame) -> VideoCodecContext:
        level = h264_level(frame.width, frame.height, self._top_bps)
        options = {"preset": self._preset, "tune": "zerolatency", "forced-idr": "1", "sc_threshold": "0"}
        options["level"] = f"{level // 10}.{level % 10}"
        codec = _context("libx264", frame, self._top_bps, BUFFER_S * self._fitting_bps, options)
        codec.profile = "Baseline"
        codec.open()
        return codec

    def _retarget(self, codec: VideoCodecContext, bps: int, *, keyframe: bool) -> bool:
        if bps > self._top_bps or (keyframe and not 0.5 <= bps / self._fitting_bps <= 2.0):
            return False
        if abs(bps - (codec.bit_rate or 0)) > 0.02 * bps:
            codec.bit_rate = bps
        return True


class Vp8Encoder(_Pictures):
    """VP8. libvpx does not take a new rate through FFmpeg, so a change costs a keyframe and is made rarely.

    Down: at once when the target is a fifth lower. Up: when it is half higher for five seconds, or with a keyframe that
    somebody asked for.
    """

    name = "VP8"
    UP_AFTER_FRAMES = 5 * FRAME_RATE

    def __init__(self) -> None:
        super().__init__()
        self._frames_above = 0
        self._picture_id = int(time.monotonic_ns()) & 0x7FFF

    def encode(self, frame: av.VideoFrame, target_bps: int, *, keyframe: bool) -> list[bytes]:
        """RTP payloads of one frame, each with a VP8 payload descriptor."""
        data = self._bitstream(frame, target_bps, keyframe=keyframe)
        if not data:  # libvpx may drop a frame to hold the rate
            return []
        payloads = _AiortcVp8._packetize(data, self._picture_id)
        self._picture_id = (self._picture_id + 1) & 0x7FFF
        return payloads

    def _open(self, frame: av.VideoFrame, bps: int) -> VideoCodecContext:
        self._frames_above = 0
        options = {
            "deadline": "realtime",
            "cpu-used": "-6",
            "lag-in-frames": "0",
            "noise-sensitivity": "0",  # the denoiser costs a third of the time and smears skin
            "minrate": str(bps),  # equal to maxrate: constant bitrate
            "static-thresh": "1",
            "undershoot-pct": "100",
            "overshoot-pct": "15",
        }
        codec = _context("libvpx", frame, bps, BUFFER_S * bps, options)
        codec.qmin, codec.qmax = 2, 56
        return codec

    def _retarget(self, codec: VideoCodecContext, bps: int, *, keyframe: bool) -> bool:
        ratio = bps / (codec.bit_rate or bps)
        self._frames_above = self._frames_above + 1 if ratio > 1.5 else 0
        wanted = ratio < 0.8 or self._frames_above > self.UP_AFTER_FRAMES or (keyframe and ratio > 1.1)
        return not wanted


_HARDWARE: list[bool] = []


def hardware_opens() -> bool:
    """Whether this machine has an NVENC that opens; tried once."""
    if not _HARDWARE:
        try:
            probe = av.CodecContext.create(_NVENC, "w")
            assert isinstance(probe, VideoCodecContext)
            probe.width, probe.height, probe.pix_fmt, probe.time_base = 640, 640, "yuv420p", Fraction(1, FRAME_RATE)
            previous = av.logging.get_level()
            av.logging.set_level(av.logging.PANIC)  # no driver is the normal case, not an error to print
            try:
                probe.open()
            finally:
                av.logging.set_level(previous)
            _HARDWARE.append(True)
        except (av.FFmpegError, ValueError):
            _HARDWARE.append(False)
    return _HARDWARE[0]


def _opus() -> av.AudioCodecContext:
    codec = av.CodecContext.create("libopus", "w")
    assert isinstance(codec, av.AudioCodecContext)
    codec.bit_rate = OPUS_BPS
    codec.format, codec.layout, codec.sample_rate = "s16", "mono", VOICE_HZ
    codec.time_base = Fraction(1, VOICE_HZ)
    codec.options = {"application": "voip", "frame_duration": "20", "fec": "1", "packet_loss": "10", "vbr": "on"}
    return codec


class OpusVoiceEncoder:
    """Mono voice to Opus: 20 ms packets at 48 kbit/s with in-band repair for lost packets, no gaps in silence."""

    def __init__(self) -> None:
        self._codec = _opus()
        self._next_pts: int | None = None

    def encode(self, samples: NDArray[np.int16], pts: int) -> tuple[bytes, int]:
        """One packet of 960 samples at 48 kHz that begin at `pts`, and the RTP time of the sound in it.

        The encoder delays sound by a few milliseconds; its own pts takes that back, so that lips stay exact. Behind a
        gap it begins anew, or it would close it.
        """
        if self._next_pts not in (None, pts):
            self._codec = _opus()
        self._next_pts = pts + OPUS_SAMPLES
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, OPUS_SAMPLES), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = VOICE_HZ, pts, Fraction(1, VOICE_HZ)
        (packet,) = self._codec.encode(frame)
        return bytes(packet), pts if packet.pts is None else packet.pts
