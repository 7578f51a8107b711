"""Hair of the scalp as strands, in five cuts. Guides are grown over the head, then many strands follow them.

Everything is numpy in metres and repeats for a seed. It knows the face by features.py; it does not shade.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from visavis_training.people.features import Features, above_hairline, scalp_density, skull_angle
from visavis_training.people.recipes import Hairdo
from visavis_training.people.surface import Body, Floats, Surface, noise, scatter, smooth_step

UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, slots=True)
class Strands:
    """Strands (N, K, 3) in metres and their radius (N, K) in metres."""

    points: Floats
    radius: Floats


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-12)
    return unit


def _tangent(direction: Floats, normal: Floats) -> Floats:
    return _unit(direction - (direction * normal).sum(-1, keepdims=True) * normal)


def _tapered(points: Floats, radius: float, chance: np.random.Generator) -> Strands:
    taper = np.interp(np.linspace(0, 1, points.shape[1]), (0.0, 0.1, 0.7, 1.0), (0.9, 1.0, 0.85, 0.25))
    return Strands(points, radius * taper * chance.uniform(0.7, 1.2, (len(points), 1)))


def _followers(guides: Floats, roots: Floats, chance: np.random.Generator, clump: float, stray: float) -> Floats:
    """Strands (N, K, 3) at the roots that bend like the guides around them and gather towards the nearest."""
    count, steps = guides.shape[1], np.linspace(0.0, 1.0, guides.shape[1])
    distance, index = cKDTree(guides[:, 0]).query(roots, 4)
    # Guides that end far apart lie on two sides of a parting: a strand follows its own side only.
    apart = np.linalg.norm(guides[index, -1] - guides[index[:, :1], -1], axis=2)
    weight = 1.0 / (distance + 0.001) * (apart < 0.035)
    weight /= weight.sum(1, keepdims=True)
    shape = guides - guides[:, :1]
    strands = roots[:, None] + np.einsum("nk,nksx->nsx", weight, shape[index])
    pull = clump * chance.uniform(0.3, 1.3, (len(roots), 1, 1)) * (steps**1.1)[None, :, None]
    strands += pull.clip(0, 0.95) * (guides[index[:, 0]] - strands)
    drift = chance.normal(0.0, 1.0, (len(roots), 1, 3)) * (steps**1.3)[None, :, None]
    wave = np.cumsum(chance.normal(0.0, 1.0, (len(roots), count, 3)), axis=1) / np.sqrt(count) * steps[None, :, None]
    wild = np.where(chance.random(len(roots)) < 0.06, 3.5, 1.0)[:, None, None]
    result: Floats = strands + stray * wild * (drift + 0.6 * wave)
    return result


def buzz(features: Features, surface: Surface, hairdo: Hairdo, count: int, seed: int) -> Strands:
    """Close-cropped curls, shorter at the sides."""
    chance = np.random.default_rng(seed)
    density = scalp_density(features, surface, hairdo.recede)
    roots, normals, _ = scatter(surface, density, count, seed)
    high = above_hairline(features, roots, hairdo.recede)
    level = (roots[:, 2] - features.eyes[2]) / features.height
    length = (0.0022 + 0.0058 * smooth_step(level, 0.15, 0.75)) * (0.45 + 0.55 * smooth_step(high, 0.0, 0.12))
    length *= chance.uniform(0.7, 1.15, count)
    points = np.empty((count, 7, 3))
    points[:, 0] = roots - 0.0005 * normals
    direction = _unit(normals + chance.normal(0, 0.45, (count, 3)))
    for k in range(1, 7):
        direction = _unit(direction + chance.normal(0, 0.55, (count, 3)) + 0.10 * normals)
        points[:, k] = points[:, k - 1] + direction * (length / 6)[:, None]
    return _tapered(points, 0.00006, chance)


def crop(features: Features, surface: Surface, hairdo: Hairdo, count: int, seed: int) -> Strands:
    """Short sides that fade, a longer top in loose tufts: combed up and aside, or forward when `part` is negative."""
    chance = np.random.default_rng(seed)
    body = Body(surface)
    density = scalp_density(features, surface, hairdo.recede, 0.05)
    crown = np.array(
        [features.middle[0] - 0.01, features.middle[1] + 0.55 * features.height, features.eyes[2] + features.height]
    )
    roots, normals, _ = scatter(surface, density, 2600, seed)
    level = (roots[:, 2] - features.eyes[2]) / features.height
    top = smooth_step(level, 0.50, 0.86)
    front = smooth_step(roots[:, 1], features.middle[1] + 0.01, features.middle[1] - 0.075)
    length = 0.006 + 0.010 * smooth_step(level, 0.05, 0.5) + top * hairdo.length * (0.62 + 0.38 * front)
    length *= 1.0 + 0.28 * noise(roots, 55.0, 2, seed)
    away = _tangent(roots - crown, normals)
    forward = -1.0 if hairdo.part >= 0 else 1.0
    swept = _tangent(np.array([0.9 if hairdo.part >= 0 else 0.55, -0.55 * forward, 0.0]) + 0 * roots, normals)
    flow = _unit(away * (1 - 0.8 * top)[:, None] + swept * (0.8 * top)[:, None])
    tufts = np.stack([noise(roots, 48.0, 3, seed + k) for k in (1, 2, 3)], 1)
    steps = 14
    guides = np.empty((len(roots), steps, 3))
    guides[:, 0] = roots - 0.001 * normals
    lift = (0.30 + (1.0 if forward < 0 else 0.62) * top + 0.35 * top * front)[:, None]
    direction = _unit(normals * lift + flow + 0.8 * tufts * (0.4 + top[:, None]))
    curl = hairdo.wave * chance.normal(0, 1, (len(roots), 3))
    for k in range(1, steps):
        direction = _unit(direction + (0.15 * top[:, None]) * (flow - 0.5 * UP) + 0.10 * tufts + 0.10 * curl)
        moved = guides[:, k - 1] + direction * (length / (steps - 1))[:, None]
        guides[:, k] = body.outside(moved, 0.0010 + 0.006 * top * np.sin(np.pi * min(1.0, 0.25 + 0.6 * k / steps)))
    child_roots, child_normals, _ = scatter(surface, density, count, seed + 9)
    strands = _followers(guides, child_roots - 0.0008 * child_normals, chance, 0.85, 0.0016)
    edge = smooth_step(above_hairline(features, child_roots, hairdo.recede), -0.03, 0.09)
    size = (0.30 + 0.70 * edge) * chance.uniform(0.72, 1.08, count)
    strands = strands[:, :1] + (strands - strands[:, :1]) * size[:, None, None]
    return _tapered(strands, 0.00006, chance)


def afro(features: Features, surface: Surface, hairdo: Hairdo, count: int, seed: int) -> Strands:
    """Tightly coiled hair that stands away from the head; `length` is its reach, `wave` the coils' radius in metres."""
    chance = np.random.default_rng(seed)
    density = scalp_density(features, surface, hairdo.recede, 0.05)
    roots, normals, _ = scatter(surface, density, count, seed)
    centre = np.array([features.middle[0], features.middle[1] + 0.01, features.eyes[2] + 0.45 * features.height])
    high = smooth_step(above_hairline(features, roots, hairdo.recede), -0.02, 0.22)
    lump = noise(roots, 42.0, 3, seed + 1)
    reach = hairdo.length * (0.42 + 0.58 * high) * (1.0 + 0.22 * lump) * chance.uniform(0.66, 1.05, count)
    # coils gather in small locks: all hairs of a lock lean and turn together
    lock = np.stack([noise(roots, 160.0, 2, seed + k) for k in (2, 3, 4)], 1)
    axis = _unit(
        0.75 * _unit(roots - centre) + 0.5 * normals + 0.75 * lock + 0.10 * UP + chance.normal(0, 0.06, (count, 3))
    )
    side = _unit(np.cross(axis, chance.normal(0, 1, (count, 3))))
    other = np.cross(axis, side)
    steps = 26
    along = np.linspace(0, 1, steps)
    phase = 2 * np.pi * (lock[:, :1] * 2.0 + chance.uniform(-0.12, 0.12, (count, 1)))
    turns = (reach / 0.0075)[:, None] * 2 * np.pi * along[None]
    radius = hairdo.wave * chance.uniform(0.6, 1.2, (count, 1)) * smooth_step(along, 0.0, 0.25)[None]
    points = roots[:, None] - 0.0006 * normals[:, None] + axis[:, None] * (reach[:, None] * along[None])[..., None]
    points = points + side[:, None] * (radius * np.cos(turns + phase))[..., None]
    points = points + other[:, None] * (radius * np.sin(turns + phase))[..., None]
    bend = chance.normal(0, 0.10, (count, 1, 3)) * (reach[:, None] * along[None] ** 2)[..., None]
    return _tapered(points + bend, 0.00005, chance)


def tied(features: Features, surface: Surface, hairdo: Hairdo, count: int, seed: int) -> Strands:
    """Long hair drawn back from the hairline into a knot behind the head, with fine short hair at the edge."""
    chance = np.random.default_rng(seed)
    body = Body(surface)
    density = scalp_density(features, surface, hairdo.recede, 0.03)
    knot = features.middle + np.array([0.0, 1.02 * features.height, 0.30 * features.height])
    roots, normals, _ = scatter(surface, density, 1700, seed)
    steps = 22
    tuft = noise(roots, 95.0, 2, seed + 1)
    loose = 0.0035 + 0.0016 * tuft + 0.003 * smooth_step((roots[:, 2] - features.eyes[2]) / features.height, 0.5, 0.9)
    reach = np.linalg.norm(knot - roots, axis=1) * 1.22
    side = np.sign(roots[:, 0] - features.middle[0] - hairdo.part)[:, None] * np.array([1.0, 0, 0])
    front = smooth_step(roots[:, 1], features.middle[1] + 0.02, features.middle[1] - 0.06)[:, None]
    guides = np.empty((len(roots), steps, 3))
    guides[:, 0] = roots - 0.0008 * normals
    direction = _tangent(knot - roots, normals) + 0.55 * normals + 0.45 * front * side
    for k in range(1, steps):
        _, normal = body.nearest(guides[:, k - 1])
        direction = _unit(direction + 0.55 * _tangent(knot - guides[:, k - 1], normal) + 0.06 * tuft[:, None] * UP)
        moved = guides[:, k - 1] + direction * (reach / (steps - 1))[:, None]
        guides[:, k] = body.outside(moved, loose * min(1.0, k / 4.0))
    child_roots, child_normals, _ = scatter(surface, density, count, seed + 9)
    strands = _followers(guides, child_roots - 0.0006 * child_normals, chance, 0.7, 0.0013)
    fine_roots, fine_normals, _ = scatter(
        surface, density * np.exp(-((above_hairline(features, surface.points) / 0.045) ** 2)), 900, seed + 5
    )
    fine = _wisps(features, fine_roots, fine_normals, chance, steps)
    return _tapered(np.concatenate([strands, fine]), 0.00007, chance)


def _wisps(features: Features, roots: Floats, normals: Floats, chance: np.random.Generator, steps: int) -> Floats:
    count = len(roots)
    back = _tangent(roots - features.nose_tip, normals)
    direction = _unit(back + 0.5 * normals + chance.normal(0, 0.45, (count, 3)))
    bend = chance.normal(0, 0.12, (count, 3))
    length = chance.uniform(0.006, 0.028, count) * (chance.random(count) < 0.9) + 0.004
    points = np.empty((count, steps, 3))
    points[:, 0] = roots
    for k in range(1, steps):
        direction = _unit(direction + bend - 0.04 * normals - 0.02 * UP)
        points[:, k] = points[:, k - 1] + direction * (length / (steps - 1))[:, None]
    return points


def fall(features: Features, surface: Surface, hairdo: Hairdo, count: int, seed: int) -> Strands:
    """Hair that falls from a parting at `part` metres: to `length` metres below the chin, in waves of `wave` metres."""
    chance = np.random.default_rng(seed)
    body = Body(surface)
    density = scalp_density(features, surface, hairdo.recede, 0.03)
    part = features.middle[0] + hairdo.part
    roots, normals, _ = scatter(surface, density, 2400, seed)
    end = features.chin[2] - hairdo.length
    side = np.sign(roots[:, 0] - part + 0.004 * noise(roots, 120.0, 2, seed))
    level = (roots[:, 2] - features.eyes[2]) / features.height
    top = smooth_step(level, 0.35, 0.85)
    tuft = np.stack([noise(roots, 60.0, 3, seed + k) for k in (1, 2, 3)], 1)
    back = smooth_step(skull_angle(features, roots), 95.0, 150.0)
    steps = 56
    step = (hairdo.length + 0.36) / (steps - 1)
    guides = np.empty((len(roots), steps, 3))
    guides[:, 0] = roots - 0.0008 * normals
    outward = np.stack([side, 0.45 + 0.2 * back, 0 * side], 1)
    direction = _unit(0.55 * normals + 0.9 * outward + 0.35 * tuft)
    clearance = 0.005 + 0.007 * top + 0.006 * np.abs(tuft[:, 0]) + 0.004 * chance.random(len(roots))
    shoulder = features.chin[2] - 0.055
    for k in range(1, steps):
        here = guides[:, k - 1]
        height, normal = body.nearest(here)
        down = smooth_step(here[:, 2], features.eyes[2] + 0.09, features.eyes[2] + 0.01)[:, None]
        steer = 0.15 * (1 - down) * outward - (0.20 + 0.34 * down) * UP
        steer = steer - 0.10 * np.maximum(height - 0.016, 0.0)[:, None] / 0.01 * normal * (here[:, 2:] > shoulder)
        near_end = smooth_step(here[:, 2], end + 0.05, end)[:, None] * hairdo.tuck
        inward = _unit((features.middle - here) * np.array([1.0, 1.0, 0.0]))
        # hair beside the face is drawn back behind the cheekbones
        aside = smooth_step(here[:, 1], features.middle[1] + 0.01, features.middle[1] - 0.045)[:, None] * down
        above = smooth_step(here[:, 2], shoulder - 0.02, shoulder + 0.04)[:, None]
        steer = (
            steer + 0.30 * near_end * inward + 0.20 * aside * above * np.stack([0.5 * side, 1 + 0 * side, 0 * side], 1)
        )
        direction = _unit(direction + steer + 0.04 * tuft)
        low = smooth_step(here[:, 2], shoulder + 0.02, shoulder - 0.03)
        guides[:, k] = body.outside(here + direction * step, clearance * min(1.0, k / 5.0) + 0.015 * low)
    guides = _cut(guides, end + 0.012 * tuft[:, 1] + 0.010 * back + 0.01 * chance.normal(0, 1, len(roots)))
    along = np.linspace(0, 1, steps)[None]
    size = np.linalg.norm(np.diff(guides, axis=1), axis=2).sum(1)[:, None]
    swing = 2 * np.pi * (along * size / 0.075) + 5.0 * tuft[:, :1] + 2.0 * tuft[:, 1:2]
    amount = hairdo.wave * smooth_step(along, 0.25, 0.7) * (1.0 + 0.5 * tuft[:, 2:])
    radial = _unit((guides - features.middle) * np.array([1.0, 1.0, 0.0]))
    across = np.cross(radial, UP)
    guides = (
        guides + radial * (0.5 * amount * (1 + np.sin(swing)))[..., None] + across * (amount * np.cos(swing))[..., None]
    )
    guides = guides[:, np.linspace(0, steps - 1, 28).round().astype(np.int64)]
    child_roots, child_normals, _ = scatter(surface, density, count, seed + 9)
    strands = _followers(guides, child_roots - 0.0006 * child_normals, chance, 0.75, 0.0024)
    fly_roots, fly_normals, _ = scatter(
        surface, density * (above_hairline(features, surface.points) > 0.0), 700, seed + 5
    )
    fine = _wisps(features, fly_roots, fly_normals, chance, 28)
    return _tapered(np.concatenate([strands, fine]), 0.00006, chance)


def _cut(strands: Floats, height: Floats) -> Floats:
    """Shorten each strand (N, K, 3) to where it first sinks below the height (N,), keeping K points."""
    count, steps, _ = strands.shape
    below = strands[:, :, 2] < height[:, None]
    last = np.where(below.any(1), below.argmax(1), steps - 1).clip(3, steps - 1)
    place = np.linspace(0.0, 1.0, steps)[None] * last[:, None]
    low = np.floor(place).astype(np.int64).clip(0, steps - 2)
    share = (place - low)[..., None]
    rows = np.arange(count)[:, None]
    shortened: Floats = strands[rows, low] * (1 - share) + strands[rows, low + 1] * share
    return shortened


STYLES = {"buzz": buzz, "crop": crop, "tied": tied, "fall": fall, "afro": afro}
