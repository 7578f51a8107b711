"""Which networks get engines of NVIDIA cards, and for which shapes: few to many avatars, one to eight new frames.

Height and width are fixed in an engine: the renderer's graphs have one for mouths and one for eyes. Avatars and frames
are free between what is least and what is most. Knows no library.
"""

from __future__ import annotations

from dataclasses import dataclass

from visavis_models.diffusion.engine_networks import PARTS
from visavis_models.diffusion.graph_shapes import axis_lengths, graphs_of, shapes
from visavis_models.diffusion.settings import MOST_NEW_FRAMES
from visavis_models.diffusion.sizes import SIZES, RendererSize
from visavis_models.engines.shape_profile import Shape, ShapeProfile
from visavis_models.voice.encoder import STATE_SIZE
from visavis_models.voice.features import FEATURES, HOPS_PER_CHUNK

LISTENER = "listener"
MOST_AVATARS = 64
MOST_SHOWN_FRAMES = 15
"""What `RenderingSettings.overlap_frames` may be at most."""


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """How many windows go through an engine at once, and how long they are.

    Raises:
        ValueError: a number is less than one.
    """

    avatars: int
    new_frames: int
    shown_frames: int

    def __post_init__(self) -> None:
        if min(self.avatars, self.new_frames, self.shown_frames) < 1:
            raise ValueError(f"{self} has none of something: engines need at least one")


@dataclass(frozen=True, slots=True)
class WindowRange:
    """From the least to the most, and what is usual."""

    least: WindowCounts = WindowCounts(1, 1, 1)
    usual: WindowCounts = WindowCounts(16, 4, 4)
    # One frame more than a window has: a stream that begins anew is led by the newest one that was shown.
    most: WindowCounts = WindowCounts(MOST_AVATARS, MOST_NEW_FRAMES + 1, MOST_SHOWN_FRAMES)


def has_profiles(network: str) -> bool:
    """Whether engines of NVIDIA cards are built of a network, by its file's name without its ending."""
    return network == LISTENER or _part_of(network) is not None


def profiles_of(network: str, windows: WindowRange | None = None) -> dict[str, ShapeProfile]:
    """The shapes that a network's engines are built for, by what they are for: `mouth`, `eye`, `voice`.

    Args:
        network: name of its file without the ending: `listener`, `renderer_compact_denoiser`.
        windows: how many, and how long.

    Raises:
        KeyError: none of our networks is called that.
    """
    span = windows or WindowRange()
    if network == LISTENER:
        return {"voice": _listener_profile(span)}
    found = _part_of(network)
    if found is None:
        raise KeyError(network)
    size, part = found
    return {
        "mouth": _crop_profile(size, part, size.mouth_px, span),
        "eye": _crop_profile(size, part, size.eye_px, span),
    }


def _part_of(network: str) -> tuple[RendererSize, str] | None:
    return next(
        ((size, part) for size in SIZES.values() for part in PARTS if network == f"renderer_{size.name}_{part}"), None
    )


def _listener_profile(span: WindowRange) -> ShapeProfile:
    def at(counts: WindowCounts) -> dict[str, Shape]:
        return {"features": (counts.avatars, HOPS_PER_CHUNK, FEATURES), "state": (counts.avatars, STATE_SIZE)}

    return ShapeProfile(at(span.least), at(span.usual), at(span.most))


def _crop_profile(size: RendererSize, part: str, crop_px: tuple[int, int], span: WindowRange) -> ShapeProfile:
    inputs = graphs_of(size)[part].inputs

    def at(counts: WindowCounts) -> dict[str, Shape]:
        return shapes(inputs, axis_lengths(size, crop_px, counts.avatars, counts.new_frames, counts.shown_frames))

    return ShapeProfile(at(span.least), at(span.usual), at(span.most))
