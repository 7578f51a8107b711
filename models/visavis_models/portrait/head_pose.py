"""How a head is held in a picture: pitch, yaw and roll from its mesh, by fitting MediaPipe's canonical face to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from visavis_models.portrait.face_mesh import FACE_OVAL
from visavis_models.weights import weight_file

_RIGHT_CHEEK, _LEFT_CHEEK = 234, 454


@dataclass(frozen=True, slots=True)
class CanonicalFace:
    """The mean face of MediaPipe's mesh."""

    vertices_cm: NDArray[np.float32]
    """float32 (468, 3): x to the picture's right, y down, z away from the viewer, looking straight out."""
    triangles: NDArray[np.int32]
    """int32 (898, 3)."""
    texture: NDArray[np.float32]
    """float32 (468, 2): 0..1, y up."""
    rigid_weights: NDArray[np.float32]
    """float32 (468,): how much a landmark counts in a rigid fit; expression moves the others."""


@cache
def canonical_face() -> CanonicalFace:
    """The canonical face that ships with the weights."""
    return CanonicalFace(**load_file(weight_file("canonical_face")))


def head_rotation(pitch: float, yaw: float, roll: float) -> NDArray[np.float64]:
    """float64 (3, 3): turns a face that looks straight out, in canvas axes (x right, y down, z away from the viewer).

    Roll is applied last, pitch first. Signs as in `HEAD_NAMES`: chin down, towards the person's own left (the picture's
    right), tilted to the person's own left shoulder (clockwise on the screen) are positive.
    """
    cx, sx, cy, sy = math.cos(pitch), math.sin(pitch), math.cos(-yaw), math.sin(-yaw)
    cz, sz = math.cos(roll), math.sin(roll)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def head_angles(rotation: NDArray[np.float64]) -> tuple[float, float, float]:
    """Pitch, yaw, roll in radians of a rotation as `head_rotation` makes it; yaw within ±90°."""
    yaw = math.asin(float(np.clip(rotation[2, 0], -1, 1)))
    pitch = math.atan2(float(rotation[2, 1]), float(rotation[2, 2]))
    roll = math.atan2(float(rotation[1, 0]), float(rotation[0, 0]))
    return pitch, yaw, roll


def head_pose(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """`Avatar.head_pose` of a mesh.

    Args:
        points: float32 (478, 3), canvas px.

    Returns:
        float32 (6,): pitch, yaw, roll in radians, the centre of the face x, y in px, its width (cheek to cheek) in px.
    """
    face = canonical_face()
    weights = face.rigid_weights[:, None].astype(np.float64)
    weights = weights / weights.sum()
    model, seen = face.vertices_cm.astype(np.float64), points[:468].astype(np.float64)
    model = model - (weights * model).sum(axis=0)
    seen = seen - (weights * seen).sum(axis=0)
    left, _, right = np.linalg.svd((weights * seen).T @ model)  # the rotation that maps model onto seen (Kabsch)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    pitch, yaw, roll = head_angles(left @ flip @ right)
    oval = points[list(FACE_OVAL), :2]
    centre = (oval.min(axis=0) + oval.max(axis=0)) / 2
    width = float(np.linalg.norm(points[_LEFT_CHEEK] - points[_RIGHT_CHEEK]))
    return np.array([pitch, yaw, roll, centre[0], centre[1], width], np.float32)
