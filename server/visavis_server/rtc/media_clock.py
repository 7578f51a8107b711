"""Relates the session's ticks to wall time for RTCP sender reports, the same way for pictures and voice.

Knows nothing of RTP's random origins. Time is passed in.
"""

from __future__ import annotations

TICK_S = 0.040
NTP_TO_UNIX_S = 2_208_988_800


class MediaClock:
    """Anchored once, at the first tick: pictures and voice are reported by one line, however late either was sent."""

    def __init__(self) -> None:
        self._index_zero_s: float | None = None
        self._wall_minus_monotonic_s = 0.0
        self._last_index = -1

    def tick(self, index: int, now_s: float, wall_s: float) -> bool:
        """A tick was published at `now_s` on the monotonic clock, `wall_s` on the wall's; only the first one counts.

        Returns:
            Whether players have a place for it: where the session's delay shrinks (in silence) two ticks share one.
        """
        if self._index_zero_s is None:
            self._index_zero_s = now_s - index * TICK_S
            self._wall_minus_monotonic_s = wall_s - now_s
        fresh, self._last_index = index > self._last_index, index
        return fresh

    def media_s(self, now_s: float) -> float | None:
        """Presentation time that is due now, in seconds; None before the first tick."""
        return None if self._index_zero_s is None else now_s - self._index_zero_s

    def ntp(self, now_s: float) -> int:
        """Now as a 64-bit NTP timestamp. Steps of the wall clock after the first tick do not show."""
        seconds = now_s + self._wall_minus_monotonic_s + NTP_TO_UNIX_S
        return round(seconds * (1 << 32)) & 0xFFFFFFFFFFFFFFFF
