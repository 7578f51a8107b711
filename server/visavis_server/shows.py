"""Shows: sessions whose voice comes from files, for viewers who watch them over WHEP. One show is one session.

Opens them, keeps their books and tells listeners what is played. Knows nothing of HTTP or of how files are read.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from visavis_models.errors import Busy, NotFound, VisavisError
from visavis_models.framing import check_person
from visavis_models.mood import Mood
from visavis_server.avatar_desk import AvatarDesk
from visavis_server.call import Call, CallStats, EndReason
from visavis_server.metrics import Metrics
from visavis_server.play_list import PlayItem
from visavis_server.play_order import PlayOrder
from visavis_server.play_voice import Finished, ItemEnded, ItemProgress, ItemStarted, PlayVoice
from visavis_server.player import ItemFailed, Player
from visavis_server.registry import SessionRegistry
from visavis_server.transmissions import Transmissions, watch_id

_log = logging.getLogger(__name__)

MAX_LISTENERS = 20
"""Of one show's events."""
_WAITING_EVENTS = 100
"""A listener that is so far behind is left: an event is never lost unnoticed."""

ShowState = Literal["playing", "paused", "resting", "finished"]


@dataclass(frozen=True, slots=True)
class ShowWish:
    """How a show is to be played."""

    items: Sequence[PlayItem]
    name: str = ""
    """Viewers find it at /whep/{name}; empty: by its watch id only."""
    loop: bool = False
    shuffle: bool = False
    seed: int | None = None
    """Of the shuffled order; None: another one each time."""
    pause_s: float = 0.0
    """Silence between two items, in which the avatar idles; 0: gapless."""
    paused: bool = False
    """Begin only when told to."""
    ends: bool = False
    """The session ends with the last item; else it waits for more."""
    speaker: int = 0
    """Who in the picture speaks where an item does not say who."""
    format: str | None = None
    """See `framed`; None: what the settings say."""


@dataclass(frozen=True, slots=True)
class ShowChanged:
    """Somebody paused it, let it go on, or changed whether it loops."""


@dataclass(frozen=True, slots=True)
class AvatarState:
    """The avatar is seen to do something else."""

    state: str
    epoch: int


@dataclass(frozen=True, slots=True)
class ShowOver:
    """The session has ended; the last event."""

    reason: EndReason
    error: VisavisError | None


ShowEvent: TypeAlias = (
    ItemStarted | ItemProgress | ItemEnded | ItemFailed | Finished | ShowChanged | AvatarState | ShowOver
)


class Show:
    """One show; its call's `Audience` and `Guest`.

    Args:
        call: whose avatar speaks.
        wish: what is played, and how.
        metrics: what is counted.
        on_finished: everything was played.
        on_gone: takes it off the books.
    """

    def __init__(
        self,
        call: Call,
        wish: ShowWish,
        metrics: Metrics,
        on_finished: Callable[[Show], None],
        on_gone: Callable[[Show], None],
    ) -> None:
        self.call = call
        self.wish = wish
        self.played = self.failed = 0
        """Items that ended, and that were passed over."""
        self._metrics = metrics
        self._on_finished = on_finished
        self._on_gone = on_gone
        self._listeners: list[asyncio.Queue[ShowEvent | None]] = []
        self._finished = False
        self._closed = False
        self._over = asyncio.Event()
        self._reason: EndReason = "failed"
        seed = secrets.randbits(32) if wish.seed is None else wish.seed
        order = PlayOrder(wish.items, loop=wish.loop, shuffle=wish.shuffle, seed=seed)
        self.voice = PlayVoice(self._on_event)
        self.voice.paused = wish.paused
        self.player = Player(order, self.voice, wish.pause_s, self._on_event)

    @property
    def id(self) -> str:
        """The session's id."""
        return self.call.id

    @property
    def listeners(self) -> int:
        """How many are told of its events."""
        return len(self._listeners)

    @property
    def watch_name(self) -> str:
        """Under which viewers find it."""
        return self.wish.name or watch_id(self.call.id)

    @property
    def state(self) -> ShowState:
        """What it does now."""
        if self._finished:
            return "finished"
        if self.voice.paused:
            return "paused"
        return "playing" if self.voice.current is not None else "resting"

    def _check_speakers(self, items: Sequence[PlayItem]) -> None:
        """Nobody may say anything who is not in the picture."""
        for item in items:
            if item.delivery.speaker is not None:
                check_person(item.delivery.speaker, self.call.session.people)

    def bind(self) -> None:
        """Take the voice of the call and begin to read.

        Raises:
            BadInput: `bad_speaker`, an item is for somebody who is not there.
            BadRequest: somebody else speaks for it.
            NotFound: it has ended.
        """
        self._check_speakers(self.wish.items)
        self.call.take_voice(self)
        try:
            self.call.host(self)
        except VisavisError:
            self.call.leave_voice(self)
            raise
        self.call.watchers.append(self)
        self.call.session.speak_from(self.voice)
        self.call.session.add_sink(self.voice)
        self.player.start()

    def append(self, items: Sequence[PlayItem]) -> None:
        """More to play, after what is there already.

        Raises:
            BadInput: `too_many_items`, or `bad_speaker`.
        """
        self._check_speakers(items)
        self.player.append(items)
        self._finished = False
        self.call.touch()

    def skip(self) -> None:
        """Fall silent and go on with the next item; in a rest, go on at once."""
        self.voice.drop_rest()
        self.call.interrupt()

    def pause(self, on: bool) -> None:
        """Hold the place, or go on from it."""
        self.voice.paused = on
        self.call.touch()
        self._on_event(ShowChanged())

    def loop(self, on: bool) -> None:
        """Begin again after the last item, or do not."""
        self.player.loop(on)
        self._finished = self._finished and not on
        self.call.touch()
        self._on_event(ShowChanged())

    def listen(self) -> asyncio.Queue[ShowEvent | None]:
        """What happens from now on; None at the end: the show is over, or its reader is far too slow.

        Raises:
            Busy: `listeners_full`.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise Busy("listeners_full", "Enough listeners follow this show.", "Share one of them.")
        listener: asyncio.Queue[ShowEvent | None] = asyncio.Queue(_WAITING_EVENTS)
        self._listeners.append(listener)
        if self._closed:
            self._leave(listener)
        return listener

    def unlisten(self, listener: asyncio.Queue[ShowEvent | None]) -> None:
        """Tell this one no more. Idempotent."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    async def until_over(self) -> EndReason:
        """Wait until its session has ended; why it did."""
        await self._over.wait()
        return self._reason

    def on_mood(self, mood: Mood) -> None:
        """Its listeners are not told; see `Audience`."""

    def on_speaker(self, person: int) -> None:
        """Its listeners are not told; see `Audience`."""

    def on_state(self, state: str, epoch: int) -> None:
        """Tell the listeners; see `Audience`."""
        self._on_event(AvatarState(state, epoch))

    def on_stats(self, stats: CallStats) -> None:
        """Listeners are not told; see `Audience`."""

    def on_end(self, reason: EndReason, error: VisavisError | None) -> None:
        """Tell the listeners good-bye; see `Audience`."""
        self._reason = reason
        self._on_event(ShowOver(reason, error))

    async def close(self) -> None:
        """Speak no more; see `Guest`."""
        if self._closed:
            return
        self._closed = True
        self.call.session.remove_sink(self.voice)
        self.call.session.speak_from(None)
        if self in self.call.watchers:
            self.call.watchers.remove(self)
        self.call.leave_voice(self)
        self.call.dismiss(self)
        self._on_gone(self)
        for listener in tuple(self._listeners):
            self._leave(listener)
        self._over.set()
        await self.player.aclose()
        self.voice.close()

    def _on_event(self, event: ShowEvent) -> None:
        match event:
            case ItemEnded():
                self.played += 1
                self._metrics.show_item(event.how)
            case ItemFailed():
                self.failed += 1
                self._metrics.show_item("failed")
                self._metrics.error(event.error.code)
            case Finished():
                self._finished = True
        for listener in tuple(self._listeners):
            if listener.qsize() >= _WAITING_EVENTS - 1:  # the last place is for the good-bye
                self._leave(listener)
            else:
                listener.put_nowait(event)
        if isinstance(event, Finished):
            self._on_finished(self)

    def _leave(self, listener: asyncio.Queue[ShowEvent | None]) -> None:
        self.unlisten(listener)
        listener.put_nowait(None)


class Shows:
    """All shows of this server.

    Args:
        registry: the sessions.
        desk: the avatars.
        transmissions: where viewers find them.
        metrics: what is counted.
    """

    def __init__(
        self, registry: SessionRegistry, desk: AvatarDesk, transmissions: Transmissions, metrics: Metrics
    ) -> None:
        self._registry = registry
        self._desk = desk
        self._transmissions = transmissions
        self._metrics = metrics
        self._by_id: dict[str, Show] = {}

    def get(self, id: str) -> Show:
        """The show of this id.

        Raises:
            NotFound: there is none.
        """
        show = self._by_id.get(id)
        if show is None:
            raise NotFound("no_such_show", "There is no such show, or it has ended.", "Open a new one.")
        return show

    async def open(self, avatar_id: str, wish: ShowWish, *, lasting: bool = False) -> Show:
        """Begin a show.

        Args:
            avatar_id: who speaks.
            wish: what is played, and how.
            lasting: it is the operator's own: it has no oldest age, and may be silent as long as it likes.

        Raises:
            BadInput: `bad_name`, `bad_format`, `bad_speaker`, or see `PlayOrder.append`.
            BadRequest: `name_taken`.
            NotFound: no such avatar.
            Busy: no place.
        """
        self._transmissions.check_show(wish.name)
        avatar, speaker = await self._desk.on_stage(avatar_id, wish.format, wish.speaker)
        call = await self._registry.open(avatar, lasting=lasting, page_owns=False)
        try:
            call.set_speaker(speaker)
            self._transmissions.announce(wish.name, call)
            show = Show(call, wish, self._metrics, self._finished, self._forget)
            show.bind()
        except BaseException:
            self._transmissions.withdraw(wish.name, call)
            await self._registry.end(call.id, "failed")
            raise
        self._by_id[show.id] = show
        self._metrics.shows(1)
        _log.info("show began", extra={"session": show.id, "show": wish.name, "files": len(show.player.order)})
        return show

    async def end(self, show: Show, reason: EndReason = "deleted") -> None:
        """End a show and its session."""
        await self._registry.end(show.id, reason)

    def _finished(self, show: Show) -> None:
        if show.wish.ends:
            self._registry.end_soon(show.id, "client")

    def _forget(self, show: Show) -> None:
        self._transmissions.withdraw(show.wish.name, show.call)
        if self._by_id.pop(show.id, None) is not None:
            self._metrics.shows(-1)
