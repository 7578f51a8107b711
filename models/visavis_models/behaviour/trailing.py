"""What hangs loosely and comes after: ends of hair, collars, as one pendulum carried by the head. Knows no pictures.

Hair that hangs free swings about once in two thirds of a second and comes to rest after one or two swings.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from visavis_models.behaviour.easing import FRAME_S

_SWINGS_HZ = 1.45
_DAMPING = 0.38
"""Of what would just keep it from swinging at all."""
_YAW_ARM, _PITCH_ARM = 0.50, 0.40
"""Face widths: how far the hair's roots are from where the head turns."""
_ROLL_HANGS = 0.45
"""Face widths: how far below it the ends hang; a tilted head leaves them where gravity has them."""
_UNIT = 0.1
"""Face widths for 1.0."""
_STEPS = 4
"""Within one frame."""


class Trailing:
    """A damped pendulum in two directions."""

    def __init__(self) -> None:
        self._way = [0.0, 0.0]
        self._speed = [0.0, 0.0]
        self._roots: list[tuple[float, float]] = []

    def step(self, head: NDArray[np.floating], sway: float) -> tuple[float, float]:
        """How far the ends are away from where the head would carry them: right and down, -1..1.

        Args:
            head: float (6,), `HEAD_NAMES`, of this frame.
            sway: how far the torso carries the head to the picture's right, in face widths.
        """
        pitch, yaw, roll, x, y, _ = (float(value) for value in head)
        self._roots = [
            *self._roots[-2:],
            (x + sway + _YAW_ARM * math.sin(yaw), y + _PITCH_ARM * math.sin(pitch)),
        ]
        if len(self._roots) < 3:
            return 0.0, 0.0
        rest = (_ROLL_HANGS * math.sin(roll), 0.0)
        rate = 2.0 * math.pi * _SWINGS_HZ
        part_s = FRAME_S / _STEPS
        found = []
        for axis in (0, 1):
            before, middle, newest = (root[axis] for root in self._roots)
            pull = (newest - 2.0 * middle + before) / FRAME_S**2
            way, speed = self._way[axis], self._speed[axis]
            for _ in range(_STEPS):
                force = -rate * rate * (way - rest[axis]) - 2.0 * _DAMPING * rate * speed - pull
                speed += force * part_s
                way += speed * part_s
            self._way[axis], self._speed[axis] = way, speed
            found.append(math.tanh(way / _UNIT))
        return found[0], found[1]
