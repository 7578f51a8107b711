"""The contract of every renderer: motion in, pictures out, batched over sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.motion import MotionWindow

State = TypeVar("State")


class Renderer(Protocol[State]):
    """Turns motion into pictures. `render` is called by one thread only; `open` by one other, also while it runs."""

    @property
    def name(self) -> str:
        """`warp` or `diffusion`."""
        ...

    def open(self, avatar: Avatar, long_side_px: int | None = None) -> State:
        """Prepare an avatar for one session; what is costly and shared between sessions is cached inside.

        Args:
            avatar: who.
            long_side_px: size of the pictures, at most the canvas's own; None keeps the canvas. Both sides come out
                even.
        """
        ...

    def render(self, states: Sequence[State], windows: Sequence[MotionWindow]) -> list[NDArray[np.uint8]]:
        """Draw the frames of one window for each state, in one batch.

        Returns:
            For each state one uint8 (T, H, W, 3) RGB array, T being the length of its window.
        """
        ...
