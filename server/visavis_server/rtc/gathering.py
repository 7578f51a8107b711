"""Gathers an ICE connection's candidates so that nothing stays open when it ends, or nobody waits for it, meanwhile.

aioice forgets what it is at when its caller is cancelled, and does not close what comes after its own end: a socket, or
an allocation at a TURN server that is refreshed for ever. Knows nothing of ports or media.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from aioice import Candidate, Connection

logger = logging.getLogger(__name__)

_late: set[asyncio.Task[None]] = set()
"""What is being closed for connections that are gone; each lasts as long as its gathering, which has a limit."""


class Gathering:
    """The gathering of one connection.

    Args:
        connection: is closed once more when it ends before its gathering does.
        gather: what it does by itself, with a limit of time.
    """

    def __init__(self, connection: Connection, gather: Callable[..., Coroutine[Any, Any, list[Candidate]]]) -> None:
        self._connection = connection
        self._gather = gather

    async def get_component_candidates(self, component: int, addresses: list[str]) -> list[Candidate]:
        """Stands for the connection's own."""
        work = asyncio.create_task(self._gather(component, addresses), name="gather candidates")
        try:
            found = await asyncio.shield(work)
        except asyncio.CancelledError:
            closing = asyncio.create_task(self._close_after(work), name="close late candidates")
            _late.add(closing)
            closing.add_done_callback(_late.discard)
            raise
        if self._connection._closing:
            await self._connection.close()
        return found

    async def _close_after(self, work: asyncio.Task[list[Candidate]]) -> None:
        await asyncio.wait((work,))
        if not work.cancelled() and work.exception() is not None:
            logger.debug("Nothing was gathered for a connection that is gone: %s", work.exception())
        await self._connection.close()
