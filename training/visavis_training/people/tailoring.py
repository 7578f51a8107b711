"""The body as a tailor sees it: distances from neck and armholes along the skin, and charts to lay pieces of cloth on.

Built once from an anatomy's base mesh; places are vertices or weights on triangles, so that they hold for everybody.
Knows nothing of garments, folds or colours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.sparse.linalg import factorized
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_REACH_DM = 0.42
"""Between places closer than this the skin is taken to be flat."""
_CANDIDATES = 64


@dataclass(frozen=True, slots=True)
class Ring:
    """A closed line around a limb and what can be told from it, on the base mesh."""

    distance: Floats
    """(S,) dm along the skin; negative towards the limb's end."""
    angle: Floats
    """(S,) radians -pi..pi around the limb's axis."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A raster of places on the skin over two coordinates: row r is `first_row` + r `row_step`, columns likewise."""

    corners: Ints
    """(R, C, 3) local vertices."""
    weights: Floats
    """(R, C, 3)."""
    first_row: float
    row_step: float
    first_column: float
    column_step: float


def edges_of(triangles: Ints) -> Ints:
    """(E, 2) each edge once."""
    ends = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.unique(np.sort(ends, 1), axis=0)


def ring(points: Floats, normals: Floats, triangles: Ints, level: Floats, start: Floats, axis: Floats) -> Ring:
    """A ring where `level` is 0, and every vertex's distance from it and angle around it.

    Args:
        points: (S, 3) base mesh.
        normals: (S, 3) unit.
        triangles: (F, 3).
        level: (S,) crosses zero at the ring; may do so elsewhere too.
        start: (3,) the piece of the zero line nearest to it is the ring.
        axis: (3, 3) a place in the limb that the ring cuts off, the direction of angle 0 and that of a right angle.
    """
    ends = edges_of(triangles)
    crosses = (level[ends[:, 0]] > 0) != (level[ends[:, 1]] > 0)
    cut = ends[crosses]
    share = level[cut[:, 0]] / (level[cut[:, 0]] - level[cut[:, 1]])
    places = points[cut[:, 0]] + share[:, None] * (points[cut[:, 1]] - points[cut[:, 0]])
    number = {(int(a), int(b)): k for k, (a, b) in enumerate(cut)}
    links = []
    for triangle in triangles[((level[triangles] > 0).sum(1) % 3) != 0].tolist():
        pair = [number[key] for k in range(3) if (key := tuple(sorted((triangle[k], triangle[k - 1])))) in number]
        links.append(pair[:2])
    joined = np.array(links)
    graph = sp.coo_matrix((np.ones(len(joined)), (joined[:, 0], joined[:, 1])), (len(cut), len(cut)))
    piece = connected_components(graph, directed=False)[1]
    own = piece == piece[np.linalg.norm(places - start, axis=1).argmin()]
    places, cut = places[own], cut[own]

    # the limb: what cannot be reached from outside without crossing the ring
    blocked = {(int(a), int(b)) for a, b in cut}
    free = np.array([e for e in ends.tolist() if tuple(e) not in blocked])
    graph = sp.coo_matrix((np.ones(len(free)), (free[:, 0], free[:, 1])), (len(points), len(points)))
    side = connected_components(graph, directed=False)[1]
    limb = side == side[np.linalg.norm(points - axis[0], axis=1).argmin()]

    away = _distances(points, normals, places, normals[cut[:, 0]])
    centre = places.mean(0)
    offset = points - centre
    return Ring(np.where(limb, -away, away), np.arctan2(offset @ axis[2], offset @ axis[1]))


def _distances(points: Floats, normals: Floats, places: Floats, outward: Floats) -> Floats:
    """(S,) shortest way along the skin from any of `places`."""
    everything, ways = np.concatenate([places, points]), np.concatenate([outward, normals])
    pairs = cKDTree(everything).query_pairs(_REACH_DM, output_type="ndarray")
    # no short cuts through the air from arm to chest
    pairs = pairs[(ways[pairs[:, 0]] * ways[pairs[:, 1]]).sum(1) > 0.25]
    length = np.linalg.norm(everything[pairs[:, 0]] - everything[pairs[:, 1]], axis=1)
    graph = sp.coo_matrix((length, (pairs[:, 0], pairs[:, 1])), (len(everything), len(everything))).tocsr()
    found = dijkstra(graph, directed=False, indices=np.arange(len(places)), min_only=True)
    return np.asarray(np.where(np.isfinite(found), found, 99.0)[len(places) :], np.float64)


def chart(
    coordinates: Floats,
    triangles: Ints,
    rows: tuple[float, float, int],
    columns: tuple[float, float, int],
    period: float = 0.0,
) -> Chart:
    """Lay triangles out by two coordinates of their vertices and read them on a raster.

    Args:
        coordinates: (S, 2) row and column coordinate of each vertex.
        triangles: (F, 3) of these vertices.
        rows: first, last and number of rows.
        columns: first, last and number of columns; the last is left out where there is a period.
        period: of the column coordinate; 0 if it has none.
    """
    across = coordinates[triangles]
    if period:
        seam = across[..., 1] - across[:, :1, 1]
        across = across.copy()
        across[..., 1] -= period * np.round(seam / period)
    row = np.linspace(*rows)
    column = np.linspace(columns[0], columns[1], columns[2], endpoint=not period)
    wanted = np.stack(np.meshgrid(row, column, indexing="ij"), -1).reshape(-1, 2)
    if period:  # the layout once more on either side, so that the raster finds triangles across its border
        shifts = np.array([0.0, period, -period])
        across = np.concatenate([across + np.array([0.0, shift]) for shift in shifts])
        triangles = np.concatenate([triangles] * len(shifts))
    scale = np.array([1 / np.ptp(row), 1 / np.ptp(column)])
    tree = cKDTree(across.mean(1) * scale)
    near = tree.query(wanted * scale, min(_CANDIDATES, len(triangles)))[1]
    a, b, c = across[near, 0], across[near, 1], across[near, 2]
    ask, area = wanted[:, None], _cross(b - a, c - a)
    of = np.stack([_cross(b - ask, c - ask), _cross(c - ask, a - ask), _cross(a - ask, b - ask)], -1)
    of = of / np.where(np.abs(area) < 1e-9, 1e-9, area)[..., None]
    worst = np.where(np.abs(area) > 1e-9, of.min(-1), -np.inf)
    best = worst.argmax(1)
    pick = np.arange(len(wanted))
    corners = triangles[near[pick, best]]
    weights = of[pick, best].clip(0, 1)
    weights = weights / weights.sum(1, keepdims=True)
    shape = (len(row), len(column), 3)
    return Chart(
        corners.reshape(shape), weights.reshape(shape), float(row[0]), float(row[1] - row[0]),
        float(column[0]), float(column[1] - column[0]),
    )  # fmt: skip


def _cross(one: Floats, other: Floats) -> Floats:
    return np.asarray(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0], np.float64)


def snapped(level: Floats, triangles: Ints, start: Floats) -> tuple[Ints, Floats]:
    """Move vertices along edges onto the line where `level` is 0, so that no triangle lies on both sides of it.

    Args:
        level: (S,).
        triangles: (F, 3).
        start: (S,) share of the way already gone; such vertices stay.

    Returns:
        For each vertex the one it moves towards (S,) and the share of the way 0..1 (S,).
    """
    ends = edges_of(triangles)
    a, b = level[ends[:, 0]], level[ends[:, 1]]
    crossing = ends[(a > 0) != (b > 0)]
    crossing = np.concatenate([crossing, crossing[:, ::-1]])
    share = level[crossing[:, 0]] / (level[crossing[:, 0]] - level[crossing[:, 1]])
    near = (share <= 0.5) & (start[crossing[:, 0]] == 0)
    crossing, share = crossing[near], share[near]
    order = np.argsort(-share)
    to, way = np.arange(len(level)), start.copy()
    to[crossing[order, 0]] = crossing[order, 1]
    way[crossing[order, 0]] = share[order]
    return to, way


def thinned(points: Floats, triangles: Ints, wanted_dm: Floats, fixed: Bools) -> Ints:
    """Triangles of the same surface with fewer corners: vertices merge into neighbours, edges get as long as wanted.

    Args:
        points: (S, 3).
        triangles: (F, 3); open borders are kept.
        wanted_dm: (S,) length of edges; where they are already longer nothing changes.
        fixed: (S,) vertices that stay.
    """
    faces: dict[int, tuple[int, int, int]] = {k: (int(a), int(b), int(c)) for k, (a, b, c) in enumerate(triangles)}
    of: list[set[int]] = [set() for _ in range(len(points))]
    for number, corners in faces.items():
        for corner in corners:
            of[corner].add(number)
    edges, uses = np.unique(
        np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), 1),
        axis=0, return_counts=True,
    )  # fmt: skip
    stays = fixed.copy()
    stays[edges[uses == 1].ravel()] = True

    def around(vertex: int) -> set[int]:
        return {corner for number in of[vertex] for corner in faces[number]} - {vertex}

    def normal(corners: tuple[int, int, int]) -> Floats:
        a, b, c = points[list(corners)]
        return np.asarray(np.cross(b - a, c - a))

    for scale in (0.5, 0.75, 1.0):
        for vertex in range(len(points)):
            if stays[vertex] or not of[vertex]:
                continue
            beside = around(vertex)
            length = {other: float(np.linalg.norm(points[other] - points[vertex])) for other in beside}
            into = min(length, key=length.__getitem__)
            if length[into] > scale * wanted_dm[vertex] or len(beside & around(into)) != 2:
                continue
            changed = {
                number: _swapped(faces[number], vertex, into) for number in of[vertex] if into not in faces[number]
            }
            if (
                max((np.linalg.norm(points[into] - points[c]) for t in changed.values() for c in t), default=0.0)
                > 1.5 * (wanted_dm[vertex])
            ):
                continue
            old, new = ([normal(t) for t in which] for which in ([faces[n] for n in changed], changed.values()))
            if any(o @ n < 0.7 * np.linalg.norm(o) * np.linalg.norm(n) for o, n in zip(old, new, strict=True)):
                continue
            for number in list(of[vertex]):
                corners = faces[number]
                if number in changed:
                    faces[number] = changed[number]
                    of[into].add(number)
                else:
                    for corner in corners:
                        if corner != vertex:
                            of[corner].discard(number)
                    del faces[number]
            of[vertex] = set()
    return np.array(list(faces.values()), np.int64)


def flattened(points: Floats, triangles: Ints, start: Floats, rounds: int = 15) -> Floats:
    """(S, 2) dm: triangles laid flat with as little stretch as can be, as a tailor's pattern is.

    Args:
        points: (S, 3).
        triangles: (F, 3); vertices outside them keep their start.
        start: (S, 2) a first layout in which no triangle is turned over.
        rounds: of turning triangles to fit, and fitting vertices to turned triangles.
    """
    used, local = np.unique(triangles, return_inverse=True)
    local = local.reshape(-1, 3)
    a, b, c = (points[used][local[:, k]] for k in range(3))
    side = b - a
    length = np.linalg.norm(side, axis=1)
    along = ((c - a) * side).sum(1) / length
    high = np.sqrt(np.maximum(((c - a) ** 2).sum(1) - along**2, 1e-12))
    rest = np.stack([np.zeros((len(a), 2)), np.stack([length, 0 * length], 1), np.stack([along, high], 1)], 1)
    laid = start[used][local]
    turned_over = _cross(laid[:, 1] - laid[:, 0], laid[:, 2] - laid[:, 0]) < 0
    rest[turned_over, :, 1] *= -1
    rows, columns, values, shares = [], [], [], []
    for k in range(3):
        i, j, opposite = k, (k + 1) % 3, (k + 2) % 3
        to_i, to_j = rest[:, i] - rest[:, opposite], rest[:, j] - rest[:, opposite]
        weight = ((to_i * to_j).sum(1) / np.abs(_cross(to_i, to_j)).clip(1e-9)).clip(0.02, 5.0)
        shares.append((i, j, weight))
        for one, other in ((i, j), (j, i)):
            rows += [local[:, one], local[:, one]]
            columns += [local[:, one], local[:, other]]
            values += [weight, -weight]
    system = sp.coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (len(used), len(used))
    ).tocsc() + 1e-6 * sp.identity(len(used), format="csc")
    solve = factorized(system)
    uv = start[used].astype(np.float64)
    for _ in range(rounds):
        laid = uv[local]
        spread = np.zeros((len(local), 2, 2))
        for i, j, weight in shares:
            spread += weight[:, None, None] * (laid[:, i] - laid[:, j])[:, :, None] * (rest[:, i] - rest[:, j])[:, None]
        turn = np.arctan2(spread[:, 1, 0] - spread[:, 0, 1], spread[:, 0, 0] + spread[:, 1, 1])
        cosine, sine = np.cos(turn), np.sin(turn)
        spin = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], 1)
        target = 1e-6 * uv
        for i, j, weight in shares:
            way = weight[:, None] * np.einsum("fij,fj->fi", spin, rest[:, i] - rest[:, j])
            np.add.at(target, local[:, i], way)
            np.add.at(target, local[:, j], -way)
        uv = np.stack([solve(target[:, 0]), solve(target[:, 1])], 1)
    result = start.astype(np.float64).copy()
    result[used] = uv + (start[used] - uv).mean(0)
    return result


def _swapped(corners: tuple[int, int, int], old: int, new: int) -> tuple[int, int, int]:
    a, b, c = (new if corner == old else corner for corner in corners)
    return a, b, c
