"""Checks of the way to this server: a few at a time, each of them short. Knows nothing of HTTP or sessions."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from visavis_models.errors import BadInput, Busy
from visavis_server.ice_servers import IceServers

if TYPE_CHECKING:
    from visavis_server.rtc import Echo, Reach

MAX_CHECKS = 6
ANSWER_LIMIT_S = 10.0


class ConnectionChecks:
    """All checks that run now.

    Args:
        ice: STUN and TURN servers.
        reach: how connections are reached.
    """

    def __init__(self, ice: IceServers, reach: Callable[[], Reach]) -> None:
        self._ice = ice
        self._reach = reach
        self._echoes: dict[str, Echo] = {}
        self._closings: set[asyncio.Task[None]] = set()

    @property
    def active(self) -> int:
        """Checks that run now."""
        return len(self._echoes)

    async def start(self, offer_sdp: str) -> str:
        """Answer a browser that offers a data channel; what it sends there comes back.

        Raises:
            BadRequest: `bad_sdp`.
            BadInput: `negotiation_timeout`.
            Busy: `checks_busy`, `ports_exhausted`.
        """
        from visavis_server import rtc  # aiortc takes most of a second to import

        if len(self._echoes) >= MAX_CHECKS:
            message = "Many people check their connection just now."
            raise Busy("checks_busy", message, "Try again in half a minute.")
        key = secrets.token_hex(8)
        servers = [rtc.IceServer(s.urls, s.username, s.credential) for s in self._ice.issue()]
        echo = rtc.Echo(on_closed=lambda: self._forget(key), ice_servers=servers, reach=self._reach())
        self._echoes[key] = echo
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                return await echo.answer(offer_sdp)
        except BaseException as error:
            self._echoes.pop(key, None)
            await echo.close()
            if isinstance(error, TimeoutError):
                message = "The connection could not be prepared in time."
                raise BadInput("negotiation_timeout", message, "Check the STUN and TURN servers.") from error
            raise

    async def aclose(self) -> None:
        """End all of them."""
        for key in tuple(self._echoes):
            self._forget(key)
        await asyncio.gather(*self._closings, return_exceptions=True)

    def _forget(self, key: str) -> None:
        echo = self._echoes.pop(key, None)
        if echo is not None:
            closing = asyncio.create_task(echo.close(), name="close connection check")
            self._closings.add(closing)
            closing.add_done_callback(self._closings.discard)
