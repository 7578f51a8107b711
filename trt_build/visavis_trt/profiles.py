"""For which shapes engines are built: crops of one region at a time, few to many avatars, one to eight new frames.

Height and width are fixed in an engine; avatars and frames are free between what is least and what is most, and it is
fastest at what is usual. Knows no library.
"""

from __future__ import annotations

from dataclasses import dataclass

from visavis_models.diffusion.graph_shapes import axis_lengths, graphs_of, shapes
from visavis_models.diffusion.settings import MOST_NEW_FRAMES
from visavis_models.diffusion.sizes import RendererSize

MOST_SHOWN_FRAMES = 15
"""What `RenderingSettings.overlap_frames` may be at most."""
Shape = tuple[int, ...]


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
    most: WindowCounts = WindowCounts(64, MOST_NEW_FRAMES + 1, MOST_SHOWN_FRAMES)


@dataclass(frozen=True, slots=True)
class ShapeProfile:
    """Shapes of every input of a graph."""

    least: dict[str, Shape]
    usual: dict[str, Shape]
    most: dict[str, Shape]

    @property
    def fixed(self) -> dict[str, Shape]:
        """What the engine's inputs look like: -1 where a length is free."""
        return {
            name: tuple(a if a == b else -1 for a, b in zip(shape, self.most[name], strict=True))
            for name, shape in self.least.items()
        }

    def as_text(self) -> str:
        """The same text for the same profile; part of a cache's key."""
        return ";".join(f"{name}:{self.least[name]}:{self.usual[name]}:{self.most[name]}" for name in sorted(self.most))


def profile_of(
    size: RendererSize, part: str, crop_px: tuple[int, int], windows: WindowRange | None = None
) -> ShapeProfile:
    """Of one graph of the renderer for crops of one height and width.

    Raises:
        KeyError: there is no such graph.
    """
    span = windows or WindowRange()
    inputs = graphs_of(size)[part].inputs

    def at(counts: WindowCounts) -> dict[str, Shape]:
        return shapes(inputs, axis_lengths(size, crop_px, counts.avatars, counts.new_frames, counts.shown_frames))

    return ShapeProfile(at(span.least), at(span.usual), at(span.most))
