"""Garments cut from the body's own surface: where they end at neck, wrist and hem, their collars, their shoes.

Numpy only. Sheets are cut coarse and fall over the body elsewhere (the stage's `drape`); collars are lofted on rings
around the neck, whose two coordinates (angle, height above a tilted plane) make every neckline a simple curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import ConvexHull

from visavis_training.people.surface import Floats, Ints, smooth_step, vertex_normals

TURNS = 240
TILT = 0.50


@dataclass(frozen=True, slots=True)
class Neckline:
    """A curve around the neck: `height` (metres) above the tilted plane at the neck's foot, `notch` deeper in front.

    `spread` is the half-width of the notch in radians; `open_half` > 0 leaves a gap of so many radians in front.
    """

    height: float = -0.012
    notch: float = 0.0
    spread: float = 0.6
    open_half: float = 0.0

    def level(self, angle: Floats) -> Floats:
        """The curve's height (N,) at angles (N,) from the front."""
        away = np.abs(angle) / self.spread
        vee = np.maximum(1.0 - np.tan(np.minimum(away, 1.0) * 1.2) / np.tan(1.2), 0.0) * (away < 1.0)
        return np.asarray(self.height - self.notch * vee)

    def stretch(self, angle: Floats) -> Floats:
        """How much taller than wide (N,) a band along the curve must be measured where the curve is steep."""
        step = 0.02
        slope = (self.level(_fold(angle + step)) - self.level(_fold(angle - step))) / (2 * step * 0.09)
        return np.asarray(np.sqrt(1.0 + np.minimum(slope**2, 6.0)))


class Neck:
    """The body's surface around the neck in (angle, height) coordinates."""

    def __init__(self, points: Floats, quads: Ints, foot: Floats) -> None:
        self.foot = foot
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

    def inside(self, points: Floats, line: Neckline) -> Floats:
        """How far points (N, 3) are above the neckline, metres; cloth is where it is negative."""
        angle, level = self.coordinates(points)
        return np.asarray((level - line.level(angle)) / line.stretch(angle))


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


def hang(points: Floats, free: NDArray[np.bool_], slope: float = 0.14, reach: float = 0.025) -> Floats:
    """Cloth that hangs from what stands out above it instead of clinging below: moves `free` (V,) vertices out in y.

    Going down from a chest or a shoulder blade, cloth comes back towards the body by no more than `slope`.
    """
    moved = points.copy()
    middle = np.median(points[free, 1]) if free.any() else 0.0
    for sign in (-1.0, 1.0):
        side = np.flatnonzero(free & (sign * (points[:, 1] - middle) > 0.0))
        x, out, z = points[side, 0], sign * points[side, 1], points[side, 2]
        for k, index in enumerate(side):
            over = (z > z[k]) & (np.abs(x - x[k]) < reach)
            if over.any():
                moved[index, 1] = sign * max(out[k], float((out[over] - slope * (z[over] - z[k])).max()))
    return moved


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
    level, stretch = line.level(angle), line.stretch(angle)
    profile = (
        (-0.50, -1.2), (-0.45, 0.7), (-0.25, 1.0), (0.1, 1.05), (0.35, 1.0), (0.6, 0.95), (0.78, 0.75), (0.86, 0.2),
        (0.82, -0.6), (0.5, -1.1),
    )  # fmt: skip
    rows = []
    for along, out in profile:
        at, normal = neck.surface(angle, level + along * tall * stretch)
        rows.append((at + normal * (ease + 0.0022 * out), normal))
    return loft(rows, line.open_half == 0.0)


def roll_neck(neck: Neck, line: Neckline, ease: float, tall: float) -> tuple[Floats, Ints]:
    """A high collar that stands around the neck and is folded over once."""
    angle = _fold(_ring(neck, line))
    level = line.level(angle)
    rows = []
    for along, out in (
        (-0.25, 0.5), (0.0, 1.6), (0.10, 2.6), (0.14, 3.4), (0.3, 3.7), (0.6, 3.4), (0.85, 3.0), (0.97, 2.2),
        (1.0, 1.2), (0.9, 0.6), (0.5, 0.3),
    ):  # fmt: skip
        at, normal = neck.surface(angle, level + along * tall)
        wave = 1.0 + 0.25 * np.sin(angle * 3.0 + along * 4.0) + 0.15 * np.sin(angle * 7.0 + 1.0)
        rows.append((at + normal * (ease + 0.0022 * out * wave)[:, None], normal))
    return loft(rows, True)


def shirt_collar(neck: Neck, line: Neckline, ease: float, stand: float, leaf: float) -> tuple[Floats, Ints]:
    """A stand around the neck and a leaf folded down over it that ends in two points in front."""
    angle = _fold(_ring(neck, line))
    level = line.level(angle)
    front = smooth_step(np.abs(angle), line.open_half + 1.1, line.open_half + 0.02)
    # the leaf's outer edge runs down to a point at its front corners
    long = leaf * (1.0 + 0.55 * front**1.5)
    rows = []
    for share in (-0.5, 0.0, 0.5, 0.9, 1.0):
        at, normal = neck.surface(angle, level + share * stand)
        lean = ease * (1.0 - 0.35 * max(share, 0.0))
        rows.append((at + normal * (lean + 0.0015), normal))
    top, top_normal = neck.surface(angle, level + stand)
    for share in (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 1.0):
        at, normal = neck.surface(angle, level + stand * 1.04 - share * long)
        out = ease * 0.65 + 0.0028 + 0.011 * np.sin(min(1.0, share * 1.5) * np.pi / 2) + 0.004 * share
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
