"""REST for avatars: list, look at, upload, remove. Knows nothing of how a photo is analysed or kept."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, File, Form, Header, Query, Request, Response, UploadFile
from pydantic import BaseModel

from visavis_models.errors import BadInput, BadRequest, StorageError
from visavis_models.portrait.consent import given_now
from visavis_server.access.gate import Entry
from visavis_server.api.access_check import entry_of
from visavis_server.api.errors import documented
from visavis_server.api.speakers import FaceBody, face_bodies
from visavis_server.avatar_desk import AvatarDesk, Listed
from visavis_server.settings import Settings

MAX_NAME_CHARACTERS = 60
MAX_GIVEN_BY = 120
DEFAULT_NAME = "My avatar"


class AvatarBody(BaseModel):
    """One avatar."""

    id: str
    name: str
    width: int
    height: int
    builtin: bool
    notes: list[str]
    faces: list[FaceBody]
    image_url: str
    thumbnail_url: str


class ConsentBody(BaseModel):
    """Somebody's word that the person in a photo agrees."""

    given_at: str
    given_by: str
    how: str
    version: int
    text: str


class ConsentsBody(BaseModel):
    """All of them, oldest first."""

    consents: list[ConsentBody]


class AvatarsBody(BaseModel):
    """All avatars, built-in ones first."""

    avatars: list[AvatarBody]


def avatar_body(avatar: Listed) -> AvatarBody:
    """An avatar as clients see it."""
    return AvatarBody(
        id=avatar.id,
        name=avatar.name,
        width=avatar.width_px,
        height=avatar.height_px,
        builtin=avatar.builtin,
        notes=list(avatar.notes),
        faces=face_bodies(
            [(x / avatar.width_px, y / avatar.height_px, w / avatar.width_px) for x, y, w in avatar.faces]
        ),
        image_url=f"/v1/avatars/{avatar.id}/image",
        thumbnail_url=f"/v1/avatars/{avatar.id}/thumbnail",
    )


def avatar_name(text: str) -> str:
    """A name for people from what a user typed: printable, single spaces, neither empty nor endless."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown[:MAX_NAME_CHARACTERS].rstrip() or DEFAULT_NAME


def avatar_routes(
    desk: AvatarDesk,
    settings: Settings,
    remove: Callable[[str, bool], Awaitable[None]],
    check_photo: Callable[[Entry | None], None] = lambda _: None,
) -> APIRouter:
    """The routes below /v1/avatars.

    Args:
        desk: the avatars.
        settings: what may be uploaded, and what is asked of who does.
        remove: see `AvatarRemoval.remove`.
        check_photo: counts a photo of somebody's; raises `Busy`.
    """
    routes = APIRouter(prefix="/v1/avatars", tags=["Avatars"])

    @routes.get("", summary="All avatars")
    async def list_avatars(request: Request) -> AvatarsBody:
        entry = entry_of(request.scope)
        only = None if entry is None else entry.grant.avatar
        return AvatarsBody(avatars=[avatar_body(found) for found in await desk.list() if only in (None, found.id)])

    @routes.post(
        "", status_code=201, summary="Make an avatar of a photo", responses=documented(400, 413, 422, 503, 507)
    )
    async def add_avatar(
        request: Request,
        response: Response,
        photo: Annotated[UploadFile, File(description="JPEG, PNG or WebP with a face at least 64 pixels wide.")],
        name: Annotated[str, Form(description="For people; at most 60 characters.")] = "",
        consent: Annotated[
            str, Form(description="Must be true: the person shown has agreed to become an avatar.")
        ] = "",
        consent_by: Annotated[str, Form(description="Who says so: a name; kept with the avatar.")] = "",
    ) -> AvatarBody:
        if consent != "true":
            raise BadInput(
                "consent_required",
                "The consent of the person in the photo is missing.",
                "Confirm that this person agrees, or use another photo.",
            )
        given_by = " ".join("".join(c if c.isprintable() else " " for c in consent_by).split())[:MAX_GIVEN_BY]
        if settings.provenance.consent_name and not given_by:
            raise BadInput(
                "consent_name_required",
                "Nobody is named who says that the person in the photo agrees.",
                "Send consent_by: the name of whoever says so.",
            )
        photos = settings.photos
        if photo.size is not None and photo.size > photos.max_photo_bytes:
            raise BadRequest(
                "photo_too_large",
                f"This photo is larger than {photos.max_photo_bytes / 1024 / 1024:.0f} MB.",
                "Make it smaller: 2000 pixels are plenty.",
            )
        desk.check_room()
        check_photo(entry_of(request.scope))
        if photos.max_avatars and sum(not kept.builtin for kept in await desk.list()) >= photos.max_avatars:
            problem = f"This server keeps {photos.max_avatars} uploaded avatars at most."
            raise StorageError("too_many_avatars", problem, "Remove one; the operator can raise photos.max_avatars.")
        agreed = given_now(given_by or _key_of(entry_of(request.scope)), "upload")
        avatar = await desk.add(await photo.read(), avatar_name(name), agreed)
        response.headers["Location"] = f"/v1/avatars/{avatar.id}"
        return avatar_body(avatar)

    @routes.get("/{id}", summary="One avatar", responses=documented(404))
    async def get_avatar(id: str) -> AvatarBody:
        return avatar_body(await desk.get(id))

    @routes.delete("/{id}", status_code=204, summary="Remove an avatar", responses=documented(403, 404, 507))
    async def remove_avatar(
        id: str,
        recordings: Annotated[bool, Query(description="Remove the recordings that show it, too.")] = False,
    ) -> None:
        await remove(id, recordings)

    @routes.get("/{id}/consent", summary="Whose consent there is", responses=documented(404))
    async def get_consent(id: str) -> ConsentsBody:
        return ConsentsBody(consents=[ConsentBody(**asdict(found)) for found in await desk.consents(id)])

    @routes.get("/{id}/image", summary="The canvas", response_class=Response, responses=_jpeg())
    async def get_image(id: str, if_none_match: Annotated[str, Header()] = "") -> Response:
        return _picture(await desk.image(id), if_none_match)

    @routes.get("/{id}/thumbnail", summary="A square round the face", response_class=Response, responses=_jpeg())
    async def get_thumbnail(id: str, if_none_match: Annotated[str, Header()] = "") -> Response:
        return _picture(await desk.thumbnail(id), if_none_match)

    return routes


def _key_of(entry: Entry | None) -> str:
    return f"key {entry.grant.owner}" if entry is not None and entry.grant.owner else ""


def _jpeg() -> dict[int | str, dict[str, object]]:
    return {200: {"content": {"image/jpeg": {}}, "description": "JPEG"}, **documented(404)}


def _picture(jpeg: bytes, if_none_match: str) -> Response:
    # An id can be removed and given to another photo, so browsers ask each time; the tag spares them the bytes.
    tag = f'"{hashlib.sha256(jpeg).hexdigest()[:20]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(jpeg, media_type="image/jpeg", headers=headers)
