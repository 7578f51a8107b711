"""The motion of a live session over REST: record it, fetch it as a file, and replay files in place of it.

Knows nothing of how motion comes about or of files' formats.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from visavis_models.chunk import FRAME_RATE_HZ
from visavis_models.errors import BadMotion, BadRequest, NotFound
from visavis_models.framing import check_person
from visavis_server.api.errors import documented
from visavis_server.api.guard import MOTION_BYTES
from visavis_server.api.speakers import Person
from visavis_server.call import Call
from visavis_server.live_motion import Replay
from visavis_server.motion_file import RecordedMotion, read_motion, write_motion
from visavis_server.motion_log import MotionLog
from visavis_server.motion_recording import Recording
from visavis_server.registry import SessionRegistry

FileFormat = Literal["parquet", "json", "csv"]
_TYPES = {"parquet": "application/vnd.apache.parquet", "json": "application/json", "csv": "text/csv"}
_MOST_NOTE = 300


class RecordingBody(BaseModel):
    """What was recorded."""

    recording: bool
    frames: int
    seconds: float
    people: int
    """How many move; 0 before the first frame."""


class ReplayBody(BaseModel):
    """One person's replay."""

    person: int
    waits: bool
    """It begins with the next voice."""
    seconds_left: float


class ReplaysBody(BaseModel):
    """Everybody's replays."""

    replays: list[ReplayBody]


class ReplayStartedBody(BaseModel):
    """A replay as it was understood."""

    person: int
    frames: int
    seconds: float
    notes: list[str]


def motion_routes(registry: SessionRegistry) -> APIRouter:
    """The routes below /v1/sessions/{id}/motion."""
    routes = APIRouter(prefix="/v1/sessions/{id}/motion", tags=["Motion"])

    @routes.post("/recording", status_code=201, summary="Record what everybody does", responses=documented(404, 409))
    async def start(id: str) -> RecordingBody:
        call = registry.get(id)
        if call.session.motion.recording:
            raise BadRequest("already_recording", "This session's motion is being recorded.", "Stop that first.")
        call.touch()
        return _recording_body(call.session.motion.record())

    @routes.get("/recording", summary="What was recorded", responses=documented(404))
    async def look(id: str) -> RecordingBody:
        return _recording_body(_log(registry.get(id)))

    @routes.post("/recording/stop", summary="Record no more", responses=documented(404))
    async def stop(id: str) -> RecordingBody:
        call = registry.get(id)
        log = _log(call)
        log.stop(call.session.next_frame)
        return _recording_body(log)

    @routes.get(
        "/recording/file",
        summary="The recording as a motion file",
        response_class=Response,
        responses={200: {"content": {kind: {} for kind in _TYPES.values()}}, **documented(404, 422)},
    )
    async def fetch(id: str, format: FileFormat = "parquet", person: Annotated[Person, Query()] = 0) -> Response:
        call = registry.get(id)
        content = await asyncio.to_thread(_file, _log(call), call.session.avatar_id, person, format)
        name = f"motion-{call.session.avatar_id}-{person}.{format}"
        return Response(
            content, media_type=_TYPES[format], headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )

    @routes.post(
        "/replay",
        status_code=202,
        summary="Show the motion of a file (the request's body) in place of the live one",
        responses=documented(400, 404, 413, 422),
        openapi_extra={"requestBody": {"required": True, "content": {kind: {} for kind in _TYPES.values()}}},
    )
    async def replay(
        request: Request,
        id: str,
        format: FileFormat = "parquet",
        person: Annotated[Person, Query()] = 0,
        lips: Annotated[Literal["file", "voice"], Query(description="voice: lips go on following the voice")] = "file",
        begin: Annotated[Literal["now", "voice"], Query(description="voice: with the next voice heard")] = "now",
    ) -> ReplayStartedBody:
        check_person(person, registry.get(id).session.people)
        read = await asyncio.to_thread(_read, await request.body(), format)
        call = registry.get(id)  # it may have ended meanwhile
        call.touch()
        call.session.motion.play(Replay(read.window, lips == "file", begin == "voice"), person)
        frames = len(read.window)
        notes = [note[:_MOST_NOTE] for note in read.notes]
        return ReplayStartedBody(person=person, frames=frames, seconds=frames / FRAME_RATE_HZ, notes=notes)

    @routes.get("/replay", summary="Whose motion is replayed", responses=documented(404))
    async def replays(id: str) -> ReplaysBody:
        running = registry.get(id).session.motion.replays()
        return ReplaysBody(
            replays=[
                ReplayBody(person=person, waits=waits, seconds_left=round(left_s, 2))
                for person, (waits, left_s) in sorted(running.items())
            ]
        )

    @routes.delete("/replay", status_code=204, summary="Show live motion again", responses=documented(404, 422))
    async def end_replay(id: str, person: Annotated[Person, Query()] = 0) -> None:
        call = registry.get(id)
        check_person(person, call.session.people)
        call.session.motion.stop(person)

    return routes


def _log(call: Call) -> MotionLog:
    log = call.session.motion.log
    if log is None:
        raise NotFound("no_recording", "This session's motion was not recorded.", "POST …/motion/recording starts it.")
    return log


def _recording_body(log: MotionLog) -> RecordingBody:
    frames = log.frames
    return RecordingBody(recording=log.open, frames=frames, seconds=frames / FRAME_RATE_HZ, people=log.people)


def _file(log: MotionLog, avatar_id: str, person: int, format: FileFormat) -> bytes:
    """One person's recording, as the bytes of a file.

    Raises:
        NotFound: `no_recording`, nothing was shown yet.
        BadInput: `bad_speaker`.
    """
    window = log.window()
    if window is None:
        raise NotFound("no_recording", "Nothing has been recorded yet.", "Wait a second.")
    check_person(person, len(window.people))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"motion.{format}"
        write_motion(path, Recording.of_session(window.people[person], avatar_id, person))
        return path.read_bytes()


def _read(content: bytes, format: FileFormat) -> RecordedMotion:
    """A stranger's motion file.

    Raises:
        BadMotion: see `read_motion`.
    """
    if len(content) > MOTION_BYTES:
        raise BadMotion("motion_too_large", f"The file has more than {MOTION_BYTES >> 20} MB.", "Send it in parts.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"motion.{format}"
        path.write_bytes(content)
        return read_motion(path)
