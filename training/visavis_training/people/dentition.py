"""Two dental arches with gums, drawn from average adult crown sizes, and the ways in which they differ between people.

Every tooth has a bulge, a biting edge with rounded corners, a neck and a back; the strip runs from the front gum over
the edge to the gum behind. Head space (dm). Knows nothing of lips or of how teeth are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_training.mouth_inside import LOWER, UPPER, Arch

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TEETH_PER_ARCH = 12
SPANS_PER_TOOTH = 6
FRONT_ROWS = (-1.0, -0.55, -0.18, 0.0, 0.12, 0.4, 0.7, 0.9, 1.0)
"""v from far up the gum (-1) over the gum line (0) to the biting edge (1) on the side of the lips."""
BACK_ROWS = (1.0, 0.6, 0.1, -0.4)
"""v on the side of the tongue, from the edge to the gum."""
CROWN_THICKNESS = 0.055
MARGIN_ROWS = (0.0, 0.0, 0.012, 0.05, 0.045, 0.018, 0.008, 0.018, 0.045)
"""Share of a tooth's width that each front row leaves free on either side: neighbours touch in the middle of the crown,
make room for the gum's papilla at the neck and open a notch at the biting edge."""
GUM_HEIGHT = (0.075, 0.10)
"""Of the lower and the upper arch, dm: more would come out of slender chins."""
ARCHES = {"upper": UPPER, "lower": LOWER}


@dataclass(frozen=True, slots=True)
class Crooked:
    """Departures from the average arch; lengths in dm, one value per tooth from the person's right."""

    width: float = 0.0
    """Added share of every tooth's width."""
    height: float = 0.0
    """Added share of every crown's height."""
    narrow: float = 0.0
    """Added share of the arch's half width."""
    gap: float = 0.0
    """Between the two central teeth."""
    canine: float = 0.0
    """How much longer the canines are."""
    raised: tuple[float, ...] = (0.0,) * TEETH_PER_ARCH
    forward: tuple[float, ...] = (0.0,) * TEETH_PER_ARCH
    turned: tuple[float, ...] = (0.0,) * TEETH_PER_ARCH
    """How far one border of the tooth stands before the other."""


@dataclass(frozen=True, slots=True)
class ArchMesh:
    """One arch as triangles."""

    points: Floats
    """(n, 3)"""
    triangles: Ints
    """(m, 3), wound to look outwards."""
    uv: Floats
    """(n, 2), 0..1: u along the arch from the person's right, one tooth after the other; v 0 at the edge of the front
    gum, 1 at the end of the gum behind."""
    gum: NDArray[np.bool_]
    """(m,) is the triangle gum rather than tooth."""


def _on_ellipse(lengths: Floats, half_width: float, depth: float) -> tuple[Floats, Floats]:
    """Angle, and angle of the outward normal, at signed arc lengths from the front of an ellipse."""
    angle = np.linspace(0, np.pi * 0.6, 3000)
    speed = np.hypot(half_width * np.cos(angle), depth * np.sin(angle))
    travelled = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2 * np.diff(angle))])
    found = np.interp(np.abs(lengths), travelled, angle) * np.sign(lengths)
    return found, np.arctan2(np.sin(found) / half_width, np.cos(found) / depth)


def arch_points(arch: Arch, crooked: Crooked) -> Floats:
    """(rows, columns, 3) of one arch."""
    order = np.concatenate([np.arange(6)[::-1], np.arange(6)])
    widths = np.array(arch.tooth_widths)[order] * (1 + crooked.width)
    steps = np.arange(TEETH_PER_ARCH * SPANS_PER_TOOTH)
    tooth = np.repeat(np.arange(TEETH_PER_ARCH), SPANS_PER_TOOTH + 1)
    across = np.tile(np.arange(SPANS_PER_TOOTH + 1) / SPANS_PER_TOOTH, TEETH_PER_ARCH)
    assert len(steps) + TEETH_PER_ARCH == len(tooth)
    starts = np.concatenate([[0.0], np.cumsum(widths)])[:-1] - widths.sum() / 2
    half_width = arch.half_width * (1 + crooked.narrow)

    def along(margin: float) -> tuple[Floats, Floats]:
        lengths = starts[tooth] + (margin + (1 - 2 * margin) * across) * widths[tooth]
        lengths = lengths + np.where(tooth < 6, -0.5, 0.5) * crooked.gap
        return _on_ellipse(lengths, half_width, arch.depth)

    middle = np.sin(np.pi * across)
    square = middle**0.35
    canine = np.isin(tooth, (3, 8)).astype(float)
    central = np.isin(tooth, (5, 6)).astype(float)
    front = np.clip(1.2 - np.abs(tooth - 5.5) / 6, 0.2, 1.0)
    direction = arch.gum_direction
    crown = np.array(arch.crown_heights)[order][tooth] * (1 + crooked.height)
    lift = np.array(arch.edge_lift)[order][tooth] - canine * crooked.canine - np.array(crooked.raised)[tooth]
    corner = (0.008 + 0.006 * (1 - central)) * (1 - square) + 0.020 * canine * np.abs(across - 0.5)
    edge = arch.edge_y + direction * (lift + corner)
    gum = arch.edge_y + direction * (lift + crown * (0.80 + 0.20 * np.sqrt(middle)))
    ahead = np.array(crooked.forward)[tooth] + np.array(crooked.turned)[tooth] * (across - 0.5)
    rows = []
    for v, margin in zip(FRONT_ROWS, MARGIN_ROWS, strict=True):
        angle, normal = along(margin)
        if v < 0:  # the gum bulges over the roots
            y = gum + direction * GUM_HEIGHT[arch.gum_direction < 0] * -v
            out = 0.002 + 0.006 * middle * (1 + v) + 0.05 * v * v * np.sign(v)
        else:
            y = gum + (edge - gum) * v
            profile = 0.55 + 0.45 * np.sin(np.pi * min(v + 0.15, 0.85)) - 0.55 * max(v - 0.75, 0) / 0.25
            out = -0.012 + (0.011 * square + 0.009 * middle) * profile + ahead
            out = out - 0.010 * (1 - square) * (0.4 + 0.6 * v)
        rows.append(_row(arch, half_width, angle, normal, y, out))
    angle, normal = along(0.04)
    for v in BACK_ROWS:
        y = gum + (edge - gum) * v if v >= 0 else gum - direction * GUM_HEIGHT[arch.gum_direction < 0] * v
        thick = CROWN_THICKNESS * (1.0 + 0.5 * (1 - front)) * (0.35 + 0.65 * (1 - max(v, 0.0)))
        shift = np.full_like(y, 0.02) if v < 0 else ahead
        rows.append(_row(arch, half_width, angle, normal, y, shift - thick - 0.006 * (1 - square)))
    return np.stack(rows)


def _row(arch: Arch, half_width: float, angle: Floats, normal: Floats, y: Floats, out: Floats) -> Floats:
    x = half_width * np.sin(angle) + out * np.sin(normal)
    z = arch.front_z + arch.depth * (1 - np.cos(angle)) - out * np.cos(normal)
    return np.stack([x, y, z], -1)


def arch_mesh(arch: Arch) -> ArchMesh:
    """The average arch."""
    points = arch_points(arch, Crooked())
    rows, columns, _ = points.shape
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    row_of = np.repeat(np.arange(rows - 1), columns - 1)
    between = np.tile((np.arange(columns - 1) + 1) % (SPANS_PER_TOOTH + 1) == 0, rows - 1)
    quads = np.stack([corner, corner + columns, corner + columns + 1, corner + 1], -1)
    if arch.gum_direction > 0:
        quads = quads[:, ::-1]
    triangles = np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], 1).reshape(-1, 3)
    first_tooth, last_tooth = FRONT_ROWS.index(0.0), len(FRONT_ROWS) + BACK_ROWS.index(0.1)
    gum = (row_of < first_tooth) | (row_of >= last_tooth) | between
    uv = np.stack(np.meshgrid(np.arange(columns) / (columns - 1), np.arange(rows) / (rows - 1)), -1)
    return ArchMesh(points.reshape(-1, 3), triangles, uv.reshape(-1, 2), np.repeat(gum, 2))


def arch_modes(arch: Arch) -> dict[str, Floats]:
    """(n, 3) displacement per unit of every field of `Crooked`; the teeth one by one are `raised3`, `turned3`, ..."""
    average = arch_points(arch, Crooked()).reshape(-1, 3)
    step = 0.01
    modes: dict[str, Floats] = {}
    single: dict[str, Any] = {}
    for name in ("width", "height", "narrow", "gap", "canine"):
        modes[name] = (arch_points(arch, Crooked(**(single | {name: step}))).reshape(-1, 3) - average) / step
    for name in ("raised", "forward", "turned"):
        for tooth in range(1, TEETH_PER_ARCH - 1):
            values = tuple(step if i == tooth else 0.0 for i in range(TEETH_PER_ARCH))
            moved = arch_points(arch, Crooked(**(single | {name: values}))).reshape(-1, 3)
            modes[f"{name}{tooth}"] = (moved - average) / step
    return modes


def central_edge() -> Ints:
    """The biting edge of the two central teeth, as vertices of an arch."""
    columns = TEETH_PER_ARCH * (SPANS_PER_TOOTH + 1)
    row = len(FRONT_ROWS) - 1
    return row * columns + np.arange(5 * (SPANS_PER_TOOTH + 1), 7 * (SPANS_PER_TOOTH + 1))
