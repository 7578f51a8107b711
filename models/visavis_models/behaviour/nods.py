"""Strokes of the head: beats on the stresses of one's own voice, nods at the ends of the other side's phrases.

Speakers move their heads quickly on stressed syllables (Hadar, Steiner and Rose 1983; Graf et al. 2002: nods, nods with
an overshoot, swings to a side); most of it is pitch, and loud stresses move more (Munhall et al. 2004). Listeners nod
once to three times at 1.5 to 2.5 Hz, each nod smaller than the one before (Hadar, Steiner and Rose 1985), where the
other's phrases end or their pitch stays low, some hundred milliseconds after it (Ward and Tsukahara 2000). Knows
nothing of sounds, eyes or pictures.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from visavis_models.behaviour.easing import FRAME_S, Follower, Strokes
from visavis_models.behaviour.states import Moment

_DEG = math.pi / 180.0
_BEATS_SHARE = 0.75
"""Of the stresses that are answered; the rest passes by."""
_USUAL_LOUDNESS = 0.45
_LOUD_BOWS = 2.4 * _DEG
"""How far the head is lower in the loudest voice than in a pause: strokes ride on it."""


class Beats:
    """Answers one's own stresses. Angles in radians: pitch, yaw, roll."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._strokes = Strokes(3)
        self._loudness = Follower(0.36)
        self._side = 1.0

    def step(self, now: Moment, energy: float) -> NDArray[np.float64]:
        """The next frame, float64 (3,); `energy`: loudness of the own voice, 0..1."""
        strength = now.rhythm.stress
        if strength > 0.0 and self._rng.random() < _BEATS_SHARE:
            size = strength * float(self._rng.uniform(2.6, 5.0)) * _DEG * now.manner.nod_scale
            kind = self._rng.random()
            if kind < 0.72:
                way = np.array([1.0, self._rng.normal(0.0, 0.25), self._rng.normal(0.0, 0.18)])
            elif kind < 0.84:  # up first: a swing that announces something
                way = np.array([-0.55, self._rng.normal(0.0, 0.3), self._rng.normal(0.0, 0.2)])
            else:
                self._side = -self._side
                way = np.array([0.45, 0.75 * self._side, -0.35 * self._side])
            duration_s = float(self._rng.uniform(0.56, 0.85)) / math.sqrt(now.manner.tempo)
            self._strokes.add(way * size, duration_s)
        angles = self._strokes.step().copy()
        angles[0] += _LOUD_BOWS * self._loudness.step((energy - _USUAL_LOUDNESS) * now.speaking) * now.manner.nod_scale
        return angles


class Nods:
    """Answers the other side. Pitch in radians, down positive."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._strokes = Strokes(1)
        self._rest_s = 0.0
        self._blind_wait_s = 2.0
        self.began = False
        """A run of nods was begun in this frame."""

    def step(self, now: Moment) -> float:
        """The next frame."""
        self.began = False
        self._rest_s -= FRAME_S
        if now.listening > 0.3 and self._rest_s <= 0.0 and self._wanted(now):
            self._begin(now)
        return float(self._strokes.step()[0])

    def _wanted(self, now: Moment) -> bool:
        scale = now.manner.nod_scale
        if now.other.phrase_ended and now.other.phrase_s > 0.7:
            return self._rng.random() < 0.6 * scale
        if now.released:
            return self._rng.random() < 0.5 * scale
        if now.other.sounding and now.other.stress > 0.6 and now.other.phrase_s > 4.0:
            return self._rng.random() < 0.15 * scale  # a long phrase: "I follow"
        if now.told_only:
            self._blind_wait_s -= FRAME_S * scale
            if self._blind_wait_s <= 0.0:
                self._blind_wait_s = float(self._rng.uniform(2.5, 6.5))
                return True
        return False

    def _begin(self, now: Moment) -> None:
        self.began = True
        count = int(self._rng.choice((1, 2, 3), p=(0.45, 0.38, 0.17)))
        period_s = float(self._rng.uniform(0.42, 0.62)) / math.sqrt(now.manner.tempo)
        size = float(self._rng.uniform(2.2, 5.0)) * _DEG * math.sqrt(now.manner.nod_scale)
        delay_s = float(self._rng.uniform(0.0, 0.25))
        for _ in range(count):
            self._strokes.add(np.array([size]), 1.25 * period_s, delay_s)
            delay_s += period_s
            size *= float(self._rng.uniform(0.5, 0.75))
        self._rest_s = delay_s + float(self._rng.uniform(0.8, 2.0))
