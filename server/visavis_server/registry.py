"""The calls of this server: admits them up to its capacity, ends them when their time has come, and counts.

One call's failure never touches another. Knows nothing of HTTP or WebSockets.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from visavis_models.avatar import Avatar
from visavis_models.errors import BadRequest, Busy, EngineError, NotFound, VisavisError
from visavis_models.rendering import GuardCounts
from visavis_server.access.usage import Permit
from visavis_server.call import CLOSE_LIMIT_S, Audience, Call, CallStats, EndReason, shutting_down
from visavis_server.ice_servers import IceServers
from visavis_server.load import DrawingCost
from visavis_server.media_peer import PeerFactory
from visavis_server.metrics import Metrics
from visavis_server.session import Session
from visavis_server.settings import Settings
from visavis_server.studio_figures import StudioFigures

_log = logging.getLogger(__name__)

SAMPLE_EVERY_S = 1.0


class Stage(Protocol):
    """Where sessions perform: a `Studio`."""

    cost: DrawingCost
    skipped_ticks: int
    figures: StudioFigures

    @property
    def guard_counts(self) -> GuardCounts | None:
        """What the renderer thought of its own pictures; None if it does not judge them."""
        ...

    async def open_session(self, avatar: Avatar) -> Session:
        """Put an avatar to work."""
        ...

    async def forget(self, avatar_id: str) -> None:
        """Drop what is kept of an avatar that was removed."""
        ...

    async def aclose(self) -> None:
        """End every session and free everything."""
        ...


class SessionRegistry:
    """The calls of this server.

    Args:
        settings: capacity and limits.
        stage: where sessions perform.
        metrics: what is counted.
        make_peer: makes media connections.
        grace_s: how long a full server waits for a place: a reloaded page comes back before its old call is gone.
        ice: STUN and TURN servers for the peers; None: those of the settings.
    """

    def __init__(
        self,
        settings: Settings,
        stage: Stage,
        metrics: Metrics,
        make_peer: PeerFactory,
        grace_s: float = 1.0,
        ice: IceServers | None = None,
    ) -> None:
        self._settings = settings
        self._stage = stage
        self._metrics = metrics
        self._make_peer = make_peer
        self._grace_s = grace_s
        self._ice = ice or IceServers(settings.rtc)
        self._calls: dict[str, Call] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._sampler: asyncio.Task[None] | None = None
        self._taken = 0
        self._changed = asyncio.Event()
        self.followers: list[Callable[[], None]] = []
        """Called on the event loop whenever a call has been opened or ends."""
        self._closed = False
        self._draining = False
        self.permit: Callable[[], Permit] | None = None
        """Asked before every call, for whoever wants it; raises `Busy`."""
        self._permits: dict[str, Permit] = {}
        self.on_opened: Callable[[Call], None] | None = None
        """Called with every new call before anybody can join it."""

    @property
    def capacity(self) -> int:
        """Calls at the same time."""
        return self._settings.capacity

    @property
    def draining(self) -> bool:
        """No new calls are admitted, because the server is to be stopped."""
        return self._draining or self._closed

    def drain(self) -> None:
        """Admit no new calls; those that are open go on."""
        if not self._draining:
            self._draining = True
            self._changed.set()
            _log.info("draining", extra={"sessions": self._taken})

    @property
    def active(self) -> int:
        """Calls that hold a place: those being opened and those being closed as well."""
        return self._taken

    def calls(self) -> tuple[Call, ...]:
        """The open calls, oldest first."""
        return tuple(self._calls.values())

    def get(self, id: str) -> Call:
        """The open call of this id.

        Raises:
            NotFound: there is none.
        """
        call = self._calls.get(id)
        if call is None:
            raise NotFound("no_such_session", "There is no such session, or it has ended.", "Open a new session.")
        return call

    def start(self) -> None:
        """Begin to sample the calls once a second."""
        self._sampler = asyncio.create_task(self._sample_forever(), name="sample sessions")

    async def open(self, avatar: Avatar, *, lasting: bool = False, page_owns: bool = True) -> Call:
        """Put an avatar to work.

        Args:
            avatar: who performs.
            lasting: the call has no end of its own; see `CallTimes`.
            page_owns: see `Call`.

        Raises:
            Busy: every place is taken, whoever asks has enough, or the server is shutting down.
            EngineError: the avatar cannot be drawn here.
        """
        permit = None if self.permit is None else self.permit()
        try:
            await self._take_place()
        except BaseException:
            _give_back(permit)
            raise
        try:
            session = await self._stage.open_session(avatar)
        except BaseException as error:
            self._free_place()
            _give_back(permit)
            if isinstance(error, VisavisError) or not isinstance(error, Exception):
                raise
            _log.exception("session did not open", extra={"avatar": avatar.id})
            raise EngineError(
                "session_failed", "The avatar could not be started.", "Try again; the server's log says more."
            ) from error
        id = session.id
        call = Call(session, self._make_peer, lambda: self._ice.issue(id), lambda how: self._lost(id, how), page_owns)
        call.times.lasting = lasting
        session.on_failed = lambda error: self.end_soon(id, "failed", error)
        session.on_latency = self._metrics.speech_to_lips
        session.on_mattes = self._metrics.matte_taker
        self._calls[id] = call
        if permit is not None:
            self._permits[id] = permit
        if self.on_opened is not None:
            self.on_opened(call)
        self._metrics.session_opened()
        _log.info("session opened", extra={"session": id, "avatar": avatar.id, "active": self._taken})
        if self._closed:
            await self.end(id, "shutdown")
            raise shutting_down()
        self._watches[id] = asyncio.create_task(self._watch(call), name=f"watch {id}")
        self._tell_followers()
        return call

    async def end(self, id: str, reason: EndReason, error: VisavisError | None = None) -> None:
        """End a call and wait until everything it held is free; a call that has ended is no error."""
        self.end_soon(id, reason, error)
        ending = self._ending.get(id)
        if ending is not None:
            await asyncio.shield(ending)

    def end_soon(self, id: str, reason: EndReason, error: VisavisError | None = None) -> None:
        """End a call without waiting for it."""
        call = self._calls.pop(id, None)
        if call is None:
            return
        watch = self._watches.pop(id, None)
        if watch is not None and watch is not asyncio.current_task():
            watch.cancel()
        if error is not None:
            self._metrics.error(error.code)
        for told in (call.audience, *call.watchers):
            if told is not None:
                told.on_end(reason, error)
        self._ending[id] = asyncio.create_task(self._close(call, reason), name=f"end {id}")
        self._changed.set()
        self._tell_followers()

    def page_left(self, call: Call, page: Audience, reason: EndReason, error: VisavisError | None = None) -> None:
        """A page leaves, or is to leave: its call ends with it unless somebody else opened that for themselves."""
        if call.page_owns:
            self.end_soon(call.id, reason, error)
        elif call.audience is page and call.id in self._calls:
            if error is not None:
                self._metrics.error(error.code)
            call.part(reason, error)

    async def aclose(self, reason: EndReason = "shutdown") -> None:
        """End every call, admit no more, and stop sampling. Idempotent."""
        self._closed = True
        for id in tuple(self._calls):
            self.end_soon(id, reason)
        await asyncio.gather(*self._ending.values(), return_exceptions=True)
        if self._sampler is not None:
            self._sampler.cancel()
            await asyncio.gather(self._sampler, return_exceptions=True)

    def _tell_followers(self) -> None:
        for follower in self.followers:
            follower()

    async def _take_place(self) -> None:
        begun_s = time.monotonic()
        while self._taken >= self.capacity and not self.draining:
            patience_s = CLOSE_LIMIT_S + 1 if self._ending else self._grace_s
            left_s = begun_s + patience_s - time.monotonic()
            if left_s <= 0:
                break
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left_s)
        if self.draining:
            raise shutting_down()
        if self._taken >= self.capacity:
            raise Busy(
                "server_full",
                f"All {self.capacity} places on this server are taken.",
                "Try again in a minute, or let its operator raise sessions.capacity.",
            )
        self._taken += 1

    def _free_place(self) -> None:
        self._taken -= 1
        self._changed.set()

    async def _close(self, call: Call, reason: EndReason) -> None:
        try:
            self._count(call)
            await call.close()
        except Exception:  # whatever it was, the place must become free again
            _log.exception("session did not close cleanly", extra={"session": call.id})
        finally:
            self._ending.pop(call.id, None)
            _give_back(self._permits.pop(call.id, None))
            self._free_place()
            self._metrics.session_ended(reason)
            age_s = round(time.monotonic() - call.times.opened_s, 1)
            _log.info("session ended", extra={"session": call.id, "reason": reason, "age_s": age_s})

    def _lost(self, id: str, how: str) -> None:
        call = self._calls.get(id)
        if call is None or call.audience is None:
            return
        if how == "left":
            self.page_left(call, call.audience, "client")
        elif how == "vanished":
            problem = ("connection_lost", "The media connection was lost.", "Check the network and call again.")
            self.page_left(call, call.audience, "failed", BadRequest(*problem))
        else:
            message = "No media connection could be made."
            remedy = "Allow UDP in the firewall, or set up a TURN server (rtc.ice_servers)."
            self.page_left(call, call.audience, "failed", BadRequest("connection_failed", message, remedy))

    async def _watch(self, call: Call) -> None:
        while call.id in self._calls:
            at_s = call.expires_at_s(self._settings.sessions)
            if at_s is None:
                return
            left_s = at_s - time.monotonic()
            permit = self._permits.get(call.id)
            if left_s <= 0 or (permit is not None and permit.used_up()):
                self.end_soon(call.id, "expired")
                return
            await asyncio.sleep(min(left_s, self._settings.sessions.join_timeout_s))  # its guests may leave sooner

    async def _sample_forever(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_EVERY_S)
            self.sample()

    def sample(self) -> None:
        """Count what happened in every call since the last time, and tell each audience."""
        total_kbps = 0.0
        for call in self.calls():
            try:
                stats = self._count(call)
                self._metrics.network(stats.rtt_ms, stats.loss)
                total_kbps += stats.bitrate_kbps or 0.0
                if call.audience is not None:
                    call.audience.on_stats(stats)
            except Exception:  # one call's failure must not silence the others
                _log.exception("session has no stats", extra={"session": call.id})
                self.end_soon(
                    call.id,
                    "failed",
                    EngineError("session_failed", "This session has failed.", "Open a new session."),
                )
        self._metrics.bitrate(total_kbps)
        self._metrics.drawing(self._stage.cost.frame_ms, self._stage.skipped_ticks)
        if self._stage.guard_counts is not None:
            self._metrics.guard(self._stage.guard_counts)

    def _count(self, call: Call) -> CallStats:
        stats = call.stats()
        s = stats.session
        self._metrics.frames(call.counted, s.frames_sent, s.frames_repeated, s.frames_dropped, s.voice_dropped)
        return stats


def _give_back(permit: Permit | None) -> None:
    if permit is not None:
        permit.give_back()
