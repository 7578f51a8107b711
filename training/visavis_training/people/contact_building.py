"""Finds, once per anatomy, where lips and lids can touch: cuts across them, their two sides, how far each pulls.

Everything comes from the base mesh's shape and neighbourhood, so it holds for every person with this topology. Knows
nothing of batches or of expressions beyond the units' own displacements.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from visavis_models.arkit import ARKIT, ARKIT_COUNT

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LIP_CUTS = 45
LID_CUTS = 25
_PARTING_UNITS = ("jawOpen", "mouthFunnel", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft",
                  "mouthUpperUpRight")  # fmt: skip
_TONGUE_PARTS = 0.35
"""The lips make room for a tongue put out as for this much jawOpen."""


@dataclass(frozen=True, slots=True)
class Seam:
    """Two sides of skin that meet along a line from one corner to the other; K cuts across it, Z vertices near it."""

    zone: Ints
    """(Z,) the vertices that may move."""
    column: Ints
    """(Z,) the cut before each vertex, 0..K-2."""
    between: Floats
    """(Z,) how far it lies towards the next cut, 0..1."""
    upper_pull: Floats
    """(Z,) 0..1: share of the upper side's shift that the vertex follows; 0 on the lower side."""
    lower_pull: Floats
    upper_stop: NDArray[np.bool_]
    """(Z,) may not go below the line of contact."""
    lower_stop: NDArray[np.bool_]
    cut_a: Ints
    """(2, K, M) ends of the mesh edges that each cut crosses, upper then lower side; padded by repeating."""
    cut_b: Ints
    cut_share: Floats
    """(2, K, M) share of end b."""

    def arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Every field as `prefix_field`."""
        return {f"{prefix}_{name}": getattr(self, name) for name in Seam.__slots__}


def _graph(points: Floats, triangles: Ints) -> sp.csr_matrix:
    ends = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    ends = np.unique(np.sort(ends, 1), axis=0)
    length = np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1)
    count = len(points)
    half = sp.csr_matrix((length, (ends[:, 0], ends[:, 1])), shape=(count, count))
    return half + half.T


def _sides(points: Floats, triangles: Ints, upper: Ints, lower: Ints) -> tuple[Floats, Floats]:
    """Distance over the surface from each of two sets of vertices."""
    graph = _graph(points, triangles)
    first, second = (dijkstra(graph, indices=seeds, min_only=True, limit=2.0) for seeds in (upper, lower))
    return first, second


def nearer(points: Floats, triangles: Ints, upper: Ints, lower: Ints) -> NDArray[np.bool_]:
    """(V,) is a vertex nearer, over the surface, to one of `upper` than to any of `lower`."""
    to_upper, to_lower = _sides(points, triangles, upper, lower)
    return np.asarray(to_upper < to_lower)


def _cuts(
    points: Floats, triangles: Ints, inside: NDArray[np.bool_], is_upper: NDArray[np.bool_], places: Floats
) -> tuple[Ints, Ints, Floats]:
    """Edges between `inside` vertices that the planes x = places cross, by side: ends and shares (2, K, M)."""
    ends = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    ends = np.unique(np.sort(ends, 1), axis=0)
    ends = ends[inside[ends].all(1) & (is_upper[ends[:, 0]] == is_upper[ends[:, 1]])]
    found: list[list[Ints]] = [[], []]
    shares: list[list[Floats]] = [[], []]
    for side, wanted in enumerate((True, False)):
        edges = ends[is_upper[ends[:, 0]] == wanted]
        x = points[edges, 0]
        for place in places:
            crossed = (x[:, 0] - place) * (x[:, 1] - place) <= 0
            crossed &= np.abs(x[:, 0] - x[:, 1]) > 1e-9
            a = x[crossed]
            found[side].append(edges[crossed])
            shares[side].append((place - a[:, 0]) / (a[:, 1] - a[:, 0]))
    most = max(len(e) for rows in found for e in rows)
    cut_a = np.zeros((2, len(places), most), np.int64)
    cut_b, cut_share = cut_a.copy(), np.zeros(cut_a.shape)
    for side in range(2):
        for k, (edges, share) in enumerate(zip(found[side], shares[side], strict=True)):
            if not len(edges):
                raise ValueError(f"no surface at {places[k]:.3f}")
            take = np.arange(most) % len(edges)
            cut_a[side, k], cut_b[side, k], cut_share[side, k] = edges[take, 0], edges[take, 1], share[take]
    return cut_a, cut_b, cut_share


def _columns(x: Floats, places: Floats) -> tuple[Ints, Floats]:
    column = np.clip(np.searchsorted(places, x, side="right") - 1, 0, len(places) - 2)
    between = (x - places[column]) / (places[column + 1] - places[column])
    return column, np.clip(between, 0, 1)


def _ease(value: Floats) -> Floats:
    clipped = np.clip(value, 0, 1)
    return np.asarray(clipped * clipped * (3 - 2 * clipped))


def _cut_heights(points: Floats, a: Ints, b: Ints, share: Floats) -> tuple[Floats, Floats]:
    """(K,) lowest y-down value reach of the upper side, and highest of the lower side."""
    y = points[a, 1] * (1 - share) + points[b, 1] * share
    return y[0].max(1), y[1].min(1)


def lips(
    points: Floats, triangles: Ints, units: Floats, corners_x: tuple[float, float], upper: Ints, lower: Ints
) -> tuple[Seam, Floats]:
    """The lips' seam and (52, K) how far each unit parts them at every cut, dm.

    Args:
        points: (V, 3) base mesh of skin and mouth only.
        triangles: (F, 3).
        units: (52, V, 3).
        corners_x: of the mouth, person's right first.
        upper: vertices on the upper lip's middle.
        lower: vertices on the lower lip's middle.
    """
    places = np.linspace(*corners_x, LIP_CUTS + 2)[1:-1]
    to_upper, to_lower = _sides(points, triangles, upper, lower)
    is_upper = to_upper < to_lower
    near = np.isfinite(np.minimum(to_upper, to_lower)) & (np.minimum(to_upper, to_lower) < 0.75)
    x, y, z = points.T
    line_y = np.interp(x, places, np.full(len(places), points[upper, 1].mean()))
    front = near & (x > corners_x[0]) & (x < corners_x[1]) & (np.abs(y - line_y) < 0.13)
    bins = np.digitize(x, places)
    front_z = np.array([z[front & (bins == k)].min(initial=0.0) for k in range(len(places) + 1)])
    front_z = np.minimum(front_z, np.roll(front_z, 1))
    inside = front & (z < front_z[bins] + 0.13)
    cut_a, cut_b, cut_share = _cuts(points, triangles, inside, is_upper, places)

    up, low = _cut_heights(points, cut_a, cut_b, cut_share)
    line = (up + low) / 2
    padded = np.concatenate([[corners_x[0]], places, [corners_x[1]]])
    lines = np.interp(x, padded, np.concatenate([line[:1], line, line[-1:]]))
    reach = np.hypot(y - lines, np.maximum(z - front_z[bins] - 0.1, 0))
    pull = _ease((0.26 - reach) / 0.20) * near * (x > corners_x[0]) * (x < corners_x[1])
    zone = np.flatnonzero(pull > 0)
    places_padded = padded
    column, between = _columns(x[zone], places_padded)
    stop = inside[zone]
    seam = Seam(
        zone, column, between, pull[zone] * is_upper[zone], pull[zone] * ~is_upper[zone],
        stop & is_upper[zone], stop & ~is_upper[zone], cut_a, cut_b, cut_share,
    )  # fmt: skip
    parting = np.zeros((ARKIT_COUNT, LIP_CUTS))
    for name in _PARTING_UNITS:
        moved_up, moved_low = _cut_heights(points + units[ARKIT[name]], cut_a, cut_b, cut_share)
        parting[ARKIT[name]] = np.maximum((moved_low - moved_up) - (low - up), 0)
    parting[ARKIT["mouthClose"]] = -parting[ARKIT["jawOpen"]]
    parting[ARKIT["tongueOut"]] = _TONGUE_PARTS * parting[ARKIT["jawOpen"]]
    return seam, parting


def lids(
    points: Floats, triangles: Ints, blink: Floats, centre: Floats, radius: float,
    corners_x: tuple[float, float], upper: Ints, lower: Ints,
) -> tuple[Seam, dict[str, NDArray[np.generic]]]:  # fmt: skip
    """The seam of one eye's lids, which of its vertices must stay outside the eyeball, and their neighbours.

    Args:
        points: (V, 3) base mesh of the skin.
        triangles: (F, 3).
        blink: (V, 3) displacement of this eye's blink.
        centre: (3,) of the eyeball.
        radius: of the eyeball, dm.
        corners_x: of the opening, smaller first.
        upper: vertices on the upper lid's edge.
        lower: vertices on the lower lid's edge.
    """
    places = np.linspace(*corners_x, LID_CUTS + 2)[1:-1]
    to_upper, to_lower = _sides(points, triangles, upper, lower)
    is_upper = to_upper < to_lower
    near = np.minimum(to_upper, to_lower) < 0.3
    away = np.linalg.norm(points - centre, axis=1)
    x = points[:, 0]
    ahead = points[:, 2] < centre[2] - 0.02
    outer = near & ahead & (away > 1.02 * radius)
    rim = outer & (away < 1.30 * radius) & (np.minimum(to_upper, to_lower) < 0.2)
    cut_a, cut_b, cut_share = _cuts(points, triangles, rim, is_upper, places)
    padded = np.concatenate([[corners_x[0]], places, [corners_x[1]]])

    up, low = _cut_heights(points, cut_a, cut_b, cut_share)
    edge_up = np.interp(x, padded, np.concatenate([up[:1], up, up[-1:]]))
    edge_low = np.interp(x, padded, np.concatenate([low[:1], low, low[-1:]]))
    drop = points[cut_a, 1] * 0 + blink[cut_a, 1] * (1 - cut_share) + blink[cut_b, 1] * cut_share
    most = np.interp(x, padded, np.concatenate([[1e9], drop[0].max(1), [1e9]]))
    follow = np.clip(np.maximum(blink[:, 1], 0) / np.maximum(most, 0.02), 0, 1)
    close = _ease(1 - np.maximum(edge_up - points[:, 1], 0) / 0.10)
    upper_pull = np.maximum(follow, close * (away < 1.3 * radius)) * is_upper * near
    lower_pull = _ease(1 - np.maximum(points[:, 1] - edge_low, 0) / 0.12) * ~is_upper * near
    aside = _ease((np.minimum(x - corners_x[0], corners_x[1] - x) + 0.03) / 0.03)
    upper_pull, lower_pull = upper_pull * aside, lower_pull * aside
    zone = np.flatnonzero((near & (points[:, 2] < centre[2] + 0.05)) | (np.maximum(upper_pull, lower_pull) > 0.01))
    column, between = _columns(x[zone], padded)
    stop = rim[zone] & (x[zone] > corners_x[0]) & (x[zone] < corners_x[1])
    seam = Seam(
        zone, column, between, upper_pull[zone], lower_pull[zone],
        stop & is_upper[zone], stop & ~is_upper[zone], cut_a, cut_b, cut_share,
    )  # fmt: skip
    graph = _graph(points, triangles)[zone][:, zone].tolil()
    width = max(len(row) for row in graph.rows)
    neighbours = np.array([(row * width)[:width] if row else [i] * width for i, row in enumerate(graph.rows)])
    return seam, {"outer": outer[zone], "neighbours": neighbours.astype(np.int64)}
