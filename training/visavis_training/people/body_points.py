"""Named points of the body on its surface, as detectors of poses name them, tied to triangles of the mesh.

A joint lies inside the body; its point is where the skin covers it towards the viewer, so that it can be seen or hidden
like everything else. Points whose triangle a level leaves out are left out too. Knows nothing of batches or pictures.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_OF_FACE = {"nose": 1, "left_eye": 473, "right_eye": 468, "mouth_left": 291, "mouth_right": 61}
"""Points that are landmarks of the face."""
_JOINTS = {
    "shoulder": "shoulder", "elbow": "elbow", "wrist": "hand", "hip": "upper-leg", "knee": "knee", "ankle": "ankle",
}  # fmt: skip
BODY_POINT_NAMES: tuple[str, ...] = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "mouth_left", "mouth_right",
    *(f"{side}_{part}" for part in _JOINTS for side in ("left", "right")),
    "neck", "sternum",
)  # fmt: skip
"""All of them, in the order in which a level lists those it has; left and right are the person's own. `neck` is
the pit of the throat between the collar bones, `sternum` the middle of the breastbone."""
MEDIAPIPE_POSE: Mapping[str, int] = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8, "mouth_left": 9, "mouth_right": 10,
    "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14, "left_wrist": 15, "right_wrist": 16,
    "left_hip": 23, "right_hip": 24, "left_knee": 25, "right_knee": 26, "left_ankle": 27, "right_ankle": 28,
}  # fmt: skip
"""Which of the 33 points of MediaPipe's pose (`Avatar.body_points`) a name is."""
_REACH_DM = 1.6
"""No joint lies deeper under the skin before it."""


def joint_names() -> tuple[str, ...]:
    """Markers of the base mesh that `places` wants."""
    sides = tuple(f"joint-{side}-{joint}" for joint in _JOINTS.values() for side in "lr")
    return (*sides, "joint-l-clavicle", "joint-r-clavicle", "joint-spine-1")


def places(
    base: Floats,
    triangles: Ints,
    of_skin: NDArray[np.bool_],
    of_ears: NDArray[np.bool_],
    joints: Mapping[str, Floats],
    landmarks: tuple[Ints, Floats],
) -> tuple[tuple[str, ...], Ints, Floats]:
    """Names, (P, 3) vertices and (P, 3) weights of the points that the mesh has.

    Args:
        base: (V, 3) head space.
        triangles: (F, 3).
        of_skin: (F,) which triangles are outer skin.
        of_ears: (F,) which are ears.
        joints: (3,) of each of `joint_names`.
        landmarks: (478, 3) vertices and (478, 3) weights of the face's landmarks.
    """
    skin = triangles[of_skin]
    found: dict[str, tuple[Ints, Floats] | None] = {
        name: (landmarks[0][row], landmarks[1][row]) for name, row in _OF_FACE.items()
    }
    for side, sign in (("left", 1.0), ("right", -1.0)):
        ear = triangles[of_ears & (base[triangles].mean(1)[:, 0] * sign > 0)]
        middle = base[ear].mean((0, 1))
        outermost = ear[(base[ear].mean(1) @ np.array([sign, 0.0, 0.0]) - _distance(base[ear], middle)).argmax()]
        found[f"{side}_ear"] = outermost, np.full(3, 1 / 3)
        for part, joint in _JOINTS.items():
            found[f"{side}_{part}"] = _before(base, skin, joints[f"joint-{side[0]}-{joint}"])
    found["neck"] = _before(base, skin, (joints["joint-l-clavicle"] + joints["joint-r-clavicle"]) / 2)
    found["sternum"] = _before(base, skin, joints["joint-spine-1"])
    names = tuple(name for name in BODY_POINT_NAMES if found[name] is not None)
    rows = [point for name in names if (point := found[name]) is not None]
    return names, np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows])


def _distance(corners: Floats, point: Floats) -> Floats:
    return np.asarray(np.linalg.norm(corners.mean(1) - point, axis=1), np.float64)


def _before(base: Floats, triangles: Ints, joint: Floats) -> tuple[Ints, Floats] | None:
    """Where the line from a joint to the viewer leaves the skin first: vertices (3,) and weights (3,), or nothing."""
    a, b, c = (base[triangles[:, k]] for k in range(3))
    area = _cross(b - a, c - a)
    safe = np.where(np.abs(area) < 1e-9, np.inf, area)
    weights = np.stack([_cross(b - joint, c - joint), _cross(c - joint, a - joint), _cross(a - joint, b - joint)], 1)
    weights = weights / safe[:, None]
    depth = joint[2] - (weights * np.stack([a[:, 2], b[:, 2], c[:, 2]], 1)).sum(1)
    hit = (weights > -1e-6).all(1) & (weights.sum(1) > 0.5) & (depth > 0) & (depth < _REACH_DM)
    if not hit.any():
        return None
    first = int(np.where(hit, depth, np.inf).argmin())
    return triangles[first], weights[first].clip(0, 1) / weights[first].clip(0, 1).sum()


def _cross(one: Floats, other: Floats) -> Floats:
    return np.asarray(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0], np.float64)
