"""Holds what a session published until it is encoded: the newest pictures, all of the voice.

Knows nothing of codecs' bitrates or RTP. Whoever publishes sets the pace; `recv` only waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from fractions import Fraction
from typing import Generic, TypeVar

import av
import cv2
import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from numpy.typing import NDArray

from visavis_server.media import Published

PICTURE_STEP = 3600
"""Ticks of the 90 kHz clock in 40 ms."""
VOICE_STEP = 1920
"""Samples at 48 kHz in 40 ms."""
PICTURES_HELD = 3
"""120 ms: an encoder that is further behind shows newer pictures instead."""
VOICE_HELD = 50
"""2 s: never reached unless the event loop stands still."""

Item = TypeVar("Item")


class BoundedQueue(Generic[Item]):
    """Bounded; drops its oldest; one reader."""

    def __init__(self, size: int) -> None:
        self._items: deque[Item] = deque(maxlen=size)
        self._ready = asyncio.Event()
        self._closed = False
        self.dropped = 0

    def put(self, item: Item) -> None:
        """Take one; the oldest goes, counted, when there is no room."""
        if self._closed:
            return
        self.dropped += len(self._items) == self._items.maxlen
        self._items.append(item)
        self._ready.set()

    @property
    def waiting(self) -> int:
        """How many are held."""
        return len(self._items)

    def clear(self) -> int:
        """Throw away what is held; how many that were."""
        count = len(self._items)
        self._items.clear()
        return count

    async def get(self) -> Item:
        """The oldest; waits for one. Raises MediaStreamError once the queue is closed."""
        while not self._items:
            if self._closed:
                raise MediaStreamError
            self._ready.clear()
            await self._ready.wait()
        return self._items.popleft()

    def close(self) -> None:
        """Drop everything and wake the reader."""
        self._closed = True
        self._items.clear()
        self._ready.set()


class FrameMaker:
    """Turns published pictures into yuv420p frames; a picture that repeats is converted once."""

    def __init__(self) -> None:
        self._picture: NDArray[np.uint8] | None = None
        self._planes: NDArray[np.uint8] | None = None

    def frame(self, item: Published) -> av.VideoFrame:
        """The frame of one tick, pts in 1/90000 s. Odd sizes lose their last row or column."""
        if item.picture is not self._picture or self._planes is None:
            self._planes = item.planes
            if self._planes is None:
                height, width = item.picture.shape[0] & ~1, item.picture.shape[1] & ~1
                even = np.ascontiguousarray(item.picture[:height, :width])
                self._planes = np.asarray(cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420), dtype=np.uint8)
            self._picture = item.picture
        frame = av.VideoFrame.from_ndarray(self._planes, format="yuv420p")
        frame.pts, frame.time_base = item.moment * PICTURE_STEP, Fraction(1, 90_000)
        return frame


class PictureTrack(MediaStreamTrack):
    """The avatar's pictures."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._queue: BoundedQueue[Published] = BoundedQueue(PICTURES_HELD)
        self._frames = FrameMaker()

    @property
    def dropped(self) -> int:
        """Pictures that newer ones pushed out."""
        return self._queue.dropped

    def put(self, item: Published) -> None:
        """Take one tick; drops the oldest when the encoder is behind."""
        self._queue.put(item)

    async def next_item(self) -> Published:
        """The oldest picture held. Raises MediaStreamError once the track has stopped."""
        return await self._queue.get()

    async def recv(self) -> av.VideoFrame:
        """The same as a frame, for an aiortc sender that is not patched."""
        item = await self._queue.get()
        return await asyncio.get_running_loop().run_in_executor(None, self._frames.frame, item)

    def stop(self) -> None:
        """End the track and release what it holds."""
        self._queue.close()
        super().stop()


class VoiceTrack(MediaStreamTrack):
    """The avatar's voice, 40 ms at a time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._queue: BoundedQueue[Published] = BoundedQueue(VOICE_HELD)

    @property
    def dropped(self) -> int:
        """Ticks of voice lost because nothing ran for two seconds."""
        return self._queue.dropped

    @property
    def waiting(self) -> int:
        """Ticks held: more than none means that sending is behind."""
        return self._queue.waiting

    def put(self, item: Published) -> None:
        """Take one tick."""
        self._queue.put(item)

    async def next_item(self) -> Published:
        """The oldest tick held. Raises MediaStreamError once the track has stopped."""
        return await self._queue.get()

    async def recv(self) -> av.AudioFrame:
        """The same as a frame, for an aiortc sender that is not patched."""
        item = await self._queue.get()
        frame = av.AudioFrame.from_ndarray(item.voice.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, item.moment * VOICE_STEP, Fraction(1, 48_000)
        return frame

    def stop(self) -> None:
        """End the track and release what it holds."""
        self._queue.close()
        super().stop()
