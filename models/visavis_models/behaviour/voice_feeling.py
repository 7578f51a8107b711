"""What a voice sounds like: how loud, high, lively and quick it is against its own usual way, as one of six feelings.

Voices tell arousal well and pleasure badly: anger and joy are both loud, high, lively and quick, sadness and calm both
the opposite, fear high and quick without melody (Juslin and Laukka 2003, tables 7 and 8; Scherer 2003). So this is a
guess, shown at most by `MOST`, only while it is clear, and never disgust. What somebody always sounds like is their
usual way and no feeling. Knows nothing of words or faces.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from visavis_models.behaviour.easing import FRAME_S
from visavis_models.mood import Emotion, Feeling
from visavis_models.voice.listener import MouthMotion
from visavis_models.voice.phones import VISEMES

MOST = 0.7
_SIGNS: Mapping[Emotion, tuple[float, float, float, float]] = {
    "angry": (1.2, 0.8, 0.9, 1.0),
    "happy": (0.7, 1.3, 1.2, 0.6),
    "surprised": (0.3, 2.0, 1.5, -0.2),
    "afraid": (0.1, 1.4, -0.7, 1.2),
    "sad": (-1.0, -1.0, -1.0, -1.1),
    "calm": (-0.9, -0.4, -0.2, -0.5),
}
"""Loudness, pitch, melody and rate of each, in units of `_USUAL`."""
_NAMES: tuple[Emotion, ...] = tuple(_SIGNS)
_TABLE = np.array([_SIGNS[name] for name in _NAMES])
_LENGTHS = np.linalg.norm(_TABLE, axis=1)
_USUAL = np.array([3.0, 2.0, 0.9, 0.9])
"""How much a calm talker varies from phrase to phrase: decibels, semitones, semitones, vowels a second."""
_LATELY_S, _ALWAYS_S = 2.5, 60.0
"""Seconds of speech over which the voice is heard, and over which its usual way is."""
_KNOWN_AFTER_S = 5.0
_CLEAR_FROM, _CLEAR_AT = 0.7, 1.8
"""How far from usual (units of `_USUAL`) a voice must be to be told, and to be told with full strength."""
_ALIKE = 0.66
"""Least cosine between what is heard and what an emotion sounds like."""
_FARTHEST = 1.6
"""One thing alone (units of `_USUAL`) says no more than this: whoever comes nearer to the microphone is not angry."""
_STAYS = 0.12
"""A feeling that is shown already is preferred by this much (cosine)."""
_VOWELS = np.array([name in ("aa", "E", "ih", "oh", "ou") for name in VISEMES])


class VoiceFeeling:
    """Hears how one voice feels."""

    def __init__(self) -> None:
        self._lately = _Lately()
        self._usual = np.zeros(4)
        self._usual_s = 0.0
        self._in_vowel = False
        self._shown: Feeling | None = None

    def step(self, heard: MouthMotion, level_db: float) -> Feeling | None:
        """The next frame: what the voice sounds like, or None while that is not clear. In pauses it stays.

        Args:
            heard: what the listener said of this frame.
            level_db: how loud the voice is about then, any fixed reference; the listener's own energy follows the
                speaker and does not tell.
        """
        if not heard.speaking:
            return self._shown
        vowel = bool(_VOWELS[int(np.argmax(heard.visemes))])
        begins, self._in_vowel = vowel and not self._in_vowel, vowel
        semitones = 12.0 * math.log2(heard.pitch_hz / 100.0) if heard.pitch_hz > 0.0 else None
        self._lately.step(level_db, semitones, begins)
        if not self._lately.told:
            return self._shown
        now = self._lately.values()
        self._usual_s += FRAME_S
        self._usual += FRAME_S / min(self._usual_s, _ALWAYS_S) * (now - self._usual)
        if self._usual_s < _KNOWN_AFTER_S:
            return None
        apart = np.clip((now - self._usual) / _USUAL, -_FARTHEST, _FARTHEST)
        self._shown = self._told(apart)
        return self._shown

    def _told(self, apart: NDArray[np.float64]) -> Feeling | None:
        size = float(np.linalg.norm(apart))
        if size < _CLEAR_FROM:
            return None
        alike = _TABLE @ apart / (_LENGTHS * size)
        if self._shown is not None:
            alike[_NAMES.index(self._shown.emotion)] += _STAYS
        best = int(np.argmax(alike))
        if alike[best] < _ALIKE:
            return None
        share = min(max((size - _CLEAR_FROM) / (_CLEAR_AT - _CLEAR_FROM), 0.0), 1.0)
        return Feeling(_NAMES[best], round(MOST * share, 2))


class _Lately:
    """Loudness, pitch, melody and rate over the last seconds of speech, the newest counting most."""

    def __init__(self) -> None:
        self._level = self._rate = self._pitch = self._square = 0.0
        self._voiced_s = self._heard_s = 0.0

    @property
    def told(self) -> bool:
        """Whether there was enough of it, and enough with a pitch."""
        return self._heard_s >= 0.6 * _LATELY_S and self._voiced_s > 0.4

    def step(self, level_db: float, semitones: float | None, vowel_begins: bool) -> None:
        """One frame of speech."""
        self._heard_s += FRAME_S
        share = FRAME_S / min(self._heard_s, _LATELY_S)  # a true mean at first, a fading one later
        self._rate += share * ((1.0 / FRAME_S if vowel_begins else 0.0) - self._rate)
        if semitones is not None:
            self._voiced_s += FRAME_S
            share = FRAME_S / min(self._voiced_s, 0.6 * _LATELY_S)
            self._level += share * (level_db - self._level)
            self._pitch += share * (semitones - self._pitch)
            self._square += share * (semitones**2 - self._square)

    def values(self) -> NDArray[np.float64]:
        """float64 (4,): dB and semitones of sounds with a pitch, the semitones' spread, vowels a second."""
        melody = math.sqrt(max(self._square - self._pitch**2, 0.0))
        return np.array([self._level, self._pitch, melody, self._rate])


def level_of(samples: NDArray[np.float32]) -> float:
    """Of a chunk, in decibels against full scale; silence is -80."""
    power = float(samples @ samples) / max(samples.size, 1)
    return 10.0 * math.log10(min(max(power, 1e-8), 1.0)) if math.isfinite(power) else -80.0
