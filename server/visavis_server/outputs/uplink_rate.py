"""Decides how many bits a second a stream's pictures may take, from what waits for the uplink. Pure: time is passed in.

TCP says nothing of the rate that a way carries; but what is not taken waits here. So pictures take less as soon as more
than a second of it waits and does not shrink, and more again, by small steps, after long quiet. A raise that went wrong
is tried again later and later. Knows nothing of sockets or encoders.
"""

from __future__ import annotations

LONG_S = 1.0
SHORT_S = 0.2
KEPT_SHARE = 0.75
"""Of what goes through a full uplink: what waits must empty, too."""
CUT_SPACING_S = 2.0
SHRINKING = 0.9
"""A backlog that has become so much shorter since the last cut empties by itself."""
RAISE = 1.2
RAISE_AFTER_S = 10.0
LONGEST_RAISE_AFTER_S = 120.0
WENT_WRONG_S = 20.0
LEAST_BPS = 150_000


class UplinkRate:
    """One stream's rate.

    Args:
        full_bps: what pictures may take at the most.
        voice_bps: what goes beside them, always.
    """

    def __init__(self, full_bps: int, voice_bps: int) -> None:
        self._full_bps = full_bps
        self._voice_bps = voice_bps
        self._least_bps = min(LEAST_BPS, full_bps)
        self._raise_after_s = RAISE_AFTER_S
        self._cut_at_s: float | None = None
        self._backlog_at_cut_s = 0.0
        self._quiet_since_s: float | None = None
        self._raised_at_s: float | None = None
        self.bps = full_bps
        """What pictures may take now."""

    def read(self, waiting_bytes: int, through_bps: int, now_s: float) -> int:
        """Take what waits and what went through lately; once or twice a second. Gives what pictures may take."""
        backlog_s = 8 * waiting_bytes / max(through_bps, self._least_bps)
        if backlog_s > LONG_S:
            self._quiet_since_s = None
            self._cut(backlog_s, through_bps, now_s)
        elif backlog_s > SHORT_S:
            self._quiet_since_s = None
        elif self._quiet_since_s is None:
            self._quiet_since_s = now_s
        elif now_s - self._quiet_since_s >= self._raise_after_s and self.bps < self._full_bps:
            self.bps = min(self._full_bps, round(RAISE * self.bps))
            self._raised_at_s = self._quiet_since_s = now_s
        return self.bps

    def _cut(self, backlog_s: float, through_bps: int, now_s: float) -> None:
        if self._cut_at_s is not None:
            if now_s - self._cut_at_s < CUT_SPACING_S:
                return
            if backlog_s < SHRINKING * self._backlog_at_cut_s:
                self._cut_at_s, self._backlog_at_cut_s = now_s, backlog_s
                return
        if self._raised_at_s is not None and now_s - self._raised_at_s < WENT_WRONG_S:
            self._raise_after_s = min(LONGEST_RAISE_AFTER_S, 2.0 * self._raise_after_s)
        self._cut_at_s, self._backlog_at_cut_s, self._raised_at_s = now_s, backlog_s, None
        carried_bps = min(self.bps, through_bps - self._voice_bps)
        self.bps = max(self._least_bps, round(KEPT_SHARE * carried_bps))
