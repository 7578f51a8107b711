"""Takes a picture apart along its matte: the person's own colours in front, a background completed behind.

The person's colours follow Forte's blur fusion (Approximate Fast Foreground Colour Estimation, 2021). Put together
again by the matte, the two layers give the picture back.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_PERSON_STIFFNESS = 0.02
"""How dear it is to change the person's colours, against the plate's."""


def split_layers(canvas: NDArray[np.uint8], matte: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Foreground and plate.

    Args:
        canvas: uint8 (H, W, 3) RGB.
        matte: uint8 (H, W).

    Returns:
        uint8 (H, W, 3) each; `matte` times the first plus the rest of the second is the canvas, to one grey level.
    """
    picture = canvas.astype(np.float32)
    alpha = (matte.astype(np.float32) / np.float32(255))[..., None]
    plate = _complete_background(picture, matte)
    person = person_colours(picture, alpha, plate)
    return settle_layers(canvas, matte, person, plate)


def settle_layers(
    canvas: NDArray[np.uint8],
    matte: NDArray[np.uint8],
    foreground: NDArray[np.uint8] | NDArray[np.float32],
    plate: NDArray[np.uint8] | NDArray[np.float32],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Change two layers as little as need be for the matte to put them together to the canvas.

    Args:
        canvas: uint8 (H, W, 3) RGB.
        matte: uint8 (H, W).
        foreground: (H, W, 3), 0..255, the person's colours.
        plate: (H, W, 3), 0..255, the background.

    Returns:
        The foreground and the plate, uint8.
    """
    picture = canvas.astype(np.float32)
    alpha = (matte.astype(np.float32) / np.float32(255))[..., None]
    back = 1 - alpha
    front, behind = foreground.astype(np.float32), plate.astype(np.float32)
    # The plate shows wherever the person moves away, so the person's colours take up most of what does not add up; the
    # plate takes what shines through a thin matte.
    missing = picture - alpha * front - back * behind
    behind = np.clip(behind + back * missing / (alpha * alpha / _PERSON_STIFFNESS + back * back), 0, 255)
    # Exact from here: what one layer cannot take without leaving 0..255, the other always can.
    front = np.where(alpha > 0, np.clip((picture - back * behind) / np.maximum(alpha, 1e-3), 0, 255), front)
    behind = np.where(back > 0, np.clip((picture - alpha * front) / np.maximum(back, 1e-3), 0, 255), behind)
    return np.asarray(np.rint(front), np.uint8), np.asarray(np.rint(behind), np.uint8)


def _complete_background(picture: NDArray[np.float32], matte: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Fill what the person hides from what is seen round about, float32 (H, W, 3)."""
    # The matte's outermost fringe still holds a breath of the person: grow the hole past it.
    reach = max(2, max(matte.shape) // 170)
    hole = cv2.dilate((matte > 5).astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2))
    return fill_hole(picture, (1 - hole).astype(np.float32))


def fill_hole(picture: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smoothly continue a picture into where it is unknown, by a pyramid of weighted averages.

    Args:
        picture: float32 (H, W, C), at most four channels.
        known: float32 (H, W), 1 where the picture is known.

    Returns:
        float32 (H, W, C), the picture itself where it is known.
    """
    height, width = known.shape
    if not known.any():
        return np.full_like(picture, 127.0)
    if known.all() or min(height, width) <= 2:
        mean = (picture * known[..., None]).sum(axis=(0, 1)) / known.sum()
        return np.asarray(known[..., None] * picture + (1 - known[..., None]) * mean, np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    blurred = cv2.GaussianBlur(picture * known[..., None], (5, 5), 1.0)
    weight = cv2.GaussianBlur(known, (5, 5), 1.0)
    small = cv2.resize(blurred, half, interpolation=cv2.INTER_AREA)
    small_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    colours = small / np.maximum(small_weight, 1e-6)[..., None]
    below = fill_hole(np.asarray(colours, np.float32), np.asarray(small_weight > 0.05, np.float32))
    above = cv2.resize(below, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(known[..., None] * picture + (1 - known[..., None]) * above, np.float32)


def person_colours(
    picture: NDArray[np.float32], alpha: NDArray[np.float32], plate: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The colours that, seen through the matte over the plate, make the picture: a wide and a narrow look.

    Args:
        picture: float32 (H, W, 3), 0..255.
        alpha: float32 (H, W, 1), 0..1.
        plate: float32 (H, W, 3): what is behind.
    """
    person: NDArray[np.floating] = picture
    long_side = max(picture.shape[:2])
    for radius in (long_side // 12, max(2, long_side // 170)):
        side = (2 * radius + 1, 2 * radius + 1)
        weight = cv2.blur(alpha, side)[..., None]
        near = cv2.blur(person * alpha, side) / np.maximum(weight, 1e-4)
        person = near + alpha * (picture - alpha * near - (1 - alpha) * plate)
        person = np.clip(person, 0, 255)
    # Renderers interpolate between neighbours: the colours must go on past the outline.
    return fill_hole(np.asarray(person, np.float32), np.asarray(alpha[..., 0] > 0, np.float32))
