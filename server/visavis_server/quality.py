"""What a session may be given of the device, from the best to the least, in the order in which it is given up.

First windows become longer (latency, which nobody sees), then the renderer's ways cheaper (steps, then what is
generated at all), last pictures fewer. Pure functions of measured costs; knows no session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from visavis_models.chunk import CHUNK_MS
from visavis_server.load import StepCost

TICKS_PER_S = 1000 // CHUNK_MS
STEP_LENGTHS = (1, 2, 4, 8)
"""New frames in a step."""
SHARES = ((1, 1), (2, 3), (1, 2), (1, 3))
"""How many of how many frames are drawn: 25, 16.7, 12.5 and 8.3 a second."""
BATCH_MS = 30.0
"""A batch is filled until it takes so long: the frames' slack is a tick of 40 ms."""
PLANNED_LOAD = 0.8
"""What sessions may come to that all do what costs most; listening and an unquiet machine take a part of the rest."""
SLOW_LOAD = 0.95
_WORTH = 0.03
"""What saves less of the load than this is no help."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What one session is given."""

    frames_per_step: int
    """Chunks of voice that are gathered before they are listened to and drawn."""
    way: str
    """Of the renderer, `AdjustableRenderer.ways`; empty if it has none."""
    share: tuple[int, int] = (1, 1)
    """So many of so many frames are drawn; the others show the one before again."""
    people: int = 1
    """Faces in the picture: each costs as much as a session of one."""

    @property
    def faces_per_step(self) -> float:
        """Faces that are drawn in a step, in all its frames."""
        return self.people * self.frames_per_step * self.share[0] / self.share[1]

    @property
    def fps(self) -> float:
        """Frames drawn in a second."""
        return TICKS_PER_S * self.share[0] / self.share[1]

    def draws(self, frame: int) -> bool:
        """Whether a frame is drawn."""
        kept, of = self.share
        return frame * kept % of < kept


def load_of(qualities: Sequence[Quality], costs: Mapping[str, StepCost]) -> float:
    """Which part of its time a device needs for sessions of these qualities that all do what costs most; 1: all of it.

    Sessions share a batch as long as it takes less than `BATCH_MS`.
    """
    if not qualities:
        return 0.0
    frames_ms = sum(costs[q.way].frame_ms * q.people * q.fps for q in qualities)
    call_ms = max(costs[q.way].call_ms for q in qualities)
    step_ms = sum(costs[q.way].frame_ms * q.faces_per_step for q in qualities)
    in_batch = max(1.0, (BATCH_MS - call_ms) / max(step_ms / len(qualities), 1e-6))
    steps_per_s = sum(TICKS_PER_S / q.frames_per_step for q in qualities)
    batches_per_s = max(steps_per_s / in_batch, TICKS_PER_S / min(q.frames_per_step for q in qualities))
    return (frames_ms + call_ms * min(batches_per_s, TICKS_PER_S)) / 1000.0


def ladder(costs: Mapping[str, StepCost], lengths: Sequence[int], least_fps: float) -> tuple[Quality, ...]:
    """All that a session may be given, the best first.

    Args:
        costs: of each way, the best first.
        lengths: of steps, the shortest first.
        least_fps: nobody is given fewer frames a second.
    """
    rungs: list[Quality] = []
    for way, cost in costs.items():
        for length in _useful(cost, lengths):
            quality = Quality(length, way)
            if not rungs or load_of([quality], costs) < load_of([rungs[-1]], costs):
                rungs.append(quality)
    slower = [replace(rungs[-1], share=share) for share in SHARES[1:]]
    return (*rungs, *(quality for quality in slower if quality.fps >= least_fps - 0.1))


def _useful(cost: StepCost, lengths: Sequence[int]) -> list[int]:
    """Lengths up to the one from which on longer steps save next to nothing."""
    least = cost.call_ms / lengths[-1] + cost.frame_ms
    for count, length in enumerate(lengths, 1):
        if cost.call_ms / length + cost.frame_ms <= least * (1 + _WORTH) + 0.05:
            return list(lengths[:count])
    return list(lengths)


def fitting(rungs: Sequence[Quality], costs: Mapping[str, StepCost], sessions: int) -> int:
    """The best rung that so many sessions can have together; the one that costs least if none fits."""
    loads = [load_of([quality] * sessions, costs) for quality in rungs]
    fits = (load <= most_load(quality) for quality, load in zip(rungs, loads, strict=True))
    return next((k for k, fit in enumerate(fits) if fit), loads.index(min(loads)))


def most_load(quality: Quality) -> float:
    """What sessions of this quality may come to together; fewer pictures are seen, and so not given up for ease."""
    return PLANNED_LOAD if quality.share == (1, 1) else SLOW_LOAD


def lower(
    rungs: Sequence[Quality],
    costs: Mapping[str, StepCost],
    held: Sequence[int],
    at: int,
    people: Sequence[int] | None = None,
) -> int | None:
    """The next rung for session `at` that lightens the load; None if there is none.

    Args:
        rungs: all of them.
        costs: of the ways.
        held: rungs of all sessions.
        at: whose.
        people: faces in the picture of each; None: one.
    """
    faces = people or [1] * len(held)
    others = [replace(rungs[k], people=faces[place]) for place, k in enumerate(held) if place != at]
    now = load_of([*others, replace(rungs[held[at]], people=faces[at])], costs)
    own = now - load_of(others, costs)
    for rung in range(held[at] + 1, len(rungs)):
        if load_of([*others, replace(rungs[rung], people=faces[at])], costs) <= now - _WORTH * own and own > 0:
            return rung
    return None
