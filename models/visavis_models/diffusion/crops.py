"""Where on the canvas the renderer's networks look: a crop of the mouth and one of each eye, carried by the skull.

A crop moves, turns and grows with the head but not with the face's expression, so that what is fixed to the skull
stands still in it. The person's right eye is mirrored: networks know one kind of eye. Geometry only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT, ARKIT_NAMES
from visavis_models.face import topology as topo

Floats = NDArray[np.float32]

MOUTH_WIDTH = 0.62
"""Width of the mouth's crop in face widths; eyes have half of it."""
_SIDES = {"Left": "Right", "Right": "Left"}


@dataclass(frozen=True, slots=True)
class Region:
    """One place of the face that is generated."""

    name: str
    anchors: tuple[int, int]
    """Landmarks of the face at rest to the left and right of the crop's middle, in the crop."""
    down: float
    """The middle lies this far below the anchors, in face widths."""
    share: float
    """Of the mouth's crop, each way."""
    mirrored: bool

    def size_px(self, mouth_px: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the crop, the mouth's being known."""
        return int(mouth_px[0] * self.share), int(mouth_px[1] * self.share)


MOUTH = Region("mouth", (topo.UPPER_LIP[3][0], topo.UPPER_LIP[3][-1]), 0.125, 1.0, mirrored=False)
LEFT_EYE = Region("left_eye", (topo.LEFT_UPPER_LID[-1], topo.LEFT_UPPER_LID[0]), -0.015, 0.5, mirrored=False)
RIGHT_EYE = Region("right_eye", (topo.RIGHT_UPPER_LID[-1], topo.RIGHT_UPPER_LID[0]), -0.015, 0.5, mirrored=True)
REGIONS = (MOUTH, LEFT_EYE, RIGHT_EYE)


def to_crops(
    region: Region,
    rest: NDArray[np.floating],
    head: NDArray[np.floating],
    face_width_px: float,
    mouth_px: tuple[int, int],
) -> Floats:
    """Maps from the canvas to a region's crops.

    Args:
        region: which.
        rest: (478, 3) canvas px: the person's face at rest in the photo's pose.
        head: (T, 3, 4): rigid motions of the head, `FaceRig.head_transform`.
        face_width_px: of the portrait.
        mouth_px: height and width of the mouth's crop.

    Returns:
        float32 (T, 2, 3): canvas px to crop px, pixel centres at whole numbers on both sides.
    """
    anchors = np.asarray(rest, np.float64)[list(region.anchors)]
    moved = anchors @ head[:, :, :3].transpose(0, 2, 1) + head[:, None, :, 3]
    return laid(region, moved[:, :, :2], face_width_px * np.cbrt(np.linalg.det(head[:, :, :3])), mouth_px)


def laid(
    region: Region, anchors: NDArray[np.floating], face_width_px: NDArray[np.floating], mouth_px: tuple[int, int]
) -> Floats:
    """Maps to crops whose anchors (T, 2, 2) lie there on the canvas, faces being (T,) px wide: float32 (T, 2, 3)."""
    height, width = region.size_px(mouth_px)
    across = np.asarray(anchors[:, 1] - anchors[:, 0], np.float64)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    down = np.stack([-across[:, 1], across[:, 0]], 1) * (-1 if region.mirrored else 1)
    scale = width / (MOUTH_WIDTH * region.share * face_width_px)  # crop px per canvas px
    middle = anchors.mean(1) + down * (region.down * face_width_px)[:, None]
    linear = np.stack([across, down], 1) * scale[:, None, None]
    shift = np.array([(width - 1) / 2, (height - 1) / 2]) - np.einsum("tij,tj->ti", linear, middle)
    return np.concatenate([linear, shift[:, :, None]], 2).astype(np.float32)


def in_crop(points: NDArray[np.floating], to_crop: NDArray[np.floating]) -> Floats:
    """Points (T, n, 2 or 3) of the canvas in crops (T, 2, 3): x, y in crop px; depth, if there is one, in its scale."""
    linear, shift = to_crop[:, :, :2], to_crop[:, :, 2]
    moved = points[..., :2] @ linear.transpose(0, 2, 1) + shift[:, None]
    if points.shape[-1] == 2:
        return np.asarray(moved, np.float32)
    scale = np.sqrt(np.abs(np.linalg.det(linear)))
    return np.concatenate([moved, points[..., 2:] * scale[:, None, None]], -1).astype(np.float32)


def _other_side(name: str) -> str:
    for side, other in _SIDES.items():
        if name.endswith(side):
            return name[: -len(side)] + other
    return name


def _mirror() -> NDArray[np.int64]:
    order = [ARKIT[_other_side(name)] for name in ARKIT_NAMES]
    swapped = {"jawLeft": "jawRight", "mouthLeft": "mouthRight"}
    for one, other in swapped.items():
        order[ARKIT[one]], order[ARKIT[other]] = ARKIT[other], ARKIT[one]
    return np.array(order)


FACE_MIRROR = _mirror()
"""int64 (52,): coefficient k of a face seen in a mirror is coefficient FACE_MIRROR[k] of the face."""
_HEAD_MIRROR = np.array([1, -1, -1, -1, 1, 1], np.float32)


def mirrored_motion(face: Floats, head: Floats) -> tuple[Floats, Floats]:
    """Face (..., 52) and head (..., 6) as seen in a mirror: yaw, roll and x change sign."""
    return face[..., FACE_MIRROR], head * _HEAD_MIRROR
