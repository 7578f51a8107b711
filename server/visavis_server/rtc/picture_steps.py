"""Decides how large and how often pictures are sent: on a narrow link fewer pixels, then fewer pictures. Pure.

Knows nothing of codecs or of how the rate is found.
"""

from __future__ import annotations

from dataclasses import dataclass

from visavis_server.rtc.bitrate import REFERENCE_PIXELS

DOWN_AFTER_S = 1.0
"""A rate that only dips costs no step: each step is a keyframe."""
UP_AFTER_S = 4.0
UP_MARGIN = 1.4


@dataclass(frozen=True, slots=True)
class PictureStep:
    """One way to send pictures."""

    below_bps: int
    """Taken below this rate, for a canvas of 640×640."""
    scale: float
    """Of width and height."""
    every: int
    """Of so many pictures one is sent."""


LADDER = (
    PictureStep(1 << 40, 1.0, 1),
    PictureStep(80_000, 0.75, 1),
    PictureStep(56_000, 0.5, 1),
    PictureStep(45_000, 0.5, 2),
)
"""Best first. Measured (benchmarks/encoders.py): a talking head is mostly at rest, so it looks better whole than made
smaller down to so few bits; fewer pictures come last, because lips need them."""


class PictureSteps:
    """Goes down a step when the rate has been too low for a second, up when it has been ample for four."""

    def __init__(self, canvas_px: tuple[int, int]) -> None:
        self._factor = (canvas_px[0] * canvas_px[1] / REFERENCE_PIXELS) ** 0.75
        self._now = 0
        self._too_low_s: float | None = None
        self._ample_s: float | None = None

    def at(self, rate_bps: int, now_s: float) -> PictureStep:
        """How to send the picture that is due."""
        lower = self._now
        while lower + 1 < len(LADDER) and rate_bps < self._factor * LADDER[lower + 1].below_bps:
            lower += 1
        self._too_low_s = None if lower == self._now else self._too_low_s if self._too_low_s is not None else now_s
        ample = self._now > 0 and rate_bps > UP_MARGIN * self._factor * LADDER[self._now].below_bps
        self._ample_s = None if not ample else self._ample_s if self._ample_s is not None else now_s
        if self._too_low_s is not None and now_s - self._too_low_s >= DOWN_AFTER_S:
            self._now, self._too_low_s = lower, None
        elif self._ample_s is not None and now_s - self._ample_s >= UP_AFTER_S:
            self._now, self._ample_s = self._now - 1, None
        return LADDER[self._now]
