"""The trace of one window: a span for each stage, one for each frame, and all in one that ends with the last of them.

Times are `time.monotonic()`. Used on the event loop only. Knows nothing of exporters, and of what windows hold only
numbers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, Tracer, set_span_in_context

Figure = bool | int | float | str
PREFIX = "visavis."
"""What the names of all attributes begin with."""


class WindowTrace:
    """One window, open until `finish`.

    Args:
        tracer: makes the spans.
        begun_s: when the voice of its first frame arrived.
        figures: what is known of the window.
        links: to the session that it belongs to.
    """

    def __init__(
        self, tracer: Tracer, begun_s: float, figures: Mapping[str, Figure], links: Sequence[Link] = ()
    ) -> None:
        self._tracer = tracer
        self._wall_ns = time.time_ns() - time.monotonic_ns()  # kept: steps of the wall clock do not tear it apart
        self._root = tracer.start_span(
            "window", Context(), attributes=_named(figures), links=links, start_time=self._ns(begun_s)
        )
        self._ended_s = begun_s
        self.frames: dict[int, FrameTrace] = {}
        """By index, those that were drawn."""

    def stage(
        self,
        name: str,
        begun_s: float,
        ended_s: float,
        figures: Mapping[str, Figure] | None = None,
        links: Sequence[Link] = (),
        within: Span | None = None,
    ) -> SpanContext:
        """Note a stage that is over, in the window itself or within one of its spans."""
        span = self._begin(name, begun_s, figures or {}, links, within or self._root)
        self.end(span, max(begun_s, ended_s))
        return span.get_span_context()

    def frame(self, index: int, delivered_s: float, late: bool) -> None:
        """A frame of it has come to its session, perhaps too late to be shown."""
        span = self._begin("frame", delivered_s, {"frame": index, "late": late}, (), self._root)
        self.frames[index] = FrameTrace(self, span, delivered_s)

    def end(self, span: Span, ended_s: float) -> None:
        """End a span of it."""
        self._ended_s = max(self._ended_s, ended_s)
        span.end(self._ns(ended_s))

    def finish(self) -> None:
        """End the window with the last of its stages; what comes later is not noted."""
        for frame in self.frames.values():
            frame.finish()
        self.frames.clear()
        self._root.end(self._ns(self._ended_s))

    def _begin(
        self, name: str, begun_s: float, figures: Mapping[str, Figure], links: Sequence[Link], within: Span
    ) -> Span:
        parent = set_span_in_context(within)
        return self._tracer.start_span(
            name, parent, attributes=_named(figures), links=links, start_time=self._ns(begun_s)
        )

    def _ns(self, at_s: float) -> int:
        return round(at_s * 1e9) + self._wall_ns


class FrameTrace:
    """One frame of a traced window, from its delivery to whatever is done with it last."""

    def __init__(self, window: WindowTrace, span: Span, delivered_s: float) -> None:
        self._window = window
        self._span = span
        self._begun_s = self._ended_s = delivered_s
        self._over = False

    def stage(self, name: str, begun_s: float, ended_s: float, figures: Mapping[str, Figure] | None = None) -> None:
        """Note a stage that is over; nothing is noted once the window has been finished."""
        if not self._over:
            self._window.stage(name, begun_s, ended_s, figures, within=self._span)
            self._ended_s = max(self._ended_s, ended_s)

    def published(self, now_s: float, latency_ms: float | None) -> None:
        """Its tick has come.

        Args:
            now_s: when.
            latency_ms: what the metrics report of it; None: it shows no live voice.
        """
        self.stage("publish", self._begun_s, now_s)
        if latency_ms is not None and not self._over:
            self._span.set_attribute(PREFIX + "latency_ms", latency_ms)

    def finish(self) -> None:
        """No more of it is noted."""
        if not self._over:
            self._over = True
            self._window.end(self._span, self._ended_s)


def _named(figures: Mapping[str, Figure]) -> dict[str, Figure]:
    return {PREFIX + name: figure for name, figure in figures.items()}
