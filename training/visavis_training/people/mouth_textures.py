"""What is inside mouths, for many people at once: teeth with their shades and gaps, gums, tongue and lining.

Teeth are painted per arch in cells, one per tooth, in the layout of `dentition.py`. Shades are L*a*b* values measured
on people: teeth after Turgut et al. (2018, in vivo, n = 640) and Pop-Ciutrila et al. (2015, n = 369), gums after
Gomez-Polo et al. (2019, n = 259). Knows nothing of light or of how far a mouth is open.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.chance import Chance, each, noise, step
from visavis_training.people.dentition import BACK_ROWS, FRONT_ROWS, SPANS_PER_TOOTH, TEETH_PER_ARCH

CELL_PX = 28
ROWS_PX = 80
TOOTH_LAB = (76.5, 0.4, 17.5)
"""Mean of upper central incisors."""
TOOTH_DEVIATION = (4.2, 1.0, 3.4)
_CANINE = (-4.6, 1.2, 4.6)
_MOLAR = (-4.5, 1.0, 3.6)
_LOWER = (1.5, 0.1, -1.6)
GUM_LAB = (50.0, 24.0, 15.3)
GUM_DEVIATION = (5.5, 3.6, 2.6)


@dataclass(frozen=True, slots=True)
class MouthTextures:
    """`arches` float32 (B, 2, 5, H, W).

    Upper and lower arch as linear RGB, share of enamel, and height in dm; columns are teeth from the person's
    right, rows v from -1 (gum) to 1 (biting edge). `tongue`, `lining` (B, 3) linear RGB. `bumps` float32 (B, 2, S,
    S): height (dm) and redness of the tongue's papillae, over 1 dm square.
    """

    arches: Tensor
    tongue: Tensor
    lining: Tensor
    bumps: Tensor

    def teeth(self, person: Tensor, lower: Tensor, uv: Tensor) -> Tensor:
        """(n, 5) arch values at `dentition.py`'s uv (n, 2); `lower` int64 (n,) 0 for the upper arch."""
        place = arch_place(uv)
        within = torch.remainder(uv[:, 0] * (TEETH_PER_ARCH * (SPANS_PER_TOOTH + 1) - 1), SPANS_PER_TOOTH + 1)
        between = (within > SPANS_PER_TOOTH + 0.02) & (within < SPANS_PER_TOOTH + 0.98)
        height, width = self.arches.shape[-2:]
        spot = torch.stack([place[:, 0] * width - 0.5, (place[:, 1] + 1) / 2 * height - 0.5], -1)
        read = _bilinear(self.arches.permute(0, 1, 3, 4, 2), (person, lower), spot)
        # what closes the strip between two teeth is the gum's papilla at their necks, and beyond it the dark behind
        dark = (between * read[:, 3])[:, None]
        return read * (1 - dark * read.new_tensor([0.62, 0.70, 0.74, 1.0, 0.0]))

    def papillae(self, person: Tensor, canonical: Tensor) -> Tensor:
        """(n, 2) height and redness of the tongue at canonical points (n, 3)."""
        size = self.bumps.shape[-1]
        spot = torch.remainder(canonical[:, [0, 2]] + 0.5, 1.0) * (size - 1.001)
        return _bilinear(self.bumps.permute(0, 2, 3, 1), (person,), spot)


def arch_place(uv: Tensor) -> Tensor:
    """(n, 2) of `dentition.py`'s uv: share of the way along the arch in whole cells (0..1), and v (-1 gum, 1 edge)."""
    columns = TEETH_PER_ARCH * (SPANS_PER_TOOTH + 1)
    column = uv[:, 0] * (columns - 1)
    tooth = ((column + 1e-3) / (SPANS_PER_TOOTH + 1)).floor().clamp(0, TEETH_PER_ARCH - 1)
    across = ((column - tooth * (SPANS_PER_TOOTH + 1)) / SPANS_PER_TOOTH).clamp(0.0, 1.0)
    rows = torch.tensor((*FRONT_ROWS, *BACK_ROWS), device=uv.device)
    row = uv[:, 1] * (len(rows) - 1)
    low = row.floor().long().clamp(0, len(rows) - 2)
    v = rows[low] + (row - low) * (rows[low + 1] - rows[low])
    return torch.stack([(tooth + across) / TEETH_PER_ARCH, v], -1)


def _bilinear(texture: Tensor, leading: tuple[Tensor, ...], spot: Tensor) -> Tensor:
    height, width = texture.shape[-3:-1]
    x = spot[:, 0].clamp(0, width - 1.001)
    y = spot[:, 1].clamp(0, height - 1.001)
    left, top = x.long(), y.long()
    a, b = (x - left)[:, None], (y - top)[:, None]
    upper = texture[(*leading, top, left)] * (1 - a) + texture[(*leading, top, left + 1)] * a
    lower = texture[(*leading, top + 1, left)] * (1 - a) + texture[(*leading, top + 1, left + 1)] * a
    return upper * (1 - b) + lower * b


def rgb_of_lab(values: Tensor) -> Tensor:
    """Linear sRGB (..., 3) of L*a*b* (D65) (..., 3), at least 0."""
    y = (values[..., 0] + 16.0) / 116.0
    root = torch.stack([y + values[..., 1] / 500.0, y, y - values[..., 2] / 200.0], -1)
    share = torch.where(root > 0.2069, root**3, (root - 16.0 / 116.0) / 7.787)
    white = values.new_tensor([0.9505, 1.0, 1.089])
    to_rgb = values.new_tensor([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    return ((share * white) @ to_rgb.T).clamp(min=0.0)


def paint_mouth(chance: Chance, age_years: Tensor, melanin: Tensor) -> MouthTextures:
    """Mouths for everybody; `age_years`, `melanin` float32 (B,)."""
    device = age_years.device
    column = (torch.arange(TEETH_PER_ARCH * CELL_PX, device=device) + 0.5) / CELL_PX
    v, along = torch.meshgrid((torch.arange(ROWS_PX, device=device) + 0.5) / ROWS_PX * 2 - 1, column, indexing="ij")
    tooth, across = along.floor().long(), along - along.floor()
    from_middle = (tooth.to(torch.float32) - 5.5).abs() - 0.5  # 0 central, 1 lateral, 2 canine, 3.. premolars, molar
    points = torch.stack([along * 0.07, v * 0.1, torch.zeros_like(v)], -1)[None]
    stains = noise(chance, "stains", points, 10.0, 2)
    grain = noise(chance, "enamel", points, 40.0, 2)

    aged = step(age_years, 25.0, 80.0)
    middle = torch.stack(
        [
            chance.normal(f"tooth {axis}", mean, deviation)
            for axis, mean, deviation in zip("Lab", TOOTH_LAB, TOOTH_DEVIATION, strict=True)
        ],
        -1,
    )
    # yellower teeth are redder too, as along a shade guide; the spread of a* stays what was measured
    middle = torch.stack(
        [middle[:, 0], 0.7 * middle[:, 1] + 0.22 * (middle[:, 2] - TOOTH_LAB[2]) + 0.12, middle[:, 2]], -1
    )
    whitened = chance.happens("whitened", 0.4)
    middle = middle + aged[:, None] * middle.new_tensor([-4.0, 1.0, 1.2])
    middle = middle + whitened[:, None] * middle.new_tensor([3.0, -0.5, -6.0])
    canine = torch.exp(-((from_middle - 2.0) ** 2) / 0.3)[..., None] * middle.new_tensor(_CANINE)
    molar = step(from_middle, 2.4, 4.0)[..., None] * middle.new_tensor(_MOLAR)
    border = torch.minimum(across, 1.0 - across)
    neck, tip = step(v, 0.50, -0.05)[..., None], step(v, 0.62, 0.90)
    halo = step(v, 0.945, 0.985)[..., None]
    arches = []
    for arch in ("upper", "lower"):
        own = chance.normal(f"{arch} shades", 0.0, 1.0, TEETH_PER_ARCH)[:, tooth]  # (B, H, W)
        lab = each(middle) + canine + molar + own[..., None] * middle.new_tensor([1.0, -0.15, -0.6])
        lab = lab + (middle.new_tensor(_LOWER) if arch == "lower" else 0.0)
        lab = lab + neck * middle.new_tensor([-4.0, 1.2, 5.0])
        # thin enamel at the edge lets the dark of the mouth through, but for its very rim; it is whitest over the
        # three lobes of the dentine behind it
        clear = each(chance.uniform("clear edges", 0.2, 1.0) * (1.0 - 0.6 * aged)) * step(from_middle, 2.6, 1.6)
        lobes = 0.70 + 0.30 * torch.cos((across + 0.06 * stains) * 6 * torch.pi) * step(v, 0.98, 0.72)
        see_through = clear * torch.maximum(tip * lobes, 0.55 * step(border, 0.16, 0.02) * step(v, 0.3, 0.7))
        lab = lab + see_through[..., None] * (1 - halo) * middle.new_tensor([-7.5, -1.3, -8.5])
        lab = lab + (clear[..., None] * halo) * middle.new_tensor([1.5, 0.0, -1.0])
        blotches = each(chance.uniform("stained", 0.2, 1.5)) * stains
        lab = lab + blotches[..., None] * middle.new_tensor([-0.8, 0.15, 0.8])
        white_spots = each(chance.happens("white spots", 0.25)) * step(stains - 0.4 * grain, 1.5, 2.3)
        lab = lab + white_spots[..., None] * middle.new_tensor([4.0, -0.4, -5.0])
        enamel = rgb_of_lab(torch.stack([lab[..., 0].clamp(30, 86), lab[..., 1], lab[..., 2].clamp(4, 23)], -1))
        # light that enters where teeth meet does not come back
        corner_notch = step(v, 0.62, 1.0) * step(border, 0.16, 0.0)
        gap = step(border, 0.05, 0.0) * 0.26 + 0.20 * step(border, 0.20, 0.0) + 0.22 * corner_notch
        enamel = enamel * (1.0 - gap[..., None] * middle.new_tensor([0.55, 0.66, 0.74])).clamp(min=0.05)
        line = 0.035 * noise(chance, f"{arch} gum line", points, 22.0)
        # papillae fill the corners between the necks, lower in age
        own_rise = chance.uniform(f"{arch} papillae", 0.24, 0.44, TEETH_PER_ARCH + 1)
        left, right = own_rise[:, :-1][:, tooth], own_rise[:, 1:][:, tooth]
        rise = torch.where(across < 0.5, left, right) * (1.0 - 0.55 * each(aged))
        papilla = rise * torch.exp(-((border / 0.085) ** 1.3))
        over = v + line - papilla
        is_tooth = step(over, -0.025, 0.025)
        gum = _gum(chance, melanin, v, across, points)
        cuff = torch.exp(-(((over + 0.04) / 0.05) ** 2))[..., None]
        gum = gum * (1.0 + cuff * gum.new_tensor([0.10, 0.02, 0.02]))
        root_shade = torch.exp(-(over.clamp(min=0.0) / 0.06))[..., None] * middle.new_tensor([0.12, 0.22, 0.24])
        colour = gum + is_tooth[..., None] * (enamel * (1.0 - root_shade) - gum)
        # line angles, two shallow furrows between the lobes, growth lines, and gums that stand over the necks
        furrows = torch.cos((2 * across - 1) * 3 * torch.pi) * step(v, 0.2, 0.6) * step(border, 0.0, 0.2)
        crown = 0.0030 * (1 - (2 * across - 1).abs() ** 4) + 0.00045 * furrows + 0.00030 * grain
        crown = crown + 0.00018 * torch.cos(v * 60.0 + 3.0 * stains)
        flesh = 0.0040 + 0.0009 * noise(chance, "stipple", points, 55.0) + 0.0015 * cuff[..., 0]
        height = flesh + is_tooth * (crown - flesh)
        arches.append(torch.cat([colour, is_tooth[..., None], height[..., None]], -1).permute(0, 3, 1, 2))

    size = 160
    share = (torch.arange(size, device=device) + 0.5) / size
    z, x = torch.meshgrid(share, share, indexing="ij")
    at = torch.stack([x, torch.zeros_like(x), z], -1)[None]
    papillae = noise(chance, "papillae", at, 62.0)
    patches = noise(chance, "tongue patches", at, 6.0, 3)
    groove = torch.exp(-(((x - 0.5) / 0.02) ** 2))
    bumps = torch.stack([0.0011 * papillae + 0.0022 * patches - 0.006 * groove, 0.5 * patches + 0.35 * papillae], 1)
    tongue = rgb_of_lab(
        torch.stack(
            [chance.normal("tongue L", 52, 4), chance.normal("tongue a", 23, 3), chance.normal("tongue b", 11.5, 2)], -1
        )
    )
    lining = rgb_of_lab(
        torch.stack(
            [chance.normal("lining L", 42, 4), chance.normal("lining a", 29, 3), chance.normal("lining b", 15, 2)], -1
        )
    )
    return MouthTextures(torch.stack(arches, 1), tongue, lining, bumps)


def _gum(chance: Chance, melanin: Tensor, v: Tensor, across: Tensor, points: Tensor) -> Tensor:
    """(B, H, W, 3) linear RGB of the gums: paler where tight over the roots, in dark skin with patches of pigment."""
    lab = torch.stack(
        [
            chance.normal(f"gum {axis}", mean, deviation)
            for axis, mean, deviation in zip("Lab", GUM_LAB, GUM_DEVIATION, strict=True)
        ],
        -1,
    )
    over_root = torch.sin(torch.pi * across) * step(v, -0.9, -0.4)
    shade = over_root[..., None] * lab.new_tensor([2.5, -2.0, 0.5]) + step(v, -0.5, -1.0)[..., None] * lab.new_tensor(
        [-5.0, 5.0, 1.0]
    )
    mottle = noise(chance, "gum mottle", points, 9.0, 3)[..., None] * lab.new_tensor([1.2, 1.4, 0.4])
    dark = each(step(melanin, 0.06, 0.2) * chance.uniform("gum pigment", 0.0, 1.0))
    pigment = dark * step(noise(chance, "gum patches", points, 5.0, 2) + 0.4, 0.0, 1.0)
    return rgb_of_lab(
        (each(lab) + shade + mottle - pigment[..., None] * lab.new_tensor([17.0, 9.0, 4.0])).clamp(min=1.0)
    )


def wet_film(normal: Tensor, towards_viewer: Tensor) -> Tensor:
    """(n,) Fresnel reflection of water (n = 1.33) on surfaces with normals (n, 3), seen from directions (n, 3)."""
    cosine = (functional.normalize(normal, dim=-1) * towards_viewer).sum(-1).clamp(0.0, 1.0)
    return 0.02 + 0.98 * (1.0 - cosine) ** 5
