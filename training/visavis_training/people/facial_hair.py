"""Hair of the face: brows, lashes, beard. Strands in metres, the same for a seed; no shading."""

from __future__ import annotations

import numpy as np

from visavis_training.people.features import Features
from visavis_training.people.hair import UP, Strands, _tangent, _tapered, _unit
from visavis_training.people.skin import beard_area
from visavis_training.people.surface import Floats, Surface, scatter, smooth_step

BROW_X = (0.17, 0.30, 0.50, 0.70, 0.84, 1.00)
BROW_Z = (0.285, 0.315, 0.350, 0.380, 0.365, 0.285)
BROW_HALF_WIDTH = (0.075, 0.095, 0.088, 0.070, 0.050, 0.018)


def brows(features: Features, surface: Surface, strength: float, seed: int) -> Strands:
    """Both brows; strength 0..1 sets how full they are."""
    chance = np.random.default_rng(seed)
    width = features.eye_distance
    local = (surface.points - features.eyes) / width
    x = np.abs(local[:, 0])
    line, half = np.interp(x, BROW_X, BROW_Z), np.interp(x, BROW_X, BROW_HALF_WIDTH)
    half = half * (0.75 + 0.45 * strength)
    inside = smooth_step(np.abs(local[:, 2] - line), half * 1.2, half * 0.25)
    inside = inside * smooth_step(x, 0.14, 0.30) * (0.35 + 0.65 * smooth_step(x, 0.2, 0.45)) * smooth_step(x, 1.03, 0.9)
    inside = inside * (local[:, 1] < 0.5)
    count = int(700 + 1500 * strength)
    roots, normals, _ = scatter(surface, inside, count, seed)
    place = (roots - features.eyes) / width
    side = np.sign(place[:, 0])
    x = np.abs(place[:, 0])
    above = ((place[:, 2] - np.interp(x, BROW_X, BROW_Z)) / np.interp(x, BROW_X, BROW_HALF_WIDTH)).clip(-1, 1)
    rise = np.interp(x, (0.16, 0.26, 0.42, 0.72, 1.0), (1.25, 0.75, 0.34, 0.05, -0.42)) - 0.38 * above
    direction = _tangent(np.stack([side, 0 * x, rise], 1), normals) + 0.22 * normals
    direction = _unit(direction + chance.normal(0, 0.10, (count, 3)))
    length = np.interp(x, (0.16, 0.4, 0.75, 1.0), (0.0045, 0.0072, 0.0078, 0.006)) * chance.uniform(0.6, 1.1, count)
    points = np.empty((count, 6, 3))
    points[:, 0] = roots - 0.0003 * normals
    for k in range(1, 6):
        points[:, k] = points[:, k - 1] + direction * (length / 5)[:, None]
        direction = _unit(direction - 0.10 * normals - 0.03 * UP)
    return _tapered(points, 0.000042, chance)


def lashes(features: Features, roots: Floats, tips: Floats, upper: bool, seed: int) -> Strands:
    """Lashes along a lid: `roots` and `tips` (M, 3) are the inner and outer edge of the base mesh's lash band."""
    chance = np.random.default_rng(seed)
    count = 150 if upper else 60
    pick = chance.integers(0, len(roots), count)
    other = np.argsort(np.linalg.norm(roots[pick][:, None] - roots[None], axis=2), axis=1)[:, 1]
    share = chance.random((count, 1))
    root = roots[pick] * share + roots[other] * (1 - share)
    direction = _unit(tips[pick] * share + tips[other] * (1 - share) - root + chance.normal(0, 0.0008, (count, 3)))
    length = chance.uniform(0.0030, 0.0050, count) if upper else chance.uniform(0.0016, 0.0028, count)
    points = np.empty((count, 8, 3))
    points[:, 0] = root
    for k in range(1, 8):
        points[:, k] = points[:, k - 1] + direction * (length / 7)[:, None]
        direction = _unit(direction + (0.12 if upper else -0.05) * UP)
    return _tapered(points, 0.000042 if upper else 0.000026, chance)


def lash_band(quads: Floats, eye: Floats) -> tuple[Floats, Floats]:
    """Inner and outer edge midpoints (M, 3) of lash quads (M, 4, 3): the two corners nearest the eye are inner."""
    order = np.argsort(np.linalg.norm(quads - eye, axis=2), axis=1)
    ordered = np.take_along_axis(quads, order[..., None], axis=1)
    return ordered[:, :2].mean(1), ordered[:, 2:].mean(1)


def beard(features: Features, surface: Surface, strength: float, length: float, seed: int) -> Strands:
    """A short beard of hairs about `length` metres long."""
    chance = np.random.default_rng(seed)
    count = int(48000 * strength)
    roots, normals, _ = scatter(surface, beard_area(features, surface.points) ** 1.3, count, seed)
    down = np.stack([0.25 * np.sign(roots[:, 0] - features.mouth[0]), 0 * roots[:, 0], -1 + 0 * roots[:, 0]], 1)
    direction = _unit(0.55 * normals + _tangent(down, normals) + chance.normal(0, 0.35, (count, 3)))
    size = length * chance.uniform(0.4, 1.1, count)
    points = np.empty((count, 5, 3))
    points[:, 0] = roots - 0.0003 * normals
    for k in range(1, 5):
        points[:, k] = points[:, k - 1] + direction * (size / 4)[:, None]
        direction = _unit(direction + chance.normal(0, 0.3, (count, 3)))
    return _tapered(points, 0.000055, chance)
