"""What is known of one peer's connection, and how it is measured. Knows nothing of codecs or sockets."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

WINDOW_S = 2.0


@dataclass(frozen=True, slots=True)
class PeerStats:
    """One peer at one instant; None until known."""

    bitrate_kbps: float | None
    """Pictures and voice sent over the last two seconds, without RTP headers."""
    target_kbps: float | None
    """What the pictures may take now."""
    rtt_ms: float | None
    loss: float | None
    """Share of our packets that the far side missed, 0..1, over its last report."""
    frames_sent: int
    frames_dropped: int
    """Pictures that were never encoded, because newer ones had come."""
    keyframes: int
    width: int | None
    height: int | None
    codec: str | None
    voice_lost: int
    """Microphone packets that never came."""
    refused: int
    """Packets refused because the far side sent faster than real time."""


class RateMeter:
    """Bits per second over a sliding window, from (time, bytes)."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._sent: deque[tuple[float, int]] = deque()
        self._total_bytes = 0
        self._started_at_s: float | None = None
        self.ever_bytes = 0
        """All that was ever counted."""

    def add(self, size_bytes: int, now_s: float) -> None:
        """Count bytes sent now."""
        if self._started_at_s is None:
            self._started_at_s = now_s
        self._sent.append((now_s, size_bytes))
        self._total_bytes += size_bytes
        self.ever_bytes += size_bytes
        self._forget(now_s)

    def bps(self, now_s: float) -> int | None:
        """Bits per second; None before a quarter of a second has been seen."""
        if self._started_at_s is None or now_s - self._started_at_s < 0.25:
            return None
        self._forget(now_s)
        return round(8 * self._total_bytes / min(self._window_s, now_s - self._started_at_s))

    def _forget(self, now_s: float) -> None:
        while self._sent and self._sent[0][0] < now_s - self._window_s:
            self._total_bytes -= self._sent.popleft()[1]


class TokenBucket:
    """Refuses what comes faster than `rate_per_s`, after a burst of `burst`."""

    def __init__(self, rate_per_s: float, burst: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = burst
        self._at_s: float | None = None
        self.refused = 0

    def take(self, amount: float, now_s: float) -> bool:
        """Whether `amount` may pass now; what may not is counted."""
        if self._at_s is not None:
            self._tokens = min(self._burst, self._tokens + self._rate_per_s * (now_s - self._at_s))
        self._at_s = now_s
        if amount > self._tokens:
            self.refused += 1
            return False
        self._tokens -= amount
        return True
