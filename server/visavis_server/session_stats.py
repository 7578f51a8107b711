"""How a session does: what is counted of it, and what it tells of that. Knows nothing of voice or pictures."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

_RECENT_FRAMES = 250


@dataclass(frozen=True, slots=True)
class SessionStats:
    """How a session does. Counters run from its start; None until known."""

    fps: float | None
    """New frames in the last second."""
    latency_ms_p50: float | None
    """A chunk of voice reaching the server to its frame leaving the session, over the last 10 s of live voice."""
    latency_ms_p95: float | None
    frames_sent: int
    """Ticks published."""
    frames_repeated: int
    """Ticks at which the last good frame was shown again because the new one was late."""
    frames_dropped: int
    """Frames that came too late to be shown."""
    voice_dropped: int
    """Chunks of voice lost because they came faster than real time."""
    underruns: int
    """How often the incoming voice broke off."""
    delay_ms: int = 0
    """How long after its voice was taken a frame is published: grows where the device is slow."""


@dataclass(slots=True)
class SessionCounts:
    """What a session notes while it runs."""

    repeated: int = 0
    dropped: int = 0
    _fresh: deque[bool] = field(default_factory=lambda: deque(maxlen=25))
    _latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT_FRAMES))

    def published(self, fresh: bool) -> None:
        """A tick was published, with a new frame or with the last one again."""
        self._fresh.append(fresh)
        self.repeated += not fresh

    def latency(self, latency_ms: float) -> None:
        """A frame that shows live voice was published."""
        self._latencies_ms.append(latency_ms)

    def stats(self, frames_sent: int, delay_ms: int, voice_dropped: int, underruns: int) -> SessionStats:
        """How the session does, with what others have counted."""
        p50, p95 = np.percentile(self._latencies_ms, [50, 95]).tolist() if self._latencies_ms else (None, None)
        return SessionStats(
            fps=float(sum(self._fresh)) if len(self._fresh) == 25 else None,
            latency_ms_p50=p50,
            latency_ms_p95=p95,
            frames_sent=frames_sent,
            frames_repeated=self.repeated,
            frames_dropped=self.dropped,
            delay_ms=delay_ms,
            voice_dropped=voice_dropped,
            underruns=underruns,
        )
