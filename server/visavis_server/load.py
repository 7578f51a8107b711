"""How much the device can draw in time, from what steps were measured to cost. Pure decisions; nothing here draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from visavis_models.chunk import CHUNK_MS

_FORGET = 0.1
"""Weight of the newest step in the smoothed cost: about ten steps are remembered."""
_MOST_FRAMES = 8
_BUSY_LOAD = 0.85
"""While a face does all that costs most; listening takes a part of the rest."""


@dataclass(frozen=True, slots=True)
class StepCost:
    """What one step of drawing costs."""

    call_ms: float
    """Whatever its length."""
    frame_ms: float
    """For each frame of each session."""


def affordable(costs: Mapping[str, StepCost], sessions: int) -> str:
    """The first of several ways to draw that so many sessions can have at full rate; the last if none is.

    Args:
        costs: of each way while the face does all that costs most, the best first.
        sessions: how many share the device.
    """
    for way, cost in costs.items():
        longest_ms = cost.call_ms + _MOST_FRAMES * cost.frame_ms * sessions
        if longest_ms <= _BUSY_LOAD * _MOST_FRAMES * CHUNK_MS:
            return way
    return list(costs)[-1]


@dataclass(slots=True)
class DrawingCost:
    """What drawing costs on this device right now."""

    frame_ms: float = 0.0
    """One frame of one session, smoothed; 0 until the first step."""
    frames: int = 0
    """Frames drawn in all."""
    steps: int = 0

    def note(self, step_ms: float, frames: int) -> None:
        """Count one step."""
        self.steps += 1
        self.frames += frames
        if frames:
            cost_ms = step_ms / frames
            self.frame_ms += (cost_ms - self.frame_ms) * (_FORGET if self.frame_ms else 1.0)

    def first_in_time(self, next_frame: int, sessions: int) -> int:
        """The first frame that can still be drawn before it is due.

        Args:
            next_frame: what the next tick publishes.
            sessions: how many sessions are drawn in the same step.
        """
        return next_frame + int(self.frame_ms * sessions // CHUNK_MS)

    def most_frames(self, waiting: int, sessions: float) -> int:
        """How many of a session's waiting frames to draw in one step.

        All of them while the device keeps up. Otherwise as many of the newest as it can: a face that moves at 15 frames
        per second is alive, one whose every frame comes too late is frozen.
        """
        due_ms = self.frame_ms * sessions
        return waiting if due_ms <= CHUNK_MS else max(1, int(waiting * CHUNK_MS / due_ms))
