"""Hears the rhythm in a voice that is already reduced to loudness and pitch: stresses, phrases, pauses. Causal.

A stress is a rise of loudness that stands out of those before it, more so where pitch rises with it: loudness and pitch
are what listeners find stress by (Fry 1958). A phrase ends at a pause of 200 ms, the usual bound between a stop's
closure and a pause (Goldman-Eisler 1968 took 250 ms). Knows nothing of sounds, heads or faces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from visavis_models.behaviour.easing import FRAME_S

_QUIET = 0.08
"""Loudness below which nothing is said."""
_PAUSE_FRAMES = 5
_SENTENCE_FRAMES = 13
"""520 ms: pauses between sentences are longer than those within (Goldman-Eisler 1968)."""
_PHRASE_FRAMES = 10
"""Shorter ones than 400 ms are no phrases."""
_REFRACTORY_FRAMES = 7
"""280 ms: stresses follow each other two to three times a second, no faster (Dauer 1983)."""
_LEAST_FRAMES = 4
_RISE = 0.22
_NEVER = 10_000


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What the voice does in one frame, as far as bodies answer it."""

    stress: float = 0.0
    """A stressed syllable begins: 0 none, 0.3 a weak one .. 1 the strongest."""
    phrase_began: bool = False
    phrase_ended: bool = False
    sentence_ended: bool = False
    """A phrase ended some time ago, and it was the last one for now."""
    sounding: bool = False
    """In the midst of a phrase."""
    phrase_s: float = 0.0
    """How long this phrase, or the last one, lasts by now."""


class Prosody:
    """The rhythm of one voice."""

    def __init__(self) -> None:
        self._mean = 0.5
        self._log_pitch = 0.0
        self._before = [0.0, 0.0, 0.0]
        self._since_stress = _NEVER
        self._last_stress = 0.0
        self._quiet_frames = _NEVER
        self._sound_frames = 0

    def step(self, energy: float, pitch_hz: float = 0.0) -> Rhythm:
        """Hear one frame.

        Args:
            energy: loudness, 0..1 of the voice's usual peak.
            pitch_hz: fundamental frequency; 0 where there is none.
        """
        began = ended = sentence = False
        if energy < _QUIET:
            self._quiet_frames += 1
            ended = self._quiet_frames == _PAUSE_FRAMES and self._sound_frames >= _PHRASE_FRAMES
            sentence = self._quiet_frames == _SENTENCE_FRAMES and self._sound_frames >= _PHRASE_FRAMES
        else:
            began = self._quiet_frames >= _PAUSE_FRAMES
            if began:
                self._sound_frames = 0
            self._quiet_frames = 0
        sounding = self._quiet_frames < _PAUSE_FRAMES
        self._sound_frames += sounding
        return Rhythm(self._stress(energy, pitch_hz), began, ended, sentence, sounding, self._sound_frames * FRAME_S)

    def _stress(self, energy: float, pitch_hz: float) -> float:
        lift = self._lift(pitch_hz)
        rise = energy - min(self._before)
        self._before = [*self._before[1:], energy]
        self._since_stress += 1
        if energy < _QUIET:
            return 0.0
        above = energy - self._mean
        self._mean += 0.04 * above
        if self._since_stress < _LEAST_FRAMES or (rise < _RISE and lift < 2.0):
            return 0.0
        strength = 0.3 + 1.2 * above + 0.5 * max(0.0, rise - _RISE) + 0.09 * lift
        if self._since_stress < _REFRACTORY_FRAMES and strength < self._last_stress + 0.3:
            return 0.0  # unless the one before was but its upbeat
        if strength < 0.3:
            return 0.0
        self._since_stress, self._last_stress = 0, min(strength, 1.0)
        return self._last_stress

    def _lift(self, pitch_hz: float) -> float:
        """Semitones above the voice's usual pitch."""
        if pitch_hz <= 0.0:
            return 0.0
        now = 12.0 * math.log2(pitch_hz)
        if self._log_pitch == 0.0:
            self._log_pitch = now
        lift = now - self._log_pitch
        self._log_pitch += 0.02 * lift
        return max(-4.0, min(lift, 6.0))
