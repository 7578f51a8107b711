"""The contract of every renderer: motion in, pictures out, batched over sessions."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

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


@runtime_checkable
class MattingRenderer(Renderer[State], Protocol[State]):
    """A renderer that can tell the person from the background."""

    def render_with_mattes(
        self,
        states: Sequence[State],
        windows: Sequence[MotionWindow],
        mattes: Sequence[NDArray[np.uint8] | None],
    ) -> list[NDArray[np.uint8]]:
        """Like `render`, and say where the person is.

        Args:
            states: see `render`.
            windows: see `render`.
            mattes: for each state uint8 (T, H, W), filled with how much of each pixel is the person; None: do not
                trouble.
        """
        ...

    def plate(self, state: State) -> NDArray[np.uint8]:
        """What is seen where the person is not, in every frame: uint8 (H, W, 3) RGB."""
        ...


@dataclass(frozen=True, slots=True)
class Drawn:
    """The pictures of one window, T frames."""

    pictures: NDArray[np.uint8]
    """uint8 (T, H, W, 3) RGB."""
    planes: NDArray[np.uint8] | None = None
    """uint8 (T, 1.5 H, W): the same as I420, both sides made even; None: not made."""
    covers: NDArray[np.uint8] | None = None
    """uint8 (T, H, W): how much of each pixel is the person; None: not asked for."""
    finished: bool = False
    """Whoever made them has done all that is done to pictures before anybody sees them."""


@runtime_checkable
class PipelinedRenderer(Protocol):
    """A renderer that begins the next batch while the one before is still on its way."""

    def begin(
        self, states: Sequence[Any], windows: Sequence[MotionWindow], mattes: Sequence[bool]
    ) -> Future[list[Drawn]]:
        """Begin a batch; no state may be in two at once.

        Args:
            states: see `Renderer.render`.
            windows: see `Renderer.render`.
            mattes: for each state, whether it is told what of the picture is the person.

        Returns:
            What is set when the pictures are there, by a thread of the renderer's.
        """
        ...


@runtime_checkable
class ForgetfulRenderer(Protocol):
    """A renderer that keeps prepared avatars, and can be told to drop one."""

    def forget(self, avatar_id: str) -> None:
        """Drop what is kept of it; called by the thread that opens."""
        ...


@dataclass(slots=True)
class GuardCounts:
    """What a renderer that judges its own pictures did since the start, in windows, by reason."""

    windows: int = 0
    """Judged in all."""
    reanchored: dict[str, int] = field(default_factory=dict)
    """Begun anew from the portrait."""
    fallback: dict[str, int] = field(default_factory=dict)
    """Left to a simpler renderer."""


@runtime_checkable
class GuardedRenderer(Protocol):
    """A renderer that judges its own pictures."""

    @property
    def counts(self) -> GuardCounts:
        """Only ever rising, with every reason there from the start."""
        ...


@runtime_checkable
class AdjustableRenderer(Protocol):
    """A renderer that can be told to do with less."""

    @property
    def ways(self) -> tuple[str, ...]:
        """How it can draw, in words, the best first, each cheaper than the one before."""
        ...

    @property
    def way(self) -> str:
        """How it draws."""
        ...

    @property
    def fewest_frames(self) -> int:
        """New frames in a window that it needs to draw well in this way."""
        ...

    def take(self, way: str, state: Any = None) -> None:
        """Draw so from the next call of `render` on; called by the thread that renders.

        Args:
            way: one of `ways`.
            state: of the session that it is for; None: of all that were told none of their own.

        Raises:
            ValueError: there is no such way.
        """
        ...
