"""Which engines a network needs here, and what each is found by. Builds nothing and loads none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from visavis_models.engines.cache import EngineKey
from visavis_models.engines.network_profiles import LISTENER, WindowRange, profiles_of
from visavis_models.engines.nvidia import Library
from visavis_models.engines.shape_profile import ShapeProfile

PRECISIONS = ("int8", "fp16", "fp32")
"""From the fewest bits to the most; `int8`: products take 8 bits, everything else 16."""


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """One engine that is wanted."""

    key: EngineKey
    graph: Path
    profile: ShapeProfile


def engine_plans(
    graph: Path, library: Library, precision: str = "fp16", windows: WindowRange | None = None
) -> list[EnginePlan]:
    """All engines of one network.

    Args:
        graph: its ONNX file, called as `network_profiles` knows it.
        library: builds and runs them.
        precision: one of `PRECISIONS`; the listener, which remembers for hours, has 16 bits at least.
        windows: how many, and how long.

    Raises:
        EngineError: engines of that library need a card, and there is none.
        KeyError: none of our networks is called that.
        ValueError: there is no such precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"there is no precision {precision}: choose one of {', '.join(PRECISIONS)}")
    if precision == "int8" and graph.stem == LISTENER:
        precision = "fp16"
    digest, cards = hashlib.sha256(graph.read_bytes()).hexdigest(), library.cards()
    return [
        EnginePlan(
            EngineKey(
                f"{graph.stem}-{purpose}", digest, profile.as_text(), precision, library.backend, library.version, cards
            ),
            graph,
            profile,
        )
        for purpose, profile in profiles_of(graph.stem, windows).items()
    ]
