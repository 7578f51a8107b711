"""A person's own face, found in a photo: who they are, what they express, and how the lens saw them.

What is kept is free of the photo's scale, so that it holds for every size of the canvas. Knows nothing of how it is
found, of motion or of pixels' colours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT_COUNT

Array = NDArray[np.float64]

_FACTS = ("identity", "expression", "rotation", "place")


@dataclass(frozen=True, slots=True)
class Person:
    """A point of `FaceBasis` and a camera before it."""

    identity: Array
    """(K,) in standard deviations."""
    expression: Array
    """(52,) 0..1: what the photo shows, `ARKIT_NAMES` order."""
    rotation: Array
    """(3, 3): from head space to the camera's axes, x right, y down, z away."""
    place: Array
    """(4,): where the head's middle lies right of and below the picture's (dm), one over its distance from the lens
    (1/dm; 0 is far away), and how far the face lies off the landmarks: root mean square, in shares of its width."""

    @property
    def nearness(self) -> float:
        """One over the lens's distance, 1/dm."""
        return float(self.place[2])

    @property
    def residual(self) -> float:
        """Root mean square distance of this face from the photo's landmarks in shares of the face's width."""
        return float(self.place[3])

    def seen(self, points: Array) -> Array:
        """(..., 3) as the camera sees points (..., 3) of head space that are relative to the head's middle.

        Picture plane at the head's middle, dm; depth is shrunk alike, so that small turns about the middle move points
        as the camera would see it.
        """
        view = points @ self.rotation.T
        near = 1.0 + self.nearness * view[..., 2:]
        shift = np.array([self.place[0], self.place[1], 0.0])
        return np.asarray((view + shift) / near)

    def seen_motion(self, points: Array, motion: Array) -> Array:
        """(..., 3) how the camera sees small displacements (..., 3) of points (..., 3); axes as `seen`."""
        view, moved = points @ self.rotation.T, motion @ self.rotation.T
        near = 1.0 + self.nearness * view[..., 2:]
        place = self.seen(points)
        drift = place * np.array([1.0, 1.0, 0.0]) * self.nearness
        flat = (moved - drift * moved[..., 2:]) / near
        flat[..., 2:] = moved[..., 2:] / near**2
        return np.asarray(flat)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """What to store."""
        return {f"person_{name}": np.ascontiguousarray(getattr(self, name), np.float32) for name in _FACTS}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Person | None:
        """What `arrays` gave; None if nobody is stored.

        Raises:
            ValueError: it is not whole.
        """
        if f"person_{_FACTS[0]}" not in arrays:
            return None
        try:
            values = {name: arrays[f"person_{name}"].astype(np.float64) for name in _FACTS}
        except KeyError as error:
            raise ValueError(f"{error.args[0]} is missing") from error
        shapes = {"expression": (ARKIT_COUNT,), "rotation": (3, 3), "place": (4,)}
        for name, value in values.items():
            if value.shape != shapes.get(name, (value.size,)) or not np.isfinite(value).all():
                raise ValueError(f"{name} is not {shapes.get(name)}")
        return cls(**values)
