"""A second ICE path for a connection that lives: found beside the first one, then put in its place under DTLS and SRTP.

aiortc has no restarts. Its transport is handed another aioice connection that shares the first one's queue, so that
whoever waits for packets goes on waiting. Knows nothing of media or signalling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aioice import Connection
from aiortc import RTCIceCandidate, RTCIceServer
from aiortc.rtcicetransport import candidate_from_aioice, candidate_to_aioice, connection_kwargs

from visavis_server.rtc.reach import ANYWHERE, Reach


class IceRestart:
    """One restart.

    Args:
        transport: an `RTCIceTransport` that is connected.
        ice_servers: STUN and TURN servers.
        ufrag: the far side's new ICE user name.
        password: the far side's new ICE password.
        reach: whether only relays may be used.
    """

    def __init__(
        self,
        transport: Any,
        ice_servers: Sequence[RTCIceServer],
        ufrag: str,
        password: str,
        reach: Reach = ANYWHERE,
    ) -> None:
        self._transport = transport
        self.connection = Connection(
            ice_controlling=False, transport_policy=reach.policy, **connection_kwargs(list(ice_servers))
        )
        self.connection.remote_username, self.connection.remote_password = ufrag, password
        self._moved = False

    @property
    def credentials(self) -> tuple[str, str]:
        """Our new ICE user name and password."""
        return self.connection.local_username, self.connection.local_password

    async def gather(self) -> list[RTCIceCandidate]:
        """Open sockets for the new path; our candidates."""
        await self.connection.gather_candidates()
        return [candidate_from_aioice(candidate) for candidate in self.connection.local_candidates]

    async def add(self, candidate: RTCIceCandidate) -> None:
        """Take one candidate of the far side."""
        await self.connection.add_remote_candidate(candidate_to_aioice(candidate))

    async def connect(self) -> None:
        """Wait until the far side has chosen the new path, then move over to it and close the old one.

        Raises:
            ConnectionError: there is no new path.
        """
        await self.connection.connect()
        transport, new, old = self._transport, self.connection, self._transport._connection
        if old._closed or old._closing:
            raise ConnectionError("The connection has ended meanwhile.")
        early = new._queue
        new._queue, old._queue = old._queue, asyncio.Queue()
        while not early.empty():
            new._queue.put_nowait(early.get_nowait())
        new._event_waiter, old._event_waiter = old._event_waiter, None  # else its end would look like the end of all
        transport._connection = transport.iceGatherer._connection = new
        transport._recv, transport._send = new.recv, new.send
        self._moved = True
        await old.close()

    async def close(self) -> None:
        """Give up, unless the move is done."""
        if not self._moved:
            await self.connection.close()
