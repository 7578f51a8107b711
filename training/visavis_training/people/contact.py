"""Makes lips and lids touch as flesh does: closed lips meet without a gap, and nothing passes through anything.

Lips are shifted, cut by cut, until they are as far apart as the expression asks for, and stop at each other. Lids slide
over the eyeball, whose sphere pushes them out. Batched; knows nothing of who the people are.
"""

from __future__ import annotations

from typing import Any

import torch

from visavis_training.people.eyeball import bulge

Tensor = Any

_UPPER_LIP_SHARE = 0.4
_UPPER_LID_SHARE = 0.86
_LIP_PRESS_DM = 0.012
"""Closed lips are pushed this far into each other and flattened: skin that merely touches shows a slit."""
_PRESS_FADES_DM = 0.02
_LID_PRESS_DM = 0.008
_LID_CLEARANCE_DM = 0.0045
"""Between eyeball and lid: hides the sag of the lid's triangles between their corners."""


class SeamSolver:
    """A `contact_building.Seam` on a device."""

    def __init__(self, arrays: dict[str, Tensor], prefix: str) -> None:
        def of(name: str) -> Tensor:
            return arrays[f"{prefix}_{name}"]

        self.zone, self.column, self.between = of("zone"), of("column"), of("between")
        self.upper_pull, self.lower_pull = of("upper_pull"), of("lower_pull")
        self.upper_stop, self.lower_stop = of("upper_stop"), of("lower_stop")
        self._a, self._b, self._share = of("cut_a"), of("cut_b"), of("cut_share")

    def heights(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K) how far down the upper side reaches and how far up the lower one, of points (B, V, 3)."""
        height = points[..., 1]
        shape = (len(points), *self._a.shape)
        a = height[:, self._a.reshape(-1)].reshape(shape)
        b = height[:, self._b.reshape(-1)].reshape(shape)
        cut = a + (b - a) * self._share
        return cut[:, 0].amax(-1), cut[:, 1].amin(-1)

    def at_vertices(self, values: Tensor, ends: str = "zero") -> Tensor:
        """(B, Z) of values (B, K) at the cuts, straight between them; beyond the outer cuts zero or held."""
        edge = torch.zeros_like(values[:, :1])
        first, last = (edge, edge) if ends == "zero" else (values[:, :1], values[:, -1:])
        padded = torch.cat([first, values, last], 1)
        before = padded[:, self.column]
        return before + (padded[:, self.column + 1] - before) * self.between

    def stopped(self, height: Tensor, upper: Tensor, lower: Tensor) -> Tensor:
        """(B, Z) heights with both sides held at the line where `upper` (B, K) and `lower` meet or would cross."""
        middle = (upper + lower) / 2
        low_limit = self.at_vertices(torch.minimum(upper, middle), "held")
        high_limit = self.at_vertices(torch.maximum(lower, middle), "held")
        height = torch.where(self.upper_stop, torch.minimum(height, low_limit), height)
        return torch.where(self.lower_stop, torch.maximum(height, high_limit), height)


def close_lips(points: Tensor, seam: SeamSolver, gap: Tensor) -> Tensor:
    """Points (B, V, 3) with the lips `gap` (B, K) dm apart at every cut; 0 is shut."""
    zone = points[:, seam.zone]
    upper, lower = seam.heights(points)
    wanted = gap - _LIP_PRESS_DM * torch.exp(-gap / _PRESS_FADES_DM)
    opening = wanted - (lower - upper)
    up, down = -_UPPER_LIP_SHARE * opening, (1 - _UPPER_LIP_SHARE) * opening
    height = zone[..., 1] + seam.at_vertices(up) * seam.upper_pull + seam.at_vertices(down) * seam.lower_pull
    height = seam.stopped(height, upper + up, lower + down)
    moved = torch.stack([zone[..., 0], height, zone[..., 2]], -1)
    return points.index_copy(1, seam.zone, moved)


class LidSolver:
    """One eye's lids on a device."""

    def __init__(self, arrays: dict[str, Tensor], prefix: str) -> None:
        self.seam = SeamSolver(arrays, prefix)
        self.outer, self.neighbours = arrays[f"{prefix}_outer"], arrays[f"{prefix}_neighbours"]

    def __call__(self, points: Tensor, blink: Tensor, centre: Tensor, radius: Tensor, looks: Tensor) -> Tensor:
        """Points (B, V, 3) with the lids closed by `blink` (B,) 0..1 and kept off the eyeball.

        Args:
            points: without any blink of their own.
            blink: 1 is shut.
            centre: (B, 3) of the eyeball.
            radius: (B,) dm.
            looks: (B, 3) unit direction of the pupil.
        """
        seam = self.seam
        upper, lower = seam.heights(points)
        shut = blink[:, None]
        press = _LID_PRESS_DM * shut**4
        opening = (lower - upper).clamp(min=0)
        goal_upper = upper + _UPPER_LID_SHARE * opening * shut + press / 2
        goal_lower = lower - (1 - _UPPER_LID_SHARE) * opening * shut - press / 2
        for _ in range(2):
            zone = points[:, seam.zone]
            upper, lower = seam.heights(points)
            active = (shut > 0).to(points.dtype)
            shift = seam.at_vertices((goal_upper - upper) * active) * seam.upper_pull
            shift = shift + seam.at_vertices((goal_lower - lower) * active) * seam.lower_pull
            moved = self._off_the_ball(self._slid(zone, shift, centre), centre, radius, looks)
            points = points.index_copy(1, seam.zone, moved)
        zone = points[:, seam.zone]
        upper, lower = seam.heights(points)
        height = torch.where(shut > 0, seam.stopped(zone[..., 1], upper, lower), zone[..., 1])
        return points.index_copy(1, seam.zone, torch.stack([zone[..., 0], height, zone[..., 2]], -1))

    @staticmethod
    def _slid(zone: Tensor, shift: Tensor, centre: Tensor) -> Tensor:
        """Moved up or down at the same distance from the eye's horizontal axis."""
        from_axis = zone[..., 1:] - centre[:, None, 1:]
        distance = from_axis.square().sum(-1)
        height = from_axis[..., 0] + shift
        depth = -(distance - height.square()).clamp(min=1e-8).sqrt()
        depth = torch.where((from_axis[..., 1] < 0) & (shift != 0), depth, from_axis[..., 1])
        return torch.stack([zone[..., 0], height + centre[:, None, 1], depth + centre[:, None, 2]], -1)

    def _off_the_ball(self, zone: Tensor, centre: Tensor, radius: Tensor, looks: Tensor) -> Tensor:
        away = zone - centre[:, None]
        distance = away.norm(dim=-1).clamp(min=1e-6)
        direction = away / distance[..., None]
        angle = torch.acos((direction * looks[:, None]).sum(-1).clamp(-1, 1))
        needed = radius[:, None] * (1 + bulge(angle)) + _LID_CLEARANCE_DM
        push = torch.where(self.outer, (needed - distance).clamp(min=0), torch.zeros_like(distance))
        for _ in range(3):  # the skin around gives way too
            around = push[:, self.neighbours].mean(-1)
            push = torch.where(self.outer, torch.maximum(push, 0.85 * around), push)
        return zone + push[..., None] * direction
