"""Where the head is and how a person holds themselves: slow sway, the way a phrase is held, shifts between sentences.

Heads of speakers move 90 % of the time and those of silent people 13 % of it (Hadar et al. 1983); standard deviations
are 1 to 5 degrees, most of the power lies below 1 Hz (Munhall et al. 2004). A phrase takes the head somewhere and its
end lets it settle, lower and towards the partner (Hadar et al. 1983; Graf et al. 2002). Whole postures shift between
sentences, most often where a topic or a turn changes (Cassell et al. 2001). Knows no lips
and no torsos.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from visavis_models.behaviour.easing import FRAME_S, Follower, Spring, Wander
from visavis_models.behaviour.nods import Beats, Nods
from visavis_models.behaviour.states import Moment

_DEG = math.pi / 180.0
_SWAY = np.array([1.3, 1.9, 1.3]) * _DEG
_PHRASE = np.array([1.1, 2.4, 1.6]) * _DEG
_SETTLED = np.array([1.0, 0.0, 0.0]) * _DEG
_QUIET_SIZE = 0.75
"""How far silent people sway and turn against speakers."""


class Posture:
    """The posture a whole body is in, kept for a while. Values: pitch, yaw, roll in radians, x, y, z; sway, lean."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._spring = Spring(8, 1.5)
        self._target = np.zeros(8)
        self._spread = np.array([0.5 * _DEG, 0.9 * _DEG, 0.9 * _DEG, 0.016, 0.004, 0.014, 0.24, 0.20])
        self._lean = Follower(1.2)
        self._wait_s = float(rng.uniform(3.0, 8.0))
        self.shifted = False
        """A new posture is being taken up from this frame on."""

    def step(self, now: Moment) -> NDArray[np.float64]:
        """The next frame, float64 (8,)."""
        self._wait_s -= FRAME_S * now.manner.tempo
        due = self._wait_s <= 0.0
        between = now.rhythm.sentence_ended or now.turn_taken or now.turn_ended or now.other.sentence_ended
        # In speech a shift waits for a seam; without any voice nothing else gives a sign.
        self.shifted = due and (between or not now.rhythm.sounding and not now.other.sounding)
        if self.shifted:
            # Most shifts go to the other side: people do not drift out of the picture.
            fresh = self._rng.normal(0.0, 1.0, 8) * self._spread
            self._target = np.clip(fresh - 0.5 * self._target, -1.7 * self._spread, 1.7 * self._spread)
            mean_s = 9.0 if now.speaking > 0.5 else 14.0
            self._wait_s = float(np.clip(self._rng.gamma(3.0, mean_s / 3.0), 4.0, 40.0))
        posture = self._spring.step(self._target * now.manner.head_scale)
        attention = self._lean.step(now.listening)
        posture[5] += 0.012 * attention  # who listens comes a little closer
        posture[7] += 0.12 * attention
        return posture


class HeadMotion:
    """Sways slowly, beats with the voice, settles at the ends of phrases, nods while listening."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._sway = Wander(_SWAY, 1.6, rng)
        self._shift = Wander(np.array([0.010, 0.005, 0.006]), 2.2, rng)
        self._size = Follower(0.9, _QUIET_SIZE)
        self._pace = Follower(0.4, 0.6)
        self._phrase = Spring(3, 0.8)
        self._phrase_target = np.zeros(3)
        self._settle_s = 0.0
        self._beats = Beats(rng)
        self._nods = Nods(rng)
        self._tilt = Follower(1.2)
        self._tilt_target = 0.0
        self._follows = Spring(2, 0.7)

    @property
    def nodded(self) -> bool:
        """A run of nods was begun in this frame."""
        return self._nods.began

    def step(
        self, now: Moment, energy: float, posture: NDArray[np.float64], looks: tuple[float, float]
    ) -> NDArray[np.float64]:
        """The next head pose, float64 (6,), see `HEAD_NAMES`.

        Args:
            now: what goes on.
            energy: loudness of the own voice, 0..1.
            posture: of `Posture`.
            looks: where the eyes look, degrees to the picture's right and up: the head goes a part of a long way.
        """
        scale = now.manner.head_scale
        size = self._size.step((_QUIET_SIZE + (1.0 - _QUIET_SIZE) * now.speaking) * scale)
        pace = self._pace.step((0.5 + 0.15 * now.listening + 1.15 * now.sounding) * now.manner.tempo)
        self._aim(now)
        if now.attends:
            self._tilt_target = float(self._rng.normal(0.0, 1.3)) * _DEG
        angles = self._sway.step(pace) * size
        angles += self._phrase.step(self._phrase_target * size, math.sqrt(now.manner.tempo))
        angles += self._beats.step(now, energy)
        angles[0] += self._nods.step(now)
        angles[2] += self._tilt.step(self._tilt_target * now.listening)
        # Below 20 degrees eyes hardly need the head (Freedman and Sparks 1997); it comes along a little, and late.
        follows = self._follows.step(np.array(looks) * (0.22 * _DEG))
        angles[0] -= follows[1]
        angles[1] += follows[0]
        angles += posture[:3]
        shift = self._shift.step(pace) * size + posture[3:6]
        # The head leans the way it turns: it sits on a neck.
        shift[0] += 0.10 * angles[1] - 0.22 * angles[2]
        shift[1] += 0.10 * abs(angles[0])
        return np.concatenate([angles, shift])

    def _aim(self, now: Moment) -> None:
        """Where the phrase takes the head."""
        chance = FRAME_S / (3.2 if now.rhythm.sounding else 5.0) * now.manner.tempo
        if now.rhythm.phrase_began or (
            now.rhythm.stress > 0.5 and now.rhythm.phrase_s > 1.6 and self._rng.random() < 0.3
        ):
            self._phrase_target = self._rng.normal(0.0, 1.0, 3) * _PHRASE
            self._settle_s = 0.0
        elif now.rhythm.phrase_ended or now.turn_ended:
            self._phrase_target = 0.4 * self._phrase_target + _SETTLED
            self._settle_s = 1.2
        elif self._settle_s > 0.0:
            self._settle_s -= FRAME_S
            if self._settle_s <= 0.0:
                self._phrase_target = self._phrase_target - _SETTLED
        elif not now.rhythm.sounding and self._rng.random() < chance:
            self._phrase_target = self._rng.normal(0.0, 0.8, 3) * _PHRASE
