"""Sends one viewer what was encoded once for all of them: its own packets and reports, no encoder.

Knows nothing of sessions or of who encodes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiortc import RTCRtpSender
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCEncodedFrame

from visavis_server.rtc.bitrate import BitrateLimits
from visavis_server.rtc.layouts import Layout
from visavis_server.rtc.media_clock import MediaClock
from visavis_server.rtc.outbound import Outbound
from visavis_server.rtc.pictures_out import PicturesOut
from visavis_server.rtc.tracks import BoundedQueue

if TYPE_CHECKING:
    from visavis_server.tracing.window_trace import FrameTrace

PICTURES_HELD = 12
"""480 ms: a viewer that is further behind waits for the next keyframe."""
VOICE_HELD = 50
"""1 s of 20 ms packets; the oldest goes."""


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """One picture as RTP payloads."""

    payloads: list[bytes]
    pts: int
    """1/90000 s."""
    keyframe: bool
    canvas_px: tuple[int, int]
    """Width and height at full size; on narrow links it may be sent smaller."""
    trace: FrameTrace | None = None
    """Told when it is sent, where its window is traced."""


@dataclass(frozen=True, slots=True)
class EncodedVoice:
    """20 ms of voice as one RTP payload."""

    payload: bytes
    pts: int
    """1/48000 s."""
    level_dbov: int


class RelayTrack(MediaStreamTrack):
    """Stands where aiortc wants a track; what is sent comes through the patched sender."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    async def recv(self) -> None:  # type: ignore[override]
        """Never asked: the sender is patched."""
        raise MediaStreamError


class RelayedPictures(PicturesOut):
    """One viewer's pictures.

    Args:
        sender: its aiortc sender.
        clock: the broadcast's.
        limits: what its link may be thought to carry.
        ask_keyframe: asks whoever encodes; may be called often.
        layout: what this viewer asked for.
    """

    def __init__(
        self,
        sender: RTCRtpSender,
        clock: MediaClock,
        limits: BitrateLimits,
        ask_keyframe: Callable[[], None],
        layout: Layout = "plain",
    ) -> None:
        super().__init__(sender, clock, limits)
        self.layout = layout
        self._ask_keyframe = ask_keyframe
        self._queue: BoundedQueue[EncodedPicture] = BoundedQueue(PICTURES_HELD)
        self.codec: str | None = None
        """H264 or VP8; None until pictures can be sent."""
        self.starving = True
        """Nothing can be shown until a keyframe comes."""
        self.frames_sent = 0
        self.dropped = 0
        """Pictures that this viewer did not get although others did."""

    def put(self, picture: EncodedPicture) -> None:
        """Take one picture; without those before it, it waits for a keyframe."""
        if self.holding or (self.starving and not picture.keyframe):
            self.dropped += 1
            return
        if self._queue.waiting >= PICTURES_HELD:
            self.dropped += self._queue.clear() + 1
            self.starving = True
            self._ask_keyframe()
            return
        self.starving = False
        self._queue.put(picture)

    def want_keyframe(self) -> None:
        """The viewer has asked for one."""
        self._ask_keyframe()

    def start_over(self) -> None:
        """See `PicturesOut`: others get their pictures meanwhile."""
        self.dropped += self._queue.clear()
        self.starving = True

    def release(self) -> None:
        """Stop: whoever waits for a picture is woken with the track's end."""
        self._queue.close()

    async def _encoded(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        if self.codec is None:
            self.codec = codec.name.upper()
            self._ask_keyframe()
        picture = await self._queue.get()
        if picture.trace is not None:
            self._sending = picture.trace, "viewer", time.monotonic()
        self._controlled(picture.canvas_px)
        self.frames_sent += 1
        return RTCEncodedFrame(picture.payloads, picture.pts, None)  # type: ignore[arg-type]


class RelayedVoice(Outbound):
    """One viewer's voice."""

    def __init__(self, sender: RTCRtpSender, clock: MediaClock) -> None:
        super().__init__(sender, clock, 48_000)
        self._queue: BoundedQueue[EncodedVoice] = BoundedQueue(VOICE_HELD)
        self.ready = False
        """Voice can be sent."""

    @property
    def dropped(self) -> int:
        """Packets lost because this viewer's sending stood still."""
        return self._queue.dropped

    def put(self, voice: EncodedVoice) -> None:
        """Take one packet."""
        if self.ready:
            self._queue.put(voice)

    def release(self) -> None:
        """Stop: whoever waits for voice is woken with the track's end."""
        self._queue.close()

    async def _encoded(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        self.ready = True
        voice = await self._queue.get()
        return RTCEncodedFrame([voice.payload], voice.pts, voice.level_dbov)
