"""Where hair grows on the scalp: over the forehead, round the ears down to the nape, thinning and receding with age.

Everything is told by places on the base mesh (`Anatomy.canonical`), alike on both sides. Knows nothing of strands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from visavis_training.people.chance import Chance, each, step
from visavis_training.people.head_shell import MIDDLE

_KNOTS_DEG = (0.0, 14.0, 28.0, 40.0, 50.0, 59.0, 66.0, 70.0, 77.0, 82.0, 92.0, 104.0, 111.0, 118.0, 130.0, 150.0, 180.0)
_FOREHEAD, _TEMPLE_Y, _OVER_EAR_Y = -0.97, -0.50, -0.33
_CROWN = (0.0, -1.33, 0.98)
SCALP_ABOVE_DM = 0.72
"""No hair of the head grows lower than this (canonical y)."""


def azimuth(points: Tensor) -> Tensor:
    """(...) angle of canonical points (..., 3) round the head, 0 in front, pi at the back, radians."""
    return torch.atan2(points[..., 0].abs(), MIDDLE[2] - points[..., 2])


@dataclass(frozen=True, slots=True)
class Hairline:
    """Hairlines of B people; float32 (B,) each, lengths in dm.

    `rise` of the forehead's line over the usual; `peak` how far its middle reaches down; `recession` 0..1 of the
    temples; `sideburn` how far it reaches below the top of the ear; `nape` lower by this; `crown` radius of a bald
    spot; `bare` 0..1 how much of the top is lost; `thin` 0..1 how sparse the top is.
    """

    rise: Tensor
    peak: Tensor
    recession: Tensor
    sideburn: Tensor
    nape: Tensor
    crown: Tensor
    bare: Tensor
    thin: Tensor

    @classmethod
    def of(cls, chance: Chance, age_years: Tensor, male: Tensor, origins: Tensor) -> Hairline:
        """As age and sex make them.

        Half of all men recede by fifty and most by seventy, men of European descent earliest; women's hair thins on
        top, later and less.
        """
        fate = chance.uniform("baldness") + 0.12 * origins[:, 2] - 0.10 * origins[:, 0] - 0.06 * origins[:, 1]
        onset = 19.0 + 58.0 * (1.0 - fate).clamp(0.0, 1.2)
        loss = ((age_years - onset) / 27.0).clamp(0.0, 1.0) * male
        front_first = chance.uniform("bald pattern")
        recession = (loss * 1.8 * (0.4 + 0.6 * front_first)).clamp(0.0, 1.0)
        recession = torch.maximum(recession, 0.35 * chance.uniform("temples") * male)
        crown = (loss * 1.9 - 0.45).clamp(0.0, 1.0) * (1.2 - 0.6 * front_first) * 0.85
        bare = step(loss * 1.6 - 0.55 * (1 - fate.clamp(0, 1)), 0.55, 0.85)
        woman_thin = ((age_years - 48.0) / 40.0).clamp(0.0, 1.0) * chance.uniform("thinning", 0.0, 0.6)
        return cls(
            rise=chance.normal("hairline", 0.0, 0.035) + 0.05 * recession,
            peak=chance.uniform("widow's peak") ** 3 * 0.09,
            recession=recession,
            sideburn=0.12 + 0.28 * male * chance.uniform("sideburn") + 0.05 * chance.uniform("sideburn woman"),
            nape=chance.normal("nape", 0.0, 0.05),
            crown=crown,
            bare=bare,
            thin=torch.maximum(woman_thin, 0.5 * loss),
        )

    def rows(self, index: Tensor) -> Hairline:
        """People `index` (N,)."""
        return Hairline(*(getattr(self, name)[index] for name in self.__slots__))

    def _heights(self) -> Tensor:
        """(B, knots) y of the line at each knot."""
        top = _FOREHEAD - self.rise
        lost = self.recession
        nil = torch.zeros_like(top)
        ear, burn = nil + _OVER_EAR_Y, self.sideburn
        columns = (
            top + self.peak, top - 0.10 * lost**2, top + 0.03 - 0.30 * lost, top + 0.11 - 0.30 * lost,
            nil - 0.72 - 0.14 * lost, nil + _TEMPLE_Y - 0.06 * lost, nil + _TEMPLE_Y + 0.08, ear + 0.5 * burn,
            ear + 0.04 + burn, ear + 0.02 + 0.6 * burn, ear - 0.01, ear + 0.02, ear + 0.30, nil + 0.24,
            nil + 0.38 + self.nape, nil + 0.47 + self.nape, nil + 0.50 + self.nape,
        )  # fmt: skip
        return torch.stack(columns, 1)

    def inside(self, canonical: Tensor) -> Tensor:
        """How far points lie within the hairline, dm, negative outside; bald spots count as outside.

        Args:
            canonical: float32 (1 or B, ..., 3).

        Returns:
            float32 (B, ...).
        """
        heights = self._heights()
        people = heights.shape[0]
        flat = canonical.reshape(canonical.shape[0], -1, 3)
        knots = torch.tensor(_KNOTS_DEG, device=canonical.device) * (math.pi / 180)
        angle = azimuth(flat)
        right = torch.searchsorted(knots, angle.contiguous(), right=True).clamp(1, len(_KNOTS_DEG) - 1)
        share = ((angle - knots[right - 1]) / (knots[right] - knots[right - 1])).expand(people, -1)
        right = right.expand(people, -1)
        low, high = heights.gather(1, right - 1), heights.gather(1, right)
        line = low + share * (high - low)
        slope = (high - low) / ((knots[1:] - knots[:-1])[right - 1] * 0.72)
        inside = (line - flat[..., 1]) / (1 + slope.square()).sqrt()
        spot = (flat - flat.new_tensor(_CROWN)).norm(dim=-1) - self.crown[:, None]
        inside = torch.where(self.crown[:, None] > 0.02, torch.minimum(inside, spot), inside)
        # a bare top leaves a wreath round the sides and back
        wreath = flat[..., 1] + 0.90 - 0.18 * step(flat[..., 2], 0.5, 1.2)
        lost = torch.minimum(inside, wreath)
        inside = inside + self.bare[:, None] * (lost - inside)
        return inside.reshape(people, *canonical.shape[1:-1])

    def density(self, canonical: Tensor, edge_dm: float = 0.07) -> Tensor:
        """(B, ...) 0..1 share of hairs that grow at canonical points (1 or B, ..., 3)."""
        border = step(self.inside(canonical), -0.35 * edge_dm, edge_dm)
        top = step(canonical[..., 1], -0.85, -1.15)
        return border * (1.0 - 0.75 * each(self.thin, canonical.ndim - 2) * top)
