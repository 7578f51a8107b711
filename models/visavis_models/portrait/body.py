"""Finds the 33 body points and a first mask of the person, starting from the face."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.portrait.crops import Crop
from visavis_models.portrait.networks import input_size_px, run_network

_HIP_CENTRE, _CIRCLE_EDGE = 33, 34
_ROI_SCALE = 1.25
_ROUNDS = 3
_HIPS_BELOW_FACE = 4.6
_CIRCLE_RADIUS = 6.0
"""In face widths, of an adult who stands upright: the first guess, which the network itself then corrects."""


@dataclass(frozen=True, slots=True)
class Body:
    """A person's body in a picture."""

    points: NDArray[np.float32]
    """float32 (33, 4): x, y, z in canvas px, visibility 0..1."""
    mask: NDArray[np.float32]
    """float32 (H, W), 0..1: where this person is, coarsely."""
    score: float


def find_body(canvas: NDArray[np.uint8], head: NDArray[np.float32]) -> Body:
    """Find the body of the person with a given face.

    Args:
        canvas: uint8 (H, W, 3) RGB.
        head: `Avatar.head_pose` of the face.
    """
    size = input_size_px("body_points")
    height, width = canvas.shape[:2]
    face_width = float(head[5])
    below = _HIPS_BELOW_FACE * face_width
    crop = Crop(float(head[3]), float(head[4]) + below, 2 * _CIRCLE_RADIUS * face_width * _ROI_SCALE)
    outputs = {}
    for round_number in range(_ROUNDS):
        outputs = run_network("body_points", crop.take(canvas, size) / np.float32(255))
        raw = outputs["points"].reshape(39, 5)
        if round_number + 1 < _ROUNDS:
            crop = _crop_by_circle(crop.points_to_canvas(raw[:, :2], size))
    points = crop.points_to_canvas(raw[:33, :3], size)
    visibility = _sigmoid(raw[:33, 3:4])
    mask = crop.mask_to_canvas(_sigmoid(outputs["mask"][0, :, :, 0]), width, height)
    return Body(np.concatenate([points, visibility], axis=1).astype(np.float32), mask, float(outputs["score"][0, 0]))


def _crop_by_circle(points: NDArray[np.float32]) -> Crop:
    """The next crop from the network's own two helper points: the hips' centre and the edge of the body's circle."""
    centre, edge = points[_HIP_CENTRE], points[_CIRCLE_EDGE]
    across, down = (float(value) for value in edge - centre)
    side = 2 * math.hypot(across, down) * _ROI_SCALE
    return Crop(float(centre[0]), float(centre[1]), side, math.atan2(down, across) + math.pi / 2)


def _sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -80, 80))), np.float32)
