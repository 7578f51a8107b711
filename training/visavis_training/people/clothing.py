"""Garments cut from the body's own surface: eased off the skin, folded, and finished with a knitted band at the neck.

Numpy only. A garment is a sheet that ends at its neckline plus the band along that edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from scipy.ndimage import gaussian_filter1d

from visavis_training.people.surface import Floats, Ints, Surface, noise, smooth_step, vertex_normals

TURNS = 220


@dataclass(frozen=True, slots=True)
class Neckline:
    """Where cloth ends: an arch seen from the front, low at the throat and flat at the nape (metres).

    `middle` is on the neck's axis at the height of the shoulders' crest; the arch is `half_width` wide there and `drop`
    deep in front. A notch of `notch_depth` below the arch's foot makes it a vee.
    """

    middle: Floats
    half_width: float
    drop: float
    notch_depth: float = 0.0

    def above(self, points: Floats) -> Floats:
        """How far inside the opening points (N, 3) are, about metres: cloth is where it is negative."""
        across = np.abs(points[:, 0] - self.middle[0])
        arch = self.drop * np.sqrt(np.maximum(1.0 - (across / self.half_width) ** 2, 0.0))
        arch = (
            np.maximum(arch, (self.drop + self.notch_depth) * (1.0 - across / self.half_width))
            if self.notch_depth
            else arch
        )
        front = smooth_step(points[:, 1], self.middle[1] + 0.01, self.middle[1] - 0.03)
        edge = self.middle[2] - arch * front + 0.006 * (1.0 - front)
        return np.asarray(np.minimum(points[:, 2] - edge, self.half_width - across))


@dataclass(frozen=True, slots=True)
class Garment:
    """A sheet and its band: vertices in metres and quads of each."""

    sheet: Floats
    sheet_quads: Ints
    band: Floats
    band_quads: Ints


def relax(points: Floats, quads: Ints, rounds: int) -> Floats:
    """Smooth a quad mesh by moving every vertex halfway to its neighbours' mean, `rounds` times."""
    pairs = np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    count = len(points)
    links = sparse.coo_matrix(
        (np.ones(2 * len(pairs)), (np.r_[pairs[:, 0], pairs[:, 1]], np.r_[pairs[:, 1], pairs[:, 0]])), (count, count)
    ).tocsr()
    links.data[:] = 1.0
    mean = sparse.diags(1.0 / np.maximum(np.asarray(links.sum(1)).ravel(), 1.0)) @ links
    for _ in range(rounds):
        points = 0.5 * points + 0.5 * (mean @ points)
    return points


def cut(surface: Surface, neckline: Neckline, ease: float, fold: float, band_height: float, seed: int) -> Garment:
    """A garment `ease` metres off the skin, with folds of `fold` metres and a neck band `band_height` metres tall."""
    points = relax(surface.points, surface.quads, 60)
    normals = vertex_normals(points, surface.quads)
    # Cloth hangs from what stands out: blurring the offset surface once more fills the hollows of the body.
    points = relax(points + ease * normals, surface.quads, 40)
    normals = vertex_normals(points, surface.quads)
    points = points + (ease * 0.6) * normals
    below = -neckline.above(points)
    stretched = points * np.array([1.0, 1.0, 0.45])
    folds = noise(stretched + 0.02 * noise(points, 12.0, 2, seed)[:, None], 26.0, 2, seed + 1)
    crease = 1.0 - np.abs(noise(points * np.array([0.8, 1.0, 1.3]), 17.0, 2, seed + 2)) * 2.2
    relief = folds + 0.35 * np.maximum(crease, 0.0) ** 3
    points = points + (fold * relief * smooth_step(below, 0.0, 0.05))[:, None] * normals
    above = neckline.above(points)
    # Rows of vertices just past the cut are drawn onto it, so that the edge is a line and not a saw.
    quads = surface.quads[(above[surface.quads] < 0.004).all(1)]
    near = (above > -0.006) & (above < 0.004)
    points[near, 2] -= above[near] * 0.9
    rim = np.abs(neckline.above(points)) < 0.0035
    loop, outward = _loop(points[rim], normals[rim], neckline)
    band, band_quads = _band(loop, outward, band_height)
    return Garment(points, quads, band, band_quads)


def _loop(points: Floats, normals: Floats, neckline: Neckline) -> tuple[Floats, Floats]:
    centre = neckline.middle[:2]
    angle = np.arctan2(points[:, 0] - centre[0], -(points[:, 1] - centre[1]))
    turns = np.linspace(-np.pi, np.pi, TURNS, endpoint=False)
    loop, outward = np.empty((TURNS, 3)), np.empty((TURNS, 3))
    for k, turn in enumerate(turns):
        away = np.abs((angle - turn + np.pi) % (2 * np.pi) - np.pi)
        weight = np.exp(-((away / 0.035) ** 2)) + 1e-9
        loop[k] = (weight[:, None] * points).sum(0) / weight.sum()
        outward[k] = (weight[:, None] * normals).sum(0) / weight.sum()
    loop = gaussian_filter1d(loop, 2.0, axis=0, mode="wrap")
    return loop, outward / np.linalg.norm(outward, axis=1, keepdims=True)


def _band(loop: Floats, outward: Floats, height: float) -> tuple[Floats, Ints]:
    along = np.roll(loop, -2, 0) - np.roll(loop, 2, 0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    rise = np.cross(along, outward)
    rise /= np.linalg.norm(rise, axis=1, keepdims=True) + 1e-9
    rise *= np.sign((rise * np.array([0, 0, 1.0])).sum(1, keepdims=True) + 1e-9)
    # A rounded flat section: (across the sheet, up the neck), from below the edge to the band's lip and back inside.
    profile = np.array(
        [
            (0.0, -0.55),
            (0.9, -0.5),
            (1.0, -0.3),
            (1.0, 0.1),
            (0.95, 0.35),
            (0.5, 0.5),
            (-0.3, 0.45),
            (-0.8, 0.2),
            (-1.0, -0.3),
        ]
    )
    thickness = 0.0022
    lean = -0.10 * height
    rows = [loop + outward * (thickness * a + lean * max(b, 0.0)) + rise * (height * b) for a, b in profile]
    points = np.stack(rows, 1).reshape(-1, 3)
    width = len(profile)
    turn, step = np.meshgrid(np.arange(TURNS), np.arange(width - 1), indexing="ij")
    after = (turn + 1) % TURNS
    quads = np.stack([turn * width + step, after * width + step, after * width + step + 1, turn * width + step + 1], -1)
    return points, quads.reshape(-1, 4)
