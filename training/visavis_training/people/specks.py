"""Small things scattered over the face chart one by one: spots such as freckles, and the cut hairs of a shaved beard.

Each has its own place, size and strength: thresholds of noise would show a lattice. Knows nothing of colours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from visavis_training.people.chance import Chance
from visavis_training.people.face_chart import BOTTOM_Y_DM, TOP_Y_DM, FaceChart

_STUBBLE_DM = 0.0012
"""How thick a cut hair is."""
_STUBBLE_STEPS = 4


def spots(
    chance: Chance, purpose: str, chart: FaceChart, count: int, radius_dm: tuple[float, float], strength: Tensor
) -> Tensor:
    """float32 (B, T, T) 0..1: soft-edged, slightly crooked spots.

    Args:
        chance: whose.
        purpose: name of the spots.
        chart: that they lie on.
        count: how many over the whole chart, for everybody.
        radius_dm: of the smallest and the largest; small ones are commoner.
        strength: float32 (T, T) or (B, T, T), 0..1, how strong a spot is where its middle lies; also how likely.
    """
    size, device = chart.size, strength.device
    people = len(chance)
    x, y = (chance.uniform(f"{purpose} {axis}", 0.0, size - 1.0, count) for axis in "xy")
    low, high = radius_dm
    radius = (low + (high - low) * chance.uniform(f"{purpose} size", 0.0, 1.0, count) ** 2.5) * chart.texels_per_dm
    where = strength.expand(people, -1, -1).reshape(people, -1)
    local = where.gather(1, y.long() * size + x.long())
    amount = local * (chance.uniform(f"{purpose} luck", 0.0, 1.0, count) < 0.25 + 0.75 * local)
    amount = amount * chance.uniform(f"{purpose} strength", 0.35, 1.0, count)
    half = math.ceil(1.7 * high * chart.texels_per_dm)
    window = torch.arange(-half, half + 1, device=device)
    down, right = torch.meshgrid(window, window, indexing="ij")
    column, row = (p.long()[..., None] + w.flatten() for p, w in ((x, right), (y, down)))  # (B, count, window)
    away_x, away_y = column - x[..., None], row - y[..., None]
    turn = torch.atan2(away_y, away_x)
    phase = chance.uniform(f"{purpose} phase", 0.0, 2 * math.pi, count)[..., None]
    crooked = 1.0 + 0.16 * torch.sin(2 * turn + phase) + 0.12 * torch.sin(3 * turn + 2.3 * phase)
    ink = torch.exp(-((torch.hypot(away_x, away_y) / (radius[..., None] * crooked)) ** 3)) * amount[..., None]
    index = row.clamp(0, size - 1) * size + column.clamp(0, size - 1)
    total = torch.zeros(people, size * size, device=device)
    total.scatter_add_(1, index.reshape(people, -1), ink.reshape(people, -1))
    return total.clamp(max=1.0).reshape(people, size, size)


def stubble(chance: Chance, chart: FaceChart, per_cm2: float, length_dm: Tensor, top_dm: float) -> Tensor:
    """float32 (B, T, T) 0..1: share of each texel that cut hairs cover, everywhere below `top_dm`.

    Args:
        chance: whose.
        chart: that they lie on.
        per_cm2: hairs to the square centimetre of chart.
        length_dm: float32 (B,), of the hairs; they lean downwards.
        top_dm: canonical y above which there is none.
    """
    size, people = chart.size, len(chance)
    first = (top_dm - TOP_Y_DM) / (BOTTOM_Y_DM - TOP_Y_DM)
    area_cm2 = (1.0 - first) * (10.0 * (BOTTOM_Y_DM - TOP_Y_DM)) ** 2
    count = int(per_cm2 * area_cm2)
    x = chance.uniform("stubble x", 0.0, size - 2.0, count)
    y = chance.uniform("stubble y", first * size, size - 2.0, count)
    lean = chance.normal("stubble lean", 0.0, 0.5, count)
    long = length_dm[:, None] * chart.texels_per_dm * chance.uniform("stubble length", 0.5, 1.2, count)
    way = torch.linspace(0.0, 1.0, _STUBBLE_STEPS, device=x.device)
    column = x[..., None] + (lean.sin() * long)[..., None] * way
    row = y[..., None] + (lean.cos() * long)[..., None] * way
    # a hair thinner than a texel covers its share; its ink is spread over its steps
    ink = _STUBBLE_DM * chart.texels_per_dm * long[..., None] / _STUBBLE_STEPS
    ink = ink * chance.uniform("stubble ink", 0.5, 1.0, count)[..., None]
    left, top = column.floor(), row.floor()
    total = torch.zeros(people, size * size, device=x.device)
    for dx in (0, 1):
        for dy in (0, 1):
            share = (1 - (column - left - dx).abs()) * (1 - (row - top - dy).abs())
            place = (top + dy).clamp(0, size - 1) * size + (left + dx).clamp(0, size - 1)
            total.scatter_add_(1, place.reshape(people, -1).long(), (share * ink).reshape(people, -1))
    return total.clamp(max=1.0).reshape(people, size, size)
