"""What a bad network does to packets: loss, delay, jitter with reordering, a rate with a queue. Seeded, so it repeats.

Decides only when a packet arrives, if ever; who carries packets asks it. Knows nothing of sockets, RTP or time of day.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Conditions:
    """One direction of a network."""

    loss: float = 0.0
    """Share of packets lost, 0..1, apart from those that find the queue full."""
    burst: float = 1.0
    """How many packets are lost at a time, mean; 1: each by itself."""
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Every packet takes up to so much longer, evenly spread, each for itself: packets overtake one another."""
    rate_bps: float | None = None
    """What passes in bits a second, headers included; None: as much as comes."""
    queue_ms: float = 300.0
    """How long a packet may wait for the rate before there is no room for it."""

    def __post_init__(self) -> None:
        if not (0.0 <= self.loss <= 1.0 and self.burst >= 1.0 and min(self.delay_ms, self.jitter_ms) >= 0.0):
            raise ValueError("loss is 0..1, burst at least 1, delay and jitter are not negative")
        if self.rate_bps is not None and not (self.rate_bps > 0 and self.queue_ms > 0):
            raise ValueError("rate and queue must be positive")


class Link:
    """One direction of a network, with its memory: what is queued, and whether a burst of loss goes on.

    Two links with the same seed, conditions and packets do the same.
    """

    def __init__(self, conditions: Conditions, seed: int = 1) -> None:
        self.conditions = conditions
        """May be replaced at any time: a step of the network. What is queued keeps its time."""
        self._dice = random.Random(seed)
        self._free_s = 0.0
        self._losing = False
        self.passed = 0
        self.lost = 0
        self.overflowed = 0
        """Packets that found the queue full."""
        self.passed_bytes = 0

    def queued_s(self, now_s: float) -> float:
        """How long a packet that comes now waits for those before it."""
        return max(0.0, self._free_s - now_s)

    def carry(self, size_bytes: int, now_s: float) -> float | None:
        """When a packet handed in now arrives; None if never. `now_s` must not go back."""
        network = self.conditions
        at_s = now_s
        if network.rate_bps is not None:
            if self.queued_s(now_s) > network.queue_ms / 1000:
                self.overflowed += 1
                return None
            self._free_s = at_s = max(now_s, self._free_s) + 8 * size_bytes / network.rate_bps
        if self._loses():
            self.lost += 1
            return None
        self.passed += 1
        self.passed_bytes += size_bytes
        return at_s + (network.delay_ms + self._dice.random() * network.jitter_ms) / 1000

    def _loses(self) -> bool:
        """A chain of two states, in which bursts have their mean length and loss has its share."""
        network = self.conditions
        if network.loss >= 1.0 or network.loss <= 0.0:
            return network.loss >= 1.0
        ends = 1.0 / network.burst
        begins = 1.0 if network.loss * (1.0 + ends) >= 1.0 else ends * network.loss / (1.0 - network.loss)
        if network.burst <= 1.0:
            ends, begins = 1.0 - network.loss, network.loss
        dice = self._dice.random()
        self._losing = dice >= ends if self._losing else dice < begins
        return self._losing
