"""What the server counts, for Prometheus: one registry for each app, nothing that grows with the sessions.

Counters outlive the sessions that raised them. Knows nothing of HTTP or of how sessions work.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from visavis_models.rendering import GuardCounts

_LATENCY_BUCKETS_MS = (40, 80, 120, 160, 200, 250, 300, 400, 500, 750, 1000, 2000)
_LAG_BUCKETS_MS = (1, 2, 5, 10, 20, 40, 80, 160, 500)
_RTT_BUCKETS_MS = (1, 5, 10, 20, 50, 100, 200, 400, 1000)
_LOSS_BUCKETS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_ANALYSIS_BUCKETS_S = (0.25, 0.5, 1, 2, 3, 5, 10, 30)
END_REASONS = ("client", "expired", "shutdown", "failed", "deleted")


@dataclass(slots=True)
class CountedFrames:
    """How far one session's counters have been added to the totals."""

    sent: int = 0
    repeated: int = 0
    dropped: int = 0
    voice: int = 0


class Metrics:
    """Everything that `GET /metrics` shows.

    Args:
        capacity: sessions at the same time.
    """

    def __init__(self, capacity: int) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self._active = Gauge("visavis_sessions_active", "Sessions that are open now.", registry=r)
        capacity_gauge = Gauge("visavis_sessions_capacity", "Sessions at the same time, at most.", registry=r)
        capacity_gauge.set(capacity)
        self._opened = Counter("visavis_sessions_opened", "Sessions opened.", registry=r)
        self._ended = Counter("visavis_sessions_ended", "Sessions ended, by reason.", ["reason"], registry=r)
        for reason in END_REASONS:
            self._ended.labels(reason)
        self._frames = {
            "sent": Counter("visavis_frames_sent", "Frames published.", registry=r),
            "repeated": Counter("visavis_frames_repeated", "Frames shown again: the new one was late.", registry=r),
            "dropped": Counter("visavis_frames_dropped", "Frames that came too late to be shown.", registry=r),
            "voice": Counter("visavis_voice_chunks_dropped", "Chunks of voice faster than real time.", registry=r),
        }
        self._latency = Histogram(
            "visavis_speech_to_lips_ms",
            "A chunk of live voice reaching the server to the frame that shows it being published.",
            buckets=_LATENCY_BUCKETS_MS,
            registry=r,
        )
        self._drawing = Gauge(
            "visavis_frame_drawing_ms", "Listening and drawing of one frame of one session, smoothed.", registry=r
        )
        self._reanchored = Counter(
            "visavis_renderer_reanchored", "Windows begun anew from the portrait, by reason.", ["reason"], registry=r
        )
        self._fallback = Counter(
            "visavis_renderer_fallback", "Windows left to a simpler renderer, by reason.", ["reason"], registry=r
        )
        self._guarded = GuardCounts()
        self._skipped = Gauge("visavis_clock_skipped_ticks", "Ticks of the media clock lost so far.", registry=r)
        self._lag = Histogram(
            "visavis_event_loop_lag_ms", "How late the event loop wakes up.", buckets=_LAG_BUCKETS_MS, registry=r
        )
        self._tasks = Gauge("visavis_tasks", "Tasks on the event loop: flat, or something leaks.", registry=r)
        self._analysis = Histogram(
            "visavis_analysis_seconds", "Analysis of one photo.", buckets=_ANALYSIS_BUCKETS_S, registry=r
        )
        self._errors = Counter("visavis_errors", "Errors told to users, by code.", ["code"], registry=r)
        self._rtt = Histogram("visavis_rtt_ms", "Round trip to the browsers.", buckets=_RTT_BUCKETS_MS, registry=r)
        self._loss = Histogram(
            "visavis_loss_ratio", "Packets lost on the way, 0..1.", buckets=_LOSS_BUCKETS, registry=r
        )
        self._transmissions = Gauge(
            "visavis_transmissions", "Microphones (whip) and viewers (whep) now.", ["protocol"], registry=r
        )
        for protocol in ("whip", "whep"):
            self._transmissions.labels(protocol)
        self._shows = Gauge("visavis_shows", "Shows (sessions that speak from files) now.", registry=r)
        self._show_items = Counter(
            "visavis_show_items", "Files that shows have played, by how they ended.", ["how"], registry=r
        )
        for how in ("ended", "skipped", "broken", "failed"):
            self._show_items.labels(how)
        self._relayed = {
            "encoded": Counter(
                "visavis_broadcast_frames_encoded", "Frames encoded for viewers, once for all.", registry=r
            ),
            "relayed": Counter("visavis_broadcast_frames_relayed", "Frames handed to viewers.", registry=r),
            "dropped": Counter("visavis_broadcast_frames_dropped", "Frames that one viewer missed.", registry=r),
        }
        self._matted = Counter(
            "visavis_alpha_frames_encoded", "Frames encoded for viewers side by side with their matte.", registry=r
        )
        self._matte_takers = Gauge(
            "visavis_alpha_takers", "Calls and viewers that get the matte side by side now.", registry=r
        )
        self._bitrate = Gauge("visavis_bitrate_kbps", "Video sent, all sessions together.", registry=r)

    def session_opened(self) -> None:
        """A session began."""
        self._opened.inc()
        self._active.inc()

    def session_ended(self, reason: str) -> None:
        """A session is over, for one of `END_REASONS`."""
        self._ended.labels(reason).inc()
        self._active.dec()

    def frames(self, counted: CountedFrames, sent: int, repeated: int, dropped: int, voice: int) -> None:
        """Add what a session's counters rose by since the last time."""
        for name, value in (("sent", sent), ("repeated", repeated), ("dropped", dropped), ("voice", voice)):
            self._frames[name].inc(max(0, value - getattr(counted, name)))
            setattr(counted, name, value)

    def speech_to_lips(self, latency_ms: float) -> None:
        """A frame that shows live voice was published."""
        self._latency.observe(latency_ms)

    def drawing(self, frame_ms: float, skipped_ticks: int) -> None:
        """What the studio says of itself, once a second."""
        self._drawing.set(frame_ms)
        self._skipped.set(skipped_ticks)

    def guard(self, counts: GuardCounts) -> None:
        """Add what the renderer's judgements of its own pictures rose by since the last time."""
        for counter, now, before in (
            (self._reanchored, counts.reanchored, self._guarded.reanchored),
            (self._fallback, counts.fallback, self._guarded.fallback),
        ):
            for reason, value in now.items():
                counter.labels(reason).inc(max(0, value - before.get(reason, 0)))
        self._guarded = GuardCounts(counts.windows, dict(counts.reanchored), dict(counts.fallback))

    def network(self, rtt_ms: float | None, loss: float | None) -> None:
        """What one peer says of its way to the browser, once a second."""
        if rtt_ms is not None:
            self._rtt.observe(rtt_ms)
        if loss is not None:
            self._loss.observe(loss)

    def transmission(self, protocol: str, change: int) -> None:
        """A microphone (`whip`) or a viewer (`whep`) came (1) or left (-1)."""
        self._transmissions.labels(protocol).inc(change)

    def matte_taker(self, change: int) -> None:
        """Somebody who gets the matte beside the picture came (1) or left (-1)."""
        self._matte_takers.inc(change)

    def shows(self, change: int) -> None:
        """A show began (1) or is over (-1)."""
        self._shows.inc(change)

    def show_item(self, how: str) -> None:
        """A file of a show `ended`, was `skipped`, was `broken` in the middle, or `failed` to be played at all."""
        self._show_items.labels(how).inc()

    def broadcast(self, encoded: int, relayed: int, dropped: int, layout: str = "plain") -> None:
        """A picture was encoded for viewers, handed to so many, and missed by so many."""
        if layout == "side-by-side":
            self._matted.inc(encoded)
        for name, value in (("encoded", encoded), ("relayed", relayed), ("dropped", dropped)):
            self._relayed[name].inc(value)

    def bitrate(self, total_kbps: float) -> None:
        """Video sent by all sessions together."""
        self._bitrate.set(total_kbps)

    def analysis(self, took_s: float) -> None:
        """One photo was analysed, or refused by the analysis."""
        self._analysis.observe(took_s)

    def error(self, code: str) -> None:
        """A user was told of an error. Codes are written in the source, so there are few."""
        self._errors.labels(code).inc()

    async def watch_event_loop(self, every_s: float = 0.5) -> None:
        """Measure, until cancelled, how late the event loop wakes up."""
        while True:
            begun_s = time.monotonic()
            await asyncio.sleep(every_s)
            self._lag.observe(max(0.0, (time.monotonic() - begun_s - every_s) * 1000))
            self._tasks.set(len(asyncio.all_tasks()))

    def text(self) -> bytes:
        """The page for Prometheus."""
        return generate_latest(self.registry)
