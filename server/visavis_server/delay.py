"""How long after its voice a frame is published: as short as the device allows. Pure decisions, one session's.

A longer delay costs latency, a shorter one repeats frames. So it grows as soon as frames keep coming late, by holding
the output back one tick, and shrinks again, in silence, once they have come early for a while. Voice is only ever
delayed, never cut.
"""

from __future__ import annotations

from dataclasses import dataclass

_LATE_FRAMES = 8
"""So many late frames within a second make the delay grow. A single hiccup does not: a longer delay would not undo it,
and every change of delay unsettles the players' lip-sync for a while."""
_WINDOW_TICKS = 25
_SETTLING_TICKS = 50
"""In its first 2 s a session connects and its networks warm up: what is late then says nothing."""
_CALM_TICKS = 125
"""The delay shrinks after 5 s in which every frame could have been a tick later still."""
MAX_EXTRA_TICKS = 8


@dataclass(slots=True)
class Delay:
    """The publication delay of one session."""

    planned_ticks: int
    """From look-ahead, frames per step and slack."""
    extra_ticks: int = 0
    """What the device has proved to need beyond the plan."""
    _late: int = 0
    _since: int = 0
    _calm: int = 0
    _age: int = 0
    _held: int = 0
    """Ticks of output still to be held back for a longer plan."""
    shift_ticks: int = 0
    """How many more ticks than at the beginning output is held back: what receivers' clocks are told."""

    @property
    def ticks(self) -> int:
        """Frame *k* is published this many ticks after its voice was taken."""
        return self.planned_ticks + self.extra_ticks

    def replan(self, planned_ticks: int) -> None:
        """Steps are of another length from now on.

        What the plan grows by is held back at once; what it shrinks by is given back in silence.
        """
        spare = self.ticks - planned_ticks
        self.planned_ticks, self.extra_ticks = planned_ticks, max(0, spare)
        self._held += max(0, -spare) if self._age else 0  # before it has begun there is nothing to hold back
        self._calm = 0

    def note_frame(self, headroom_ticks: int) -> None:
        """A frame came.

        Args:
            headroom_ticks: how many ticks before its publication; negative when it came too late.
        """
        if headroom_ticks < 0 and self._age > _SETTLING_TICKS:
            self._late += 1
        if headroom_ticks < 2:
            self._calm = 0

    def step(self, quiet: bool) -> int:
        """Once a tick: how many ticks of output to publish now: 0 grows the delay, 2 shrinks it, else 1.

        Args:
            quiet: nobody would hear a jump now.
        """
        self._age += 1
        self._since += 1
        self._calm += 1
        if self._held:
            self._held -= 1
            self.shift_ticks += 1
            self._late = self._since = self._calm = 0
            return 0
        if self._late >= _LATE_FRAMES and self.extra_ticks < MAX_EXTRA_TICKS:
            self.extra_ticks += 1
            self.shift_ticks += 1
            self._late = self._since = self._calm = 0
            return 0
        if self._since >= _WINDOW_TICKS:
            self._late = self._since = 0
        if quiet and self.extra_ticks > 0 and self._calm >= _CALM_TICKS:
            self.extra_ticks -= 1
            self.shift_ticks -= 1
            self._calm = 0
            return 2
        return 1
