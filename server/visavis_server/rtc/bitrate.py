"""Decides how many bits a second a peer's pictures may take. Pure: time and measurements are passed in.

Knows nothing of RTP, RTCP or codecs.
"""

from __future__ import annotations

from dataclasses import dataclass

from visavis_server.rtc.reception import Reception

REFERENCE_PIXELS = 640 * 640
RAMP_PER_S = 1.6
"""How fast the target rises from the start until the link has once been full."""
GROWTH_PER_S = 1.15
CLOSE_GROWTH_PER_S = 1.06
"""Near the rate at which the link was full last: a wrong rise costs the viewer a freeze, a slow one some sharpness."""
SATURATED = 0.6
"""Share of the target that must really be sent before a higher one means anything (a still face needs few bits)."""
BACKOFF = 0.9
"""Of what came through a full link."""
DRAIN = 0.6
"""Of what came through, for as long as the queue that has built up on the way takes to empty."""
DRAIN_S = 1.0
"""At most."""
QUEUE_FULL_S = 0.05
QUEUE_LONG_S = 0.12
LONG_QUEUE_CUT = 0.8
"""Whatever seems to come through: so long a queue does not empty by itself."""
MISSING_QUEUED_S = 0.2
"""Where so much is lost at once, a queue is full: so much of it is waited for."""
QUEUE_SUSPECT_S = 0.02
LOSS_HIGH = 0.10
LOSS_SUSPECT = 0.04
"""Beyond what the link always loses: a radio that loses packets is not full, and fewer bits do not mend it."""
MOST_INHERENT_LOSS = 0.25
DEEP = 0.7
CUT_SPACING_S = 1.0
"""A cut shows its effect after a round trip at the soonest."""
COMPLAINT_S = 1.0
FALLING = 0.97
"""A receiver that sees the link filling lowers its estimate; one that rises, if only slowly, has no complaint."""
UNCONFIRMED_SHARE = 0.2
"""Of the highest rate: no estimate cuts deeper alone, without queueing or loss. Jitter deceives receivers."""
SILENT_S = 2.5
"""Without a report for this long, nothing is known to arrive."""


@dataclass(frozen=True, slots=True)
class BitrateLimits:
    """What pictures of 640×640 may take, in bits per second; other sizes scale with pixels to the power of 0.75."""

    min_bps: int = 60_000
    start_bps: int = 280_000
    max_bps: int = 2_500_000

    def __post_init__(self) -> None:
        if not 0 < self.min_bps <= self.start_bps <= self.max_bps:
            raise ValueError("bitrate limits must satisfy 0 < min_bps <= start_bps <= max_bps")

    def scaled(self, width_px: int, height_px: int) -> BitrateLimits:
        """The limits for pictures of this size; the lower one stays, because it is the link's, not the picture's."""
        factor = (width_px * height_px / REFERENCE_PIXELS) ** 0.75
        start_bps = max(self.min_bps, round(self.start_bps * factor))
        return BitrateLimits(self.min_bps, start_bps, max(start_bps, round(self.max_bps * factor)))


class BitrateController:
    """Falls at once when the link is full, to what came through; rises slowly when it is not.

    The link is full when packets queue on the way, or when more are lost than it always loses. A receiver's estimate
    (REMB) never exceeds about 1.5 times what reached it, so for a face at rest it says how little was sent and not how
    much the link carries; and jitter makes it fall for nothing. It therefore counts only when it falls below what was
    sent, and cuts deep only when queueing or loss confirms it; one that is low but rises slows growth.
    """

    def __init__(self, limits: BitrateLimits) -> None:
        self._limits = limits
        self._rate_bps = float(limits.start_bps)
        self._full_bps: float | None = None
        self._inherent_loss = 0.0
        self._learnt_at_s: float | None = None
        self._excess_loss = 0.0
        self._queued_s = 0.0
        self._drains_until_s = 0.0
        self._drain_bps = 0.0
        self._cut_at_s = -CUT_SPACING_S
        self._complained_at_s = -COMPLAINT_S
        self._doubted_at_s = -COMPLAINT_S
        self._estimate_bps = 1 << 40
        self._grown_at_s: float | None = None
        self._heard_at_s: float | None = None
        self.target_bps = limits.start_bps
        self.deep_cuts = 0
        """How often the link was found to be much narrower, or full."""

    @property
    def inherent_loss(self) -> float:
        """What the link loses although it is not full, 0..1."""
        return self._inherent_loss

    @property
    def rate_bps(self) -> int:
        """The target without the short dip in which a queue empties: for encoders that cannot follow one."""
        return round(self._rate_bps)

    def on_estimate(self, estimate_bps: int, sent_bps: int, now_s: float) -> None:
        """Take a receiver's estimate of the link; `sent_bps` is what went out over the last seconds."""
        self._heard_at_s = now_s
        falls = estimate_bps < FALLING * self._estimate_bps
        self._estimate_bps = estimate_bps
        if estimate_bps >= sent_bps or now_s - self._cut_at_s < CUT_SPACING_S:
            return  # right after a cut it tells of the little that is sent while the queue empties
        self._doubted_at_s = now_s
        if self._queued_s > QUEUE_SUSPECT_S or self._excess_loss > LOSS_HIGH:
            if BACKOFF * estimate_bps < self._rate_bps:
                self._cut(BACKOFF * estimate_bps, now_s)
        elif falls:
            self._complained_at_s = now_s
            floor_bps = UNCONFIRMED_SHARE * self._limits.max_bps
            self.deep_cuts += max(BACKOFF * estimate_bps, floor_bps) < DEEP * self._rate_bps
            self._set(min(self._rate_bps, max(BACKOFF * estimate_bps, floor_bps)), now_s)

    def on_report(self, reception: Reception, queued_s: float, sent_bps: int, now_s: float) -> None:
        """Take what a receiver's reports come to.

        Args:
            reception: what arrived over the last second.
            queued_s: how long packets wait on the way.
            sent_bps: what went out.
            now_s: `time.monotonic()`.
        """
        self._heard_at_s, self._queued_s = now_s, queued_s
        self._learn_loss(reception.loss, queued_s, now_s)
        self._excess_loss = max(0.0, reception.sure_loss - self._inherent_loss)
        delivered_bps = reception.delivered_bps
        through_bps = sent_bps * (1.0 - reception.loss) if delivered_bps is None else min(sent_bps, delivered_bps)
        if queued_s > QUEUE_FULL_S:
            if now_s - self._cut_at_s >= CUT_SPACING_S:
                if self._full_bps is None and self._excess_loss < LOSS_SUSPECT:  # it rose faster than it is measured
                    through_bps = max(through_bps, self._rate_bps / RAMP_PER_S)
                most_bps = self._rate_bps if queued_s < QUEUE_LONG_S else LONG_QUEUE_CUT * self._rate_bps
                self._cut(min(most_bps, BACKOFF * through_bps), now_s, DRAIN * through_bps)
        elif self._excess_loss > LOSS_HIGH:
            if now_s - self._cut_at_s >= CUT_SPACING_S:
                kept_bps = self._rate_bps * (1.0 - 0.5 * self._excess_loss)
                self._cut(min(kept_bps, BACKOFF * through_bps) if self._excess_loss > 0.3 else kept_bps, now_s)
        elif self._excess_loss < LOSS_SUSPECT and queued_s < QUEUE_SUSPECT_S:
            self._grow(sent_bps, now_s)
        self._settle(now_s)

    def _learn_loss(self, loss: float, queued_s: float, now_s: float) -> None:
        """What the link always loses is believed sooner when it is less, and not at all while packets queue.

        By time, not by report: browsers report with everything that they ask for, many times a second on a bad link.
        """
        since_s = 1.0 if self._learnt_at_s is None else min(1.0, now_s - self._learnt_at_s)
        self._learnt_at_s = now_s
        if loss < self._inherent_loss:
            self._inherent_loss += (1.0 - 0.8**since_s) * (loss - self._inherent_loss)
        elif queued_s < QUEUE_SUSPECT_S:
            self._inherent_loss += (1.0 - 0.88**since_s) * (min(loss, MOST_INHERENT_LOSS) - self._inherent_loss)

    def on_missing(self, share: float, queued_s: float, now_s: float) -> bool:
        """Take that so many packets of the last half second were asked for again: known sooner than any report.

        Returns:
            Whether the link is thought to have become narrower, so that a new beginning is needed.
        """
        excess = share - self._inherent_loss
        if excess < 0.25 or now_s - self._cut_at_s < CUT_SPACING_S:
            return False
        through_bps = self._rate_bps * (1.0 - min(excess, 0.6))
        self._queued_s = max(queued_s, MISSING_QUEUED_S)
        self._cut(BACKOFF * through_bps, now_s, DRAIN * through_bps)
        return True

    def narrowed(self, rate_bps: int, now_s: float) -> None:
        """The link has collapsed to about this; what was reported of it before says nothing any more."""
        self._excess_loss = self._queued_s = 0.0
        self._drains_until_s = now_s
        self._full_bps = rate_bps / BACKOFF
        self._cut_at_s = self._grown_at_s = now_s
        self._set(rate_bps, now_s)

    def at(self, now_s: float) -> int:
        """The target now: less while a queue empties, and less and less while nothing is heard from the receiver."""
        if self._heard_at_s is not None and now_s - self._heard_at_s > SILENT_S:
            self._heard_at_s = now_s
            self._cut(0.5 * self._rate_bps, now_s)
        self._settle(now_s)
        return self.target_bps

    def _grow(self, sent_bps: int, now_s: float) -> None:
        since_s = 0.0 if self._grown_at_s is None else min(1.0, now_s - self._grown_at_s)
        self._grown_at_s = now_s
        if now_s - max(self._cut_at_s, self._complained_at_s) < COMPLAINT_S:
            return
        if sent_bps < SATURATED * self._rate_bps:
            return
        if self._full_bps is not None and 0.8 <= self._rate_bps / self._full_bps <= 1.1:
            per_s = CLOSE_GROWTH_PER_S
        elif self._full_bps is not None or now_s - self._doubted_at_s < COMPLAINT_S:
            per_s = GROWTH_PER_S
        else:
            per_s = RAMP_PER_S
        self._set(self._rate_bps * per_s**since_s, now_s)

    def _cut(self, bps: float, now_s: float, drain_bps: float | None = None) -> None:
        self._full_bps = self._rate_bps if drain_bps is None else bps / BACKOFF
        self._cut_at_s = self._grown_at_s = now_s
        self.deep_cuts += bps < DEEP * self._rate_bps or drain_bps is not None
        if drain_bps is not None:
            self._drains_until_s = now_s + min(DRAIN_S, self._queued_s / (1.0 - DRAIN))
            self._drain_bps = drain_bps
        self._set(bps, now_s)

    def _set(self, bps: float, now_s: float) -> None:
        self._rate_bps = min(self._limits.max_bps, max(self._limits.min_bps, bps))
        self._settle(now_s)

    def _settle(self, now_s: float) -> None:
        draining = now_s < self._drains_until_s
        bps = min(self._rate_bps, self._drain_bps) if draining else self._rate_bps
        self.target_bps = round(max(self._limits.min_bps, bps))
