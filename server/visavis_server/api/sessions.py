"""REST for sessions: open, look at, interrupt, end. Knows nothing of media or signalling."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from visavis_models.errors import VisavisError
from visavis_server.api.access_check import check_opening, check_publishing
from visavis_server.api.errors import documented
from visavis_server.api.speakers import FaceBody, Person, face_bodies
from visavis_server.avatar_desk import AvatarDesk
from visavis_server.call import Call
from visavis_server.registry import SessionRegistry
from visavis_server.transmissions import Transmissions, watch_id


class SessionRequest(BaseModel):
    """Which avatar is to speak."""

    model_config = ConfigDict(strict=True, extra="forbid")

    avatar_id: Annotated[str, Field(min_length=1, max_length=100)]
    show: Annotated[
        str,
        Field(max_length=63, description="Viewers find it at /whep/{show}; a WHIP microphone that asks for it joins"),
    ] = ""
    speaker: Annotated[Person, Field(description="Who in the picture speaks, by number")] = 0
    format: Annotated[
        str | None, Field(max_length=10, description="1:1, 16:9, 9:16, 4:3, 3:4; empty: the photo's own")
    ] = None


class SessionBody(BaseModel):
    """One session."""

    id: str
    avatar_id: str
    state: str
    epoch: int
    age_s: float
    signal_url: str
    whip_url: str
    whep_url: str
    width: int
    height: int
    ai_generated: Literal[True] = True
    """What is seen is made, not recorded."""
    speaker: int
    faces: list[FaceBody]


class SessionsBody(BaseModel):
    """All open sessions."""

    sessions: list[SessionBody]


class EpochBody(BaseModel):
    """How many interruptions there were, with this one."""

    epoch: int


def session_body(call: Call) -> SessionBody:
    """A session as clients see it."""
    session = call.session
    return SessionBody(
        id=session.id,
        avatar_id=session.avatar_id,
        state=session.state,
        epoch=session.epoch,
        age_s=round(time.monotonic() - session.created_s, 3),
        signal_url=f"/v1/sessions/{session.id}/signal",
        whip_url=f"/whip/{session.id}",
        whep_url=f"/whep/{watch_id(session.id)}",
        width=session.width,
        height=session.height,
        speaker=session.speaker,
        faces=face_bodies(session.faces),
    )


def session_routes(registry: SessionRegistry, desk: AvatarDesk, transmissions: Transmissions) -> APIRouter:
    """The routes below /v1/sessions, without the signalling WebSocket."""
    routes = APIRouter(prefix="/v1/sessions", tags=["Sessions"])

    @routes.post("", status_code=201, summary="Open a session", responses=documented(400, 401, 404, 409, 422, 503))
    async def open_session(request: Request, wanted: SessionRequest) -> SessionBody:
        check_opening(request, wanted.avatar_id, wanted.show)
        if wanted.show:  # whoever comes to speak under this name must not be heard by a stranger
            check_publishing(request)
            transmissions.names.check(wanted.show)
        avatar, speaker = await desk.on_stage(wanted.avatar_id, wanted.format, wanted.speaker)
        call = await registry.open(avatar)
        try:
            call.set_speaker(speaker)
            transmissions.names.await_voice(wanted.show, call)
        except VisavisError:  # somebody else was quicker
            await registry.end(call.id, "deleted")
            raise
        return session_body(call)

    @routes.get("", summary="All sessions; for those who manage the server", responses=documented(401, 403))
    async def list_sessions() -> SessionsBody:
        # Whoever knows a session's id may end it, so the gate lets nobody in here but those who manage the server.
        return SessionsBody(sessions=[session_body(call) for call in registry.calls()])

    @routes.get("/{id}", summary="One session", responses=documented(404))
    async def get_session(id: str) -> SessionBody:
        return session_body(registry.get(id))

    @routes.post("/{id}/interrupt", status_code=202, summary="Make the avatar stop speaking", responses=documented(404))
    async def interrupt(id: str) -> EpochBody:
        return EpochBody(epoch=registry.get(id).interrupt())

    @routes.delete("/{id}", status_code=204, summary="End a session", responses=documented(404))
    async def end_session(id: str) -> None:
        registry.get(id)
        await registry.end(id, "deleted")

    return routes
