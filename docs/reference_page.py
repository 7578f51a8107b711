"""Puts the API's own description beside the documentation's pages: openapi.json, and the page that servers show.

A hook of mkdocs. Knows nothing of the other pages.
"""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import MagicMock

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from visavis_server.api.reference import reference_page
from visavis_server.app import create_app
from visavis_server.settings import Settings


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add both; the app that is described is never served, so whatever stands for a studio and avatars will do."""
    unused: Any = MagicMock()
    api = create_app(Settings(), unused, unused).openapi()
    page = reference_page(api).replace('href="/openapi.json"', 'href="openapi.json"')
    files.append(File.generated(config, "openapi.json", content=json.dumps(api, indent=1)))
    files.append(File.generated(config, "http_api_reference.html", content=page))
    return files
