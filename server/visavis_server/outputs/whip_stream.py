"""Sends a session to a WHIP server, such as MediaMTX, Twitch or Cloudflare: joins HTTP, connection and broadcast.

The packets are those of the viewers' broadcast: one encoding serves them and the server. FFmpeg's own WHIP muxer is not
used: it takes Python's lock while it connects, and cannot take packets that were encoded for others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from visavis_models.chunk import FRAME_RATE_HZ
from visavis_models.errors import EngineError
from visavis_server.outputs.address_policy import refused
from visavis_server.outputs.stream import Progress, Stream
from visavis_server.outputs.target import Target
from visavis_server.outputs.trouble import Rejected, Unreachable
from visavis_server.outputs.whip_resource import WhipResource, publish

if TYPE_CHECKING:
    from visavis_server.rtc import Broadcast, IceServer, Publisher, Reach


class Lender(Protocol):
    """Lends the one broadcast of a session."""

    def borrow(self) -> Broadcast:
        """The broadcast, which lives until it is given back."""
        ...

    def give_back(self) -> None:
        """It is needed no more."""
        ...

    def ice_servers(self) -> Sequence[IceServer]:
        """STUN and TURN servers."""
        ...

    def reach(self) -> Reach:
        """How this machine is reached."""
        ...


class WhipStream(Stream):
    """A stream over WHIP.

    Args:
        lender: lends the broadcast while the stream is on.
        target: where to.
        give_up_s: see `Stream`.
        on_over: see `Stream`.
    """

    def __init__(self, lender: Lender, target: Target, give_up_s: float, on_over: Callable[[], None]) -> None:
        self._lender = lender
        self._publisher: Publisher | None = None
        self._before = Progress()
        super().__init__(target, give_up_s, on_over)

    def _progress(self) -> Progress:
        now, before = self._publisher, self._before
        if now is None:
            return before
        return Progress(
            before.seconds + now.frames_sent / FRAME_RATE_HZ,
            before.sent_bytes + now.sent_bytes,
            before.pictures_dropped + now.pictures_dropped,
            before.voice_dropped_s + now.voice_dropped_s,
        )

    async def _transmit(self) -> None:
        from visavis_server.rtc import BadAnswer, NoAddressAllowed, Publisher

        resource: WhipResource | None = None
        broadcast = self._lender.borrow()
        try:
            allows = self._target.policy.allows_text
            self._publisher = Publisher(
                broadcast, ice_servers=self._lender.ice_servers(), reach=self._lender.reach(), allows=allows
            )
            resource = await publish(self._target, await _offer(self._publisher))
            await self._publisher.accept(resource.answer_sdp)
            self._live()
            await self._publisher.until_over()
            raise Unreachable("connection_lost", "The media connection was lost.", "It is tried again.")
        except NoAddressAllowed as error:
            raise refused() from error
        except BadAnswer as error:
            message = "The server's answer cannot be used."
            raise Rejected("bad_answer", message, "It must take H.264 or VP8, and Opus.") from error
        except TimeoutError as error:
            message = "The server takes the stream, but no media connection comes about."
            raise Unreachable("no_media", message, "Allow UDP to it, or set up a TURN server.") from error
        finally:
            await self._free(resource)

    async def _free(self, resource: WhipResource | None) -> None:
        publisher = self._publisher
        closings = [publisher.close()] if publisher is not None else []
        closings += [resource.delete()] if resource is not None else []
        await asyncio.gather(*closings, return_exceptions=True)
        self._before, self._publisher = self._progress(), None
        self._lender.give_back()


async def _offer(publisher: Publisher) -> str:
    try:
        return await publisher.offer()
    except EngineError as error:  # its TURN server may come back
        raise Unreachable(error.code, error.message, error.remedy) from error
