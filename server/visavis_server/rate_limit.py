"""A token bucket: so many at once, so many a second. Knows nothing of what is counted."""

from __future__ import annotations

from collections import OrderedDict


class RateLimit:
    """A token bucket.

    Args:
        per_s: so many a second in the long run.
        burst: so many at once.
        now_s: the moment of its making, by any clock that only goes forward.
    """

    def __init__(self, per_s: float, burst: float, now_s: float) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self.left = float(burst)
        """So many may pass at `at_s`."""
        self.at_s = now_s

    def allows(self, now_s: float) -> bool:
        """Whether one more may pass now; it counts if so."""
        self.left = min(self._burst, self.left + (now_s - self.at_s) * self._per_s)
        self.at_s = now_s
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True

    @property
    def wait_s(self) -> float:
        """After a refusal: how long until one more may pass."""
        return max(0.0, (1.0 - self.left) / self._per_s)


class RateLimits:
    """One bucket for each of many names; those not heard of for longest are forgotten when there are too many.

    Args:
        per_s: of each.
        burst: of each.
        most: so many names are remembered.
    """

    def __init__(self, per_s: float, burst: float, most: int = 20_000) -> None:
        self._per_s = per_s
        self._burst = burst
        self._most = most
        self._buckets: OrderedDict[str, RateLimit] = OrderedDict()

    def refused_for_s(self, name: str, now_s: float) -> float | None:
        """None: one more may pass, and counts. Else how long until then."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = RateLimit(self._per_s, self._burst, now_s)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(name)
        return None if bucket.allows(now_s) else bucket.wait_s

    def __len__(self) -> int:
        return len(self._buckets)
