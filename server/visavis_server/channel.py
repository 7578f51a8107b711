"""Bounded channels between the stages of a pipeline. Knows nothing of what flows through them.

Sizes are in milliseconds of media, because that is what a full channel costs its user: latency.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from enum import Enum
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Overflow(Enum):
    """What a full channel does with the next item."""

    BLOCK = "block"
    """The sender waits: nothing may be lost (voice)."""
    DROP_OLDEST = "drop_oldest"
    """The oldest item goes: only the latest counts (pictures)."""
    REJECT = "reject"
    """The new item is refused (sessions)."""


class Full(Exception):
    """A channel that rejects has no room."""


class Closed(Exception):
    """The channel was closed and holds nothing more."""


class Channel(Generic[Item]):
    """A bounded queue of one event loop.

    Args:
        size_ms: how much media it holds at most.
        item_ms: how much media one item is.
        overflow: what happens when it is full.
    """

    def __init__(self, size_ms: int, item_ms: int, overflow: Overflow) -> None:
        if size_ms < item_ms:
            raise ValueError(f"a channel of {size_ms} ms cannot hold an item of {item_ms} ms")
        self._capacity = size_ms // item_ms
        self._overflow = overflow
        self._items: deque[Item] = deque()
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._closed = False
        self.dropped = 0
        """How many items were thrown away so far."""

    def __len__(self) -> int:
        return len(self._items)

    def offer(self, item: Item) -> None:
        """Put an item without waiting, from the event loop's own thread.

        Raises:
            Full: there is no room and the channel does not drop.
            Closed: the channel is closed.
        """
        if self._closed:
            raise Closed
        if len(self._items) >= self._capacity:
            if self._overflow is not Overflow.DROP_OLDEST:
                raise Full
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)
        self._readable.set()

    async def push(self, item: Item) -> None:
        """Put an item; a channel that blocks waits for room. Cancelling loses only this item.

        Raises:
            Full: there is no room and the channel rejects.
            Closed: the channel is closed.
        """
        while self._overflow is Overflow.BLOCK and not self._closed and len(self._items) >= self._capacity:
            self._writable.clear()
            await self._writable.wait()
        self.offer(item)

    async def take(self) -> Item:
        """The oldest item; waits for one. Cancelling loses nothing.

        Raises:
            Closed: the channel is closed and empty.
        """
        while not self._items:
            if self._closed:
                raise Closed
            self._readable.clear()
            await self._readable.wait()
        item = self._items.popleft()
        self._writable.set()
        return item

    def take_all(self) -> list[Item]:
        """What waits now, oldest first; nothing if nothing does."""
        items = list(self._items)
        self._items.clear()
        self._writable.set()
        return items

    def clear(self) -> None:
        """Throw away what waits, uncounted: an interruption wants it gone."""
        self._items.clear()
        self._writable.set()

    def close(self) -> None:
        """No more items come; those that wait can still be taken."""
        self._closed = True
        self._readable.set()
        self._writable.set()

    async def __aiter__(self) -> AsyncIterator[Item]:
        while True:
            try:
                yield await self.take()
            except Closed:
                return
