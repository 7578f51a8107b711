"""The slit between the lips, and how much light gets through it to what lies behind.

Knows nothing of colours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from visavis_models.face import topology as topo
from visavis_training.people.chance import step
from visavis_training.people.visible import Visible

_RIM_DM = 0.012
"""Lips are round: light slips in past their rims, so that what stands just behind them is hardly shaded."""


@dataclass(frozen=True, slots=True)
class MouthOpening:
    """The slit between the lips of N faces, in the camera's axes.

    `corner` (N, 3) its middle, `axes` (N, 3, 3) rows right, down and inwards, `edges` (N, 2, 11, 3) upper and
    lower inner lip in those axes.
    """

    corner: Tensor
    axes: Tensor
    edges: Tensor

    @classmethod
    def of(cls, visible: Visible) -> MouthOpening:
        """Measured on the landmarks."""
        rows = torch.tensor((topo.UPPER_LIP[0], topo.LOWER_LIP[0]), device=visible.landmarks.device)
        lips = visible.landmarks[:, rows]
        middle = lips.mean((1, 2))
        right = functional.normalize(lips[:, :, -1].mean(1) - lips[:, :, 0].mean(1), dim=-1)
        down = visible.head_axes()[1]
        down = functional.normalize(down - (down * right).sum(-1, keepdim=True) * right, dim=-1)
        axes = torch.stack([right, down, torch.linalg.cross(right, down)], 1)
        edges = torch.einsum("nrkc,nac->nrka", lips - middle[:, None, None], axes)
        return cls(middle, axes, edges)

    def _edge_at(self, frame: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Y of the upper and lower lip, and their mean z, at x (n,) of frames (n,)."""
        found = []
        for row in (0, 1):
            knots = self.edges[frame, row]  # (n, 11, 3)
            right = (knots[:, :, 0] < x[:, None]).sum(1).clamp(1, 10)
            index = torch.arange(len(x), device=x.device)
            low, high = knots[index, right - 1], knots[index, right]
            share = ((x - low[:, 0]) / (high[:, 0] - low[:, 0]).clamp(min=1e-4)).clamp(0, 1)
            found.append(low[:, 1:] + share[:, None] * (high - low)[:, 1:])
        return found[0][:, 0], found[1][:, 0], (found[0][:, 1] + found[1][:, 1]) / 2

    def light(self, frame: Tensor, position: Tensor, lamps: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        """How much light gets in.

        Args:
            frame: int64 (n,) of each point.
            position: (n, 3) of points behind the lips.
            lamps: (N, L, 3) directions of lamps.
            sizes: (N, L) half angular sizes, radians.

        Returns:
            (n,) share of the surroundings and (n, L) share of each lamp.
        """
        local = torch.einsum("nc,nac->na", position - self.corner[frame], self.axes[frame])
        upper, lower, lips_z = self._edge_at(frame, local[:, 0])
        depth = (local[:, 2] - lips_z - _RIM_DM).clamp(min=_RIM_DM)
        half = self.edges[frame, 0, -1, 0]

        def seen(a: Tensor, b: Tensor) -> Tensor:
            return ((a / torch.hypot(a, depth) + b / torch.hypot(b, depth)) / 2).clamp(0.0, 1.0)

        around = seen(local[:, 1] - upper, lower - local[:, 1]) * seen(half - local[:, 0], half + local[:, 0])
        turned = torch.einsum("nlc,nac->nla", lamps, self.axes)[frame]  # (n, L, 3)
        way = depth[:, None] / (-turned[..., 2]).clamp(min=0.05)
        x = local[:, None, 0] + turned[..., 0] * way
        y = local[:, None, 1] + turned[..., 1] * way
        soft = 0.012 + way * sizes[frame].tan() * 0.8
        through = []
        for lamp in range(lamps.shape[1]):
            upper, lower, _ = self._edge_at(frame, x[:, lamp])
            clear = step(y[:, lamp] - upper, -soft[:, lamp], soft[:, lamp]) * step(
                lower - y[:, lamp], -soft[:, lamp], soft[:, lamp]
            )
            clear = clear * step(half - x[:, lamp].abs(), -soft[:, lamp], soft[:, lamp]) * (turned[:, lamp, 2] < -0.02)
            through.append(clear)
        return around, torch.stack(through, 1)
