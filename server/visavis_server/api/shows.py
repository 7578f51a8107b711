"""REST for shows: open, follow, steer and end sessions that speak from files of the operator's folder.

Knows nothing of how files are read; which files there are for strangers is the folder's to say.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from visavis_models.errors import BadInput, BadRequest
from visavis_models.mood import Emotion, Feeling
from visavis_server.api.access_check import check_opening
from visavis_server.api.errors import documented
from visavis_server.api.moods import Strength
from visavis_server.api.speakers import Person
from visavis_server.play_list import MAX_ITEMS, Delivery, PlayItem, items_inside
from visavis_server.play_voice import Finished, ItemEnded, ItemProgress, ItemStarted, Playing
from visavis_server.player import ItemFailed
from visavis_server.settings import ShowSettings
from visavis_server.shows import AvatarState, Show, ShowChanged, ShowEvent, ShowOver, Shows, ShowWish

_UPCOMING = 10
_KEEP_ALIVE_S = 15.0
_MAX_PAUSE_S = 3600.0
FileName = Annotated[str, Field(max_length=1000)]


class FileRequest(BaseModel):
    """A file, folder or playlist, and how it is to be said; entries of playlists may say otherwise."""

    model_config = ConfigDict(strict=True, extra="forbid")

    file: FileName
    emotion: Emotion | None = None
    strength: Strength = 1.0
    speaker: Person | None = None

    @property
    def delivery(self) -> Delivery:
        """How it is to be said."""
        return Delivery(None if self.emotion is None else Feeling(self.emotion, self.strength), self.speaker)


Files = Annotated[list[FileName | FileRequest], Field(min_length=1, max_length=1000)]


class ShowRequest(BaseModel):
    """What is to be played, and how."""

    model_config = ConfigDict(strict=True, extra="forbid")

    avatar_id: Annotated[str, Field(min_length=1, max_length=100)]
    files: Annotated[Files, Field(description="Files, folders and M3U playlists inside the folder of shows")]
    name: Annotated[str, Field(max_length=63, description="Viewers find it at /whep/{name}")] = ""
    loop: bool = False
    shuffle: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    pause_s: Annotated[float, Field(ge=0, le=_MAX_PAUSE_S, description="Between two files; 0: gapless")] = 0.0
    paused: Annotated[bool, Field(description="Begin only when told to")] = False
    ends: Annotated[bool, Field(description="The session ends with the last file; else it waits for more")] = False
    speaker: Annotated[Person, Field(description="Who in the picture speaks where a file does not say who")] = 0
    format: Annotated[str | None, Field(max_length=10, description="Of the picture, such as 16:9")] = None


class FilesRequest(BaseModel):
    """More to play."""

    model_config = ConfigDict(strict=True, extra="forbid")

    files: Files


class ShowChange(BaseModel):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(strict=True, extra="forbid")

    paused: bool | None = None
    loop: bool | None = None


class ItemBody(BaseModel):
    """One file of a show."""

    number: int
    file: str
    title: str
    emotion: Emotion | None
    strength: float | None
    speaker: int | None


class PlayingBody(ItemBody):
    """The file that is heard."""

    position_s: float
    duration_s: float | None


class ShowBody(BaseModel):
    """One show."""

    id: str
    avatar_id: str
    name: str
    state: Literal["playing", "paused", "resting", "finished"]
    current: PlayingBody | None
    upcoming: list[ItemBody]
    """The next few that were not read yet."""
    items: int
    played: int
    failed: int
    loop: bool
    shuffle: bool
    seed: int
    pause_s: float
    ends: bool
    session_url: str
    events_url: str
    whep_url: str
    width: int
    height: int


def show_body(show: Show) -> ShowBody:
    """A show as its owner sees it."""
    order, current = show.player.order, show.voice.current
    return ShowBody(
        id=show.id,
        avatar_id=show.call.session.avatar_id,
        name=show.wish.name,
        state=show.state,
        current=None if current is None else _playing_body(current),
        upcoming=[_item_body(number, item) for number, item in order.upcoming(_UPCOMING)],
        items=len(order),
        played=show.played,
        failed=show.failed,
        loop=order.loop,
        shuffle=order.shuffle,
        seed=order.seed,
        pause_s=show.player.pause_s,
        ends=show.wish.ends,
        session_url=f"/v1/sessions/{show.id}",
        events_url=f"/v1/shows/{show.id}/events",
        whep_url=f"/whep/{show.watch_name}",
        width=show.call.session.width,
        height=show.call.session.height,
    )


def _item_body(number: int, item: PlayItem) -> ItemBody:
    return ItemBody(number=number, title=item.title, **_item_fields(item))


def _item_fields(item: PlayItem) -> dict[str, Any]:
    felt, speaker = item.delivery.feeling, item.delivery.speaker
    emotion, strength = (None, None) if felt is None else (felt.emotion, felt.strength)
    return {"file": item.name, "emotion": emotion, "strength": strength, "speaker": speaker}


def _playing_body(playing: Playing) -> PlayingBody:
    return PlayingBody(
        number=playing.number,
        **_item_fields(playing.item),
        title=playing.title,
        position_s=round(playing.position_s, 3),
        duration_s=round(playing.duration_s, 3) or None,
    )


def event_body(event: ShowEvent, show: Show) -> dict[str, Any]:
    """What happened, as it goes over the wire."""
    match event:
        case ItemStarted():
            return {"type": "started", "item": _playing_body(event.playing).model_dump()}
        case ItemProgress():
            return {"type": "progress", "item": _playing_body(event.playing).model_dump()}
        case ItemEnded():
            problem = event.playing.problem
            told = None if problem is None or event.how != "broken" else problem.as_dict()
            return {"type": event.how, "item": _playing_body(event.playing).model_dump(), "error": told}
        case ItemFailed():
            item = _item_body(event.number, event.item).model_dump()
            return {"type": "failed", "item": item, "error": event.error.as_dict()}
        case Finished():
            return {"type": "finished"}
        case ShowChanged():
            return {"type": "changed", "paused": show.voice.paused, "loop": show.player.order.loop}
        case AvatarState():
            return {"type": "state", "state": event.state, "epoch": event.epoch}
        case ShowOver():
            return {"type": "bye", "reason": event.reason, "error": event.error and event.error.as_dict()}


def show_routes(shows: Shows, settings: ShowSettings) -> APIRouter:
    """The routes below /v1/shows."""
    routes = APIRouter(prefix="/v1/shows", tags=["Shows"])

    def admit(request: Request) -> Path:
        if settings.folder is None:
            raise BadRequest(
                "shows_off", "This server plays no files for others.", "Its operator can name a folder: shows.folder."
            )
        return settings.folder

    async def found(request: Request, files: list[str | FileRequest]) -> list[PlayItem]:
        return await asyncio.to_thread(_items, admit(request), files)

    def get(request: Request, id: str) -> Show:
        admit(request)
        return shows.get(id)

    @routes.post("", status_code=201, summary="Open a show", responses=documented(400, 401, 403, 404, 409, 422, 503))
    async def open_show(request: Request, wanted: ShowRequest) -> ShowBody:
        check_opening(request, wanted.avatar_id, wanted.name)
        items = await found(request, wanted.files)
        wish = ShowWish(items, **wanted.model_dump(exclude={"avatar_id", "files"}))
        return show_body(await shows.open(wanted.avatar_id, wish))

    @routes.get("/{id}", summary="One show", responses=documented(401, 403, 404))
    async def get_show(request: Request, id: str) -> ShowBody:
        return show_body(get(request, id))

    @routes.patch("/{id}", summary="Pause, go on, loop or not", responses=documented(400, 401, 403, 404, 422))
    async def change_show(request: Request, id: str, wanted: ShowChange) -> ShowBody:
        show = get(request, id)
        if wanted.paused is not None:
            show.pause(wanted.paused)
        if wanted.loop is not None:
            show.loop(wanted.loop)
        return show_body(show)

    @routes.post("/{id}/items", status_code=202, summary="Play more", responses=documented(400, 401, 403, 404, 422))
    async def append(request: Request, id: str, wanted: FilesRequest) -> ShowBody:
        get(request, id)
        items = await found(request, wanted.files)
        show = get(request, id)  # it may have ended meanwhile
        show.append(items)
        return show_body(show)

    @routes.post("/{id}/skip", status_code=202, summary="Go on with the next file", responses=documented(401, 403, 404))
    async def skip(request: Request, id: str) -> ShowBody:
        show = get(request, id)
        show.skip()
        return show_body(show)

    @routes.get(
        "/{id}/events",
        summary="Follow a show: server-sent events, each a JSON object with a type",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}, **documented(401, 403, 404, 503)},
    )
    async def follow(request: Request, id: str) -> StreamingResponse:
        show = get(request, id)
        listener = show.listen()

        async def stream() -> AsyncIterator[str]:
            try:
                yield _line({"type": "show", **show_body(show).model_dump()})
                while True:
                    event: ShowEvent | None | Literal["nothing"] = "nothing"
                    with suppress(TimeoutError):
                        event = await asyncio.wait_for(listener.get(), _KEEP_ALIVE_S)
                    if event is None:
                        return
                    yield ":\n\n" if event == "nothing" else _line(event_body(event, show))
            finally:
                show.unlisten(listener)

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)

    @routes.delete("/{id}", status_code=204, summary="End a show", responses=documented(401, 403, 404))
    async def end_show(request: Request, id: str) -> None:
        await shows.end(get(request, id))

    return routes


def _items(folder: Path, files: Sequence[str | FileRequest]) -> list[PlayItem]:
    """What these files, folders and playlists hold, each said as it is wanted.

    Raises:
        VisavisError: see `items_inside`.
    """
    items: list[PlayItem] = []
    for file in files:
        wanted = FileRequest(file=file) if isinstance(file, str) else file
        for item in items_inside(folder, [wanted.file]):
            own, given = item.delivery, wanted.delivery
            feeling = given.feeling if own.feeling is None else own.feeling
            speaker = given.speaker if own.speaker is None else own.speaker
            items.append(replace(item, delivery=Delivery(feeling, speaker)))
        if len(items) > MAX_ITEMS:
            raise BadInput("too_many_items", f"A show plays at most {MAX_ITEMS} files.", "Open another show.")
    return items


def _line(message: dict[str, Any]) -> str:
    return f"data: {json.dumps(message, ensure_ascii=False)}\n\n"
