"""Which hats people wear, where they sit, and what hair they hide.

Told by places on the base mesh. Knows nothing of meshes or light.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from visavis_training.people.chance import Chance, each, step
from visavis_training.people.hairline import azimuth
from visavis_training.people.head_shell import HeadShell

HATS = ("none", "cap", "beanie", "brimmed", "headscarf")
_SHARES_WOMEN, _SHARES_MEN = (87.0, 2.0, 3.0, 3.0, 5.0), (85.0, 7.5, 5.0, 2.5, 0.0)
_RIMS = {  # canonical y of the rim in front, at the temples, over the ears, behind them and at the nape
    "none": (-9.0, -9.0, -9.0, -9.0, -9.0),
    "cap": (-0.84, -0.76, -0.56, -0.42, -0.28),
    "beanie": (-0.78, -0.60, -0.26, 0.0, 0.10),
    "brimmed": (-0.84, -0.78, -0.60, -0.46, -0.34),
    "headscarf": (-0.84, 1.0, 2.0, 2.0, 2.0),
}
_RIM_DEG = (0.0, 55.0, 92.0, 125.0, 180.0)
OFFSET_DM = {"none": 0.0, "cap": 0.06, "beanie": 0.08, "brimmed": 0.06, "headscarf": 0.05}
"""How far a hat lies over the skin."""


@dataclass(frozen=True, slots=True)
class Hat:
    """Hats of B people: `kind` int64 (B,) rows of `HATS`; `low` (B,) dm by which each is drawn farther down."""

    kind: Tensor
    low: Tensor

    @classmethod
    def of(cls, chance: Chance, male: Tensor, may: Tensor) -> Hat:
        """Random hats; `may` bool (B,): whose hair goes under one."""
        man = male > 0.5
        shares = [chance.pick("hat", _SHARES_WOMEN), chance.pick("hat", _SHARES_MEN)]
        kind = torch.where(man, shares[1], shares[0])
        scarf = HATS.index("headscarf")
        kind = torch.where(may | (kind == scarf), kind, torch.zeros_like(kind))
        return cls(kind, chance.normal("hat low", 0.0, 0.03))

    def rows(self, index: Tensor) -> Hat:
        """People `index` (N,)."""
        return Hat(self.kind[index], self.low[index])

    @property
    def scarf(self) -> Tensor:
        """Bool (B,): who wears a headscarf, under which no hair shows."""
        return self.kind == HATS.index("headscarf")

    def rim(self, angle: Tensor) -> Tensor:
        """(B, S) canonical y of the rim at angles (B, S) from the front, radians, 0 to pi."""
        table = torch.tensor([_RIMS[name] for name in HATS], device=angle.device)[self.kind] + self.low[:, None]
        knots = torch.tensor(_RIM_DEG, device=angle.device) * (math.pi / 180)
        right = torch.searchsorted(knots, angle.contiguous()).clamp(1, len(_RIM_DEG) - 1)
        share = (angle - knots[right - 1]) / (knots[right] - knots[right - 1])
        share = share * share * (3 - 2 * share)
        low, high = table.gather(1, right - 1), table.gather(1, right)
        return low + share * (high - low)

    def offset(self) -> Tensor:
        """(B,) dm."""
        return torch.tensor([OFFSET_DM[name] for name in HATS], device=self.kind.device)[self.kind]

    def pressed(self, shell: HeadShell, strands: Tensor) -> tuple[Tensor, Tensor]:
        """Strands (B, S, K, 3) with what lies under the hat pressed to the skin, and whether each shows (B, S)."""
        people, count, points = strands.shape[:3]
        flat = strands.reshape(people, -1, 3)
        over = shell.canonical(flat)
        under = step(over[..., 1] - self.rim(azimuth(over)), 0.06, -0.02) * (self.kind > 0)[:, None]
        skin, own = shell.skin_radius(flat)
        most = skin + 0.5 * each(self.offset(), 1)
        kept = own + under * (torch.minimum(own, most) - own)
        away = flat - shell.middle[:, None]
        pressed = shell.middle[:, None] + away * (kept / own.clamp(min=1e-3))[..., None]
        covered = (under > 0.5).reshape(people, count, points).all(2) | self.scarf[:, None]
        return pressed.reshape(strands.shape), ~covered
