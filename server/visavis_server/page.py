"""Serves the web page: from the wheel, or from a checkout's `web_client/dist`. Knows nothing of what the page does."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.routing import Match, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_RESERVED = ("/v1", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/whip", "/whep")
_HASHED_NAME = re.compile(r"[.-][0-9A-Za-z_]{8,}\.[a-z0-9]+$")
"""`app-3FZK2Q7A.js`: the content's hash is in the name, so the file never changes."""


def page_folder() -> Path | None:
    """Where the built page lies; None if it is nowhere."""
    package = Path(__file__).resolve().parent
    for folder in (package / "_web", package.parents[1] / "web_client" / "dist"):
        if (folder / "index.html").is_file():
            return folder
    return None


class _PageFiles(StaticFiles):
    def file_response(self, full_path: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(full_path, *args, **kwargs)
        forever = _HASHED_NAME.search(os.fspath(full_path)) is not None
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if forever else "no-cache"
        return response


class PageMount(Mount):
    """Everything that is not the API. A wrong address of the API must get the API's answer, not the page's."""

    def __init__(self, folder: Path) -> None:
        super().__init__("/", app=_PageFiles(directory=folder, html=True), name="page")

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Not for the API's own paths."""
        path = scope["path"]
        if scope["type"] != "http" or any(path == name or path.startswith(name + "/") for name in _RESERVED):
            return Match.NONE, {}
        return super().matches(scope)
