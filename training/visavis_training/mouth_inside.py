"""Builds what lies behind the lips: two dental arches of our own and MakeHuman's tongue, in head space.

The arches are drawn from average adult crown sizes along an ellipse, so that every tooth has its own bulge, border and
gum line. Knows nothing of how teeth are drawn or of any person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SPANS_PER_TOOTH = 4
ROWS = (-1.0, 0.0, 0.35, 0.75, 1.0)
"""The v coordinate of each row of an arch: -1 far up the gum, 0 the gum line, 1 the biting edge."""


@dataclass(frozen=True)
class Arch:
    """Sizes of one dental arch in dm; teeth are listed from the midline to the first molar."""

    tooth_widths: tuple[float, ...]
    crown_heights: tuple[float, ...]
    edge_lift: tuple[float, ...]
    """How far each biting edge stays short of the arch's plane."""
    half_width: float
    depth: float
    front_z: float
    """Where the central teeth stand; negative is nearer to the viewer."""
    edge_y: float
    """Height of the plane of the biting edges; y down."""
    gum_direction: float
    """-1: the gum lies above the edges (upper arch); 1: below."""
    gum_height: float


UPPER = Arch(
    (0.086, 0.067, 0.077, 0.07, 0.068, 0.1),
    (0.104, 0.092, 0.1, 0.086, 0.08, 0.075),
    (0.0, 0.007, 0.001, 0.008, 0.012, 0.016),
    half_width=0.315,
    depth=0.46,
    front_z=-0.3,
    edge_y=0.486,
    gum_direction=-1.0,
    gum_height=0.1,
)
LOWER = Arch(
    (0.054, 0.06, 0.069, 0.071, 0.073, 0.11),
    (0.09, 0.093, 0.1, 0.088, 0.082, 0.075),
    (0.0, 0.001, 0.0, 0.004, 0.008, 0.01),
    half_width=0.29,
    depth=0.43,
    front_z=-0.272,
    edge_y=0.462,
    gum_direction=1.0,
    gum_height=0.12,
)


def _along_ellipse(lengths: Array, half_width: float, depth: float) -> tuple[Array, Array]:
    """Angle and outward normal angle at arc `lengths` (signed, from the front) of an ellipse."""
    angle = np.linspace(0, np.pi / 2, 2000)
    speed = np.hypot(half_width * np.cos(angle), depth * np.sin(angle))
    travelled = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2 * np.diff(angle))])
    found = np.interp(np.abs(lengths), travelled, angle) * np.sign(lengths)
    normal = np.arctan2(np.sin(found) / half_width, np.cos(found) / depth)
    return found, normal


def arch_mesh(arch: Arch) -> tuple[Array, NDArray[np.int64], Array]:
    """One arch as a strip of teeth from the person's right molar to the left.

    Returns:
        vertices (n, 3) head space, triangles (m, 3), and (n, 2) tooth coordinates: the whole part of u counts teeth
        from the person's right (0..11) and its fraction runs across the tooth; v as in `ROWS`.
    """
    widths = np.array(arch.tooth_widths)
    count = len(widths)
    order = np.concatenate([np.arange(count)[::-1], np.arange(count)])
    starts = np.concatenate([[0.0], np.cumsum(widths[order])]) - widths.sum()
    steps = np.arange(2 * count * SPANS_PER_TOOTH + 1) / SPANS_PER_TOOTH
    tooth = np.minimum(steps.astype(int), 2 * count - 1)
    across = steps - tooth
    lengths = starts[tooth] + across * widths[order][tooth]
    angle, normal = _along_ellipse(lengths, arch.half_width, arch.depth)

    middle = np.sin(np.pi * across)  # 0 at the borders of a tooth, 1 at its middle
    crown = np.array(arch.crown_heights)[order][tooth]
    lift = np.array(arch.edge_lift)[order][tooth]
    edge = arch.edge_y + arch.gum_direction * (lift + 0.01 * (1 - middle) ** 2)
    gum = arch.edge_y + arch.gum_direction * (lift + crown * (0.78 + 0.22 * middle))
    vertices = []
    for v in ROWS:
        y = gum + arch.gum_direction * arch.gum_height if v < 0 else gum + (edge - gum) * v
        bulge = 0.012 * middle * (0.4 + np.sin(np.pi * min(max(v, 0.0), 0.8)) * 0.6) - 0.006 * (v == 1.0)
        out = bulge if v >= 0 else np.full_like(y, 0.01)
        x = arch.half_width * np.sin(angle) + out * np.sin(normal)
        z = arch.front_z + arch.depth * (1 - np.cos(angle)) - out * np.cos(normal)
        vertices.append(np.stack([x, np.broadcast_to(y, x.shape), z], -1))
    columns = len(steps)
    uv = np.stack([np.tile(steps, len(ROWS)), np.repeat(ROWS, columns)], -1)
    corner = (np.arange(len(ROWS) - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    triangles = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + columns], -1),
            np.stack([corner + 1, corner + columns + 1, corner + columns], -1),
        ]
    )
    return np.concatenate(vertices), triangles, uv


def affine_of(points: Array, displacements: Array) -> Array:
    """(4, 3) least-squares affine map from `points` (n, 3) to their `displacements` (n, 3)."""
    homogeneous = np.concatenate([points, np.ones((len(points), 1))], 1)
    return np.asarray(np.linalg.lstsq(homogeneous, displacements, rcond=None)[0])
