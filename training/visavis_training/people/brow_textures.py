"""Eyebrows drawn as hairs on the face chart: each person's shape, density and the way the hairs lie.

Hairs are a fine noise stretched along the direction of growth, which turns from upwards at the nose to sideways at the
temple. Knows nothing of colours.
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
            thickness=chance.normal("brow thickness", 0.040, 0.009) + 0.014 * male,
            arch=chance.normal("brow arch", 0.022, 0.014) - 0.014 * male,
            inner_x=chance.normal("brow inner", 0.125, 0.02),
            outer_x=chance.normal("brow outer", 0.56, 0.02),
            density=(chance.uniform("brow density", 0.55, 1.0) - 0.2 * step(age_years, 60.0, 85.0)).clamp(0.3, 1.0),
        )


def brow_cover(points: Tensor, landmarks: Tensor, chance: Chance, brows: Brows) -> Tensor:
    """(B, T, T) 0..1 how much of each canonical point (1, T, T, 3) hairs of the brows cover."""
    pairs = torch.tensor(BROW_PAIRS, device=landmarks.device)
    middle = landmarks[pairs].mean(1)  # (5, 3)
    knots = torch.stack([middle[:, 0].abs(), middle[:, 1]], -1)
    x, y, z = points[..., 0].abs(), points[..., 1], points[..., 2]
    along = (x - each(brows.inner_x)) / each(brows.outer_x - brows.inner_x)
    line = curve(x, knots) + each(brows.lift) - each(brows.arch) * torch.exp(-(((along - 0.62) / 0.26) ** 2))
    width = each(brows.thickness) * (0.72 + 0.5 * step(along, 0.0, 0.28)) * (1.0 - 0.72 * step(along, 0.40, 1.02))
    off = (y - line) / width
    ragged = 0.22 * noise(chance, "brow edge", points, 26.0, 2)
    inside = step(off.abs() + ragged, 1.15, 0.45) * step(along + 0.05 * ragged, -0.10, 0.10)
    inside = inside * step(along + 0.05 * ragged, 1.06, 0.90) * step(z, 0.35, 0.2)
    lean = 1.25 * (1.0 - step(along, 0.0, 0.42)) + 0.22 - 0.28 * step(along, 0.4, 1.0) + 0.3 * off.clamp(-1, 1)
    growth = torch.stack([x * torch.cos(lean) - y * torch.sin(lean), x * torch.sin(lean) + y * torch.cos(lean)], -1)
    side = points[..., :1].sign().expand(*growth.shape[:-1], 1)
    hairs = noise(chance, "brow hairs", torch.cat([growth * growth.new_tensor([0.14, 1.0]), side], -1), 75.0, 2)
    sparse = step(hairs, -1.2 - each(brows.density), 1.4)
    # in the thick of a brow hairs overlap; they can be told apart along its edges
    filled = each(brows.density) * (0.62 * inside + (0.30 + 0.25 * (1 - inside)) * sparse)
    return (inside * filled * 1.12).clamp(0.0, 0.95)
