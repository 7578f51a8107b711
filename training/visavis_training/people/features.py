"""Where the parts of a face are on a fine surface: eyes, lips, ears, nose, and the line where hair begins.

Masks come from the CC0 region textures beside the base mesh; the rest is measured on the mesh. Numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from visavis_training.people.identity import BaseMesh
from visavis_training.people.surface import Floats, Surface, smooth_step

HAIRLINE_DEGREES = (0.0, 14.0, 27.0, 38.0, 49.0, 58.0, 66.0, 73.0, 79.0, 84.0, 92.0, 102.0, 120.0, 150.0, 180.0)
HAIRLINE_HEIGHTS = (0.66, 0.66, 0.645, 0.63, 0.52, 0.36, 0.18, -0.02, -0.28, -0.30, 0.10, -0.20, -0.45, -0.62, -0.68)


@dataclass(frozen=True, slots=True)
class Features:
    """Places in metres (z up, front is -y), masks (V,) in 0..1 over the fine surface.

    `height` is the crown's height above the eyes, the unit of everything measured on the skull; `middle` is the
    skull's upright axis (x, y) and the eyes' height.
    """

    left_eye: Floats
    right_eye: Floats
    eye_radius: float
    nose_tip: Floats
    mouth: Floats
    mouth_width: float
    chin: Floats
    middle: Floats
    height: float
    lips: Floats
    inner_mouth: Floats
    ears: Floats
    eyelids: Floats
    face: Floats

    @property
    def eyes(self) -> Floats:
        """The point between the eyes."""
        centre: Floats = (self.left_eye + self.right_eye) / 2
        return centre

    @property
    def eye_distance(self) -> float:
        """Metres between the eyes' centres."""
        return float(np.linalg.norm(self.left_eye - self.right_eye))


def region(data: Path, name: str, texture: Floats, blur_px: float = 3.0) -> Floats:
    """A region mask (V,) in 0..1 looked up by texture coordinates (V, 2)."""
    image = cv2.imread(str(data / f"mpfb2/textures/mpfb_{name}.jpg"), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise FileNotFoundError(f"mpfb_{name}.jpg")
    soft = cv2.GaussianBlur(image.astype(np.float32) / 255.0, (0, 0), blur_px)
    size = np.array([image.shape[1] - 1, image.shape[0] - 1])
    place = (np.stack([texture[:, 0], 1.0 - texture[:, 1]], 1) * size).clip(0, size).astype(np.float32)
    looked = np.concatenate(
        [cv2.remap(soft, part[:, None, 0], part[:, None, 1], cv2.INTER_LINEAR) for part in np.array_split(place, 64)]
    )
    mask: Floats = looked[:, 0].astype(np.float64)
    return mask


def find_features(data: Path, base: BaseMesh, body: Floats, surface: Surface) -> Features:
    """Measure the face: `body` are the base mesh's vertices (V0, 3), `surface` the fine skin made of them."""
    spheres = []
    for side in ("l", "r"):
        eye = body[base.group_vertices(f"helper-{side}-eye")]
        spheres.append(((eye.max(0) + eye.min(0)) / 2, float(np.ptp(eye[:, 2]) / 2)))
    (left, left_radius), (right, right_radius) = spheres
    eyes = (left + right) / 2
    points = surface.points
    face = (points[:, 2] > eyes[2] - 0.2) & (points[:, 1] < left[1] + 0.05)
    middle_face = (
        (np.abs(points[:, 0] - eyes[0]) < 0.045) & (points[:, 2] < eyes[2] - 0.045) & (points[:, 2] > eyes[2] - 0.11)
    )
    lips = region(data, "lips", surface.texture) * face * middle_face
    ears = region(data, "ears", surface.texture) * (points[:, 2] > eyes[2] - 0.1)
    lip_points = points[lips > 0.5]
    mouth = (lip_points.max(0) + lip_points.min(0)) / 2
    near_middle = np.abs(points[:, 0] - eyes[0]) < 0.012
    between = near_middle & (points[:, 2] < eyes[2] - 0.015) & (points[:, 2] > mouth[2])
    nose_tip = points[between][points[between][:, 1].argmin()]
    below = near_middle & (points[:, 2] < mouth[2] - 0.015) & (points[:, 2] > mouth[2] - 0.06)
    chin_front = points[below][points[below][:, 1].argmin()]
    height = float(points[:, 2].max() - eyes[2])
    skull = points[points[:, 2] > eyes[2] + 0.03]
    middle = np.array(
        [(skull[:, 0].max() + skull[:, 0].min()) / 2, (skull[:, 1].max() + skull[:, 1].min()) / 2, eyes[2]]
    )
    return Features(
        left_eye=left,
        right_eye=right,
        eye_radius=(left_radius + right_radius) / 2,
        nose_tip=nose_tip,
        mouth=mouth,
        mouth_width=float(np.ptp(lip_points[:, 0])),
        chin=chin_front,
        middle=middle,
        height=height,
        lips=lips,
        inner_mouth=region(data, "inside-mouth", surface.texture) * face * middle_face,
        ears=ears,
        eyelids=region(data, "eyelids", surface.texture) * face,
        face=region(data, "face", surface.texture, 25.0) * face,
    )


def skull_angle(features: Features, points: Floats) -> Floats:
    """Degrees (N,) around the skull's axis from the face (0) to the nape (180)."""
    across = points[:, :2] - features.middle[:2]
    angle: Floats = np.degrees(np.arctan2(np.abs(across[:, 0]), -across[:, 1]))
    return angle


def above_hairline(features: Features, points: Floats, recede: float = 0.0) -> Floats:
    """Signed height (N,) above the hairline, in crown heights; `recede` lifts the temples."""
    angle = skull_angle(features, points)
    line = np.interp(angle, HAIRLINE_DEGREES, HAIRLINE_HEIGHTS)
    line = line + recede * np.exp(-(((angle - 36.0) / 13.0) ** 2))
    high: Floats = (points[:, 2] - features.eyes[2]) / features.height
    # Near the sideburn the line stands upright: there the angle is the better measure of nearness.
    return np.asarray(high - line)


def scalp_density(features: Features, surface: Surface, recede: float, softness: float = 0.035) -> Floats:
    """Chance (V,) of a hair root: 1 on the scalp, thinning over the softness at the hairline, 0 on ears and face."""
    density = smooth_step(above_hairline(features, surface.points, recede), -softness, softness)
    return np.asarray(density * (1.0 - (features.ears > 0.05)))
