"""Head, shoulders and breath. Knows nothing of eyes, lips or voices beyond their loudness.

Head motion of talkers: standard deviations of 1 to 5 degrees, most of its power below 1 Hz, beats on stressed
syllables (Hadar et al. 1983; Munhall et al. 2004). Breathing at rest: 12 to 18 a minute with 40 % of the time for
breathing in; in speech a quick breath before a phrase and a long way out (Winkworth et al. 1995).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from visavis_models.behaviour.easing import FRAME_S, Spring, Wander

_DEG = math.pi / 180.0


class HeadMotion:
    """Sways slowly, beats with the voice, nods while listening."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._slow = Wander(np.array([1.0, 1.8, 0.9]) * _DEG, 1.6, rng)
        self._shift = Wander(np.array([0.012, 0.006, 0.006]), 2.2, rng)
        self._lively = Spring(1, 0.8)
        # Slow enough to follow stresses and not each syllable: faster ones look like trembling.
        self._beat = Spring(3, 0.44)
        self._energy_mean = 0.0
        self._direction = np.array([1.0, 0.0, 0.0])
        self._nod_wait_s = 2.0
        self._nod_s = -1.0
        self._nod_size = 0.0
        self._phrase = Spring(3, 0.9)
        self._phrase_target = np.zeros(3)

    def step(self, speaking: bool, listening: bool, energy: float) -> NDArray[np.float64]:
        """The next head pose, float64 (6,), see `HEAD_NAMES`."""
        lively = float(self._lively.step(1.0 if speaking else 0.62)[0])
        if energy > self._energy_mean + 0.18 and self._rng.random() < 0.25:
            # A new accent: mostly a small nod, with some turn and tilt.
            self._direction = np.array(
                [self._rng.uniform(0.5, 1.0), self._rng.normal(0, 0.45), self._rng.normal(0, 0.3)]
            )
        self._energy_mean += 0.06 * (energy - self._energy_mean)
        accent = max(0.0, energy - self._energy_mean)
        beat = self._beat.step(self._direction * accent * 8.0 * _DEG)
        if self._rng.random() < FRAME_S / (2.2 if speaking else 4.0):
            # A new phrase: the head settles somewhere else.
            self._phrase_target = self._rng.normal(0.0, 1.0, 3) * np.array([0.9, 2.2, 1.3]) * _DEG
        angles = self._slow.step() * lively + self._phrase.step(self._phrase_target * lively) + beat
        angles[0] += self._nod(listening and not speaking)
        shift = self._shift.step() * lively
        # The head leans the way it turns: it sits on a neck.
        shift[0] += 0.10 * angles[1] - 0.22 * angles[2]
        shift[1] += 0.10 * abs(angles[0])
        return np.concatenate([angles, shift])

    def _nod(self, listening: bool) -> float:
        if self._nod_s < 0.0:
            self._nod_wait_s -= FRAME_S if listening else 0.0
            if self._nod_wait_s > 0.0:
                return 0.0
            self._nod_s = 0.0
            self._nod_size = float(self._rng.uniform(2.0, 4.0)) * _DEG
            self._nod_wait_s = float(self._rng.uniform(2.5, 6.0))
        self._nod_s += FRAME_S
        if self._nod_s >= 1.1:
            self._nod_s = -1.0
            return 0.0
        fade = math.sin(math.pi * self._nod_s / 1.1)
        return self._nod_size * fade * math.sin(2 * math.pi * self._nod_s / 0.55)


class Body:
    """Breathes, and moves a little with the head."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._phase = float(rng.random())
        self._period_s = 4.2
        self._depth = 0.8
        self._breath = Spring(1, 0.30)
        self._sway = Wander(np.array([0.22, 0.10]), 3.0, rng)
        self._shoulders = Wander(np.array([0.05, 0.05]), 2.5, rng)
        self._effort = Spring(1, 0.9)
        self._was_speaking = False

    def step(self, speaking: bool, energy: float) -> NDArray[np.float64]:
        """The next body pose, float64 (5,), see `BODY_NAMES`."""
        if self._was_speaking and not speaking:
            # A phrase is over: breathe in.
            self._phase, self._period_s, self._depth = 0.0, 3.0, 1.0
        self._was_speaking = speaking
        self._phase += FRAME_S / self._period_s
        if self._phase >= 1.0:
            self._phase -= 1.0
            self._period_s = float(self._rng.normal(4.8 if speaking else 4.0, 0.4))
            self._depth = float(self._rng.uniform(0.65, 1.0))
        inhale = 0.25 if speaking else 0.40
        if self._phase < inhale:
            level = 0.5 - 0.5 * math.cos(math.pi * self._phase / inhale)
        else:
            level = 0.5 + 0.5 * math.cos(math.pi * (self._phase - inhale) / (1.0 - inhale))
        breath = float(self._breath.step(level * self._depth)[0])
        sway, lean = self._sway.step()
        left, right = self._shoulders.step() + 0.16 * float(self._effort.step(energy)[0])
        return np.array([min(max(breath, 0.0), 1.0), left, right, sway, lean])
