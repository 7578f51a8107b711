"""Tests of how the path-traced people's tops hang: what stands out carries the cloth, edges follow their curve."""

from __future__ import annotations

import numpy as np
import pytest

from visavis_training.people.draping import Hang, Limb, armholes, drape, trim
from visavis_training.people.surface import Floats, Ints, Surface, vertex_normals

pytestmark = pytest.mark.unit

FOOT = np.array([0.0, 0.0, 0.60])


def barrel(radius: Floats, x: float, turns: int = 64) -> tuple[Floats, Ints]:
    """A pipe around a vertical axis, `radius` (N,) from its top at z = 0.6 down to 0."""
    turn = np.linspace(0, 2 * np.pi, turns, endpoint=False)
    heights = np.linspace(0.6, 0.0, len(radius))
    points = np.stack(
        [x + radius[:, None] * np.sin(turn), -radius[:, None] * np.cos(turn), np.repeat(heights[:, None], turns, 1)], -1
    )
    row, column = np.meshgrid(np.arange(len(radius) - 1), np.arange(turns), indexing="ij")
    after = (column + 1) % turns
    quads = np.stack([row * turns + column, (row + 1) * turns + column, (row + 1) * turns + after, row * turns + after])
    return points.reshape(-1, 3), quads.reshape(4, -1).T


def figure() -> tuple[Surface, tuple[Limb, Limb], int]:
    """A chest over a narrow waist, and two arms; the third is how many vertices the trunk has."""
    height = np.linspace(0.6, 0.0, 61)
    chest = 0.10 + 0.04 * np.exp(-(((height - 0.42) / 0.05) ** 2))
    parts = [barrel(chest, 0.0), barrel(np.full(61, 0.04), 0.22), barrel(np.full(61, 0.04), -0.22)]
    counts = np.cumsum([0] + [len(points) for points, _ in parts])
    points = np.concatenate([points for points, _ in parts])
    quads = np.concatenate([quads + first for (_, quads), first in zip(parts, counts[:-1], strict=True)])
    limbs = []
    for part, sign in ((1, 1.0), (2, -1.0)):
        share = np.zeros(len(points))
        share[counts[part] : counts[part + 1]] = 1.0
        joints = [np.array([0.22 * sign, 0.0, z]) for z in (0.55, 0.3, 0.05)]
        limbs.append(Limb(joints[0], joints[1], joints[2], share))
    sheet = Surface(points, vertex_normals(points, quads), np.zeros((len(points), 2)), quads)
    return sheet, (limbs[0], limbs[1]), int(counts[1])


def test_cloth_falls_from_the_chest_and_stays_outside() -> None:
    sheet, limbs, trunk = figure()
    cloth, slack = drape(sheet, limbs, FOOT, Hang())
    skin = np.hypot(*sheet.points[:trunk, :2].T)
    worn = np.hypot(*cloth[:trunk, :2].T)
    inner = np.abs(sheet.points[:trunk, 2] - 0.3) < 0.25
    assert (worn - skin)[inner].min() > 0.003
    waist = np.abs(sheet.points[:trunk, 2] - 0.25) < 0.02
    assert (worn - skin)[waist].mean() > 0.025, "it hangs from the chest, four centimetres farther out"
    assert slack[:trunk][waist].mean() > 0.025


def test_an_edge_follows_its_curve_and_not_the_mesh() -> None:
    points, quads = barrel(np.full(40, 0.1), 0.0)
    gone = points[:, 2] - 0.31 - 0.5 * points[:, 0]
    cut, kept = trim(points, quads, gone)
    past = np.unique(kept[gone[kept] > 0])
    assert len(past) > 40
    off = np.abs(cut[past, 2] - 0.31 - 0.5 * cut[past, 0])
    assert off.max() < 0.002 < 0.015 / 2, "rows of the mesh are 15 mm apart"
    assert np.array_equal(cut[gone <= 0], points[gone <= 0])


def test_armholes_part_sleeves_from_the_trunk() -> None:
    sheet, limbs, trunk = figure()
    away = armholes(sheet.points, limbs)
    assert (away[:trunk] < 0).all() and (away[trunk:] > 0).all()
