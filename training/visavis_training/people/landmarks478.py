"""MediaPipe's 478 landmarks as barycentric points of the refined mesh, found once on the base mesh.

Two sets: anchors are anatomical (edges of lips and lids, `face_landmarks.csv`): contact and paint follow them.
Landmarks lie where the detector sees them (`landmark_places.csv`, see landmark_places.py): labels follow those. Knows
nothing of expressions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from visavis_models.face import topology as topo
from visavis_training.landmark_map import FLIP, mirror_map, smooth_lips, table
from visavis_training.people.eyeball import limbus_vertices

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TABLE = Path(__file__).with_name("landmark_places.csv")
_CANDIDATES = 24


def anchor_places(coarse: Floats) -> Floats:
    """(478, 3) the anchors on the coarse base mesh (V, 3), symmetric."""
    mirror = mirror_map()
    points = np.array([coarse[row[2:]].mean(0) for row in table("face_landmarks.csv")])
    return np.asarray(smooth_lips((points + points[mirror] * FLIP) / 2))


def detected_places(anchors: Floats) -> Floats:
    """(478, 3) where the detector sees the landmarks of the base mesh; `anchors` (478, 3) where nothing is known."""
    found = anchors.copy()
    for line in TABLE.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            landmark, *place = line.split(",")
            found[int(landmark)] = [float(value) for value in place]
    return found


def nearest_on_triangles(point: Floats, corners: Floats) -> tuple[Floats, Floats]:
    """Barycentric weights (n, 3) of the nearest place on each triangle (n, 3, 3), and its distance (n,)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    u, v, w = b - a, c - a, point - a
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    wu, wv = (w * u).sum(1), (w * v).sum(1)
    scale = uu * vv - uv * uv + 1e-18
    s, t = (vv * wu - uv * wv) / scale, (uu * wv - uv * wu) / scale
    inner = np.stack([1 - s - t, s, t], 1)
    options = [np.where((inner >= 0).all(1, keepdims=True), inner, np.nan)]
    for first, second in ((0, 1), (1, 2), (2, 0)):
        start, along = corners[:, first], corners[:, second] - corners[:, first]
        share = (((point - start) * along).sum(1) / ((along * along).sum(1) + 1e-18)).clip(0, 1)
        weights = np.zeros_like(inner)
        weights[:, first], weights[:, second] = 1 - share, share
        options.append(weights)
    stacked = np.stack(options)  # (4, n, 3)
    distance = np.linalg.norm(np.einsum("onk,nkc->onc", stacked, corners) - point, axis=-1)
    distance = np.where(np.isnan(distance), np.inf, distance)
    best = distance.argmin(0)
    rows = np.arange(len(corners))
    return stacked[best, rows], distance[best, rows]


def landmark_weights(
    found: Floats, points: Floats, triangles: Ints, skin: NDArray[np.bool_], upper: NDArray[np.bool_],
    eye_starts: tuple[int, int],
) -> tuple[Ints, Floats, Floats]:  # fmt: skip
    """Where the landmarks lie on the mesh.

    Args:
        found: (478, 3) of `anchor_places` or `detected_places`.
        points: (V, 3) base mesh.
        triangles: (F, 3).
        skin: (F,) triangles of the outer skin and the lips.
        upper: (V,) does the vertex belong to the upper lip's side; matters round the mouth only.
        eye_starts: first vertices of the right and of the left eyeball.

    Returns:
        (478, 3) vertices, (478, 3) weights and (478,) how far each place lay from the mesh, dm.
    """
    sides: dict[int, bool] = {}
    for lip_rows, is_upper in ((topo.UPPER_LIP, True), (topo.LOWER_LIP, False)):
        sides |= {i: is_upper for row in lip_rows for i in row[1:-1]}
    chosen = np.flatnonzero(skin)
    centres = points[triangles[chosen]].mean(1)
    on_upper = upper[triangles[chosen]].all(1)
    on_lower = (~upper[triangles[chosen]]).all(1)
    vertices = np.zeros((topo.LANDMARK_COUNT, 3), np.int64)
    weights = np.zeros((topo.LANDMARK_COUNT, 3))
    away = np.zeros(topo.LANDMARK_COUNT)
    trees = {
        side: (rows, cKDTree(centres[rows]))
        for side, rows in (
            (None, np.arange(len(chosen))),
            (True, np.flatnonzero(on_upper)),
            (False, np.flatnonzero(on_lower)),
        )
    }
    for landmark in range(topo.MESH_COUNT):
        rows, tree = trees[sides.get(landmark)]
        near = chosen[rows[tree.query(found[landmark], k=_CANDIDATES)[1]]]
        inner, distance = nearest_on_triangles(found[landmark], points[triangles[near]])
        best = int(distance.argmin())
        vertices[landmark], weights[landmark], away[landmark] = triangles[near[best]], inner[best], distance[best]
    for start, iris in zip(eye_starts, (topo.RIGHT_IRIS, topo.LEFT_IRIS), strict=True):
        for landmark, vertex in zip(iris, limbus_vertices(), strict=True):
            vertices[landmark], weights[landmark] = start + vertex, (1.0, 0.0, 0.0)
    return vertices, weights, away
