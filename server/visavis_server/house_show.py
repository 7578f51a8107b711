"""The operator's own show: plays what the settings name for as long as the server runs, and begins anew if it fails.

Knows nothing of how shows work.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from visavis_models.errors import NotFound, VisavisError
from visavis_server.avatar_desk import AvatarDesk, Library
from visavis_server.play_list import PlayItem, items_of
from visavis_server.settings import ShowSettings
from visavis_server.shows import Show, Shows, ShowWish

_log = logging.getLogger(__name__)

_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 60.0


def house_items(settings: ShowSettings) -> list[PlayItem]:
    """What the settings name; see `items_of`."""
    return items_of([Path(name).expanduser() for name in settings.play])


def check_house_show(settings: ShowSettings, library: Library) -> None:
    """What a show cannot begin with is told before the server starts.

    Raises:
        NotFound: no such file or avatar.
        BadInput: see `items_of`.
    """
    house_items(settings)
    if settings.play_avatar:
        library.get(settings.play_avatar)


async def keep_playing(
    shows: Shows, desk: AvatarDesk, settings: ShowSettings, first_wait_s: float = _FIRST_WAIT_S
) -> None:
    """Play until cancelled, or until somebody ends the show on purpose."""
    wait_s = first_wait_s
    while True:
        begun_s = time.monotonic()
        try:
            show = await _open(shows, desk, settings)
        except VisavisError as error:
            _log.error("the show cannot begin", extra={"code": error.code, "reason": str(error)})
        else:
            if await show.until_over() in ("client", "deleted", "shutdown"):
                return
            if time.monotonic() - begun_s > _LONGEST_WAIT_S:
                wait_s = first_wait_s
        _log.warning("the show begins anew", extra={"in_s": wait_s})
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


async def _open(shows: Shows, desk: AvatarDesk, settings: ShowSettings) -> Show:
    avatar_id = settings.play_avatar
    if not avatar_id:
        avatars = await desk.list()
        if not avatars:
            raise NotFound("no_such_avatar", "There is no avatar.", "Add one: visavis avatar add PHOTO.")
        avatar_id = avatars[0].id
    wish = ShowWish(
        await asyncio.to_thread(house_items, settings),
        name=settings.play_name,
        loop=settings.play_loop,
        shuffle=settings.play_shuffle,
        seed=None if settings.play_seed < 0 else settings.play_seed,
        pause_s=settings.play_pause_s,
    )
    return await shows.open(avatar_id, wish, lasting=True)
