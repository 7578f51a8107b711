"""An eyeball as a unit sphere with a cornea that bulges, its pole where it looks; and how gaze turns it.

Knows nothing of lids or of irises' colours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Tensor = Any

SECTORS = 40
_IRIS_RINGS = 8
LIMBUS = 0.385
"""Radians from the pole to the border of the iris: 11.7 mm across, as people have it, on MakeHuman's ball of 31 mm.

A human ball has 24.4 mm; only what the lids leave open is ever seen, so the iris is true and the ball is not."""
BULGE = 0.034
"""How far the cornea stands out at the pole, in radii."""
_CORNEA = 0.48


def bulge(angle: Tensor) -> Tensor:
    """Height of the cornea over the ball, in radii, at `angle` radians from the pole; numpy or torch."""
    reach = (1 - (angle / _CORNEA) ** 2).clip(0, 1)
    return BULGE * reach**1.5


def eyeball() -> tuple[Floats, Ints, Floats, int]:
    """Unit eyeball: vertices (n, 3) looking along -z, triangles (m, 3), uv (n, 2) and the first vertex of its equator.

    uv is polar: the pole lies at (0.5, 0.5) and the distance from it is half the angle from the pole over pi. The
    equator's ring has `SECTORS` vertices and its mean is the centre.
    """
    angles = np.concatenate(
        [np.linspace(0, LIMBUS, _IRIS_RINGS + 1)[1:], np.linspace(LIMBUS, np.pi / 2, 11)[1:], [1.95, 2.35, 2.75]]
    )
    turn = 2 * np.pi * np.arange(SECTORS) / SECTORS
    radius = 1 + bulge(angles)
    ring = np.stack(
        [
            np.sin(angles)[:, None] * np.cos(turn),
            np.sin(angles)[:, None] * np.sin(turn),
            -np.repeat(np.cos(angles)[:, None], SECTORS, 1),
        ],
        -1,
    )
    vertices = np.concatenate([[[0, 0, -1 - BULGE]], (ring * radius[:, None, None]).reshape(-1, 3), [[0, 0, 1]]])
    pole_uv = np.concatenate(
        [
            [[0.5, 0.5]],
            (0.5 + (angles / (2 * np.pi))[:, None, None] * np.stack([np.cos(turn), -np.sin(turn)], -1)).reshape(-1, 2),
            [[0.5, 1.0]],
        ]
    )
    triangles = []
    for s in range(SECTORS):
        triangles.append((0, 1 + s, 1 + (s + 1) % SECTORS))
        for r in range(len(angles) - 1):
            a, b = 1 + r * SECTORS + s, 1 + r * SECTORS + (s + 1) % SECTORS
            triangles += [(a, a + SECTORS, b + SECTORS), (a, b + SECTORS, b)]
        last = 1 + (len(angles) - 1) * SECTORS
        triangles.append((last + s, len(vertices) - 1, last + (s + 1) % SECTORS))
    wound = np.array(triangles)[:, [0, 2, 1]]
    equator = int(np.argmin(np.abs(angles - np.pi / 2)))
    return vertices, wound, pole_uv, 1 + equator * SECTORS


def equator_vertices() -> Ints:
    """(SECTORS,) the ring whose mean is the centre and whose distance from it is the radius."""
    return eyeball()[3] + np.arange(SECTORS)


def limbus_vertices() -> list[int]:
    """The pole, then the rim of the iris to the picture's right, top, left and bottom."""
    first = 1 + (_IRIS_RINGS - 1) * SECTORS
    quarter = SECTORS // 4
    return [0, first, first + 3 * quarter, first + 2 * quarter, first + quarter]


def gaze_rotation(gaze: Tensor) -> Tensor:
    """(..., 3, 3) that turns an eye by `gaze` (..., 2): radians to the picture's right and up."""
    right, up = gaze[..., 0], gaze[..., 1]
    cr, sr, cu, su = right.cos(), right.sin(), up.cos(), up.sin()
    zero, one = torch.zeros_like(cr), torch.ones_like(cr)
    # -z goes to the picture's right for a positive first angle, to the top (negative y) for a positive second one.
    about_y = torch.stack([cr, zero, -sr, zero, one, zero, sr, zero, cr], -1)
    about_x = torch.stack([one, zero, zero, zero, cu, su, zero, -su, cu], -1)
    shape = (*gaze.shape[:-1], 3, 3)
    return about_y.reshape(shape) @ about_x.reshape(shape)
