"""When a stream that broke off is tried again, and when it is given up. Pure decisions; time is passed in."""

from __future__ import annotations

from dataclasses import dataclass

from visavis_models.errors import Busy, VisavisError
from visavis_server.outputs.trouble import Rejected, Unreachable

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
LONGEST_WISH_S = 120.0
"""A server may ask for at most so long a pause."""
STEADY_S = 10.0
"""A connection that held for so long was a good one: the next attempt comes soon again."""
REJECTIONS = 3
"""A key that never worked is not tried for ever; one that did work may be refused while the server forgets us."""


@dataclass(slots=True)
class Retrying:
    """The history of one stream.

    Args:
        give_up_s: without a connection for so long, it has failed; 0: never.
    """

    give_up_s: float
    was_live: bool = False
    _attempts: int = 0
    _rejections: int = 0
    _lost_s: float | None = None
    _live_s: float | None = None

    def live(self, now_s: float) -> None:
        """A connection came about."""
        self.was_live, self._live_s, self._rejections = True, now_s, 0

    def wait_s(self, error: VisavisError, now_s: float, chance: float) -> float | None:
        """How long to wait after an attempt or a connection ended with this error; None: it has failed.

        Args:
            error: why.
            now_s: the time.
            chance: 0..1; spreads those who lost the same server at the same moment.
        """
        if self._live_s is not None:
            steady = now_s - self._live_s >= STEADY_S
            self._attempts = 0 if steady else self._attempts
            self._lost_s = now_s if steady or self._lost_s is None else self._lost_s
            self._live_s = None
        if self._lost_s is None:
            self._lost_s = now_s
        self._rejections += isinstance(error, Rejected)
        hopeless = not isinstance(error, Rejected | Unreachable | Busy)
        if hopeless or (not self.was_live and self._rejections >= REJECTIONS):
            return None
        if 0 < self.give_up_s <= now_s - self._lost_s:
            return None
        pause_s: float = min(FIRST_WAIT_S * 2**self._attempts, LONGEST_WAIT_S)
        self._attempts = min(self._attempts + 1, 16)
        wished_s = min(error.retry_after_s, LONGEST_WISH_S) if isinstance(error, Unreachable) else 0.0
        return max(pause_s * (0.75 + 0.5 * chance), wished_s)
