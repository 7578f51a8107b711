"""The small shape of skin as heights on the face chart: pores, wrinkles at rest, and wrinkles that expressions make.

Heights are in dm, outwards positive, and kept as slopes. A frame's slopes are the resting map's plus each expression's
times how strongly that expression is made. Knows nothing of colours or light.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from visavis_models.arkit import ARKIT
from visavis_training.people.chance import Chance, each, noise, step
from visavis_training.people.face_chart import HALF_ANGLE, FaceChart, curve, lip_coordinates

EXPRESSIONS = ("forehead", "frown", "eyes", "cheeks")
_MAKERS = (
    ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    ("browDownLeft", "browDownRight"),
    ("eyeSquintLeft", "eyeSquintRight", "cheekSquintLeft", "cheekSquintRight"),
    ("mouthSmileLeft", "mouthSmileRight", "noseSneerLeft", "noseSneerRight", "mouthUpperUpLeft", "mouthUpperUpRight"),
)
_FOLD_BESIDE_MOUTH = ((0.10, 0.205), (0.20, 0.235), (0.30, 0.285), (0.40, 0.325), (0.50, 0.345), (0.60, 0.34))
"""y then x of the fold from the wing of the nose to beside the corner of the mouth, dm."""
_FOLD_BELOW_CORNER = ((0.45, 0.285), (0.55, 0.305), (0.65, 0.315), (0.74, 0.31))


@dataclass(frozen=True, slots=True)
class Relief:
    """How skin rises across the chart and down it.

    `slopes` float16 (B, 10, T, T): at rest across and down, then across of each of `EXPRESSIONS`, then down of each.
    """

    slopes: Tensor

    @classmethod
    def of(cls, chart: FaceChart, rest: Tensor, made: Tensor) -> Relief:
        """Of heights (B, T, T) at rest and (B, 4, T, T) in expressions, dm."""
        even = chart.evenness()
        heights = torch.cat([rest[:, None], made], 1)
        down = torch.gradient(heights, dim=2)[0] * chart.texels_per_dm * even
        # a texel's width on the cylinder, at a face's usual radius from the axis
        across = torch.gradient(heights, dim=3)[0] * (chart.size / (2 * HALF_ANGLE * 0.75)) * even
        return cls(torch.cat([across[:, :1], down[:, :1], across[:, 1:], down[:, 1:]], 1).half())


def strengths(face: Tensor) -> Tensor:
    """(N, 4): how strongly faces (N, 52) make each of `EXPRESSIONS`."""
    return torch.stack([sum((face[:, ARKIT[name]] for name in names), 0 * face[:, 0]) for names in _MAKERS], 1).clamp(
        0.0, 1.5
    )


def slopes_of(read: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
    """(...) across and down, of `Relief.slopes` read at places (..., 10) and strengths (..., 4) of expressions."""
    across = read[..., 0] + (read[..., 2:6] * strength).sum(-1)
    return across, read[..., 1] + (read[..., 6:10] * strength).sum(-1)


def _lines(value: Tensor, period: float, sharpness: float) -> Tensor:
    """0 between lines, 1 at the bottom of each: rows of furrows `period` apart."""
    return (0.5 + 0.5 * torch.cos(value * (2 * torch.pi / period))) ** sharpness


def _furrow(distance: Tensor, width: float) -> Tensor:
    return torch.exp(-((distance / width) ** 2))


def relief(chart: FaceChart, chance: Chance, age_years: Tensor, pores: Tensor) -> Relief:
    """Heights of everybody's skin; `age_years` float32 (B,); `pores` float32 (B, T, T), noise, high in pores."""
    points = chart.position[None]
    x, y, z = points[..., 0].abs(), points[..., 1], points[..., 2]
    front = step(z, 0.35, 0.0)
    lips = lip_coordinates(points, chart.landmarks)
    on_lips = step(lips.across.abs(), 1.15, 0.95) * step(lips.along.abs(), 1.04, 0.97)
    sway = noise(chance, "wrinkle sway", points, 2.2, 2)
    breaks = step(noise(chance, "wrinkle breaks", points, 3.5, 2), -1.4, 0.5)
    age = each(((age_years - 22.0) / 50.0).clamp(0.0, 1.25) * chance.uniform("wrinkles", 0.6, 1.3))

    grain = noise(chance, "grain", points, 45.0, 2)
    spacing = each(chance.uniform("forehead spacing", 0.085, 0.13))
    forehead = _lines((y + 0.018 * sway + 0.10 * x**2) / spacing, 1.0, 5.0) * breaks
    forehead = forehead * step(y, -0.47, -0.56) * step(y, -1.0, -0.86) * step(x, 0.55, 0.35) * front
    frown = _furrow(x - 0.062 - 0.012 * sway, 0.013) * step(y, -0.27, -0.35) * step(y, -0.58, -0.47) * front
    corner = chart.landmarks[33]
    side, up = x - corner[0].abs() + 0.02, y - corner[1]
    fan = torch.atan2(up, side.clamp(min=0.004))
    reach = torch.hypot(side, up)
    eyes = _lines(fan + 0.08 * sway, 0.42, 3.0) * step(side, 0.01, 0.05) * step(reach, 0.22, 0.10)
    eyes = eyes * step(fan.abs(), 1.15, 0.7) * breaks * step(z, 0.4, 0.2)
    under = _lines(y + 0.9 * (x - 0.31) ** 2 + 0.008 * sway, 0.036, 2.0)
    under = under * torch.exp(-(((x - 0.32) / 0.13) ** 2) - (((y + 0.115) / 0.035) ** 2)) * breaks
    fold_x = curve(y, torch.tensor(_FOLD_BESIDE_MOUTH, device=y.device)) + 0.008 * sway
    fold = _furrow(x - fold_x, 0.022) * step(y, 0.08, 0.16) * step(y, 0.64, 0.50) * front
    cheek = torch.exp(-(((x - fold_x - 0.055) / 0.05) ** 2)) * step(y, 0.08, 0.2) * step(y, 0.6, 0.45) * front
    below = _furrow(x - curve(y, torch.tensor(_FOLD_BELOW_CORNER, device=y.device)) - 0.006 * sway, 0.014)
    below = below * step(y, 0.45, 0.52) * step(y, 0.78, 0.66) * front
    round_lips = _lines(lips.along * 0.25 + 0.013 * sway + 0.004 * grain, 0.034, 3.0) * step(lips.across, 1.0, 1.25)
    round_lips = round_lips * step(lips.across, 2.0, 1.4) * step(lips.along.abs(), 1.1, 0.9) * breaks
    neck = _lines(y + 0.05 * x + 0.02 * sway, 0.17, 9.0) * step(y, 0.98, 1.1)

    cheeks_and_nose = torch.exp(-((x / 0.45) ** 2) - (((y - 0.05) / 0.3) ** 2)) * front
    pits = torch.relu(pores - 0.7) * (0.35 + 0.9 * cheeks_and_nose) * each(chance.uniform("pore depth", 0.4, 1.5))
    creases = noise(chance, "lip creases", torch.stack([lips.along * 0.25, 0.15 * y, 0 * y], -1), 85.0, 2)
    undulation = noise(chance, "undulation", points, 6.0, 2)

    rest = -0.0011 * age * (forehead + eyes) - 0.0006 * age * under - 0.0011 * age * (below + 0.5 * neck)
    rest = rest - 0.0022 * (0.15 + age) * fold + 0.0018 * age * cheek - 0.0012 * age * frown - 0.0007 * age * round_lips
    rest = rest + (1.0 - on_lips) * (0.00009 * grain - 0.00016 * pits - 0.00007 * pores) + 0.0007 * undulation * 0.5
    rest = rest + 0.0009 * torch.exp(-(((lips.across.abs() - 1.15) / 0.10) ** 2)) * step(lips.along.abs(), 1.0, 0.8)
    rest = rest + on_lips * 0.00055 * creases * each(chance.uniform("lip dryness", 0.4, 1.3))
    rest = rest * step(y, 1.43, 1.22)
    made_of = (forehead, frown, eyes + 0.5 * under, fold - 0.5 * cheek)
    depth = (0.0013, 0.0016, 0.0011, 0.0022)
    made = [-d * (0.45 + age) * part for d, part in zip(depth, made_of, strict=True)]
    people = len(chance)
    return Relief.of(chart, rest.expand(people, -1, -1), torch.stack([m.expand(people, -1, -1) for m in made], 1))
