"""Irises and whites of eyes, drawn on a disc of angles round the pole of the eyeball, for many people at once.

The disc's middle is where the eye looks; its radius tells the angle from there, so that a uv in `eyeball.py`'s polar
layout reads it directly. Knows nothing of lids, light or gaze.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.chance import Chance, each, noise, step
from visavis_training.people.eyeball import LIMBUS

REACH = 1.45
"""Radians from the pole to the rim of the disc."""
IRIS_RGB = (
    (0.016, 0.0075, 0.0045), (0.045, 0.020, 0.009), (0.090, 0.043, 0.017), (0.115, 0.078, 0.030), (0.105, 0.120, 0.062),
    (0.095, 0.150, 0.220), (0.150, 0.175, 0.195),
)  # fmt: skip
"""Linear RGB of the middle of an iris: dark brown, brown, light brown, hazel, green, blue, grey."""
_EUROPEAN_SHARES = (0.05, 0.20, 0.16, 0.13, 0.10, 0.26, 0.10)
_OTHER_SHARES = (0.62, 0.33, 0.05, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class EyeTextures:
    """`albedo` float32 (B, 3, S, S) linear RGB; `iris` float32 (B, S, S) the share of iris and pupil."""

    albedo: Tensor
    iris: Tensor

    def read(self, person: Tensor, uv: Tensor) -> tuple[Tensor, Tensor]:
        """Albedo (n, 3) and share of iris (n,) at polar uv (n, 2) of eyes of persons (n,)."""
        size = self.albedo.shape[-1]
        place = (uv - 0.5) * (2 * torch.pi / REACH)
        spot = ((place.clamp(-1, 1) + 1) / 2 * size - 0.5).clamp(0, size - 1.001)
        low = spot.long()
        share = spot - low
        both = torch.cat([self.albedo, self.iris[:, None]], 1).permute(0, 2, 3, 1)
        x, y = low[:, 0], low[:, 1]
        a, b = share[:, :1], share[:, 1:]
        read = (both[person, y, x] * (1 - a) + both[person, y, x + 1] * a) * (1 - b) + (
            both[person, y + 1, x] * (1 - a) + both[person, y + 1, x + 1] * a
        ) * b
        return read[:, :3], read[:, 3]


def paint_eyes(chance: Chance, european: Tensor, age_years: Tensor, size: int = 192) -> EyeTextures:
    """Eyes for everybody.

    Args:
        chance: whose.
        european: float32 (B,), chance of the colours that go with light skin.
        age_years: float32 (B,).
        size: texels on a side of the disc.
    """
    device = age_years.device
    share = ((torch.arange(size, device=device) + 0.5) / size * 2 - 1) * REACH
    down, right = torch.meshgrid(share, share, indexing="ij")
    angle, turn = torch.hypot(right, down), torch.atan2(down, right)
    part = (angle / LIMBUS)[None]
    circle = torch.stack([turn.cos(), turn.sin()], -1)[None]

    def radial(purpose: str, per_turn: float, twist: float, octaves: int) -> Tensor:
        points = torch.cat([circle, twist * part[..., None]], -1)
        return noise(chance, purpose, points, per_turn, octaves)

    fibres = radial("fibres", 9.0, 0.12, 3) + 0.6 * radial("fine fibres", 22.0, 0.10, 2)
    crypts = step(radial("crypts", 3.2, 0.9, 2), 0.7, 1.7)
    cloud = radial("cloud", 1.2, 0.5, 2)
    light = chance.uniform("light eyes") < european
    kind = torch.where(light, chance.pick("iris", _EUROPEAN_SHARES), chance.pick("dark iris", _OTHER_SHARES))
    colours = torch.tensor(IRIS_RGB, device=device)
    outer = colours[kind] * chance.uniform("iris depth", 0.60, 1.05)[:, None] * (1 + chance.normal("hue", 0, 0.06, 3))
    warm = colours[torch.tensor([1, 2, 3, 2, 3, 4, 5], device=device)[kind]]
    inner = outer * 0.5 + warm * chance.uniform("inner", 0.2, 0.7)[:, None] * 1.1
    collar = each(chance.uniform("collarette", 0.40, 0.58))
    within = step(part + 0.06 * fibres + 0.05 * cloud, collar + 0.12, collar - 0.10)[..., None]
    iris = each(outer) * (1 - within) + each(inner) * within
    relief = 1.0 + each(chance.uniform("fibre depth", 0.10, 0.22)) * fibres + 0.12 * cloud
    ridge = 0.25 * torch.exp(-(((part - collar) / 0.07) ** 2))
    iris = iris * (relief * (1 - 0.35 * crypts * step(part, 0.4, 0.6)) + ridge).clamp(0.25, 2.2)[..., None]
    ring = each(chance.uniform("limbal ring", 0.45, 0.90) * (1.0 - 0.4 * step(age_years, 40.0, 80.0)))
    iris = iris * (1.0 - ring * step(part + 0.02 * cloud, 0.74, 0.98))[..., None]
    haze = each(step(age_years, 55.0, 90.0) * chance.uniform("arcus", 0.0, 0.5))
    iris = iris + (haze * torch.exp(-(((part - 0.95) / 0.06) ** 2)))[..., None] * 0.18
    pupil = each(chance.uniform("pupil", 0.25, 0.40) - 0.05 * step(age_years, 30.0, 80.0))
    black = step(part + 0.004 * fibres, pupil + 0.03, pupil - 0.03)[..., None]
    iris = iris * (1 - black) + 0.0015 * black

    corner = step(right.abs(), 0.55, 1.25)[None]
    at = torch.stack([right * 0.5, down, 0.3 * right], -1)[None]
    paths = noise(chance, "veins", at, 3.0, 3)
    thin = noise(chance, "fine veins", at, 8.0, 2)
    vein = step(paths.abs(), 0.10, 0.0) * 0.8 + step(thin.abs(), 0.10, 0.0) * 0.45
    red = each(chance.uniform("red eyes") ** 2 * 0.9 + 0.18)
    vein = vein * red * (0.15 + 0.85 * corner) * step(part, 1.0, 1.4)
    yellow = each(chance.uniform("yellow eyes", 0.0, 0.5) + 0.5 * step(age_years, 40.0, 85.0))
    white = torch.tensor([0.425, 0.388, 0.368], device=device) * (
        1 - yellow[..., None] * torch.tensor([0.02, 0.09, 0.20], device=device)
    )
    white = white * (1 - (0.05 + 0.22 * red * corner)[..., None] * torch.tensor([0.35, 1.0, 0.9], device=device))
    white = white * (1 - vein[..., None] * torch.tensor([0.12, 0.62, 0.52], device=device))
    # the flesh of the inner corner and the lid behind the rim
    flesh = step(angle, 1.02, 1.30)[None, ..., None]
    white = white * (1 - 0.6 * flesh * torch.tensor([0.12, 0.55, 0.50], device=device))
    blend = each(chance.uniform("limbus blur", 0.05, 0.11))
    inside = step(part, 1.0 + blend, 1.0 - blend)
    albedo = white * (1 - inside[..., None]) + iris * inside[..., None]
    return EyeTextures(albedo.permute(0, 3, 1, 2).contiguous().clamp(0.0, 0.9), inside.expand(len(chance), -1, -1))


def cornea_normals(uv: Tensor, turn: Tensor) -> tuple[Tensor, Tensor]:
    """Smooth normals of eyes whatever their mesh.

    Args:
        uv: float32 (n, 2), polar.
        turn: float32 (n, 3, 3), how each pixel's eye is turned from looking along -z.

    Returns:
        (n, 3) of the ball, and (n, 3) of the wet front with the cornea's bulge.
    """
    flat = (uv - 0.5) * (2 * torch.pi)
    angle = flat.norm(dim=-1, keepdim=True)
    aside = torch.stack([flat[:, 0], flat[:, 1]], -1) / angle.clamp(min=1e-6)

    def along(tilt: Tensor) -> Tensor:
        straight = torch.cat([aside * tilt.sin(), -tilt.cos()], -1)
        return functional.normalize((turn @ straight[..., None])[..., 0], dim=-1)

    # the cornea's radius is 7.8 mm on a ball of 12.2 mm: its normal tilts faster, then falls back to the ball's
    reach = ((LIMBUS * 1.32 - angle) / (LIMBUS * 0.52)).clamp(0, 1)
    return along(angle), along(angle * (1.0 + 0.56 * reach * reach * (3 - 2 * reach)))
