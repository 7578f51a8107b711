"""One microphone that comes in by itself (WHIP): takes an offer, hands out its voice, sends nothing but reports.

Knows nothing of HTTP or of who may speak.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from visavis_models.errors import EngineError
from visavis_server.rtc import aiortc_patches
from visavis_server.rtc.microphone import GuardedVoice, Microphone, OnVoice
from visavis_server.rtc.offers import MediaOffer
from visavis_server.rtc.one_way import OneWay
from visavis_server.rtc.reach import ANYWHERE, Reach
from visavis_server.rtc.sdp import IceServer

PACKETS_PER_S = 2000.0
"""Clients that were told that video is not wanted may send it all the same; it must not crowd out the voice."""


class Ingest(OneWay):
    """One microphone.

    Args:
        on_voice: see `Peer`.
        on_closed: see `OneWay`.
        ice_servers: see `OneWay`.
        reach: see `OneWay`.
    """

    def __init__(
        self,
        *,
        on_voice: OnVoice,
        on_closed: Callable[[str], None],
        ice_servers: Sequence[IceServer] = (),
        reach: Reach = ANYWHERE,
    ) -> None:
        super().__init__(on_closed=on_closed, ice_servers=ice_servers, packets_per_s=PACKETS_PER_S, reach=reach)
        self._microphone = Microphone(GuardedVoice(on_voice, "microphone", lambda: self._closing is not None))

    @property
    def voice_lost(self) -> int:
        """Packets that never came."""
        return self._microphone.lost

    async def answer(self, offer: MediaOffer) -> str:
        """Answer an offer to speak.

        Raises:
            BadInput: `sdp_refused`.
            EngineError: `whip_unavailable`, the installed aiortc cannot be listened to.
        """
        transceiver = self.pc.addTransceiver("audio", direction="recvonly")
        transceiver.setCodecPreferences(aiortc_patches.preferred_codecs("audio"))
        if not aiortc_patches.patch_receiver(transceiver.receiver, self._microphone):
            raise EngineError("whip_unavailable", "This server cannot take microphones.", "Install aiortc 1.16.")
        self.pc.on("track", lambda track: self._tasks.hold(_drain(track)))
        return await super().answer(offer)

    async def _close(self) -> None:
        await super()._close()
        self._microphone.release()


async def _drain(track: MediaStreamTrack) -> None:
    """Nothing comes this way, for the voice is taken as packets; but the track wants a reader."""
    while True:
        try:
            _: Any = await track.recv()
        except MediaStreamError:
            return
