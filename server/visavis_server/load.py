"""How much the device can draw in time, from what steps were measured to cost. Pure decisions; nothing here draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from visavis_models.chunk import CHUNK_MS

_FORGET = 0.1
"""Weight of the newest step in the smoothed cost: about ten steps are remembered."""
_MOST_FRAMES = 8
_PATIENCE_FRAMES = 50
_COMFORTABLE_LOAD = 0.75
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


def frames_per_step(call_ms: float, frame_ms: float, sessions: int) -> int:
    """How many new frames one step should draw, 1 to 8: as few as the hardware can afford, for the sake of latency.

    Args:
        call_ms: what a step costs whatever its length (launching networks, say).
        frame_ms: what each frame of one session adds.
        sessions: how many sessions share the device.
    """
    steps_ms = [call_ms + frames * frame_ms * sessions for frames in range(1, _MOST_FRAMES + 1)]
    for load in (_COMFORTABLE_LOAD, 1.0):
        for frames, step_ms in enumerate(steps_ms, 1):
            if step_ms <= load * frames * CHUNK_MS:
                return frames
    # Too slow whatever the length: a longer step is worth its latency only where it draws many more frames a second.
    best = _MOST_FRAMES / steps_ms[-1]
    return next(frames for frames, step_ms in enumerate(steps_ms, 1) if frames / step_ms >= 0.8 * best)


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

    def forget(self) -> None:
        """Drawing is done otherwise from now on: what a frame costs is not known."""
        self.frame_ms = 0.0

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


@dataclass(slots=True)
class Overload:
    """Whether drawing has been too slow for so long that less should be drawn."""

    since_frames: int = 0
    """Frames drawn since the device last kept up."""

    def note(self, drawn: int, frame_ms: float, sessions: int) -> bool:
        """Count one step; True once two seconds' worth of frames came too slowly, and counting begins anew.

        Args:
            drawn: frames of this step.
            frame_ms: what one frame costs, smoothed.
            sessions: how many were drawn.
        """
        self.since_frames = self.since_frames + drawn if frame_ms * sessions > CHUNK_MS else 0
        if self.since_frames < _PATIENCE_FRAMES * sessions:
            return False
        self.since_frames = 0
        return True
