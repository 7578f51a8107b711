"""The address at which a browser finds out whether a call could reach it. Speaks HTTP only."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from visavis_server.api.errors import documented
from visavis_server.connection_checks import ConnectionChecks


class CheckOffer(BaseModel):
    """A browser's offer of one data channel."""

    model_config = ConfigDict(strict=True, extra="forbid")

    sdp: Annotated[str, Field(min_length=1)]


class CheckAnswer(BaseModel):
    """The server's answer, with all of its candidates."""

    sdp: str


def check_routes(checks: ConnectionChecks) -> APIRouter:
    """POST /v1/connection-checks."""
    routes = APIRouter(tags=["Server"])

    @routes.post(
        "/v1/connection-checks",
        summary="A data channel that echoes, to find out whether media could pass",
        responses=documented(400, 422, 503),
    )
    async def check(offer: CheckOffer) -> CheckAnswer:
        return CheckAnswer(sdp=await checks.start(offer.sdp))

    return routes
