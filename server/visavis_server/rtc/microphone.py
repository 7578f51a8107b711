"""Turns RTP packets of the browser's microphone into voice, in order, at once, without a thread or an unbounded queue.

Stands where aiortc has its jitter buffer, which would add 60 to 80 ms and stall for 320 ms after a lost packet. Knows
nothing of sockets or sessions.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

import av
import numpy as np
from aiortc.rtp import RtpPacket
from numpy.typing import NDArray

from visavis_server.concealment import Concealer
from visavis_server.rtc.stats import TokenBucket

logger = logging.getLogger(__name__)

OnVoice: TypeAlias = Callable[[NDArray[np.int16], int, float], None]

VOICE_HZ = 48_000
PACKET_S = 0.020
LEAST_HELD, MOST_HELD = 2, 6
"""So many packets wait for one before them. The number rises when one comes after its place was filled (jitter), and
falls again when none does for ten seconds: what waits is latency."""
CALM_PACKETS = 500
MAX_CONCEALED = 5
RESTART_PACKETS = 3000
"""A jump of this many sequence numbers is a new stream, not a loss."""
SPEEDUP = 1.25
BURST_S = 1.0
"""After a stall of the network a second of voice may come at once; more than that is refused."""


class Microphone:
    """Reorders, decodes and hands out one browser's voice."""

    def __init__(self, on_voice: OnVoice, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._on_voice = on_voice
        self._clock = clock
        self._held: dict[int, tuple[bytes, float]] = {}
        self._next: int | None = None
        self._ssrc: int | None = None
        self._decoder: av.AudioCodecContext | None = None
        self._concealer = Concealer()
        self._packet_samples = 0
        self._filled: deque[int] = deque(maxlen=64)
        self._patience = LEAST_HELD
        self._calm = 0
        self._pace = TokenBucket(SPEEDUP * VOICE_HZ, BURST_S * VOICE_HZ)
        self.lost = 0
        """Packets that never came, or too late."""

    @property
    def patience_ms(self) -> int:
        """How long voice waits for a packet that is missing."""
        return round(1000 * PACKET_S * self._patience)

    @property
    def refused(self) -> int:
        """Packets refused because they came faster than real time."""
        return self._pace.refused

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Take one packet as aiortc's jitter buffer does; never asks for a picture nor hands out a frame to decode."""
        self.take(packet.ssrc, packet.sequence_number, packet._data)  # type: ignore[attr-defined]
        return False, None

    def release(self) -> None:
        """Drop the decoder and what is held."""
        self._decoder = None
        self._held.clear()

    def take(self, ssrc: int, sequence: int, data: bytes) -> None:
        """Take one Opus packet; calls `on_voice` for every packet that is due now."""
        now_s = self._clock()
        ahead = 0 if self._next is None else (sequence - self._next) & 0xFFFF
        if ssrc != self._ssrc or self._next is None or RESTART_PACKETS < ahead < 0x10000 - RESTART_PACKETS:
            self._ssrc, self._next, ahead = ssrc, sequence, 0
            self._held.clear()
            self._decoder = None
        if ahead >= 0x8000:
            self._note_late(sequence)
            return
        self._calm += 1
        if self._calm >= CALM_PACKETS:
            self._calm, self._patience = 0, max(LEAST_HELD, self._patience - 1)
        self._held[sequence] = (data, now_s)
        self._release(now_s)

    def _release(self, now_s: float) -> None:
        while self._held:
            assert self._next is not None
            if self._next not in self._held:
                oldest_s = min(arrived_s for _, arrived_s in self._held.values())
                if len(self._held) < self._patience and now_s - oldest_s < PACKET_S * self._patience:
                    return
                next_sequence = self._next
                missing = min((sequence - next_sequence) & 0xFFFF for sequence in self._held)
                self.lost += missing
                self._filled.extend((next_sequence + n) & 0xFFFF for n in range(min(missing, MAX_CONCEALED)))
                self._conceal(missing, now_s)
                self._next = (self._next + missing) & 0xFFFF
            data, arrived_s = self._held.pop(self._next)
            self._next = (self._next + 1) & 0xFFFF
            self._decode(data, arrived_s)

    def _decode(self, data: bytes, arrived_s: float) -> None:
        if not data:
            return
        if self._decoder is None:
            self._decoder = _opus_decoder()
        try:
            frames = self._decoder.decode(av.Packet(data))
        except (av.FFmpegError, ValueError) as error:
            logger.debug("A microphone packet is not Opus: %s", error)
            self.lost += 1
            self._conceal(1, arrived_s)
            return
        for frame in frames:
            samples: NDArray[np.int16] = frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)
            if self._pace.take(len(samples), arrived_s):
                self._packet_samples = len(samples)
                self._on_voice(self._concealer.heard(samples), VOICE_HZ, arrived_s)

    def _conceal(self, packets: int, now_s: float) -> None:
        """Fill the place of lost packets, so that voice keeps its length."""
        for _ in range(min(packets, MAX_CONCEALED)):
            if self._packet_samples and self._pace.take(self._packet_samples, now_s):
                self._on_voice(self._concealer.missing(self._packet_samples), VOICE_HZ, now_s)

    def _note_late(self, sequence: int) -> None:
        """A packet came after its place was filled: the next one may take longer. One that came twice means nothing."""
        if sequence in self._filled:
            self._filled.remove(sequence)
            self._calm, self._patience = 0, min(MOST_HELD, self._patience + 1)


class GuardedVoice:
    """Hands a far side's voice to whoever hears it, for as long as its connection is open.

    Args:
        on_voice: a defect of it must not stop the transport: it is logged once.
        source: what to call the far side in the log.
        over: whether the connection is being closed; nothing is handed on then.
    """

    def __init__(self, on_voice: OnVoice, source: str, over: Callable[[], bool]) -> None:
        self._on_voice = on_voice
        self._source = source
        self._over = over
        self._failed = False

    def __call__(self, samples: NDArray[np.int16], rate_hz: int, arrived_s: float) -> None:
        """See `OnVoice`."""
        if self._over():
            return
        try:
            self._on_voice(samples, rate_hz, arrived_s)
        except Exception:  # whatever it is, once is enough to know of it
            if not self._failed:
                logger.exception("Whoever hears this %s failed; its voice is lost.", self._source)
            self._failed = True


def _opus_decoder() -> av.AudioCodecContext:
    codec: Any = av.CodecContext.create("libopus", "r")
    codec.format, codec.layout, codec.sample_rate = "s16", "mono", VOICE_HZ  # libopus mixes stereo down itself
    assert isinstance(codec, av.AudioCodecContext)
    return codec
