"""A flat chart of the face on which looks are painted, and the places on it that every face has.

The chart unrolls the head's canonical surface (the same for every person) onto a cylinder round an upright axis. A
canonical point tells its place on the chart and whether it lies behind the outer skin: inside the mouth or a nostril.
Knows nothing of colours, people or cameras.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from visavis_models.face import topology as topo
from visavis_models.raster import triangles as raster

AXIS_Z_DM = 0.35
HALF_ANGLE = 1.8
"""The chart spans this many radians to either side of the nose: to behind the ears."""
TOP_Y_DM, BOTTOM_Y_DM = -1.35, 1.45
BROW_PAIRS = ((107, 55), (66, 65), (105, 52), (63, 53), (70, 46))
"""Landmarks on the upper and lower edge of the brow at the picture's left, from the nose outwards."""


@dataclass(frozen=True, slots=True)
class FaceChart:
    """The canonical surface laid flat.

    `position` float32 (T, T, 3): canonical place of each texel, head space, dm. `covered` float32 (T, T): 1 where the
    head is. `landmarks` float32 (478, 3): MediaPipe's points in canonical space, symmetric to some mm.
    """

    position: Tensor
    covered: Tensor
    landmarks: Tensor

    @classmethod
    def of(
        cls,
        canonical: NDArray[np.floating],
        skin_triangles: NDArray[np.integer],
        landmarks: NDArray[np.floating],
        size: int,
        device: torch.device | str = "cpu",
    ) -> FaceChart:
        """Lay out the skin.

        Args:
            canonical: (V, 3) canonical vertices, head space, dm.
            skin_triangles: (F, 3) those of the outer skin (without eyes, teeth, tongue; with lips and ears).
            landmarks: (478, 3) canonical places of MediaPipe's landmarks.
            size: texels on a side; 512 for faces drawn at 256 px, 1024 at 512 px.
            device: where the chart lives.
        """
        place = on_chart(torch.as_tensor(np.asarray(canonical), dtype=torch.float64)).numpy()
        radius = np.hypot(canonical[:, 0], canonical[:, 2] - AXIS_Z_DM)
        pixels = np.column_stack([(place + 1.0) / 2.0 * size - 0.5, -radius]).astype(np.float32)
        corners = pixels[skin_triangles]
        # triangles that close the cylinder behind the head would be drawn across the whole chart
        whole = np.ptp(corners[..., 0], axis=1) < size / 4
        triangles = np.ascontiguousarray(skin_triangles[whole], dtype=np.int32)
        number, _ = raster.rasterise(pixels, triangles, (size, size))
        seen = number >= 0
        chosen = triangles[number.clip(0)]
        weights = _weights(pixels[chosen][..., :2], size)
        position = (canonical[chosen] * weights[..., None]).sum(2)
        position = np.where(seen[..., None], position, _cylinder(size))
        return cls(
            torch.tensor(position, dtype=torch.float32, device=device),
            torch.tensor(seen, dtype=torch.float32, device=device),
            torch.tensor(np.asarray(landmarks), dtype=torch.float32, device=device),
        )

    @property
    def size(self) -> int:
        """Texels on a side."""
        return int(self.position.shape[0])

    @property
    def texels_per_dm(self) -> float:
        """Texels to the dm downwards; about the same sideways on the cheeks."""
        return self.size / (BOTTOM_Y_DM - TOP_Y_DM)

    def place(self, canonical: Tensor) -> Tensor:
        """(..., 2) where canonical points (..., 3) lie on the chart, -1..1, x then y, as `grid_sample` takes it."""
        return on_chart(canonical)

    def evenness(self) -> Tensor:
        """(T, T) 1 where the surface lies flat on the chart, 0 where a texel spans a fold, as under the chin."""
        steps = [torch.gradient(self.position, dim=axis)[0].norm(dim=-1) for axis in (0, 1)]
        stretch = torch.maximum(*steps) * self.texels_per_dm
        worst = functional.max_pool2d(stretch[None, None], 5, 1, 2)[0, 0]
        return ((4.5 - worst) / 2.0).clamp(0.0, 1.0)

    def behind_dm(self, canonical: Tensor) -> Tensor:
        """(B, H, W) how far canonical points (B, H, W, 3) lie behind the outer skin, dm."""
        return behind_dm(self.position, canonical)


def behind_dm(position: Tensor, canonical: Tensor) -> Tensor:
    """`FaceChart.behind_dm` of a chart's `position`."""
    front = functional.grid_sample(
        position.permute(2, 0, 1)[None], on_chart(canonical).reshape(1, 1, -1, 2), align_corners=False,
        padding_mode="border",
    ).reshape(3, *canonical.shape[:-1])  # fmt: skip
    outer = torch.hypot(front[0], front[2] - AXIS_Z_DM)
    return outer - torch.hypot(canonical[..., 0], canonical[..., 2] - AXIS_Z_DM)


def on_chart(canonical: Tensor) -> Tensor:
    """`FaceChart.place`, which is the same for all charts."""
    angle = torch.atan2(canonical[..., 0], AXIS_Z_DM - canonical[..., 2])
    down = (canonical[..., 1] - TOP_Y_DM) / (BOTTOM_Y_DM - TOP_Y_DM)
    return torch.stack([angle / HALF_ANGLE, down * 2.0 - 1.0], -1)


def _weights(corners: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    """Barycentric weights (T, T, 3) of every texel in its own triangle (T, T, 3, 2)."""
    rows, columns = np.mgrid[:size, :size]
    a, b, c = (corners[..., k, :].astype(np.float64) for k in range(3))
    ab, ac, ap = b - a, c - a, np.stack([columns, rows], -1) - a
    area = ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0]
    area = np.where(np.abs(area) < 1e-9, 1.0, area)
    second = (ap[..., 0] * ac[..., 1] - ap[..., 1] * ac[..., 0]) / area
    third = (ab[..., 0] * ap[..., 1] - ab[..., 1] * ap[..., 0]) / area
    return np.stack([1.0 - second - third, second, third], -1).clip(-0.5, 1.5)


def _cylinder(size: int) -> NDArray[np.float64]:
    """(T, T, 3) a plain cylinder of a head's size, for texels that no skin covers."""
    share = (np.arange(size) + 0.5) / size
    angle, down = np.meshgrid((share * 2 - 1) * HALF_ANGLE, TOP_Y_DM + share * (BOTTOM_Y_DM - TOP_Y_DM))
    return np.stack([0.7 * np.sin(angle), down, AXIS_Z_DM - 0.7 * np.cos(angle)], -1)


def curve(x: Tensor, knots: Tensor) -> Tensor:
    """(...) height of a line through knots (K, 2), ascending in x, at `x` (...); flat beyond the ends."""
    right = torch.searchsorted(knots[:, 0].contiguous(), x.contiguous()).clamp(1, len(knots) - 1)
    low, high = knots[right - 1], knots[right]
    share = ((x - low[..., 0]) / (high[..., 0] - low[..., 0])).clamp(0.0, 1.0)
    share = share * share * (3.0 - 2.0 * share) * 0.4 + share * 0.6
    return low[..., 1] + share * (high[..., 1] - low[..., 1])


@dataclass(frozen=True, slots=True)
class Texels:
    """Where the pixels of N pictures lie among a chart's texels, as `grid_sample` counts them."""

    person: Tensor
    """int64 (N, 1, 1)."""
    near: tuple[Tensor, Tensor]
    """int64 (N, H, W) row and column of the upper left of four."""
    far: tuple[Tensor, Tensor]
    """Of the lower right."""
    share: Tensor
    """float32 (N, H, W, 2): of the way between columns, and between rows."""

    @classmethod
    def at(cls, grid: Tensor, person: Tensor, size: int) -> Texels:
        """At places float32 (N, H, W, 2), see `on_chart`, of charts of persons int64 (N,)."""
        spot = ((grid + 1.0) * (size / 2) - 0.5).clamp(0.0, size - 1.0)
        low = spot.floor()
        x, y = low.long().unbind(-1)
        far = ((y + 1).clamp(max=size - 1), (x + 1).clamp(max=size - 1))
        return cls(person[:, None, None], (y, x), far, spot - low)

    def read(self, maps: Tensor) -> Tensor:
        """float32 (N, H, W, C): charts (B, C, T, T) of people, between texels."""
        (top, left), (below, right) = self.near, self.far
        a, b = self.share[..., :1], self.share[..., 1:]
        upper = maps[self.person, :, top, left] * (1 - a) + maps[self.person, :, top, right] * a
        lower = maps[self.person, :, below, left] * (1 - a) + maps[self.person, :, below, right] * a
        return upper * (1 - b) + lower * b


@dataclass(frozen=True, slots=True)
class LipCoordinates:
    """Where points lie on the lips.

    `across` (...) 0 at the seam, 1 at the upper lip's outer edge, -1 at the lower's, larger beyond; `along` (...)
    -1..1 from corner to corner.
    """

    across: Tensor
    along: Tensor


def lip_coordinates(points: Tensor, landmarks: Tensor) -> LipCoordinates:
    """Lip coordinates of canonical points (..., 3)."""
    rows = [
        landmarks[torch.tensor(row, device=landmarks.device)][:, :2]
        for row in (topo.UPPER_LIP[3], topo.LOWER_LIP[3], topo.UPPER_LIP[0], topo.LOWER_LIP[0])
    ]
    rows = [row[row[:, 0].argsort()] for row in rows]
    x, y = points[..., 0], points[..., 1]
    seam = (curve(x, rows[2]) + curve(x, rows[3])) / 2
    above = (seam - curve(x, rows[0])).clamp(min=0.012)
    below = (curve(x, rows[1]) - seam).clamp(min=0.012)
    half = (rows[0][-1, 0] - rows[0][0, 0]) / 2
    middle = (rows[0][-1, 0] + rows[0][0, 0]) / 2
    return LipCoordinates(torch.where(y < seam, (seam - y) / above, (seam - y) / below), (x - middle) / half)
