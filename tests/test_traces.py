"""A window's trace tells where its time went: stages nest, follow one another, add up to what the metrics report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased

from rtc_loopback import until
from stage_fakes import LoudnessListener, PaintingRenderer, plain_avatar
from visavis_server.media import Published
from visavis_server.session import Session
from visavis_server.studio import Studio, StudioSettings
from visavis_server.tracing.traces import Traces, incoming

pytestmark = pytest.mark.e2e

STAGES = ["voice in", "gather", "listen", "draw", "mark", "deliver"]
"""Of a window, in the order in which they happen; then come its frames."""
NAMES = {
    "session", "first_frame", "frames", "epoch", "live_voice", "batch", "batch_windows", "frame", "late", "latency_ms",
    "to", "bytes", "keyframe", "sent", "repeated", "dropped",
}  # fmt: skip
"""Everything that spans may tell."""


class Collected:
    """Traces that stay here."""

    def __init__(self, ratio: float = 1.0) -> None:
        self.memory = InMemorySpanExporter()
        self._provider = TracerProvider(ParentBased(ALWAYS_ON), shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(self.memory))
        self.traces = Traces(self._provider, ratio, seed=1)

    def spans(self, name: str = "") -> list[ReadableSpan]:
        return [span for span in self.memory.get_finished_spans() if name in ("", span.name)]

    def children(self, of: ReadableSpan, name: str = "") -> list[ReadableSpan]:
        assert of.context is not None
        found = [s for s in self.spans(name) if s.parent is not None and s.parent.span_id == of.context.span_id]
        return sorted(found, key=times)


def times(span: ReadableSpan) -> tuple[int, int]:
    assert span.start_time is not None and span.end_time is not None
    return span.start_time, span.end_time


def told(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {})[f"visavis.{name}"]


def ms(span: ReadableSpan) -> float:
    begun_ns, ended_ns = times(span)
    return (ended_ns - begun_ns) / 1e6


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Studio]:
    running = Studio(PaintingRenderer(), LoudnessListener, StudioSettings(frames_per_step=2))
    yield running
    await running.aclose()


async def speak(session: Session, chunks: int) -> None:
    begun_s = time.monotonic()
    for i in range(chunks):
        session.hear(np.full(1920, 9000, np.int16), 48_000, time.monotonic())
        await asyncio.sleep(max(0.0, begun_s + (i + 1) * 0.04 - time.monotonic()))


class Receiver:
    """Says that it has encoded and sent every picture, as those do that really have."""

    def __init__(self) -> None:
        self.took = 0

    def publish(self, item: Published) -> None:
        self.took += 1
        if item.trace is not None:
            now_s = time.monotonic()
            item.trace.stage("encode", now_s, now_s + 0.002, {"to": "call", "bytes": 99, "keyframe": False})
            item.trace.stage("send", now_s + 0.002, now_s + 0.003, {"to": "call"})


async def traced(stage: Studio, collected: Collected, chunks: int = 40) -> tuple[Session, list[float]]:
    """A session that has heard a voice and is over, and the latencies that the metrics were told."""
    session = await stage.open_session(plain_avatar())
    reported: list[float] = []
    session.on_latency = reported.append
    collected.traces.follow(session)
    receiver = Receiver()
    session.add_sink(receiver)
    await speak(session, chunks)
    await until(lambda: len(reported) > chunks // 2, 20)
    await session.aclose()
    return session, reported


async def test_stages_nest_follow_one_another_and_add_up_to_the_latency(stage: Studio) -> None:
    collected = Collected()
    _, reported = await traced(stage, collected)
    found, added = 0, 0
    for window in collected.spans("window"):
        assert window.parent is None
        begun_ns, ended_ns = times(window)
        inside = collected.children(window)
        stages = [span for span in inside if span.name != "frame"]
        live = told(window, "live_voice")
        assert [span.name for span in stages] == (STAGES if live else STAGES[1:])
        assert times(stages[0])[0] == begun_ns, "it begins when its voice arrives"
        for before, after in pairwise(stages):
            assert times(before)[1] == times(after)[0], "nothing between two stages is left out"
        frames = sorted((s for s in inside if s.name == "frame"), key=lambda s: int(told(s, "frame")))
        assert [told(span, "frame") for span in frames] == list(
            range(told(window, "first_frame"), told(window, "first_frame") + told(window, "frames"))
        )
        for frame in frames:
            assert times(frame)[0] == times(stages[-1])[1]
            done = collected.children(frame)
            assert all(begun_ns <= times(s)[0] <= times(s)[1] <= times(frame)[1] <= ended_ns for s in done)
            if done:
                assert [span.name for span in done] == ["publish", "encode", "send"]
                found += 1
        first = frames[0]
        if live and "visavis.latency_ms" in (first.attributes or {}):
            latency_ms = told(first, "latency_ms")
            publish = collected.children(first, "publish")[0]
            assert sum(map(ms, stages)) + ms(publish) == pytest.approx(latency_ms, abs=0.01)
            assert any(latency_ms == pytest.approx(each) for each in reported)
            added += 1
    assert found > 20 and added > 8


async def test_every_window_is_linked_to_its_session_and_to_those_drawn_with_it(stage: Studio) -> None:
    collected = Collected()
    one, other = await stage.open_session(plain_avatar()), await stage.open_session(plain_avatar("other"))
    for session in (one, other):
        collected.traces.follow(session)
    await until(lambda: one.next_frame > 40, 30)
    await asyncio.gather(one.aclose(), other.aclose())
    sessions = {span.context.span_id: span for span in collected.spans("session") if span.context is not None}
    assert len(sessions) == 2 and {told(s, "dropped") for s in sessions.values()} <= set(range(99))
    by_batch: dict[int, set[str]] = {}
    for window in collected.spans("window"):
        [link] = window.links
        assert f"{link.context.span_id:016x}" == told(window, "session") and link.context.span_id in sessions
        assert window.context is not None and window.context.trace_id != link.context.trace_id
        [draw] = collected.children(window, "draw")
        together = by_batch.setdefault(told(draw, "batch"), set())
        assert {f"{each.context.span_id:016x}" for each in draw.links} == together
        assert draw.context is not None
        together.add(f"{draw.context.span_id:016x}")
        assert told(draw, "batch_windows") >= len(together)


async def test_a_trace_that_a_caller_has_begun_goes_on(stage: Studio) -> None:
    collected = Collected(ratio=0.0)
    trace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    for header, follows in (
        (f"00-{trace}-{caller}-01", True),
        (f"00-{trace}-{caller}-00", None),
        ("", False),
        ("00-nonsense", False),
        (f"00-{'0' * 32}-{caller}-01", False),
        ("é" * 100, False),
    ):
        collected.memory.clear()
        token = incoming.set(header)
        session = await stage.open_session(plain_avatar())
        collected.traces.follow(session)
        incoming.reset(token)
        assert (session.trace is None) is (follows is None)
        await session.aclose()
        spans = collected.spans("session")
        assert len(spans) == (follows is not None)
        for span in spans:
            assert (span.parent is not None) is follows
            if span.parent is not None and span.context is not None:
                assert f"{span.context.trace_id:032x}" == trace and f"{span.parent.span_id:016x}" == caller


async def test_a_share_of_the_windows_is_traced_and_none_without_traces(stage: Studio) -> None:
    collected = Collected(ratio=0.3)
    session, _ = await traced(stage, collected, 80)
    windows, drawn = len(collected.spans("window")), session.next_frame / 2
    assert 0.05 * drawn < windows < 0.7 * drawn
    plain = await stage.open_session(plain_avatar())
    seen: list[Published] = []
    async for item in plain.stream():
        seen.append(item)
        if len(seen) == 20:
            break
    assert plain.trace is None and {item.trace for item in seen} == {None}


async def test_an_interrupted_window_ends_and_nothing_is_left(stage: Studio) -> None:
    collected = Collected()
    session = await stage.open_session(plain_avatar())
    collected.traces.follow(session)
    talking = asyncio.create_task(speak(session, 40))
    await until(lambda: session.next_frame > 15, 20)
    session.interrupt()
    await talking
    trace = session.trace
    assert trace is not None
    await session.aclose()
    assert not trace._open and not trace._frames
    ids = [span.context.span_id for span in collected.spans() if span.context is not None]
    assert len(set(ids)) == len(ids), "each span ends once"
    known = set(ids)
    assert all(span.parent is None or span.parent.span_id in known for span in collected.spans())


def figures_of(spans: Sequence[ReadableSpan]) -> dict[str, set[Any]]:
    kinds: dict[str, set[Any]] = {}
    for span in spans:
        for name, value in (span.attributes or {}).items():
            kinds.setdefault(name, set()).add(value)
    return kinds


async def test_spans_tell_numbers_and_nothing_of_what_is_said_and_by_whom(stage: Studio) -> None:
    collected = Collected()
    session, _ = await traced(stage, collected)
    figures = figures_of(collected.spans())
    assert {name.removeprefix("visavis.") for name in figures} <= NAMES
    for name, values in figures.items():
        if name == "visavis.to":
            assert values <= {"call", "viewer", "viewers", "outputs"}
        elif name == "visavis.session":
            assert all(len(value) == 16 and int(value, 16) for value in values), "the span's id, not the session's"
        else:
            assert all(isinstance(value, bool | int | float) for value in values), name
    text = "".join(span.to_json() for span in collected.spans())
    assert session.id not in text and session.avatar_id not in text
    assert not any(span.events for span in collected.spans())
