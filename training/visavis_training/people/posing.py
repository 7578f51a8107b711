"""Turns motion into rotations: where the eyes look, how head and neck turn, with the skin of the neck following.

Batched torch. Knows nothing of meshes beyond points and how much each follows.
"""

from __future__ import annotations

from typing import Any

import torch

from visavis_models.arkit import ARKIT

Tensor = Any

GAZE_SIDE_RAD = 0.52
GAZE_UP_RAD = 0.40
GAZE_DOWN_RAD = 0.45
"""How far an eye turns at coefficient 1."""


def eye_gaze(face: Tensor) -> Tensor:
    """(B, 2, 2) radians to the picture's right and up, of the person's left then right eye, of ARKit (B, 52)."""
    rows = []
    for side, outwards in (("Left", 1.0), ("Right", -1.0)):
        out, inward = face[:, ARKIT[f"eyeLookOut{side}"]], face[:, ARKIT[f"eyeLookIn{side}"]]
        up, down = face[:, ARKIT[f"eyeLookUp{side}"]], face[:, ARKIT[f"eyeLookDown{side}"]]
        rows.append(
            torch.stack([GAZE_SIDE_RAD * outwards * (out - inward), GAZE_UP_RAD * up - GAZE_DOWN_RAD * down], -1)
        )
    return torch.stack(rows, 1)


def head_rotation(head: Tensor) -> Tensor:
    """(B, 3) rotation vector in head space of pitch, yaw and roll: the first three of head (B, 6), radians."""
    pitch, yaw, roll = head[:, 0], head[:, 1], head[:, 2]
    zero, one = torch.zeros_like(pitch), torch.ones_like(pitch)
    cp, sp, cy, sy, cr, sr = pitch.cos(), pitch.sin(), yaw.cos(), yaw.sin(), roll.cos(), roll.sin()
    nod = torch.stack([one, zero, zero, zero, cp, -sp, zero, sp, cp], -1).reshape(-1, 3, 3)
    turn = torch.stack([cy, zero, -sy, zero, one, zero, sy, zero, cy], -1).reshape(-1, 3, 3)
    tilt = torch.stack([cr, -sr, zero, sr, cr, zero, zero, zero, one], -1).reshape(-1, 3, 3)
    matrix = turn @ nod @ tilt
    cosine = ((matrix.diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2).clamp(-1, 1)
    angle = torch.acos(cosine)
    axis = torch.stack(
        [matrix[:, 2, 1] - matrix[:, 1, 2], matrix[:, 0, 2] - matrix[:, 2, 0], matrix[:, 1, 0] - matrix[:, 0, 1]], -1
    )
    scale = torch.where(angle < 1e-3, torch.full_like(angle, 0.5), angle / (2 * angle.sin()).clamp(min=1e-6))
    return axis * scale[:, None]


def turned_by_share(points: Tensor, rotation: Tensor, share: Tensor, pivot: Tensor) -> Tensor:
    """Points (B, V, 3) turned about `pivot` (B, 3) by the rotation vector (B, 3), each by its share (V,) of the angle.

    Sharing the angle, not the movement, keeps the neck's thickness.
    """
    angle = rotation.norm(dim=-1).clamp(min=1e-8)
    axis = (rotation / angle[:, None])[:, None].expand_as(points)
    part = (angle[:, None] * share)[..., None]
    away = points - pivot[:, None]
    cosine, sine = part.cos(), part.sin()
    along = (away * axis).sum(-1, keepdim=True)
    return away * cosine + torch.cross(axis, away, dim=-1) * sine + axis * along * (1 - cosine) + pivot[:, None]
