"""Voice to pictures: the whole pipeline in one function. Read this first.

    chunks ► listen ► motion windows ► render ► frames

Live sessions and files go through the same `advance`; they differ only in who calls it, and when: the studio's owner
thread with whatever is due of all sessions at once, or the file renderer with as much as fits. Knows nothing of clocks,
sockets or threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import Chunk
from visavis_models.listening import Listener
from visavis_models.motion import MotionWindow, join_windows
from visavis_models.rendering import Renderer


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one avatar."""

    index: int
    """It shows chunk `index`."""
    picture: NDArray[np.uint8]
    """uint8 (H, W, 3) RGB."""
    speaking: bool
    epoch: int


@dataclass(slots=True)
class Performance:
    """One avatar at work: who hears, and how it looks right now."""

    listener: Listener
    state: Any
    """What `Renderer.open` gave for the avatar."""
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """What one performance has to do in one step."""

    performance: Performance
    chunks: Sequence[Chunk]
    """New voice, in order."""
    first_useful_frame: int = 0
    """Earlier frames would come too late to be shown: their motion is heard but not drawn."""
    motion: MotionWindow | None = None
    """Motion made elsewhere (a recording, a face tracker): drawn instead of what the listener says."""


def advance(renderer: Renderer[Any], batch: Sequence[Work]) -> list[list[Frame]]:
    """One step of every performance in the batch: hear the new chunks, then draw all frames that became certain.

    Returns:
        For each work its new frames, in order; empty while the listener's look-ahead fills.
    """
    heard = [work.motion if work.motion is not None else _hear(work) for work in batch]
    due = [(work, window) for work, window in zip(batch, heard, strict=True) if window is not None]
    pictures = renderer.render([work.performance.state for work, _ in due], [window for _, window in due])
    drawn = {id(work): (window, shown) for (work, window), shown in zip(due, pictures, strict=True)}
    return [_frames(work, *drawn[id(work)]) if id(work) in drawn else [] for work in batch]


def _hear(work: Work) -> MotionWindow | None:
    windows = []
    for chunk in work.chunks:
        if chunk.epoch != work.performance.epoch:
            work.performance.epoch = chunk.epoch
            work.performance.listener.interrupt()
        window = work.performance.listener.push(chunk)
        if window is not None:
            windows.append(window)
    if not windows:
        return None
    window = join_windows(windows)
    late = max(0, work.first_useful_frame - window.first_frame)
    return window.rows(late, len(window)) if late < len(window) else None


def _frames(work: Work, window: MotionWindow, pictures: NDArray[np.uint8]) -> list[Frame]:
    return [
        Frame(window.first_frame + i, pictures[i], bool(window.speaking[i]), work.performance.epoch)
        for i in range(len(window))
    ]
