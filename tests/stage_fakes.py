"""Stages that do nothing but tell facts: pictures carry their own frame index, lips carry the voice's loudness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT
from visavis_models.avatar import Avatar
from visavis_models.chunk import CHUNK_MS, Chunk
from visavis_models.motion import MotionWindow, rest_motion


def plain_avatar(id: str = "plain", width: int = 64, height: int = 48) -> Avatar:
    picture = np.full((height, width, 3), 90, np.uint8)
    return Avatar(
        id=id,
        name=id.title(),
        photo=picture,
        matte=np.zeros((height, width), np.uint8),
        foreground=picture,
        plate=picture,
        landmarks=np.zeros((478, 3), np.float32),
        head_pose=np.array([0, 0, 0, width / 2, height / 2, width / 3], np.float32),
        body_points=np.zeros((33, 4), np.float32),
    )


def painted_index(picture: NDArray[np.uint8]) -> int:
    """The frame index that a `PaintingRenderer` drew."""
    return int(picture[0, 0, 0]) + 256 * int(picture[0, 0, 1])


@dataclass
class PaintingState:
    avatar: Avatar


class PaintingRenderer:
    """Paints the frame index into red and green and the aperture of the lips into blue."""

    name = "painting"

    def __init__(self, failing_avatar: str = "") -> None:
        self.batches: list[list[int]] = []
        self._failing_avatar = failing_avatar

    def open(self, avatar: Avatar, long_side_px: int | None = None) -> PaintingState:
        return PaintingState(avatar)

    def render(self, states: Sequence[PaintingState], windows: Sequence[MotionWindow]) -> list[NDArray[np.uint8]]:
        self.batches.append([len(w) for w in windows])
        shown = []
        for state, window in zip(states, windows, strict=True):
            if state.avatar.id == self._failing_avatar and window.first_frame > 20:
                raise RuntimeError("this avatar cannot be drawn")
            frames = np.zeros((len(window), state.avatar.height_px, state.avatar.width_px, 3), np.uint8)
            index = window.first_frame + np.arange(len(window))
            frames[..., 0] = (index % 256)[:, None, None]
            frames[..., 1] = (index // 256)[:, None, None]
            frames[..., 2] = (window.face[:, ARKIT["jawOpen"]] * 255)[:, None, None]
            shown.append(frames)
        return shown


class LoudnessListener:
    """Opens the jaw as far as the voice is loud, two chunks later."""

    lookahead_ms = 2 * CHUNK_MS

    def __init__(self, seed: int = 0) -> None:
        self._waiting: list[Chunk] = []
        self.interruptions = 0
        self.listening = False
        self.hears_other = False

    def push(self, chunk: Chunk) -> MotionWindow | None:
        self._waiting.append(chunk)
        self.hears_other = chunk.other is not None and float(np.abs(chunk.other).max()) > 0.1
        if len(self._waiting) <= 2:
            return None
        shown = self._waiting.pop(0)
        window = rest_motion(1, shown.index)
        loudness = float(np.abs(shown.samples).max())
        window.face[0, ARKIT["jawOpen"]] = loudness
        window.speaking[0] = loudness > 0.1
        return window

    def interrupt(self, last_shown: int | None = None, next_shown: int | None = None) -> None:
        self.interruptions += 1
        self._waiting = [Chunk(c.index, np.zeros_like(c.samples), c.playback, c.epoch) for c in self._waiting]

    def set_listening(self, on: bool) -> None:
        self.listening = on
