"""The four exported graphs of the renderer: what goes in and out, and which sizes are chosen only when they run.

Imports no torch: training exports by it, products and builders of engines load by it. Knows no weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from visavis_models.diffusion.sizes import (
    LATENT_CHANNELS,
    LATENT_FACTOR,
    MOTION_FRAMES,
    MOTION_VALUES,
    PICTURE_CHANNELS,
    SHADE_VALUES,
    RendererSize,
)

Axes = tuple[str | int, ...]
"""Of one array: a number where a size is fixed, a letter where it is chosen at run time."""


@dataclass(frozen=True, slots=True)
class Graph:
    """One network as it is exported."""

    inputs: Mapping[str, Axes]
    """By name, in order."""
    outputs: Mapping[str, Axes]


def graphs_of(size: RendererSize) -> dict[str, Graph]:
    """The graphs of a size, by name.

    Axes: B avatars, N new frames of a window, O frames of it that were shown, F frames, H and W the crop, h and w its
    latents, A the appearance's tokens.
    """
    half, quarter, eighth = size.stem
    latents: Axes = (LATENT_CHANNELS, "h", "w")
    maps: Axes = ("F", size.map_channels, "H", "W")
    features: dict[str, Axes] = {
        "half": ("F", half, "H/2", "W/2"),
        "quarter": ("F", quarter, "H/4", "W/4"),
        "eighth": ("F", eighth, "h", "w"),
    }
    tokens: Axes = ("B", "A", size.width)
    return {
        "appearance": Graph({"reference": ("B", size.reference_channels, "H", "W")}, {"tokens": tokens}),
        "stem": Graph({"maps": maps}, features),
        "denoiser": Graph(
            {
                "latents": ("B", "N", *latents),
                "time": ("B", "N"),
                "eighth": ("B", "N", eighth, "h", "w"),
                "motion": ("B", "N", MOTION_FRAMES, MOTION_VALUES),
                "shade": ("B", SHADE_VALUES),
                "tokens": tokens,
                "shown": ("B", "O", *latents),
                "shown_eighth": ("B", "O", eighth, "h", "w"),
                "known": ("B", "O"),
            },
            {"velocity": ("B", "N", *latents)},
        ),
        "decoder": Graph(
            {"latents": ("F", *latents), **features, "maps": maps}, {"made": ("F", PICTURE_CHANNELS, "H", "W")}
        ),
    }


def axis_lengths(
    size: RendererSize, crop_px: tuple[int, int], avatars: int, new_frames: int, shown_frames: int
) -> dict[str, int]:
    """How long every axis is for crops of one height and width, at so many avatars and frames each."""
    height, width = crop_px
    rows, columns = height // LATENT_FACTOR, width // LATENT_FACTOR
    return {
        "B": avatars, "N": new_frames, "O": shown_frames, "F": avatars * new_frames,
        "H": height, "W": width, "H/2": height // 2, "W/2": width // 2, "H/4": height // 4, "W/4": width // 4,
        "h": rows, "w": columns, "A": (rows // size.token_pool) * (columns // size.token_pool),
    }  # fmt: skip


def shapes(arrays: Mapping[str, Axes], lengths: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Shapes of a graph's inputs or outputs where every axis is so long."""
    return {
        name: tuple(axis if isinstance(axis, int) else lengths[axis] for axis in axes) for name, axes in arrays.items()
    }
