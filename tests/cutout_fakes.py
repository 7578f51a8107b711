"""A renderer that knows where its person is: numbered pictures in which a disc wanders over a plain plate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from test_webrtc_call import NumberRenderer
from visavis_models.avatar import Avatar
from visavis_models.motion import MotionWindow

SIZE_PX = 320
PLATE = (20, 200, 40)


def disc(index: int) -> NDArray[np.uint8]:
    """uint8 (320, 320): the cover of frame `index`, soft at its edge, its middle moving with the index."""
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX]
    away = np.hypot(x - 120 - index % 80, y - 160)
    return np.asarray(np.clip((90 - away) / 6 * 255, 0, 255), np.uint8)


class CutoutRenderer(NumberRenderer):
    """Pictures are `painted(index)`, wherever the disc covers; the rest is the plate."""

    name = "cutout"

    def __init__(self) -> None:
        self.mattes_drawn = 0

    def open(self, avatar: Avatar, long_side_px: int | None = None) -> None:
        return None

    def plate(self, state: None) -> NDArray[np.uint8]:
        return np.full((SIZE_PX, SIZE_PX, 3), PLATE, np.uint8)

    def render(self, states: Sequence[None], windows: Sequence[MotionWindow]) -> list[NDArray[np.uint8]]:
        return self.render_with_mattes(states, windows, [None] * len(states))

    def render_with_mattes(
        self, states: Sequence[None], windows: Sequence[MotionWindow], mattes: Sequence[NDArray[np.uint8] | None]
    ) -> list[NDArray[np.uint8]]:
        shown = []
        for person, window, matte in zip(super().render(states, windows), windows, mattes, strict=True):
            cover = np.stack([disc(window.first_frame + i) for i in range(len(window))])
            share = cover[..., None] / 255
            shown.append(np.rint(person * share + (1 - share) * np.array(PLATE)).astype(np.uint8))
            if matte is not None:
                matte[:] = cover
                self.mattes_drawn += len(window)
        return shown
