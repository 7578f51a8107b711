"""What one session remembers of what it has shown: latents and motions by frame, and the newest crop.

Everything is found by the frame's number on the media clock: where frames were left out there are none to listen to,
and a clock that jumps back begins anew. Knows nothing of networks or drawing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from visavis_models.diffusion.sizes import LATENT_CHANNELS, MOTION_FRAMES

Floats = NDArray[np.float32]


def copied(array: Floats) -> Floats:
    """An array of its own, wherever it lies: on the host, or on a device as a tensor."""
    return array.copy() if isinstance(array, np.ndarray) else array.clone()


@dataclass(frozen=True, slots=True)
class Overlap:
    """Frames before a window, the newest last."""

    latents: Floats
    """float32 (O, 16, h, w)."""
    eighth: Floats
    """float32 (O, C, h, w)."""
    known: Floats
    """float32 (O,): 0 where there is none."""


@dataclass(frozen=True, slots=True)
class ShownCrop:
    """The newest crop as it was shown, and what it was made of."""

    frame: int
    made: Floats
    """float32 (4, H, W): RGB -1..1 and cover."""
    drafted: Floats
    """float32 (4, H, W): the same without what went over into it from before."""
    maps: Floats
    """float32 (MAP_CHANNELS, H, W)."""
    motion: Floats
    """float32 (5, 58)."""


@dataclass(slots=True)
class RegionMemory:
    """What one region of one session has shown."""

    latents: deque[tuple[int, Floats, Floats]] = field(default_factory=lambda: deque(maxlen=16))
    """Frame, latents (16, h, w) and features (C, h, w)."""
    newest: ShownCrop | None = None
    fading: Floats | None = None
    """float32 (3, H, W): what is still added to new frames, a stream having begun anew."""
    fading_left: int = 0
    """Frames until it is gone."""
    presence: float = 1.0
    """How much of the generated picture is shown, 0 after `warp` stood in for it."""
    failures: int = 0
    """Windows in a row that could not be used."""
    failed_by: str = ""
    """Why the newest of them could not."""
    resting_until: int = 0
    """No window before this frame is tried."""

    def forget(self) -> None:
        """Nothing was shown: the region was not drawn, or the clock jumped back."""
        self.forget_latents()
        self.newest = None
        self.fading, self.fading_left = None, 0

    def forget_latents(self) -> None:
        """New windows begin from the portrait alone."""
        self.latents.clear()

    def overlap(self, first_frame: int, count: int, like: tuple[int, int, int]) -> Overlap:
        """The `count` frames before `first_frame`; `like` is the shape (C, h, w) of the features."""
        channels, height, width = like
        latents = np.zeros((count, LATENT_CHANNELS, height, width), np.float32)
        eighth = np.zeros((count, channels, height, width), np.float32)
        known = np.zeros(count, np.float32)
        for frame, latent, features in self.latents:
            k = frame - first_frame + count
            if 0 <= k < count:
                latents[k], eighth[k], known[k] = latent, features, 1.0
        return Overlap(latents, eighth, known)


@dataclass(slots=True)
class MotionMemory:
    """The newest motions of one session."""

    last_frame: int | None = None
    rows: dict[int, Floats] = field(default_factory=dict)
    """float32 (58,) by frame: the newest `MOTION_FRAMES` - 1."""

    def histories(self, first_frame: int, motion: Floats) -> Floats:
        """Of each frame of a window, its motion and those before it; the window is remembered.

        A motion that is not known is taken for the next one that is: a stream begins as if it had stood still.

        Args:
            first_frame: of the window.
            motion: float32 (N, 58).

        Returns:
            float32 (N, 5, 58), the newest last.
        """
        before = MOTION_FRAMES - 1
        run = np.concatenate([np.zeros((before, motion.shape[1]), np.float32), motion])
        for k in range(before - 1, -1, -1):
            known = self.rows.get(first_frame - before + k)
            run[k] = run[k + 1] if known is None else known
        kept = range(max(len(motion) - before, 0), len(motion))
        self.rows = {f: row for f, row in self.rows.items() if f >= first_frame + len(motion) - before}
        self.rows.update({first_frame + k: motion[k] for k in kept})
        self.last_frame = first_frame + len(motion) - 1
        return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(run, MOTION_FRAMES, 0).transpose(0, 2, 1))

    def forget(self) -> None:
        """The clock jumped back."""
        self.rows.clear()
        self.last_frame = None
