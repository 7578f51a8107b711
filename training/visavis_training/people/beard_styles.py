"""Where beards grow and which ones men wear, by age and origin, each varied by the person's seed.

Told by places on the base mesh, alike on both sides. Knows nothing of strands or colours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from visavis_training.people.chance import Chance, noise, step

PARTS = ("moustache", "under lip", "chin", "cheeks", "neck")


@dataclass(frozen=True, slots=True)
class Style:
    """A beard; lengths in dm by `PARTS`, 0 where it is shaved. `share` of men, `years` from which it is usual."""

    name: str
    share: float
    years: float
    length: tuple[float, float, float, float, float]


STYLES: tuple[Style, ...] = (
    Style("shaven", 58.0, 0.0, (0.0, 0.0, 0.0, 0.0, 0.0)),
    Style("moustache", 4.0, 24.0, (0.09, 0.0, 0.0, 0.0, 0.0)),
    Style("long moustache", 1.2, 30.0, (0.15, 0.0, 0.0, 0.0, 0.0)),
    Style("goatee", 4.0, 20.0, (0.0, 0.06, 0.13, 0.0, 0.0)),
    Style("circle", 6.0, 20.0, (0.07, 0.05, 0.10, 0.0, 0.0)),
    Style("van dyke", 1.2, 28.0, (0.13, 0.07, 0.24, 0.0, 0.0)),
    Style("short", 13.0, 19.0, (0.05, 0.045, 0.055, 0.045, 0.03)),
    Style("full", 8.0, 22.0, (0.10, 0.09, 0.17, 0.12, 0.08)),
    Style("bushy", 4.0, 26.0, (0.13, 0.13, 0.38, 0.24, 0.15)),
    Style("long", 1.6, 32.0, (0.15, 0.18, 0.95, 0.45, 0.25)),
    Style("strap", 1.6, 18.0, (0.0, 0.0, 0.05, 0.0, 0.04)),
)
STYLE_NAMES = tuple(style.name for style in STYLES)


def part_shares(canonical: Tensor) -> Tensor:
    """(..., 5) how much canonical points (..., 3) of the skin belong to each of `PARTS`, 0..1 each."""
    x, y, z = canonical[..., 0].abs(), canonical[..., 1], canonical[..., 2]
    # from under the nose to the lip, and down past the mouth's corners
    moustache = step(y, 0.255, 0.285) * step(x, 0.335, 0.29) * step(y, 0.47, 0.43) * step(z, 0.0, -0.1)
    moustache = moustache * step(y - 0.28 - 0.55 * (x - 0.16).clamp(min=0), 0.0, 0.03)
    under_lip = step(x, 0.085, 0.055) * step(y, 0.555, 0.58) * step(y, 0.70, 0.66) * step(z, 0.0, -0.1)
    beside_mouth = step(x, 0.255, 0.285) * step(x, 0.40, 0.36) * step(y, 0.40, 0.45) * step(z, 0.05, -0.02)
    chin = step(x, 0.30, 0.24) * step(y, 0.645, 0.685) * step(z, 0.16, 0.05) * step(y, 1.0, 0.9)
    line = 0.02 + 1.02 * (0.70 - x).clamp(min=0)
    cheeks = step(y - line, 0.0, 0.07) * step(z, 0.48, 0.42) * step(y, 0.95, 0.84)
    cheeks = cheeks * torch.maximum(step(x, 0.24, 0.30), step(y, 0.66, 0.70))
    sideburn = step(x, 0.60, 0.64) * step(z, 0.16, 0.24) * step(z, 0.48, 0.42) * step(y, -0.22, -0.16)
    cheeks = torch.maximum(cheeks, sideburn)
    neck = step(y, 0.80, 0.88) * step(y, 1.10, 0.95) * step(z, 0.62, 0.45) * step(x, 0.66, 0.58)
    neck = torch.maximum(neck, step(y - 0.55 - 0.35 * (0.6 - x), 0.0, 0.05) * step(z, 0.50, 0.36) * step(x, 0.30, 0.42))
    chin = torch.maximum(chin, 0.9 * beside_mouth * step(y, 0.45, 0.52))
    return torch.stack([moustache, under_lip, chin, cheeks, neck], -1)


@dataclass(frozen=True, slots=True)
class Beard:
    """Beards of B people.

    `style` int64 (B,) rows of `STYLES`; float32 `length` (B, 5) dm by `PARTS`; `thick` (B,) 0..1; `chance` theirs.
    """

    style: Tensor
    length: Tensor
    thick: Tensor
    chance: Chance

    @classmethod
    def of(cls, chance: Chance, age_years: Tensor, male: Tensor, origins: Tensor) -> Beard:
        """As men of this age (B,) and these origins (B, 3) wear them."""
        device = age_years.device
        share = torch.tensor([s.share for s in STYLES], device=device)
        years = torch.tensor([s.years for s in STYLES], device=device)
        grown = torch.sigmoid((age_years[:, None] - years - 1) / 2.0)
        grown = torch.where(years > 0, grown * (1 - 0.45 * origins[:, 1:2]), torch.ones_like(grown))
        edges = (share * grown).cumsum(1)
        style = (edges < chance.uniform("beard")[:, None] * edges[:, -1:]).sum(1).clamp(max=len(STYLES) - 1)
        style = torch.where(male > 0.75, style, torch.zeros_like(style))
        length = torch.tensor([s.length for s in STYLES], device=device)[style]
        length = length * chance.normal("beard length", 0.0, 0.22).exp()[:, None]
        length = length * chance.normal("beard lengths", 0.0, 0.15, len(PARTS)).exp()
        thick = (chance.uniform("beard thick", 0.6, 1.0) - 0.25 * origins[:, 1]).clamp(0.35, 1.0)
        return cls(style, length, thick, chance)

    def rows(self, index: Tensor) -> Beard:
        """People `index` (N,)."""
        return Beard(self.style[index], self.length[index], self.thick[index], Chance(self.chance.seeds[index]))

    @property
    def worn(self) -> Tensor:
        """Bool (B,): who has a beard that is more than stubble."""
        return self.style > 0

    def density(self, canonical: Tensor) -> Tensor:
        """(B, S) 0..1 share of hairs that are left to grow at canonical points (1, S, 3) of the skin."""
        shares = part_shares(canonical) * (self.length[:, None] > 0)
        patchy = 1 + 0.35 * (1 - self.thick[:, None]) * noise(self.chance, "beard patches", canonical, 5.0, 2)
        return (shares.amax(-1) * (0.45 + 0.55 * self.thick[:, None]) * patchy).clamp(0, 1)
