"""Blinks and gaze. Knows nothing of heads or voices.

Blink rates: Bentivoglio et al. 1997 (17 a minute at rest, 26 in conversation, 4.5 while reading); a blink closes in
about 100 ms and opens in about 200 ms (Evinger et al. 1991). Gaze: people look at their partner about 75 % of the time
while listening and 40 % while talking (Argyle and Cook 1976); on a call that looks shy, so the avatar keeps to the
camera more. Eyes move in saccades of a few degrees that last 20 to 60 ms, one or two frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from visavis_models.arkit import ARKIT
from visavis_models.behaviour.easing import FRAME_S

_BLINK = (0.35, 0.92, 1.0, 0.86, 0.58, 0.30, 0.12, 0.03)
"""Closure of the lids, frame by frame."""


class Blinks:
    """Says how far the lids are shut."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._frame = len(_BLINK)
        self._strength = 1.0
        self._wait_s = float(rng.uniform(0.6, 2.5))
        self._again = False

    def step(self, speaking: bool, invite: bool) -> float:
        """Closure 0..1 of the next frame.

        Args:
            speaking: people blink more often while they talk.
            invite: a good moment: a phrase has just ended or the eyes have just jumped.
        """
        if self._frame < len(_BLINK):
            self._frame += 1
            if self._frame < len(_BLINK):
                return _BLINK[self._frame] * self._strength
            if self._again:
                self._again = False
                self._frame, self._strength = 0, 0.95
                return _BLINK[0]
            mean_s = 2.6 if speaking else 3.4
            self._wait_s = float(np.clip(self._rng.lognormal(np.log(mean_s), 0.45), 0.9, 8.0))
            return 0.0
        self._wait_s -= FRAME_S
        if invite and self._wait_s < 1.2 and self._rng.random() < 0.6:
            self._wait_s = 0.0
        if self._wait_s > 0.0:
            return 0.0
        self._frame = 0
        self._strength = float(self._rng.uniform(0.92, 1.0))
        self._again = bool(self._rng.random() < 0.07)
        return _BLINK[0] * self._strength


@dataclass(slots=True)
class _Fixation:
    right: float
    up: float
    left_s: float


class Gaze:
    """Says where the eyes look: at the camera, with small saccades about it, and away now and then."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._target = _Fixation(0.0, 0.0, 1.0)
        self._right = 0.0
        self._up = 0.0
        self.jumped = False
        """A large saccade began in this frame."""

    def step(self, speaking: bool, listening: bool) -> tuple[float, float]:
        """Where the eyes look: to the picture's right and up, -1..1 of the eye's range."""
        self._target.left_s -= FRAME_S
        self.jumped = False
        if self._target.left_s <= 0.0:
            away = 0.05 if listening else 0.10 if speaking else 0.16
            if self._rng.random() < away:
                side = float(self._rng.choice((-1.0, 1.0)) * self._rng.uniform(0.15, 0.42))
                up = float(self._rng.normal(0.05 if speaking else -0.08, 0.10))
                self._target = _Fixation(side, up, float(self._rng.uniform(0.5, 1.4)))
                self.jumped = True
            else:
                size = 0.035
                right, up = self._rng.normal(0.0, size), self._rng.normal(0.0, size * 0.6)
                self.jumped = abs(self._right - right) > 0.12
                self._target = _Fixation(float(right), float(up), float(self._rng.gamma(3.0, 0.35)))
        # One frame covers most of a saccade, the next one the rest.
        self._right += 0.78 * (self._target.right - self._right)
        self._up += 0.78 * (self._target.up - self._up)
        return self._right, self._up


def draw_eyes(face: np.ndarray[tuple[int], np.dtype[np.float32]], lids: float, right: float, up: float) -> None:
    """Write lids and gaze into one row of ARKit coefficients, in place.

    Args:
        face: float32 (52,).
        lids: closure 0..1.
        right: gaze to the picture's right, which is the person's own left.
        up: gaze up.
    """
    # Lids follow the eyes down a little; without it, a downward look bares the white above the iris.
    lids = min(1.0, lids + max(0.0, -up) * 0.35)
    face[ARKIT["eyeBlinkLeft"]] = lids
    face[ARKIT["eyeBlinkRight"]] = lids
    face[ARKIT["eyeLookOutLeft" if right > 0 else "eyeLookInLeft"]] = abs(right)
    face[ARKIT["eyeLookInRight" if right > 0 else "eyeLookOutRight"]] = abs(right)
    for side in ("Left", "Right"):
        face[ARKIT[("eyeLookUp" if up > 0 else "eyeLookDown") + side]] = abs(up)
