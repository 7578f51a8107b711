"""The head as a rigid body: how it turns on the neck, and how deep the parts lie that the face mesh does not cover.

Knows nothing of expressions or of pixels' colours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visavis_models.face.fitting import FaceFit
from visavis_models.face.topology import FACE_OVAL

Array = NDArray[np.float64]

PIVOT = np.array([0.0, 0.45, 0.6])
"""Head space (dm): where the head turns on the neck, behind and below the ears."""
CAMERA_DISTANCE_FACES = 8.0
"""How far (face widths) the camera is thought to be: only decides how much coming nearer enlarges."""
_SKULL_AXES = np.array([0.78, 1.0, 0.95])
_SKULL_CENTRE = np.array([0.0, -0.12, 0.5])
_FACE_REACH = 0.22
"""How far (face widths) around the face its own depth still counts."""


def rotations(pitch: Array, yaw: Array, roll: Array) -> Array:
    """(T, 3, 3) turns in head axes (x right, y down, z away) with the signs of `HEAD_NAMES`; roll is done first."""
    cp, sp, cy, sy, cr, sr = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw), np.cos(roll), np.sin(roll)
    one, nil = np.ones_like(pitch), np.zeros_like(pitch)

    def matrix(*entries: Array) -> Array:
        return np.ascontiguousarray(np.array(entries).T).reshape(-1, 3, 3)

    nod = matrix(one, nil, nil, nil, cp, -sp, nil, sp, cp)
    turn = matrix(cy, nil, -sy, nil, one, nil, sy, nil, cy)
    tilt = matrix(cr, -sr, nil, sr, cr, nil, nil, nil, one)
    return np.asarray(turn @ nod @ tilt)


def head_transforms(fit: FaceFit, head: NDArray[np.float32], face_width_px: float) -> Array:
    """(T, 3, 4) maps of canvas points (px, z away) in the photo to where the head's motion (T, 6) carries them."""
    motion = np.atleast_2d(head).astype(np.float64)
    turn = fit.rotation @ rotations(motion[:, 0], motion[:, 1], motion[:, 2]) @ fit.rotation.T
    nearer = 1.0 / np.clip(1.0 - motion[:, 5] / CAMERA_DISTANCE_FACES, 0.25, 4.0)
    linear = turn * nearer[:, None, None]
    pivot = fit.to_canvas(PIVOT)
    travel = np.stack([motion[:, 3], motion[:, 4], -motion[:, 5]], -1) * face_width_px
    shift = pivot + travel - linear @ pivot
    return np.concatenate([linear, shift[:, :, None]], 2)


class DepthShell:
    """A generic skull behind the face: an ellipsoid that meets the face mesh at its outline."""

    def __init__(self, fit: FaceFit, landmarks: NDArray[np.float32], face_width_px: float) -> None:
        axes = fit.scale * _SKULL_AXES
        self._form = (fit.rotation / axes**2) @ fit.rotation.T
        self._centre = fit.to_canvas(_SKULL_CENTRE)
        self._reach_px = _FACE_REACH * face_width_px
        self._outline = landmarks[list(FACE_OVAL)].astype(np.float64)
        self._offset = self._outline[:, 2] - self._ellipsoid(self._outline[:, :2])

    def _ellipsoid(self, points: Array) -> Array:
        """Depth of the front of the ellipsoid; beside it, the depth of its rim."""
        x = points - self._centre[:2]
        form = self._form
        b = x @ form[:2, 2]
        c = np.einsum("ni,ij,nj->n", x, form[:2, :2], x) - 1.0
        root = np.sqrt(np.maximum(b**2 - form[2, 2] * c, 0.0))
        return np.asarray(self._centre[2] + (-b - root) / form[2, 2])

    def depth(self, points: Array) -> Array:
        """(n,) z in px of canvas points (n, 2)."""
        flat = np.asarray(points, np.float64).reshape(-1, 2)
        square = ((flat[:, None] - self._outline[None, :, :2]) ** 2).sum(-1)
        weight = 1.0 / (square + 1e-3)
        offset = (weight @ self._offset) / weight.sum(1)
        near = np.exp(-square.min(1) / (2 * self._reach_px**2))
        return np.asarray(self._ellipsoid(flat) + offset * near)
