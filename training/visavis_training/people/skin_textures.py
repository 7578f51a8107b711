"""Skin as pigments painted on the face chart, for many people at once: tone, blood, freckles, brows, beard, make-up.

What is painted are shares of melanin and blood; `skin_optics` turns them into colour once, so that no tone is darkened
twice. Knows nothing of light, cameras or the shape of a person's face.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from visavis_training.people.brow_textures import Brows, brow_cover
from visavis_training.people.chance import Chance, each, noise, step
from visavis_training.people.face_chart import FaceChart, lip_coordinates
from visavis_training.people.hair_colour import HairColour
from visavis_training.people.skin_optics import skin_rgb
from visavis_training.people.skin_relief import Relief, relief
from visavis_training.people.specks import spots, stubble

_MOLES = 7


@dataclass(frozen=True, slots=True)
class Person:
    """What looks depend on.

    Float32 (B,) each: `age_years`; `male` 0..1; `melanin`, the share of melanosomes in the epidermis of the cheek
    (`skin_optics.MELANIN_RANGE`); `hair` linear RGB (B, 3).
    """

    age_years: Tensor
    male: Tensor
    melanin: Tensor
    hair: Tensor

    @classmethod
    def of(cls, chance: Chance, age_years: Tensor, male: Tensor, ancestry: Tensor) -> Person:
        """Skin and hair that go with an origin.

        Args:
            chance: whose.
            age_years: float32 (B,).
            male: float32 (B,), 0..1.
            ancestry: float32 (B, 3), shares of African, Asian and European forebears, summing to 1.
        """
        # middles of Jacques's ranges for each origin, spread so that neighbours overlap as measured groups do
        middle = torch.tensor([0.22, 0.042, 0.024], device=ancestry.device).log()
        melanin = (ancestry @ middle + chance.normal("melanin", 0.0, 0.36)).exp().clamp(0.012, 0.42)
        hair = HairColour.of(chance, age_years, male, ancestry, melanin).mean
        return cls(age_years, male, melanin, hair * chance.uniform("hair depth", 0.75, 1.0)[:, None])


@dataclass(frozen=True, slots=True)
class SkinTextures:
    """Painted faces.

    `albedo` float32 (B, 3, T, T) linear RGB, `roughness` and `gloss` float32 (B, T, T) (gloss is the strength of
    the oily lobe), `lip` float32 (1, T, T) the share of lip, `hair` float32 (B, T, T) how much of a texel painted
    hair covers, and the relief.
    """

    albedo: Tensor
    roughness: Tensor
    gloss: Tensor
    lip: Tensor
    hair: Tensor
    relief: Relief


def _spot(points: Tensor, place: tuple[float, float, float], size: tuple[float, float, float]) -> Tensor:
    """A soft mark on both sides of the face (x is mirrored), 1 in its middle."""
    mirrored = torch.stack([points[..., 0].abs(), points[..., 1], points[..., 2]], -1)
    away = (mirrored - points.new_tensor(place)) / points.new_tensor(size)
    return torch.exp(-(away**2).sum(-1))


def beard_area(points: Tensor, lips_across: Tensor, lips_along: Tensor) -> Tensor:
    """(...) 0..1 where a beard grows: over and under the lips, on chin, jaw and up to the ears."""
    x, y, z = points[..., 0].abs(), points[..., 1], points[..., 2]
    over_lip = step(y, 0.24, 0.29) * step(y, 0.62, 0.50) * step(x, 0.33, 0.26) * step(z, 0.0, -0.1)
    jaw = step(y - 0.50 + 0.55 * (x - 0.2).clamp(min=0) + 0.35 * torch.relu(z), 0.0, 0.14)
    sideburn = step(z, 0.12, 0.25) * step(z, 0.50, 0.40) * step(y, -0.15, 0.05)
    area = torch.maximum(torch.maximum(over_lip, jaw * step(z, 0.55, 0.35)), sideburn * step(x, 0.4, 0.5))
    near_lip = step(lips_across.abs(), 1.05, 1.35) + step(lips_along.abs(), 1.0, 1.15)
    bare = 0.75 * _spot(points, (0.15, 0.63, -0.28), (0.07, 0.05, 0.2))
    return area * near_lip.clamp(0, 1) * (1 - bare) * step(y, 1.25, 1.0)


def paint_skin(chart: FaceChart, chance: Chance, person: Person) -> SkinTextures:
    """Paint everybody's face."""
    points = chart.position[None]
    y, z = points[..., 1], points[..., 2]
    lips = lip_coordinates(points, chart.landmarks)
    edge = noise(chance, "lip edge", points, 9.0)
    lip = step(lips.across.abs(), 1.06, 0.90) * step(lips.along.abs(), 1.0, 0.90) * step(z, 0.2, 0.0)
    soft_lip = step(lips.across.abs() + 0.05 * edge, 1.12, 0.86) * step(lips.along.abs(), 1.0, 0.90) * step(z, 0.2, 0.0)

    broad, mottle = noise(chance, "broad", points, 1.6, 2), noise(chance, "mottle", points, 7.0, 3)
    fine, pores = noise(chance, "fine", points, 40.0, 3), noise(chance, "pores", points, 105.0)
    # round the red of the lips runs a pale ridge
    ridge = (
        torch.exp(-(((lips.across.abs() - 1.16) / 0.09) ** 2)) * step(lips.along.abs(), 1.0, 0.85) * step(z, 0.2, 0.0)
    )
    cheeks = _spot(points, (0.42, 0.12, -0.05), (0.20, 0.20, 0.3))
    nose = _spot(points, (0.0, 0.14, -0.46), (0.14, 0.12, 0.2))
    wings = _spot(points, (0.17, 0.17, -0.27), (0.06, 0.07, 0.1))
    chin = _spot(points, (0.0, 0.80, -0.25), (0.18, 0.13, 0.3))
    ears = step(z, 0.30, 0.48) * step(y, 0.35, 0.15) * step(y, -0.45, -0.3)
    sockets = _spot(points, (0.30, -0.09, -0.2), (0.16, 0.045, 0.3)) + _spot(
        points, (0.20, -0.17, -0.2), (0.07, 0.07, 0.2)
    )
    lids = _spot(points, (0.31, -0.30, -0.18), (0.15, 0.05, 0.2))
    forehead = _spot(points, (0.0, -0.72, -0.25), (0.55, 0.24, 0.5))
    round_mouth = step(lips.across.abs(), 2.6, 1.2) * step(lips.along.abs(), 1.7, 1.0) * step(z, 0.1, -0.1)

    dark = each(step(person.melanin, 0.05, 0.18))
    tired = each(chance.uniform("dark circles") ** 2 + 0.15)
    flush = each(chance.normal("flush", 1.0, 0.4).clamp(0.2, 2.2))
    uneven = each(chance.uniform("uneven", 0.2, 0.75)) * (1.0 + 0.3 * each(step(person.age_years, 35.0, 75.0)))
    melanin = uneven * (0.09 * broad + 0.07 * mottle + 0.05 * fine) + (0.10 + 0.25 * dark) * forehead
    melanin = melanin + (0.25 + 0.30 * dark) * tired * sockets + 0.14 * lids + 0.22 * dark * round_mouth - 0.10 * cheeks
    freckled = each(chance.happens("freckled", 0.30) * chance.uniform("freckles", 0.3, 1.0)) * (1.0 - 0.8 * dark)
    where = (0.25 + cheeks + nose + 0.7 * _spot(points, (0.0, -0.1, -0.4), (0.3, 0.2, 0.4)) + 0.4 * forehead).clamp(
        0, 1
    )
    dense = 0.5 + 0.5 * step(noise(chance, "freckle density", points, 5.0), -0.8, 1.2)
    melanin = melanin + 1.0 * freckled * spots(chance, "freckles", chart, 2600, (0.0035, 0.012), where * dense)
    aged = each(step(person.age_years, 48.0, 85.0) * chance.uniform("age spots", 0.2, 1.0))
    melanin = melanin + 0.6 * aged * spots(chance, "age spots", chart, 90, (0.010, 0.035), torch.ones_like(y[0]))
    count = each(4.5 * chance.uniform("mole count") ** 2)
    for mole in range(_MOLES):
        spot = torch.stack([chance.uniform(f"mole {mole} {axis}", -h, h) for axis, h in (("x", 0.9), ("y", 0.75))], -1)
        spot = torch.stack([spot[:, 0] * 0.6, spot[:, 1] + 0.05], -1)
        away = torch.hypot(points[..., 0] - each(spot[:, 0]), y - each(spot[:, 1]))
        size = each(chance.uniform(f"mole {mole} size", 0.0055, 0.0145))
        melanin = melanin + each(chance.uniform(f"mole {mole} depth", 0.6, 1.7)) * (count > mole) * torch.exp(
            -((away / size) ** 4)
        ) * step(z, 0.3, 0.0) * (1 - lip)

    blood = flush * (0.55 * cheeks + 0.60 * nose + 0.65 * wings + 0.35 * chin + 0.6 * ears + 0.25 * lids)
    blood = blood + 0.25 * tired * sockets + uneven * (0.13 * mottle + 0.10 * broad + 0.11 * fine)
    # colour gathers in pores and round hairs
    melanin, blood = melanin + 0.030 * pores - 0.10 * ridge, blood + 0.05 * pores - 0.22 * ridge
    blemish = each(chance.happens("blemished", 0.3) * chance.uniform("blemishes", 0.3, 1.0))
    blood = blood + 0.7 * blemish * spots(chance, "blemishes", chart, 60, (0.010, 0.022), torch.ones_like(y[0]))
    veins = each(step(person.age_years, 40.0, 75.0)) * (cheeks + nose + wings)
    blood = blood + 0.3 * veins * step(noise(chance, "vein places", points, 20.0, 2).abs(), 0.18, 0.0)

    smooth = each(chance.happens("foundation", 0.30 * (1.0 - person.male)) * chance.uniform("cover", 0.4, 0.85))
    melanin, blood = melanin * (1.0 - smooth), blood * (1.0 - smooth)
    # below the chart its lowest row goes on: what varies along it would be drawn out into streaks
    whole = step(y, 1.43, 1.22)
    melanin, blood = melanin * whole, blood * whole
    base_melanin = each(person.melanin.log())
    base_blood = each(chance.normal("blood", -4.25, 0.28))
    creases = noise(chance, "lip lines", torch.stack([lips.along * 0.25, 0.12 * y, 0 * y], -1), 60.0, 2)
    lip_blood = each(chance.normal("lip blood", -2.55, 0.22)) + 0.14 * creases + 0.10 * mottle
    lip_melanin = base_melanin * 0.86 + 0.14 * -3.9 + each(chance.normal("lip melanin", -0.15, 0.25)) + 0.06 * creases
    lip_melanin = lip_melanin + dark * 0.30 * step(lips.across, 0.0, 0.7)  # a dark upper lip is darker than the lower
    seam = step(lips.across.abs(), 0.22, 0.0) * lip
    total_melanin = base_melanin + melanin + soft_lip * (lip_melanin - base_melanin - melanin)
    total_blood = base_blood + blood + soft_lip * (lip_blood + 0.25 * seam - base_blood - blood)

    skin = skin_rgb(total_melanin.exp(), total_blood.exp())
    # the line where shut lips meet lets no light out
    skin = skin * (1 - 0.62 * lip * torch.exp(-((lips.across / 0.075) ** 2)))[..., None]
    skin = _make_up(skin, points, lip, lips.across, chance, person)
    shaved = each(
        chance.uniform("shadow", 0.0, 1.0) ** 1.5 * step(person.male, 0.4, 0.8) * step(person.age_years, 15.0, 22.0)
    )
    area = shaved * beard_area(points, lips.across, lips.along)
    cut = stubble(chance, chart, 36.0, chance.uniform("stubble length", 0.004, 0.012), 0.2)
    # the hairs themselves, and what shows of them through the skin
    shadow = area * (2.2 * cut + 0.18 * (1.0 + 0.2 * mottle)).clamp(0, 1)
    blue_grey = person.hair * 0.8 + 0.02 * torch.tensor([0.8, 1.0, 1.15], device=skin.device)
    skin = skin + shadow[..., None] * (each(blue_grey) * 0.6 + 0.20 * skin - skin)
    brows = brow_cover(points, chart.landmarks, chance, Brows.of(chance, person.male, person.age_years))
    brow_colour = each(person.hair * 0.85)
    skin = skin + brows[..., None] * (brow_colour - skin)

    shine = forehead + 1.2 * nose + 0.5 * chin + 0.5 * cheeks
    oil = each(chance.uniform("oil", 0.1, 1.0)) * (1.0 - 0.7 * smooth)
    roughness = 0.47 - 0.08 * shine.clamp(0, 1) * oil + (0.02 * mottle - 0.015 * fine) * whole
    wet = each(chance.uniform("lip wetness", 0.0, 1.0))
    # the lips' inner halves stay moist; dry lips shine in the creases' ridges only
    moist = step(lips.across.abs(), 0.75, 0.15) * (0.35 + 0.65 * wet)
    roughness = roughness + lip * (0.40 - 0.12 * wet - 0.12 * moist - roughness)
    oily = (0.40 + 0.65 * oil * shine.clamp(0, 1)) * (1 + (0.20 * fine - 0.30 * pores) * whole).clamp(0.15, 2)
    gloss = oily * (1 - lip) + lip * (0.30 + 0.50 * wet + 0.35 * moist) * (1 - 0.18 * creases).clamp(0.3, 1.6)
    gloss = gloss * (1.0 - 0.9 * brows) * (1.0 - 0.5 * shadow)
    return SkinTextures(
        skin.permute(0, 3, 1, 2).contiguous(),
        roughness.clamp(0.15, 0.7),
        gloss.clamp(0.0, 1.3),
        lip,
        torch.maximum(brows, shadow),
        relief(chart, chance, person.age_years, pores),
    )


def _make_up(skin: Tensor, points: Tensor, lip: Tensor, across: Tensor, chance: Chance, person: Person) -> Tensor:
    """Skin (B, T, T, 3) with lipstick, rouge, shadow over the eyes and a line along the lids."""
    wearing = 1.0 - 0.97 * person.male
    sticks = torch.tensor(
        [[0.42, 0.035, 0.05], [0.50, 0.16, 0.15], [0.30, 0.05, 0.06], [0.55, 0.20, 0.22], [0.28, 0.09, 0.07]],
        device=skin.device,
    )
    stick = each(sticks[chance.pick("lipstick", (1, 2, 1, 2, 1))] * chance.uniform("stick depth", 0.7, 1.1)[:, None])
    amount = each(chance.happens("wears lipstick", 0.35 * wearing) * chance.uniform("stick cover", 0.35, 0.85))
    skin = skin + (amount * lip)[..., None] * (stick * (skin.mean(-1, keepdim=True) * 2.4 + 0.35) - skin)
    rouge = each(chance.happens("rouge", 0.3 * wearing) * chance.uniform("rouge cover", 0.1, 0.35))
    rouge = rouge * _spot(points, (0.46, 0.08, 0.0), (0.17, 0.13, 0.3))
    skin = skin * (1 - rouge[..., None] * torch.tensor([0.05, 0.5, 0.42], device=skin.device))
    shadows = torch.tensor([[0.10, 0.06, 0.04], [0.12, 0.10, 0.10], [0.16, 0.08, 0.07], [0.05, 0.05, 0.06]])
    shadow = each(shadows.to(skin.device)[chance.pick("eye shadow", (2, 1, 1, 1))])
    cover = each(chance.happens("eye shadow", 0.35 * wearing) * chance.uniform("shadow cover", 0.15, 0.6))
    cover = cover * _spot(points, (0.32, -0.31, -0.18), (0.15, 0.05, 0.2))
    return skin + cover[..., None] * (shadow - skin)
