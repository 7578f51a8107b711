"""Cuts a live voice of any rate into chunks of 40 ms, and rides out the network's jitter. Knows nothing of clocks.

What waits here is latency, so the buffer is kept as short as the network lets it be: an underrun lengthens it, silence
shortens it, and a voice that comes faster than real time loses its oldest part, counted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import CHUNK_MS, CHUNK_SAMPLES, LISTENING_RATE_HZ, PLAYBACK_RATE_HZ, PLAYBACK_SAMPLES
from visavis_models.errors import BadVoice
from visavis_models.mood import Feeling
from visavis_server.concealment import Concealer

MAX_WAITING_MS = 400
"""More voice than this never waits: a faster source loses its oldest chunks."""
_CUSHION_MS = 20
"""How much voice waits beyond the chunk in use when the network is calm: one packet of Opus."""
_MAX_CUSHION_MS = 120
_CALM_CHUNKS = 250
"""After this many chunks without an underrun the cushion shrinks by 20 ms."""
_BREAK_SAMPLES = 960
"""20 ms: a voice that breaks off goes on for so long, and fades for as long again."""
_QUIET = 0.004
"""A chunk whose largest sample is below this can be skipped unheard (-48 dBFS)."""


@dataclass(frozen=True, slots=True)
class RawChunk:
    """40 ms of voice that have no place on a clock yet."""

    samples: NDArray[np.float32]
    """float32 (640,) at 16 kHz."""
    playback: NDArray[np.int16]
    """int16 (1920,) at 48 kHz."""
    arrived_s: float
    feeling: Feeling | None = None
    """With what feeling it is said, if that was told."""
    speaker: int | None = None
    """Who says it, where several are in the picture; None: whom the session has chosen."""


class Resampler:
    """Streams mono int16 from one rate to another (FFmpeg's swresample: band-limited, keeps its state)."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._from_hz = from_hz
        self._inner = None if from_hz == to_hz else _resampler(to_hz)

    def push(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """The output that became certain, int16 (n,)."""
        if self._inner is None or samples.size == 0:
            return samples
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="s16", layout="mono")
        frame.sample_rate = self._from_hz
        return _joined(self._inner.resample(frame))

    def flush(self) -> NDArray[np.int16]:
        """What the filter still holds, int16 (n,). Nothing may be pushed afterwards."""
        return np.zeros(0, np.int16) if self._inner is None else _joined(self._inner.resample(None))


def _resampler(to_hz: int) -> av.AudioResampler:
    # PyAV 19 frees a resampler only when garbage is collected, but lets us have one without threads of its own.
    one_thread: dict[str, Any] = {"threads": 1} if hasattr(av.AudioResampler, "threads") else {}
    return av.AudioResampler(format="s16", layout="mono", rate=to_hz, **one_thread)


def _joined(frames: list[av.AudioFrame]) -> NDArray[np.int16]:
    parts = [frame.to_ndarray()[0] for frame in frames]
    return np.concatenate(parts).astype(np.int16) if parts else np.zeros(0, np.int16)


class ChunkCutter:
    """Turns mono int16 at one rate into raw chunks.

    Args:
        rate_hz: 8000 to 192000.

    Raises:
        BadVoice: no voice has such a rate.
    """

    def __init__(self, rate_hz: int) -> None:
        if not 8000 <= rate_hz <= 192_000:
            raise BadVoice("bad_sample_rate", f"{rate_hz} Hz is not a rate of speech.", "Send 8 to 192 kHz.")
        self._to_playback = Resampler(rate_hz, PLAYBACK_RATE_HZ)
        self._to_listening = Resampler(PLAYBACK_RATE_HZ, LISTENING_RATE_HZ)
        self._playback = np.zeros(0, np.int16)
        self._listening = np.zeros(0, np.int16)

    @property
    def begun_ms(self) -> float:
        """How much of the next chunk is already here."""
        return self._playback.size * 1000 / PLAYBACK_RATE_HZ

    def push(self, samples: NDArray[np.int16], arrived_s: float = 0.0) -> list[RawChunk]:
        """Feed samples, int16 (n,).

        Returns:
            The chunks that are now complete.
        """
        self._take(self._to_playback.push(samples))
        return self._cut(arrived_s)

    def flush(self) -> list[RawChunk]:
        """The end of the voice: what is left, its last chunk filled up with silence."""
        self._take(self._to_playback.flush())
        self._listening = np.concatenate([self._listening, self._to_listening.flush()])
        chunks = -(-self._playback.size // PLAYBACK_SAMPLES)
        self._playback = _padded(self._playback, chunks * PLAYBACK_SAMPLES)
        self._listening = _padded(self._listening, chunks * CHUNK_SAMPLES)
        return self._cut(0.0)

    def _take(self, playback: NDArray[np.int16]) -> None:
        self._playback = np.concatenate([self._playback, playback])
        self._listening = np.concatenate([self._listening, self._to_listening.push(playback)])

    def _cut(self, arrived_s: float) -> list[RawChunk]:
        chunks = []
        while self._playback.size >= PLAYBACK_SAMPLES and self._listening.size >= CHUNK_SAMPLES:
            samples = self._listening[:CHUNK_SAMPLES].astype(np.float32) / 32768.0
            chunks.append(RawChunk(samples, self._playback[:PLAYBACK_SAMPLES].copy(), arrived_s))
            self._playback = self._playback[PLAYBACK_SAMPLES:]
            self._listening = self._listening[CHUNK_SAMPLES:]
        return chunks


def _padded(samples: NDArray[np.int16], size: int) -> NDArray[np.int16]:
    return np.pad(samples[:size], (0, max(0, size - samples.size)))


class VoiceIntake:
    """The voice of one live session between its arrival and its use."""

    def __init__(self) -> None:
        self._cutter: ChunkCutter | None = None
        self._rate_hz = 0
        self._waiting: deque[RawChunk] = deque()
        self._cushion_ms = _CUSHION_MS
        self._flowing = False
        self._calm = 0
        self._over = 0
        self._concealer = Concealer()
        self.dropped_chunks = 0
        """Voice lost because it came faster than real time."""
        self.underruns = 0
        """How often a voice broke off and came back later."""

    def push(self, samples: NDArray[np.int16], rate_hz: int, arrived_s: float) -> None:
        """Take voice as it comes, int16 (n,) mono.

        Raises:
            BadVoice: no voice has such a rate.
        """
        if self._cutter is None or rate_hz != self._rate_hz:
            self._cutter, self._rate_hz = ChunkCutter(rate_hz), rate_hz
        self._waiting.extend(self._cutter.push(samples, arrived_s))
        while len(self._waiting) * CHUNK_MS > MAX_WAITING_MS:
            self._waiting.popleft()
            self.dropped_chunks += 1

    def take(self) -> RawChunk | None:
        """The chunk of this tick, or None: nothing has come, or the cushion is filling up again.

        A voice that breaks off fades within one chunk that is made up, and comes back softly: neither clicks.
        """
        if not self._waiting:
            if self._flowing:
                self._flowing, self._calm = False, 0
                self.underruns += 1
                self._cushion_ms = min(_MAX_CUSHION_MS, self._cushion_ms + 20)
                return self._fading()
            return None
        if not self._flowing and self._waiting_ms() < CHUNK_MS + self._cushion_ms:
            return None
        self._flowing = True
        self._calm += 1
        if self._calm >= _CALM_CHUNKS:
            self._calm = 0
            self._cushion_ms = max(_CUSHION_MS, self._cushion_ms - 20)
        chunk = self._waiting.popleft()
        self._catch_up()
        return replace(chunk, playback=self._concealer.heard(chunk.playback))

    def _fading(self) -> RawChunk | None:
        if not self._concealer.knows_voice:
            return None
        playback = self._concealer.missing(PLAYBACK_SAMPLES, _BREAK_SAMPLES)
        samples = playback.reshape(CHUNK_SAMPLES, -1).mean(axis=1, dtype=np.float32) / np.float32(32768.0)
        return RawChunk(samples, playback, 0.0)

    def _waiting_ms(self) -> float:
        begun_ms = 0.0 if self._cutter is None else self._cutter.begun_ms
        return len(self._waiting) * CHUNK_MS + begun_ms

    def clear(self) -> None:
        """Forget what waits: an interruption."""
        self._waiting.clear()
        self._concealer = Concealer()

    def close(self) -> None:
        """Let the resamplers go: each holds threads of FFmpeg's for as long as it lives."""
        self._waiting.clear()
        self._cutter = None

    def _catch_up(self) -> None:
        """Skip a silent chunk when more waits than the cushion: a fast microphone clock or a burst left it behind."""
        self._over = self._over + 1 if self._waiting_ms() > CHUNK_MS + self._cushion_ms else 0
        if self._over > 5 and self._waiting and np.abs(self._waiting[0].samples).max() < _QUIET:
            self._waiting.popleft()
            self._over = 0
