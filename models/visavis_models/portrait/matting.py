"""Cuts the person out of the picture: a soft matte at the canvas's resolution from two coarse networks and the picture's edges.

The colour-guided filter is that of He, Sun and Tang (Guided Image Filtering, 2010), on box filters. It does not know what
will be put behind the person.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.portrait.crops import Crop
from visavis_models.portrait.networks import input_size_px, run_network

_HEAD_CROP_WIDTHS = 4.0


def person_matte(
    canvas: NDArray[np.uint8], head: NDArray[np.float32], body_mask: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """The matte of the person whose face is given.

    Args:
        canvas: uint8 (H, W, 3) RGB.
        head: `Avatar.head_pose` of the face.
        body_mask: float32 (H, W), 0..1, of `find_body`.

    Returns:
        uint8 (H, W), 255 = the person.
    """
    coarse = _coarse_mask(canvas, head, body_mask)
    matte = _refine(canvas, coarse)
    return np.asarray(np.rint(matte * 255), np.uint8)


def _coarse_mask(
    canvas: NDArray[np.uint8], head: NDArray[np.float32], body_mask: NDArray[np.float32]
) -> NDArray[np.float32]:
    """float32 (H, W), 0..1: the whole picture coarsely, the head's surroundings again at a finer grain."""
    height, width = canvas.shape[:2]
    size = input_size_px("person_mask")
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    whole = cv2.resize(_segment(small), (width, height), interpolation=cv2.INTER_LINEAR)
    whole = 0.7 * whole + 0.3 * body_mask
    side = _HEAD_CROP_WIDTHS * float(head[5])
    if side > 0.85 * max(height, width):
        return np.asarray(whole, np.float32)
    crop = Crop(float(head[3]), float(head[4]) + 0.15 * side, side)
    near = crop.mask_to_canvas(_segment(crop.take(canvas, size) / 255), width, height)
    line = np.clip(4 * np.minimum(np.arange(size) + 0.5, size - np.arange(size) - 0.5) / size, 0, 1)
    trust = crop.mask_to_canvas(np.minimum.outer(line, line).astype(np.float32), width, height)
    return np.asarray(whole + trust * (near - whole), np.float32)


def _segment(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The person mask of a picture and of its mirror image, averaged."""
    straight = run_network("person_mask", picture)["mask"][0, :, :, 0]
    mirrored = run_network("person_mask", picture[:, ::-1])["mask"][0, :, ::-1, 0]
    return np.asarray((straight + mirrored) / 2, np.float32)


def _refine(canvas: NDArray[np.uint8], coarse: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pull the coarse mask onto the picture's edges, first widely, then finely."""
    guide = canvas.astype(np.float32) / 255
    long_side = max(canvas.shape[:2])
    matte = coarse
    for radius, smoothness in ((long_side // 40, 1e-3), (long_side // 120, 3e-4)):
        matte = np.clip(colour_guided_filter(guide, matte, max(2, radius), smoothness), 0, 1)
    return np.asarray(np.clip((matte - 0.06) / 0.88, 0, 1), np.float32)


def colour_guided_filter(
    guide: NDArray[np.float32], values: NDArray[np.float32], radius_px: int, smoothness: float
) -> NDArray[np.float32]:
    """Fit `values` locally as a linear function of the guide's colour.

    Args:
        guide: float32 (H, W, 3), 0..1.
        values: float32 (H, W).
        radius_px: half side of the windows.
        smoothness: variance of colour below which a window counts as flat.
    """

    def mean(array: NDArray[np.float32]) -> NDArray[np.float32]:
        side = 2 * radius_px + 1
        return np.asarray(cv2.boxFilter(array, -1, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)

    centre = mean(guide)
    variance = {
        (i, j): mean(guide[..., i] * guide[..., j]) - centre[..., i] * centre[..., j]
        for i in range(3)
        for j in range(i, 3)
    }
    for i in range(3):
        variance[i, i] = variance[i, i] + np.float32(smoothness)
    average = mean(values)
    together = [mean(guide[..., i] * values) - centre[..., i] * average for i in range(3)]
    rr, rg, rb, gg, gb, bb = (variance[key] for key in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))
    # The inverse of the symmetric 3 by 3 matrix, by cofactors.
    c00, c01, c02 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c11, c12, c22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    determinant = rr * c00 + rg * c01 + rb * c02
    slope = np.stack(
        [
            (c00 * together[0] + c01 * together[1] + c02 * together[2]) / determinant,
            (c01 * together[0] + c11 * together[1] + c12 * together[2]) / determinant,
            (c02 * together[0] + c12 * together[1] + c22 * together[2]) / determinant,
        ],
        axis=-1,
    )
    offset = average - (slope * centre).sum(axis=-1)
    return np.asarray((mean(slope) * guide).sum(axis=-1) + mean(offset), np.float32)
