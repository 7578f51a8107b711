"""One microphone that comes in by itself (WHIP): takes an offer, hands out its voice, sends nothing but reports.

Knows nothing of HTTP or of who may speak.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from numpy.typing import NDArray

from visavis_models.errors import EngineError
from visavis_server.rtc import aiortc_patches
from visavis_server.rtc.fragments import Fragment
from visavis_server.rtc.microphone import Microphone, OnVoice
from visavis_server.rtc.offers import MediaOffer
from visavis_server.rtc.one_way import OneWay, Restarted
from visavis_server.rtc.sdp import IceServer

logger = logging.getLogger(__name__)

PACKETS_PER_S = 2000.0
"""Clients that were told that video is not wanted may send it all the same; it must not crowd out the voice."""


class Ingest:
    """One microphone.

    Args:
        on_voice: see `Peer`.
        on_closed: see `OneWay`.
        ice_servers: see `OneWay`.
    """

    def __init__(
        self, *, on_voice: OnVoice, on_closed: Callable[[str], None], ice_servers: Sequence[IceServer] = ()
    ) -> None:
        self._on_voice = on_voice
        self._microphone = Microphone(self._hear)
        self._way = OneWay(on_closed=on_closed, ice_servers=ice_servers, packets_per_s=PACKETS_PER_S)
        self._closing: asyncio.Task[None] | None = None
        self._voice_failed = False

    @property
    def etag(self) -> str:
        """Names the current ICE generation."""
        return self._way.etag

    @property
    def connected(self) -> bool:
        """Media may flow."""
        return self._way.connected

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
        transceiver = self._way.pc.addTransceiver("audio", direction="recvonly")
        transceiver.setCodecPreferences(aiortc_patches.preferred_codecs("audio"))
        if not aiortc_patches.patch_receiver(transceiver.receiver, self._microphone):
            raise EngineError("whip_unavailable", "This server cannot take microphones.", "Install aiortc 1.16.")
        self._way.pc.on("track", lambda track: self._way.hold(_drain(track)))
        return await self._way.answer(offer)

    async def take(self, fragment: Fragment) -> Restarted | None:
        """See `OneWay.take`."""
        return await self._way.take(fragment)

    async def close(self) -> None:
        """Free everything. Idempotent."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="close ingest")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self._way.close()
        self._microphone.release()

    def _hear(self, samples: NDArray[np.int16], rate_hz: int, arrived_s: float) -> None:
        if self._closing is not None:
            return
        try:
            self._on_voice(samples, rate_hz, arrived_s)
        except Exception:  # the listener's defect must not stop the transport; once is enough to know of it
            if not self._voice_failed:
                logger.exception("Whoever hears this microphone failed; its voice is lost.")
            self._voice_failed = True


async def _drain(track: MediaStreamTrack) -> None:
    """Nothing comes this way, for the voice is taken as packets; but the track wants a reader."""
    while True:
        try:
            _: Any = await track.recv()
        except MediaStreamError:
            return
