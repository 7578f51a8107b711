"""Makes frames smaller for narrow links, whatever is laid out in them. Knows nothing of rates or codecs."""

from __future__ import annotations

from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_server.media import Published
from visavis_server.rtc.layouts import Frames


class FittedFrames:
    """Frames of another maker at a share of their size; a picture that repeats is made smaller once."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._key: tuple[Any, float] | None = None
        self._planes: NDArray[np.uint8] | None = None

    def frame(self, item: Published, scale: float) -> av.VideoFrame | None:
        """The frame of one tick, yuv420p; width a multiple of 4 and height of 2, if it is made smaller."""
        whole = self._frames.frame(item)
        if whole is None or scale >= 1.0:
            return whole
        if self._planes is None or self._key is None or self._key[0] is not item.picture or self._key[1] != scale:
            self._planes = shrunk(whole.to_ndarray(), scale)
            self._key = item.picture, scale
        frame = av.VideoFrame.from_ndarray(self._planes, format="yuv420p")
        frame.pts, frame.time_base = whole.pts, whole.time_base
        return frame


def shrunk(planes: NDArray[Any], scale: float) -> NDArray[np.uint8]:
    """I420 (1.5 H, W) at a share of its size; halves that lie side by side stay halves."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    small_height, small_width = max(2, round(height * scale) & ~1), max(4, round(width * scale) & ~3)
    flat, pixels, at = planes.reshape(-1), height * width, 0
    pieces = []
    for n in range(3):
        shift = int(n > 0)
        plane = flat[at : at + (pixels >> 2 * shift)].reshape(height >> shift, width >> shift)
        at += plane.size
        size = small_width >> shift, small_height >> shift
        pieces.append(np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8).reshape(-1))
    return np.concatenate(pieces).reshape(small_height * 3 // 2, small_width)
