"""Notices that a link has become much narrower all at once, and says how to go on. Pure: time is passed in.

Until that is noticed, what was sent for the wide link fills the narrow one's queue and then overflows it. What is sent
behind that queue comes late or not at all, and what was lost of old pictures is not worth its bits any more. So nothing
but voice is sent until the queue is nearly empty, and then a small whole picture. Knows nothing of RTP or codecs.
"""

from __future__ import annotations

MUCH_LESS = 0.7
"""Of what is sent: an estimate that is below has fallen, not wavered."""
QUEUED_S = 0.12
"""Beyond what jitter explains."""
GUESSED_SHARE = 0.5
"""Of an estimate: it falls step by step, and is still too high then."""
KEPT_SHARE = 0.65
"""Of what came through a full link: voice and headers need room too, and to rise later costs only sharpness."""
DRAINED_SHARE = 0.9
"""The whole picture takes a while to be made and to leave."""
LONGEST_S = 0.5
SPACING_S = 2.0


class CollapseWatch:
    """Brings together what the receiver estimates and how long ago what it has now was sent."""

    def __init__(self) -> None:
        self.found_at_s = -SPACING_S
        """When the last collapse was noticed."""
        self._resumes_at_s = 0.0
        self._measured = True

    def holding(self, now_s: float) -> bool:
        """Whether no pictures may be sent: the queue is waited for, and for reports on what the link carries now."""
        return now_s < (self._resumes_at_s if self._measured else self.found_at_s + LONGEST_S)

    def found(self, through_bps: int, sent_bps: int, queued_s: float, now_s: float) -> int | None:
        """Take a receiver's estimate of the link, or what came through it.

        Args:
            through_bps: that.
            sent_bps: what went out lately.
            queued_s: how long the newest packet that came had waited on the way, beyond what jitter explains.
            now_s: `time.monotonic()`.

        Returns:
            The rate to go on with until more is known; None where the link has not collapsed, or that is known.
        """
        if through_bps > MUCH_LESS * sent_bps or queued_s < QUEUED_S or now_s - self.found_at_s < SPACING_S:
            return None
        self.found_at_s, self._measured = now_s, False
        return round(GUESSED_SHARE * through_bps)

    def drained(self, through_bps: int, queued_s: float, now_s: float) -> int:
        """Take what came through since, while the queue empties: just what the link carries; the later, the surer.

        Returns:
            The rate to go on with.
        """
        if not self._measured:
            self._resumes_at_s = min(self.found_at_s + LONGEST_S, now_s + DRAINED_SHARE * queued_s)
        self._measured = True
        return round(KEPT_SHARE * through_bps)
