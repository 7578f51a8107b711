"""One mesh over the whole person: the 478 points of the face, and a grid of points over hair, neck and body around it.

Says where every point of the picture rests and how it hangs together (which part of it follows the head, which follows
the skin at the face's edge). Knows nothing of motion, colours or time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from visavis_models.avatar import Avatar
from visavis_models.face import topology as topo
from visavis_models.warp.filling import grown

_CHIN, _EAR_RIGHT, _EAR_LEFT = 152, 234, 454
_FINE_STEP = 0.11
"""Grid step on the head and neck, in face widths."""
_COARSE_STEP = 0.26
"""Grid step on the body."""
_SKIN_REACH = 0.42
"""How far beyond the face's edge skin is pulled along (chin over neck), in face widths."""


@dataclass(frozen=True, slots=True)
class PersonMesh:
    """The mesh at rest, in px of the canvas. Its first 478 points are the face's."""

    points: NDArray[np.float32]
    """float32 (N, 2)."""
    triangles: NDArray[np.int32]
    """int32 (M, 3): face, mouth and eye openings (closed by strips), then everything around."""
    head_weight: NDArray[np.float32]
    """float32 (N - 478,): 1 moves with the head, 0 with the body."""
    skin_weight: NDArray[np.float32]
    """float32 (N - 478, 36): share of the oval's own (not rigid) motion that a point outside follows."""
    depth_px: NDArray[np.float32]
    """float32 (N - 478,): depth of the outer points, same scale and zero as the landmarks'."""
    margin_px: int
    """How far the mesh reaches beyond the canvas where the person does."""


def _smooth(x: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(x, 0.0, 1.0)
    return clipped * clipped * (3.0 - 2.0 * clipped)


def _grid(low: NDArray[np.float64], high: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Points of a triangular lattice."""
    rows = np.arange(low[1], high[1] + step, step * 0.866)
    columns = np.arange(low[0], high[0] + step, step)
    x = columns[None, :] + (np.arange(len(rows)) % 2)[:, None] * step / 2
    return np.stack([x, np.broadcast_to(rows[:, None], x.shape)], -1).reshape(-1, 2)


def _distance_to_polygon(points: NDArray[np.float64], polygon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signed distance in px: negative inside."""
    contour = polygon.astype(np.float32).reshape(-1, 1, 2)
    return np.array([-cv2.pointPolygonTest(contour, (float(x), float(y)), True) for x, y in points])


def head_weights(avatar: Avatar, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much each point follows the head: 1 down to the chin, fading along the neck, 0 from the collar on.

    Args:
        avatar: the portrait.
        points: float64 (n, 2), px.
    """
    face = avatar.landmarks.astype(np.float64)
    width = avatar.face_width_px
    across = face[_EAR_LEFT, :2] - face[_EAR_RIGHT, :2]
    across /= max(float(np.hypot(*across)), 1e-6)
    down = np.array([-across[1], across[0]])
    chin = face[_CHIN, :2]
    shoulders = avatar.body_points[11:13]
    neck_px = 0.6 * width
    if float(shoulders[:, 3].min()) > 0.3:
        to_shoulders = float((shoulders[:, :2].mean(0) - chin) @ down)
        neck_px = float(np.clip(to_shoulders * 0.85, 0.35 * width, 0.85 * width))
    relative = points - chin
    v, u = relative @ down, relative @ across
    weight = 1.0 - _smooth((v + 0.08 * width) / neck_px)
    # Raised shoulders beside the face belong to the body, wide hair beside it to the head: fade far out, low down only.
    beside = _smooth((np.abs(u) / width - 0.55) / 0.4) * _smooth((v / width + 0.45) / 0.4)
    return weight * (1.0 - beside)


def _outer_points(avatar: Avatar, margin: int) -> NDArray[np.float64]:
    """Grid points over the person, fine on the head and neck, none inside or too near to the face's oval."""
    width = avatar.face_width_px
    oval = avatar.landmarks[list(topo.FACE_OVAL), :2].astype(np.float64)
    low = np.array([-margin, -margin], np.float64)
    high = np.array([avatar.width_px + margin, avatar.height_px + margin], np.float64)
    reach = oval.mean(0) + np.array([[-1.3, -1.5], [1.3, 1.6]]) * width
    fine = _grid(np.maximum(low, reach[0]), np.minimum(high, reach[1]), _FINE_STEP * width)
    coarse = _grid(low, high, _COARSE_STEP * width)
    coarse = coarse[((coarse < reach[0] - 0.08 * width) | (coarse > reach[1] + 0.08 * width)).any(1)]
    points = np.concatenate([fine, coarse])
    near = _grown_matte(avatar, margin, 1.2 * _COARSE_STEP * width)
    columns = np.clip(np.rint(points[:, 0]).astype(int) + margin, 0, near.shape[1] - 1)
    lines = np.clip(np.rint(points[:, 1]).astype(int) + margin, 0, near.shape[0] - 1)
    points = points[near[lines, columns]]
    edge_px = np.hypot(*(oval - np.roll(oval, 1, 0)).T)
    clear = _distance_to_polygon(points, oval) > max(float(edge_px.max()) * 0.6, 0.06 * width)
    return np.asarray(points[clear])


def _grown_matte(avatar: Avatar, margin: int, grow_px: float) -> NDArray[np.bool_]:
    padded = np.pad(avatar.matte > 0, margin, mode="edge")
    return grown(padded, grow_px)


def build_mesh(
    avatar: Avatar,
    face_triangles: NDArray[np.integer],
    depth_shell: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    margin: int,
) -> PersonMesh:
    """Join face and surroundings into one mesh.

    Args:
        avatar: the portrait.
        face_triangles: int (M, 3), the skin, open at mouth and eyes.
        depth_shell: float32 (n, 2) points in px to their depth, float32 (n,).
        margin: how far to go beyond the canvas, px.
    """
    oval_rows = np.array(topo.FACE_OVAL)
    face = avatar.landmarks[:, :2].astype(np.float64)
    oval = face[oval_rows]
    outer = _outer_points(avatar, margin)
    joined = np.concatenate([oval, outer])
    simplices = Delaunay(joined).simplices
    around = simplices[_distance_to_polygon(joined[simplices].mean(1), oval) > 0]
    rows = np.concatenate([oval_rows, topo.LANDMARK_COUNT + np.arange(len(outer))])
    openings = topo.strip(topo.UPPER_LIP[0], topo.LOWER_LIP[0])
    openings += topo.strip(topo.RIGHT_UPPER_LID, topo.RIGHT_LOWER_LID)
    openings += topo.strip(topo.LEFT_UPPER_LID, topo.LEFT_LOWER_LID)
    triangles = np.concatenate([face_triangles, np.array(openings), rows[around]]).astype(np.int32)
    width = avatar.face_width_px
    gaps = np.linalg.norm(outer[:, None] - oval[None], axis=2)
    near = 1.0 / (gaps**2 + (0.03 * width) ** 2) ** 2
    share = near / near.sum(1, keepdims=True)
    falloff = 1.0 - _smooth(gaps.min(1) / (_SKIN_REACH * width))
    # Hair and temples do not follow the skin: only from the mouth's height down is it pulled along.
    eyes_y, mouth_y = float(face[6, 1]), float(face[13, 1])
    pulled = _smooth((oval[:, 1] - eyes_y) / max(mouth_y - eyes_y, 1.0))
    share *= pulled
    return PersonMesh(
        points=np.concatenate([face, outer]).astype(np.float32),
        triangles=np.ascontiguousarray(triangles),
        head_weight=head_weights(avatar, outer).astype(np.float32),
        skin_weight=(share * falloff[:, None]).astype(np.float32),
        depth_px=np.ascontiguousarray(depth_shell(outer.astype(np.float32)), np.float32),
        margin_px=margin,
    )
