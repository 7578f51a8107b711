"""What load balancers, Prometheus and the page want to know of the server. Knows nothing of single sessions."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from visavis_server import __version__
from visavis_server.ice_servers import IceServers
from visavis_server.metrics import Metrics
from visavis_server.registry import SessionRegistry
from visavis_server.settings import Settings


class HealthBody(BaseModel):
    """The server is up."""

    status: str
    version: str
    sessions: int
    capacity: int


class ReadyBody(BaseModel):
    """Whether new sessions may come."""

    status: Literal["ready", "draining"]
    sessions: int


class IceServerBody(BaseModel):
    """As `RTCPeerConnection` takes it."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class ConfigBody(BaseModel):
    """What a client has to know before it opens a session."""

    version: str
    capacity: int
    max_photo_bytes: int
    ice_servers: list[IceServerBody]
    ice_transport_policy: Literal["all", "relay"]
    badge: bool
    ai_generated: Literal[True] = True
    """What this server shows is made, not recorded."""
    consent_name: bool
    """Who uploads a photo must say who they are."""


def health_routes(registry: SessionRegistry, metrics: Metrics, settings: Settings, ice: IceServers) -> APIRouter:
    """/healthz, /readyz, /metrics and /v1/config."""
    routes = APIRouter(tags=["Server"])

    @routes.head("/healthz", include_in_schema=False)
    @routes.get("/healthz", summary="Is the server up?")
    async def health() -> HealthBody:
        return HealthBody(status="ok", version=__version__, sessions=registry.active, capacity=registry.capacity)

    @routes.head("/readyz", include_in_schema=False)
    @routes.get(
        "/readyz",
        summary="May new sessions come?",
        responses={503: {"model": ReadyBody, "description": "It is to be stopped; present sessions go on."}},
    )
    async def ready(response: Response) -> ReadyBody:
        response.status_code = 503 if registry.draining else 200
        return ReadyBody(status="draining" if registry.draining else "ready", sessions=registry.active)

    @routes.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text"}},
    )
    async def figures() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @routes.get("/v1/config", summary="What a client has to know", response_model_exclude_none=True)
    async def config(response: Response) -> ConfigBody:
        response.headers["Cache-Control"] = "no-store"  # it may hold a password of its own for a TURN server
        return ConfigBody(
            version=__version__,
            capacity=registry.capacity,
            max_photo_bytes=settings.photos.max_photo_bytes,
            ice_servers=[
                IceServerBody(urls=list(server.urls), username=server.username, credential=server.credential)
                for server in ice.issue()
            ],
            ice_transport_policy="relay" if settings.rtc.relay_only else "all",
            badge=settings.page.badge,
            consent_name=settings.provenance.consent_name,
        )

    return routes
