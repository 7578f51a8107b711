"""One connection in one direction: its ICE, its restarts, how its end is noticed, and how everything is freed.

Knows nothing of what flows: `Ingest` and `Viewer`, which are such connections, put their tracks on it. Runs on the
event loop that made it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiortc import RTCIceCandidate, RTCSessionDescription

from visavis_models.errors import BadInput, BadRequest, VisavisError
from visavis_server.rtc import aiortc_patches, heap
from visavis_server.rtc.connection import CONNECT_S, HeldTasks, aiortc_servers, close_connection, new_connection
from visavis_server.rtc.fragments import Fragment, write_fragment
from visavis_server.rtc.ice_restart import IceRestart
from visavis_server.rtc.liveness import Liveness
from visavis_server.rtc.offers import MediaOffer
from visavis_server.rtc.reach import ANYWHERE, Reach, check_relayed
from visavis_server.rtc.sdp import MAX_CANDIDATES, IceServer

logger = logging.getLogger(__name__)

RESTART_SPACING_S = 0.5
MAX_RESTARTS = 100


@dataclass(frozen=True, slots=True)
class Restarted:
    """What the client is told after a restart."""

    fragment: str
    etag: str


class OneWay:
    """The connection beneath a microphone that comes in or a viewer that is served.

    Args:
        on_closed: called on the event loop once, when the far side is gone, with "failed" (no connection came about),
            "vanished" (nothing is heard any more) or "left" (it closed the connection). Not called for `close()`.
        ice_servers: STUN and TURN servers; none means that only addresses of this machine are offered.
        packets_per_s: what the far side may send.
        reach: how this machine is reached.
    """

    def __init__(
        self,
        *,
        on_closed: Callable[[str], None],
        ice_servers: Sequence[IceServer],
        packets_per_s: float,
        reach: Reach = ANYWHERE,
    ) -> None:
        self._on_closed = on_closed
        self._ice_servers = aiortc_servers(ice_servers)
        self._packets_per_s = packets_per_s
        self._reach = reach
        self._offer: MediaOffer | None = None
        self._restart: IceRestart | None = None
        self._ufrags: list[str] = []
        self._liveness: Liveness | None = None
        self._told: Restarted | None = None
        self._restarted_at_s = 0.0
        self._tasks = HeldTasks()
        self._deadline: asyncio.TimerHandle | None = None
        self._candidates = 0
        self._over = False
        self._closing: asyncio.Task[None] | None = None
        self.connected = False
        """Media may flow."""
        self.etag = _new_etag()
        """Names the current ICE generation."""
        self.pc = new_connection(self._ice_servers, reach)

    def renew(self, ice_servers: Sequence[IceServer]) -> None:
        """Take STUN and TURN servers anew, for a restart: passwords of before may have expired."""
        self._ice_servers = aiortc_servers(ice_servers)

    async def answer(self, offer: MediaOffer) -> str:
        """Answer, with all candidates of this server inside; the transceivers are on `pc` by now.

        Raises:
            BadInput: `sdp_refused`, aiortc cannot answer it.
            Busy: `ports_exhausted`.
            EngineError: `turn_unavailable`.
        """
        self._offer, self._ufrags = offer, [offer.ufrag]
        ice = self._transport._connection
        self._liveness = aiortc_patches.patch_ice(ice, self._gone, self._packets_per_s)
        aiortc_patches.patch_ports(ice, self._reach)
        self.pc.on("connectionstatechange", self._on_state)
        try:
            await self.pc.setRemoteDescription(RTCSessionDescription(sdp=offer.text, type="offer"))
            await self.pc.setLocalDescription(await self.pc.createAnswer())
            check_relayed(ice, self._reach)
            answer = offer.complete(self.pc.localDescription.sdp)
        except VisavisError:
            raise
        except Exception as error:  # aiortc raises anything for a description that only looks right
            remedy = "Offer what a browser's RTCPeerConnection would."
            raise BadInput("sdp_refused", "This offer cannot be answered.", remedy) from error
        if not self.connected and not self._over:
            self._deadline = asyncio.get_running_loop().call_later(CONNECT_S, self.end, "failed")
        return answer

    async def take(self, fragment: Fragment) -> Restarted | None:
        """Take trickled candidates, or restart ICE if the fragment carries other credentials than before.

        Returns:
            What the client must be told of a restart, or None. A restart that is asked for again gets the same answer.

        Raises:
            BadRequest: `bad_candidate`, too many of them; `stale_fragment`, credentials of before a later restart;
                `bad_fragment`, new credentials that are not whole; `too_many_restarts`; `restart_too_early`.
        """
        self._candidates += len(fragment.candidates)
        if self._candidates > MAX_CANDIDATES * (1 + len(self._ufrags)):
            raise BadRequest("bad_candidate", "Too many candidates came.", "Send each one once.")
        if fragment.ufrag in (None, self._ufrags[-1]):
            again = self._told if fragment.ufrag is not None and fragment.password is not None else None
            for candidate in fragment.candidates:
                self._tasks.hold(self._add_remote(candidate))
            return again
        if fragment.ufrag in self._ufrags:
            raise BadRequest(
                "stale_fragment", "These ICE credentials are of before the last restart.", "Use the current ones."
            )
        return await self._renew(fragment)

    async def close(self) -> None:
        """Free everything. Idempotent."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name=f"close {type(self).__name__.lower()}")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        """Free sockets and tasks; what flows on it frees its own as well."""
        self._over = True
        if self._deadline is not None:
            self._deadline.cancel()
        if self._restart is not None:
            await self._restart.close()
        await close_connection(self.pc)
        await self._tasks.cancel()
        await asyncio.get_running_loop().run_in_executor(None, heap.give_back)

    def end(self, reason: str) -> None:
        """The far side is gone: say so once."""
        if not self._over:
            self._over = True
            self._on_closed(reason)

    @property
    def _transport(self) -> Any:
        return self.pc.getTransceivers()[0].receiver.transport.transport

    async def _renew(self, fragment: Fragment) -> Restarted:
        assert self._offer is not None and fragment.ufrag is not None
        if fragment.password is None:
            raise BadRequest("bad_fragment", "A restart needs a=ice-pwd too.", "Send both new ICE credentials.")
        now_s = time.monotonic()
        if now_s - self._restarted_at_s < RESTART_SPACING_S or len(self._ufrags) > MAX_RESTARTS:
            raise BadRequest("too_many_restarts", "ICE is restarted too often.", "Wait a moment, or connect anew.")
        if not self.connected or not aiortc_patches.fits("restart"):
            raise BadRequest("restart_too_early", "There is no connection yet to restart.", "Connect anew.")
        self._restarted_at_s = now_s
        if self._restart is not None:
            await self._restart.close()
        restart = self._restart = IceRestart(
            self._transport, self._ice_servers, fragment.ufrag, fragment.password, self._reach
        )
        liveness = aiortc_patches.patch_ice(restart.connection, self._gone, self._packets_per_s)
        aiortc_patches.patch_ports(restart.connection, self._reach)
        candidates = await restart.gather()
        if self._liveness is not None:
            self._liveness.excuse(time.monotonic() + CONNECT_S)
        self._ufrags.append(fragment.ufrag)
        self.etag = _new_etag()
        for candidate in fragment.candidates:
            self._tasks.hold(self._add_remote(candidate))
        self._tasks.hold(self._finish(restart, liveness))
        served = self._offer.sections[self._offer.served[0]]
        text = write_fragment(*restart.credentials, candidates, self._offer.kinds[0], served.mid or "0")
        self._told = Restarted(text, self.etag)
        return self._told

    async def _finish(self, restart: IceRestart, liveness: Liveness | None) -> None:
        """Move over once the new path is there; without one the old path stays for as long as it carries."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await restart.connect()
            self._liveness = liveness
        except (TimeoutError, ConnectionError):
            logger.debug("An ICE restart came to nothing.")
            await restart.close()
        finally:
            if self._restart is restart:
                self._restart = None

    def _gone(self) -> None:
        self.end("vanished")

    def _on_state(self) -> None:
        state = self.pc.connectionState
        if state == "connected" and not self.connected:
            self.connected = True
            if self._deadline is not None:
                self._deadline.cancel()
        elif state == "failed":
            self.end("vanished" if self.connected else "failed")
        elif state == "closed":
            self.end("left" if self.connected else "failed")

    async def _add_remote(self, candidate: RTCIceCandidate) -> None:
        try:
            if self._restart is not None:
                await self._restart.add(candidate)
            else:
                await self.pc.addIceCandidate(candidate)
        except (OSError, ValueError) as error:  # no multicast on this machine, for one
            logger.debug("A remote candidate is not used: %s", error)


def _new_etag() -> str:
    return f'"{secrets.token_hex(8)}"'
