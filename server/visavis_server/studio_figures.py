"""What the studio tells of its device: its load, its batches, and what sessions are given.

Read on the event loop while the owner thread writes: single numbers, never a list that somebody walks along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from visavis_server.quality import Quality
from visavis_server.steering import Steered

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Batches are counted by the least of these that is no smaller; larger ones by the last."""


@dataclass(slots=True)
class StudioFigures:
    """How the device does."""

    load: float = 0.0
    """Which part of its time it worked in the last second."""
    planned_load: float = 0.0
    """What it would be if all sessions talked and blinked at once."""
    qualities: Sequence[Quality] = ()
    """What the sessions are given; replaced, never changed."""
    steered: Steered = field(default_factory=Steered)
    batches: dict[int, int] = field(default_factory=lambda: dict.fromkeys(BATCH_SIZES, 0))
    """Batches drawn, by size, see `BATCH_SIZES`."""
    failures: dict[str, int] = field(default_factory=dict)
    """Sessions that the device could not go on with, by the error's code."""

    def count_batch(self, sessions: int) -> None:
        """So many windows were drawn together."""
        self.batches[next((size for size in BATCH_SIZES if sessions <= size), BATCH_SIZES[-1])] += 1

    def count_failure(self, code: str) -> None:
        """A session was given up."""
        self.failures[code] = self.failures.get(code, 0) + 1
