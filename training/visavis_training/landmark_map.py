"""Says where MediaPipe's 478 landmarks lie on MakeHuman's head and reads any field of that head there.

The map was found once by detecting landmarks on rendered heads and is exact to some 2 mm; symmetry and smooth lip rows
take its jitter out. Knows nothing of expressions' meaning or of the weight file.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from visavis_models.face import topology as topo
from visavis_training.makehuman import MakeHuman

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

FLIP = np.array([-1.0, 1.0, 1.0])
_SAMPLES_PER_SIDE = 5
_NEIGHBOURS = 12
_SOFTNESS = 0.02
"""How far (dm) a landmark gathers its motion from the skin around it: the map is exact to about this much."""
_LOWER_UNITS = ("mouthRollLower", "mouthShrugLower", "mouthLowerDownLeft", "mouthLowerDownRight")
_UPPER_UNITS = ("mouthRollUpper", "mouthShrugUpper", "mouthUpperUpLeft", "mouthUpperUpRight")


def table(name: str) -> list[list[int]]:
    """Rows of whole numbers of a table that lies beside this module."""
    lines = (files("visavis_training") / name).read_text("utf-8").splitlines()
    return [[int(x) for x in line.split(",")] for line in lines if not line.startswith("#")]


def mirror_map() -> Indices:
    """(478,) the landmark on the other side of the face for each; one on the midline is its own."""
    return np.array([row[1] for row in table("face_landmarks.csv")])


def smooth_lips(values: Array) -> Array:
    """(478, c) with every row of the lips replaced by a smooth curve through it: takes the map's jitter out."""
    result = values.copy()
    t = np.linspace(-1, 1, 11)
    basis = np.polynomial.chebyshev.chebvander(t, 6)
    weight = np.ones(11)
    weight[[0, -1]] = 3.0
    ends: dict[int, list[Array]] = {}
    for row in (*topo.UPPER_LIP, *topo.LOWER_LIP):
        index = np.array(row)
        fitted = basis @ np.linalg.lstsq(basis * weight[:, None], values[index] * weight[:, None], rcond=None)[0]
        result[index[1:-1]] = fitted[1:-1]
        for end in (0, 10):
            ends.setdefault(row[end], []).append(fitted[end])
    for corner, candidates in ends.items():
        result[corner] = np.mean(candidates, 0)
    return result


class LandmarkSampler:
    """Reads any per-vertex field of MakeHuman at the 478 landmarks."""

    def __init__(self, human: MakeHuman, units: dict[str, Array], mirror: Indices) -> None:
        rows = table("face_landmarks.csv")
        base = human.vertices
        points = np.array([base[row[2:]].mean(0) for row in rows])
        points = (points + points[mirror] * FLIP) / 2
        self.points = smooth_lips(points)
        """(478, 3) where the landmarks lie on the base mesh, symmetric."""

        inside = human.mask("mpfb_inside-mouth.jpg")
        lower = sum(np.abs(units[n]).sum(1) for n in _LOWER_UNITS)
        upper = sum(np.abs(units[n]).sum(1) for n in _UPPER_UNITS)
        side = np.where(lower > upper + 1e-3, 1.0, np.where(upper > lower + 1e-3, -1.0, 0.0))
        quads = human.part("body")
        near = (np.abs(base[quads][..., 0]) < 1.2).all(1) & (base[quads][..., 2] < 0.7).all(1)
        near &= (np.abs(base[quads][..., 1]) < 1.3).all(1)
        skin = self._spread(quads[near], len(base))
        keep = (skin @ inside) < 0.9
        skin, skin_side = skin[keep], (skin @ side)[keep]
        weights = np.zeros((topo.LANDMARK_COUNT, len(base)))
        lip_side = np.zeros(topo.LANDMARK_COUNT)
        for index in {i for row in topo.UPPER_LIP for i in row[1:-1]}:
            lip_side[index] = -1
        for index in {i for row in topo.LOWER_LIP for i in row[1:-1]}:
            lip_side[index] = 1
        for wanted in (-1.0, 0.0, 1.0):
            chosen = skin[skin_side * wanted >= 0] if wanted else skin
            landmarks = np.flatnonzero(lip_side[: topo.MESH_COUNT] == wanted)
            self._gather(weights, landmarks, chosen, base)
        for group, iris in (("helper-r-eye", topo.RIGHT_IRIS), ("helper-l-eye", topo.LEFT_IRIS)):
            self._gather(weights, np.array(iris), self._spread(human.part(group), len(base)), base)
        self._weights = weights

    def __call__(self, field: Array) -> Array:
        """(478, 3) of a field (V, 3)."""
        return np.asarray(self._weights @ field)

    def _spread(self, quads: Indices, count: int) -> sp.csr_matrix:
        """Bilinear samples over `quads` as rows of weights over the vertices."""
        grid = (np.arange(_SAMPLES_PER_SIDE) + 0.5) / _SAMPLES_PER_SIDE
        rows = []
        for s in grid:
            for t in grid:
                corner = ((1 - s) * (1 - t), s * (1 - t), s * t, (1 - s) * t)
                rows.append((quads, np.broadcast_to(corner, quads.shape)))
        column = np.concatenate([q.ravel() for q, _ in rows])
        value = np.concatenate([w.ravel() for _, w in rows])
        row = np.repeat(np.arange(len(column) // 4), 4)
        return sp.csr_matrix((value, (row, column)), shape=(len(column) // 4, count))

    def _gather(self, weights: Array, landmarks: Indices, samples: sp.csr_matrix, base: Array) -> None:
        positions = samples @ base
        distance, nearest = cKDTree(positions).query(self.points[landmarks], k=_NEIGHBOURS)
        share = np.exp(-((distance - distance[:, :1]) ** 2) / (2 * _SOFTNESS**2))
        share /= share.sum(1, keepdims=True)
        for landmark, rows, shares in zip(landmarks, nearest, share, strict=True):
            weights[landmark] = shares @ samples[rows]
