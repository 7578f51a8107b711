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

from visavis_models.arkit import ARKIT_COUNT, ARKIT_NAMES
from visavis_models.face.expression_of_landmarks import UprightFaces, upright

Tensor = Any
Floats = NDArray[np.float32]
Array = NDArray[np.floating[Any]]

PARTS = 40
"""Directions in which errors differ."""
_CM_PER_RADIAN = 5.0
_SHAPES = 16
_RIDGES = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_FOLDS = 5
_ANGLE_RIDGE = 0.3
_GAIN_PRIOR = 0.02
_GAIN_SPREAD = 0.15
"""How much people differ in how far the detector follows a unit."""
_PLAIN_CM = 0.02
"""Of every landmark's own noise, beside what is common to many."""


@dataclass(frozen=True, slots=True)
class LandmarkErrors:
    """Adds a detector's errors to true landmarks; all lengths in cm of the canonical face."""

    mean: Floats
    """(1434,) of the true faces."""
    shapes: Floats
    """(K, 1434) orthonormal directions in which they differ."""
    motion: Floats
    """(52, 1434): how each unit moves the landmarks of an average face."""
    follows: Floats
    """(52,): how far the detector follows each unit, 1 = fully."""
    gain: Floats
    """(1 + 52 + 3 + K, 1437): further error per one, coefficient, radian and cm; last those of the angles."""
    own: Floats
    """(PARTS, 1437): what stays with a person, in standard deviations."""
    passing: Floats
    """(PARTS, 1437): what differs from picture to picture."""

    @classmethod
    def learn(
        cls, true: UprightFaces, found: UprightFaces, face: Floats, people: NDArray[np.int64], motion: Floats
    ) -> LandmarkErrors:
        """From N pictures.

        Args:
            true: landmarks as they are, weak perspective.
            found: of the detector.
            face: (N, 52) coefficients.
            people: (N,) whom each shows; people that are shown more than once tell what is a person's own.
            motion: (52, 478, 3) how each unit moves an average face's upright landmarks.
        """
        flat = true.points.reshape(len(face), -1)
        error = found.points.reshape(len(face), -1) - flat
        error = np.concatenate([error, (found.angles - true.angles) * _CM_PER_RADIAN], 1).astype(np.float64)
        mean = flat.mean(0)
        shapes = np.linalg.svd(flat - mean, full_matrices=False)[2][:_SHAPES]
        # pictures on which the detector failed count less
        size = np.linalg.norm(error - np.median(error, 0), axis=1)
        trust = np.minimum(1.0, 2.0 * np.median(size) / np.maximum(size, 1e-6))
        fields = motion.reshape(len(motion), -1).astype(np.float64)
        follows = _follows(error[:, :-3], face, fields, np.asarray(trust, np.float64))
        left = error.copy()
        left[:, :-3] -= (face * (follows - 1)) @ fields
        known = np.concatenate([np.ones((len(flat), 1)), face, true.angles, (flat - mean) @ shapes.T], 1).astype(float)
        gain, rest = _explained(known, left, np.asarray(trust, np.float64), people)
        rest *= np.sqrt(trust)[:, None]
        own, passing = [], []
        for person in np.unique(people):
            rows = rest[people == person]
            if len(rows) > 1:
                own.append(rows.mean(0))
                passing.append((rows - rows.mean(0)) * np.sqrt(len(rows) / (len(rows) - 1)))
        arrays = (mean, shapes, fields, follows, gain, _parts(np.array(own)), _parts(np.concatenate(passing)))
        return cls(*(np.asarray(array, np.float32) for array in arrays))

    def found(
        self,
        points: Tensor,
        angles: Tensor,
        face: Tensor,
        own: Tensor,
        passing: Tensor,
        share: Tensor,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """What the detector makes of true faces: upright landmarks (N, 478, 3) and angles (N, 3).

        Args:
            points: (N, 478, 3) upright.
            angles: (N, 3) of the rigid fit.
            face: (N, 52).
            own: (N, PARTS + 52) standard normal numbers that belong to each person.
            passing: (N, PARTS) those that belong to each picture's light and camera.
            share: (N, 1) how much of the errors the detector makes; 1 is usual.
            generator: of what trembles.
        """
        flat = points.reshape(len(points), -1)
        mean, shapes, motion, follows, gain, lasting, light = (
            torch.from_numpy(getattr(self, name)) for name in LandmarkErrors.__slots__
        )
        known = torch.cat([torch.ones(len(flat), 1), face, angles, (flat - mean) @ shapes.T], 1)
        error = known @ gain + own[:, :PARTS] @ lasting + passing @ light
        short = face * (follows * (1 + _GAIN_SPREAD * own[:, PARTS:]) - 1)
        plain = _PLAIN_CM * torch.rand(len(flat), 1, generator=generator)
        error = error + plain * torch.randn(error.shape, generator=generator)
        flat = flat + share * (error[:, :-3] + short @ motion)
        return flat.reshape(points.shape), angles + share * error[:, -3:] / _CM_PER_RADIAN


def _follows(error: Array, face: Floats, fields: Array, trust: Array) -> Array:
    """(52,): 1 where the detector goes all the way with a unit; both sides of a face alike, picture plane only."""
    flat = np.tile([1.0, 1.0, 0.0], fields.shape[1] // 3)
    cross = (fields * flat) @ fields.T
    weighted = face * trust[:, None]
    normal = (weighted.T @ face) * cross
    right = ((weighted.T @ (error - np.median(error, 0))) * (fields * flat)).sum(1)
    names = [name.removesuffix("Left").removesuffix("Right") for name in ARKIT_NAMES]
    groups = sorted(set(names))
    tied = np.array([[name == group for group in groups] for name in names], np.float64)
    small, goal = tied.T @ normal @ tied, tied.T @ right
    small += _GAIN_PRIOR * np.diag(np.diag(small)) + 1e-6 * np.eye(len(groups))
    return np.clip(1 + tied @ np.linalg.solve(small, goal), 0.15, 1.3)


def _explained(known: Array, error: Array, trust: Array, people: NDArray[np.int64]) -> tuple[Array, Array]:
    """How errors (N, C) follow from what is known (N, K), as (K, C), and what is left of people that took no part."""

    def fitted(rows: NDArray[np.bool_], ridge: float) -> Array:
        held = ridge * np.eye(known.shape[1])
        held[0, 0] = 1e-3
        angles = slice(1 + ARKIT_COUNT, 4 + ARKIT_COUNT)  # turns matter most, and few numbers tell of them
        held[angles, angles] = _ANGLE_RIDGE * np.eye(3)
        weighted = (known[rows] * trust[rows, None]).T
        return np.asarray(np.linalg.solve(weighted @ known[rows] + held, weighted @ error[rows]))

    everybody = np.unique(people)
    fold = np.searchsorted(everybody, people) % _FOLDS
    best, left, least = _RIDGES[-1], error, np.inf
    for ridge in _RIDGES:
        rest = np.empty_like(error)
        for k in range(_FOLDS):
            rest[fold == k] = error[fold == k] - known[fold == k] @ fitted(fold != k, ridge)
        size = float((rest**2 * trust[:, None]).mean())
        if size < least:
            best, left, least = ridge, rest, size
    return fitted(np.ones(len(people), bool), best), left


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
