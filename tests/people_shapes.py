"""Shapes whose pictures are known in closed form, for tests of the people factory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy.spatial import Delaunay

SIZE = 24
"""Rows and columns of the small pictures."""


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


def quad(left: float, top: float, right: float, bottom: float, depth: float = 5.0) -> Any:
    """(4, 3) corners of an upright rectangle."""
    return torch.tensor([[left, top, depth], [right, top, depth], [right, bottom, depth], [left, bottom, depth]])


QUAD = torch.tensor([[0, 1, 2], [0, 2, 3]])


def sheet(seed: int, on_centres: bool) -> tuple[Any, Any]:
    """A random triangulation that covers the whole picture, its windings mixed: points (1, V, 3), triangles (F, 3)."""
    rng = np.random.default_rng(seed)
    flat = rng.uniform(-4, SIZE + 4, (90, 2))
    if on_centres:  # corners and edges run exactly through pixel centres
        flat = np.unique(np.round(flat * 2) / 2 + 0.5, axis=0)
    frame = np.array([[-9.0, -9.0], [SIZE + 9, -9], [-9, SIZE + 9], [SIZE + 9, SIZE + 9]])
    flat = np.concatenate([flat, frame])
    triangles = Delaunay(flat).simplices
    flip = rng.random(len(triangles)) < 0.5
    triangles[flip] = triangles[flip][:, ::-1]
    points = np.concatenate([flat, rng.uniform(3, 9, (len(flat), 1))], 1)
    return torch.tensor(points, dtype=torch.float32)[None], torch.tensor(triangles.copy())


def amid_nan(values: Any) -> Any:
    """The same numbers with others around them in memory that spoil whatever is computed of them."""
    room = torch.full((values.numel() + 64,), float("nan"))
    inner = room[32 : 32 + values.numel()].view(values.shape)
    return inner.copy_(values)
