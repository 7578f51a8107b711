"""Reads the files of a show ahead of its voice, in the show's order; what cannot be played is told and passed over.

Reads in a thread of its own, a second of sound at a time: an hour never lies in memory. Knows nothing of sessions.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Thread, current_thread
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import PLAYBACK_RATE_HZ
from visavis_models.errors import BadVoice, VisavisError
from visavis_server.play_list import PlayItem
from visavis_server.play_order import PlayOrder
from visavis_server.play_voice import Playing, PlayVoice
from visavis_server.voice_file import VoiceFile

_log = logging.getLogger(__name__)

FORMATS = (
    "aac,ac3,aiff,amr,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,tta,w64,"
    "wav,wv"
).split(",")
"""Containers that hold their own sound: others (HLS, concat, SDP) lead FFmpeg to files and hosts that nobody named."""
RETRY_S = 10.0
"""After a whole round in which nothing could be played, a show that loops waits so long: a disk may come back."""
_BLOCK_SAMPLES = PLAYBACK_RATE_HZ
_THREAD_S = 0.4
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class ItemFailed:
    """An item cannot be played and was passed over."""

    number: int
    item: PlayItem
    error: VisavisError


class Player:
    """Reads ahead for one show.

    Args:
        order: what comes when.
        voice: takes it.
        pause_s: silence between two items; 0: gapless.
        tell: what was passed over; called on the event loop.
    """

    def __init__(self, order: PlayOrder, voice: PlayVoice, pause_s: float, tell: Callable[[ItemFailed], None]) -> None:
        self.order = order
        self.pause_s = pause_s
        self._voice = voice
        self._tell = tell
        self._refused: set[int] = set()
        self._more = asyncio.Event()
        self._threads: list[Thread] = []
        self._executor = ThreadPoolExecutor(1, "visavis-show", lambda: self._threads.append(current_thread()))
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._play(), name="play show")

    def append(self, items: Sequence[PlayItem]) -> None:
        """More to play.

        Raises:
            BadInput: `too_many_items`.
        """
        self.order.append(items)
        self._voice.finish(False)
        self._more.set()

    def loop(self, on: bool) -> None:
        """From now on begin again after the last item, or do not."""
        self.order.loop = on
        self._voice.finish(False)
        self._more.set()

    async def aclose(self) -> None:
        """Let files and thread go. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._executor.shutdown(wait=False)  # what still runs is a read of one second, and then its file is closed
        give_up_s = time.monotonic() + _THREAD_S
        while any(thread.is_alive() for thread in self._threads) and time.monotonic() < give_up_s:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        self._threads.clear()

    async def _play(self) -> None:
        failed, heard = 0, False
        while True:
            await self._voice.room()
            chosen = self.order.next()
            if chosen is None:
                self._voice.finish()
                await self._until_more(None)
                failed = 0
                continue
            number, item = chosen
            try:
                heard = await self._play_item(number, item, self.pause_s if heard else 0.0)
                failed = 0
            except VisavisError as error:
                failed += 1
                level = logging.DEBUG if number in self._refused else logging.WARNING  # a loop comes to it again
                self._refused.add(number)
                told = {"file": item.name, "code": error.code, "reason": error.message}
                _log.log(level, "file passed over", extra=told)
                self._tell(ItemFailed(number, item, error))
                if failed % len(self.order) == 0 and self.order.loop:
                    await self._until_more(RETRY_S)

    async def _until_more(self, limit_s: float | None) -> None:
        self._more.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._more.wait(), limit_s)

    async def _play_item(self, number: int, item: PlayItem, rest_s: float) -> bool:
        """Read one item to its end; whether a rest belongs behind it.

        Raises:
            VisavisError: there is no sound in it.
        """
        if item.problem is not None:
            raise item.problem
        file = await self._read(item, partial(VoiceFile, item.path, tuple(FORMATS)))
        playing = Playing(number, item, item.title or file.title or item.path.stem, file.duration_s)
        pieces, pushed = file.samples(), False
        try:
            block = await self._read(item, partial(_block, pieces))
            if not block.size:
                raise BadVoice("voice_empty", f"{item.name} holds no sound at all.", "Take it off the list.")
            self._voice.rest(rest_s)
            while block.size and not playing.unwanted:
                self._voice.push(playing, block)
                pushed = True
                await self._voice.room()
                block = await self._read(item, partial(_block, pieces))
            self._voice.end(playing)
        except VisavisError as error:
            if not pushed:
                raise
            _log.warning("file broke off", extra={"file": item.name, "code": error.code, "reason": error.message})
            self._voice.end(playing, error)
        finally:
            with suppress(RuntimeError):  # the executor is shut down: the file is closed with its last reference
                self._executor.submit(pieces.close)
        return not playing.unwanted

    async def _read(self, item: PlayItem, call: Callable[[], Answer]) -> Answer:
        """Do something slow with a file; whatever may go wrong with it is this file's error.

        Raises:
            VisavisError: see `VoiceFile`.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)
        except VisavisError:
            raise
        except Exception as error:  # FFmpeg meets files that nobody has thought of; the show goes on
            _log.warning("file could not be decoded", exc_info=error, extra={"file": item.name})
            raise BadVoice(
                "voice_unreadable", f"{item.name} cannot be decoded.", "Use a wav, mp3, m4a, flac or ogg file."
            ) from error


def _block(pieces: Iterator[NDArray[np.int16]]) -> NDArray[np.int16]:
    """The next second or what is left, int16 (n,); empty at the end."""
    taken: list[NDArray[np.int16]] = []
    count = 0
    while count < _BLOCK_SAMPLES:
        piece = next(pieces, None)
        if piece is None:
            break
        taken.append(piece)
        count += piece.size
    return np.concatenate(taken) if taken else np.zeros(0, np.int16)
