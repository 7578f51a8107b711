"""Ticks for outputs, and what became of them: pictures that spell their tick, a tone that begins with every 25th."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from rtc_loopback import BITS, TICK_S, read_index, tick
from visavis_server.media import MediaSink

TONE_EVERY = 25


class Ticker:
    """Publishes ticks in real time to whoever is in `sinks`, as a session does."""

    def __init__(self, first: int = 100) -> None:
        self.sinks: list[MediaSink] = []
        self.next = first

    async def run(self) -> None:
        begun_s, first = time.monotonic(), self.next
        while True:
            item = tick(self.next, tone=self.next % TONE_EVERY == 0)
            for sink in tuple(self.sinks):
                sink.publish(item)
            self.next += 1
            await asyncio.sleep(max(0.0, begun_s + (self.next - first) * TICK_S - time.monotonic()))


@contextlib.asynccontextmanager
async def ticking(first: int = 100) -> AsyncIterator[Ticker]:
    """Ticks until the block ends."""
    ticker = Ticker(first)
    task = asyncio.create_task(ticker.run())
    try:
        yield ticker
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass
class Seen:
    """What a player finds in a file."""

    indices: list[int]
    """The ticks that its pictures spell."""
    times_s: list[float]
    """When each of them is shown."""
    onsets_s: list[float]
    """When its tones begin."""
    size_px: tuple[int, int]
    channels: int

    @property
    def offsets_ms(self) -> list[float]:
        """Voice against pictures, at every tone: positive when the voice is late. Pictures may lack."""
        times_s, found = np.array(self.times_s), []
        for onset_s in self.onsets_s:
            nearest = int(np.argmin(np.abs(times_s - onset_s)))
            at = self.indices[nearest] + (onset_s - self.times_s[nearest]) / TICK_S
            found.append(1000 * TICK_S * (at - TONE_EVERY * round(at / TONE_EVERY)))
        return found


def watch(path: Path) -> Seen:
    """Decode a file as far as it goes."""
    indices: list[int] = []
    times_s, size, rounds = [], (0, 0), 0
    samples, sound_times, channels, rate = [], [], 0, 48_000
    with av.open(str(path)) as box:
        for frame in _frames(box):
            if isinstance(frame, av.VideoFrame):
                index = read_index(np.asarray(frame.to_ndarray(format="gray8"), np.uint8))
                rounds += bool(indices) and index + rounds * 2**BITS < indices[-1]
                indices.append(index + rounds * 2**BITS)
                times_s.append(float(frame.time or 0.0))
                size = (frame.width, frame.height)
            else:
                channels, rate = len(frame.layout.channels), frame.sample_rate
                mono = frame.to_ndarray().reshape(channels if frame.format.is_planar else 1, -1)[0]
                samples.append(np.abs(mono.astype(np.float64)))
                sound_times.append(float(frame.time or 0.0))
    return Seen(indices, times_s, _onsets(samples, sound_times, rate), size, channels)


def _frames(box: av.container.InputContainer) -> list[av.VideoFrame | av.AudioFrame]:
    frames: list[av.VideoFrame | av.AudioFrame] = []
    with contextlib.suppress(av.error.EOFError, av.error.InvalidDataError):  # the end of a file that broke off
        for packet in box.demux():
            frames.extend(packet.decode())  # type: ignore[arg-type]
    return frames


def _onsets(samples: list[np.ndarray], times_s: list[float], rate: int) -> list[float]:
    """Where silence ends, to the millisecond."""
    if not samples:
        return []
    peak = max(float(part.max()) for part in samples)
    loud = np.concatenate(samples) > 0.1 * peak
    at = np.concatenate([begin + np.arange(len(part)) / rate for part, begin in zip(samples, times_s, strict=True)])
    quiet = int(0.2 * rate)
    where = np.flatnonzero(loud)
    first = [int(n) for i, n in enumerate(where) if (n > quiet if i == 0 else n - where[i - 1] > quiet)]
    return [float(at[n]) for n in first]


async def until_true(condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    """Wait for something; say what never came."""
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"never: {what}") from None
