"""Shapes whose pictures are known in closed form, for tests of the people factory."""

from __future__ import annotations

import math
from typing import Any

import torch


def sphere(rings: int) -> tuple[Any, Any]:
    """A unit sphere, its triangles counter-clockwise seen from outside: points (V, 3), triangles int64 (F, 3).

    `rings` circles between the poles with twice as many vertices each.
    """
    around = 2 * rings
    polar = torch.arange(1, rings + 1) * (math.pi / (rings + 1))
    turn = torch.arange(around) * (2 * math.pi / around)
    circle = torch.stack([turn.cos(), torch.zeros(around), turn.sin()], 1)
    points = polar.sin()[:, None, None] * circle + polar.cos()[:, None, None] * torch.tensor([0.0, -1.0, 0.0])
    points = torch.cat([points.reshape(-1, 3), torch.tensor([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])])
    here = torch.arange(rings - 1)[:, None] * around + torch.arange(around)
    beside = torch.arange(rings - 1)[:, None] * around + (torch.arange(around) + 1) % around
    parts = [torch.stack([here, beside, here + around], -1), torch.stack([beside, beside + around, here + around], -1)]
    first, last = torch.arange(around), (rings - 1) * around + torch.arange(around)
    north, south = torch.full((around,), len(points) - 2), torch.full((around,), len(points) - 1)
    parts += [torch.stack([north, first.roll(-1), first], -1), torch.stack([south, last, last.roll(-1)], -1)]
    triangles = torch.cat([part.reshape(-1, 3) for part in parts])
    a, b, c = points[triangles].unbind(1)
    inwards = (torch.linalg.cross(b - a, c - a) * (a + b + c)).sum(-1) < 0
    triangles[inwards] = triangles[inwards].flip(1)
    return points, triangles
