"""Sends the avatar's voice: Opus in packets of 20 ms, one after another. Knows nothing of pictures or sessions."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Executor

import numpy as np
from aiortc import RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCEncodedFrame
from numpy.typing import NDArray

from visavis_server.rtc.encoders import OpusVoiceEncoder
from visavis_server.rtc.media_clock import MediaClock
from visavis_server.rtc.outbound import Outbound
from visavis_server.rtc.tracks import VOICE_STEP, VoiceTrack

PACKET_S = 0.020
"""Two packets at once look like 20 ms of jitter to the browser, which then delays the voice by as much."""


class VoiceOutbound(Outbound):
    """The avatar's voice: two packets of 20 ms for each tick, none ever left out."""

    def __init__(self, sender: RTCRtpSender, track: VoiceTrack, clock: MediaClock, executor: Executor) -> None:
        super().__init__(sender, clock, 48_000)
        self._executor = executor
        self._track = track
        self._encoder: OpusVoiceEncoder | None = None
        self._second_half: tuple[NDArray[np.int16], int] | None = None
        self._second_due_s = 0.0

    async def _encoded(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        if self._second_half is None:
            item = await self._track.next_item()
            half, pts = item.voice[: VOICE_STEP // 2], item.moment * VOICE_STEP
            self._second_half = item.voice[VOICE_STEP // 2 :], pts + VOICE_STEP // 2
            self._second_due_s = time.monotonic() + PACKET_S
        else:
            if not self._track.waiting:
                await asyncio.sleep(self._second_due_s - time.monotonic())
            (half, pts), self._second_half = self._second_half, None
        data, timestamp = await asyncio.get_running_loop().run_in_executor(self._executor, self._encode, half, pts)
        return RTCEncodedFrame([data], timestamp, level_dbov(half))

    def release(self) -> None:
        """Drop the encoder."""
        self._encoder = None

    def _encode(self, samples: NDArray[np.int16], pts: int) -> tuple[bytes, int]:
        if self._encoder is None:
            self._encoder = OpusVoiceEncoder()
        return self._encoder.encode(np.ascontiguousarray(samples), pts)


def level_dbov(samples: NDArray[np.int16]) -> int:
    """Loudness for RFC 6464: 0 (as loud as can be) to -127 (silence)."""
    power = float(np.mean(np.square(samples.astype(np.float32) / 32768.0)))
    return -127 if power <= 0.0 else max(-127, min(0, round(10.0 * np.log10(power))))
