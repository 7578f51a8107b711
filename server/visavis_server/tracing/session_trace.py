"""The trace of one session, and which of its windows are traced: those are traces of their own that are linked to it.

Used on the event loop only. Knows nothing of exporters or of what is said and shown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from random import Random

from opentelemetry.trace import Link, Span, Tracer

from visavis_models.chunk import Chunk
from visavis_server.pipeline import Frame
from visavis_server.tracing.step_times import StepTimes
from visavis_server.tracing.window_trace import PREFIX, Figure, FrameTrace, WindowTrace

LINGER_S = 3.0
"""A window is finished so long after it was drawn: it was shown and sent by then, or never will be."""
_TICKS_KEPT = 128


class SessionTrace:
    """One session, open until `close`.

    Args:
        tracer: makes the spans.
        span: the session's own.
        ratio: share of its windows that are traced.
        chance: decides which.
    """

    def __init__(self, tracer: Tracer, span: Span, ratio: float, chance: Random) -> None:
        self._tracer = tracer
        self._span = span
        self._ratio = ratio
        self._chance = chance
        self._ticks: list[tuple[int, float, float]] = [(-1, 0.0, 0.0)] * _TICKS_KEPT
        self._open: dict[WindowTrace, asyncio.TimerHandle] = {}
        self._frames: dict[int, FrameTrace] = {}

    @property
    def trace_id(self) -> str:
        """The session's trace, in 32 hexadecimal digits."""
        return f"{self._span.get_span_context().trace_id:032x}"

    @property
    def _name(self) -> str:
        return f"{self._span.get_span_context().span_id:016x}"

    def ticked(self, chunk: Chunk, now_s: float) -> None:
        """The clock took a chunk of voice, or of silence."""
        self._ticks[chunk.index % _TICKS_KEPT] = chunk.index, chunk.arrived_s, now_s

    def delivered(self, frames: Sequence[Frame], step: StepTimes, next_frame: int, now_s: float) -> None:
        """Frames came from the device, those before `next_frame` too late: perhaps their window is traced."""
        if not frames or self._chance.random() >= self._ratio:
            return
        first = frames[0].index
        index, arrived_s, ticked_s = self._ticks[first % _TICKS_KEPT]
        if index != first:
            return
        spoken = arrived_s > 0.0
        begun_s = arrived_s if spoken else ticked_s
        figures: dict[str, Figure] = {"session": self._name, "first_frame": first, "frames": len(frames)}
        figures |= {"epoch": frames[0].epoch, "live_voice": spoken}
        window = WindowTrace(self._tracer, begun_s, figures, [Link(self._span.get_span_context())])
        if spoken:
            window.stage("voice in", begun_s, ticked_s)
        window.stage("gather", ticked_s, step.taken_s)
        window.stage("listen", step.taken_s, step.heard_s)
        batch: dict[str, Figure] = {"batch": step.number, "batch_windows": step.windows}
        together = [Link(other) for other in step.spans]
        step.spans.append(window.stage("draw", step.heard_s, step.drawn_s, batch, together))
        window.stage("mark", step.drawn_s, step.done_s)
        window.stage("deliver", step.done_s, now_s)
        for frame in frames:
            window.frame(frame.index, now_s, frame.index < next_frame)
        self._frames |= window.frames
        self._open[window] = asyncio.get_running_loop().call_later(LINGER_S, self._finish, window)

    def published(self, index: int, now_s: float, latency_ms: float | None) -> FrameTrace | None:
        """A frame is published now; its trace, if it has one."""
        trace = self._frames.pop(index, None)
        if trace is not None:
            trace.published(now_s, latency_ms)
        return trace

    def close(self, **figures: Figure) -> None:
        """The session is over. Idempotent."""
        for window in tuple(self._open):
            self._finish(window)
        self._frames.clear()
        for name, figure in figures.items():
            self._span.set_attribute(PREFIX + name, figure)
        if self._span.is_recording():
            self._span.end(time.time_ns())

    def _finish(self, window: WindowTrace) -> None:
        timer = self._open.pop(window, None)
        if timer is not None:
            timer.cancel()
            for index in window.frames:
                self._frames.pop(index, None)
            window.finish()
