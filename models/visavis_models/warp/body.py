"""How neck, shoulders and chest move: displacements of the body's points for one motion.

Amplitudes are those of a person who sits and speaks, in face widths. Knows nothing of the head, the mesh or pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar

_BREATH_RISE = 0.016
_BREATH_WIDEN = 0.008
_SHRUG_RISE = 0.10
_SWAY = 0.055
_LEAN_SCALE = 0.028


@dataclass(frozen=True, slots=True)
class BodyField:
    """Displacement of every point for each unit of the body controls."""

    basis: NDArray[np.float32]
    """float32 (5, N, 2): px for 1.0 of each of `BODY_NAMES`."""

    def displacement(self, body: NDArray[np.float32]) -> NDArray[np.float32]:
        """Px by which the points move: float32 (N, 2).

        Args:
            body: float32 (5,), see `BODY_NAMES`.
        """
        return np.tensordot(body, self.basis, 1)


def _ease(x: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(x, 0.0, 1.0)
    return clipped * clipped * (3.0 - 2.0 * clipped)


def _shoulders(avatar: Avatar) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The person's left and right shoulder, guessed below the chin when the picture hides them: (2,) px each."""
    width = avatar.face_width_px
    left, right = avatar.body_points[11].astype(np.float64), avatar.body_points[12].astype(np.float64)
    chin = avatar.landmarks[152, :2].astype(np.float64)
    if left[3] < 0.3 or left[0] - chin[0] < 0.3 * width:
        left = np.array([chin[0] + 1.05 * width, chin[1] + 0.75 * width])
    if right[3] < 0.3 or chin[0] - right[0] < 0.3 * width:
        right = np.array([chin[0] - 1.05 * width, chin[1] + 0.75 * width])
    return left[:2], right[:2]


def body_field(avatar: Avatar, points: NDArray[np.float32], head_weight: NDArray[np.float32]) -> BodyField:
    """Prepare the body's motion for the points of a mesh.

    Args:
        avatar: the portrait.
        points: float32 (N, 2), px at rest.
        head_weight: float32 (N,): points of the head are carried by what the base of the neck does.
    """
    width = avatar.face_width_px
    left, right = _shoulders(avatar)
    neck = (left + right) / 2.0 - np.array([0.0, 0.12 * width])
    # Everything hangs on a pivot below the picture (or the hips): what touches the lower edge must not leave it.
    pivot_y = min(float(avatar.height_px), float(neck[1]) + 3.2 * width)
    head = head_weight.astype(np.float64)[:, None]
    place = points.astype(np.float64) * (1.0 - head) + neck * head
    x, y = place[:, 0], place[:, 1]
    rooted = _ease((pivot_y - y) / max(pivot_y - float(neck[1]), 0.4 * width))
    basis = np.zeros((5, len(points), 2), np.float64)
    # Breath lifts shoulders and chest, less the neck, and widens the chest.
    off_axis = np.abs(x - neck[0]) / width
    lift = 0.45 + 0.55 * _ease(off_axis / 0.9)
    basis[0, :, 1] = -_BREATH_RISE * width * lift * rooted
    chest = np.exp(-(((y - neck[1]) / width - 0.8) ** 2) / 0.4)
    basis[0, :, 0] = _BREATH_WIDEN * width * chest * np.tanh((x - neck[0]) / (0.8 * width)) * rooted
    for row, shoulder in ((1, left), (2, right)):
        side = (x - neck[0]) * np.sign(shoulder[0] - neck[0])
        reach = max(abs(float(shoulder[0] - neck[0])), 0.5 * width)
        basis[row, :, 1] = -_SHRUG_RISE * width * _ease(side / reach) * rooted
    basis[3, :, 0] = _SWAY * width * rooted
    from_pivot = np.stack([x - neck[0], y - pivot_y], -1)
    head_from_neck = (points.astype(np.float64) - neck) * head
    basis[4] = _LEAN_SCALE * (from_pivot * rooted[:, None] * [1.0, 0.5] + head_from_neck * 1.3)
    return BodyField((basis * _held_at_borders(avatar, points)).astype(np.float32))


def _held_at_borders(avatar: Avatar, points: NDArray[np.float32]) -> NDArray[np.float64]:
    """1, falling to 0 towards the side edges that cut the body: float64 (N, 1)."""
    reach = 0.35 * avatar.face_width_px
    hold = np.ones(len(points))
    x = points[:, 0].astype(np.float64)
    lower = avatar.matte[avatar.height_px // 3 :]
    for edge, column in ((x, 0), (avatar.width_px - 1 - x, -1)):
        if float((lower[:, column] > 128).mean()) > 0.02:
            hold *= 0.15 + 0.85 * _ease(edge / reach)
    return hold[:, None]
