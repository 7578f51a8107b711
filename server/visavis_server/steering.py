"""Who is given what of the device: lets sessions in, gives them less when it is late, and more when it is not.

Less comes quickly (2 s), more slowly (10 s, and longer after each time that it was too much): qualities that go to and
fro are worse than a lower one. Pure decisions on measured load; time is passed in. Used by one thread.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from visavis_models.errors import Busy
from visavis_server.load import StepCost
from visavis_server.quality import PLANNED_LOAD, Quality, fitting, ladder, load_of, lower, most_load

Key = TypeVar("Key", bound=Hashable)
_HIGH_LOAD = 0.92
_SECONDS_HIGH = 2
_SECONDS_TRUSTED = 3
_EASED_LOAD = 0.75
_LOW_LOAD = 0.65
"""Measured load that is expected after somebody was given more, at most."""
_PATIENCE_S = 10.0
_MOST_PATIENCE_S = 160.0
_REGRET_S = 15.0


@dataclass(frozen=True, slots=True)
class SteeringPolicy:
    """What an operator wants when there are more sessions than the device can give its best to."""

    when_busy: str = "degrade"
    """`degrade` gives everybody less, `refuse` refuses who comes last."""
    least_fps: float = 8.0
    """Who comes is refused rather than that anybody is given fewer frames a second."""


@dataclass(slots=True)
class Steered:
    """What was decided so far, for metrics; only ever rising."""

    lowered: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("step", "way", "fps"), 0))
    """By what was given up first."""
    raised: int = 0
    refused: int = 0


class Steering(Generic[Key]):
    """Which rung of the ladder every session stands on.

    Args:
        costs: of each way of the renderer, the best first.
        lengths: of steps that may be chosen, the shortest first.
        policy: see there.
    """

    def __init__(
        self, costs: Mapping[str, StepCost], lengths: Sequence[int], policy: SteeringPolicy | None = None
    ) -> None:
        self.policy = policy or SteeringPolicy()
        self.steered = Steered()
        self.load = 0.0
        """Which part of its time the device worked in the last second."""
        self._lengths = lengths
        self._held: dict[Key, int] = {}
        self._people: dict[Key, int] = {}
        """Faces in each session's picture."""
        self._busy_s = 0.0
        self._since_s: float | None = None
        self._high = 0
        self._measured = 0
        """Seconds in which nobody came, and the load was measured."""
        self._low_since_s: float | None = None
        self._patience_s = _PATIENCE_S
        self._raised_at_s = float("-inf")
        self.tell_costs(costs)

    def tell_costs(self, costs: Mapping[str, StepCost]) -> None:
        """What drawing was measured to cost, anew; who is there keeps what they have."""
        self.costs = dict(costs)
        self.rungs = ladder(costs, self._lengths, self.policy.least_fps)
        self._held = {key: min(rung, len(self.rungs) - 1) for key, rung in self._held.items()}

    @property
    def sessions(self) -> int:
        """How many there are."""
        return len(self._held)

    @property
    def planned_load(self) -> float:
        """What the device would have to do if all sessions did what costs most at once."""
        return self._load(self._held)

    @property
    def people(self) -> int:
        """Faces in the pictures of all sessions: what they cost goes by them."""
        return sum(self._people.values())

    def quality(self, key: Key) -> Quality:
        """What a session is given."""
        return self._given(key, self._held[key])

    def qualities(self) -> dict[Key, Quality]:
        """What everybody is given."""
        return {key: self._given(key, rung) for key, rung in self._held.items()}

    def best(self, sessions: int) -> Quality:
        """What so many sessions could all be given."""
        return self.rungs[fitting(self.rungs, self.costs, sessions)]

    def check_room(self, people: int = 1) -> None:
        """See whether one more can be let in. The first one always is: a slow picture is better than none.

        Args:
            people: faces in its picture.

        Raises:
            Busy: `device_full`.
        """
        if not self._held:
            return
        count = self.people + people
        if self.policy.when_busy == "refuse":
            alone = replace(self.rungs[fitting(self.rungs, self.costs, people)], people=people)
            full = load_of([*self.qualities().values(), alone], self.costs) > PLANNED_LOAD
        else:
            lightest = min(load_of([quality] * count, self.costs) for quality in self.rungs)
            full = lightest > 1.0
            if full and self._measured >= _SECONDS_TRUSTED:  # what was tried once, perhaps on a busy day, tells less
                full = self.load * lightest / max(self.planned_load, 1e-6) > _HIGH_LOAD
        if full:
            self.steered.refused += 1
            raise Busy(
                "device_full",
                f"This server draws {len(self._held)} avatars already; with one more all would be late.",
                "Try again in a minute; its operator may add workers or a faster device, or lower sessions.least_fps.",
            )

    def admit(self, key: Key, people: int = 1) -> Quality:
        """One session more, see `check_room`; the others are given less if it must be so, as `qualities` tells."""
        fair = fitting(self.rungs, self.costs, self.people + people)
        if self.policy.when_busy == "refuse":
            fair = fitting(self.rungs, self.costs, people)
        self._held[key], self._people[key] = fair, people
        self._measured = 0
        if self.policy.when_busy == "degrade" and self.planned_load > most_load(self.rungs[fair]):
            for other, rung in self._held.items():
                if rung < fair:
                    self._lower(other, fair)
        return self._given(key, fair)

    def leave(self, key: Key) -> None:
        """One session less; what it had is given to others by and by, at once if only the plan held it back."""
        self._held.pop(key, None)
        self._people.pop(key, None)
        fair = fitting(self.rungs, self.costs, max(1, self.people))
        if self._high == 0 and self.load <= _LOW_LOAD:
            for other, rung in self._held.items():
                if rung > fair:
                    self._held[other] = fair
                    self.steered.raised += 1

    def note_work(self, busy_s: float) -> None:
        """The device has worked for so long."""
        self._busy_s += busy_s

    def steer(self, now_s: float) -> bool:
        """Look at the load once a second.

        Returns:
            Whether anybody's quality has changed.
        """
        if self._since_s is None:
            self._since_s, self._busy_s = now_s, 0.0
        elapsed_s = now_s - self._since_s
        if elapsed_s < 1.0:
            return False
        self.load = self._busy_s / elapsed_s
        self._measured += 1
        self._since_s, self._busy_s = now_s, 0.0
        if self.load >= _HIGH_LOAD:
            self._high, self._low_since_s = self._high + 1, None
            if self._high >= _SECONDS_HIGH:
                self._high = 0
                return self._ease(now_s)
            return False
        self._high = 0
        if self.load > _LOW_LOAD:
            self._low_since_s = None
            return False
        self._low_since_s = now_s if self._low_since_s is None else self._low_since_s
        if now_s - self._low_since_s < self._patience_s:
            return False
        self._low_since_s = now_s
        return self._raise(now_s)

    def _ease(self, now_s: float) -> bool:
        """Give less until the load will be bearable, one rung at a time to whoever has most."""
        if now_s - self._raised_at_s < _REGRET_S:
            self._patience_s = min(2 * self._patience_s, _MOST_PATIENCE_S)
        before, changed = self.planned_load, False
        while before > 0 and self.load * self.planned_load / before > _EASED_LOAD:
            keys, held = list(self._held), list(self._held.values())
            for at in sorted(range(len(keys)), key=lambda k: (held[k], -k)):
                rung = lower(self.rungs, self.costs, held, at, [self._people[key] for key in keys])
                if rung is not None:
                    self._lower(keys[at], rung)
                    changed = True
                    break
            else:
                break
        return changed

    def _raise(self, now_s: float) -> bool:
        """Give more to whoever has least, if plan and measured load allow it."""
        before = self.planned_load
        for key in sorted(self._held, key=lambda k: -self._held[k]):
            rung = self._held[key]
            if rung == 0:
                return False
            after = self._load({**self._held, key: rung - 1})
            if after <= most_load(self.rungs[rung - 1]) and self.load * after / max(before, 1e-6) <= _LOW_LOAD:
                self._held[key] = rung - 1
                self.steered.raised += 1
                self._raised_at_s = now_s
                return True
        return False

    def _lower(self, key: Key, rung: int) -> None:
        before, after = self.rungs[self._held[key]], self.rungs[rung]
        kind = "fps" if after.share != before.share else "way" if after.way != before.way else "step"
        self.steered.lowered[kind] += 1
        self._held[key] = rung

    def _given(self, key: Key, rung: int) -> Quality:
        people = self._people[key]
        return self.rungs[rung] if people == 1 else replace(self.rungs[rung], people=people)

    def _load(self, held: Mapping[Key, int]) -> float:
        return load_of([self._given(key, rung) for key, rung in held.items()], self.costs)
