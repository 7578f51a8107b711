"""What the renderer's networks are told of a crop besides light: the channels of their maps, in order.

All are float32 over the crop, 0 where they do not apply. A map is drawn from the portrait's mesh of 478 points, driven
or at rest, by the same rules when training and when running. Knows nothing of how they are drawn.
"""

from __future__ import annotations

from itertools import accumulate

_DRIVEN: tuple[tuple[str, int], ...] = (
    ("warped", 3),  # what `warp` draws of the face, RGB -1..1
    ("shown", 1),  # where `warped` has pixels of the photo
    ("canonical", 2),  # which place of the surface: x, y of the mean face at rest, -1..1
    ("lips", 1),  # red of the lips
    ("mouth", 1),  # opening between the lips
    ("lids", 1),  # skin around the eye's opening
    ("eye", 1),  # opening between the lids
    ("iris", 1),  # iris and pupil, within the opening
    ("flow", 2),  # from the reference to here, in tenths of the crop's width
    ("teeth", 2),  # upper, lower: where they are, within the mouth's opening
    ("tooth_middle", 1),  # 1 in the middle of each tooth, 0 where it touches its neighbour
    ("tongue", 1),
    ("lid_motion", 1),  # how far the lids have moved from the photo's, 0..1, the same at every place
)
_AT_REST: tuple[tuple[str, int], ...] = (
    ("photo", 3),  # RGB -1..1
    ("canonical", 2),
    ("lips", 1),
    ("mouth", 1),
    ("lids", 1),
    ("eye", 1),
    ("iris", 1),
)


def _slices(layout: tuple[tuple[str, int], ...]) -> dict[str, slice]:
    ends = list(accumulate(count for _, count in layout))
    return {name: slice(end - count, end) for (name, count), end in zip(layout, ends, strict=True)}


MAPS = _slices(_DRIVEN)
"""Channels of a driven frame's maps, by name."""
FACE = ("shown", "mouth", "eye")
"""Where one of these is not 0 there is the face, and `warped` tells what it looks like."""
MAP_CHANNELS = sum(count for _, count in _DRIVEN)
REFERENCE_MAPS = _slices(_AT_REST)
"""Channels of the reference's maps, by name."""
REFERENCE_CHANNELS = sum(count for _, count in _AT_REST)
