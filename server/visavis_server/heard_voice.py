"""What a voice source hands out, as the networks hear it; and how its speech begins and ends without a click.

Knows nothing of where the voice comes from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import CHUNK_SAMPLES, LISTENING_RATE_HZ, PLAYBACK_RATE_HZ, PLAYBACK_SAMPLES
from visavis_server.voice_intake import Resampler

_FADE_SAMPLES = 240
"""5 ms: where speech stops or goes on in the middle of a wave, nobody hears a click."""
_RESERVE = LISTENING_RATE_HZ // 1000
"""1 ms of silence at the beginning; the filter itself holds back another."""


class HeardVoice:
    """The voice that was handed out, as networks hear it: 16 kHz, always 640 samples for 1920, 2 ms late."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """What comes next has nothing to do with what was. Lets FFmpeg's memory go."""
        self._resampler: Resampler | None = None
        self._held = np.zeros(0, np.int16)

    def push(self, voice: NDArray[np.int16]) -> NDArray[np.float32]:
        """One tick: int16 (1920,) at 48 kHz to float32 (640,) at 16 kHz."""
        if self._resampler is None:
            self._resampler = Resampler(PLAYBACK_RATE_HZ, LISTENING_RATE_HZ)
            self._held = self._resampler.push(np.zeros(PLAYBACK_SAMPLES, np.int16))
            self._held = self._held[-_RESERVE:]
        self._held = np.concatenate([self._held, self._resampler.push(voice)])
        samples, self._held = self._held[:CHUNK_SAMPLES], self._held[CHUNK_SAMPLES:]
        return samples.astype(np.float32) / 32768.0


def fade_in(voice: NDArray[np.int16]) -> None:
    """Let speech that goes on in the middle of a wave come softly, in place."""
    count = min(_FADE_SAMPLES, voice.size)
    voice[:count] = (voice[:count] * np.linspace(0.0, 1.0, count)).astype(np.int16)


def let_fade(voice: NDArray[np.int16], before: int) -> None:
    """Let silence begin softly, in place: speech stopped at a sample of this height."""
    count = min(_FADE_SAMPLES, voice.size)
    voice[:count] = (before * np.linspace(1.0, 0.0, count)).astype(np.int16)
