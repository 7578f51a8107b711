"""What cutting clothes needs of an anatomy: which skin is dressed, where neck and armholes are, charts for pieces.

The base mesh decides once, in the numpy of `tailoring`; here are the tensors, and how a batch of people is read through
them. Knows nothing of garments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people import tailoring
from visavis_training.people.anatomy_building import REGIONS
from visavis_training.people.fusing import fused
from visavis_training.people.rasteriser import Neighbours, as_triangles

_NECK_RING = (1.65, 0.30, 0.32, 0.6)
"""Height at the pit of the throat, its z, how much the ring falls per dm from the nape forwards, and how much it rises
towards the shoulders with the square of x."""
_ARMHOLE = ((1.60, 1.45), (1.30, 2.70))
"""x, y of the left armhole at the shoulder's tip and in the armpit."""
_ELBOW = (1.68, 4.2, 1.07)
_NECK_ROWS = (-1.1, 1.8, 59)
_ARM_ROWS = (-4.4, 0.7, 52)
_FRONT_ROWS = (1.2, 6.2, 84)
_FRONT_COLUMNS = (-1.5, 1.5, 51)
_TURNS = {"neck": 72, "arm": 32}
_SHOULDER_SEAM_Z = 0.98
_PANELS_TURNED = ((1.0, 1.0), (-1.0, 1.0), (0.0, 0.0), (0.0, 0.0))
"""Of front, back and the two pieces of sleeves: how their cloth lies to x and y."""
_SLEEVE_RADIUS_DM = 0.48
_KNEE_DM = 10.5


@dataclass(frozen=True, slots=True)
class Raster:
    """A chart of `tailoring` as tensors."""

    corners: Tensor
    """int64 (R, C, 3) local vertices; a chart around a limb repeats its first column at the end."""
    weights: Tensor
    rows: tuple[float, float]
    """Coordinate of the first row, and from row to row."""
    columns: tuple[float, float]
    around: bool

    @classmethod
    def of(cls, chart: tailoring.Chart, around: bool, device: torch.device) -> Raster:
        """On a device."""
        corners, weights = torch.from_numpy(chart.corners), torch.from_numpy(chart.weights).float()
        if around:
            corners, weights = torch.cat([corners, corners[:, :1]], 1), torch.cat([weights, weights[:, :1]], 1)
        return cls(
            corners.to(device), weights.to(device), (chart.first_row, chart.row_step),
            (chart.first_column, chart.column_step), around,
        )  # fmt: skip

    def read(self, values: Tensor) -> Tensor:
        """(B, S, C) of vertices → (B, C, rows, columns), to be asked by `at`."""
        return (values[:, self.corners] * self.weights[..., None]).sum(3).permute(0, 3, 1, 2)

    def at(self, picture: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """(B, ..., C) of what `read` gave, at coordinates (B, ...) each."""
        height, width = picture.shape[2:]
        y = (row - self.rows[0]) / self.rows[1] * (2 / (height - 1)) - 1
        x = (column - self.columns[0]) / self.columns[1]
        if self.around:
            x = torch.remainder(x, width - 1)
        x = x * (2 / (width - 1)) - 1
        grid = torch.stack([x, y], -1).flatten(1, -2)[:, None]
        found = functional.grid_sample(picture, grid, align_corners=True, padding_mode="border")
        return found[:, :, 0].transpose(1, 2).reshape(*row.shape, picture.shape[1])


@dataclass(frozen=True, slots=True)
class Panels:
    """Sheets of cloth laid flat: front, back and sleeves, whose edges have vertices of their own."""

    vertices: Tensor
    """int64 (W,) local vertices."""
    uv: Tensor
    """float32 (W, 2): dm across and down the cloth."""
    turned: Tensor
    """float32 (W, 2): 1 where the cloth's axis runs with the body's x or y, -1 against it, 0 on sleeves."""
    triangles: Tensor
    """int32 (T, 3), rows of `vertices`."""
    of: Tensor
    """int64 (T,), rows of `Pattern.triangles`."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Of one anatomy; S vertices and T triangles of skin that may be dressed, on its device."""

    vertices: Tensor
    """int64 (S,) of the anatomy."""
    triangles: Tensor
    """int32 (T, 3), local."""
    skin_triangles: Tensor
    """int32 (T', 3), local: skin that `neighbours` counts."""
    body_triangles: Tensor
    """int64 (F, 3) of the anatomy, local; -1 where a corner is not among the vertices."""
    neighbours: Neighbours
    beside: Tensor
    """int64 (S, K): neighbours, short lists repeat the vertex itself."""
    beside_weights: Tensor
    """float32 (S, K): 1 / number of neighbours, 0 where the list repeats."""
    cloth_beside: Tensor
    """int64 (S, K'): neighbours in `triangles`."""
    above: Tensor
    """float32 (S, K): 1 where the neighbour in `beside` lies over the vertex."""
    base: Tensor
    """float32 (S, 3): the base mesh."""
    neck: Tensor
    """float32 (S, 2): dm from the neck's ring, negative up the neck; angle around it, 0 in front, positive to x."""
    arms: Tensor
    """float32 (2, S, 2): likewise of the left and right armholes; negative down the arm."""
    sleeve: Tensor
    """bool (T,): triangles on an arm."""
    slide_to: Tensor
    """int64 (S,)"""
    slide: Tensor
    """float32 (S,): cloth starts this share of the way to vertex `slide_to`, so that armholes run along edges."""
    has_legs: bool
    panels: Panels
    inner_panels: Panels
    """Of a layer under another: what may show where the outer one is open."""
    neck_chart: Raster
    arm_charts: tuple[Raster, Raster]
    front_chart: Raster

    @classmethod
    def of(cls, anatomy: Any) -> Pattern:
        """Of an anatomy of level "half_body" or "whole"; some seconds.

        Raises:
            ValueError: the anatomy has no arms.
        """
        if "left_elbow" not in anatomy.body_point_names:
            raise ValueError("clothes need the level half_body or whole: this anatomy has no arms")
        device = anatomy.device
        triangles, region, base = (x.cpu().numpy() for x in (anatomy.triangles, anatomy.region, anatomy.base))
        base = base.astype(np.float64)
        middle = base[triangles].mean(1)
        dressed = np.isin(region, [REGIONS.index(n) for n in ("neck", "body", "skin")])
        dressed &= (middle[:, 1] > 0.45) & ~((middle[:, 2] < 0.45) & (middle[:, 1] < 0.95))
        used, local = np.unique(triangles[dressed], return_inverse=True)
        local, points = local.reshape(-1, 3), base[used]
        whole = np.full(len(base), -1)
        whole[used] = np.arange(len(used))
        normals = _normals(points, local)
        neck = _neck_ring(points, normals, local)
        arms = [_arm_ring(points, normals, local, sign) for sign in (1.0, -1.0)]
        slide_to, slide = np.arange(len(points)), np.zeros(len(points))
        for arm in arms:
            to, way = tailoring.snapped(arm.distance, local, np.zeros(len(points)))
            slide_to, slide = np.where(way > 0, to, slide_to), np.where(way > 0, way, slide)
        cloth = _thinned(local[_cloth(neck, points, local, region[dressed])], points, neck, arms, slide > 0)
        levels = [arm.distance for arm in arms]
        on_arm = np.zeros(len(cloth), bool)
        for level in levels:
            level = level + slide * (level[slide_to] - level)
            on_arm |= level[cloth].mean(1) < 0
        beside, shares = _neighbours(local, len(points))
        cloth_beside = _neighbours(cloth, len(points))[0]

        uv = _cloth_uv(points, arms, cloth, on_arm)
        ahead = (points[cloth].mean(1)[:, 2] < 1.0) & (np.abs(points[cloth].mean(1)[:, 0]) < 1.15)
        inner = np.flatnonzero(~on_arm & (ahead | (neck.distance[cloth].min(1) < 0.5)))

        def tensor(array: np.ndarray) -> Tensor:
            made = torch.from_numpy(np.ascontiguousarray(array))
            return (made.float() if made.is_floating_point() else made).to(device)

        off_arms = (np.stack([arm.distance for arm in arms])[:, local].max(2) > -0.05).all(0)
        ahead = normals[local].mean(1)[:, 2] < 0.2
        front = tailoring.chart(points[:, [1, 0]], local[ahead & off_arms], _FRONT_ROWS, _FRONT_COLUMNS)
        turn = (-np.pi, np.pi)
        near = (neck.distance[local] < 2.6).all(1) & off_arms
        around_neck = tailoring.chart(
            np.stack([neck.distance, neck.angle], 1), local[near], _NECK_ROWS, (*turn, _TURNS["neck"]), 2 * np.pi
        )
        around_arms = [
            tailoring.chart(
                np.stack([a.distance, a.angle], 1), local[(a.distance[local] < 1.2).all(1)], _ARM_ROWS,
                (*turn, _TURNS["arm"]), 2 * np.pi,
            )
            for a in arms
        ]  # fmt: skip
        return cls(
            tensor(used),
            as_triangles(tensor(cloth)),
            as_triangles(tensor(local)),
            tensor(whole[triangles]),
            Neighbours.of(tensor(local), len(points)),
            tensor(beside),
            tensor(shares),
            tensor(cloth_beside),
            tensor(_above(points, beside)),
            tensor(points),
            tensor(np.stack([neck.distance, neck.angle], 1)),
            tensor(np.stack([np.stack([a.distance, a.angle], 1) for a in arms])),
            tensor(on_arm),
            tensor(slide_to),
            tensor(slide),
            bool(points[:, 1].max() > _KNEE_DM),
            _panels(cloth, uv, np.arange(len(cloth)), tensor),
            _panels(cloth, uv, inner, tensor),
            Raster.of(around_neck, True, device),
            (Raster.of(around_arms[0], True, device), Raster.of(around_arms[1], True, device)),
            Raster.of(front, False, device),
        )  # fmt: skip

    def smoothed(self, values: Tensor, rounds: int) -> Tensor:
        """(B, S, C) moved halfway to the neighbours' mean, `rounds` times."""
        for _ in range(rounds):
            values = _halfway(values, self.beside, self.beside_weights)
        return values

    def mean(self, values: Tensor) -> Tensor:
        """(B, S, C) of each vertex's neighbours."""
        return mean(values, self.beside, self.beside_weights)


def mean(values: Tensor, beside: Tensor, weights: Tensor) -> Tensor:
    """(B, S, C) weighted (S, K) means of values (B, S, C) at neighbours int64 (S, K)."""
    return (values[:, beside] * weights[..., None]).sum(2)


@fused
def _halfway(values: Tensor, beside: Tensor, weights: Tensor) -> Tensor:
    return 0.5 * values + 0.5 * mean(values, beside, weights)


def _neighbours(triangles: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    ends = tailoring.edges_of(triangles)
    links = sp.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (count, count))
    links = (links + links.T).tocsr()
    numbers = links.getnnz(1)
    beside = np.repeat(np.arange(count)[:, None], int(numbers.max()), 1)
    slot = np.arange(beside.shape[1]) < numbers[:, None]
    beside[slot] = links.indices
    return beside, np.where(slot, 1.0 / np.maximum(numbers, 1)[:, None], 0.0)


def _normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    total = np.zeros_like(points)
    for k in range(3):
        np.add.at(total, triangles[:, k], face)
    return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True).clip(1e-12))


def _neck_ring(points: np.ndarray, normals: np.ndarray, triangles: np.ndarray) -> tailoring.Ring:
    height, depth, fall, rise = _NECK_RING
    level = points[:, 1] - (height - fall * (points[:, 2] - depth) - rise * points[:, 0] ** 2)
    axis = np.array([[0, 0.9, 0.8], [0, 0, -1], [1, 0, 0]], float)
    return tailoring.ring(points, normals, triangles, level, np.array([0, height, depth]), axis)


def _arm_ring(points: np.ndarray, normals: np.ndarray, triangles: np.ndarray, sign: float) -> tailoring.Ring:
    (top_x, top_y), (low_x, low_y) = _ARMHOLE
    out = np.array([low_y - top_y, top_x - low_x])
    out /= np.linalg.norm(out)
    level = (sign * points[:, 0] - top_x) * out[0] + (points[:, 1] - top_y) * out[1]
    elbow = np.array(_ELBOW) * [sign, 1, 1]
    axis = np.array([elbow, [0, 0, -1], [0, 1, 0]], float)  # angle 0 in front, then down to the armpit
    found = tailoring.ring(points, normals, triangles, level, np.array([sign * top_x, top_y, 1.0]), axis)
    # around the arm itself the angle turns about the bone, not about the armhole's middle
    bone = points.copy()
    share = np.clip((points[:, 1] - 1.9) / (4.2 - 1.9), 0, 1)
    middle = np.stack([sign * (1.60 + 0.08 * share), bone[:, 1], 1.05 + 0.02 * share], 1)
    lower = np.clip((points[:, 1] - 4.2) / (5.74 - 4.2), 0, 1.3)
    middle[:, 0] += sign * 0.25 * lower
    middle[:, 2] -= 1.63 * lower
    offset = points - middle
    angle = np.arctan2(-sign * offset[:, 0], -offset[:, 2])
    down = np.clip(-found.distance / 0.8, 0, 1)
    mixed = np.arctan2(
        (1 - down) * np.sin(found.angle) + down * np.sin(angle), (1 - down) * np.cos(found.angle) + down * np.cos(angle)
    )
    return tailoring.Ring(found.distance, mixed)


def _cloth(neck: tailoring.Ring, points: np.ndarray, triangles: np.ndarray, region: np.ndarray) -> np.ndarray:
    """(T,) bool: triangles that sheets of cloth are cut from: the trunk and arms, not the neck."""
    on_body = region != REGIONS.index("skin")
    return np.asarray(on_body & (neck.distance[triangles].max(1) > -0.30))


def _thinned(
    triangles: np.ndarray, points: np.ndarray, neck: tailoring.Ring, arms: list[tailoring.Ring], fixed: np.ndarray
) -> np.ndarray:
    """Cloth needs less detail than skin where few pictures look: low down, on arms, behind."""
    down = np.maximum(-np.minimum(arms[0].distance, arms[1].distance), 0.0)
    wanted = 0.09 + 0.07 * np.clip(neck.distance - 0.9, 0, 1) + 0.10 * np.clip((points[:, 1] - 3.0) / 1.0, 0, 1)
    wanted += 0.07 * np.clip(down, 0, 1) + 0.14 * np.clip((points[:, 2] - 1.0) / 0.4, 0, 1)
    wanted += 0.10 * np.clip((points[:, 1] - 4.4) / 0.6, 0, 1)
    chest = (points[:, 2] < 0.6) & (points[:, 1] > 1.8) & (points[:, 1] < 4.4)
    wanted[chest & (np.abs(points[:, 0]) < 0.95)] = 0.11
    wanted[chest & (np.abs(points[:, 0]) < 0.40)] = 0.06  # buttons and ties lie on it
    ring = np.zeros(len(points), bool)
    for arm in arms:
        crosses = ((arm.distance[triangles] < 0).sum(1) % 3) != 0
        ring[triangles[crosses]] = True
    return tailoring.thinned(points, triangles, wanted, fixed | ring)


def _above(points: np.ndarray, beside: np.ndarray) -> np.ndarray:
    way = points[beside] - points[:, None]
    length = np.linalg.norm(way, axis=2)
    return np.asarray((-way[..., 1] > 0.6 * length) & (length > 0), np.float64)


def _cloth_uv(
    points: np.ndarray, arms: list[tailoring.Ring], triangles: np.ndarray, on_arm: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Which triangles (T,) and uv (S, 2) of front, back and sleeves, on the base mesh."""
    front = ~on_arm & (points[triangles].mean(1)[:, 2] < _SHOULDER_SEAM_Z)
    back = ~on_arm & ~front
    flat = points[:, :2]
    left = arms[0].distance < arms[1].distance
    angle = np.where(left, arms[0].angle, arms[1].angle) * _SLEEVE_RADIUS_DM
    sleeve = np.stack([angle, -np.minimum(arms[0].distance, arms[1].distance)], 1)
    # behind the arm the angle jumps: triangles there have a piece of their own
    jumps = on_arm & (np.ptp(angle[triangles], 1) > np.pi * _SLEEVE_RADIUS_DM)
    around = np.where(angle < 0, angle + 2 * np.pi * _SLEEVE_RADIUS_DM, angle)
    plain = on_arm & ~jumps
    return [
        (front, tailoring.flattened(points, triangles[front], flat)),
        (back, tailoring.flattened(points, triangles[back], flat * [-1, 1])),
        (plain, tailoring.flattened(points, triangles[plain], sleeve)),
        (jumps, np.stack([around, sleeve[:, 1]], 1)),
    ]


def _panels(
    triangles: np.ndarray,
    sheets: list[tuple[np.ndarray, np.ndarray]],
    rows: np.ndarray,
    tensor: Callable[[np.ndarray], Tensor],
) -> Panels:
    """Of the triangles `rows` only."""
    vertices, uv, turned, corners, of, count = [], [], [], [], [], 0
    for (chosen, laid), way in zip(sheets, _PANELS_TURNED, strict=True):
        own = rows[chosen[rows]]
        used, local = np.unique(triangles[own], return_inverse=True)
        vertices.append(used)
        uv.append(laid[used])
        turned.append(np.tile(np.array(way), (len(used), 1)))
        corners.append(local.reshape(-1, 3) + count)
        of.append(own)
        count += len(used)
    return Panels(
        tensor(np.concatenate(vertices)), tensor(np.concatenate(uv)), tensor(np.concatenate(turned)),
        tensor(np.concatenate(corners)).int(), tensor(np.concatenate(of)),
    )  # fmt: skip
