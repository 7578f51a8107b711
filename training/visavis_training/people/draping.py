"""How a top hangs: over the chest and from it, as tubes from the shoulders, with folds and the seams it is sewn with.

Numpy only; no physics. A body's sheet goes in, the cloth's points come out: outside the body, but for small bumps of
the chest, which cloth rounds. It does not know collars, colours or what else is worn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.spatial import ConvexHull

from visavis_training.people.clothing import relax
from visavis_training.people.surface import Floats, Ints, Surface, smooth_step, vertex_normals

_TURNS = 180
_STEP_M = 0.006


@dataclass(frozen=True, slots=True)
class Limb:
    """An arm or a leg: joints (3,) in metres and the share (V,) of it in every vertex of the sheet."""

    shoulder: Floats
    elbow: Floats
    wrist: Floats
    share: Floats

    def along(self, points: Floats) -> tuple[Floats, Floats, Floats]:
        """Metres down from the shoulder (V,), the nearest point of the bones (V, 3) and the angle around (V,)."""
        upper = float(np.linalg.norm(self.elbow - self.shoulder))
        least = np.full(len(points), np.inf)
        down, centre = np.zeros(len(points)), np.zeros_like(points)
        for start, end, before in ((self.shoulder, self.elbow, 0.0), (self.elbow, self.wrist, upper)):
            length = float(np.linalg.norm(end - start))
            way = (end - start) / length
            low, high = (-0.3, length) if before == 0.0 else (0.0, length + 0.3)
            place = ((points - start) @ way).clip(low, high)
            foot = start + place[:, None] * way
            far = np.linalg.norm(points - foot, axis=1)
            nearer = far < least
            least = np.where(nearer, far, least)
            down, centre = np.where(nearer, place + before, down), np.where(nearer[:, None], foot, centre)
        across = points - centre
        return down, centre, np.arctan2(across[:, 0], -across[:, 1])


@dataclass(frozen=True, slots=True)
class Hang:
    """What a garment is like: least distance from the skin, slack of trunk and sleeves, height of folds; metres."""

    ease: float = 0.008
    slack: float = 0.012
    sleeve_slack: float = 0.007
    folds: float = 0.004
    slope: float = 0.10


def _trunk_radius(points: Floats, axis: Floats, hang: Hang) -> RegularGridInterpolator:
    """Radius of cloth around a vertical axis, by height and angle: hulls of slices that fall from what stands out."""
    heights = np.arange(points[:, 2].min(), points[:, 2].max() + _STEP_M, _STEP_M)[::-1]
    angles = np.linspace(-np.pi, np.pi, _TURNS, endpoint=False)
    rays = np.stack([np.sin(angles), -np.cos(angles)], 1)
    radius = np.zeros((len(heights), _TURNS))
    for row, height in enumerate(heights):
        near = points[np.abs(points[:, 2] - height) < 0.013, :2] - axis[:2]
        if len(near) < 8:
            radius[row] = radius[row - 1] if row else 0.0
            continue
        hull = ConvexHull(near)
        facing = rays @ hull.equations[:, :2].T
        reach = np.where(facing > 1e-6, -hull.equations[:, 2] / np.maximum(facing, 1e-6), np.inf)
        radius[row] = reach.min(1)
    radius = gaussian_filter(radius, (1.5, 1.5), mode=("nearest", "wrap"))
    for row in range(1, len(heights)):
        radius[row] = np.maximum(radius[row], radius[row - 1] - hang.slope * _STEP_M)
    # flanks taper more than front and back: there the arms hang
    radius = gaussian_filter(radius, (4.0, 3.0), mode=("nearest", "wrap"))
    wrapped = np.concatenate([radius, radius[:, :1]], 1)
    grid = (heights[::-1], np.r_[angles, np.pi])
    return RegularGridInterpolator(grid, wrapped[::-1], bounds_error=False, fill_value=None)


def _trunk(sheet: Surface, trunk: Floats, neck_foot: Floats, hang: Hang) -> Floats:
    """Points (V, 3) of the trunk's cloth."""
    points = sheet.points
    low = points[:, 2] < neck_foot[2] - 0.03
    solid = points[(trunk > 0.75) & low]
    axis = np.array([neck_foot[0], 0.5 * (solid[:, 1].min() + solid[:, 1].max()), 0.0])
    across = points[:, :2] - axis[:2]
    radius = np.linalg.norm(across, axis=1) + 1e-9
    wanted = _trunk_radius(solid, axis, hang)(np.stack([points[:, 2], np.arctan2(across[:, 0], -across[:, 1])], 1))
    below = smooth_step(points[:, 2], neck_foot[2] - 0.07, neck_foot[2] - 0.17)
    outward = smooth_step((sheet.normals[:, :2] * across).sum(1) / radius, 0.15, 0.6)
    slack = np.maximum(wanted - radius, 0.0).clip(0.0, 0.08) * smooth_step(trunk, 0.45, 0.85) * below * outward
    slack += hang.slack * below * smooth_step(points[:, 2], neck_foot[2] - 0.15, neck_foot[2] - 0.45) * trunk
    moved = points.copy()
    moved[:, :2] += across / radius[:, None] * slack[:, None]
    return moved


def tube(points: Floats, limb: Limb, slack_m: float, taper: float) -> Floats:
    """Points (V, 3) with a limb's cloth rounded into a tube that gets narrower downwards by at most `taper`."""
    down, _, _ = limb.along(points)
    own = limb.share > 0.85
    places = np.arange(max(0.0, down[own].min()), down[own].max(), 0.01)
    slices = [own & (np.abs(down - t) < 0.02) for t in places]
    middle = gaussian_filter1d(np.stack([points[near].mean(0) for near in slices]), 3.0, axis=0, mode="nearest")
    centre = np.stack([np.interp(down, places, middle[:, k]) for k in range(3)], 1)
    way = (limb.elbow - limb.shoulder) / np.linalg.norm(limb.elbow - limb.shoulder)
    across = points - centre
    across = across - (across @ way)[:, None] * way
    radius = np.linalg.norm(across, axis=1) + 1e-9
    wide = np.array([np.quantile(radius[near], 0.7) for near in slices])
    for k in range(1, len(wide)):
        wide[k] = max(wide[k], wide[k - 1] - taper * 0.01)
    slack = slack_m * smooth_step(places, 0.05, 0.25)
    wide = gaussian_filter1d(wide, 3.0, mode="nearest") + slack
    share = smooth_step(limb.share, 0.6, 1.0) * smooth_step(down, 0.05, 0.20)
    grown = np.maximum(np.interp(down, places, wide) - radius, 0.0) * share
    return np.asarray(points + across / radius[:, None] * grown[:, None])


def _waves(at: Floats, seed: int, count: int = 14) -> Floats:
    """Smooth noise (V,) of about -1..1 at points (V, 3): waves of many directions, a cell about 1 wide."""
    chance = np.random.default_rng(seed)
    total = np.zeros(len(at))
    for _ in range(count):
        way = chance.normal(size=3)
        way *= chance.uniform(1.0, 3.0) / np.linalg.norm(way)
        total += np.sin(at @ way + chance.uniform(0.0, 2 * np.pi))
    return np.asarray(total / np.sqrt(count))


def _folds(points: Floats, slack: Floats, trunk: Floats, limbs: tuple[Limb, Limb], seed: int) -> Floats:
    """Height (V,), about -1..1: pulls between armpit and shoulder, rings around sleeves, drops where cloth is slack."""

    def ridge(at: Floats, number: int) -> Floats:
        # a little sharper on crests than in valleys, as folds are
        return 1.1 - 1.2 * np.sqrt(_waves(at, seed + number) ** 2 + 0.2)

    total = 0.3 * _waves(points * 14.0, seed)
    across = np.stack([points[:, 0] * 26.0, points[:, 1] * 18.0, points[:, 2] * 6.0], 1)
    total += smooth_step(slack, 0.008, 0.03) * 1.3 * ridge(across + points[:, 2:] * 5.0, 5)
    for number, limb in enumerate(limbs):
        sign = np.sign(limb.shoulder[0])
        pit = limb.shoulder + np.array([-sign * 0.012, -0.02, -0.10])
        offset = points - pit
        far = np.linalg.norm(offset, axis=1)
        turn = np.arctan2(offset[:, 2], -sign * offset[:, 0])
        rays = np.stack([turn * 3.6, far * 4.0, points[:, 1] * 3.0 + number * 9.0], 1)
        near = smooth_step(far, 0.20, 0.09) * smooth_step(far, 0.02, 0.09)
        total += 0.5 * near * ridge(rays, 11 + number)
        down, _, angle = limb.along(points)
        bent = float(np.linalg.norm(limb.elbow - limb.shoulder))
        twist = down * 20.0 + 0.5 * np.cos(angle + number)
        rings = np.stack([twist, 0.75 * np.cos(angle), 0.75 * np.sin(angle) + number * 5.0], 1)
        most = 0.8 + 1.0 * np.exp(-(((down - bent) / 0.07) ** 2)) + 0.3 * np.exp(-(((down - 0.13) / 0.05) ** 2))
        total += smooth_step(limb.share, 0.7, 1.0) * smooth_step(down, 0.05, 0.12) * most * ridge(rings, 23 + number)
    return total


def armholes(points: Floats, limbs: tuple[Limb, Limb]) -> Floats:
    """Signed metres (V,) from the armholes' seams: below 0 on the trunk; far from both it stays large."""
    nearest = np.full(len(points), -1.0)
    for limb in limbs:
        sign = np.sign(limb.shoulder[0])
        offset = (points - limb.shoulder) * np.array([sign, 1.0, 1.0])
        # the seam runs over the shoulder's corner and curves in towards the armpit
        curve = 0.012 - 0.030 * smooth_step(offset[:, 2], 0.03, -0.06) + 0.016 * smooth_step(offset[:, 2], -0.06, -0.11)
        gone = offset[:, 0] - curve
        gone = np.where(limb.share > 0.9, np.maximum(gone, 0.02), gone)
        gone = np.where(limb.share < 0.02, np.minimum(gone, -0.02), gone)
        nearest = np.where(np.sign(points[:, 0]) == sign, gone, nearest)
    return nearest


def drape(sheet: Surface, limbs: tuple[Limb, Limb], neck_foot: Floats, hang: Hang) -> tuple[Floats, Floats]:
    """Cloth's points (V, 3) for a sheet of skin (V, 3), and how far it hangs off the skin (V,)."""
    trunk = 1.0 - limbs[0].share - limbs[1].share
    # what is worn below rounds the chest; only on the shoulders does cloth follow the skin
    lies = smooth_step(sheet.points[:, 2], limbs[0].shoulder[2] - 0.11, limbs[0].shoulder[2] - 0.06)[:, None]
    skin = relax(sheet.points, sheet.quads, 2)
    even = relax(skin, sheet.quads, 24)
    even = even + relax(skin - even, sheet.quads, 24)  # smoothing shrinks what bulges: give back what is broad
    skin = lies * skin + (1 - lies) * even
    normals = vertex_normals(relax(skin, sheet.quads, 8), sheet.quads)
    base = skin + hang.ease * normals
    shell = Surface(base, normals, sheet.texture, sheet.quads)
    points = _trunk(shell, trunk, neck_foot, hang)
    for limb in limbs:
        points = tube(points, limb, hang.sleeve_slack, 0.16)
    edge = _rim(sheet.quads, len(points))
    points = relax(points, sheet.quads, 14, edge)
    # smoothing shrinks: never nearer than the ease, measured along the skin's own normals
    for rounds in (3, 2, 1):
        depth = ((points - base) * normals).sum(1)
        points = points + np.maximum(-depth, 0.0)[:, None] * normals
        points = relax(points, sheet.quads, rounds, edge)
    depth = ((points - sheet.points) * normals).sum(1)
    points = points + lies * np.maximum(0.7 * hang.ease - depth, 0.0)[:, None] * normals
    return points, np.linalg.norm(points - skin, axis=1)


def creased(points: Floats, quads: Ints, limbs: tuple[Limb, Limb], slack: Floats, hang: Hang, seed: int) -> Floats:
    """Points (V, 3) of a fine sheet with folds and sewn armholes; `slack` (V,) is how far it hangs off the body."""
    trunk = 1.0 - limbs[0].share - limbs[1].share
    height = hang.folds * _folds(points, slack, trunk, limbs, seed)
    seam = np.abs(armholes(points, limbs))
    height -= 0.0016 * np.exp(-((seam / 0.0022) ** 2)) - 0.0007 * np.exp(-(((seam - 0.006) / 0.004) ** 2))
    return np.asarray(points + height[:, None] * vertex_normals(points, quads))


def _rim(quads: Ints, count: int) -> Floats:
    """1 (V,) at the sheet's open edges, 0 elsewhere."""
    edges = np.sort(np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)]), 1)
    pairs, times = np.unique(edges, axis=0, return_counts=True)
    rim = np.zeros(count)
    rim[pairs[times == 1].ravel()] = 1.0
    return rim


def trim(points: Floats, quads: Ints, gone: Floats) -> tuple[Floats, Ints]:
    """Cut a sheet along the curve where `gone` (V,) is 0; what is above 0 falls away.

    Vertices just past the curve are drawn back onto it along the mesh's edges and diagonals, so the edge is as smooth
    as the curve and not as the mesh.
    """
    kept = quads[(gone[quads] <= 0).any(1)]
    pairs = np.concatenate([kept[:, [a, b]] for a in range(4) for b in range(4) if a != b])
    outer, inner = pairs[:, 0], pairs[:, 1]
    crossing = (gone[outer] > 0) & (gone[inner] <= 0)
    outer, inner = outer[crossing], inner[crossing]
    share = gone[outer] / (gone[outer] - gone[inner] + 1e-12)
    weight = 1.0 / (0.05 + share)
    moved, total = np.zeros_like(points), np.zeros(len(points))
    np.add.at(moved, outer, (weight * share)[:, None] * (points[inner] - points[outer]))
    np.add.at(total, outer, weight)
    snapped = points + moved / np.maximum(total, 1e-12)[:, None]
    return snapped, kept


def thread(points: Floats, limbs: tuple[Limb, Limb], neck_foot: Floats) -> tuple[Floats, Floats]:
    """Metres (V,) down the cloth and (V,) around it: rows and columns of its stitches, per piece as it is knitted."""
    row = neck_foot[2] - points[:, 2]
    # around the trunk: arc length grows as the front turns into the flank
    column = points[:, 0] * 1.25
    for limb in limbs:
        down, centre, angle = limb.along(points)
        radius = np.linalg.norm(points - centre, axis=1)
        sleeve = (armholes(points, limbs) > 0) & (np.sign(points[:, 0]) == np.sign(limb.shoulder[0]))
        row, column = np.where(sleeve, down, row), np.where(sleeve, angle * np.median(radius[sleeve]), column)
    return np.asarray(row), np.asarray(column)
