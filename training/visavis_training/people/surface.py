"""A fine surface and what can be asked of it: smooth noise on points, random places on it, keeping strands outside.

Pure numpy and scipy, no Blender. It knows nothing of faces: skin.py and hair.py give these numbers their meaning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Surface:
    """Vertices (V, 3) in metres, unit normals (V, 3), texture coordinates (V, 2) and quads (Q, 4)."""

    points: Floats
    normals: Floats
    texture: Floats
    quads: Ints


def vertex_normals(points: Floats, quads: Ints) -> Floats:
    """Area-weighted unit normals (V, 3) of a quad mesh."""
    diagonal_a = points[quads[:, 2]] - points[quads[:, 0]]
    diagonal_b = points[quads[:, 3]] - points[quads[:, 1]]
    face = np.cross(diagonal_a, diagonal_b)
    normals = np.zeros_like(points)
    for corner in range(4):
        np.add.at(normals, quads[:, corner], face)
    unit: Floats = normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)
    return unit


def _hash(cells: Ints, seed: int) -> Floats:
    mixed = (cells[..., 0] * 73856093) ^ (cells[..., 1] * 19349663) ^ (cells[..., 2] * 83492791) ^ (seed * 2654435761)
    mixed = (mixed ^ (mixed >> 13)) * 1274126177
    mixed = mixed ^ (mixed >> 16)
    value: Floats = (mixed & 0xFFFF).astype(np.float64) / 65535.0
    return value


def noise(points: Floats, per_metre: float, octaves: int = 3, seed: int = 0) -> Floats:
    """Smooth value noise (N,) of about zero mean and unit range at points (N, 3), finest octave halving in weight."""
    total = np.zeros(len(points))
    weight, frequency, weights = 1.0, per_metre, 0.0
    for octave in range(octaves):
        scaled = points * frequency + 17.3 * octave
        cell = np.floor(scaled).astype(np.int64)
        part = scaled - cell
        part = part * part * (3.0 - 2.0 * part)
        value = np.zeros(len(points))
        x, y, z = part.T
        for corner in range(8):
            offset = np.array([corner & 1, (corner >> 1) & 1, corner >> 2])
            blend = (x if offset[0] else 1.0 - x) * (y if offset[1] else 1.0 - y) * (z if offset[2] else 1.0 - z)
            value += blend * _hash(cell + offset, seed + octave)
        total += weight * (value - 0.5)
        weights += weight
        weight, frequency = weight * 0.5, frequency * 2.03
    return 2.0 * total / weights


def smooth_step(value: Floats, low: Floats | float, high: Floats | float) -> Floats:
    """0 below `low`, 1 above `high` (or the reverse when low > high), smooth between."""
    part = np.clip((value - low) / (np.asarray(high) - low), 0.0, 1.0)
    stepped: Floats = part * part * (3.0 - 2.0 * part)
    return stepped


def bump(points: Floats, centre: Floats, radius: Floats | float) -> Floats:
    """A soft round mask (N,) that is 1 at the centre and about 0.1 at the radius (one number or one per axis)."""
    distance: Floats = (((points - centre) / radius) ** 2).sum(1)
    mask: Floats = np.exp(-2.3 * distance)
    return mask


def scatter(surface: Surface, density: Floats, count: int, seed: int) -> tuple[Floats, Floats, Ints]:
    """`count` random places: points, normals (count, 3) and a vertex near each; density (V,) need not sum to one."""
    chance = np.random.default_rng(seed)
    corner = surface.points[surface.quads]
    area = 0.5 * np.linalg.norm(np.cross(corner[:, 2] - corner[:, 0], corner[:, 3] - corner[:, 1]), axis=1)
    weight = area * density[surface.quads].mean(1)
    chosen = chance.choice(len(weight), count, p=weight / weight.sum())
    a, b = chance.random((2, count, 1))
    mix = (((1 - a) * (1 - b)), a * (1 - b), a * b, (1 - a) * b)
    quads = surface.quads[chosen]
    points = sum(m * surface.points[quads[:, k]] for k, m in enumerate(mix))
    normals = sum(m * surface.normals[quads[:, k]] for k, m in enumerate(mix))
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(points), np.asarray(normals), quads[:, 0]


class Body:
    """Keeps moving points outside a surface."""

    def __init__(self, surface: Surface, stride: int = 3) -> None:
        self._points = surface.points[::stride]
        self._normals = surface.normals[::stride]
        self._tree = cKDTree(self._points)

    def nearest(self, points: Floats) -> tuple[Floats, Floats]:
        """Signed height above the surface (N,) and its normal there (N, 3)."""
        _, index = self._tree.query(points)
        normal = self._normals[index]
        return ((points - self._points[index]) * normal).sum(1), normal

    def outside(self, points: Floats, clearance: Floats | float, reach: float = np.inf) -> Floats:
        """The points moved out along the normal wherever they are within reach and lower than the clearance, metres."""
        height, normal = self.nearest(points)
        lift = np.maximum(clearance - height, 0.0)
        if np.isfinite(reach):
            lift = lift * (self._tree.query(points)[0] < reach)
        moved: Floats = points + lift[:, None] * normal
        return moved
