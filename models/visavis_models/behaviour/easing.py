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
        # Plain floats: for so few values they cost a fifth of what arrays do.
        self._values = [0.0] * size
        self._velocities = [0.0] * size
        self._rate = 4.0 / time_s

    def step(self, target: NDArray[np.float64] | float, pace: float = 1.0) -> NDArray[np.float64]:
        """Advance one frame; the exact solution of the damped spring over it, so that any rate is stable.

        Args:
            target: where to.
            pace: how much faster than usual time goes by.

        Returns:
            float64 (size,), an array of its own.
        """
        rate = self._rate * pace
        decay = math.exp(-rate * FRAME_S)
        values, velocities = self._values, self._velocities
        targets = target.tolist() if isinstance(target, np.ndarray) else [target] * len(values)
        for k, goal in enumerate(targets):
            offset = values[k] - goal
            slope = velocities[k] + rate * offset
            values[k] = goal + (offset + slope * FRAME_S) * decay
            velocities[k] = (velocities[k] - slope * rate * FRAME_S) * decay
        return np.array(values)


class Follower:
    """A spring of one value, in plain floats: a tenth of the cost.

    Args:
        time_s: see `Spring`.
        value: where it begins.
    """

    def __init__(self, time_s: float, value: float = 0.0) -> None:
        self.value = value
        self._velocity = 0.0
        self._rate = 4.0 / time_s
        self._decay = math.exp(-self._rate * FRAME_S)

    def step(self, target: float) -> float:
        """Advance one frame."""
        offset = self.value - target
        slope = self._velocity + self._rate * offset
        self.value = target + (offset + slope * FRAME_S) * self._decay
        self._velocity = (self._velocity - slope * self._rate * FRAME_S) * self._decay
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
        self._time_s = time_s
        self._raw = rng.standard_normal(sizes.size)
        # The spring takes away part of the motion: measured once, given back here.
        smoothing_s = time_s * 0.5
        self._spring = Spring(sizes.size, smoothing_s)
        self._sizes = sizes * math.sqrt(1.0 + smoothing_s / (2.0 * time_s))

    def step(self, pace: float = 1.0) -> NDArray[np.float64]:
        """The next value; `pace`: how much faster than usual time goes by. Its size stays what it is."""
        keep = math.exp(-FRAME_S * pace / self._time_s)
        kick = math.sqrt(1.0 - keep * keep)
        self._raw = keep * self._raw + kick * self._rng.standard_normal(self._sizes.size)
        return self._spring.step(self._raw, pace) * self._sizes


class Strokes:
    """Movements out and back that may overlap: each rises within the first third of its time and falls in the rest.

    Args:
        size: how many values move together.
    """

    def __init__(self, size: int) -> None:
        self._rest = np.zeros(size)
        self._running: list[tuple[float, float, NDArray[np.float64]]] = []

    @property
    def idle(self) -> bool:
        """None is under way or planned."""
        return not self._running

    def add(self, size: NDArray[np.float64], duration_s: float, delay_s: float = 0.0) -> None:
        """Begin one after `delay_s`; `size` is how far it goes."""
        self._running.append((-delay_s, duration_s, size))

    def step(self) -> NDArray[np.float64]:
        """All that are under way, added up."""
        if not self._running:
            return self._rest
        total = self._rest.copy()
        left = []
        for age_s, duration_s, size in self._running:
            age_s += FRAME_S
            if 0.0 < age_s < duration_s:
                total += size * math.sin(math.pi * (age_s / duration_s) ** 0.7) ** 2
            if age_s < duration_s:
                left.append((age_s, duration_s, size))
        self._running = left
        return total
