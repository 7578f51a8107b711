"""The voice of an agent: segments in a queue, spoken one after another on the session's own clock.

Speech may come faster than it is spoken, up to a limit in seconds; more is refused. What is told as played was really
published. Knows nothing of WebSockets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import FRAME_RATE_HZ, PLAYBACK_RATE_HZ, PLAYBACK_SAMPLES
from visavis_models.errors import BadRequest
from visavis_models.mood import Feeling
from visavis_server.heard_voice import HeardVoice, fade_in, let_fade
from visavis_server.media import Published
from visavis_server.segment import Segment
from visavis_server.voice_intake import RawChunk

MAX_SEGMENTS = 500
"""So many may wait; more are refused."""
_CUSHION_MS = 80
"""A segment that comes in real time begins when so much of it is there."""
_MAX_CUSHION_MS = 400
_CUSHION_STEP_MS = 40
_PROGRESS_TICKS = FRAME_RATE_HZ // 2


@dataclass(frozen=True, slots=True)
class Started:
    """The first frame of a segment has left the session."""

    segment: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the voice has come; twice a second while it speaks."""

    segment: str
    seconds: float
    waiting_s: float
    """Speech that is still to be spoken, all segments together."""


@dataclass(frozen=True, slots=True)
class Ended:
    """All of a segment was spoken."""

    segment: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A segment will not be spoken, or not to its end. `segment` is None if nothing was to be spoken."""

    segment: str | None
    seconds: float
    """How much of it was heard."""


VoiceEvent: TypeAlias = Started | Progress | Ended | Interrupted


@dataclass(slots=True)
class _Span:
    """Samples of one segment within one tick."""

    index: int
    segment: Segment
    samples: int
    last: bool


class AgentVoice:
    """A `VoiceSource`, and a `MediaSink` that only counts.

    Args:
        buffer_s: so much speech may wait.
        tell: what has happened; called on the event loop.
    """

    def __init__(self, buffer_s: float, tell: Callable[[VoiceEvent], None]) -> None:
        self._buffer_s = buffer_s
        self._tell = tell
        self._queue: deque[Segment] = deque()
        self._open: Segment | None = None
        self._unwanted = False
        """The rest of the open segment is thrown away."""
        self._spans: deque[_Span] = deque()
        self._listening = HeardVoice()
        self._flowing = False
        self._broke_off = False
        self._last_sample = 0
        self._silent_ticks = 0
        self._cushion_ms = _CUSHION_MS
        self._since_progress = 0
        self._counted = 0
        self.underruns = 0
        """How often a segment came slower than it was spoken."""

    @property
    def waiting_s(self) -> float:
        """Speech that came but was not handed out yet."""
        return sum(segment.waiting_s for segment in self._queue)

    @property
    def busy(self) -> bool:
        """There is something to be spoken, or on its way out."""
        return bool(self._spans) or any(segment.complete or segment.waiting_s > 0 for segment in self._queue)

    @property
    def open_segment(self) -> str | None:
        """The segment that speech goes into now."""
        return None if self._open is None else self._open.id

    @property
    def starved(self) -> bool:
        """A segment is open and nothing can be spoken: the voice waits for its agent."""
        waits = bool(self._queue) and self._queue[0] is self._open
        return waits and not self._unwanted and not self._flowing and not self._spans

    def begin(self, id: str | None, rate_hz: int, feeling: Feeling | None = None, speaker: int | None = None) -> str:
        """A new segment; one that is still open ends with that.

        Args:
            id: its name in events; None: a number.
            rate_hz: of its samples.
            feeling: with what it is to be spoken; None: the session's mood holds.
            speaker: who in the picture says it; None: whom the session has chosen.

        Returns:
            Its id.

        Raises:
            BadVoice: `bad_sample_rate`.
            BadRequest: `segment_exists` or `too_many_segments`.
        """
        if self._open is not None:
            self._open.complete, self._open = True, None
        if len(self._queue) >= MAX_SEGMENTS:
            raise BadRequest(
                "too_many_segments", f"{MAX_SEGMENTS} segments wait already.", "Wait until some of them have ended."
            )
        self._counted += 1
        segment = Segment(id or str(self._counted), rate_hz, feeling, speaker)
        if any(segment.id == other.id for other in (*self._queue, *(span.segment for span in self._spans))):
            raise BadRequest(
                "segment_exists",
                f"Segment {segment.id!r} is still to be spoken.",
                "Give each segment a name of its own.",
            )
        self._queue.append(segment)
        self._open, self._unwanted = segment, False
        return segment.id

    def push(self, pcm: bytes, arrived_s: float) -> bool:
        """Speech for the open segment, s16le.

        Returns:
            Whether it is wanted; what comes after an interruption until the segment's end is thrown away.

        Raises:
            BadRequest: `no_segment`; or `buffer_full`: the segment is spoken as far as it was taken, the rest of it is
                not wanted.
        """
        if self._open is None:
            raise BadRequest("no_segment", "Speech came outside a segment.", "Send segment.start first.")
        if self._unwanted:
            return False
        if self.waiting_s + len(pcm) / 2 / self._open.rate_hz > self._buffer_s:
            self._unwanted = self._open.complete = True
            raise BadRequest(
                "buffer_full",
                f"More than {self._buffer_s:g} s of speech wait; the rest of segment {self._open.id!r} is lost.",
                "Keep less ahead: progress events say how much waits.",
            )
        self._open.push(pcm, arrived_s)
        return bool(pcm)

    def end(self) -> None:
        """The open segment is complete.

        Raises:
            BadRequest: `no_segment`, or `bad_pcm`.
        """
        if self._open is None:
            raise BadRequest("no_segment", "No segment is open.", "Send segment.start first.")
        segment, self._open = self._open, None
        if not self._unwanted:
            segment.end()

    def clear(self) -> None:
        """Forget every segment that has not begun; the one that is being spoken goes on."""
        for segment in [segment for segment in self._queue if not segment.begun]:
            self._queue.remove(segment)
            self._forget(segment)

    def interrupted(self, epoch: int) -> None:
        """Forget everything; see `VoiceSource`."""
        spoken = {id(span.segment): span.segment for span in self._spans}
        segments = [*spoken.values(), *(segment for segment in self._queue if id(segment) not in spoken)]
        self._queue.clear()
        self._spans.clear()
        self._flowing = self._broke_off = False
        self._last_sample = 0
        self._listening.forget()
        for segment in segments:
            self._forget(segment)
        if not segments:
            self._tell(Interrupted(None, 0.0))

    def _forget(self, segment: Segment) -> None:
        segment.drop()
        if segment is self._open:
            self._unwanted = True
        self._tell(Interrupted(segment.id, segment.played_s))

    def close(self) -> None:
        """Forget everything and tell nobody."""
        for segment in self._queue:
            segment.drop()
        self._queue.clear()
        self._spans.clear()
        self._listening.forget()

    def take(self, index: int) -> RawChunk | None:
        """The 40 ms of one tick; see `VoiceSource`."""
        voice, filled, arrived_s = np.zeros(PLAYBACK_SAMPLES, np.int16), 0, 0.0
        feeling: Feeling | None = None
        speaker: int | None = None
        while self._queue and filled < PLAYBACK_SAMPLES:
            segment = self._queue[0]
            if not self._ready(segment, PLAYBACK_SAMPLES - filled):
                break
            if not segment.begun and not self._flowing:
                arrived_s = segment.arrived_s
            part = segment.read(PLAYBACK_SAMPLES - filled)
            if self._broke_off:
                fade_in(part := part.copy())
                self._broke_off = False
            voice[filled : filled + part.size] = part
            filled += part.size
            self._flowing = True
            feeling, speaker = segment.feeling, segment.speaker
            self._spans.append(_Span(index, segment, part.size, segment.exhausted))
            if segment.exhausted:
                self._queue.popleft()
                segment.drop()
                self._cushion_ms = max(_CUSHION_MS, self._cushion_ms - _CUSHION_STEP_MS)
        if filled < PLAYBACK_SAMPLES:
            before = int(voice[filled - 1]) if filled else self._last_sample
            let_fade(voice[filled:], before)
            self._pause()
        self._last_sample = int(voice[-1])
        return self._chunk(voice, arrived_s, feeling, speaker)

    def _ready(self, segment: Segment, count: int) -> bool:
        """Whether a segment can be spoken now without breaking off at once."""
        if segment.complete:
            return True
        if not self._flowing and segment.waiting_s < self._cushion_ms / 1000:
            return False
        return segment.holds(count)

    def _pause(self) -> None:
        """Nothing more is there to be spoken."""
        if self._flowing and self._queue and self._queue[0].begun:
            self.underruns += 1
            self._cushion_ms = min(_MAX_CUSHION_MS, self._cushion_ms + _CUSHION_STEP_MS)
            self._broke_off = True
        self._flowing = False

    def _chunk(
        self, voice: NDArray[np.int16], arrived_s: float, feeling: Feeling | None, speaker: int | None
    ) -> RawChunk | None:
        self._silent_ticks = 0 if voice.any() else self._silent_ticks + 1
        if self._silent_ticks > 2:
            return None
        return RawChunk(self._listening.push(voice), voice, arrived_s, feeling, speaker)

    def publish(self, item: Published) -> None:
        """Note what has left the session; see `MediaSink`."""
        while self._spans and self._spans[0].index <= item.index:
            span = self._spans.popleft()
            segment = span.segment
            if span.samples and not segment.published:
                self._since_progress = 0
                self._tell(Started(segment.id))
            segment.published += span.samples
            if span.last:
                self._tell(Ended(segment.id, segment.played_s))
            elif self._since_progress >= _PROGRESS_TICKS:
                self._since_progress = 0
                on_way_s = sum(later.samples for later in self._spans) / PLAYBACK_RATE_HZ
                self._tell(Progress(segment.id, segment.played_s, self.waiting_s + on_way_s))
        self._since_progress += 1
