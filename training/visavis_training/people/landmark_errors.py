"""How a detector's landmarks differ from the true ones, learnt from pictures, to be added to landmarks that are true.

A linear model in pose-free space: what the expression, the pose and the face's shape explain, then what stays with a
person, then what differs from picture to picture. Knows nothing of networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from visavis_models.face.expression_of_landmarks import UprightFaces, upright

Tensor = Any
Floats = NDArray[np.float32]

PARTS = 40
"""Directions in which errors differ."""
_CM_PER_RADIAN = 5.0
_SHAPES = 24
_RIDGE = 3.0
_PLAIN_CM = 0.03
"""Of every landmark's own noise, beside what is common to many."""


@dataclass(frozen=True, slots=True)
class LandmarkErrors:
    """Adds a detector's errors to true landmarks; all lengths in cm of the canonical face."""

    mean: Floats
    """(1434,) of the true faces."""
    shapes: Floats
    """(K, 1434) orthonormal directions in which they differ."""
    gain: Floats
    """(1 + 52 + 3 + K, 1437): error per one, coefficient, radian and cm; last those of the angles."""
    own: Floats
    """(PARTS, 1437): what stays with a person, in standard deviations."""
    passing: Floats
    """(PARTS, 1437): what differs from picture to picture."""

    @classmethod
    def learn(cls, true: UprightFaces, found: UprightFaces, face: Floats, people: NDArray[np.int64]) -> LandmarkErrors:
        """From N pictures.

        Args:
            true: landmarks as they are, weak perspective.
            found: of the detector.
            face: (N, 52) coefficients.
            people: (N,) whom each shows; people that are shown more than once tell what is a person's own.
        """
        flat = true.points.reshape(len(face), -1)
        error = found.points.reshape(len(face), -1) - flat
        error = np.concatenate([error, (found.angles - true.angles) * _CM_PER_RADIAN], 1)
        mean = flat.mean(0)
        shapes = np.linalg.svd(flat - mean, full_matrices=False)[2][:_SHAPES]
        known = np.concatenate([np.ones((len(flat), 1)), face, true.angles, (flat - mean) @ shapes.T], 1)
        # pictures on which the detector failed count less
        size = np.linalg.norm(error - np.median(error, 0), axis=1)
        trust = np.minimum(1.0, 2.0 * np.median(size) / np.maximum(size, 1e-6))[:, None]
        ridge = _RIDGE * np.eye(known.shape[1])
        ridge[0, 0] = 1e-3
        gain = np.linalg.solve((known * trust).T @ known + ridge, (known * trust).T @ error)
        rest = (error - known @ gain) * np.sqrt(trust)
        own, passing = [], []
        for person in np.unique(people):
            rows = rest[people == person]
            if len(rows) > 1:
                own.append(rows.mean(0))
                passing.append((rows - rows.mean(0)) * np.sqrt(len(rows) / (len(rows) - 1)))
        arrays = (mean, shapes, gain, _parts(np.array(own)), _parts(np.concatenate(passing)))
        return cls(*(np.asarray(array, np.float32) for array in arrays))

    def found(
        self, points: Tensor, angles: Tensor, face: Tensor, own: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """What the detector makes of true faces: upright landmarks (N, 478, 3) and angles (N, 3).

        Args:
            points: (N, 478, 3) upright.
            angles: (N, 3) of the rigid fit.
            face: (N, 52).
            own: (N, PARTS) standard normal numbers that belong to each person.
            generator: of what belongs to the picture.
        """
        flat = points.reshape(len(points), -1)
        mean, shapes, gain, lasting, passing = (torch.from_numpy(getattr(self, n)) for n in LandmarkErrors.__slots__)
        known = torch.cat([torch.ones(len(flat), 1), face, angles, (flat - mean) @ shapes.T], 1)
        chance = torch.randn(len(flat), PARTS, generator=generator)
        strength = 0.2 + 0.8 * torch.rand(len(flat), 1, generator=generator)
        error = known @ gain + own @ lasting + strength * (chance @ passing)
        plain = _PLAIN_CM * torch.rand(len(flat), 1, generator=generator)
        error = error + plain * torch.randn(error.shape, generator=generator)
        return points + error[:, :-3].reshape(points.shape), angles + error[:, -3:] / _CM_PER_RADIAN


def _parts(rows: NDArray[np.floating]) -> Floats:
    """(PARTS, C) orthogonal directions of rows (N, C), as long as their standard deviations; zeros where rows lack."""
    _, size, directions = np.linalg.svd(rows, full_matrices=False)
    parts = directions[:PARTS] * (size[:PARTS, None] / np.sqrt(max(len(rows), 1)))
    missing = np.zeros((PARTS - len(parts), rows.shape[1]))
    return np.concatenate([parts, missing]).astype(np.float32)


def upright_truth(view: Tensor) -> UprightFaces:
    """Landmarks in a camera's axes (N, 478, 3), dm, as a perfect detector would give them: depth in picture units."""
    depth = view[..., 2:].mean(1, keepdim=True)
    flat = view[..., :2] * (depth / view[..., 2:])
    return upright(torch.cat([flat, view[..., 2:] - depth], -1).cpu().numpy())
