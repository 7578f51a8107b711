"""How a published tick is laid out in a video frame: the picture as it is, or the person beside their matte.

Codecs in WebRTC carry no transparency. Side by side, the left half is the person alone, with colours that go on beyond
the outline, and the right half is the matte as luma: 16 where the person is not, 235 where nothing else is seen. Knows
nothing of codecs or of who watches.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, Protocol

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.matte import person_alone
from visavis_server.media import Published
from visavis_server.rtc.tracks import PICTURE_STEP, FrameMaker

Layout = Literal["plain", "side-by-side"]

_NEUTRAL = 128
_LUMA = np.rint(16 + np.arange(256) * 219 / 255).astype(np.uint8)
"""Video luma is 16 to 235: a matte in the full range would be cut off by whoever decodes it."""


class Frames(Protocol):
    """Makes video frames of ticks."""

    def frame(self, item: Published) -> av.VideoFrame | None:
        """A yuv420p frame, pts in 1/90000 s; None if this tick lacks what the layout needs."""
        ...


class SideBySideMaker:
    """Person and matte in one frame of twice the width; a picture that repeats is converted once."""

    def __init__(self) -> None:
        self._picture: NDArray[np.uint8] | None = None
        self._planes: NDArray[np.uint8] | None = None

    def frame(self, item: Published) -> av.VideoFrame | None:
        """The frame of one tick, or None if it has no matte. Odd sizes lose their last row or column."""
        if item.matte is None:
            return None
        if item.picture is not self._picture or self._planes is None:
            height, width = item.picture.shape[0] & ~1, item.picture.shape[1] & ~1
            person = person_alone(item.picture, item.matte)[:height, :width]
            luma = np.asarray(cv2.LUT(np.ascontiguousarray(item.matte.cover[:height, :width]), _LUMA), np.uint8)
            colours = cv2.cvtColor(np.ascontiguousarray(person), cv2.COLOR_RGB2YUV_I420)
            self._planes = _beside(np.asarray(colours, np.uint8), luma)
            self._picture = item.picture
        frame = av.VideoFrame.from_ndarray(self._planes, format="yuv420p")
        frame.pts, frame.time_base = item.moment * PICTURE_STEP, Fraction(1, 90_000)
        return frame


def _beside(colours: NDArray[np.uint8], luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """I420 of a picture (1.5 H, W), and a grey one's luma (H, W) to its right: I420 (1.5 H, 2 W)."""
    height, width = luma.shape
    pixels = height * width
    planes = np.empty(3 * pixels, np.uint8)
    upper = planes[: 2 * pixels].reshape(height, 2 * width)
    upper[:, :width], upper[:, width:] = colours[:height], luma
    flat = colours.reshape(-1)
    for n in range(2):
        chroma = planes[2 * pixels + n * pixels // 2 :][: pixels // 2].reshape(height // 2, width)
        start = pixels + n * pixels // 4
        chroma[:, : width // 2] = flat[start : start + pixels // 4].reshape(height // 2, width // 2)
        chroma[:, width // 2 :] = _NEUTRAL
    return planes.reshape(height * 3 // 2, 2 * width)


def frames_of(layout: Layout) -> Frames:
    """What makes frames in this layout."""
    return SideBySideMaker() if layout == "side-by-side" else FrameMaker()


def frame_size_px(item: Published, layout: Layout) -> tuple[int, int]:
    """Width and height of a tick's frame."""
    width, height = item.picture.shape[1] & ~1, item.picture.shape[0] & ~1
    return (2 * width if layout == "side-by-side" else width), height
