"""Marks pictures as made by visavis, in a way that people do not see and that codecs and scalers leave in place.

A fixed pattern of soft light and dark patches, 4096 in a picture of any shape, is added to the luma: by about one level
where the picture is smooth, by more where its own texture hides it. It says no more than "made by visavis": it
carries no name and no time. Knows nothing of video or of how the pattern is found again.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

PATCHES = 64
"""Along each side of a square picture, and the period of the pattern in any other."""
_SEED = 20_261_123
_BLOCK_PX = 8
_LEAST, _MOST = 1.0, 4.0
"""Levels of 255 that the pattern's peaks add at the least, and at the most."""
_PER_ACTIVITY = 0.2
"""Levels more for each level by which neighbouring pixels differ."""
STRENGTHS = 8
ALIKE = 8
"""Consecutive pictures in which the same places are busy, near enough: they are measured in the first."""
_PICTURE = types.Array(types.uint8, 3, "C", readonly=True)
_ROWS = types.Array(types.uint8, 2, "C", readonly=True)
_ACTIVITY = types.void(_PICTURE, types.float32[:, ::1], types.int64)
_ADD = types.void(_ROWS, types.int8[:, :, ::1], types.uint8[:, ::1], types.int64, types.uint8[:, ::1])


@lru_cache(1)
def patches() -> NDArray[np.float32]:
    """The pattern: float32 (64, 64), of -1 and 1, without slopes of light that a picture could have of itself."""
    signs = np.random.default_rng(_SEED).standard_normal((PATCHES, PATCHES))
    # What is alike in neighbours is what shading is alike in: each patch is judged against those around it.
    around = np.mean([np.roll(signs, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)], axis=0)
    return np.where(signs > around, 1.0, -1.0).astype(np.float32)


def marked_side_px(width_px: int, height_px: int) -> float:
    """The side of a square that is as large as the picture: 64 patches long."""
    return math.sqrt(width_px * height_px)


@lru_cache(3)
def pattern(width_px: int, height_px: int) -> NDArray[np.float32]:
    """The pattern as large as a picture: float32 (H, W), peaks of about -1 and 1."""
    per_px = PATCHES / marked_side_px(width_px, height_px)
    # The first patch begins in the corner; beyond the last comes the first again.
    x, y = ((np.arange(side) + 0.5) * per_px % PATCHES + 1.5 for side in (width_px, height_px))
    places = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    drawn = cv2.remap(np.pad(patches(), 2, mode="wrap"), *places, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.ascontiguousarray(drawn, np.float32)


@lru_cache(3)
def changes_of(width_px: int, height_px: int) -> NDArray[np.int8]:
    """What is added to a picture at each strength: int8 (8, H, 3 W), as pixels lie."""
    gains = np.linspace(_LEAST, _MOST, STRENGTHS, dtype=np.float32)
    drawn = np.repeat(pattern(width_px, height_px), 3, axis=1)
    return np.stack([np.rint(drawn * gain).astype(np.int8) for gain in gains])


@numba.njit(_ACTIVITY, nogil=True, cache=True)
def _measure_activity(picture, activity, block):  # type: ignore[no-untyped-def]
    # Mean difference of green to the right and below, of every second pixel of each block.
    height, width = picture.shape[0] - 1, picture.shape[1] - 1
    for by in range(activity.shape[0]):
        for bx in range(activity.shape[1]):
            total = np.int32(0)
            count = np.int32(0)
            for y in range(by * block, min((by + 1) * block, height), 2):
                for x in range(bx * block, min((bx + 1) * block, width), 2):
                    here = np.int32(picture[y, x, 1])
                    total += abs(here - np.int32(picture[y, x + 1, 1])) + abs(here - np.int32(picture[y + 1, x, 1]))
                    count += 2
            activity[by, bx] = np.float32(total) / np.float32(count if count > 0 else 1)


@numba.njit(_ADD, nogil=True, cache=True)
def _add(picture, changes, strength, block, out):  # type: ignore[no-untyped-def]
    # Rows of bytes, three to a pixel: in short runs of one strength the machine does many at once.
    low, high = np.int16(0), np.int16(255)
    run = 3 * block
    for y in range(picture.shape[0]):
        for bx in range(strength.shape[1]):
            start, end = bx * run, min((bx + 1) * run, picture.shape[1])
            given, taken = picture[y, start:end], out[y, start:end]
            change = changes[strength[y // block, bx], y, start:end]
            for x in range(given.size):
                taken[x] = np.uint8(min(max(np.int16(given[x]) + np.int16(change[x]), low), high))


def block_px(width_px: int, height_px: int) -> int:
    """Side of the squares of a picture whose texture is measured."""
    return max(4, round(_BLOCK_PX * marked_side_px(width_px, height_px) / 512))


def strength_per_level() -> float:
    """Steps of strength for each level by which neighbouring pixels differ."""
    return _PER_ACTIVITY * (STRENGTHS - 1) / (_MOST - _LEAST)


def marked(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same pictures with the watermark in them.

    Args:
        pictures: uint8 (T, H, W, 3) RGB, consecutive; not changed.

    Returns:
        uint8 (T, H, W, 3) RGB.
    """
    out = np.empty_like(pictures, order="C")
    height, width = pictures.shape[1:3]
    changes = changes_of(width, height)
    block = block_px(width, height)
    activity = np.empty((-(-height // block), -(-width // block)), np.float32)
    strength = np.empty(0, np.uint8)
    for index, (given, taken) in enumerate(zip(pictures, out, strict=True)):
        picture = np.ascontiguousarray(given)
        if index % ALIKE == 0:
            _measure_activity(picture, activity, block)
            # A smooth place beside an edge shows what the edge would hide: a block takes the least of its neighbours.
            quiet = cv2.erode(activity, np.ones((3, 3), np.uint8))
            strength = np.clip(quiet * strength_per_level() + 0.5, 0, STRENGTHS - 1).astype(np.uint8)
        _add(picture.reshape(height, -1), changes, strength, block, taken.reshape(height, -1))
    return out
