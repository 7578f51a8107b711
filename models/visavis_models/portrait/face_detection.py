"""Finds the faces of a picture: how large, where, and how tilted. Small ones too, by looking at overlapping parts.

Two single-shot detectors of MediaPipe share the work: one for faces that fill much of the view, one for smaller ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.portrait.crops import Crop
from visavis_models.portrait.networks import NetworkName, input_size_px, run_network

_MIN_SCORE = 0.5
_SURE_SCORE = 0.7
_AGREED_SCORE = 0.55
_AGREED_SHARE = 0.06
"""Below `_SURE_SCORE` a sight counts only if another view has it too and it takes this share of the picture."""
_SAME_FACE_OVERLAP = 0.3
_ROI_SCALE = 1.5


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A face as the detector sees it; canvas pixels."""

    x_px: float
    """Centre of the box round brows to chin."""
    y_px: float
    side_px: float
    angle: float
    """Radians, clockwise on the screen: tilt of the line through the eyes."""
    score: float

    def crop(self) -> Crop:
        """The crop in which the mesh network wants to see this face."""
        return Crop(self.x_px, self.y_px, self.side_px * _ROI_SCALE, self.angle)


def find_faces(canvas: NDArray[np.uint8]) -> list[FaceBox]:
    """All faces of a picture, largest first.

    Args:
        canvas: uint8 (H, W, 3) RGB.
    """
    height, width = canvas.shape[:2]
    whole = Crop(width / 2, height / 2, max(width, height))
    found = _detect(canvas, whole, "face_detection_near") + _detect(canvas, whole, "face_detection_far")
    for parts in (2, 3):
        for view in _views(width, height, parts):
            found += _detect(canvas, view, "face_detection_far")
    return sorted(_agreed_faces(found, max(width, height)), key=lambda box: -box.side_px)


def _views(width: int, height: int, parts: int) -> list[Crop]:
    """Overlapping squares that cover the picture, `parts` along its long side."""
    side = max(width, height) * 1.4 / (parts + 0.4)
    steps_x, steps_y = (max(1, math.ceil((length - side) / (side * 0.72)) + 1) for length in (width, height))
    xs, ys = (
        np.linspace(min(side, length) / 2, max(length - side / 2, length / 2), steps)
        for length, steps in ((width, steps_x), (height, steps_y))
    )
    return [Crop(float(x), float(y), side) for y in ys for x in xs]


def _centres(name: NetworkName) -> NDArray[np.float32]:
    """float32 (N, 2): where in the view, 0..1, each row of the network's output is at home."""
    grids = [(16, 2), (8, 6)] if name == "face_detection_near" else [(48, 1)]
    rows = []
    for cells, repeats in grids:
        line = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        rows.append(np.repeat(grid, repeats, axis=0))
    return np.concatenate(rows)


_CENTRES: dict[NetworkName, NDArray[np.float32]] = {
    name: _centres(name) for name in ("face_detection_near", "face_detection_far")
}


def _detect(canvas: NDArray[np.uint8], view: Crop, name: NetworkName) -> list[FaceBox]:
    size = input_size_px(name)
    picture = view.take(canvas, size, cv2.BORDER_CONSTANT) / 127.5 - 1
    outputs = run_network(name, picture)
    scores = 1 / (1 + np.exp(-np.clip(outputs["scores"][0, :, 0], -80, 80)))
    boxes = outputs["boxes"][0].reshape(-1, 8, 2)  # centre, size, then eyes, nose, mouth, ears
    candidates = np.flatnonzero(scores > _MIN_SCORE)
    scale = view.side_px / size
    corner = np.array([view.x_px - view.side_px / 2, view.y_px - view.side_px / 2])
    found = []
    # Weighted suppression: neighbours that agree on a face are averaged, which steadies the box.
    order = candidates[np.argsort(-scores[candidates])]
    while order.size:
        best = boxes[order[0]].copy()
        best[[0, 2, 3]] += _CENTRES[name][order[0]] * size
        absolute = boxes[order].copy()
        absolute[:, [0, 2, 3]] += _CENTRES[name][order][:, None] * size
        near = _overlaps(absolute[:, 0], absolute[:, 1], best[0], best[1]) > _SAME_FACE_OVERLAP
        near[0] = True
        mean = np.average(absolute[near], axis=0, weights=scores[order[near]]) * scale
        centre, right_eye, left_eye = mean[0] + corner, mean[2], mean[3]
        angle = math.atan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0])
        side = float(max(mean[1]))
        found.append(FaceBox(float(centre[0]), float(centre[1]), side, angle, float(scores[order[0]])))
        order = order[~near]
    return found


def _overlaps(
    centres: NDArray[np.float32], sizes: NDArray[np.float32], centre: NDArray[np.float32], size: NDArray[np.float32]
) -> NDArray[np.float32]:
    low = np.maximum(centres - sizes / 2, centre - size / 2)
    high = np.minimum(centres + sizes / 2, centre + size / 2)
    common = np.prod(np.maximum(high - low, 0), axis=1)
    return np.asarray(common / (np.prod(sizes, axis=1) + np.prod(size) - common), np.float32)


def _agreed_faces(found: list[FaceBox], long_side_px: int) -> list[FaceBox]:
    """Each face once, by its surest sight; what only one view half believes is dropped."""
    kept: list[FaceBox] = []
    left = sorted(found, key=lambda box: -box.score)
    while left:
        best = left[0]
        same = [
            math.hypot(best.x_px - box.x_px, best.y_px - box.y_px) < 0.5 * max(best.side_px, box.side_px)
            for box in left
        ]
        agreed = sum(same) > 1 and best.score > _AGREED_SCORE and best.side_px > _AGREED_SHARE * long_side_px
        if best.score > _SURE_SCORE or agreed:
            kept.append(best)
        left = [box for box, is_same in zip(left, same, strict=True) if not is_same]
    return kept
