"""For those who watch: what is on under a name, how late its lips are, and a WebSocket that tells when it ends.

Knows nothing of media.
"""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel

from visavis_server.api.errors import documented
from visavis_server.api.watch_events import event_routes
from visavis_server.metrics import Metrics
from visavis_server.transmissions import Transmissions, watch_id

Name = Annotated[str, Path(max_length=100, description="A show's name, a watch id or a session's id")]


class LatencyBody(BaseModel):
    """Over the last 10 s of live voice; null before."""

    p50: float | None
    p95: float | None


class WatchedBody(BaseModel):
    """A session as those see it who watch it: nothing here lets anybody speak for it or end it."""

    avatar_id: str
    state: str
    width: int
    height: int
    ai_generated: Literal[True] = True
    """What is seen is made, not recorded."""
    whep_url: str
    voiced: bool
    """A microphone (WHIP), an agent or files speak for it."""
    alpha: bool
    """It can be watched with its matte: `?alpha=side-by-side`."""
    speech_to_lips_ms: LatencyBody
    """From a chunk of voice reaching the server to the picture that shows it being published."""
    time_ms: float
    """The server's clock, since 1970: what sender reports count by."""


def watching_routes(transmissions: Transmissions, metrics: Metrics) -> APIRouter:
    """The routes /v1/watch/{name} and below it."""
    routes = APIRouter(tags=["WHIP and WHEP"])
    routes.include_router(event_routes(transmissions, metrics))

    @routes.get("/v1/watch/{name}", summary="What is on under this name", responses=documented(401, 404))
    async def watched(name: Name) -> WatchedBody:
        call = transmissions.watched(name)
        session, stats = call.session, call.session.stats()
        return WatchedBody(
            avatar_id=session.avatar_id,
            state=session.state,
            width=session.width,
            height=session.height,
            whep_url=f"/whep/{watch_id(session.id)}",
            voiced=call.voiced,
            alpha=session.can_matte,
            speech_to_lips_ms=LatencyBody(p50=_rounded(stats.latency_ms_p50), p95=_rounded(stats.latency_ms_p95)),
            time_ms=time.time() * 1000,
        )

    return routes


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
