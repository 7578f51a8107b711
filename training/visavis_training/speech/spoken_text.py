"""What a voice that takes text gave, how it becomes an utterance of the corpus, and whether an utterance is sound.

Knows nothing of engines, of shards or of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

from visavis_training.speech.phones import SILENCE, Phone

SAMPLE_RATE_HZ = 16_000
PEAK = 0.5
_SILENT_PEAK = 0.03
_TOP, _CLIPPED_SHARE = 0.85, 0.02
"""Share of the samples above that share of the peak: 0.03 % on average and 0.4 % at most in sound utterances (2500 of
Kokoro, Piper); far more where waves were cut off, also after resampling."""
_SHORTEST_PHONE_S, _LONGEST_PHONE_S = 0.025, 0.35
"""An utterance whose phones last less or more than this on average was mumbled away or never ended."""
_LONGEST_S = 40.0


@dataclass(frozen=True, slots=True)
class SpokenText:
    """One utterance as an engine gave it."""

    samples: NDArray[np.float32]
    """float32 (N,), -1..1 but for overshoot."""
    rate_hz: int
    phones: list[Phone]
    """Gapless from 0 to the end: the engine's own times."""


def at_16_khz(spoken: SpokenText) -> NDArray[np.int16]:
    """The utterance at the corpus' rate, its highest peak at half of full scale: int16 (N * 16000 / rate,).

    Raises:
        ValueError: the voice said nothing, or what is no number.
    """
    from scipy.signal import resample_poly

    samples = spoken.samples
    if not len(samples) or not np.isfinite(samples).all() or float(np.abs(samples).max()) < _SILENT_PEAK:
        raise ValueError("the voice said nothing")
    if spoken.rate_hz != SAMPLE_RATE_HZ:
        common = gcd(SAMPLE_RATE_HZ, spoken.rate_hz)
        samples = resample_poly(samples, SAMPLE_RATE_HZ // common, spoken.rate_hz // common)
    return np.round(samples * (32767 * PEAK / float(np.abs(samples).max()))).astype(np.int16)


def fault_of(samples: NDArray[np.int16], phones: Sequence[Phone]) -> str | None:
    """Why an utterance is not fit to learn from, in a few words; None where it is.

    Args:
        samples: int16 (N,) at 16 kHz, at any level.
        phones: said to sound in it.
    """
    level = np.abs(samples.astype(np.int32))
    if not level.any():
        return "silent"
    if float(np.mean(level >= _TOP * level.max())) > _CLIPPED_SHARE:
        return "clipped"
    spoken_s = [phone.end_s - phone.start_s for phone in phones if phone.symbol != SILENCE]
    if not spoken_s:
        return "no phones"
    if len(samples) > _LONGEST_S * SAMPLE_RATE_HZ:
        return "too long"
    mean_s = sum(spoken_s) / len(spoken_s)
    if mean_s < _SHORTEST_PHONE_S:
        return "too short for its phones"
    return "too long for its phones" if mean_s > _LONGEST_PHONE_S else None
