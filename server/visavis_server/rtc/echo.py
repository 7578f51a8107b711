"""One browser that only wants to know whether it can reach us: a data channel that sends back what it gets.

The same sockets, ICE servers and handshakes as a call, without its pictures. Knows nothing of sessions or HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from aiortc import RTCDataChannel, RTCSessionDescription
from aiortc.sdp import SessionDescription

from visavis_models.errors import BadRequest, VisavisError
from visavis_server.rtc import aiortc_patches
from visavis_server.rtc.connection import aiortc_servers, close_connection, new_connection
from visavis_server.rtc.reach import ANYWHERE, Reach, check_relayed
from visavis_server.rtc.sdp import DIGESTS, LEFT_OUT, MAX_CANDIDATES, MAX_SDP_BYTES, IceServer

LIFE_S = 20.0
"""A check is over by then, whatever became of it."""
MAX_MESSAGES = 50
MAX_MESSAGE_CHARS = 256
PACKETS_PER_S = 100.0
_REMEDY = "Offer one data channel, made by RTCPeerConnection, with all candidates."


def _bad(message: str) -> BadRequest:
    return BadRequest("bad_sdp", message, _REMEDY)


def read_data_offer(offer_sdp: str) -> str:
    """Check an offer of one data channel; the SDP that aiortc is to see.

    Raises:
        BadRequest: `bad_sdp`.
    """
    if len(offer_sdp.encode("utf-8", "replace")) > MAX_SDP_BYTES or not offer_sdp.startswith("v=0"):
        raise _bad("The offer is no SDP, or too large.")
    text = LEFT_OUT.sub("", offer_sdp)
    try:
        description = SessionDescription.parse(text)
    except Exception as error:  # the parser raises whatever its string work raises: all of it means "not SDP"
        raise _bad("The offer's SDP cannot be read.") from error
    if len(description.media) != 1 or description.media[0].kind != "application":
        raise _bad("The offer must have one data channel and nothing else.")
    section = description.media[0]
    ufrag = (section.ice.usernameFragment or "") if section.ice is not None else ""
    password = (section.ice.password or "") if section.ice is not None else ""
    if not 4 <= len(ufrag) <= 256 or not 22 <= len(password) <= 256:
        raise _bad("The offer lacks ICE credentials.")
    if section.dtls is None or not any(print_.algorithm.lower() in DIGESTS for print_ in section.dtls.fingerprints):
        raise _bad("The offer lacks a DTLS fingerprint.")
    if len(section.ice_candidates) > MAX_CANDIDATES:
        raise _bad(f"The offer has more than {MAX_CANDIDATES} candidates.")
    return text


class Echo:
    """One check.

    Args:
        on_closed: called on the event loop once, when the check is over.
        ice_servers: STUN and TURN servers.
        reach: how we are reached.
        life_s: how long it lives at most, from the answer.
    """

    def __init__(
        self,
        *,
        on_closed: Callable[[], None],
        ice_servers: Sequence[IceServer] = (),
        reach: Reach = ANYWHERE,
        life_s: float = LIFE_S,
    ) -> None:
        self._on_closed = on_closed
        self._reach = reach
        self._life_s = life_s
        self._messages = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._over = False
        self.pc = new_connection(aiortc_servers(ice_servers), reach)

    async def answer(self, offer_sdp: str) -> str:
        """Answer an offer of one data channel, with all candidates of this server inside.

        Raises:
            BadRequest: `bad_sdp`.
            Busy: `ports_exhausted`.
            EngineError: `turn_unavailable`.
        """
        text = read_data_offer(offer_sdp)
        self.pc.on("datachannel", self._on_channel)
        self.pc.on("connectionstatechange", self._on_state)
        try:
            await self.pc.setRemoteDescription(RTCSessionDescription(sdp=text, type="offer"))
            assert self.pc.sctp is not None
            ice = self.pc.sctp.transport.transport._connection
            aiortc_patches.patch_ice(ice, self._end, PACKETS_PER_S)
            aiortc_patches.patch_ports(ice, self._reach)
            await self.pc.setLocalDescription(await self.pc.createAnswer())
            check_relayed(ice, self._reach)
        except VisavisError:
            raise
        except Exception as error:  # aiortc raises anything for a description that only looks right
            raise _bad("The offer cannot be answered.") from error
        self._deadline = asyncio.get_running_loop().call_later(self._life_s, self._end)
        return self.pc.localDescription.sdp

    async def close(self) -> None:
        """Free everything. Idempotent."""
        self._over = True
        if self._deadline is not None:
            self._deadline.cancel()
        await close_connection(self.pc)

    def _on_channel(self, channel: RTCDataChannel) -> None:
        def back(message: object) -> None:
            self._messages += 1
            if self._messages > MAX_MESSAGES or not isinstance(message, str) or len(message) > MAX_MESSAGE_CHARS:
                self._end()
            elif channel.readyState == "open":
                channel.send(message)

        channel.on("message", back)

    def _on_state(self) -> None:
        if self.pc.connectionState in ("failed", "closed"):
            self._end()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._on_closed()
