"""The contract of a browser's media connection, as calls see it. Knows nothing of WebRTC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from visavis_server.media import MediaSink
from visavis_server.settings import IceServer


class PeerStats(Protocol):
    """How the way to the browser does; None until known."""

    @property
    def bitrate_kbps(self) -> float | None:
        """Video sent."""
        ...

    @property
    def rtt_ms(self) -> float | None:
        """Round trip."""
        ...

    @property
    def loss(self) -> float | None:
        """Packets lost, 0..1."""
        ...


class MediaPeer(MediaSink, Protocol):
    """The media connection of one browser."""

    on_text: Callable[[str | bytes], str | None] | None
    """Called with what comes over the data channel; gives the answer, if there is one."""

    async def answer(self, sdp: str, alpha: bool = False) -> str:
        """The answer to an offer, with this side's candidates inside. `alpha`: send the matte beside the person."""
        ...

    async def add_candidate(self, candidate: Mapping[str, object] | None) -> None:
        """One candidate of the other side, or None after the last."""
        ...

    def stats(self) -> PeerStats:
        """How the way to the browser does."""
        ...

    async def close(self) -> None:
        """Free everything. Idempotent."""
        ...


class PeerFactory(Protocol):
    """Makes the peer of one call."""

    def __call__(
        self, *, on_voice: Callable[..., None], on_closed: Callable[[str], None], ice_servers: tuple[IceServer, ...]
    ) -> MediaPeer:
        """A peer that has not been negotiated yet."""
        ...
