"""One viewer of a session (WHEP): takes an offer, gets what the broadcast encoded, sends nothing.

Knows nothing of HTTP or of who may watch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from visavis_models.errors import EngineError
from visavis_server.rtc import aiortc_patches
from visavis_server.rtc.broadcast import Broadcast
from visavis_server.rtc.layouts import Layout
from visavis_server.rtc.offers import MediaOffer
from visavis_server.rtc.one_way import OneWay
from visavis_server.rtc.reach import ANYWHERE, Reach
from visavis_server.rtc.relay import RelayedPictures, RelayedVoice, RelayTrack
from visavis_server.rtc.sdp import IceServer

PACKETS_PER_S = 150.0
"""A viewer sends reports, requests and checks, nothing else."""


class Viewer(OneWay):
    """One viewer; a `Receiver` of the broadcast.

    Args:
        broadcast: what it sees and hears.
        on_closed: see `OneWay`.
        ice_servers: see `OneWay`.
        reach: see `OneWay`.
        layout: what it asked for.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        *,
        on_closed: Callable[[str], None],
        ice_servers: Sequence[IceServer] = (),
        reach: Reach = ANYWHERE,
        layout: Layout = "plain",
    ) -> None:
        super().__init__(on_closed=on_closed, ice_servers=ice_servers, packets_per_s=PACKETS_PER_S, reach=reach)
        self._broadcast = broadcast
        self._layout: Layout = layout
        self._tracks: list[RelayTrack] = []
        self.pictures: RelayedPictures | None = None
        self.voice: RelayedVoice | None = None

    async def answer(self, offer: MediaOffer) -> str:
        """Answer an offer to watch.

        Raises:
            BadInput: `sdp_refused`.
            EngineError: `whep_unavailable`, the installed aiortc cannot relay.
        """
        if not aiortc_patches.fits("sender"):
            raise EngineError("whep_unavailable", "This server cannot serve viewers.", "Install aiortc 1.16.")
        for kind in offer.kinds:  # in the offer's order: the first one carries the transport for both
            track = RelayTrack(kind)
            self._tracks.append(track)
            transceiver = self.pc.addTransceiver(track, direction="sendonly")
            transceiver.setCodecPreferences(aiortc_patches.preferred_codecs(kind))
            if kind == "audio":
                self.voice = RelayedVoice(transceiver.sender, self._broadcast.clock)
                aiortc_patches.patch_sender(transceiver.sender, self.voice)
            else:
                self.pictures = RelayedPictures(
                    transceiver.sender,
                    self._broadcast.clock,
                    self._broadcast.limits,
                    lambda: self._broadcast.ask_keyframe(self),
                    self._layout,
                )
                aiortc_patches.patch_sender(transceiver.sender, self.pictures)
        self._broadcast.add(self)
        return await super().answer(offer)

    async def _close(self) -> None:
        self._broadcast.remove(self)
        for relayed in (self.pictures, self.voice):
            if relayed is not None:
                relayed.release()
        for track in self._tracks:
            track.stop()
        await super()._close()
