"""Still pictures with holes mended: skin without teeth or lashes, eyeballs without lids. Made once for each avatar."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def polygon_mask(points: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels inside a polygon, float (n, 2) px: bool (h, w)."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask > 127


def grown(mask: NDArray[np.bool_], radius_px: float) -> NDArray[np.bool_]:
    """The mask with everything within `radius_px` of it (shrunk if negative)."""
    if radius_px >= 0:
        return np.asarray(distance_px(mask) <= radius_px)
    return np.asarray(distance_px(~mask) > -radius_px)


def distance_px(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How far every pixel is from the mask: float32 (h, w), huge if the mask is empty."""
    if not mask.any():
        return np.full(mask.shape, 1e6, np.float32)
    outside = np.ascontiguousarray(~mask, np.uint8)
    return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def _blurred(picture: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """Gaussian blur; wide ones are made on a smaller picture, which no one can tell apart."""
    shrink = int(sigma_px / 3.0)
    if shrink < 2:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma_px), np.float32)
    height, width = picture.shape[:2]
    small_size = max(1, -(-width // shrink)), max(1, -(-height // shrink))
    small = cv2.resize(picture, small_size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / shrink)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def fill_from_around(
    picture: NDArray[np.uint8], hole: NDArray[np.bool_], blur_px: float, *, grain: bool = True
) -> NDArray[np.uint8]:
    """Replace a hole by what surrounds it, soft inside.

    Args:
        picture: uint8 (h, w, 3).
        hole: bool (h, w).
        blur_px: how far colours run into each other inside the hole.
        grain: give the filling the fine noise of what surrounds it.
    """
    if not hole.any() or hole.all():
        return picture.copy()
    # Average of the rim near each pixel, weighted by distance: smooth, and no single odd pixel is drawn out.
    known = (~hole).astype(np.float32)[..., None]
    near = grown(hole, max(3.0 * blur_px, 2.0)).astype(np.float32)[..., None]
    total = np.zeros(picture.shape, np.float32)
    weights = np.zeros((*hole.shape, 1), np.float32)
    for scale, trust in ((1.0, 1.0), (2.0, 0.1), (5.0, 0.01), (15.0, 0.0005)):
        sigma = max(blur_px * scale, 0.6)
        seen = known * near if scale < 15 else known
        total += trust * _blurred(picture * seen, sigma)
        weight = _blurred(seen, sigma)
        weights += trust * weight.reshape(weights.shape)
    filled = total / np.maximum(weights, 1e-6)
    if grain:
        filled = filled + _grain(picture, hole)
    return np.where(hole[..., None], np.clip(filled + 0.5, 0, 255), picture).astype(np.uint8)


def _grain(picture: NDArray[np.uint8], hole: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Noise as fine and as strong as that of the skin around a hole: a smooth patch would look painted."""
    light = picture.astype(np.float32).mean(2)
    fine = light - cv2.GaussianBlur(light, (0, 0), 1.2)
    around = grown(hole, 6.0) & ~grown(hole, 1.5)
    # The median ignores edges and hairs; 1.48 makes a standard deviation of it.
    strength = 1.48 * float(np.median(np.abs(fine[around]))) if around.any() else 0.0
    noise = np.random.default_rng(7).standard_normal(light.shape).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 0.6)
    return np.asarray(noise[..., None] * (min(strength, 6.0) / max(float(noise.std()), 1e-6)), np.float32)


def soft_mask(mask: NDArray[np.bool_], soft_px: float) -> NDArray[np.uint8]:
    """The mask as coverage, falling off outside over about `soft_px`: uint8 (h, w)."""
    away = distance_px(mask)
    return np.asarray(np.clip(1.0 - away / max(soft_px, 0.5), 0.0, 1.0) * 255 + 0.5, dtype=np.uint8)
