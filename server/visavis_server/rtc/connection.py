"""What every connection of aiortc needs here, whichever way media flows: made alike, its tasks held, closed in time.

Knows nothing of offers, tracks or when a connection is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any

import aiortc
from aiortc import RTCConfiguration, RTCIceServer, RTCIceTransportPolicy, RTCPeerConnection

from visavis_server.rtc import aiortc_patches
from visavis_server.rtc.reach import ANYWHERE, Reach
from visavis_server.rtc.sdp import IceServer

logger = logging.getLogger(__name__)

CONNECT_S = 15.0
"""A far side that answers no check for this long after our answer does not come any more."""
CLOSE_S = 1.5


def aiortc_servers(servers: Sequence[IceServer]) -> list[RTCIceServer]:
    """STUN and TURN servers as aiortc takes them."""
    return [
        RTCIceServer(urls=list(server.urls), username=server.username, credential=server.credential)
        for server in servers
    ]


def new_connection(servers: list[RTCIceServer], reach: Reach = ANYWHERE) -> RTCPeerConnection:
    """A connection whose media share one transport, patched."""
    policy = RTCIceTransportPolicy.RELAY if reach.relay_only else RTCIceTransportPolicy.ALL
    pc = RTCPeerConnection(
        RTCConfiguration(iceServers=servers, iceTransportPolicy=policy, bundlePolicy=aiortc.RTCBundlePolicy.MAX_BUNDLE)
    )
    aiortc_patches.patch_connection(pc)
    return pc


async def close_connection(pc: RTCPeerConnection) -> None:
    """Free its sockets, or give up on it after `CLOSE_S`."""
    try:
        await asyncio.wait_for(pc.close(), CLOSE_S)
    except TimeoutError:
        logger.warning("A connection did not close within %.1f s; it is left behind.", CLOSE_S)


class HeldTasks:
    """Work that runs for as long as a connection lives."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def hold(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it from now on, at most until `cancel`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cancel(self) -> None:
        """End all of it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
