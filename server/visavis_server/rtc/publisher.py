"""Sends what a broadcast encoded to a server that takes it (WHIP, seen from the client): offers, and sends packets.

One of the broadcast's receivers, like a viewer. Knows nothing of HTTP or of who takes it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence

from aiortc import RTCSessionDescription

from visavis_models.errors import EngineError
from visavis_server.rtc import aiortc_patches, heap
from visavis_server.rtc.broadcast import Broadcast
from visavis_server.rtc.connection import CONNECT_S, HeldTasks, aiortc_servers, close_connection, new_connection
from visavis_server.rtc.reach import ANYWHERE, Reach, check_relayed
from visavis_server.rtc.relay import RelayedPictures, RelayedVoice, RelayTrack
from visavis_server.rtc.sdp import MAX_CANDIDATES, IceServer
from visavis_server.rtc.voice_outbound import PACKET_S

PACKETS_PER_S = 300.0
"""A server sends reports, requests and checks, nothing else; some send them often."""
KEYFRAME_EVERY_S = 2.0
"""Who takes a stream like this cuts it into pieces for its own viewers: each begins with a whole picture."""
_CANDIDATE = re.compile(r"a=candidate:\S+ \d+ (\S+) \d+ (\S+) ")


class BadAnswer(Exception):
    """The server's SDP cannot be used."""


class NoAddressAllowed(BadAnswer):
    """Every address at which the server takes media is one to which nothing may be sent."""


class Publisher:
    """A connection on which a session is published; a `Receiver` of the broadcast.

    Args:
        broadcast: what is sent.
        ice_servers: STUN and TURN servers.
        reach: how this machine is reached.
        allows: whether packets may go to an address.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        *,
        ice_servers: Sequence[IceServer] = (),
        reach: Reach = ANYWHERE,
        allows: Callable[[str], bool] = lambda _: True,
    ) -> None:
        if not aiortc_patches.fits("sender"):
            raise EngineError("whip_unavailable", "This server cannot publish over WHIP.", "Install aiortc 1.16.")
        self._broadcast = broadcast
        self._allows = allows
        self._tasks = HeldTasks()
        self._closing: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._over = asyncio.Event()
        self._pc = new_connection(aiortc_servers(ice_servers), reach)
        self._tracks = {kind: RelayTrack(kind) for kind in ("audio", "video")}
        senders = {}
        for kind, track in self._tracks.items():
            transceiver = self._pc.addTransceiver(track, direction="sendonly")
            transceiver.setCodecPreferences(aiortc_patches.preferred_codecs(kind))
            senders[kind] = transceiver.sender
        self._reach = reach
        self._ice = senders["audio"].transport.transport._connection
        aiortc_patches.patch_ice(self._ice, self._over.set, PACKETS_PER_S)
        aiortc_patches.patch_ports(self._ice, reach)
        self._pc.on("connectionstatechange", self._on_state)
        self.voice: RelayedVoice | None = RelayedVoice(senders["audio"], broadcast.clock)
        self.pictures: RelayedPictures | None = RelayedPictures(
            senders["video"], broadcast.clock, broadcast.limits, lambda: broadcast.ask_keyframe(self)
        )
        aiortc_patches.patch_sender(senders["audio"], self.voice)
        aiortc_patches.patch_sender(senders["video"], self.pictures)

    @property
    def frames_sent(self) -> int:
        """Pictures sent."""
        return self.pictures.frames_sent if self.pictures is not None else 0

    @property
    def pictures_dropped(self) -> int:
        """Pictures that it missed although others got them."""
        return self.pictures.dropped if self.pictures is not None else 0

    @property
    def voice_dropped_s(self) -> float:
        """Voice lost because sending stood still."""
        return PACKET_S * self.voice.dropped if self.voice is not None else 0.0

    @property
    def sent_bytes(self) -> int:
        """Payload of both media."""
        return sum(out.meter.ever_bytes for out in (self.pictures, self.voice) if out is not None)

    async def offer(self) -> str:
        """SDP with all candidates of this machine.

        Raises:
            Busy: `ports_exhausted`.
            EngineError: `turn_unavailable`.
        """
        await self._pc.setLocalDescription(await self._pc.createOffer())
        check_relayed(self._ice, self._reach)
        return self._pc.localDescription.sdp

    async def accept(self, answer_sdp: str) -> None:
        """Take the answer, and wait until media may flow.

        Raises:
            BadAnswer: it is none to this offer.
            NoAddressAllowed: none of its addresses may be sent to.
            TimeoutError: no connection comes about.
        """
        try:
            sdp = self._allowed(answer_sdp)
            await self._pc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))
        except BadAnswer:
            raise
        except Exception as error:  # aiortc raises anything for a description that only looks right
            raise BadAnswer("the answer does not fit the offer") from error
        self._broadcast.add(self)
        async with asyncio.timeout(CONNECT_S):
            waits = [asyncio.create_task(event.wait()) for event in (self._connected, self._over)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)
        if not self._connected.is_set():
            raise TimeoutError
        self._tasks.hold(self._refresh())

    async def until_over(self) -> None:
        """Return when the server is gone."""
        await self._over.wait()

    async def close(self) -> None:
        """Free everything. Idempotent."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="close publisher")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._broadcast.remove(self)
        for relayed in (self.pictures, self.voice):
            if relayed is not None:
                relayed.release()
        for track in self._tracks.values():
            track.stop()
        await self._tasks.cancel()
        await close_connection(self._pc)
        self._over.set()
        await asyncio.get_running_loop().run_in_executor(None, heap.give_back)

    async def _refresh(self) -> None:
        while True:
            self._broadcast.ask_keyframe(self)
            await asyncio.sleep(KEYFRAME_EVERY_S)

    def _on_state(self) -> None:
        state = self._pc.connectionState
        if state == "connected":
            self._connected.set()
        elif state in ("failed", "closed"):
            self._over.set()

    def _allowed(self, answer_sdp: str) -> str:
        """The answer without candidates to which nothing may be sent.

        Raises:
            BadAnswer: too many of them.
            NoAddressAllowed: none is left.
        """
        kept, count, allowed = [], 0, 0
        for line in answer_sdp.splitlines():
            if line.startswith("a=candidate:"):
                count += 1
                found = _CANDIDATE.match(line)
                if found is None or found[1].lower() != "udp" or not self._allows(found[2]):
                    continue
                allowed += 1
            kept.append(line)
        if count > MAX_CANDIDATES:
            raise BadAnswer("too many candidates")
        if count and not allowed:
            raise NoAddressAllowed("no candidate is allowed")
        return "\r\n".join(kept) + "\r\n"
