"""A badge with a few words, drawn into pictures: for files and streams that no page of ours surrounds.

White on a dark rounded plate in the lower left corner, as large as the page's own. Knows nothing of video.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_HEIGHT = 1 / 14
"""Of the plate, as a share of the picture's short side."""
_LEAST_PX = 18
_PLATE_OPACITY = 0.62
_FINE = 4
"""Drawn so many times larger, for smooth edges."""


def with_badge(pictures: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """The same pictures with a badge.

    Args:
        pictures: uint8 (T, H, W, 3) RGB; not changed.
        text: a few words.

    Returns:
        uint8 (T, H, W, 3) RGB.
    """
    out = pictures.copy()
    height, width = pictures.shape[1:3]
    left, top, colour, cover = badge_of(text, width, height)
    place = out[:, top : top + cover.shape[0], left : left + cover.shape[1]]
    place[:] = np.rint(place * (1 - cover) + colour).astype(np.uint8)
    return out


@lru_cache(8)
def badge_of(text: str, width_px: int, height_px: int) -> tuple[int, int, NDArray[np.float32], NDArray[np.float32]]:
    """Where it lies (left, top), its colours times their cover, and the cover: float32 (h, w, 3) and (h, w, 1)."""
    plate_px = max(_LEAST_PX, round(min(width_px, height_px) * _HEIGHT))
    margin = plate_px // 2
    tall = plate_px * _FINE
    font = ImageFont.load_default(tall * 0.56)
    wide = int(font.getlength(text) + tall * 0.8)
    wide = min(wide, max(_FINE, (width_px - margin) * _FINE))
    image = Image.new("LA", (wide, tall), (0, 0))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((0, 0, wide - 1, tall - 1), tall // 2, fill=(16, round(255 * _PLATE_OPACITY)))
    pen.text((wide / 2, tall / 2), text, fill=(255, 255), font=font, anchor="mm")
    small = image.resize((max(1, wide // _FINE), plate_px), Image.Resampling.BOX)
    grey, alpha = np.moveaxis(np.asarray(small, np.float32), 2, 0)
    cover = (alpha / 255)[..., None]
    top = max(0, height_px - plate_px - margin)
    left = min(margin, max(0, width_px - small.width))
    cover = np.ascontiguousarray(cover[: height_px - top, : width_px - left], np.float32)
    colour = np.repeat(grey[: height_px - top, : width_px - left, None], 3, axis=2) * cover
    return left, top, colour, cover
