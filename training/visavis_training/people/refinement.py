"""One Catmull-Clark level on a part of a quad mesh, as a sparse matrix, stitched to the coarse rest without cracks.

The matrix applies to positions and to any displacement of them, so every morph target can be refined once. Knows
nothing of people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Refined:
    """A triangle mesh that hangs on the vertices of a coarse quad mesh."""

    matrix: sp.csr_matrix
    """(V, V_coarse), rows sum to 1. The first V_coarse rows are the coarse vertices themselves, smoothed."""
    triangles: Ints
    """(F, 3) vertex indices, wound like the quads."""
    uv_triangles: Ints
    """(F, 3) rows of `uv`."""
    uv: Floats
    """(U, 2), every corner's texture coordinates, equal ones shared."""
    source_quad: Ints
    """(F,) the coarse quad each triangle lies in."""


def _edges(quads: Ints) -> tuple[Ints, Ints]:
    """Unique edges (E, 2), sorted inside, and (Q, 4) which edge runs from each corner to the next."""
    ends = np.stack([quads, np.roll(quads, -1, 1)], -1).reshape(-1, 2)
    edges, number = np.unique(np.sort(ends, 1), axis=0, return_inverse=True)
    return edges, number.reshape(quads.shape)


def _matrix(quads: Ints, refine: NDArray[np.bool_], count: int) -> tuple[sp.csr_matrix, Ints, Ints]:
    """Catmull-Clark rows (vertices, edge points, face points), unique edges, and (Q_refined, 4) edge numbers.

    The border of the refined part keeps its straight edges: there its vertices stay and edge points are midpoints.
    """
    fine = quads[refine]
    edges, edge_of = _edges(fine)
    faces = len(fine)
    identity = sp.identity(count, format="csr")
    face_points = sp.csr_matrix(
        (np.full(faces * 4, 0.25), (np.repeat(np.arange(faces), 4), fine.ravel())), shape=(faces, count)
    )
    edge_count = np.bincount(edge_of.ravel(), minlength=len(edges))
    midpoints = (identity[edges[:, 0]] + identity[edges[:, 1]]) * 0.5
    face_of_edge = sp.csr_matrix(
        (np.ones(faces * 4), (edge_of.ravel(), np.repeat(np.arange(faces), 4))), shape=(len(edges), faces)
    )
    smooth_edges = midpoints * 0.5 + sp.diags(0.5 / edge_count) @ face_of_edge @ face_points
    border = edge_count == 1
    edge_points = sp.diags((~border).astype(float)) @ smooth_edges + sp.diags(border.astype(float)) @ midpoints

    vertex_faces = sp.csr_matrix(
        (np.ones(faces * 4), (fine.ravel(), np.repeat(np.arange(faces), 4))), shape=(count, faces)
    )
    vertex_edges = sp.csr_matrix(
        (np.ones(len(edges) * 2), (edges.ravel(), np.repeat(np.arange(len(edges)), 2))), shape=(count, len(edges))
    )
    valence = np.asarray(vertex_edges.sum(1)).ravel()
    safe = np.maximum(valence, 1)
    smooth = (
        sp.diags(1 / safe**2) @ vertex_faces @ face_points
        + sp.diags(2 / safe**2) @ vertex_edges @ midpoints
        + sp.diags((safe - 3) / safe) @ identity
    )
    inner = valence > 0
    inner[np.unique(edges[border])] = False
    vertices = sp.diags(inner.astype(float)) @ smooth + sp.diags((~inner).astype(float)) @ identity
    return sp.csr_matrix(sp.vstack([vertices, edge_points, face_points])), edges, edge_of


def refine_quads(quads: Ints, uv_quads: Ints, uv: Floats, refine: NDArray[np.bool_], count: int) -> Refined:
    """Split the chosen quads into four each, turn everything into triangles.

    Args:
        quads: (Q, 4) vertex indices below `count`.
        uv_quads: (Q, 4) rows of `uv`.
        uv: (U, 2) texture coordinates.
        refine: (Q,) which quads to split.
        count: number of coarse vertices.
    """
    matrix, edges, edge_of = _matrix(quads, refine, count)
    corners_uv = uv[uv_quads]  # (Q, 4, 2)
    first_edge, first_face = count, count + len(edges)
    triangles: list[Ints] = []
    texture: list[Floats] = []
    source: list[Ints] = []

    def add(vertices: list[Ints], corners: list[Floats], of: Ints) -> None:
        triangles.append(np.stack(vertices, -1))
        texture.append(np.stack(corners, 1))
        source.append(of)

    fine, fine_uv, numbers = quads[refine], corners_uv[refine], np.flatnonzero(refine)
    centre_uv = fine_uv.mean(1)
    centre = first_face + np.arange(len(fine))
    for k in range(4):
        before, after = (k + 3) % 4, (k + 1) % 4
        to_next = first_edge + edge_of[:, k]
        from_last = first_edge + edge_of[:, before]
        next_uv = (fine_uv[:, k] + fine_uv[:, after]) / 2
        last_uv = (fine_uv[:, k] + fine_uv[:, before]) / 2
        add([fine[:, k], to_next, centre], [fine_uv[:, k], next_uv, centre_uv], numbers)
        add([fine[:, k], centre, from_last], [fine_uv[:, k], centre_uv, last_uv], numbers)

    number_of = {tuple(edge): i for i, edge in enumerate(edges.tolist())}
    plain: list[int] = []
    for q in np.flatnonzero(~refine):
        polygon: list[int] = []
        polygon_uv: list[Floats] = []
        for k in range(4):
            a, b = int(quads[q, k]), int(quads[q, (k + 1) % 4])
            polygon.append(a)
            polygon_uv.append(corners_uv[q, k])
            split = number_of.get((min(a, b), max(a, b)))
            if split is not None:
                polygon.append(first_edge + split)
                polygon_uv.append((corners_uv[q, k] + corners_uv[q, (k + 1) % 4]) / 2)
        if len(polygon) == 4:
            plain.append(int(q))
            continue
        start = 1 if polygon[1] >= count else next(i for i, v in enumerate(polygon) if v >= count)
        order = [(start + i) % len(polygon) for i in range(len(polygon))]
        for i in range(1, len(order) - 1):
            fan = [order[0], order[i], order[i + 1]]
            add([np.array([polygon[j]]) for j in fan], [polygon_uv[j][None] for j in fan], np.array([q]))
    rest, rest_uv, rest_numbers = quads[plain], corners_uv[plain], np.array(plain, np.int64)
    for trio in ((0, 1, 2), (0, 2, 3)):
        add([rest[:, j] for j in trio], [rest_uv[:, j] for j in trio], rest_numbers)

    flat = np.concatenate(texture).reshape(-1, 2)
    unique, index = np.unique(np.round(flat, 6), axis=0, return_inverse=True)
    return Refined(matrix, np.concatenate(triangles), index.reshape(-1, 3), unique, np.concatenate(source))
