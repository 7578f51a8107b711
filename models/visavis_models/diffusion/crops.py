"""Where on the canvas the renderer's networks look: a crop of the mouth and one of each eye, carried by the skull.

A crop moves, turns and grows with the head but not with the face's expression, so that what is fixed to the skull
stands still in it. The person's right eye is mirrored: networks know one kind of eye. Geometry only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
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
    anchors = np.ascontiguousarray(np.asarray(rest, np.float64)[list(region.anchors)])
    moved, growth = np.empty((len(head), 2, 2)), np.empty(len(head))
    _carry(anchors, np.ascontiguousarray(head, np.float64), moved, growth)
    return laid(region, moved, face_width_px * growth, mouth_px)


def laid(
    region: Region, anchors: NDArray[np.floating], face_width_px: NDArray[np.floating], mouth_px: tuple[int, int]
) -> Floats:
    """Maps to crops whose anchors (T, 2, 2) lie there on the canvas, faces being (T,) px wide: float32 (T, 2, 3)."""
    height, width = region.size_px(mouth_px)
    out = np.empty((len(anchors), 2, 3), np.float32)
    _lay(
        np.ascontiguousarray(anchors, np.float64), np.ascontiguousarray(face_width_px, np.float64), height, width,
        MOUTH_WIDTH * region.share, region.down, -1.0 if region.mirrored else 1.0, out,
    )  # fmt: skip
    return out


def in_crop(points: NDArray[np.floating], to_crop: NDArray[np.floating]) -> Floats:
    """Points (T, n, 2 or 3) of the canvas in crops (T, 2, 3): x, y in crop px; depth, if there is one, in its scale."""
    out = np.empty(points.shape, np.float32)
    _move(np.ascontiguousarray(points, np.float32), np.ascontiguousarray(to_crop, np.float32), out)
    return out


def on_canvas(points: NDArray[np.floating], to_crop: NDArray[np.floating]) -> Floats:
    """The inverse of `in_crop` for points (T, n, 3)."""
    linear = np.linalg.inv(to_crop[:, :, :2].astype(np.float64))
    flat = (points[..., :2] - to_crop[:, None, :, 2]) @ linear.transpose(0, 2, 1)
    scale = np.sqrt(np.abs(np.linalg.det(linear)))[:, None, None]
    return np.concatenate([flat, points[..., 2:] * scale], 2).astype(np.float32)


# One call each for all frames of a window: numpy spends its time between many small arrays.
@numba.njit("void(f8[:,::1], f8[:,:,::1], f8[:,:,::1], f8[::1])", nogil=True, cache=True)
def _carry(anchors, head, moved, growth):  # type: ignore[no-untyped-def]
    for t in range(head.shape[0]):
        m = head[t]
        for k in range(2):
            for j in range(2):
                moved[t, k, j] = anchors[k, 0] * m[j, 0] + anchors[k, 1] * m[j, 1] + anchors[k, 2] * m[j, 2] + m[j, 3]
        volume = m[0, 0] * (m[1, 1] * m[2, 2] - m[1, 2] * m[2, 1])
        volume -= m[0, 1] * (m[1, 0] * m[2, 2] - m[1, 2] * m[2, 0])
        volume += m[0, 2] * (m[1, 0] * m[2, 1] - m[1, 1] * m[2, 0])
        growth[t] = np.cbrt(volume)


@numba.njit("void(f8[:,:,::1], f8[::1], i4, i4, f8, f8, f8, f4[:,:,::1])", nogil=True, cache=True)
def _lay(anchors, face_width, height, width, crop_width, drop, hand, out):  # type: ignore[no-untyped-def]
    for t in range(anchors.shape[0]):
        x, y = anchors[t, 1, 0] - anchors[t, 0, 0], anchors[t, 1, 1] - anchors[t, 0, 1]
        length = np.sqrt(x * x + y * y)
        x, y = x / length, y / length
        down_x, down_y = -y * hand, x * hand
        scale = width / (crop_width * face_width[t])  # crop px per canvas px
        middle_x = (anchors[t, 0, 0] + anchors[t, 1, 0]) / 2 + down_x * drop * face_width[t]
        middle_y = (anchors[t, 0, 1] + anchors[t, 1, 1]) / 2 + down_y * drop * face_width[t]
        out[t, 0, 0], out[t, 0, 1] = x * scale, y * scale
        out[t, 1, 0], out[t, 1, 1] = down_x * scale, down_y * scale
        out[t, 0, 2] = (width - 1) / 2 - scale * (x * middle_x + y * middle_y)
        out[t, 1, 2] = (height - 1) / 2 - scale * (down_x * middle_x + down_y * middle_y)


@numba.njit("void(f4[:,:,::1], f4[:,:,::1], f4[:,:,::1])", nogil=True, cache=True)
def _move(points, to_crop, out):  # type: ignore[no-untyped-def]
    for t in range(points.shape[0]):
        m = to_crop[t]
        scale = np.sqrt(abs(np.float64(m[0, 0]) * m[1, 1] - np.float64(m[0, 1]) * m[1, 0]))
        for n in range(points.shape[1]):
            x, y = np.float64(points[t, n, 0]), np.float64(points[t, n, 1])
            out[t, n, 0] = m[0, 0] * x + m[0, 1] * y + m[0, 2]
            out[t, n, 1] = m[1, 0] * x + m[1, 1] * y + m[1, 2]
            if points.shape[2] == 3:
                out[t, n, 2] = points[t, n, 2] * scale


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
