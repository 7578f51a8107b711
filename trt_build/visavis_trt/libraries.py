"""Finds NVIDIA's engine builders: `tensorrt_rtx` builds for many cards without one, `tensorrt` for the card it sees."""

from __future__ import annotations

import importlib
from typing import Any

from visavis_models.errors import EngineError

BACKENDS = {"tensorrt-rtx": "tensorrt_rtx", "tensorrt": "tensorrt"}
"""Modules by the names that users choose; the first that is installed is taken if none is chosen."""
_PACKAGES = {"tensorrt-rtx": "tensorrt-rtx-cu13", "tensorrt": "tensorrt"}


def import_builder(backend: str | None = None) -> tuple[str, Any]:
    """A backend's name and its module.

    Raises:
        EngineError: there is no such backend, or it is not installed.
    """
    if backend is not None and backend not in BACKENDS:
        raise EngineError("engine_unknown", f"There is no backend {backend}.", f"Choose one of {', '.join(BACKENDS)}.")
    for name in (backend,) if backend else BACKENDS:
        try:
            return name, importlib.import_module(BACKENDS[name])
        except ImportError:
            continue
    wanted = backend or next(iter(BACKENDS))
    raise EngineError(
        "engine_builder_missing",
        f"{' or '.join([backend] if backend else BACKENDS)} is not installed.",
        f"Install it with `pip install {_PACKAGES[wanted]}`.",
    )
