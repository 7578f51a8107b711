"""The library of avatars as the event loop may use it: all of its work in threads, analyses one at a time, few in line.

Knows nothing of HTTP or of how a photo is analysed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol, TypeVar

from visavis_models.avatar import Avatar
from visavis_models.errors import Busy
from visavis_models.framing import framed
from visavis_models.portrait.consent import Consent
from visavis_server.call import shutting_down
from visavis_server.metrics import Metrics

Answer = TypeVar("Answer")
_STAGED = 16


class Staged(NamedTuple):
    """An avatar as it was asked for to be seen live; see `AvatarDesk.on_stage`."""

    avatar_id: str
    format: str | None = None
    person: int = 0


class Listed(Protocol):
    """What a list shows of an avatar: an `Avatar` itself, or less."""

    @property
    def id(self) -> str:
        """The name in URLs."""
        ...

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def width_px(self) -> int:
        """Width of the canvas."""
        ...

    @property
    def height_px(self) -> int:
        """Height of the canvas."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What its user should know of it."""
        ...

    @property
    def builtin(self) -> bool:
        """Ships with visavis."""
        ...

    @property
    def faces(self) -> tuple[tuple[float, float, float], ...]:
        """Of everybody who can speak: centre x, y and width of the face, px."""
        ...


class Library(Protocol):
    """The avatars on disk. Everything may take long; an id without avatar raises `NotFound`."""

    def list(self) -> Sequence[Listed]:
        """All of them, built-in ones first."""
        ...

    def get(self, id: str) -> Avatar:
        """One, ready to perform."""
        ...

    def add(self, photo: bytes, name: str, consent: Consent | None = None) -> Avatar:
        """Analyse a photo, and keep whose consent there is; raises `BadPhoto`."""
        ...

    def consents(self, id: str) -> tuple[Consent, ...]:
        """Who said that the person shown agrees."""
        ...

    def has(self, id: str) -> bool:
        """Whether there is one of this id."""
        ...

    def remove(self, id: str) -> None:
        """Forget one."""
        ...

    def image(self, id: str) -> bytes:
        """The canvas as JPEG."""
        ...

    def thumbnail(self, id: str) -> bytes:
        """A square round the face as JPEG."""
        ...


class AvatarDesk:
    """Where the event loop asks for avatars.

    Args:
        library: the avatars.
        max_waiting: analyses that may wait while another one runs.
        metrics: counts analyses.
        format: of live pictures for which nobody asks for another; see `framed`.
    """

    def __init__(self, library: Library, max_waiting: int, metrics: Metrics, format: str = "") -> None:
        self._library = library
        self._max_waiting = max_waiting
        self._metrics = metrics
        self._format = format
        self._analyst = ThreadPoolExecutor(1, "visavis analysis")
        self._reader = ThreadPoolExecutor(2, "visavis library")
        self._pending = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._closed = False
        self.staged: list[Staged] = []
        """What was asked for last, the newest first."""

    async def list(self) -> Sequence[Listed]:
        """All avatars, built-in ones first."""
        return await self._read(self._library.list)

    async def get(self, id: str) -> Avatar:
        """One avatar.

        Raises:
            NotFound: there is none of this id.
        """
        return await self._read(self._library.get, id)

    async def on_stage(self, id: str, format: str | None = None, person: int = 0) -> tuple[Avatar, int]:
        """One avatar as it is to be seen live, and the number that the chosen person has there.

        Args:
            id: of the avatar.
            format: see `framed`; None: what the settings say.
            person: who speaks, by number; stays in any case.

        Raises:
            NotFound: there is none of this id.
            BadInput: `bad_format`, `bad_speaker`.
        """
        wish = Staged(id, format, person)
        found = await self.framed(wish)
        self.staged = [wish, *(other for other in self.staged if other != wish)][:_STAGED]
        return found

    async def framed(self, wish: Staged) -> tuple[Avatar, int]:
        """The same, but nobody is going to see it now."""
        avatar, format = await self.get(wish.avatar_id), self._format if wish.format is None else wish.format
        return await asyncio.to_thread(framed, avatar, format, wish.person)

    async def image(self, id: str) -> bytes:
        """The canvas as JPEG.

        Raises:
            NotFound: there is none of this id.
        """
        return await self._read(self._library.image, id)

    async def thumbnail(self, id: str) -> bytes:
        """A square round the face as JPEG.

        Raises:
            NotFound: there is none of this id.
        """
        return await self._read(self._library.thumbnail, id)

    async def remove(self, id: str) -> None:
        """Forget an avatar.

        Raises:
            NotFound: there is none of this id.
            VisavisError: it ships with visavis (`builtin_avatar`).
        """
        await self._read(self._library.remove, id)

    def check_room(self) -> None:
        """See whether there is room in the line, before a photo is read.

        Raises:
            Busy: too many are in line already, or the server is shutting down.
        """
        if self._closed:
            raise shutting_down()
        if self._pending > self._max_waiting:
            raise Busy("analysis_busy", "Several photos are being prepared already.", "Try again in a few seconds.")

    async def consents(self, id: str) -> tuple[Consent, ...]:
        """Who said that the person shown agrees.

        Raises:
            NotFound: there is none of this id.
        """
        return await self._read(self._library.consents, id)

    async def has(self, id: str) -> bool:
        """Whether there is one of this id."""
        return await self._read(self._library.has, id)

    async def add(self, photo: bytes, name: str, consent: Consent | None = None) -> Avatar:
        """Analyse a photo; goes on even if the caller stops waiting.

        Raises:
            Busy: too many are in line already, or the server is shutting down.
            BadPhoto: it cannot become an avatar.
        """
        self.check_room()
        self._pending += 1
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._analyst, self._timed_add, photo, name, consent)
        work.add_done_callback(self._done)
        answer: asyncio.Future[None] = loop.create_future()

        def wake(_: object) -> None:
            if not answer.done():
                answer.set_result(None)

        work.add_done_callback(wake)
        self._waiting.add(answer)
        try:
            await answer
        finally:
            self._waiting.discard(answer)
        return work.result()

    async def aclose(self) -> None:
        """Take no more work and forget what is in line; a running analysis finishes by itself. Idempotent."""
        self._closed = True
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(shutting_down())
        self._analyst.shutdown(wait=False, cancel_futures=True)
        self._reader.shutdown(wait=False, cancel_futures=True)

    def _timed_add(self, photo: bytes, name: str, consent: Consent | None) -> Avatar:
        begun_s = time.monotonic()
        try:
            return self._library.add(photo, name, consent)
        finally:
            self._metrics.analysis(time.monotonic() - begun_s)

    def _done(self, work: asyncio.Future[Avatar]) -> None:
        self._pending -= 1
        if not work.cancelled():
            work.exception()  # seen, even if the caller has gone

    async def _read(self, call: Callable[..., Answer], *values: str) -> Answer:
        if self._closed:
            raise shutting_down()
        return await asyncio.get_running_loop().run_in_executor(self._reader, call, *values)
