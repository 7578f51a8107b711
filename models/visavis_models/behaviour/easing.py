"""Smooth ways from here to there, frame by frame. Knows nothing of faces."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FRAME_S = 0.040


class Spring:
    """A critically damped follower of a moving target: no overshoot, no step in velocity.

    Args:
        size: how many values move together.
        time_s: roughly how long it takes to come near a new target.
    """

    def __init__(self, size: int, time_s: float) -> None:
        self.value: NDArray[np.float64] = np.zeros(size)
        self.velocity: NDArray[np.float64] = np.zeros(size)
        self._rate = 4.0 / time_s

    def step(self, target: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Advance one frame; the exact solution of the damped spring over it, so that any rate is stable."""
        decay = math.exp(-self._rate * FRAME_S)
        offset = self.value - target
        slope = self.velocity + self._rate * offset
        self.value = target + (offset + slope * FRAME_S) * decay
        self.velocity = (self.velocity - slope * self._rate * FRAME_S) * decay
        return self.value


class Wander:
    """Slow random motion about zero: an Ornstein–Uhlenbeck process seen through a spring, so that it has no corners.

    Args:
        sizes: standard deviation of each value.
        time_s: how long it takes until it has forgotten where it was.
        rng: source of chance.
    """

    def __init__(self, sizes: NDArray[np.float64], time_s: float, rng: np.random.Generator) -> None:
        self._rng = rng
        self._keep = math.exp(-FRAME_S / time_s)
        self._kick = math.sqrt(1.0 - self._keep**2)
        self._raw = rng.standard_normal(sizes.size)
        # The spring takes away part of the motion: measured once, given back here.
        smoothing_s = time_s * 0.5
        self._spring = Spring(sizes.size, smoothing_s)
        self._sizes = sizes * math.sqrt(1.0 + smoothing_s / (2.0 * time_s))

    def step(self) -> NDArray[np.float64]:
        """The next value."""
        self._raw = self._keep * self._raw + self._kick * self._rng.standard_normal(self._sizes.size)
        return self._spring.step(self._raw) * self._sizes
