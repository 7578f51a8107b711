"""Fits the dense face mesh with irises: 478 points of a face, refined by looking twice."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.portrait.crops import Crop
from visavis_models.portrait.networks import input_size_px, run_network

FACE_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""Landmarks round the face, clockwise on the screen from the top of the forehead."""

_RIGHT_EYE_CORNER, _LEFT_EYE_CORNER = 33, 263
_ROI_SCALE = 1.5


@dataclass(frozen=True, slots=True)
class FaceMesh:
    """A face's landmarks."""

    points: NDArray[np.float32]
    """float32 (478, 3): canvas px; z negative = nearer."""
    score: float
    """0..1: how sure the network is that it sees a face."""


def fit_mesh(canvas: NDArray[np.uint8], crop: Crop, rounds: int = 2) -> FaceMesh:
    """Fit the mesh.

    Args:
        canvas: uint8 (H, W, 3) RGB.
        crop: where the face is, upright in the crop.
        rounds: how often to look; each round crops anew round the landmarks of the one before.
    """
    size = input_size_px("face_mesh")
    mesh: FaceMesh | None = None
    for _ in range(rounds):
        outputs = run_network("face_mesh", crop.take(canvas, size) / np.float32(255))
        points = crop.points_to_canvas(outputs["points"], size)
        mesh = FaceMesh(points, float(outputs["score"][0]))
        crop = crop_round(points)
    assert mesh is not None, "fit_mesh needs at least one round"
    return mesh


def crop_round(points: NDArray[np.float32]) -> Crop:
    """The crop in which the network wants to see a face of which it knows the landmarks."""
    across = points[_LEFT_EYE_CORNER, :2] - points[_RIGHT_EYE_CORNER, :2]
    angle = math.atan2(float(across[1]), float(across[0]))
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    upright = points[:, :2] @ turn  # rows are points: this turns them by -angle
    low, high = upright.min(axis=0), upright.max(axis=0)
    centre = turn @ ((low + high) / 2)
    return Crop(float(centre[0]), float(centre[1]), float(max(high - low)) * _ROI_SCALE, angle)
