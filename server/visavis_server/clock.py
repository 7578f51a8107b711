"""The media clock: says when the next 40 ms begin. Pure decisions; the shell that sleeps is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from visavis_models.chunk import CHUNK_MS

TICK_S = CHUNK_MS / 1000
_MAX_CATCH_UP = 5
"""A loop that woke late makes up for at most this many ticks; more: the machine slept, and time goes on from now."""


@dataclass(slots=True)
class MediaClock:
    """25 ticks a second for ever, without drift: tick n is due at `start_s + n * 40 ms`."""

    start_s: float
    """`time.monotonic()` of tick 0."""
    ticks: int = 0
    """How many ticks were handed out."""
    skipped: int = 0
    """How many ticks fell into times in which the machine slept or the loop was blocked."""

    def due(self, now_s: float) -> int:
        """How many ticks have to run now; they count as handed out."""
        behind = int((now_s - self.start_s) / TICK_S + 1e-6) + 1 - self.ticks
        if behind > _MAX_CATCH_UP:
            lost = behind - 1
            self.skipped += lost
            self.start_s += lost * TICK_S
            behind = 1
        behind = max(0, behind)
        self.ticks += behind
        return behind

    def wait_s(self, now_s: float) -> float:
        """How long to sleep until the next tick."""
        return max(0.0, self.start_s + self.ticks * TICK_S - now_s)
