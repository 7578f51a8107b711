"""What waits to be sent over one WebSocket, in order and bounded: a client that never reads is given up on.

Knows nothing of what the messages say, nor what to do about a client for which too many wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from visavis_server.api.messages import as_text

_log = logging.getLogger(__name__)

SEND_LIMIT_S = 5.0
_GONE = (TimeoutError, WebSocketDisconnect, RuntimeError, OSError)
"""What sending raises when the client has gone, or never reads."""


class Outbox:
    """Messages to one client, and how its WebSocket is closed after the last of them.

    Args:
        socket: accepted.
        size: so many messages may wait.
    """

    def __init__(self, socket: WebSocket, size: int) -> None:
        self._socket = socket
        self._waiting: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(size)
        self.close_code = 1000

    @property
    def free(self) -> int:
        """So many more may be put."""
        return self._waiting.maxsize - self._waiting.qsize()

    def put(self, message: dict[str, Any] | None) -> None:
        """Send this after all that waits; None closes the WebSocket.

        Raises:
            asyncio.QueueFull: none is free.
        """
        self._waiting.put_nowait(message)

    def forget_oldest(self) -> None:
        """Drop the message that waits longest."""
        self._waiting.get_nowait()

    async def send(self) -> None:
        """Send until the WebSocket is closed or the client has gone."""
        while True:
            message = await self._waiting.get()
            try:
                async with asyncio.timeout(SEND_LIMIT_S):
                    if message is None:
                        await self._socket.close(self.close_code)
                        return
                    await self._socket.send_text(as_text(message))
            except _GONE:
                return

    async def send_beside(
        self, who: str, work: dict[str, Coroutine[Any, Any, None]], leave: Callable[[], None]
    ) -> None:
        """Send while the rest of a conversation goes on; all of it has ended when this returns.

        Args:
            who: to name the tasks.
            work: what else goes on, by a verb.
            leave: called when the first of all has ended; what it puts has `SEND_LIMIT_S` to be sent.
        """
        writing = asyncio.create_task(self.send(), name=f"write {who}")
        tasks = [writing, *(asyncio.create_task(part, name=f"{verb} {who}") for verb, part in work.items())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            leave()
            await asyncio.wait((writing,), timeout=SEND_LIMIT_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def refuse(socket: WebSocket, message: dict[str, Any], close_code: int) -> None:
    """Tell a client that was accepted only to be told why it is not."""
    try:
        await socket.send_text(as_text(message))
        await socket.close(close_code)
    except _GONE:
        _log.debug("client left before it was refused")
