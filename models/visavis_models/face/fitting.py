"""Explains a portrait's landmarks by the generic face: pose, identity and the expression that the photo shows.

Bounded least squares in head space, alternated with the rigid pose. Knows nothing of motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from visavis_models.arkit import ARKIT, ARKIT_COUNT, ARKIT_NAMES
from visavis_models.face.model import FaceModel
from visavis_models.face.topology import MESH_COUNT, RIGID

Array = NDArray[np.float64]

_ROUNDS = 5
_DEPTH_WEIGHT = 0.35
"""The landmarks' depth is a guess of their detector: it counts this much of x and y."""
_IDENTITY_PENALTY = 0.004
_EXPRESSION_PENALTY = 0.012
_JAW_PENALTY = 0.06
"""A long chin looks like an open jaw: the jaw counts as open only where the whole face says so."""
_UNSEEN = ("eyeLook", "tongueOut", "mouthClose", "jawForward")
"""Coefficients that the skin does not show clearly: never explained by them."""


@dataclass(frozen=True, slots=True)
class FaceFit:
    """How the generic face lies in a portrait: canvas = scale · rotation · head + shift."""

    scale: float
    """Pixels per unit of head space."""
    rotation: Array
    """(3, 3)."""
    shift: Array
    """(3,) px."""
    identity: Array
    """(K,) in standard deviations."""
    expression: Array
    """(52,) 0..1: what the photo shows."""
    residual: float
    """Root mean square distance of the explained landmarks in x and y, units of head space (dm)."""

    def to_canvas(self, points: Array) -> Array:
        """(..., 3) head space to px."""
        return np.asarray(self.scale * points @ self.rotation.T + self.shift)

    def to_head(self, points: Array) -> Array:
        """(..., 3) px to head space."""
        return np.asarray((points - self.shift) @ self.rotation / self.scale)


def similarity(source: Array, goal: Array) -> tuple[float, Array, Array]:
    """Scale, rotation (3, 3) and shift (3,) that carry points (n, 3) onto others best."""
    x, y = source - source.mean(0), goal - goal.mean(0)
    u, s, vt = np.linalg.svd(x.T @ y)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = ((u * sign) @ vt).T
    scale = float((s * sign).sum() / (x**2).sum())
    return scale, rotation, goal.mean(0) - scale * rotation @ source.mean(0)


def _pose(shape: Array, landmarks: Array) -> tuple[float, Array, Array]:
    """The similarity that carries `shape` to `landmarks`, found on the points that do not deform."""
    return similarity(shape[list(RIGID)], landmarks[list(RIGID)])


def fit_face(model: FaceModel, landmarks: NDArray[np.float32]) -> FaceFit:
    """Fit the model to float32 (478, 3) landmarks in px, x right, y down, z away."""
    goal = landmarks.astype(np.float64)
    mean = model.mean[:MESH_COUNT].astype(np.float64)
    used = np.array([k for k, name in enumerate(ARKIT_NAMES) if not name.startswith(_UNSEEN)])
    count = len(model.identity)
    basis = np.concatenate([model.identity[:, :MESH_COUNT], model.expression[used][:, :MESH_COUNT]]).astype(np.float64)
    axis = np.array([1.0, 1.0, _DEPTH_WEIGHT])
    design = (basis * axis).reshape(len(basis), -1).T
    penalty = np.concatenate([np.full(count, _IDENTITY_PENALTY), np.full(len(used), _EXPRESSION_PENALTY)])
    penalty[count + int(np.flatnonzero(used == ARKIT["jawOpen"])[0])] = _JAW_PENALTY
    normal = design.T @ design + np.diag(penalty**2 * MESH_COUNT)
    factor = np.linalg.cholesky(normal)
    low = np.concatenate([np.full(count, -3.0), np.zeros(len(used))])
    high = np.concatenate([np.full(count, 3.0), np.ones(len(used))])
    shape, explained = mean, np.zeros(len(basis))
    for _ in range(_ROUNDS):
        scale, rotation, shift = _pose(shape, goal[:MESH_COUNT])
        seen = (goal[:MESH_COUNT] - shift) @ rotation / scale
        right = design.T @ ((seen - mean) * axis).ravel()
        found = lsq_linear(factor.T, np.linalg.solve(factor, right), (low, high), tol=1e-6, max_iter=60)
        explained = found.x
        shape = mean + np.tensordot(explained, basis, 1)
    expression = np.zeros(ARKIT_COUNT)
    expression[used] = explained[count:]
    scale, rotation, shift = _pose(shape, goal[:MESH_COUNT])
    seen = (goal[:MESH_COUNT] - shift) @ rotation / scale
    residual = float(np.sqrt(((seen - shape)[:, :2] ** 2).sum(1).mean()))
    return FaceFit(scale, rotation, shift, explained[:count], expression, residual)
