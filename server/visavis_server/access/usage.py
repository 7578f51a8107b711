"""Who has how many sessions open, and who has used how many minutes today. In memory: a restart begins anew.

The wall's clock says only which day it is: set forward by hours, it must cost nobody's minutes. Knows nothing of what a
session is.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain

from visavis_models.errors import Busy
from visavis_server.access.gate import Entry
from visavis_server.access.grants import Grant
from visavis_server.access.ledger import Ledger

_DAY_S = 86400.0


@dataclass(slots=True)
class Permit:
    """One session that may be open until it is given back."""

    owner: str
    network: str
    begun_s: float
    """When it began, or today did if that was later, by a clock that only goes forward."""
    back: Callable[[Permit], None]
    used_up: Callable[[], bool]
    """Whether whoever opened it has had enough for today."""
    line: int = 0
    """In the ledger that all workers share, if there is one."""
    given_back: bool = False

    def give_back(self) -> None:
        """The session is over. Idempotent."""
        if not self.given_back:
            self.given_back = True
            self.back(self)


class Usage:
    """What visitors use.

    Args:
        sessions_of_address: at the same time; 0: any number.
        now_s: seconds since 1970, for the day.
        clock_s: for how long something takes, by a clock that only goes forward.
        ledger: what other workers count; None: this process is all there is.
    """

    def __init__(
        self,
        sessions_of_address: int,
        now_s: Callable[[], float] = time.time,
        clock_s: Callable[[], float] = time.monotonic,
        ledger: Ledger | None = None,
    ) -> None:
        self._ledger = ledger
        self._sessions_of_address = sessions_of_address
        self._now_s = now_s
        self._clock_s = clock_s
        self._by_network: Counter[str] = Counter()
        self._open: dict[str, list[Permit]] = {}
        self._used_s: defaultdict[str, float] = defaultdict(float)
        self._day = -1

    def admit(self, entry: Entry | None) -> Permit:
        """Let somebody open a session.

        Args:
            entry: whose request asks for it; None: the server itself.

        Raises:
            Busy: `too_many_sessions`, `quota_used`.
        """
        if entry is None or not entry.limited:
            return Permit("", "", self._clock_s(), lambda _: None, lambda: False)
        with nullcontext() if self._ledger is None else self._ledger.together():
            return self._admit(entry.grant, entry.visitor.network)

    def _admit(self, grant: Grant, network: str) -> Permit:
        if grant.max_sessions and self._open_of_owner(grant.owner) >= grant.max_sessions:
            problem = f"This key may have {grant.max_sessions} sessions at the same time."
            raise Busy("too_many_sessions", problem, "End one of them first.")
        if self._sessions_of_address and self._open_of_network(network) >= self._sessions_of_address:
            problem = f"One address may have {self._sessions_of_address} sessions at the same time."
            raise Busy("too_many_sessions", problem, "End one of them first; the operator can raise limits.sessions.")

        def used_up() -> bool:
            return grant.minutes_per_day > 0 and self.used_s(grant.owner) >= grant.minutes_per_day * 60

        if used_up():
            problem = f"The {grant.minutes_per_day} minutes of this key are used for today."
            raise Busy("quota_used", problem, "Come back tomorrow (UTC), or ask the operator for more.")
        permit = Permit(grant.owner, network, self._clock_s(), self._close, used_up)
        if self._ledger is not None:
            permit.line = self._ledger.note_opened(grant.owner, network, permit.begun_s)
        self._by_network[network] += 1
        if grant.owner:
            self._open.setdefault(grant.owner, []).append(permit)
        return permit

    def used_s(self, owner: str) -> float:
        """Seconds of sessions that a key has had today (UTC), those that are open among them."""
        now_s = self._turn_day()
        running = sum(now_s - permit.begun_s for permit in self._open.get(owner, ()))
        elsewhere = 0.0
        if self._ledger is not None:
            elsewhere = self._ledger.used_s(owner, self._day, self._now_s() % _DAY_S, now_s)
        return self._used_s.get(owner, 0.0) + running + elsewhere

    def _open_of_owner(self, owner: str) -> int:
        elsewhere = 0 if self._ledger is None or not owner else self._ledger.open_of_owner(owner)
        return elsewhere + len(self._open.get(owner, ()))

    def _open_of_network(self, network: str) -> int:
        return self._by_network.get(network, 0) + (0 if self._ledger is None else self._ledger.open_of_network(network))

    def _close(self, permit: Permit) -> None:
        now_s = self._turn_day()
        self._by_network[permit.network] -= 1
        if not self._by_network[permit.network]:
            del self._by_network[permit.network]
        if permit.owner:
            mine = self._open[permit.owner]
            mine.remove(permit)
            if not mine:
                del self._open[permit.owner]
            self._used_s[permit.owner] += now_s - permit.begun_s
        if self._ledger is not None:
            self._ledger.note_closed(permit.line, permit.owner, self._day, now_s - permit.begun_s)

    def _turn_day(self) -> float:
        """The moment by the clock that only goes forward; a new day forgets what was used before it."""
        now_s = self._clock_s()
        day, today_s = divmod(self._now_s(), _DAY_S)
        if day != self._day:
            self._day = int(day)
            self._used_s.clear()
            for permit in chain.from_iterable(self._open.values()):
                permit.begun_s = max(permit.begun_s, now_s - today_s)
        return now_s
