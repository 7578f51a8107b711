"""The loops over a crop's pixels behind `drawing.py`: what is drawn where a triangle is seen.

They write into maps that were zeros and touch only the pixels that their part of the face covers. Points that are no
numbers make wrong colours, but never read memory that is not the picture's. Know nothing of strokes or networks.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from visavis_models.diffusion.maps import MAPS
from visavis_models.raster import affine_planes, rasterise

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Box = Ints
"""int32 (4,): left, top, right, bottom of pixels, the last two exclusive; empty where right is not beyond left."""

# Compiled code is kept under the age of this file alone: what other files say comes in as arguments.
_NEAR = "i4(f4[:,::1], i4[:,::1], i4, i4, i4, i4, i4[:,::1], i4[::1])"
_SKIN = "void(i4[:,::1], f4[:,:,::1], i4[::1], f4[:,::1], f4, i4, i4, i4, i4, i4, f4[:,:,::1], i4[:,::1])"
_IRIS = "void(f4[:,::1], i4[::1], i4[::1], f4[:,:,::1], f4[:,:,::1])"
_BEHIND = "void(i4[:,::1], f4[:,:,::1], i4[::1], i4, i4, f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1])"

_MOUTH, _EYE, _SHOWN, _CANONICAL, _FLOW = (MAPS[name].start for name in ("mouth", "eye", "shown", "canonical", "flow"))


class Seen(NamedTuple):
    """A mesh drawn into a window of a crop."""

    number: Ints
    """int32 (h, w): which of the m triangles near the window is seen, `EMPTY` where there is none."""
    rows: Ints
    """int32 (m,): their rows of the mesh."""
    planes: Floats
    """float32 (m, K, 5): of the attributes, see `affine_planes`."""


def seen_through(
    points: Floats, triangles: Ints, attributes: Floats, size: tuple[int, int], origin: tuple[int, int] = (0, 0)
) -> Seen:
    """Draw a mesh into a window: the same as if all of it were drawn, but for what lies elsewhere.

    Args:
        points: float32 (N, 3), x, y in px and depth, as `rasterise` takes them.
        triangles: int32 (M, 3).
        attributes: float32 (N, K) of the points.
        size: height and width of the window in px.
        origin: x and y of its first pixel.
    """
    kept, rows = np.empty_like(triangles), np.empty(len(triangles), np.int32)
    count = _near(points, triangles, origin[0], origin[1], size[0], size[1], kept, rows)
    number, _ = rasterise(points, kept[:count], size, origin)
    return Seen(number, rows[:count], affine_planes(points, kept[:count], attributes))


def paint_skin(seen: Seen, channel: Ints, at_rest: Floats, flow_unit: float, out: Floats) -> tuple[Box, Box]:
    """Labels, canonical places and flow into a frame's maps.

    Args:
        seen: the face, with attributes canonical x, y and the photo's x, y.
        channel: int32 (M,): which channel is 1 where a triangle of the face is seen; negative is none.
        at_rest: float32 (2, 3): from the canvas to the crop that stands still.
        flow_unit: see `drawing.FLOW_UNIT`.
        out: float32 (MAP_CHANNELS, h, w), zeros; changed in place.

    Returns:
        Where the openings of mouth and eyes are seen.
    """
    boxes = np.empty((2, 4), np.int32)
    _skin(
        seen.number, seen.planes, channel[seen.rows], at_rest, flow_unit,
        _MOUTH, _EYE, _SHOWN, _CANONICAL, _FLOW, out, boxes,
    )  # fmt: skip
    return boxes[0], boxes[1]


def paint_iris(points: Floats, iris: Ints, box: Box, opening: Floats, out: Floats) -> None:
    """Add how much of each pixel of an opening an iris covers.

    Args:
        points: float32 (N, 3) of the face, crop px.
        iris: int32 (5,): rows of its centre and of the rim's points to the right, top, left and bottom.
        box: where the opening is.
        opening: float32 (1, h, w), 0 or 1.
        out: float32 (1, h, w), changed in place.
    """
    _iris(points, iris, box, opening, out)


def paint_behind_lips(
    seen: Seen,
    part: Ints,
    origin: tuple[int, int],
    opening: Floats,
    teeth: Floats,
    tooth_middle: Floats,
    tongue: Floats,
) -> None:
    """Teeth and tongue into maps of zeros.

    Args:
        seen: their mesh, in a window of the crop, its attributes tooth coordinates: from gum to edge, along the row.
        part: int32 (M,) of its triangles: 0 upper teeth, 1 lower teeth, 2 tongue.
        origin: x and y of the window's first pixel.
        opening: float32 (1, h, w), 0 or 1: the mouth's.
        teeth: float32 (2, h, w), changed in place.
        tooth_middle: float32 (1, h, w), changed in place.
        tongue: float32 (1, h, w), changed in place.
    """
    _behind(seen.number, seen.planes, part[seen.rows], origin[0], origin[1], opening, teeth, tooth_middle, tongue)


@numba.njit(_NEAR, nogil=True, cache=True)
def _near(points, triangles, left, top, height, width, kept, rows):  # type: ignore[no-untyped-def]
    count = 0
    low_x, low_y = np.float32(left - 1), np.float32(top - 1)
    high_x, high_y = np.float32(left + width), np.float32(top + height)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, bx, cx = points[a, 0], points[b, 0], points[c, 0]
        if max(ax, max(bx, cx)) < low_x or min(ax, min(bx, cx)) > high_x:
            continue
        ay, by, cy = points[a, 1], points[b, 1], points[c, 1]
        if max(ay, max(by, cy)) < low_y or min(ay, min(by, cy)) > high_y:
            continue
        kept[count, 0], kept[count, 1], kept[count, 2] = a, b, c
        rows[count] = t
        count += 1
    return count


@numba.njit(_SKIN, nogil=True, cache=True, fastmath={"contract"})
def _skin(  # type: ignore[no-untyped-def]
    number, planes, channel, at_rest, flow_unit, mouth, eye, shown, canonical, flow, out, boxes
):  # fmt: skip
    height, width = number.shape
    unit = flow_unit / np.float32(width)
    xx, xy, xs = at_rest[0, 0], at_rest[0, 1], at_rest[0, 2]
    yx, yy, ys = at_rest[1, 0], at_rest[1, 1], at_rest[1, 2]
    for k in range(2):
        boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3] = width, height, 0, 0
    for y in range(height):
        for x in range(width):
            t = number[y, x]
            if t < 0:
                continue
            label = channel[t]
            if label >= 0:
                out[label, y, x] = np.float32(1)
            if label == mouth or label == eye:
                k = 0 if label == mouth else 1
                boxes[k, 0], boxes[k, 1] = min(boxes[k, 0], x), min(boxes[k, 1], y)
                boxes[k, 2], boxes[k, 3] = max(boxes[k, 2], x + 1), max(boxes[k, 3], y + 1)
                continue
            p = planes[t]
            px, py = np.float32(x), np.float32(y)
            dx, dy = px - p[0, 0], py - p[0, 1]
            out[canonical, y, x] = p[0, 2] + dx * p[0, 3] + dy * p[0, 4]
            out[canonical + 1, y, x] = p[1, 2] + dx * p[1, 3] + dy * p[1, 4]
            place_x = p[2, 2] + dx * p[2, 3] + dy * p[2, 4]
            place_y = p[3, 2] + dx * p[3, 3] + dy * p[3, 4]
            out[shown, y, x] = np.float32(1)
            out[flow, y, x] = (place_x * xx + place_y * xy + xs - px) * unit
            out[flow + 1, y, x] = (place_x * yx + place_y * yy + ys - py) * unit


@numba.njit(_IRIS, nogil=True, cache=True, fastmath={"contract"})
def _iris(points, iris, box, opening, out):  # type: ignore[no-untyped-def]
    centre, right, top, left, bottom = iris[0], iris[1], iris[2], iris[3], iris[4]
    a, b = (points[right, 0] - points[left, 0]) / 2.0, (points[bottom, 0] - points[top, 0]) / 2.0
    c, d = (points[right, 1] - points[left, 1]) / 2.0, (points[bottom, 1] - points[top, 1]) / 2.0
    size = a * d - b * c
    if not abs(size) >= 1e-3:
        return
    ux, uy = np.float32(d / size), np.float32(-b / size)
    vx, vy = np.float32(-c / size), np.float32(a / size)
    radius = np.float32(np.sqrt(abs(size)))
    one, nil, half = np.float32(1), np.float32(0), np.float32(0.5)
    for y in range(box[1], box[3]):
        for x in range(box[0], box[2]):
            if opening[0, y, x] > nil:
                dx, dy = np.float32(x) - points[centre, 0], np.float32(y) - points[centre, 1]
                u, v = dx * ux + dy * uy, dx * vx + dy * vy
                out[0, y, x] += min(max((one - np.sqrt(u * u + v * v)) * radius + half, nil), one)


@numba.njit(_BEHIND, nogil=True, cache=True, fastmath={"contract"})
def _behind(number, planes, part, left, top, opening, teeth, tooth_middle, tongue):  # type: ignore[no-untyped-def]
    one, two, nil, half = np.float32(1), np.float32(2), np.float32(0), np.float32(0.5)
    for row in range(number.shape[0]):
        for column in range(number.shape[1]):
            t, y, x = number[row, column], row + top, column + left
            if t < 0 or opening[0, y, x] <= nil:
                continue
            if part[t] == 2:
                tongue[0, y, x] = one
                continue
            p = planes[t, 0]
            value = p[2] + (np.float32(x) - p[0]) * p[3] + (np.float32(y) - p[1]) * p[4]
            if value > nil:
                teeth[part[t], y, x] = half + half * min(value, one)
                p = planes[t, 1]
                along = p[2] + (np.float32(x) - p[0]) * p[3] + (np.float32(y) - p[1]) * p[4]
                tooth_middle[0, y, x] = one - abs(two * (along - np.floor(along)) - one)
