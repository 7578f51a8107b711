"""One session and whoever joined it: the signalling's audience and the media peer.

Knows nothing of HTTP, WebSockets or other calls.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from visavis_models.errors import BadRequest, Busy, NotFound, VisavisError
from visavis_models.framing import check_person
from visavis_models.mood import Mood
from visavis_server.call_times import CallTimes, expires_at_s
from visavis_server.media_peer import MediaPeer, PeerFactory
from visavis_server.metrics import CountedFrames
from visavis_server.session import Session
from visavis_server.session_stats import SessionStats
from visavis_server.settings import IceServer, SessionSettings

_log = logging.getLogger(__name__)

EndReason = Literal["client", "expired", "shutdown", "failed", "deleted"]
CLOSE_LIMIT_S = 4.0
"""A session and its peer have this long to free what they hold."""


class Guest(Protocol):
    """Whoever takes part in a call beside its page: a microphone, viewers, an agent, a recording."""

    async def close(self) -> None:
        """Free everything; the call ends. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class CallStats:
    """What the client is told once a second."""

    session: SessionStats
    bitrate_kbps: float | None
    rtt_ms: float | None
    loss: float | None


class Audience(Protocol):
    """Who is told what happens in a call. Called on the event loop; must not block."""

    def on_state(self, state: str, epoch: int) -> None:
        """The avatar does something else now."""
        ...

    def on_mood(self, mood: Mood) -> None:
        """Somebody wants the avatar to be another way."""
        ...

    def on_speaker(self, person: int) -> None:
        """Somebody else in the picture is to speak."""
        ...

    def on_stats(self, stats: CallStats) -> None:
        """A second has passed."""
        ...

    def on_end(self, reason: EndReason, error: VisavisError | None) -> None:
        """The call is over; nothing more comes."""
        ...


def shutting_down() -> Busy:
    """What a user is told who comes too late."""
    return Busy("shutting_down", "This server is shutting down.", "Try again in a moment.")


class Call:
    """One session and whoever joined it.

    Args:
        session: the avatar at work.
        make_peer: makes the media connection once there is an offer.
        ice_servers: issues STUN and TURN servers for the peer, with passwords that last from now.
        on_lost: called when the page's media connection is lost, with how: `failed`, `vanished` or `left`.
        page_owns: the call ends when the page leaves; else somebody opened it for themselves, and pages come and go.
    """

    def __init__(
        self,
        session: Session,
        make_peer: PeerFactory,
        ice_servers: Callable[[], tuple[IceServer, ...]],
        on_lost: Callable[[str], None],
        page_owns: bool = True,
    ) -> None:
        now_s = time.monotonic()
        self.session = session
        self.times = CallTimes(now_s, now_s)
        self.page_owns = page_owns
        self.audience: Audience | None = None
        self.watchers: list[Audience] = []
        """Who else is told of states and of the end."""
        self.counted = CountedFrames()
        self._make_peer = make_peer
        self._ice_servers = ice_servers
        self._on_lost = on_lost
        self._peer: MediaPeer | None = None
        self._guests: list[Guest] = []
        self._companions: list[Guest] = []
        self.on_joined: Callable[[], None] | None = None
        """Called whenever somebody takes part in a call in which nobody did."""
        self._speaker: object | None = None
        self._offered = False
        self._page_mattes = False
        self._partings: list[asyncio.Task[None]] = []
        self._told: tuple[str, int] | None = None
        self._closed = False
        session.on_state = self._show

    @property
    def id(self) -> str:
        """The session's id."""
        return self.session.id

    @property
    def negotiated(self) -> bool:
        """There is, or will be in a moment, a media connection."""
        return self._peer is not None

    def join(self, audience: Audience) -> None:
        """Somebody signals for this call from now on.

        Raises:
            BadRequest: somebody else does already.
        """
        if self.audience is not None:
            raise BadRequest(
                "already_joined", "Somebody has joined this session already.", "Open a session of your own."
            )
        self.audience = audience
        self._note_joined()

    def host(self, guest: Guest) -> None:
        """Somebody takes part in this call, and is closed with it. A call with guests has been joined.

        Raises:
            NotFound: the call has ended meanwhile.
        """
        if self._closed:
            raise NotFound("no_such_session", "This session has just ended.", "Open a new session.")
        self._guests.append(guest)
        self._note_joined()

    def accompany(self, guest: Guest) -> None:
        """Somebody is closed with this call, but does not keep it from ending.

        Raises:
            NotFound: the call has ended meanwhile.
        """
        if self._closed:
            raise NotFound("no_such_session", "This session has just ended.", "Open a new session.")
        self._companions.append(guest)

    def dismiss(self, guest: Guest) -> None:
        """A guest has gone. A call that nobody takes part in any more ends unless somebody joins it again."""
        if guest in self._companions:
            self._companions.remove(guest)
            return
        if guest in self._guests:
            self._guests.remove(guest)
        self._note_alone()

    def part(self, reason: EndReason, error: VisavisError | None = None) -> None:
        """The page leaves, the call goes on: its media connection is freed, and another page may join."""
        if self.audience is not None:
            self.audience.on_end(reason, error)
        peer, self._peer, self.audience, self._offered = self._peer, None, None, False
        self.session.attend(False)
        self._leave_mattes()
        if peer is not None:
            self.session.remove_sink(peer)
            task = asyncio.create_task(self._quietly(peer.close), name=f"part {self.id}")
            self._partings = [*(other for other in self._partings if not other.done()), task]
        self._note_alone()

    async def parted(self) -> None:
        """Wait until everything that pages held which have left is free."""
        await asyncio.gather(*self._partings)

    def take_voice(self, speaker: object) -> None:
        """From now on this one speaks for the avatar, and the page's microphone is not heard.

        Raises:
            BadRequest: somebody else does already.
        """
        if self._speaker is not None and self._speaker is not speaker:
            raise BadRequest(
                "already_speaking", "Somebody else speaks for this session already.", "Open a session of your own."
            )
        self._speaker = speaker

    def leave_voice(self, speaker: object) -> None:
        """Whoever took the voice speaks no more; the page's microphone is heard again."""
        if self._speaker is speaker:
            self._speaker = None

    def touch(self) -> None:
        """Somebody asked for something: the call is not idle."""
        self.times.active_s = time.monotonic()

    def expires_at_s(self, limits: SessionSettings) -> float | None:
        """The moment at which this call ends by itself."""
        if self.session.state != "idle":
            self.touch()
        return expires_at_s(self.times, limits)

    async def answer(
        self, sdp: str, alpha: bool = False, on_text: Callable[[str | bytes], str | None] | None = None
    ) -> str:
        """Connect the media.

        Args:
            sdp: the browser's offer.
            alpha: send the person beside their matte instead of the plain picture.
            on_text: heeds what comes over the data channel, and gives the answer if there is one.

        Raises:
            BadRequest: the offer cannot be used (another one may), or there was one already.
            BadInput: `alpha_unavailable`.
        """
        if self._peer is not None or self._closed:
            raise BadRequest(
                "already_negotiated",
                "This session has already been negotiated.",
                "Open a new session to connect again.",
            )
        if alpha:
            self.session.take_mattes()
            self._page_mattes = True
        self._offered = True
        peer = self._peer = self._make_peer(
            on_voice=self._hear_page, on_closed=lambda how: self._lost(peer, how), ice_servers=self._ice_servers()
        )
        peer.on_text = on_text
        try:
            answer = await peer.answer(sdp, alpha)
        except BaseException:
            if not self._closed and self._peer is peer:  # otherwise close() or part() has taken care of it
                self._leave_mattes()
                self._peer = None
                await peer.close()
            raise
        if not self._closed and self._peer is peer:
            self.session.add_sink(peer)
        return answer

    async def add_candidate(self, candidate: Mapping[str, object] | None) -> None:
        """Hand on a candidate of the browser; those of an offer that was refused are ignored.

        Raises:
            BadRequest: there was no offer yet, or it is no candidate.
        """
        if self._peer is None and self._offered:
            return
        if self._peer is None:
            raise BadRequest("no_offer", "A candidate came before the offer.", "Send the offer first.")
        await self._peer.add_candidate(candidate)

    def interrupt(self) -> int:
        """The avatar stops speaking; the new epoch."""
        self.touch()
        epoch = self.session.interrupt()
        self.show_state()
        return epoch

    def attend(self, on: bool) -> None:
        """Somebody else speaks to the avatar, or has stopped."""
        self.touch()
        self.session.attend(on)

    def set_mood(self, mood: Mood) -> None:
        """The avatar is to be like this; everybody is told if that is new."""
        self.touch()
        if mood != self.session.mood:
            self.session.mood = mood
            for told in (self.audience, *self.watchers):
                if told is not None:
                    told.on_mood(mood)

    def set_speaker(self, person: int) -> None:
        """Let this person in the picture speak; everybody is told if that is new.

        Raises:
            BadInput: `bad_speaker`, there is no such person.
        """
        check_person(person, self.session.people)
        self.touch()
        if person != self.session.speaker:
            self.session.speaker = person
            for told in (self.audience, *self.watchers):
                if told is not None:
                    told.on_speaker(person)

    @property
    def voiced(self) -> bool:
        """Somebody else than the page speaks for the avatar."""
        return self._speaker is not None

    def show_state(self, again: bool = False) -> None:
        """Tell the audience the state, if it has not been told this one already."""
        if again:
            self._told = None
        self._show(self.session.state, self.session.epoch)

    def stats(self) -> CallStats:
        """How session and connection do."""
        peer = self._peer.stats() if self._peer is not None else None
        return CallStats(
            self.session.stats(),
            peer.bitrate_kbps if peer else None,
            peer.rtt_ms if peer else None,
            peer.loss if peer else None,
        )

    async def close(self) -> bool:
        """Free what session, peer and guests hold, all at once, however one of them may fail.

        Returns:
            Whether all were done within `CLOSE_LIMIT_S`; what was not is cancelled.
        """
        self._closed = True
        self.session.on_state = None
        closings: list[Callable[[], Awaitable[None]]] = [self.session.aclose]
        if self._peer is not None:
            self.session.remove_sink(self._peer)
            closings.append(self._peer.close)
        closings.extend(guest.close for guest in (*self._guests, *self._companions))
        tasks = [asyncio.create_task(self._quietly(closing), name=f"close {self.id}") for closing in closings]
        tasks.extend(self._partings)
        _, late = await asyncio.wait(tasks, timeout=CLOSE_LIMIT_S)
        for task in late:
            task.cancel()
        if late:
            _log.error("session was slow to close", extra={"session": self.id})
            await asyncio.wait(late, timeout=0.5)
        return not late

    def _note_joined(self) -> None:
        first, self.times.joined = not self.times.joined, True
        self.touch()
        if first and self.on_joined is not None:
            self.on_joined()

    def _note_alone(self) -> None:
        if not self._guests and self.audience is None:
            self.times.joined, self.times.alone_s = False, time.monotonic()

    def _leave_mattes(self) -> None:
        if self._page_mattes:
            self._page_mattes = False
            self.session.leave_mattes()

    async def _quietly(self, closing: Callable[[], Awaitable[None]]) -> None:
        try:
            await closing()
        except Exception:  # the other half must still be closed
            _log.exception("session did not close cleanly", extra={"session": self.id})

    def _hear_page(self, samples: NDArray[np.int16], rate_hz: int, arrived_s: float) -> None:
        if self._speaker is None:
            self.session.hear(samples, rate_hz, arrived_s)
        else:  # whoever is at the page speaks to the avatar, not for it
            self.session.hear_other(samples, rate_hz, arrived_s)

    def _lost(self, peer: MediaPeer, how: str) -> None:
        if not self._closed and self._peer is peer:
            self._on_lost(how)

    def _show(self, state: str, epoch: int) -> None:
        self.touch()
        if self._told != (state, epoch):
            self._told = (state, epoch)
            for told in (self.audience, *self.watchers):
                if told is not None:
                    told.on_state(state, epoch)
