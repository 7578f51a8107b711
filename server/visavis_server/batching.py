"""Which sessions' windows are drawn together, and when a new session's are due. Pure decisions of the owner thread.

A batch takes whose frames are shown soonest, and is filled until it would take too long: its frames are shipped when
all of it is done. Windows of sessions fall due at different ticks, so that no batch holds everybody up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from visavis_server.load import StepCost
from visavis_server.quality import BATCH_MS, Quality

Key = TypeVar("Key")
_HORIZON_TICKS = 16


@dataclass(frozen=True, slots=True)
class Due(Generic[Key]):
    """A session whose next window can be drawn."""

    key: Key
    quality: Quality
    ticks_left: int
    """Until its first frame is to be shown; negative: that is late already."""
    waiting: int
    """Chunks of voice that have come."""

    @property
    def taken(self) -> int:
        """Chunks that its next step takes: one step's, so that windows keep their length, or all of a backlog."""
        step = self.quality.frames_per_step
        return step if self.waiting < 2 * step else self.waiting


def gathered(due: Sequence[Due[Key]], costs: Mapping[str, StepCost], slowness: float = 1.0) -> list[Due[Key]]:
    """Who is drawn in the next batch: those who are shown soonest, as many as are done in `BATCH_MS`, at least one.

    Args:
        due: everybody who could be.
        costs: of the ways.
        slowness: how many times longer batches take than was measured when nothing else ran.
    """
    batch: list[Due[Key]] = []
    frames_ms = call_ms = 0.0
    for each in sorted(due, key=lambda d: d.ticks_left):
        cost, quality = costs[each.quality.way], each.quality
        frames_ms += cost.frame_ms * each.taken * quality.faces_per_step / quality.frames_per_step
        call_ms = max(call_ms, cost.call_ms)
        if batch and slowness * (call_ms + frames_ms) > BATCH_MS:
            break
        batch.append(each)
    return batch


def quiet_start(upcoming: Sequence[tuple[int, Quality]], new: Quality, costs: Mapping[str, StepCost]) -> int:
    """How many chunks a new session's first step should take, so that its later ones fall where there is room.

    As few batches as possible, because each costs a call: a tick at which others are drawn is filled before another
    one is begun.

    Args:
        upcoming: for each other session, in how many ticks its next step is due, and its quality.
        new: of the session that comes.
        costs: of the ways.

    Returns:
        1 to `new.frames_per_step`.
    """
    step = new.frames_per_step
    if step == 1:
        return 1
    at_tick_ms = [0.0] * _HORIZON_TICKS
    for due_in, quality in upcoming:
        for tick in range(max(due_in, 0) % quality.frames_per_step, _HORIZON_TICKS, quality.frames_per_step):
            at_tick_ms[tick] += _step_ms(quality, costs)
    own_ms, call_ms = _step_ms(new, costs), costs[new.way].call_ms
    busiest = {first: max(at_tick_ms[first % step :: step]) for first in range(1, step + 1)}
    joinable = [first for first, ms in busiest.items() if 0 < ms and call_ms + ms + own_ms <= BATCH_MS]
    if joinable:
        return max(joinable, key=lambda first: (busiest[first], -first))
    return min(busiest, key=lambda first: (busiest[first], -first))


def _step_ms(quality: Quality, costs: Mapping[str, StepCost]) -> float:
    return costs[quality.way].frame_ms * quality.faces_per_step
