"""Least squares within bounds: one step of Gauss-Newton some of whose variables may not leave a box.

Knows nothing of what the variables mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ROUNDS = 60
_TOLERANCE = 1e-9


def box_step(normal: Array, gradient: Array, low: Array, high: Array) -> Array:
    """The step d (n,) that minimises d·normal·d / 2 + gradient·d within low ≤ d ≤ high.

    Variables without bounds are eliminated, so that only a small problem is left for the search.

    Args:
        normal: (n, n), positive definite.
        gradient: (n,).
        low: (n,), at most 0; -inf where there is no bound.
        high: (n,), at least 0; inf where there is no bound.
    """
    bound = np.isfinite(low) | np.isfinite(high)
    free = ~bound
    solved = np.linalg.solve(
        normal[np.ix_(free, free)], np.concatenate([normal[np.ix_(free, bound)], gradient[free, None]], 1)
    )
    across = normal[np.ix_(bound, free)]
    step = np.zeros(len(gradient))
    step[bound] = _walled(
        normal[np.ix_(bound, bound)] - across @ solved[:, :-1],
        gradient[bound] - across @ solved[:, -1],
        low[bound],
        high[bound],
    )
    step[free] = -(solved[:, :-1] @ step[bound] + solved[:, -1])
    return step


def _walled(normal: Array, gradient: Array, low: Array, high: Array) -> Array:
    """The same, every variable bounded: those at a wall are held there until the slope leads back inside."""
    step = np.zeros(len(gradient))
    held = np.zeros(len(gradient), np.bool_)
    for _ in range(_ROUNDS):
        free = np.flatnonzero(~held)
        if len(free):
            goal = np.linalg.solve(normal[np.ix_(free, free)], -(gradient[free] + normal[free][:, held] @ step[held]))
            way = goal - step[free]
            limit = np.where(way < 0, low[free], high[free]) - step[free]
            share = np.where(np.abs(way) > np.abs(limit), limit / np.where(way == 0, 1.0, way), 1.0)
            least = float(np.clip(share.min(), 0.0, 1.0))
            step[free] += least * way
            if least < 1.0:
                held[free[share <= least + _TOLERANCE]] = True
                continue
        pull = normal @ step + gradient
        inward = held & np.where(step - low <= high - step, pull < -_TOLERANCE, pull > _TOLERANCE)
        if not inward.any():
            break
        held[inward & (np.abs(pull) >= 0.5 * np.abs(pull[inward]).max())] = False
    return np.clip(step, low, high)
