"""Decides how many bits a second a peer's pictures may take. Pure: time and measurements are passed in.

Knows nothing of RTP, RTCP or codecs.
"""

from __future__ import annotations

from dataclasses import dataclass

REFERENCE_PIXELS = 640 * 640
GROWTH_PER_S = 0.08
"""How fast the target may rise: a wrong rise costs the viewer a freeze, a slow one a little sharpness."""
BACKOFF = 0.9
"""After congestion, go below the estimate so that the queue on the way empties."""
SATURATED = 0.6
"""Share of the target that must really be sent before a higher one means anything (a still face needs few bits)."""
LOSS_HIGH = 0.10
LOSS_LOW = 0.02
LOSS_HOLD_S = 1.0


@dataclass(frozen=True, slots=True)
class BitrateLimits:
    """What pictures of 640×640 may take, in bits per second; other sizes scale with pixels to the power of 0.75."""

    min_bps: int = 150_000
    start_bps: int = 1_500_000
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
    """Falls at once when the link is full, rises slowly when it is not.

    A receiver's estimate (REMB) never exceeds about 1.5 times what reached it, so for a face at rest it says how little
    was sent and not how much the link carries. It therefore counts as congestion only when it is near what was sent.
    """

    def __init__(self, limits: BitrateLimits) -> None:
        self._limits = limits
        self.target_bps = limits.start_bps
        self._grown_at_s: float | None = None
        self._lost_at_s: float | None = None

    def on_estimate(self, estimate_bps: int, sent_bps: int, now_s: float) -> None:
        """Take a receiver's estimate of the link; `sent_bps` is what went out over the last second."""
        if estimate_bps < 1.05 * sent_bps:
            self._set(min(self.target_bps, BACKOFF * estimate_bps))
            self._grown_at_s = now_s
        elif estimate_bps > self.target_bps:
            self._grow(min(self._limits.max_bps, estimate_bps), sent_bps, now_s)

    def on_loss(self, loss: float, sent_bps: int, now_s: float, *, has_estimates: bool) -> None:
        """Take a receiver report: `loss` 0..1 since the report before. Without estimates, low loss lets it grow."""
        if loss > LOSS_HIGH:
            if self._lost_at_s is None or now_s - self._lost_at_s >= LOSS_HOLD_S:
                self._set(self.target_bps * (1.0 - 0.5 * loss))
                self._lost_at_s = self._grown_at_s = now_s
        elif loss < LOSS_LOW and not has_estimates:
            self._grow(self._limits.max_bps, sent_bps, now_s)

    def _grow(self, ceiling_bps: float, sent_bps: int, now_s: float) -> None:
        since_s = 0.0 if self._grown_at_s is None else min(1.0, now_s - self._grown_at_s)
        self._grown_at_s = now_s
        if sent_bps >= SATURATED * self.target_bps:
            self._set(min(ceiling_bps, self.target_bps * (1.0 + GROWTH_PER_S * since_s)))

    def _set(self, bps: float) -> None:
        self.target_bps = round(min(self._limits.max_bps, max(self._limits.min_bps, bps)))
