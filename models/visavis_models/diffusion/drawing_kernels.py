"""The loops over a crop's pixels behind `drawing.py`: what is drawn where a triangle is seen.

They write into a frame's maps that were zeros, and are told which channel holds what. Arithmetic is strict: a point
that is no number reads a wrong colour, never memory that is not the picture's. Know nothing of faces or networks.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from visavis_models.raster import affine_planes, rasterise

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_NEAR = "i4(f4[:,::1], i4[:,::1], i4, i4, i4, i4, i4[:,::1], i4[::1])"
_SKIN = (
    "void(i4[:,::1], f4[:,:,::1], i4[::1], i4[::1], i4, i4, f4[:,:,::1], f4, f4[:,::1], f4, "
    "i4, i4, i4, i4, f4[:,:,::1], i4[::1])"
)
_DISC = "void(f4[:,::1], i4[::1], f4[:,::1], f4[:,::1])"
_TEETH = "void(i4[:,::1], f4[:,:,::1], i4[::1], i4[::1], i4, i4, f4[:,::1], f4[:,:,::1])"
_PATCH = "void(f4[:,:,::1], f4[:,::1], f4[:,::1], i4, i4, i4, i4, f4[:,:,::1])"


class Seen(NamedTuple):
    """A mesh drawn into a window of the crop."""

    number: Ints
    """int32 (h, w): which of the m triangles near the window is seen, `EMPTY` where there is none."""
    rows: Ints
    """int32 (m,): their rows of the mesh."""
    planes: Floats
    """float32 (m, K, 5): of the attributes, see `affine_planes`."""


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


def seen_through(
    points: Floats, triangles: Ints, attributes: Floats, size: tuple[int, int], origin: tuple[int, int] = (0, 0)
) -> Seen:
    """Draw the triangles of a mesh that lie in or near a window, as if all were drawn.

    Args:
        points: float32 (N, 3) x, y in px and depth, as `rasterise` takes them.
        triangles: int32 (M, 3).
        attributes: float32 (N, K) of the points.
        size: height and width of the window in px.
        origin: x and y of its first pixel.
    """
    kept, rows = np.empty_like(triangles), np.empty(len(triangles), np.int32)
    count = _near(points, triangles, origin[0], origin[1], size[0], size[1], kept, rows)
    kept = kept[:count]
    number, _ = rasterise(points, kept, size, origin)
    return Seen(number, rows[:count], affine_planes(points, kept, attributes))


@numba.njit(_SKIN, nogil=True, cache=True)
def paint_skin(  # type: ignore[no-untyped-def]
    number, planes, rows, label, mouth, eye, rgb, scale, at_rest, flow_unit, warped, shown, canonical, flow, out, box
):  # fmt: skip
    """Photo, places and flow where there is skin, ones in the channel of each label; see `drawing.paint_face`."""
    half, nil = np.float32(0.5), np.float32(0)
    height, width = number.shape
    last_x, last_y = np.float32(rgb.shape[1] - 1), np.float32(rgb.shape[0] - 1)
    end_x, end_y = max(rgb.shape[1] - 2, 0), max(rgb.shape[0] - 2, 0)
    step_x, step_y = min(rgb.shape[1] - 1, 1), min(rgb.shape[0] - 1, 1)
    unit = flow_unit / np.float32(width)
    xx, xy, xs = at_rest[0, 0], at_rest[0, 1], at_rest[0, 2]
    yx, yy, ys = at_rest[1, 0], at_rest[1, 1], at_rest[1, 2]
    box[0], box[1], box[2], box[3] = width, height, 0, 0
    for y in range(height):
        for x in range(width):
            t = number[y, x]
            if t < 0:
                continue
            channel = label[rows[t]]
            if channel >= 0:
                out[channel, y, x] = np.float32(1)
            if channel == mouth:
                box[0], box[1] = min(box[0], x), min(box[1], y)
                box[2], box[3] = max(box[2], x + 1), max(box[3], y + 1)
                continue
            if channel == eye:
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
            # Beyond the photo its edge goes on.
            u, v = (place_x + half) * scale - half, (place_y + half) * scale - half
            u, v = (u if u > nil else nil), (v if v > nil else nil)
            u, v = (u if u < last_x else last_x), (v if v < last_y else last_y)
            column, row = min(int(u), end_x), min(int(v), end_y)
            fx, fy = u - np.float32(column), v - np.float32(row)
            for k in range(3):
                a, b = rgb[row, column, k], rgb[row, column + step_x, k]
                c, d = rgb[row + step_y, column, k], rgb[row + step_y, column + step_x, k]
                above, below = a + (b - a) * fx, c + (d - c) * fx
                out[warped + k, y, x] = above + (below - above) * fy
