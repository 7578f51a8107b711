"""Garments cut from the body's own surface: where they end at neck, wrist and hem, their collars, their shoes.

Numpy only. Sheets are cut coarse and fall over the body elsewhere (the stage's `drape`); collars are lofted on rings
around the neck, whose two coordinates (angle, height above a tilted plane) make every neckline a simple curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from scipy.interpolate import LinearNDInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import ConvexHull

from visavis_training.people.surface import Floats, Ints, smooth_step, vertex_normals

TURNS = 240
TILT = 0.50


@dataclass(frozen=True, slots=True)
class Neckline:
    """A curve around the neck: `height` (metres) above the tilted plane at the neck's foot.

    `vee` > 0 cuts straight from `half_width` metres beside the throat to a point so many metres below it in front;
    `open_half` > 0 leaves a gap of so many radians in front.
    """

    height: float = -0.012
    vee: float = 0.0
    half_width: float = 0.055
    open_half: float = 0.0


class Neck:
    """The body's surface around the neck in (angle, height) coordinates."""

    def __init__(self, points: Floats, quads: Ints, foot: Floats) -> None:
        self.foot = foot
        self._curves: dict[Neckline, Floats] = {}
        smooth = relax(points, quads, 6)
        normals = vertex_normals(smooth, quads)
        angle, level = self.coordinates(smooth)
        away = np.hypot(smooth[:, 0] - foot[0], smooth[:, 1] - foot[1])
        near = (away < 0.185) & (level < 0.075) & (level > -0.50) & (smooth[:, 2] > foot[2] - 0.62)
        keys = np.stack([angle[near], level[near] * 8.0], 1)
        values = np.concatenate([smooth[near], normals[near]], 1)
        left, right = keys[:, 0] < -2.4, keys[:, 0] > 2.4
        turn = np.array([2 * np.pi, 0.0])
        keys = np.concatenate([keys, keys[left] + turn, keys[right] - turn])
        self._look = LinearNDInterpolator(keys, np.concatenate([values, values[left], values[right]]))

    def coordinates(self, points: Floats) -> tuple[Floats, Floats]:
        """Angle from the front (N,) and height above the tilted plane (N,) of points (N, 3)."""
        across = points - self.foot
        angle = np.arctan2(across[:, 0], -across[:, 1])
        return angle, across[:, 2] * np.cos(TILT) - across[:, 1] * np.sin(TILT)

    def surface(self, angle: Floats, level: Floats) -> tuple[Floats, Floats]:
        """Points and outward normals (N, 3) of the skin at the coordinates."""
        found = self._look(np.stack([angle, level * 8.0], 1))
        lost = np.isnan(found[:, 0])
        if lost.any():
            found[lost] = self._look(np.stack([angle[lost], np.full(lost.sum(), -0.01) * 8.0], 1))
        normal = found[:, 3:] / (np.linalg.norm(found[:, 3:], axis=1, keepdims=True) + 1e-9)
        return found[:, :3], normal

    def level(self, line: Neckline, angle: Floats) -> Floats:
        """The curve's height (N,) at angles (N,) from the front."""
        if not line.vee:
            return np.full(np.shape(angle), line.height)
        if line not in self._curves:
            self._curves[line] = self._vee(line)
        return np.interp(angle, np.linspace(-np.pi, np.pi, 2 * TURNS + 1), self._curves[line])

    def _vee(self, line: Neckline) -> Floats:
        turns = np.linspace(-np.pi, np.pi, 2 * TURNS + 1)
        depths = np.linspace(0.0, 1.25 * line.vee, 90)
        angle, level = np.meshgrid(turns, line.height - depths, indexing="ij")
        at, _ = self.surface(angle.ravel(), level.ravel())
        top = self.surface(np.zeros(1), np.full(1, line.height))[0][0, 2]
        half = line.half_width * (1.0 - (top - at[:, 2]) / line.vee)
        outside = (np.abs(at[:, 0] - self.foot[0]) - half).reshape(angle.shape)
        outside[np.abs(turns) > 1.5] = 1.0
        lowest = np.where((outside > 0).any(1), (outside > 0).argmax(1), len(depths) - 1)
        before = np.maximum(lowest - 1, 0)
        rows = np.arange(len(turns))
        low, high = outside[rows, before], outside[rows, lowest]
        part = np.where(lowest > 0, -low / np.where(high - low > 1e-9, high - low, 1.0), 0.0).clip(0.0, 1.0)
        depth = depths[before] + part * (depths[lowest] - depths[before])
        return np.asarray(line.height - gaussian_filter1d(depth, 2.0, mode="nearest"))

    def stretch(self, line: Neckline, angle: Floats) -> Floats:
        """How much taller than wide (N,) a band along the curve must be measured where the curve is steep."""
        step = 0.02
        slope = (self.level(line, _fold(angle + step)) - self.level(line, _fold(angle - step))) / (2 * step * 0.09)
        return np.asarray(np.sqrt(1.0 + np.minimum(slope**2, 9.0)))

    def scale(self, line: Neckline, angle: Floats) -> Floats:
        """Change of level (N,) for one metre square to the curve, along the cloth."""
        level, step = self.level(line, angle), 0.003
        up = (self.surface(angle, level + step)[0] - self.surface(angle, level - step)[0]) / (2 * step)
        turned = [_fold(angle + 0.02), _fold(angle - 0.02)]
        ends = [self.surface(turn, self.level(line, turn))[0] for turn in turned]
        way = (ends[0] - ends[1]) / (np.linalg.norm(ends[0] - ends[1], axis=1, keepdims=True) + 1e-9)
        square = up - (up * way).sum(1, keepdims=True) * way
        found = 1.0 / np.linalg.norm(square, axis=1).clip(0.3, 3.0)
        return np.asarray(gaussian_filter1d(found, 3.0, mode="wrap"))

    def inside(self, points: Floats, line: Neckline) -> Floats:
        """How far points (N, 3) are above the neckline, metres; cloth is where it is negative."""
        angle, level = self.coordinates(points)
        return np.asarray((level - self.level(line, angle)) / self.stretch(line, angle))


def relax(points: Floats, quads: Ints, rounds: int, held: Floats | None = None) -> Floats:
    """Smooth a quad mesh by moving vertices halfway to their neighbours' mean, `rounds` times; `held` (V,) resists."""
    pairs = np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    count = len(points)
    links = sparse.coo_matrix(
        (np.ones(2 * len(pairs)), (np.r_[pairs[:, 0], pairs[:, 1]], np.r_[pairs[:, 1], pairs[:, 0]])), (count, count)
    ).tocsr()
    links.data[:] = 1.0
    mean = sparse.diags(1.0 / np.maximum(np.asarray(links.sum(1)).ravel(), 1.0)) @ links
    share = 0.5 if held is None else 0.5 * (1.0 - held)[:, None]
    for _ in range(rounds):
        points = (1 - share) * points + share * (mean @ points)
    return points


def loft(rows: list[tuple[Floats, Floats]], closed: bool) -> tuple[Floats, Ints]:
    """A sheet through rows of points (each (N, 3)); `closed` joins the last column to the first."""
    points = np.stack([row for row, _ in rows], 1)
    count, width = points.shape[:2]
    turn, step = np.meshgrid(np.arange(count if closed else count - 1), np.arange(width - 1), indexing="ij")
    after = (turn + 1) % count
    quads = np.stack([turn * width + step, after * width + step, after * width + step + 1, turn * width + step + 1], -1)
    return points.reshape(-1, 3), quads.reshape(-1, 4)


def _ring(neck: Neck, line: Neckline) -> Floats:
    if line.open_half:
        return np.linspace(line.open_half, 2 * np.pi - line.open_half, TURNS)
    return np.linspace(0.0, 2 * np.pi, TURNS, endpoint=False)


def _fold(angle: Floats) -> Floats:
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)


def band(neck: Neck, line: Neckline, ease: float, tall: float) -> tuple[Floats, Ints]:
    """A knitted band lying on the skin along the neckline, `tall` metres, `ease` metres off."""
    angle = _fold(_ring(neck, line))
    level, stretch = neck.level(line, angle), neck.scale(line, angle)
    profile = (
        (-0.55, -0.8), (-0.53, 0.15), (-0.47, 0.55), (-0.25, 0.8), (0.1, 0.85), (0.35, 0.8), (0.6, 0.7), (0.78, 0.4),
        (0.86, -0.3), (0.82, -1.2), (0.5, -1.8),
    )  # fmt: skip
    rows = []
    for along, out in profile:
        at, normal = neck.surface(angle, level + along * tall * stretch)
        rows.append((at + normal * (ease + 0.0022 * out), normal))
    return loft(rows, line.open_half == 0.0)


def roll_neck(neck: Neck, line: Neckline, ease: float, tall: float) -> tuple[Floats, Ints]:
    """A high collar that stands around the neck and is folded over once."""
    angle = _fold(_ring(neck, line))
    level = neck.level(line, angle)
    rows = []
    for along, out in (
        (-0.25, 0.5), (0.0, 1.6), (0.10, 2.6), (0.14, 3.4), (0.3, 3.7), (0.6, 3.4), (0.85, 3.0), (0.97, 2.2),
        (1.0, 1.2), (0.9, 0.6), (0.5, 0.3),
    ):  # fmt: skip
        at, normal = neck.surface(angle, level + along * tall)
        wave = 1.0 + 0.25 * np.sin(angle * 3.0 + along * 4.0) + 0.15 * np.sin(angle * 7.0 + 1.0)
        rows.append((at + normal * (ease + 0.0022 * out * wave)[:, None], normal))
    return loft(rows, True)


def shirt_collar(
    neck: Neck, line: Neckline, ease: float, stand: float, leaf: float, spread: float = 0.42
) -> tuple[Floats, Ints]:
    """A stand around the neck and a leaf folded down over it that ends in two points in front."""
    angle = _fold(_ring(neck, line))
    level = neck.level(line, angle)
    front = smooth_step(np.abs(angle), line.open_half + 1.1, line.open_half + 0.02)
    # the leaf's outer edge runs down to a point at its front corners
    long = leaf * (1.0 + 0.85 * front**1.5)
    rows = []
    for share in (-0.5, 0.0, 0.5, 0.9, 1.0):
        at, normal = neck.surface(angle, level + share * stand)
        lean = ease * (1.0 - 0.35 * max(share, 0.0))
        rows.append((at + normal * (lean + 0.0015), normal))
    for share in (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.93, 1.0):
        # the leaf's front edges run apart below the throat
        start = line.open_half + spread * share
        turned = start + (np.abs(angle) - line.open_half) * (np.pi - start) / (np.pi - line.open_half)
        at, normal = neck.surface(np.sign(angle) * turned, level + stand * 1.04 - share * long)
        out = ease * 0.65 + 0.0024 + 0.007 * np.sin(min(1.0, share * 1.5) * np.pi / 2) + 0.003 * share
        rows.append((at + normal * out, normal))
    return loft(rows, False)


def hull_sole(feet: Floats, ground: float, height: float, margin: float) -> tuple[Floats, Ints]:
    """A shoe's sole under foot vertices (N, 3): the foot's outline pushed out by `margin`, `height` metres tall."""
    flat = feet[:, :2]
    outline = flat[ConvexHull(flat).vertices]
    closed = np.concatenate([outline, outline[:1]])
    along = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))]
    place = np.linspace(0, along[-1], 90, endpoint=False)
    ring = np.stack([np.interp(place, along, closed[:, k]) for k in (0, 1)], 1)
    for _ in range(6):
        ring = 0.5 * ring + 0.25 * (np.roll(ring, 1, 0) + np.roll(ring, -1, 0))
    away = ring - ring.mean(0)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    rows = []
    for out, z in ((0.0, 0.0), (1.0, 0.0), (1.15, 0.25), (1.15, 0.8), (1.0, 1.0), (-1.0, 1.0), (-4.0, 1.02)):
        row = np.column_stack([ring + away * margin * out, np.full(len(ring), ground + height * z)])
        rows.append((row, row))
    return loft(rows, True)


def shoe(foot: Floats, ground: float, margin: float) -> tuple[Floats, Ints]:
    """The upper of a shoe over foot vertices (N, 3): rings around all that is above each height, without toes."""
    heights = np.r_[np.linspace(0.0, 0.035, 6), np.linspace(0.042, 0.10, 12)]
    turn = np.linspace(-np.pi, np.pi, 96, endpoint=False)
    rays = np.stack([np.cos(turn), np.sin(turn)], 1)
    reaches, middles = [], []
    for height in heights:
        flat = foot[foot[:, 2] > ground + height - 0.012, :2]
        hull = ConvexHull(flat)
        middles.append(0.5 * (flat.min(0) + flat.max(0)))
        facing = rays @ hull.equations[:, :2].T
        gap = -(hull.equations[:, 2] + hull.equations[:, :2] @ middles[-1])
        reach = np.where(facing > 1e-6, gap / np.maximum(facing, 1e-6), np.inf).min(1)
        reaches.append(gaussian_filter1d(reach, 2.0, mode="wrap") + margin)
    smooth = gaussian_filter1d(np.stack(reaches), 1.2, axis=0, mode="nearest")
    centres = gaussian_filter1d(np.stack(middles), 1.2, axis=0, mode="nearest")
    rings = [
        np.column_stack([centre + ring[:, None] * rays, np.full(96, ground + height)])
        for ring, centre, height in zip(smooth, centres, heights, strict=True)
    ]
    return loft([(ring, ring) for ring in rings], True)
