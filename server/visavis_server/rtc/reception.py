"""Reads from a receiver's reports how much of a stream arrives, how fast, and how long packets queue on the way. Pure.

One report spans a few packets only, so figures are taken over a second. Knows nothing of sockets or bitrates to choose.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

WINDOW_S = 1.0
RATE_WINDOW_S = 0.5
"""A rate that rises is out of date sooner."""
SHORTEST_S = 0.1
KEPT_S = 4.0
FEWEST_PACKETS = 12
"""Fewer say nothing of a share that is lost."""
CERTAINTY = 1.5
"""Of so few packets a share is a guess: the lower bound lies so many standard deviations below."""
SENT_KEPT = 2048
MOST_JITTER_S = 0.2
JITTER_MEMORY = 0.15
JITTER_WEIGHT = 1.2
NEWEST_JITTER_WEIGHT = 2.5
SMOOTH_S = 0.8
BASE_S = 30.0
"""The shortest round trip of so long counts as the way itself; what comes on top is queueing."""


@dataclass(frozen=True, slots=True)
class Reception:
    """What arrived over the last second."""

    loss: float
    """Share of packets that never came, 0..1."""
    sure_loss: float
    """What the link's loss must be at least."""
    delivered_bps: int | None
    """What came through; None if too old to be known."""


class ReceptionReader:
    """One stream's sending and the reports on it."""

    def __init__(self) -> None:
        self._sent: dict[int, tuple[float, int]] = {}
        self._total_bytes = 0
        self._reports: deque[tuple[float, int, int]] = deque()

    def sent(self, sequence: int | None, size_bytes: int, now_s: float) -> None:
        """A packet was sent; `sequence` as in RTP, 16 bits; None if it was sent again."""
        self._total_bytes += size_bytes
        if sequence is None:
            return
        self._sent[sequence] = now_s, self._total_bytes
        if len(self._sent) > SENT_KEPT:
            self._sent.pop(next(iter(self._sent)))

    def age_s(self, highest: int, now_s: float) -> float | None:
        """How long ago the newest packet that came was sent: a round trip, and what it waited on the way."""
        known = self._sent.get(highest & 0xFFFF)
        return None if known is None else now_s - known[0]

    def reported(self, highest: int, lost: int, now_s: float) -> Reception | None:
        """Take a report: the highest sequence number that came and the count of packets lost in all.

        Returns:
            What arrived since a report about a second ago; None while that says nothing.
        """
        if self._reports:
            ahead = (highest - self._reports[-1][1]) & 0xFFFF
            highest = self._reports[-1][1] + (ahead if ahead < 0x8000 else 0)
        self._reports.append((now_s, highest, lost))
        while len(self._reports) > 2 and self._reports[1][0] <= now_s - WINDOW_S:
            self._reports.popleft()
        while self._reports[0][0] < now_s - KEPT_S:
            self._reports.popleft()
        then_s, then_highest, then_lost = self._reports[0]
        expected = highest - then_highest
        if expected < FEWEST_PACKETS or now_s - then_s < 0.3:
            return None
        loss = min(1.0, max(0.0, (lost - then_lost) / expected))
        sure_loss = max(0.0, loss - CERTAINTY * (loss * (1.0 - loss) / expected) ** 0.5)
        before = [report for report in self._reports if report[0] <= now_s - RATE_WINDOW_S]
        return Reception(loss, sure_loss, self._through_bps(before[-1], loss) if before else None)

    def through_bps(self, since_s: float) -> int | None:
        """What has come through since then, by the reports that have come meanwhile; None while that is not known."""
        since = next((report for report in self._reports if report[0] >= since_s), None)
        if since is None or self._reports[-1][0] - since[0] < SHORTEST_S:
            return None
        _, highest, lost = self._reports[-1]
        expected = highest - since[1]
        return self._through_bps(since, min(1.0, max(0.0, (lost - since[2]) / expected))) if expected else None

    def _through_bps(self, then: tuple[float, int, int], loss: float) -> int | None:
        now_s, highest, _ = self._reports[-1]
        now_sent, then_sent = self._sent.get(highest & 0xFFFF), self._sent.get(then[1] & 0xFFFF)
        if now_sent is None or then_sent is None or now_sent[1] <= then_sent[1]:
            return None
        return round(8 * (now_sent[1] - then_sent[1]) * (1.0 - loss) / (now_s - then[0]))


class QueueWatch:
    """Tells queueing from a long way: the round trip, smoothed, against its own lowest, less what jitter explains."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None
        self._drift_s = 0.0
        self._smooth_s = 0.0
        self._varies_s = 0.0
        self.newest_s = 0.0
        """What the newest round trip alone says of `queued_s`: sooner, and less surely."""
        self._lowest: deque[tuple[float, float]] = deque()

    def measured(self, rtt_s: float, now_s: float) -> None:
        """A round trip was measured."""
        if self._last is None:
            self._last, self._smooth_s = (now_s, rtt_s), rtt_s
        then_s, before_s = self._last
        drift_s = rtt_s - before_s  # a queue that fills drifts one way; jitter goes to and fro
        self._varies_s += JITTER_MEMORY * (min(MOST_JITTER_S, abs(drift_s - self._drift_s)) - self._varies_s)
        self._smooth_s += (1.0 - math.exp((then_s - now_s) / SMOOTH_S)) * (rtt_s - self._smooth_s)
        self._drift_s, self._last = drift_s, (now_s, rtt_s)
        while self._lowest and self._lowest[-1][1] >= self._smooth_s:
            self._lowest.pop()
        self._lowest.append((now_s, self._smooth_s))
        while self._lowest[0][0] < now_s - BASE_S:
            self._lowest.popleft()
        self.newest_s = max(0.0, rtt_s - self._lowest[0][1] - NEWEST_JITTER_WEIGHT * self._varies_s)

    @property
    def queued_s(self) -> float:
        """How long packets wait on the way beyond what jitter explains; 0 while nothing is known."""
        if not self._lowest:
            return 0.0
        return max(0.0, self._smooth_s - self._lowest[0][1] - JITTER_WEIGHT * self._varies_s)
