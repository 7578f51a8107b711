"""The outside of heads and shoulders as maps that hair and hats are kept out of, for many people at once.

A head is a distance from its middle in every direction; shoulders are a height under every place. Both are read from
drawings of the person's own relaxed mesh, so that they cost little and fit anybody. Knows nothing of hair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.anatomy import REGIONS, Anatomy
from visavis_training.people.rasteriser import as_triangles, interpolate, rasterise

MIDDLE = (0.0, -0.40, 0.62)
"""Of the base mesh's skull, dm: where directions start."""
LEAST_OVER_SKIN_DM = 0.012
"""Hair stays at least so far out."""
_SKULL_ABOVE = -0.35
_HEAD_ABOVE = 1.05
_SHOULDERS_BELOW = 0.85
_WIDEST_RAD = 0.93 * math.pi
_MAP_PX, _SHOULDER_PX = 160, 96
_SHOULDER_X, _SHOULDER_Z = (-2.6, 2.6), (-1.6, 2.8)
_NO_SHOULDER_DM = 9.0
_BROWS = (105, 334, 66, 296, 107, 336)


@dataclass(frozen=True, slots=True)
class Topology:
    """Which parts of the mesh matter here; the same for everybody.

    `skull` int64 (n,) vertices of the upper head; `head`, `shoulders` int32 (F, 3); `low`, `high` (3,) the box round
    the base mesh's skull.
    """

    skull: Tensor
    head: Tensor
    shoulders: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, anatomy: Anatomy) -> Topology:
        """Of everybody's mesh."""

        def named(*names: str) -> Tensor:
            wanted = anatomy.region.new_tensor([REGIONS.index(name) for name in names])
            rows: Tensor = anatomy.triangles[torch.isin(anatomy.region, wanted)]
            return rows

        outer, y = named("skin", "lips", "ears", "neck"), anatomy.base[:, 1]
        scalp = named("skin").unique()
        skull = scalp[y[scalp] < _SKULL_ABOVE]
        head = outer[(y[outer] < _HEAD_ABOVE).all(1)]
        below = named("neck", "body")
        shoulders = below[(y[below] > _SHOULDERS_BELOW).all(1)]
        corners = anatomy.base[skull]
        return cls(skull, as_triangles(head), as_triangles(shoulders), corners.amin(0), corners.amax(0))


@dataclass(frozen=True, slots=True)
class HeadShell:
    """Heads and shoulders of B people.

    float32: `middle` (B, 3) and `scale` (B, 3), which take a person's skull to the base mesh's; `radius` (B, 1, M, M)
    distance to the outermost skin by direction; `shoulder` (B, 1, N, N) y of the body under each x and z; `brow_y`,
    `chin_y` (B,) dm.
    """

    middle: Tensor
    scale: Tensor
    radius: Tensor
    shoulder: Tensor
    brow_y: Tensor
    chin_y: Tensor

    @classmethod
    def of(cls, anatomy: Anatomy, topology: Topology, neutral: Tensor) -> HeadShell:
        """Of relaxed people `neutral` (B, V, 3), as `Anatomy.shape` makes them."""
        box = neutral[:, topology.skull]
        low, high = box.amin(1), box.amax(1)
        scale = (high - low) / (topology.high - topology.low)
        middle = low + (neutral.new_tensor(MIDDLE) - topology.low) * scale
        away = neutral - middle[:, None]
        place, polar = _chart(away)
        # the pole's surroundings lie all round the chart's rim
        far = torch.where(polar[..., None] < _WIDEST_RAD, place, torch.nan)
        pixels = (far * 0.5 + 0.5) * _MAP_PX
        drawn = rasterise(
            torch.cat([pixels, -away.norm(dim=-1, keepdim=True)], -1), topology.head, _MAP_PX, _MAP_PX,
            perspective=False, near=-1e9,
        )  # fmt: skip
        # reading through the corners' own distances keeps the map as smooth as the mesh
        radius = interpolate(away.norm(dim=-1, keepdim=True), topology.head, drawn)[..., 0]
        radius = torch.where(drawn.mask, radius, torch.zeros_like(radius))
        radius = _filled(radius[:, None])
        span = neutral.new_tensor([_SHOULDER_X[1] - _SHOULDER_X[0], _SHOULDER_Z[1] - _SHOULDER_Z[0]])
        corner = neutral.new_tensor([_SHOULDER_X[0], _SHOULDER_Z[0]])
        flat = (neutral[..., [0, 2]] - middle[:, None, [0, 2]] + middle.new_tensor(MIDDLE)[[0, 2]] - corner) / span
        top = rasterise(
            torch.cat([flat * _SHOULDER_PX, neutral[..., 1:2]], -1), topology.shoulders, _SHOULDER_PX, _SHOULDER_PX,
            perspective=False, near=-1e9,
        )  # fmt: skip
        shoulder = torch.where(top.mask, top.depth, _over_neck(top.depth.shape[-1], neutral.device))[:, None]
        marks = anatomy.marks(neutral)
        return cls(middle, scale, radius, shoulder, marks[:, list(_BROWS), 1].amin(1), marks[:, 152, 1])

    def rows(self, index: Tensor) -> HeadShell:
        """People `index` (N,), in that order."""
        return HeadShell(*(getattr(self, name)[index] for name in self.__slots__))

    def canonical(self, points: Tensor) -> Tensor:
        """(B, ..., 3) places on or over a head as places over the base mesh's: skulls onto one skull."""
        shape = (-1, *(1,) * (points.ndim - 2), 3)
        return (points - self.middle.view(shape)) / self.scale.view(shape) + points.new_tensor(MIDDLE)

    def over_base(self, points: Tensor) -> Tensor:
        """(B, ..., 3) the reverse of `canonical`."""
        shape = (-1, *(1,) * (points.ndim - 2), 3)
        return (points - points.new_tensor(MIDDLE)) * self.scale.view(shape) + self.middle.view(shape)

    def outwards(self, points: Tensor) -> Tensor:
        """(B, S, 3) unit, away from the skull's middle as an ellipsoid's normals point."""
        return functional.normalize((points - self.middle[:, None]) / self.scale[:, None] ** 2, dim=-1)

    def skin_radius(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S) distance of the skin from the middle along the way to points (B, S, 3), and the points' own."""
        away = points - self.middle[:, None]
        place, _ = _chart(away)
        read = functional.grid_sample(self.radius, place[:, None], align_corners=False, padding_mode="border")
        return read[:, 0, 0], away.norm(dim=-1)

    def height(self, points: Tensor) -> Tensor:
        """(B, S) how far points (B, S, 3) lie outside the head, measured from its middle, dm."""
        skin, own = self.skin_radius(points)
        return own - skin

    def kept_out(self, points: Tensor, least: Tensor | float) -> Tensor:
        """(B, S, 3) points (B, S, 3) moved so that they lie at least `least` (B, S) dm over head and shoulders."""
        skin, own = self.skin_radius(points)
        reach = torch.maximum(own, skin + least)
        away = points - self.middle[:, None]
        out = self.middle[:, None] + away * (reach / own.clamp(min=1e-4))[..., None]
        for _ in range(2):  # slopes change on the way out
            out = self._over_shoulders(out, least)
        return out

    def _over_shoulders(self, points: Tensor, least: Tensor | float) -> Tensor:
        origin = self.middle[:, None, [0, 2]] - points.new_tensor([MIDDLE[0], MIDDLE[2]])
        corner = points.new_tensor([_SHOULDER_X[0], _SHOULDER_Z[0]])
        span = points.new_tensor([_SHOULDER_X[1] - _SHOULDER_X[0], _SHOULDER_Z[1] - _SHOULDER_Z[0]])
        place = (points[..., [0, 2]] - origin - corner) / span * 2 - 1
        step = 2.0 / _SHOULDER_PX
        shifts = points.new_tensor([[0.0, 0.0], [step, 0.0], [-step, 0.0], [0.0, step], [0.0, -step]])
        grid = place[:, None] + shifts[None, :, None]
        read = functional.grid_sample(self.shoulder, grid, align_corners=False, padding_mode="border")[:, 0]
        cell = span / _SHOULDER_PX
        slope_x = (read[:, 1] - read[:, 2]) / (2 * cell[0])
        slope_z = (read[:, 3] - read[:, 4]) / (2 * cell[1])
        steep = (slope_x.square() + slope_z.square() + 1).sqrt()
        deep = (points[..., 1] + least - read[:, 0]).clamp(min=0.0)
        # the surface's normal points up and away from it; going along it by the true distance leaves the body
        normal = torch.stack([slope_x, -torch.ones_like(steep), slope_z], -1) / steep[..., None]
        return points + normal * (deep / steep)[..., None]


def _over_neck(size: int, device: torch.device) -> Tensor:
    """(size, size) y where no shoulder is drawn: nothing's, but the neck's where that stands, for it is cut off."""
    x, z = torch.linspace(*_SHOULDER_X, size, device=device), torch.linspace(*_SHOULDER_Z, size, device=device)
    away = ((x / 0.58).square() + ((z[:, None] - 0.80) / 0.52).square()).sqrt()
    # as steep as a cone, so that what is in it leaves sideways
    return torch.where(away < 1, _HEAD_ABOVE - 1.3 * (1 - away), _NO_SHOULDER_DM)


def _chart(away: Tensor) -> tuple[Tensor, Tensor]:
    """Directions (..., 3) laid flat round the crown: (..., 2) in -1..1, and their angle from straight up (...)."""
    level = (away[..., 0].square() + away[..., 2].square()).sqrt()
    polar = torch.atan2(level, -away[..., 1])
    share = polar / (math.pi * level.clamp(min=1e-6))
    return torch.stack([away[..., 0] * share, away[..., 2] * share], -1), polar


def _filled(radius: Tensor) -> Tensor:
    """(B, 1, M, M) with zeros replaced by what is near."""
    weight = (radius > 0).to(radius.dtype)
    total, share = radius * weight, weight
    for _ in range(24):
        total, share = functional.avg_pool2d(total, 3, 1, 1), functional.avg_pool2d(share, 3, 1, 1)
        radius = torch.where((radius > 0) | (share < 1e-6), radius, total / share.clamp(min=1e-6))
    return radius
