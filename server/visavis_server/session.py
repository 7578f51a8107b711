"""One avatar in one conversation: takes voice, gives a picture and its own 40 ms of voice at every tick.

Everything here runs on the event loop and is cheap; the work of listening and drawing is handed to the studio. Knows
nothing of WebRTC or HTTP.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import CHUNK_MS, Chunk, silent_chunk
from visavis_models.errors import BadInput, VisavisError
from visavis_models.matte import Matte
from visavis_models.mood import Mood
from visavis_server.channel import Channel, Closed, Overflow
from visavis_server.delay import Delay
from visavis_server.live_motion import LiveListener, LiveMotion
from visavis_server.media import MediaSink, Published
from visavis_server.pipeline import Frame, Performance
from visavis_server.session_stats import SessionCounts, SessionStats
from visavis_server.voice_intake import VoiceIntake
from visavis_server.voice_source import VoiceSource

if TYPE_CHECKING:
    from visavis_server.tracing.session_trace import SessionTrace
    from visavis_server.tracing.step_times import StepTimes
    from visavis_server.tracing.window_trace import FrameTrace

_log = logging.getLogger(__name__)

State = Literal["idle", "listening", "speaking"]
_FADE_SAMPLES = 480
"""10 ms: a voice cut off by an interruption ends softly instead of with a click."""


class Session:
    """Made by `Studio.open_session`.

    Args:
        id: unguessable.
        avatar_id: whose face.
        performance: the avatar at work; belongs to the studio's owner thread.
        picture: uint8 (H, W, 3), shown until the first frame is there.
        frames_per_step: how many chunks the studio gathers before it listens and draws.
        delay_ticks: how many ticks after its voice a frame is published.
        on_close: frees what the studio holds.
        can_matte: whether pictures can come with a matte.
    """

    def __init__(
        self,
        id: str,
        avatar_id: str,
        performance: Performance,
        picture: NDArray[np.uint8],
        frames_per_step: int,
        delay_ticks: int,
        on_close: Callable[[Session], Awaitable[None]],
        can_matte: bool = False,
    ) -> None:
        self.id = id
        self.avatar_id = avatar_id
        self.height, self.width = picture.shape[:2]
        self.created_s = time.monotonic()
        self.performance = performance
        self.frames_per_step = frames_per_step
        self._delay = Delay(delay_ticks)
        self.on_state: Callable[[State, int], None] | None = None
        self.on_failed: Callable[[VisavisError], None] | None = None
        self.on_latency: Callable[[float], None] | None = None
        """Called with the latency in ms of every frame that shows live voice."""
        self.on_mattes: Callable[[int], None] | None = None
        """Called with 1 for everybody who takes mattes, and with -1 when they leave."""
        self.trace: SessionTrace | None = None
        """Told where its windows spend their time, if somebody wants to know."""
        self.can_matte = can_matte
        self._matte_takers = 0
        self._matte: Matte | None = None
        self._on_close = on_close
        self._picture = picture
        self._planes: NDArray[np.uint8] | None = None
        self._intake = VoiceIntake()
        self._source: VoiceSource | None = None
        self._other = VoiceIntake()
        self._sinks: list[MediaSink] = []
        self._voices: deque[Chunk] = deque()
        self._frames: dict[int, Frame] = {}
        self._tick = 0
        self._skipped_ticks = 0
        self._next_frame = 0
        self._last_shown = -1
        self._epoch = 0
        self._attending = False
        self._hears_other = False
        self.mood = Mood()
        """How the avatar is to be from the next step on."""
        self.speaker = 0
        """Who in the picture speaks, unless the voice itself says who."""
        self.faces: list[tuple[float, float, float]] = []
        """Everybody's face by number, in shares of the picture; see `shares_of_faces`."""
        self._speaking = False
        self._state: State = "idle"
        self._counts = SessionCounts()
        self._begun = False
        self._closed = False

    @property
    def state(self) -> State:
        """What the avatar is seen to do now."""
        return self._state

    @property
    def epoch(self) -> int:
        """How many interruptions there were."""
        return self._epoch

    @property
    def motion(self) -> LiveMotion:
        """What everybody in the picture does: to be recorded, and to be replaced by recordings."""
        listener = self.performance.listener
        if not isinstance(listener, LiveListener):
            raise TypeError("this session's listener keeps its motion to itself")
        return listener.motion

    @property
    def people(self) -> int:
        """How many are in the picture."""
        return self.motion.people

    @property
    def attending(self) -> bool:
        """Somebody else speaks to the avatar."""
        return self._attending

    @property
    def next_frame(self) -> int:
        """The frame that the next tick publishes: earlier ones come too late."""
        return self._next_frame

    @property
    def last_shown(self) -> int:
        """The newest frame that was published; -1: none yet. It stays where later ones were late."""
        return self._last_shown

    def hear(self, samples: NDArray[np.int16], rate_hz: int, arrived_s: float) -> None:
        """Take live voice; it is not heard while a source speaks for the avatar.

        Args:
            samples: int16 (n,), mono, any n.
            rate_hz: 8000 to 192000.
            arrived_s: `time.monotonic()` when it reached this process.

        Raises:
            BadVoice: no voice has such a rate.
        """
        if not self._closed and self._source is None:
            self._intake.push(samples, rate_hz, arrived_s)

    def hear_other(self, samples: NDArray[np.int16], rate_hz: int, arrived_s: float) -> None:
        """Take what somebody says to the avatar: it attends to them. Never published; else like `hear`."""
        if not self._closed:
            self._other.push(samples, rate_hz, arrived_s)

    def speak_from(self, source: VoiceSource | None) -> None:
        """From the next tick on the avatar says what this source gives and nothing else; None: what `hear` takes."""
        self._source = source
        self._intake.clear()

    def plan_steps(self, frames_per_step: int) -> None:
        """From now on the studio gathers so many chunks before it listens and draws: the delay goes with it."""
        if frames_per_step != self.frames_per_step:
            self._delay.replan(self._delay.planned_ticks + frames_per_step - self.frames_per_step)
            self.frames_per_step = frames_per_step

    def interrupt(self) -> int:
        """Stop speaking now: waiting voice is gone, frames of it are never shown, the mouth closes softly.

        Returns:
            The new epoch.
        """
        self._epoch += 1
        self._intake.clear()
        if self._source is not None:
            self._source.interrupted(self._epoch)
        self._frames.clear()
        for i, chunk in enumerate(self._voices):
            voice = np.zeros_like(chunk.playback)
            if i == 0:
                fade = np.linspace(1.0, 0.0, _FADE_SAMPLES)
                voice[:_FADE_SAMPLES] = (chunk.playback[:_FADE_SAMPLES] * fade).astype(np.int16)
            self._voices[i] = replace(chunk, playback=voice, arrived_s=0.0)
        self._speaking = False
        self._show_state()
        return self._epoch

    def attend(self, on: bool) -> None:
        """Somebody else speaks to the avatar, or has stopped."""
        self._attending = on
        self._show_state()

    @property
    def matte_wanted(self) -> bool:
        """Whether anybody has a use for mattes: without one they are not drawn."""
        return self._matte_takers > 0

    def take_mattes(self) -> None:
        """Publish what of each picture is the person, until `leave_mattes` is called as often.

        Raises:
            BadInput: `alpha_unavailable`, the renderer cannot tell.
        """
        if not self.can_matte:
            raise BadInput(
                "alpha_unavailable",
                "This server's renderer cannot cut the person out.",
                "Ask without alpha, or use another renderer.",
            )
        self._count_mattes(1)

    def leave_mattes(self) -> None:
        """One taker of mattes less."""
        if self._matte_takers:
            self._count_mattes(-1)

    def _count_mattes(self, change: int) -> None:
        self._matte_takers += change
        if self.on_mattes is not None:
            self.on_mattes(change)

    def add_sink(self, sink: MediaSink) -> None:
        """Publish to this sink from the next tick on."""
        self._sinks.append(sink)

    def remove_sink(self, sink: MediaSink) -> None:
        """Publish to it no more; a sink that is not there is no error."""
        if sink in self._sinks:
            self._sinks.remove(sink)

    async def stream(self, size_ms: int = 200) -> AsyncIterator[Published]:
        """What the session publishes, for as long as it lives; a slow reader loses the oldest."""
        sink = _ChannelSink(size_ms)
        self.add_sink(sink)
        try:
            async for item in sink.channel:
                yield item
        finally:
            self.remove_sink(sink)

    def stats(self) -> SessionStats:
        """How the session does."""
        intake = self._intake
        return self._counts.stats(
            self.next_frame, self._delay.ticks * CHUNK_MS, intake.dropped_chunks, intake.underruns
        )

    def tick(self, now_s: float) -> Chunk:
        """One tick of the media clock: take the chunk that has come, publish the frame whose time it is.

        Returns:
            The chunk, for the studio to listen to.
        """
        raw = self._intake.take() if self._source is None else self._source.take(self._tick)
        said = self._other.take()
        if raw is None:
            chunk = silent_chunk(self._tick, self._epoch)
        else:
            speaker = self.speaker if raw.speaker is None else raw.speaker
            chunk = Chunk(
                self._tick, raw.samples, raw.playback, self._epoch, raw.arrived_s, raw.feeling, speaker=speaker
            )
        if said is not None:
            chunk = replace(chunk, other=said.samples)
        self._voices.append(chunk)
        self._tick += 1
        if self.trace is not None:
            self.trace.ticked(chunk, now_s)
        self._begun = self._begun or len(self._voices) > self._delay.planned_ticks
        if self._begun:
            for _ in range(self._delay.step(quiet=not self._speaking)):
                self._publish(self._voices.popleft(), now_s)
        return chunk

    def skip(self, ticks: int) -> None:
        """The clock has left out so many ticks: the machine stood still."""
        self._skipped_ticks += ticks

    def deliver(self, frames: list[Frame], step: StepTimes | None = None) -> None:
        """Take frames from the studio; what is late or of an older epoch is dropped."""
        if self.trace is not None and step is not None and not self._closed:
            self.trace.delivered(frames, step, self._next_frame, time.monotonic())
        for frame in frames:
            self._delay.note_frame(frame.index - self._next_frame)
            if frame.index < self._next_frame:
                self._counts.dropped += 1
            elif frame.epoch == self._epoch:
                self._frames[frame.index] = frame

    def fail(self, error: VisavisError) -> None:
        """The studio cannot go on with this session."""
        _log.error("session failed", extra={"session": self.id, "code": error.code, "reason": str(error)})
        if self.on_failed is not None:
            self.on_failed(error)

    async def aclose(self) -> None:
        """End the session and free what it holds. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for sink in self._sinks:
            if isinstance(sink, _ChannelSink):
                sink.channel.close()
        self._sinks.clear()
        self._frames.clear()
        self._voices.clear()
        self._intake.close()
        self._other.close()
        self._source = None
        while self._matte_takers:
            self._count_mattes(-1)
        if self.trace is not None:
            stats = self.stats()
            told = {"sent": stats.frames_sent, "repeated": stats.frames_repeated, "dropped": stats.frames_dropped}
            self.trace.close(**told)
        await self._on_close(self)

    def _publish(self, chunk: Chunk, now_s: float) -> None:
        frame = self._frames.pop(chunk.index, None)
        trace: FrameTrace | None = None
        latency_ms: float | None = None
        self._next_frame = chunk.index + 1
        self._counts.published(frame is not None)
        if frame is not None:
            self._picture, self._planes = frame.picture, frame.planes
            self._last_shown = frame.index
            self._matte = frame.matte
            self._speaking = frame.speaking
            self._hears_other = frame.hears_other
            if chunk.arrived_s > 0.0:
                latency_ms = (now_s - chunk.arrived_s) * 1000
                self._counts.latency(latency_ms)
                if self.on_latency is not None:
                    self.on_latency(latency_ms)
            if self.trace is not None:
                trace = self.trace.published(chunk.index, now_s, latency_ms)
        late, skipped = frame is None, self._skipped_ticks + self._delay.shift_ticks
        item = Published(
            chunk.index,
            self._picture,
            chunk.playback,
            late,
            self._epoch,
            self._matte,
            skipped,
            trace,
            self._planes,
        )
        for sink in tuple(self._sinks):
            sink.publish(item)
        self._show_state()

    def _show_state(self) -> None:
        attends = self._attending or self._hears_other
        state: State = "speaking" if self._speaking else "listening" if attends else "idle"
        if state != self._state:
            self._state = state
            if self.on_state is not None:
                self.on_state(state, self._epoch)


class _ChannelSink:
    def __init__(self, size_ms: int) -> None:
        self.channel: Channel[Published] = Channel(size_ms, CHUNK_MS, Overflow.DROP_OLDEST)

    def publish(self, item: Published) -> None:
        try:
            self.channel.offer(item)
        except Closed:
            return
