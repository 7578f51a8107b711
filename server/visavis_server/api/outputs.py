"""REST for recordings and streams of a session: start, look at, stop. Knows nothing of how they work."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from visavis_server.api.errors import ErrorFields, documented
from visavis_server.outputs.desk import Booking, Outputs, OutputWish
from visavis_server.registry import SessionRegistry
from visavis_server.settings import OutputSettings

_URL = Field(max_length=2048, description="rtmp(s)://host/app/key, or http(s)://host/path of a WHIP server")
_KEY = Field(max_length=1024, description="RTMP: the stream key, if it is not the end of the URL")
_TOKEN = Field(max_length=4096, description="WHIP: the bearer token")


class OutputRequest(BaseModel):
    """One of a recording, a target that the operator has named, and a server's URL."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    record: bool = False
    target: Annotated[str, Field(max_length=63, description="One of outputs.targets")] = ""
    url: Annotated[SecretStr, _URL] = SecretStr("")
    key: Annotated[SecretStr, _KEY] = SecretStr("")
    token: Annotated[SecretStr, _TOKEN] = SecretStr("")


class OutputBody(BaseModel):
    """One output."""

    id: str
    kind: str
    to: str
    """Where it goes, without keys: a recording's file name, the operator's name of the target, or scheme and host."""
    state: str
    age_s: float
    seconds: float
    """Media written or sent, over all connections."""
    sent_bytes: int
    pictures_dropped: int
    voice_dropped_s: float
    reconnects: int
    error: ErrorFields | None


class OutputsBody(BaseModel):
    """All outputs of a session."""

    outputs: list[OutputBody]


def output_body(booking: Booking) -> OutputBody:
    """An output as clients see it."""
    report = booking.report()
    return OutputBody(
        id=booking.id,
        kind=booking.output.kind if booking.output is not None else "",
        to=booking.shown,
        state=report.state,
        age_s=round(time.monotonic() - booking.begun_s, 1),
        seconds=round(report.seconds, 2),
        sent_bytes=report.sent_bytes,
        pictures_dropped=report.pictures_dropped,
        voice_dropped_s=round(report.voice_dropped_s, 2),
        reconnects=report.reconnects,
        error=ErrorFields(**report.error.as_dict()) if report.error is not None else None,
    )


def output_routes(outputs: Outputs, registry: SessionRegistry, settings: OutputSettings) -> APIRouter:
    """The routes below /v1/sessions/{id}/outputs."""
    routes = APIRouter(prefix="/v1/sessions/{id}/outputs", tags=["Outputs"])

    @routes.post(
        "", status_code=201, summary="Record a session or stream it", responses=documented(400, 401, 403, 404, 422, 503)
    )
    async def start_output(id: str, wanted: OutputRequest) -> OutputBody:
        secrets = {name: getattr(wanted, name).get_secret_value() for name in ("url", "key", "token")}
        wish = OutputWish(wanted.record, wanted.target, **secrets)
        registry.get(id)
        await outputs.check(wish)
        return output_body(outputs.start(registry.get(id), wish))

    @routes.get("", summary="How a session's outputs do", responses=documented(401, 403, 404))
    async def list_outputs(id: str) -> OutputsBody:
        return OutputsBody(outputs=[output_body(booking) for booking in outputs.of(registry.get(id))])

    @routes.get("/{output}", summary="How one output does", responses=documented(401, 403, 404))
    async def get_output(id: str, output: str) -> OutputBody:
        return output_body(outputs.get(registry.get(id), output))

    @routes.delete("/{output}", summary="Stop an output; how it did", responses=documented(401, 403, 404))
    async def stop_output(id: str, output: str) -> OutputBody:
        booking = outputs.get(registry.get(id), output)
        await booking.close()
        return output_body(booking)

    return routes
