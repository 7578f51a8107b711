"""Who in a picture of several people speaks: REST below /v1/sessions/{id}/speaker, and the message that tells.

Knows nothing of faces.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from visavis_server.api.errors import documented
from visavis_server.call import Call
from visavis_server.registry import SessionRegistry

MOST_PEOPLE = 16
"""More than any picture has; whether somebody of this number is there is the session's to say."""
Person = Annotated[int, Field(ge=0, lt=MOST_PEOPLE, description="By number, as the avatar's faces have them")]


class FaceBody(BaseModel):
    """Where somebody's face is, in shares of the picture's width (x, width) and height (y)."""

    x: float
    y: float
    width: float


class SpeakerRequest(BaseModel):
    """Who is to speak."""

    model_config = ConfigDict(strict=True, extra="forbid")

    person: Person


class SpeakerBody(BaseModel):
    """Who speaks, and who could."""

    person: int
    faces: list[FaceBody]


def face_bodies(shares: list[tuple[float, float, float]]) -> list[FaceBody]:
    """Faces as clients see them, of `shares_of_faces`."""
    return [FaceBody(x=round(x, 4), y=round(y, 4), width=round(width, 4)) for x, y, width in shares]


def speaker_message(person: int) -> dict[str, Any]:
    """Somebody else is to speak."""
    return {"type": "speaker", "person": person}


def _body(call: Call) -> SpeakerBody:
    return SpeakerBody(person=call.session.speaker, faces=face_bodies(call.session.faces))


def speaker_routes(registry: SessionRegistry) -> APIRouter:
    """The routes /v1/sessions/{id}/speaker."""
    routes = APIRouter(prefix="/v1/sessions", tags=["Sessions"])

    @routes.get("/{id}/speaker", summary="Who in the picture speaks", responses=documented(404))
    async def get_speaker(id: str) -> SpeakerBody:
        return _body(registry.get(id))

    @routes.patch(
        "/{id}/speaker", summary="Let somebody else in the picture speak", responses=documented(400, 404, 422)
    )
    async def change_speaker(id: str, wanted: SpeakerRequest) -> SpeakerBody:
        call = registry.get(id)
        call.set_speaker(wanted.person)
        return _body(call)

    return routes
