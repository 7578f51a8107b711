"""What traces cost: the CPU time of a session's way through the stages, without traces and with, by turns in one run.

    python benchmarks/traces.py [--ticks 1500] [--rounds 7]

Nothing is drawn and nobody listens, so that what remains is what sessions and studios do themselves. Prints a table and
one last line of JSON: us_per_tick without traces, with 5 % and with all windows traced, and their ratios to none. `off`
is measured twice by turns; the ratio of the two is what this machine's noise is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased

from stage_fakes import LoudnessListener, PaintingRenderer, PaintingState, plain_avatar
from visavis_server.pipeline import Performance, Work, advance
from visavis_server.session import Session
from visavis_server.tracing.step_times import StepTimes
from visavis_server.tracing.traces import Traces

STEP = 2
SHARES = {"off": None, "off_again": None, "share_005": 0.05, "all": 1.0}


class Sink:
    """Takes pictures as a peer does."""

    def publish(self, item: object) -> None:
        """Take one tick."""
        trace = getattr(item, "trace", None)
        if trace is not None:
            now_s = time.monotonic()
            trace.stage("encode", now_s, now_s, {"to": "call"})
            trace.stage("send", now_s, now_s, {"to": "call"})


async def us_per_tick(traces: Traces | None, ticks: int) -> float:
    """CPU time of one tick of one session."""
    avatar, renderer = plain_avatar(), PaintingRenderer()

    async def closed(_: Session) -> None:
        return

    performance = Performance(LoudnessListener(), PaintingState(avatar))
    session = Session("x", avatar.id, performance, avatar.photo, STEP, 5, closed)
    if traces is not None:
        traces.follow(session)
    session.add_sink(Sink())
    voice, chunks = np.full(1920, 9000, np.int16), []
    begun_s = time.process_time()
    for number in range(ticks):
        now_s = time.monotonic()
        session.hear(voice, 48_000, now_s)
        chunks.append(session.tick(now_s))
        if len(chunks) == STEP:
            times = None if session.trace is None else StepTimes(number, 1, time.monotonic())
            [frames] = advance(renderer, [Work(performance, chunks)], None, times)
            assert isinstance(frames, list)
            session.deliver(frames, times)
            chunks = []
        if number % 50 == 0:
            await asyncio.sleep(0)
    await session.aclose()
    return (time.process_time() - begun_s) * 1e6 / ticks


async def measured(ticks: int, rounds: int) -> dict[str, float]:
    """The median of each way, in µs."""
    found: dict[str, list[float]] = {name: [] for name in SHARES}
    for _ in range(rounds):
        for name, share in SHARES.items():
            traces = None
            if share is not None:
                memory = InMemorySpanExporter()
                provider = TracerProvider(ParentBased(ALWAYS_ON), shutdown_on_exit=False)
                provider.add_span_processor(BatchSpanProcessor(memory, 4096))
                traces = Traces(provider, share, seed=1)
            found[name].append(await us_per_tick(traces, ticks))
            if traces is not None:
                traces.close()
    return {name: median(each) for name, each in found.items()}


def guard_us() -> float:
    """What it costs to ask six times whether anybody traces: once for every place of one tick's way that asks."""

    class Holder:
        trace: object | None = None

    holder, count = Holder(), 200_000
    begun_s = time.process_time()
    for _ in range(count):
        for _ in range(6):
            if holder.trace is not None:
                raise AssertionError
    return (time.process_time() - begun_s) * 1e6 / count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ticks", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    us = asyncio.run(measured(given.ticks, given.rounds))
    guards = guard_us()
    for name, value in us.items():
        print(f"{name:10} {value:8.1f} us a tick  x{value / us['off']:.3f}  {value / 40_000:.3%} of one core's 40 ms")
    print(f"asking whether anybody traces: {guards:.2f} us a tick, {guards / 40_000:.4%} of 40 ms")
    ratios = {f"{name}_ratio": round(value / us["off"], 4) for name, value in us.items() if name != "off"}
    print(json.dumps({f"{name}_us": round(v, 2) for name, v in us.items()} | ratios | {"guards_us": round(guards, 3)}))


if __name__ == "__main__":
    main()
