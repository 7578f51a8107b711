"""A picture of two people whose halves say how far each one's mouth is open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fakes import FakeLibrary
from stage_fakes import PaintingRenderer, PaintingState, plain_avatar
from visavis_models.arkit import ARKIT
from visavis_models.avatar import Avatar, other_id
from visavis_models.motion import MotionWindow
from visavis_server.media import Published


def couple(id: str = "couple") -> Avatar:
    """64 × 48 px; person 0 has the left half, person 1 the right one."""
    people = [
        replace(plain_avatar(other_id(id, i) if i else id), head_pose=np.array([0, 0, 0, x, 20, 12], np.float32))
        for i, x in enumerate((20, 44))
    ]
    return replace(people[0], others=(people[1],))


class CoupleLibrary(FakeLibrary):
    """Has one avatar more, of two people."""

    def __init__(self) -> None:
        super().__init__()
        self.avatars["couple"] = couple()


class CouplePainter(PaintingRenderer):
    """Paints like a `PaintingRenderer`; the blue of the right half is the aperture of person 1's lips."""

    def render(self, states: Sequence[PaintingState], windows: Sequence[MotionWindow]) -> list[NDArray[np.uint8]]:
        pictures = super().render(states, windows)
        for picture, window in zip(pictures, windows, strict=True):
            if window.others:
                half = picture.shape[2] // 2
                picture[:, :, half:, 2] = (window.others[0].face[:, ARKIT["jawOpen"]] * 255)[:, None, None]
        return pictures

    def render_with_mattes(
        self,
        states: Sequence[PaintingState],
        windows: Sequence[MotionWindow],
        mattes: Sequence[NDArray[np.uint8] | None],
    ) -> list[NDArray[np.uint8]]:
        return self.render(states, windows)

    def plate(self, state: PaintingState) -> NDArray[np.uint8]:
        return state.avatar.plate


def mouths(items: Sequence[Published]) -> NDArray[np.int_]:
    """How far each mouth was open, int (frames, 2), 0..255."""
    return np.array([[int(item.picture[0, 0, 2]), int(item.picture[0, -1, 2])] for item in items])
