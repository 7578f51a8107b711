"""What shoulders, torso and hips do: breath, emphasis, weight that shifts, and a turn that follows the head late.

Breathing at rest: 12 to 18 a minute with 40 % of the time for breathing in; in speech a quick breath before a phrase
and a long way out (Winkworth et al. 1995). People who stand shift their weight from leg to leg now and then (Duarte and
Zatsiorsky 1999), as whole postures shift between sentences (Cassell et al. 2001). In a gaze shift the head begins and
the trunk follows by a part and later (Hollands et al. 2004). Sizes were set by eye. Knows no pictures.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from visavis_models.behaviour.easing import FRAME_S, Follower, Spring, Strokes, Wander
from visavis_models.behaviour.states import Moment
from visavis_models.behaviour.trailing import Trailing

_TURN_UNIT = math.radians(8.0)
_TURN_FOLLOWS = 0.30
"""Of the head's turn."""
_SWAY_FOLLOWS = 1.6
"""Of 1.0 of `sway_x`, for a face width by which the head goes aside: half of it is the torso's."""
_SWAY_REACH = 0.055
"""Face widths by which 1.0 of `sway_x` carries the head."""
_EMPHASIS_SHARE = 0.55
"""Of the stronger stresses that the torso answers."""
_TURNED = 0.36
"""Standard deviation of the turn of whole postures."""


class Torso:
    """Breathes, stresses with the voice, shifts its weight, and comes along with the head.

    Args:
        rng: source of chance.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._phase = float(rng.random())
        self._period_s = 4.2
        self._depth = 0.8
        self._breath = Follower(0.30)
        self._sway = Wander(np.array([0.18, 0.08]), 3.0, rng)
        self._shoulders = Wander(np.array([0.05, 0.05]), 2.5, rng)
        self._effort = Follower(0.9)
        self._emphasis = Strokes(4)
        # One spring after the other: mass gathers way before it has any.
        self._goes = Spring(2, 1.1)
        self._stance = Spring(2, 1.3)
        self._stance_target = rng.normal(0.0, 1.0, 2) * [0.4, 0.2]
        self._drift = Wander(np.array([0.10, 0.07]), 4.0, rng)
        self._follows = Spring(2, 1.0)
        self._trailing = Trailing()

    def step(
        self, now: Moment, energy: float, posture: NDArray[np.float64], shifted: bool, head: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The next frame, float64 (9,), see `BODY_NAMES`.

        Args:
            now: what goes on.
            energy: loudness of the own voice, 0..1.
            posture: float64 (8,), of `Posture`.
            shifted: a new posture is being taken up from this frame on.
            head: float64 (6,), `HEAD_NAMES`: the head in this frame.
        """
        scale = now.manner.head_scale
        breath = self._breathe(now)
        self._stress(now)
        if shifted and self._rng.random() < 0.75:
            self._take_up_stance()
        weight, turn = self._stance.step(self._goes.step(self._stance_target)) * scale + self._drift.step() * scale
        # A neck holds the head over the torso: what of its way aside and of its turn lasts, the torso takes up.
        aside, turned = self._follows.step(head[[3, 1]])
        sway, lean = self._sway.step() * scale + posture[6:8]
        left, right = self._shoulders.step() + 0.16 * self._effort.step(energy)
        stressed = self._emphasis.step()
        sway += _SWAY_FOLLOWS * aside
        turn += _TURN_FOLLOWS * turned / _TURN_UNIT + stressed[3]
        body = np.array([breath, left + stressed[0], right + stressed[1], sway, lean + stressed[2], turn, weight, 0, 0])
        body = np.asarray(np.minimum(np.maximum(body, -1.0), 1.0), np.float64)
        body[7:] = self._trailing.step(head, _SWAY_REACH * float(body[3]))
        return body

    def _breathe(self, now: Moment) -> float:
        """How far the chest is filled, 0..1."""
        speaking = now.speaking > 0.5
        inhale = 0.25 if speaking else 0.40
        if now.rhythm.sentence_ended or now.turn_ended:
            # A sentence is over: breathe in, from what is left in the lungs.
            self._period_s, self._depth = 3.0, 1.0
            self._phase = inhale / math.pi * math.acos(1.0 - 2.0 * min(max(self._breath.value, 0.0), 1.0))
        self._phase += FRAME_S / self._period_s * math.sqrt(now.manner.tempo)
        if self._phase >= 1.0:
            self._phase -= 1.0
            self._period_s = float(self._rng.normal(4.8 if speaking else 4.0, 0.4))
            self._depth = float(self._rng.uniform(0.65, 1.0))
        if self._phase < inhale:
            level = 0.5 - 0.5 * math.cos(math.pi * self._phase / inhale)
        else:
            level = 0.5 + 0.5 * math.cos(math.pi * (self._phase - inhale) / (1.0 - inhale))
        return min(max(self._breath.step(level * self._depth), 0.0), 1.0)

    def _stress(self, now: Moment) -> None:
        """On a strong stress: a little towards the viewer, a shoulder lifted, the torso turned a trace."""
        strength = now.rhythm.stress
        if strength < 0.35 or self._rng.random() > _EMPHASIS_SHARE:
            return
        size = strength * float(self._rng.uniform(0.6, 1.0)) * now.manner.nod_scale
        side = 1.0 if self._rng.random() < 0.5 else -1.0
        way = np.array([0.16 + 0.12 * side, 0.16 - 0.12 * side, 0.34, 0.22 * side])
        # Trunks are heavy: the head's beat comes before, and is over before.
        self._emphasis.add(way * size, float(self._rng.uniform(0.8, 1.15)) / math.sqrt(now.manner.tempo), FRAME_S)

    def _take_up_stance(self) -> None:
        """Rest on the other leg, or now and then on both, and turn a little elsewhere."""
        if self._rng.random() < 0.25:
            weight = float(self._rng.normal(0.0, 0.15))
        else:
            weight = math.copysign(float(self._rng.uniform(0.45, 1.0)), -float(self._stance_target[0]))
        turn = float(self._rng.normal(0.0, _TURNED)) - 0.4 * float(self._stance_target[1])
        self._stance_target = np.array([weight, min(max(turn, -0.65), 0.65)])
