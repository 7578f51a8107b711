"""Which parts make up the product: the one place that names the renderer and the listener that ship.

Imports are inside the functions, so that `visavis --help` need not load the networks' libraries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from visavis_models.listening import Listener
from visavis_models.rendering import Renderer


def default_renderer() -> Renderer[Any]:
    """The renderer that users see."""
    from visavis_server.compiled_code import room_for_compiled_code

    with room_for_compiled_code():
        from visavis_models.warp.renderer import WarpRenderer

    return WarpRenderer()


def listener_maker(engine_kind: str | None = None, mouth_only: bool = False) -> Callable[[int], Listener]:
    """What makes the listener of a session from a seed.

    Args:
        engine_kind: which engine runs its network; None takes the best that works here.
        mouth_only: only what the voice says moves: no blinks, no head, no breath.
    """
    from visavis_models.performer import Performer

    return lambda seed: Performer(seed, engine_kind, mouth_only)
