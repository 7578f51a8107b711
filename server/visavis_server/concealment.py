"""Goes on with a voice where a piece of it is missing: the last period of its pitch, again and again, ever more softly.

Neither the beginning nor the end of such a piece clicks. Knows nothing of packets or networks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 48_000
HISTORY_SAMPLES = 2400
"""50 ms: two periods of the deepest voice."""
_SHORTEST, _LONGEST = 120, 960
"""Periods of 400 Hz and of 50 Hz."""
_TEMPLATE = 720
_SEAM_SAMPLES = 240
"""5 ms in which one sound goes over into another."""
_STEP_SAMPLES = 96
_HELD_SAMPLES = 960
_FADE_SAMPLES = 3840
"""After 20 ms at full strength it fades within 80: a vowel held for longer sounds like a robot."""


class Concealer:
    """One voice at 48 kHz, mono."""

    def __init__(self) -> None:
        self._history = np.zeros(0, np.float32)
        self._cycle: NDArray[np.float32] | None = None
        self._step = 0.0
        self._made = 0
        self._fade_samples = _FADE_SAMPLES

    @property
    def concealing(self) -> bool:
        """The last thing given out was made up."""
        return self._cycle is not None

    @property
    def knows_voice(self) -> bool:
        """Something was heard that can be gone on with."""
        return self._history.size > 0

    def heard(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Real voice, int16 (n,): given back as it is, but for its first 5 ms after a made-up piece."""
        if self._cycle is not None and samples.size:
            seam = min(_SEAM_SAMPLES, samples.size)
            rise = np.linspace(0.0, 1.0, seam, dtype=np.float32)
            joined = samples.astype(np.float32)
            joined[:seam] = joined[:seam] * rise + self._next(seam) * (1.0 - rise)
            samples = _clipped(joined)
        self._cycle = None
        self._remember(samples)
        return samples

    def missing(self, count: int, fade_samples: int = _FADE_SAMPLES) -> NDArray[np.int16]:
        """`count` samples in the place of those that are missing, int16 (count,); silence once it has faded."""
        if self._cycle is None:
            self._begin(fade_samples)
        made = _clipped(self._next(count))
        self._remember(made)
        return made

    def _remember(self, samples: NDArray[np.int16]) -> None:
        self._history = np.concatenate([self._history, samples.astype(np.float32)])[-HISTORY_SAMPLES:]

    def _begin(self, fade_samples: int) -> None:
        history, self._made, self._step, self._fade_samples = self._history, 0, 0.0, fade_samples
        if history.size < _LONGEST + _TEMPLATE:
            self._cycle = np.zeros(_LONGEST, np.float32)
            self._step = float(history[-1]) if history.size else 0.0
            return
        period = pitch_period(history)
        cycle = history[-period:].copy()
        seam = period // 4
        rise = np.linspace(0.0, 1.0, seam, dtype=np.float32)
        cycle[-seam:] = cycle[-seam:] * (1.0 - rise) + history[-period - seam : -period] * rise
        self._cycle = cycle
        self._step = float(2 * history[-1] - history[-2] - cycle[0])

    def _next(self, count: int) -> NDArray[np.float32]:
        assert self._cycle is not None
        at = self._made + np.arange(count)
        self._made += count
        held = min(_HELD_SAMPLES, self._fade_samples)
        gain = np.clip(1.0 - (at - held) / self._fade_samples, 0.0, 1.0)
        step = self._step * np.clip(1.0 - at / _STEP_SAMPLES, 0.0, 1.0)
        return np.asarray(self._cycle[at % self._cycle.size] * gain + step, np.float32)


def pitch_period(history: NDArray[np.float32]) -> int:
    """The shift in samples at which the end of a sound is most like itself; the longest if it is like nothing."""
    template = history[-_TEMPLATE:]
    past = history[-_TEMPLATE - _LONGEST : -_SHORTEST]
    products = np.correlate(past, template, "valid")
    energies = np.convolve(past**2, np.ones(_TEMPLATE, np.float32), "valid")
    likeness = products / np.sqrt(np.maximum(energies, 1.0) * max(float(np.sum(template**2)), 1.0))
    best = int(np.argmax(likeness))
    return _LONGEST - best if likeness[best] > 0.3 else _LONGEST


def _clipped(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
