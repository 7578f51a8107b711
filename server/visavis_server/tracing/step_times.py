"""When one batch of the owner thread did what. All that the device's thread has to do with traces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class StepTimes:
    """`time.monotonic()` of what happened to the windows that were drawn together; 0.0: that did not happen."""

    number: int
    """Which batch it was."""
    windows: int
    """Sessions in it."""
    taken_s: float
    """Their voice was taken from those who wait."""
    heard_s: float = 0.0
    """All of it was listened to, and everybody's behaviour is decided."""
    drawn_s: float = 0.0
    """All pictures are drawn."""
    done_s: float = 0.0
    """All pictures have their marks."""
    spans: list[Any] = field(default_factory=list)
    """The contexts of those of the batch's drawings that are traced; the event loop's."""
