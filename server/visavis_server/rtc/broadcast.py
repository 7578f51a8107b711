"""Encodes what one session publishes once, for all of its viewers, and hands the packets on.

A picture is encoded once for each codec and layout that some viewer takes, and voice once. Knows nothing of connections
or of who may watch. Runs on the event loop that made it, but for encoding.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Thread, current_thread
from typing import Protocol

import av
import numpy as np
from aiortc.mediastreams import MediaStreamError

from visavis_server.media import Published
from visavis_server.rtc.bitrate import BitrateLimits
from visavis_server.rtc.encoders import H264Encoder, OpusVoiceEncoder, PictureEncoder, Vp8Encoder
from visavis_server.rtc.fitting import FittedFrames
from visavis_server.rtc.layouts import Layout, frame_size_px, frames_of
from visavis_server.rtc.media_clock import MediaClock
from visavis_server.rtc.picture_steps import PictureSteps
from visavis_server.rtc.relay import EncodedPicture, EncodedVoice, RelayedPictures, RelayedVoice
from visavis_server.rtc.tracks import PICTURES_HELD, VOICE_HELD, VOICE_STEP, BoundedQueue
from visavis_server.rtc.voice_outbound import PACKET_S, level_dbov

logger = logging.getLogger(__name__)

KEYFRAME_SPACING_S = 0.5
"""However many viewers ask, they share one keyframe in this time."""
VIEWER_SPACING_S = 1.0
"""One viewer alone gets one in this time, so that its bad link (or ill will) does not cost all others sharpness."""
THREADS_S = 0.4


class Receiver(Protocol):
    """What a viewer hangs into the broadcast; None for a medium that it does not take."""

    pictures: RelayedPictures | None
    voice: RelayedVoice | None


@dataclass(slots=True)
class BroadcastCounts:
    """What was done so far; viewers that have left are counted too."""

    encoded: int = 0
    """Pictures encoded: one a tick, codec and layout, however many viewers there are."""
    with_matte: int = 0
    """Those of them that carry the matte."""
    keyframes: int = 0
    encoded_voice: int = 0
    """Packets of voice encoded."""
    relayed: int = 0
    """Pictures handed to viewers."""
    dropped: int = 0
    """Pictures that were never encoded, because newer ones had come."""


def shared_target_bps(targets_bps: Sequence[int]) -> int | None:
    """The rate for one encoding that several links share.

    The weakest link decides among up to four viewers; of more, a quarter may be left behind (they see fewer pictures)
    rather than spoil those of all. None: nobody knows yet.
    """
    if not targets_bps:
        return None
    return sorted(targets_bps)[(len(targets_bps) - 1) // 4]


class Broadcast:
    """One session for its viewers; a `MediaSink`.

    Args:
        limits: what pictures of 640×640 may take, scaled with their size.
        on_relayed: called for every picture with how often it was encoded, was handed on, and was missed by a viewer,
            and its layout.
    """

    def __init__(
        self, limits: BitrateLimits, on_relayed: Callable[[int, int, int, Layout], None] = lambda *_: None
    ) -> None:
        self.limits = limits
        self._on_relayed = on_relayed
        self.clock = MediaClock()
        self.counts = BroadcastCounts()
        self._receivers: list[Receiver] = []
        self._pictures: BoundedQueue[Published] = BoundedQueue(PICTURES_HELD)
        self._voices: BoundedQueue[Published] = BoundedQueue(VOICE_HELD)
        self._frames: dict[Layout, FittedFrames] = {}
        self._steps: dict[tuple[str, Layout, tuple[int, int]], PictureSteps] = {}
        self._encoders: dict[tuple[str, Layout], PictureEncoder] = {}
        self._opus: OpusVoiceEncoder | None = None
        self._wishes: set[int] = set()
        self._granted_s: dict[int, float] = {}
        self._keyframe_at_s = -KEYFRAME_SPACING_S
        self._threads: list[Thread] = []
        self._executor = ThreadPoolExecutor(2, "visavis-encode", lambda: self._threads.append(current_thread()))
        self._tasks = [
            asyncio.create_task(self._show(), name="broadcast pictures"),
            asyncio.create_task(self._speak(), name="broadcast voice"),
        ]

    @property
    def viewers(self) -> int:
        """How many receive it."""
        return len(self._receivers)

    def publish(self, item: Published) -> None:
        """Take one tick of the media clock."""
        if self.clock.tick(item.moment, time.monotonic(), time.time()):
            self._pictures.put(item)
            self._voices.put(item)

    def add(self, receiver: Receiver) -> None:
        """Hand on to this one too, from its first keyframe on."""
        self._receivers.append(receiver)

    def remove(self, receiver: Receiver) -> None:
        """Hand on to it no more."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)
            self._wishes.discard(id(receiver))
            self._granted_s.pop(id(receiver), None)

    def ask_keyframe(self, receiver: Receiver) -> None:
        """A viewer cannot go on without a whole picture. Asked too often, it is answered later."""
        self._wishes.add(id(receiver))

    async def close(self) -> None:
        """Free encoders and threads. Idempotent."""
        self._receivers.clear()
        self._pictures.close()
        self._voices.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._executor.shutdown(wait=False, cancel_futures=True)
        give_up_s = time.monotonic() + THREADS_S
        while any(thread.is_alive() for thread in self._threads) and time.monotonic() < give_up_s:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        self._threads.clear()
        self._encoders.clear()
        self._frames.clear()
        self._steps.clear()
        self._opus = None

    async def _show(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                item = await self._pictures.get()
            except MediaStreamError:
                return
            self.counts.dropped = self._pictures.dropped
            takers = [r.pictures for r in self._receivers if r.pictures is not None and r.pictures.codec is not None]
            if not takers:
                continue
            keyframe = self._due_wish(time.monotonic())
            kinds = {(taker.codec, taker.layout) for taker in takers if taker.codec is not None}
            self._forget_frames({layout for _, layout in kinds})
            for codec, layout in sorted(kinds):
                group = [taker for taker in takers if (taker.codec, taker.layout) == (codec, layout)]
                target_bps = shared_target_bps([taker.rate_bps for taker in group if taker.rate_bps is not None])
                encoding_s = time.monotonic()
                try:
                    picture = await loop.run_in_executor(
                        self._executor, self._encode, codec, layout, item, target_bps, keyframe
                    )
                except Exception:  # one picture that cannot be encoded must not end the broadcast
                    logger.exception("A picture could not be encoded for viewers.")
                    self._encoders.pop((codec, layout), None)
                    continue
                if item.trace is not None and picture is not None:
                    size_bytes = sum(map(len, picture.payloads))
                    item.trace.stage(
                        "encode",
                        encoding_s,
                        time.monotonic(),
                        {"to": "viewers", "bytes": size_bytes, "keyframe": picture.keyframe},
                    )
                self._hand_on(picture, group, layout)

    def _forget_frames(self, layouts: set[Layout]) -> None:
        """Let encoders of layouts go that nobody takes any more: each holds megabytes."""
        if len(self._frames) > len(layouts):
            self._frames = {layout: frames for layout, frames in self._frames.items() if layout in layouts}
            self._encoders = {kind: encoder for kind, encoder in self._encoders.items() if kind[1] in layouts}

    def _due_wish(self, now_s: float) -> bool:
        """Whether the next picture is to be whole: somebody's wish is due, and the last one was not just now."""
        for receiver in self._receivers:
            pictures = receiver.pictures
            if pictures is not None and pictures.codec is not None and pictures.starving and not pictures.holding:
                self._wishes.add(id(receiver))
        due = [who for who in self._wishes if now_s - self._granted_s.get(who, -VIEWER_SPACING_S) >= VIEWER_SPACING_S]
        if not due or now_s - self._keyframe_at_s < KEYFRAME_SPACING_S:
            return False
        self._granted_s.update(dict.fromkeys(self._wishes, now_s))
        self._wishes.clear()
        self._keyframe_at_s = now_s
        return True

    def _hand_on(self, picture: EncodedPicture | None, group: list[RelayedPictures], layout: Layout) -> None:
        if picture is None:
            return
        self.counts.encoded += 1
        self.counts.with_matte += layout == "side-by-side"
        self.counts.keyframes += picture.keyframe
        for taker in group:
            taker.put(picture)
        relayed = sum(not taker.starving for taker in group)
        self.counts.relayed += relayed
        self._on_relayed(1, relayed, len(group) - relayed, layout)

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                item = await self._voices.get()
            except MediaStreamError:
                return
            if not any(r.voice is not None and r.voice.ready for r in self._receivers):
                continue
            begun_s = time.monotonic()
            packets = await loop.run_in_executor(self._executor, self._encode_voice, item)
            for n, packet in enumerate(packets):
                if n and not self._voices.waiting:  # two at once would look like jitter
                    await asyncio.sleep(begun_s + n * PACKET_S - time.monotonic())
                self.counts.encoded_voice += 1
                for receiver in self._receivers:
                    if receiver.voice is not None:
                        receiver.voice.put(packet)

    def _encode(
        self, codec: str, layout: Layout, item: Published, target_bps: int | None, keyframe: bool
    ) -> EncodedPicture | None:
        """On the encoding thread."""
        canvas_px = frame_size_px(item, layout)
        limits = self.limits.scaled(*canvas_px)
        rate_bps = limits.start_bps if target_bps is None else target_bps
        step = self._steps.setdefault((codec, layout, canvas_px), PictureSteps(canvas_px)).at(
            rate_bps, time.monotonic()
        )
        if item.index % step.every and not keyframe:
            return None
        frame = self._frames.setdefault(layout, FittedFrames(frames_of(layout))).frame(item, step.scale)
        if frame is None:
            return None
        encoder = self._encoders.get((codec, layout))
        if encoder is None:
            encoder = self._encoders[codec, layout] = H264Encoder() if codec == "H264" else Vp8Encoder()
        assert frame.pts is not None
        encoder.ceiling_bps = limits.max_bps
        before = encoder.keyframes
        try:
            payloads = encoder.encode(frame, rate_bps, keyframe=keyframe)
        except (av.FFmpegError, ValueError) as error:  # a graphics card may be lost at any time
            logger.warning("The %s encoder failed (%s); a new one is made on the CPU.", codec, error)
            encoder.restart()
            payloads = encoder.encode(frame, rate_bps, keyframe=True)
        if not payloads:
            return None
        return EncodedPicture(payloads, frame.pts, encoder.keyframes > before, canvas_px, item.trace)

    def _encode_voice(self, item: Published) -> list[EncodedVoice]:
        """On the encoding thread."""
        if self._opus is None:
            self._opus = OpusVoiceEncoder()
        packets, half = [], VOICE_STEP // 2
        for n in range(2):
            samples = np.ascontiguousarray(item.voice[n * half : (n + 1) * half])
            data, pts = self._opus.encode(samples, item.moment * VOICE_STEP + n * half)
            packets.append(EncodedVoice(data, pts, level_dbov(samples)))
        return packets
