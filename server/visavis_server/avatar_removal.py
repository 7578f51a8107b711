"""Removes an avatar with everything made of it: files, what is held in memory, calls that show it, recordings.

Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from visavis_models.errors import StorageError
from visavis_server.avatar_desk import AvatarDesk
from visavis_server.registry import SessionRegistry

_log = logging.getLogger(__name__)

WATCH_EVERY_S = 2.0


class AvatarRemoval:
    """What removes avatars of this server.

    Args:
        desk: the avatars.
        registry: the calls.
        forget: drops what drawing keeps of an avatar.
        settled: waits until nothing is done to closed recordings any more.
        recordings: the folder with the recordings; None: there is none.
    """

    def __init__(
        self,
        desk: AvatarDesk,
        registry: SessionRegistry,
        forget: Callable[[str], Awaitable[None]],
        settled: Callable[[], Awaitable[None]],
        recordings: Path | None,
    ) -> None:
        self._desk = desk
        self._registry = registry
        self._forget = forget
        self._settled = settled
        self._recordings = recordings

    async def remove(self, id: str, with_recordings: bool) -> None:
        """Remove an avatar; its calls have ended when this returns.

        Args:
            id: of the avatar.
            with_recordings: remove recordings that show it, too.

        Raises:
            NotFound: there is none of this id.
            VisavisError: `builtin_avatar`, it ships with visavis.
            StorageError: something of it could not be removed.
        """
        await self._desk.remove(id)
        await self.follow(id, with_recordings)

    async def follow(self, id: str, with_recordings: bool) -> None:
        """An avatar was removed, perhaps by another process: remove what is made of it here; else like `remove`."""
        await self._end_calls(id)
        await self._forget(id)
        if with_recordings and self._recordings is not None:
            await self._settled()  # a file that is being signed would come back
            await asyncio.to_thread(remove_recordings, self._recordings, id)

    async def watch(self) -> None:
        """End calls whose avatar another process has removed, for ever."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            for id in {call.session.avatar_id for call in self._registry.calls()}:
                try:
                    if not await self._desk.has(id):
                        await self._end_calls(id)
                        await self._forget(id)
                except Exception:  # this watch must outlive whatever it was
                    _log.exception("could not see whether an avatar is still there", extra={"avatar": id})

    async def _end_calls(self, id: str) -> None:
        shown = [call.id for call in self._registry.calls() if call.session.avatar_id == id]
        await asyncio.gather(*(self._registry.end(call, "deleted") for call in shown))


def remove_recordings(folder: Path, avatar_id: str) -> int:
    """Remove the recordings that show an avatar; how many there were. One that is being made loses its name only.

    Raises:
        StorageError: one of them cannot be removed.
    """
    mine = re.compile(rf"\d{{8}}-\d{{6}}-{re.escape(avatar_id)}-[0-9a-f]{{6}}\.mp4")  # as `recording_name` makes them
    removed = 0
    try:
        for path in sorted(folder.iterdir()):
            if mine.fullmatch(path.name):
                path.unlink(missing_ok=True)
                removed += 1
    except OSError as error:
        problem = f"Recordings of this avatar cannot be removed: {error.strerror}."
        raise StorageError("storage", problem, "Remove them by hand from outputs.record_dir.") from error
    return removed
