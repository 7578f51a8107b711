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
_LIP_PRESS_DM = 0.021
"""Closed lips are pushed this far into each other and flattened: skin that merely touches shows a slit."""
_PRESS_FADES_DM = 0.02
_CORNER_FADES_DM = 0.012
"""How far beyond the outer cuts the shift of the lips ends."""
_COVER_DM = 0.014
"""Between the teeth and the outer skin, at least."""
_COVER_FADES_DM = 0.05
_LID_PRESS_DM = 0.02
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

    def edges(self, points: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """X and y, (B, K) each, of the lowest place of every cut's upper side, and of the highest of its lower side."""
        shape = (len(points), *self._a.shape, 2)
        a = points[:, self._a.reshape(-1), :2].reshape(shape)
        b = points[:, self._b.reshape(-1), :2].reshape(shape)
        cut = a + (b - a) * self._share[..., None]
        found = []
        for side, most in ((0, cut[:, 0, ..., 1].argmax(-1)), (1, cut[:, 1, ..., 1].argmin(-1))):
            place = cut[:, side].gather(2, most[..., None, None].expand(*most.shape, 1, 2))[:, :, 0]
            found.append((place[..., 0], place[..., 1]))
        return found[0], found[1]

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


def _interpolated(x: Tensor, knots: Tensor, values: Tensor, ends: str) -> Tensor:
    """(B, n) of values (B, K) at ascending knots (B, K), straight between them; outside zero or held."""
    after = torch.searchsorted(knots, x.contiguous()).clamp(1, knots.shape[1] - 1)
    left, right = knots.gather(1, after - 1), knots.gather(1, after)
    share = ((x - left) / (right - left).clamp(min=1e-6)).clamp(0, 1)
    low, high = values.gather(1, after - 1), values.gather(1, after)
    result = low + (high - low) * share
    if ends == "held":
        return result
    return torch.where((x < knots[:, :1]) | (x > knots[:, -1:]), torch.zeros_like(result), result)


def close_lips(points: Tensor, seam: SeamSolver, gap: Tensor) -> Tensor:
    """Points (B, V, 3) with the lips `gap` (B, K) dm apart at every cut; 0 is shut.

    The lips may have slid along each other: both are looked at over the same places x, wherever their cuts have gone.
    """
    zone = points[:, seam.zone]
    (upper_x, upper), (lower_x, lower) = seam.edges(points)
    place = ((upper_x + lower_x) / 2).cummax(1).values
    place = place + torch.arange(place.shape[1], device=place.device) * 1e-6
    upper = _interpolated(place, upper_x.cummax(1).values, upper, "held")
    lower = _interpolated(place, lower_x.cummax(1).values, lower, "held")
    wanted = gap - _LIP_PRESS_DM * torch.exp(-gap / _PRESS_FADES_DM)
    opening = wanted - (lower - upper)
    up, down = -_UPPER_LIP_SHARE * opening, (1 - _UPPER_LIP_SHARE) * opening
    nothing = torch.zeros_like(place[:, :1])
    reach = torch.cat([place[:, :1] - _CORNER_FADES_DM, place, place[:, -1:] + _CORNER_FADES_DM], 1)
    x, height = zone[..., 0], zone[..., 1]
    moved_up, moved_down = (
        _interpolated(x, reach, torch.cat([nothing, shift, nothing], 1), "zero") for shift in (up, down)
    )
    height = height + moved_up * seam.upper_pull + moved_down * seam.lower_pull
    upper, lower = upper + up, lower + down
    middle = (upper + lower) / 2
    lowest = _interpolated(x, place, torch.minimum(upper, middle), "held")
    highest = _interpolated(x, place, torch.maximum(lower, middle), "held")
    height = torch.where(seam.upper_stop, torch.minimum(height, lowest), height)
    height = torch.where(seam.lower_stop, torch.maximum(height, highest), height)
    moved = torch.stack([x, height, zone[..., 2]], -1)
    return points.index_copy(1, seam.zone, moved)


class TeethCover:
    """The skin round the mouth, kept in front of one row of teeth: the row is an ellipse seen from above."""

    def __init__(self, zone: Tensor, arch: slice, base: Tensor, half_width: float, depth: float) -> None:
        """Of the skin's vertices (Z,), the arch's vertices, the base mesh (V, 3) and the base ellipse in dm."""
        self._zone, self._arch = zone, arch
        own = base[arch]
        size = own.amax(0) - own.amin(0)
        self._width_share = half_width / float(size[0])
        self._depth_share = depth / float(size[2])

    def __call__(self, points: Tensor) -> Tensor:
        """Points (B, V, 3) with the skin pushed outwards from the teeth, at its own height."""
        teeth, zone = points[:, self._arch], points[:, self._zone]
        low, high = teeth.amin(1), teeth.amax(1)
        size = high - low
        middle_x = (low[:, 0] + high[:, 0]) / 2
        depth = (size[:, 2] * self._depth_share)[:, None]
        width = (size[:, 0] * self._width_share)[:, None]
        behind = low[:, None, 2] + depth
        aside, ahead = zone[..., 0] - middle_x[:, None], zone[..., 2] - behind
        reach = ((aside / (width + _COVER_DM)).square() + (ahead / (depth + _COVER_DM)).square()).sqrt().clamp(min=0.3)
        into = torch.minimum(zone[..., 1] - low[:, None, 1], high[:, None, 1] - zone[..., 1])
        share = ((into + _COVER_FADES_DM) / _COVER_FADES_DM).clamp(0, 1)
        grow = 1 + (1 / reach - 1).clamp(min=0) * share * (ahead < 0)
        x, z = middle_x[:, None] + aside * grow, behind + ahead * grow
        return points.index_copy(1, self._zone, torch.stack([x, zone[..., 1], z], -1))


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
