"""Microphones that come in by themselves (WHIP) and viewers of sessions (WHEP): who may, to which session, until when.

One session has at most one such microphone and up to `rtc.max_viewers` viewers, who share one encoding. Knows
nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from visavis_models.errors import BadInput, Busy, NotFound
from visavis_server.avatar_desk import AvatarDesk
from visavis_server.call import Call
from visavis_server.ice_servers import IceServers
from visavis_server.metrics import Metrics
from visavis_server.registry import SessionRegistry
from visavis_server.settings import RtcSettings
from visavis_server.show_names import ShowNames

if TYPE_CHECKING:
    from visavis_server.rtc import Broadcast, IceServer, Ingest, Reach, Viewer
    from visavis_server.rtc.layouts import Layout
    from visavis_server.rtc.offers import MediaOffer
    from visavis_server.rtc.one_way import Restarted

_log = logging.getLogger(__name__)

Protocol = Literal["whip", "whep"]

NEGOTIATION_LIMIT_S = 15.0


def watch_id(session_id: str) -> str:
    """The name under which a session may be watched, and nothing else done to it. It does not tell the session's id.

    Where several workers share a server it begins with the same worker's number as the id.
    """
    digest = hashlib.sha256(f"visavis watch {session_id}".encode()).digest()
    worker, dot, _ = session_id.rpartition(".")
    return worker + dot + base64.b32encode(digest)[:26].decode().lower()


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asks for."""

    protocol: Protocol
    target: str
    """A session's id; for WHIP an avatar's id too, for WHEP a watch id or a show's name."""
    sdp: str
    show: str = ""
    """WHIP: the name under which viewers find this session; empty: none."""
    alpha: bool = False
    """WHEP: the person beside their matte instead of the plain picture."""


class Transmission:
    """One microphone or one viewer; a `Guest` of its call.

    Args:
        wish: what was asked for.
        call: the session.
        owns_call: the session was opened for it and ends with it.
        on_gone: takes it off the books.
        ice_servers: issues STUN and TURN servers anew, for a restart.
    """

    def __init__(
        self,
        wish: Wish,
        call: Call,
        owns_call: bool,
        on_gone: Callable[[Transmission], None],
        ice_servers: Callable[[Transmission], list[IceServer]],
    ) -> None:
        self.protocol = wish.protocol
        self.call = call
        self.owns_call = owns_call
        self.alpha = wish.alpha
        self.takes_mattes = False
        self.name = call.id if wish.protocol == "whip" else wish.target
        """What stands in its address: a viewer's must not tell the session's id to one who does not know it."""
        self.key = secrets.token_urlsafe(18)
        self.broadcast: Broadcast | None = None
        self.peer: Ingest | Viewer | None = None
        self.offer: MediaOffer | None = None
        self._on_gone = on_gone
        self._ice_servers = ice_servers
        self._gone = False

    @property
    def address(self) -> str:
        """The path of its resource."""
        return f"/{self.protocol}/{self.name}/{self.key}"

    @property
    def etag(self) -> str:
        """Names the current ICE generation."""
        assert self.peer is not None
        return self.peer.etag

    async def patch(self, fragment_text: str) -> Restarted | None:
        """Take trickled candidates or restart ICE.

        Raises:
            BadRequest: see `read_fragment` and `OneWay.take`.
        """
        from visavis_server.rtc import read_fragment

        assert self.peer is not None and self.offer is not None
        mid = self.offer.sections[self.offer.served[0]].mid or "0"
        self.peer.renew(self._ice_servers(self))
        return await self.peer.take(read_fragment(fragment_text, self.offer.mids | {mid}, mid))

    async def close(self) -> None:
        """Free everything. Idempotent."""
        if not self._gone:
            self._gone = True
            self._on_gone(self)
        if self.peer is not None:
            await self.peer.close()


class Transmissions:
    """All microphones and viewers of this server.

    Args:
        registry: the sessions.
        desk: the avatars.
        settings: limits and ICE servers.
        metrics: what is counted.
        ice: STUN and TURN servers.
        reach: how connections are reached.
    """

    def __init__(
        self,
        registry: SessionRegistry,
        desk: AvatarDesk,
        settings: RtcSettings,
        metrics: Metrics,
        ice: IceServers,
        reach: Callable[[], Reach],
    ) -> None:
        self._registry = registry
        self._desk = desk
        self._settings = settings
        self._metrics = metrics
        self._ice = ice
        self._reach = reach
        self._by_key: dict[str, Transmission] = {}
        self._broadcasts: dict[str, Broadcast] = {}
        self.names = ShowNames()
        self._borrowed: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def get(self, protocol: Protocol, name: str, key: str) -> Transmission:
        """The transmission of this address.

        Raises:
            NotFound: there is none, or the address is put together from those of several.
        """
        found = self._by_key.get(key)
        if found is None or found.protocol != protocol or found.name != name:
            raise NotFound(
                "no_such_transmission", "There is no such transmission, or it has ended.", "Start a new one."
            )
        return found

    async def start(self, wish: Wish) -> tuple[Transmission, str]:
        """Take a microphone in, or serve a viewer.

        Returns:
            The transmission and the answer's SDP.

        Raises:
            BadRequest: `bad_sdp`, `already_speaking`, `name_taken`.
            BadInput: `sdp_refused`, `bad_name`, `negotiation_timeout`.
            NotFound: no such avatar or session.
            Busy: no place, or enough viewers.
        """
        from visavis_server import rtc

        offer = rtc.read_media_offer(wish.sdp, "speak" if wish.protocol == "whip" else "watch")
        if self.names.awaiting(wish.show, wish.target) is None:
            self.names.check(wish.show)
        call, owns_call = await self._call_for(wish)
        transmission = Transmission(wish, call, owns_call, self._forget, self._servers)
        transmission.offer = offer
        try:
            self._admit(transmission, wish.show)
            async with asyncio.timeout(NEGOTIATION_LIMIT_S):
                answer = await self._connect(transmission, offer)
        except BaseException as error:
            await self.end(transmission)
            if isinstance(error, TimeoutError):
                message = "The connection could not be prepared in time."
                remedy = "Try again; if it persists, check the STUN and TURN servers (rtc.ice_servers)."
                raise BadInput("negotiation_timeout", message, remedy) from error
            raise
        _log.info("transmission began", extra={"session": call.id, "protocol": wish.protocol})
        return transmission, answer

    async def end(self, transmission: Transmission) -> None:
        """End a transmission, and the session that was opened for it. Idempotent."""
        await transmission.close()
        if transmission.owns_call:
            await self._registry.end(transmission.call.id, "client")

    def check_show(self, show: str) -> None:
        """Make sure that a show may have this name; the empty one is none.

        Raises:
            BadInput: `bad_name`.
            BadRequest: `name_taken`.
        """
        self.names.check(show)

    def announce(self, show: str, call: Call) -> None:
        """From now on viewers find this session under this name; see `check_show`."""
        self.names.announce(show, call)

    def withdraw(self, show: str, call: Call) -> None:
        """Viewers find it under this name no more; another session's name is left alone."""
        self.names.withdraw(show, call)

    def watched(self, name: str) -> Call:
        """The session that is watched under a show's name, a watch id or its own id.

        Raises:
            NotFound: there is none.
        """
        named = self.names.named(name)
        by_watch_id = {watch_id(call.id): call.id for call in self._registry.calls()}
        return self._registry.get(by_watch_id.get(name, name) if named is None else named.id)

    def knows(self, name: str) -> bool:
        """Whether a session is watched under this name."""
        try:
            self.watched(name)
        except NotFound:
            return False
        return True

    def borrow_broadcast(self, call: Call) -> Broadcast:
        """The session's broadcast for one who is no viewer; it lives at least until `give_back_broadcast`."""
        self._borrowed[call.id] = self._borrowed.get(call.id, 0) + 1
        return self._broadcast_of(call)

    def give_back_broadcast(self, call: Call) -> None:
        """One who borrowed it needs it no more."""
        self._borrowed[call.id] -= 1
        if not self._borrowed[call.id]:
            del self._borrowed[call.id]
            self._drop_unused(call)

    async def aclose(self) -> None:
        """Wait for what is being freed; the transmissions themselves end with their calls."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _call_for(self, wish: Wish) -> tuple[Call, bool]:
        """The session that is meant, and whether it was opened for this."""
        calls = {call.id: call for call in self._registry.calls()}
        if wish.protocol == "whip":
            joined = calls.get(wish.target) or self.names.awaiting(wish.show, wish.target)
            if joined is not None:
                return joined, False
            return await self._registry.open((await self._desk.on_stage(wish.target))[0], page_owns=False), True
        return self.watched(wish.target), False

    def _admit(self, transmission: Transmission, show: str) -> None:
        """Give it its place; nothing here waits, so that no two get the same one."""
        call = transmission.call
        if transmission.protocol == "whip":
            call.take_voice(transmission)
            if self.names.named(show) is not call:
                self.names.announce(show, call)
        elif sum(other.call is call for other in self._by_key.values() if other.protocol == "whep") >= (
            self._settings.max_viewers
        ):
            raise Busy("viewers_full", "Enough viewers watch this session.", "Try again later, or publish to an SFU.")
        call.host(transmission)
        self._by_key[transmission.key] = transmission
        self._metrics.transmission(transmission.protocol, 1)

    async def _connect(self, transmission: Transmission, offer: MediaOffer) -> str:
        from visavis_server import rtc

        servers, reach = self._servers(transmission), self._reach()
        session = transmission.call.session

        def on_closed(how: str) -> None:
            _log.info("transmission ended", extra={"session": session.id, "how": how})
            self._hold(self.end(transmission))

        if transmission.protocol == "whip":
            ingest = rtc.Ingest(on_voice=session.hear, on_closed=on_closed, ice_servers=servers, reach=reach)
            transmission.peer = ingest
            return await ingest.answer(offer)
        broadcast = self._broadcast_of(transmission.call)
        transmission.broadcast = broadcast
        if transmission.alpha:
            session.take_mattes()
            transmission.takes_mattes = True
        layout: Layout = "side-by-side" if transmission.alpha else "plain"
        viewer = rtc.Viewer(broadcast, on_closed=on_closed, ice_servers=servers, reach=reach, layout=layout)
        transmission.peer = viewer
        return await viewer.answer(offer)

    def _servers(self, transmission: Transmission) -> list[IceServer]:
        from visavis_server import rtc

        return [rtc.IceServer(s.urls, s.username, s.credential) for s in self._ice.issue(transmission.call.id)]

    def _forget(self, transmission: Transmission) -> None:
        """Off the books at once; its broadcast ends with its last viewer."""
        call = transmission.call
        call.leave_voice(transmission)
        call.dismiss(transmission)
        if self._by_key.pop(transmission.key, None) is None:
            return
        self._metrics.transmission(transmission.protocol, -1)
        if transmission.takes_mattes:
            transmission.takes_mattes = False
            call.session.leave_mattes()
        if transmission.protocol == "whip":
            self.names.withdraw_spoken(call)
        else:
            self._drop_unused(call)

    def _broadcast_of(self, call: Call) -> Broadcast:
        """The session's one broadcast."""
        from visavis_server import rtc

        broadcast = self._broadcasts.get(call.id)
        if broadcast is None:
            broadcast = self._broadcasts[call.id] = rtc.Broadcast(rtc.BitrateLimits(), self._metrics.broadcast)
            call.session.add_sink(broadcast)
        return broadcast

    def _drop_unused(self, call: Call) -> None:
        watched = any(other.call is call and other.protocol == "whep" for other in self._by_key.values())
        if not watched and not self._borrowed.get(call.id):
            broadcast = self._broadcasts.pop(call.id, None)
            if broadcast is not None:
                call.session.remove_sink(broadcast)
                self._hold(broadcast.close())

    def _hold(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
