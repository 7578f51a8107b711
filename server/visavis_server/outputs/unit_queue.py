"""What waits for one output: bounded in time and bytes; begins at a keyframe, and jumps to the next one when full.

Knows nothing of where the units go. One event loop, one reader.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from visavis_server.outputs.access_units import TIMESCALE_HZ, VOICE_DURATION, AccessUnit


class UnitQueue:
    """A bounded queue of access units.

    When it is full everything that waits goes, pictures and voice alike, and it begins anew at the next keyframe: no
    half of what goes together is ever sent, and both media keep their times.

    Args:
        limit_s: how much media it holds.
        limit_bytes: and how many bytes.
        ask_keyframe: called when it waits for a keyframe.
    """

    def __init__(self, limit_s: float, limit_bytes: int, ask_keyframe: Callable[[], None]) -> None:
        self._limit = round(limit_s * TIMESCALE_HZ)
        self._limit_bytes = limit_bytes
        self._ask_keyframe = ask_keyframe
        self._units: deque[AccessUnit] = deque()
        self._bytes = 0
        self._ready = asyncio.Event()
        self._begin: int | None = None
        self._overflown = False
        self._closed = False
        self.pictures_dropped = 0
        self._voice_dropped = 0

    @property
    def voice_dropped_s(self) -> float:
        """Voice that was never sent because the output could not keep up, in seconds."""
        return self._voice_dropped * VOICE_DURATION / TIMESCALE_HZ

    @property
    def waiting_bytes(self) -> int:
        """What is held now."""
        return self._bytes

    def restart(self) -> None:
        """Forget what waits, uncounted, and begin at the next keyframe."""
        self._units.clear()
        self._bytes = 0
        self._begin, self._overflown = None, False
        self._ask_keyframe()

    def take(self, unit: AccessUnit) -> None:
        """Take one unit; what comes before the keyframe with which it begins is left out."""
        if self._closed:
            return
        if self._begin is None and unit.is_picture and unit.is_keyframe:
            self._begin, self._overflown = unit.pts, False
        if self._begin is None or unit.pts < self._begin:
            if self._overflown:
                self._count(unit)
            return
        late = bool(self._units) and unit.pts - self._units[0].pts > self._limit
        if late or self._bytes + len(unit.data) > self._limit_bytes:
            for lost in (*self._units, unit):
                self._count(lost)
            self.restart()
            self._overflown = True
            return
        self._units.append(unit)
        self._bytes += len(unit.data)
        self._ready.set()

    async def get(self) -> AccessUnit | None:
        """The oldest unit; waits for one. None once the queue was closed and is empty."""
        while not self._units:
            if self._closed:
                return None
            self._ready.clear()
            await self._ready.wait()
        unit = self._units.popleft()
        self._bytes -= len(unit.data)
        return unit

    def close(self) -> None:
        """Take no more; what waits may still be had."""
        self._closed = True
        self._ready.set()

    def _count(self, unit: AccessUnit) -> None:
        if unit.is_picture:
            self.pictures_dropped += 1
        else:
            self._voice_dropped += 1
