"""The address of the OBS page. It may show any picture behind the avatar, which the other page may not.

Knows nothing of what the page does.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

_POLICY = (
    "default-src 'self'; img-src 'self' http: https: data:; media-src 'self' blob: mediastream:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def obs_routes(folder: Path) -> APIRouter:
    """The route /obs, from the folder of the built page."""
    routes = APIRouter()

    @routes.api_route("/obs", methods=["GET", "HEAD"], include_in_schema=False)
    async def obs_page() -> FileResponse:
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
        return FileResponse(folder / "obs.html", media_type="text/html", headers=headers)

    return routes
