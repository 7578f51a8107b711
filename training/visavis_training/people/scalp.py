"""Places of the scalp where hair can grow, the same for everybody, most spread out first.

Found once for a mesh. Knows nothing of who has hair there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from visavis_training.people.anatomy import REGIONS, Anatomy
from visavis_training.people.chance import step
from visavis_training.people.hairdo import PARTS
from visavis_training.people.hairline import SCALP_ABOVE_DM, Hairline, azimuth
from visavis_training.people.head_shell import MIDDLE

__all__ = ["PARTS", "Scalp"]

ROOTS = 6144
_LEADERS = (48, 192, 768)


@dataclass(frozen=True, slots=True)
class Scalp:
    """Places where hair can grow, most spread out first; the same for everybody.

    `corners` int64 (R, 3) and `weights` (R, 3) on the mesh; `canonical` (R, 3); `parts` (R, 4) shares of `PARTS`;
    `near` int64 (R, 3): how far down the list each root's nearest of the first 48, 192 and 768 roots stands.
    """

    corners: Tensor
    weights: Tensor
    canonical: Tensor
    parts: Tensor
    near: Tensor
    area: float
    """Of the part of the scalp that roots lie on, square dm."""

    def only(self, upper: bool) -> Scalp:
        """The roots of the top and the fringe, or those of the sides and the back."""
        chosen = (self.parts[:, :2].sum(1) > 0.5) == upper
        places = self.canonical[chosen]
        near = _near(places.cpu().numpy())
        share = len(places) / len(self.canonical)
        return Scalp(
            self.corners[chosen],
            self.weights[chosen],
            places,
            self.parts[chosen],
            torch.from_numpy(near).to(places.device),
            self.area * share,
        )

    @classmethod
    def of(cls, anatomy: Anatomy) -> Scalp:
        """Spread roots over the base mesh's scalp; some seconds."""
        wanted = anatomy.region.new_tensor([REGIONS.index("skin"), REGIONS.index("neck")])
        triangles = anatomy.triangles[torch.isin(anatomy.region, wanted)].cpu().numpy()
        base = anatomy.base.cpu().numpy().astype(np.float64)
        middle = base[triangles].mean(1)
        nobody = Hairline(*(torch.full((1,), v) for v in (0.13, 0.08, 0.0, 0.45, 0.12, 0.0, 0.0, 0.0)))
        outer = ((middle - np.array(MIDDLE)) * _outward(base, triangles)).sum(1) > 0
        inside = nobody.inside(torch.from_numpy(middle).float()[None])[0].numpy() > -0.05
        triangles = triangles[inside & outer & (middle[:, 1] < SCALP_ABOVE_DM)]
        a, b, c = base[triangles].transpose(1, 0, 2)
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        chance = np.random.default_rng(4)
        # the front, where pictures look, gets more
        facing = 1.0 + 0.6 * (base[triangles].mean(1)[:, 2] < 0.5)
        share = area * facing
        many = ROOTS * 3
        chosen = chance.choice(len(triangles), many, p=share / share.sum())
        u, v = chance.random((2, many))
        u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
        weights = np.stack([1 - u - v, u, v], 1)
        places = (base[triangles[chosen]] * weights[..., None]).sum(1)
        order = spread(places, facing[chosen] ** 0.5, ROOTS)
        chosen, weights, places = chosen[order], weights[order], places[order]
        near = _near(places)
        device = anatomy.device
        canonical = torch.from_numpy(places).float().to(device)
        return cls(
            torch.from_numpy(triangles[chosen]).long().to(device),
            torch.from_numpy(weights).float().to(device),
            canonical,
            part_shares(canonical),
            torch.from_numpy(near).to(device),
            5.0,
        )


def _outward(base: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = base[triangles].transpose(1, 0, 2)
    return np.asarray(np.cross(b - a, c - a))


def spread(places: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
    """Indices so that each next place is the farthest from those before it, by distance times weight."""
    order = np.zeros(count, np.int64)
    away = np.full(len(places), np.inf)
    for i in range(1, count):
        away = np.minimum(away, np.linalg.norm(places - places[order[i - 1]], axis=1))
        order[i] = int(np.argmax(away * weight))
    return order


def _near(places: np.ndarray) -> np.ndarray:
    """int64 (R, 3): for each place the nearest of the first few, some and many."""
    columns = []
    for leaders in _LEADERS:
        away = np.linalg.norm(places[:, None] - places[None, :leaders], axis=-1)
        columns.append(away.argmin(1))
    return np.stack(columns, 1)


def part_shares(canonical: Tensor) -> Tensor:
    """(..., 4) shares of `PARTS` at canonical points (..., 3), summing to 1."""
    y, z = canonical[..., 1], canonical[..., 2]
    around = torch.rad2deg(azimuth(canonical))
    above = step(y, -0.80, -1.02)
    fringe = step(z, 0.30, 0.02) * step(around, 62.0, 46.0) * step(y, -0.70, -0.84)
    top = above * (1 - fringe)
    back = (1 - above) * (1 - fringe) * step(around, 108.0, 135.0)
    side = (1 - above) * (1 - fringe) - back
    shares = torch.stack([fringe, top, side, back], -1).clamp(min=0)
    return shares / shares.sum(-1, keepdim=True)
