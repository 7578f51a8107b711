"""The voice of a show: what was read ahead, handed out on the session's own clock, one file right behind the other.

What is told as played was really published. A few seconds wait here and never more. Knows nothing of files or of the
order in which they come.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import FRAME_RATE_HZ, PLAYBACK_RATE_HZ, PLAYBACK_SAMPLES
from visavis_models.errors import VisavisError
from visavis_server.heard_voice import HeardVoice, fade_in, let_fade
from visavis_server.media import Published
from visavis_server.play_list import Delivery, PlayItem
from visavis_server.voice_intake import RawChunk

AHEAD_S = 4.0
"""So much is read ahead: files may lie on slow disks."""
_PROGRESS_TICKS = FRAME_RATE_HZ

EndOfItem = Literal["ended", "skipped", "broken"]


@dataclass(eq=False, slots=True)
class Playing:
    """One item while it is played; a looped item is another one each time."""

    number: int
    item: PlayItem
    title: str
    duration_s: float
    """As far as the file's header tells; 0: it does not."""
    unwanted: bool = False
    """The rest of it is not to be read."""
    begun: bool = False
    """Some of it was handed out."""
    published: int = 0
    """Samples at 48 kHz that have left the session."""
    problem: VisavisError | None = None
    """Why it broke off."""

    @property
    def position_s(self) -> float:
        """How far it was heard."""
        return self.published / PLAYBACK_RATE_HZ


@dataclass(frozen=True, slots=True)
class ItemStarted:
    """Its first frame has left the session."""

    playing: Playing


@dataclass(frozen=True, slots=True)
class ItemProgress:
    """How far it has come, once a second."""

    playing: Playing
    position_s: float


@dataclass(frozen=True, slots=True)
class ItemEnded:
    """It is over."""

    playing: Playing
    position_s: float
    how: EndOfItem


@dataclass(frozen=True, slots=True)
class Finished:
    """Everything was played, and its last frame has left the session."""


VoiceEvent: TypeAlias = ItemStarted | ItemProgress | ItemEnded | Finished


@dataclass(slots=True)
class _Piece:
    playing: Playing
    samples: NDArray[np.int16]
    last: bool = False


@dataclass(slots=True)
class _Rest:
    samples: int


@dataclass(slots=True)
class _Span:
    """Samples of one item within one tick: kept until they are published, for an interruption gives some back."""

    index: int
    playing: Playing
    samples: NDArray[np.int16]
    last: bool


@dataclass(slots=True)
class _Sound:
    """What was heard last: where sound breaks off or goes on, it is faded."""

    height: int = 0
    broke_off: bool = False
    silent_ticks: int = 0
    heard: HeardVoice = field(default_factory=HeardVoice)


class PlayVoice:
    """A `VoiceSource`, and a `MediaSink` that only counts.

    Args:
        tell: what has happened; called on the event loop.
    """

    def __init__(self, tell: Callable[[VoiceEvent], None]) -> None:
        self._tell = tell
        self._queue: deque[_Piece | _Rest] = deque()
        self._spans: deque[_Span] = deque()
        self._sound = _Sound()
        self._room = asyncio.Event()
        self._since_progress = 0
        self.finishing = False
        """Nothing more comes, but not all of it has left."""
        self.paused = False
        """Nothing is handed out meanwhile."""
        self.current: Playing | None = None
        """What is being heard: from its first frame to its last."""
        self.underruns = 0
        """How often files could not be read as fast as they are heard."""

    @property
    def waiting_s(self) -> float:
        """What was read but not handed out yet, without rests."""
        return sum(piece.samples.size for piece in self._queue if isinstance(piece, _Piece)) / PLAYBACK_RATE_HZ

    async def room(self) -> None:
        """Wait until less than `AHEAD_S` wait."""
        while self.waiting_s >= AHEAD_S:
            self._room.clear()
            await self._room.wait()

    def push(self, playing: Playing, samples: NDArray[np.int16]) -> None:
        """Take what was read of an item, int16 (n,) at 48 kHz; of one that is unwanted, nothing."""
        if not playing.unwanted and samples.size:
            self._queue.append(_Piece(playing, samples))

    def end(self, playing: Playing, problem: VisavisError | None = None) -> None:
        """All of an item was pushed, or as much as could be read."""
        if not playing.unwanted:
            playing.problem = problem
            self._queue.append(_Piece(playing, np.zeros(0, np.int16), True))

    def rest(self, pause_s: float) -> None:
        """Silence before what comes next."""
        if pause_s > 0:
            self._queue.append(_Rest(round(pause_s * PLAYBACK_RATE_HZ)))

    def finish(self, on: bool = True) -> None:
        """Nothing more comes: say so when everything has left. False: something comes after all."""
        self.finishing = on

    def drop_rest(self) -> None:
        """Go on at once if silence is handed out now."""
        while self._queue and isinstance(self._queue[0], _Rest):
            self._queue.popleft()

    def take(self, index: int) -> RawChunk | None:
        """The 40 ms of one tick; see `VoiceSource`."""
        voice, filled = np.zeros(PLAYBACK_SAMPLES, np.int16), 0
        delivery = Delivery()
        while self._queue and filled < PLAYBACK_SAMPLES and not self.paused:
            piece = self._queue[0]
            if isinstance(piece, _Rest):
                count = min(piece.samples, PLAYBACK_SAMPLES - filled)
                self._fall_silent(voice[filled : filled + count])
                piece.samples -= count
                done = piece.samples == 0
            else:
                count = self._hand_out(piece, voice[filled:], index)
                delivery = piece.playing.item.delivery
                done = piece.samples.size == 0
            filled += count
            if done:
                self._queue.popleft()
        if filled < PLAYBACK_SAMPLES:
            self._break_off()
            self._fall_silent(voice[filled:])
        self._room.set()
        self._sound.silent_ticks = 0 if voice.any() else self._sound.silent_ticks + 1
        if self._sound.silent_ticks > 2:
            return None
        return RawChunk(self._sound.heard.push(voice), voice, 0.0, delivery.feeling, delivery.speaker)

    def _hand_out(self, piece: _Piece, voice: NDArray[np.int16], index: int) -> int:
        """Fill the beginning of this with a piece's; how much there was."""
        part, piece.samples = piece.samples[: voice.size], piece.samples[voice.size :]
        count = part.size
        voice[:count] = part
        if self._sound.broke_off and count:
            fade_in(voice[:count])
            self._sound.broke_off = False
        if count:
            self._sound.height = int(voice[count - 1])
            piece.playing.begun = True
        self._spans.append(_Span(index, piece.playing, part, piece.last and piece.samples.size == 0))
        return count

    def _break_off(self) -> None:
        """No more can be handed out: what goes on later was broken off, if it was in the middle of something."""
        if self._sound.height and not self.paused and not self.finishing and self._spans and not self._spans[-1].last:
            self.underruns += 1
        self._sound.broke_off = self._sound.broke_off or self._sound.height != 0

    def _fall_silent(self, voice: NDArray[np.int16]) -> None:
        if self._sound.height:
            let_fade(voice, self._sound.height)
            self._sound.height = 0

    def interrupted(self, epoch: int) -> None:
        """Skip what is being heard; what had just begun behind it begins again. See `VoiceSource`."""
        skipped = self._heard_now()
        for span in reversed(self._spans):
            if span.playing is not skipped:
                self._queue.appendleft(_Piece(span.playing, span.samples, span.last))
        self._spans.clear()
        self._sound.heard.forget()
        self._sound.height, self._sound.broke_off = 0, True
        if skipped is not None:
            skipped.unwanted = True
            mine = [piece for piece in self._queue if isinstance(piece, _Piece) and piece.playing is skipped]
            for piece in mine:
                self._queue.remove(piece)
            self.drop_rest()
            self._over(skipped, "skipped")
        self._room.set()

    def _heard_now(self) -> Playing | None:
        if self._spans:
            return self._spans[0].playing
        if self.current is not None:
            return self.current
        head = self._queue[0] if self._queue else None
        return head.playing if isinstance(head, _Piece) and head.playing.begun else None

    def publish(self, item: Published) -> None:
        """Note what has left the session; see `MediaSink`."""
        while self._spans and self._spans[0].index <= item.index:
            span = self._spans.popleft()
            playing = span.playing
            if span.samples.size and not playing.published:
                self._since_progress = 0
                self.current = playing
                self._tell(ItemStarted(playing))
            playing.published += span.samples.size
            if span.last:
                self._over(playing, "broken" if playing.problem else "ended")
        if self.current is not None and self._since_progress >= _PROGRESS_TICKS:
            self._since_progress = 0
            self._tell(ItemProgress(self.current, self.current.position_s))
        self._since_progress += not self.paused
        if self.finishing and not self._queue and not self._spans:
            self.finishing = False
            self._tell(Finished())

    def _over(self, playing: Playing, how: EndOfItem) -> None:
        if self.current is playing:
            self.current = None
        self._tell(ItemEnded(playing, playing.position_s, how))

    def close(self) -> None:
        """Forget everything and tell nobody."""
        self._queue.clear()
        self._spans.clear()
        self._sound.heard.forget()
        self.current = None
        self._room.set()
