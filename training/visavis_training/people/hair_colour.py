"""The colour of hair from its pigments, through published absorption; grey, lightened and dyed hair among them.

Absorption of eumelanin and pheomelanin: d'Eon, Francois, Hill, Letteri and Aubry, "An Energy-Conserving Hair
Reflectance Model" (EGSR 2011). What a mass of such hair reflects: the fit of Chiang, Bitterli, Tappan and Burley,
"A Practical and Controllable Hair and Fur Model for Production Path Tracing" (2016). Knows nothing of strands.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from visavis_training.people.chance import Chance, step

EUMELANIN = (0.419, 0.697, 1.37)
PHEOMELANIN = (0.187, 0.4, 1.05)
"""Absorption of red, green and blue by a unit of each pigment, per radius of a hair."""
_ROUGHNESS = 0.5
"""Azimuthal roughness of a usual hair; how a mass of hair reflects depends on it."""
_WHITE = (0.70, 0.66, 0.58)
_LIGHTEST, _BLACKEST = 0.035, 7.0


def hair_rgb(eumelanin: Tensor, pheomelanin: Tensor) -> Tensor:
    """Linear sRGB (..., 3) that much hair with these amounts (...) of pigment reflects.

    Such that hair has the lightness that is measured, black has 2 of eumelanin and more, brown 0.4, blond 0.1; red hair
    0.1 and 0.6 of pheomelanin.
    """
    dark, red = eumelanin.new_tensor(EUMELANIN), eumelanin.new_tensor(PHEOMELANIN)
    absorbed = eumelanin[..., None] * dark + pheomelanin[..., None] * red
    b = _ROUGHNESS
    depth = 5.969 - 0.215 * b + 2.532 * b**2 - 10.73 * b**3 + 5.574 * b**4 + 0.245 * b**5
    inside = torch.exp(-absorbed.sqrt() * depth)
    white = eumelanin.new_tensor(_WHITE)
    # a little comes off every hair's own surface, whatever its pigment
    return inside * white + 0.012


@dataclass(frozen=True, slots=True)
class HairColour:
    """Of B people; linear sRGB (B, 3): `pigment` of hair with melanin, `root` where it grows out, `tip` at its ends.

    `white` (B,) share of hairs without pigment; `mean` (B, 3) what brows and beards look like from afar.
    """

    pigment: Tensor
    root: Tensor
    tip: Tensor
    white: Tensor
    mean: Tensor

    @classmethod
    def of(cls, chance: Chance, age_years: Tensor, male: Tensor, origins: Tensor, melanin: Tensor) -> HairColour:
        """As people of this age (B,), sex (B,), origins (B, 3) and skin (melanin (B,), `Person.melanin`) have it."""
        dark_skin = step(melanin.log(), -3.9, -2.9)
        european = origins[:, 2] * (1 - dark_skin)
        kind = chance.pick("hair kind", (0.30, 0.30, 0.20, 0.13, 0.07))  # black-brown, brown, light, blond, red
        eu_of = torch.tensor([0.78, 0.42, 0.23, 0.085, 0.08], device=kind.device)[kind]
        pheo_of = torch.tensor([0.03, 0.05, 0.05, 0.02, 0.60], device=kind.device)[kind]
        light = chance.uniform("light hair") < european
        eumelanin = torch.where(light, eu_of, torch.full_like(eu_of, 4.5))
        eumelanin = (eumelanin * chance.normal("eumelanin", 0.0, 0.33).exp()).clamp(_LIGHTEST, _BLACKEST)
        pheomelanin = torch.where(light, pheo_of, torch.full_like(pheo_of, 0.12))
        pheomelanin = pheomelanin * chance.normal("pheomelanin", 0.0, 0.3).exp()
        natural = hair_rgb(eumelanin, pheomelanin)
        # half of people are half grey at fifty-odd; the start lies fifteen years to either side
        white = step(age_years + chance.normal("greying", 0.0, 9.0), 34.0, 78.0) ** 1.3
        # sun and washing bleach tips
        tip = hair_rgb(eumelanin * 0.72, pheomelanin * 0.85)
        hides_grey = chance.uniform("dyes grey") < (0.5 * (1 - male) + 0.04) * step(age_years, 82.0, 55.0)
        white = torch.where(hides_grey, white * 0.06, white)
        lightens = chance.happens("lightens", 0.16) * (1 - male).round() * step(eumelanin, 3.0, 2.0)
        bleached = hair_rgb((eumelanin * 0.22).clamp(min=0.06), pheomelanin + 0.06)
        tip = tip + (lightens * chance.uniform("lightening", 0.35, 1.0))[:, None] * (bleached - tip)
        pigment, root = natural, natural
        dye = _dyes(chance)
        dyed = (chance.happens("dyed", 0.035) * step(age_years, 60.0, 35.0))[:, None]
        pigment, tip = pigment + dyed * (dye - pigment), tip + dyed * (dye - tip)
        white = white * (1 - dyed[:, 0])
        mean = natural + white[:, None] * 0.8 * (natural.new_tensor(_WHITE) - natural)
        return cls(pigment, root, tip, white, mean)

    def rows(self, index: Tensor) -> HairColour:
        """People `index` (N,)."""
        return HairColour(*(getattr(self, name)[index] for name in self.__slots__))


def _dyes(chance: Chance) -> Tensor:
    """(B, 3) colours that are sold: burgundy, copper, platinum, pink, blue, violet, green."""
    table = torch.tensor(
        [[0.13, 0.012, 0.022], [0.40, 0.10, 0.025], [0.62, 0.58, 0.48], [0.62, 0.16, 0.30], [0.04, 0.10, 0.34],
         [0.16, 0.06, 0.30], [0.05, 0.20, 0.12]], device=chance.seeds.device,
    )  # fmt: skip
    return table[chance.pick("dye", (0.25, 0.2, 0.2, 0.13, 0.09, 0.09, 0.04))]


def white_hair(like: Tensor) -> Tensor:
    """(3,) linear sRGB of hair without pigment."""
    return like.new_tensor(_WHITE)
