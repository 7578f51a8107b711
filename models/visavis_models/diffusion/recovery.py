"""What is shown of a draft, and how a stream that went wrong begins anew without anybody seeing a cut.

A refused window is made again from the portrait alone; if that is refused too, `warp` stands in. Either way what was
shown last goes over into what comes. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT_COUNT, ARKIT_NAMES
from visavis_models.diffusion.memory import RegionMemory, ShownCrop, copied
from visavis_models.diffusion.windows import Draft, RegionWindow

Floats = NDArray[np.float32]

_MOUTH_UNITS = np.array([k for k, name in enumerate(ARKIT_NAMES) if not name.startswith(("eye", "brow"))])
_TURN = slice(ARKIT_COUNT, ARKIT_COUNT + 3)
"""Pitch, yaw and roll in a motion."""
_PATIENCE = 2
"""Windows in a row that may fail before networks rest for a while."""
_REST_FRAMES = 12
"""How long they rest, in frames; with the cross-fade that follows a stream is back within a second."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is laid over the driven picture in a window."""

    made: Sequence[Floats]
    """N times float32 (4, H, W)."""
    maps: Sequence[Floats]
    """N times float32 (MAP_CHANNELS, H, W)."""
    share: Floats
    """float32 (N,): of the cover that counts."""


def _eased(share: float) -> float:
    share = min(max(share, 0.0), 1.0)
    return share * share * (3.0 - 2.0 * share)


def may_try(memory: RegionMemory, first_frame: int) -> bool:
    """Whether networks are asked for a window again; they rest after several failures in a row."""
    return first_frame >= memory.resting_until


def keep_going(window: RegionWindow, draft: Draft, memory: RegionMemory, over_frames: int) -> Shown:
    """Show a draft and remember it; whatever is still going over from before goes on.

    Args:
        window: it was made of.
        draft: that was not refused.
        memory: of the region; changed.
        over_frames: length of a cross-fade.
    """
    made, share = draft.made, np.ones(len(window), np.float32)
    if memory.fading is not None:
        made = copied(made)
        for k in range(min(memory.fading_left, len(window))):
            made[k, :3] += memory.fading * _eased((memory.fading_left - k) / (over_frames + 1))
        memory.fading_left -= len(window)
        if memory.fading_left <= 0:
            memory.fading = None
    if memory.presence < 1.0:
        share = np.minimum(memory.presence + np.arange(1, len(window) + 1) / max(over_frames, 1), 1.0).astype(
            np.float32
        )
        memory.presence = float(share[-1])
    for k in range(len(window)):
        memory.latents.append((window.first_frame + k, copied(draft.latents[k]), copied(draft.eighth[k])))
    last = window.first_frame + len(window) - 1
    memory.newest = ShownCrop(
        last, copied(made[-1]), copied(draft.made[-1]), copied(window.maps[-1]), window.motion[-1]
    )
    memory.failures, memory.resting_until = 0, 0
    return Shown(list(made), list(window.maps), share)


def stays_still(memory: RegionMemory, first_frame: int, motion: Floats, below: float) -> bool:
    """Whether the newest crop that was shown can be shown on for a whole window.

    Args:
        memory: of a mouth.
        first_frame: of the window.
        motion: float32 (N, 5, 58), see `sizes.MOTION_FRAMES`.
        below: of `RenderingSettings.still_below`.
    """
    newest = memory.newest
    if newest is None or newest.frame != first_frame - 1 or memory.fading is not None or memory.presence < 1.0:
        return False
    change = np.abs(motion[:, -1] - newest.motion[-1])
    return bool(change[:, _MOUTH_UNITS].sum(1).max() < below and change[:, _TURN].max() < below)


def show_on(first_frame: int, frames: int, memory: RegionMemory) -> Shown:
    """Show the newest crop for a window; what it is measured against stays the motion that it was made of."""
    assert memory.newest is not None
    _, latents, eighth = memory.latents[-1]
    for k in range(first_frame, first_frame + frames):
        memory.latents.append((k, latents, eighth))
    newest = memory.newest = replace(memory.newest, frame=first_frame + frames - 1)
    return Shown([newest.made] * frames, [newest.maps] * frames, np.ones(frames, np.float32))


def begin_anew(window: RegionWindow, led: RegionWindow, draft: Draft, memory: RegionMemory, over_frames: int) -> Shown:
    """Show a draft that was made from the portrait alone, going over to it from what was shown last.

    Args:
        window: that was refused.
        led: the same from the portrait, `RegionWindow.from_the_portrait`.
        draft: of that.
        memory: of the region; changed.
        over_frames: length of the cross-fade.
    """
    memory.forget_latents()
    lead = len(led) - len(window)
    if lead and memory.newest is not None:
        # Both pictures are of one motion: what differs between them is only what went wrong.
        memory.fading = (memory.newest.made[:3] - draft.made[0, :3]).clip(-2.0, 2.0)
        memory.fading_left = over_frames
    own = Draft(draft.made[lead:], draft.latents[lead:], draft.eighth[lead:])
    return keep_going(window, own, memory, over_frames)


def stand_in(frames: int, memory: RegionMemory, over_frames: int) -> Shown | None:
    """Leave a window to `warp`; the newest crop that was shown disappears over some frames. None: it has.

    Args:
        frames: in the window.
        memory: of the region; changed.
        over_frames: length of the cross-fade.
    """
    memory.forget_latents()
    memory.fading, memory.fading_left = None, 0
    if memory.newest is None:
        memory.presence = 0.0
        return None
    share = np.maximum(memory.presence - np.arange(1, frames + 1) / max(over_frames, 1), 0.0).astype(np.float32)
    newest = memory.newest
    memory.presence = float(share[-1])
    if memory.presence <= 0.0:
        memory.newest = None
    return Shown([newest.made] * frames, [newest.maps] * frames, share)


def note_failure(memory: RegionMemory, window_end: int, reason: str) -> None:
    """A window failed from the portrait, too; `window_end` is the frame after it."""
    memory.failures += 1
    memory.failed_by = reason
    if memory.failures >= _PATIENCE:
        memory.resting_until = window_end + _REST_FRAMES
