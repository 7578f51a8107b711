"""Eyebrows: each person's shape and density, and the soft shade they cast on the skin; `lashes.py` draws the hairs.

Knows nothing of colours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from visavis_training.people.chance import Chance, each, noise, step
from visavis_training.people.face_chart import BROW_PAIRS, curve


@dataclass(frozen=True, slots=True)
class Brows:
    """Shapes of brows, float32 (B,): lengths in dm, `density` 0..1, `arch` how far the middle is raised."""

    lift: Tensor
    thickness: Tensor
    arch: Tensor
    inner_x: Tensor
    outer_x: Tensor
    density: Tensor

    @classmethod
    def of(cls, chance: Chance, male: Tensor, age_years: Tensor) -> Brows:
        """Random brows; men's are lower, thicker and straighter on average."""
        return cls(
            lift=chance.normal("brow lift", 0.0, 0.014) + 0.012 * male - 0.004,
            thickness=chance.normal("brow thickness", 0.031, 0.008) + 0.012 * male,
            arch=chance.normal("brow arch", 0.022, 0.014) - 0.014 * male,
            inner_x=chance.normal("brow inner", 0.125, 0.02),
            outer_x=chance.normal("brow outer", 0.56, 0.02),
            density=(chance.uniform("brow density", 0.35, 1.0) - 0.2 * step(age_years, 60.0, 85.0)).clamp(0.3, 1.0),
        )


def brow_cover(points: Tensor, landmarks: Tensor, chance: Chance, brows: Brows) -> Tensor:
    """(B, T, T) 0..1 how dark brows make each canonical point (1, T, T, 3), single hairs left out."""
    pairs = torch.tensor(BROW_PAIRS, device=landmarks.device)
    middle = landmarks[pairs].mean(1)  # (5, 3)
    knots = torch.stack([middle[:, 0].abs(), middle[:, 1]], -1)
    x, y, z = points[..., 0].abs(), points[..., 1], points[..., 2]
    along = (x - each(brows.inner_x)) / each(brows.outer_x - brows.inner_x)
    line = curve(x, knots) + each(brows.lift) - each(brows.arch) * torch.exp(-(((along - 0.62) / 0.26) ** 2))
    width = each(brows.thickness) * (0.72 + 0.5 * step(along, 0.0, 0.28)) * (1.0 - 0.72 * step(along, 0.40, 1.02))
    off = (y - line) / width
    soft = torch.exp(-(off.abs().clamp(min=0.0) ** 2.2) * 0.9)
    ends = step(along, -0.12, 0.16) * step(along, 1.10, 0.80) * step(z, 0.35, 0.2)
    patchy = 1.0 + 0.10 * noise(chance, "brow patches", points, 14.0, 2)
    return (0.50 * each(brows.density) * soft * ends * patchy).clamp(0.0, 0.9)
