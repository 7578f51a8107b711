"""A z-buffered triangle rasteriser for small machines: which triangle is seen at which pixel.

It writes triangle numbers and depths; `affine_planes` then tells any vertex attribute (source coordinates, canonical
positions, regions) at any of these pixels. Knows nothing of faces, colours or cameras.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

EMPTY = -1
"""Triangle number of a pixel that no triangle covers."""

FAR = 1e30
"""Depth of a pixel that no triangle covers (finite: the kernels are compiled with fast arithmetic)."""

_SIGNATURE_FILL = "void(f4[:,::1], i4[:,::1], i4, i4, i4, f4[:,::1], i4[:,::1])"
_SIGNATURE_PLANES = "void(f4[:,::1], i4[:,::1], f4[:,::1], f4[:,:,::1])"
_SIGNATURE_GATHER = "void(i4[:,::1], i4, i4, f4[:,:,::1], f4[:,:,::1])"


@numba.njit(_SIGNATURE_FILL, nogil=True, cache=True)
def _fill(points, triangles, first, left, top, depth, number):  # type: ignore[no-untyped-def]
    # Strict arithmetic: with fused or reordered operations the two sides of an edge would round differently.
    # Scan conversion by spans. An edge is always evaluated from its upper to its lower end, so two triangles that share
    # it get the same boundary: no pixel is left out and none is drawn by both.
    height, width = number.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if points[b, 1] < points[a, 1]:
            a, b = b, a
        if points[c, 1] < points[a, 1]:
            a, c = c, a
        if points[c, 1] < points[b, 1]:
            b, c = c, b
        ax, ay, az = np.float64(points[a, 0]), np.float64(points[a, 1]), np.float64(points[a, 2])
        bx, by, bz = np.float64(points[b, 0]), np.float64(points[b, 1]), np.float64(points[b, 2])
        cx, cy, cz = np.float64(points[c, 0]), np.float64(points[c, 1]), np.float64(points[c, 2])
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < 1e-7:
            continue
        dzdx = ((bz - az) * (cy - ay) - (cz - az) * (by - ay)) / area
        dzdy = ((cz - az) * (bx - ax) - (bz - az) * (cx - ax)) / area
        y0 = max(top, int(math.ceil(ay)))
        y1 = min(top + height - 1, int(math.ceil(cy)) - 1)
        long_slope = (cx - ax) / (cy - ay)
        upper_slope = (bx - ax) / (by - ay) if by > ay else 0.0
        lower_slope = (cx - bx) / (cy - by) if cy > by else 0.0
        for y in range(y0, y1 + 1):
            long_x = ax + (y - ay) * long_slope
            if y < by:
                short_x = ax + (y - ay) * upper_slope
            else:
                short_x = bx + (y - by) * lower_slope
            x0 = max(left, int(math.ceil(min(long_x, short_x))))
            x1 = min(left + width - 1, int(math.ceil(max(long_x, short_x))) - 1)
            z = az + (x0 - ax) * dzdx + (y - ay) * dzdy
            for x in range(x0 - left, x1 - left + 1):
                if z < depth[y - top, x]:
                    depth[y - top, x] = z
                    number[y - top, x] = first + t
                z += dzdx


@numba.njit(_SIGNATURE_PLANES, nogil=True, cache=True, fastmath=True)
def _planes(points, triangles, attributes, out):  # type: ignore[no-untyped-def]
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay = points[a, 0], points[a, 1]
        bx, by = points[b, 0] - ax, points[b, 1] - ay
        cx, cy = points[c, 0] - ax, points[c, 1] - ay
        area = bx * cy - cx * by
        inverse = np.float32(1) / area if abs(area) > 1e-7 else np.float32(0)
        for k in range(attributes.shape[1]):
            base = attributes[a, k]
            db, dc = attributes[b, k] - base, attributes[c, k] - base
            dx = (db * cy - dc * by) * inverse
            dy = (dc * bx - db * cx) * inverse
            # Anchored at the first corner: thin triangles have huge slopes, and only differences stay exact.
            out[t, k, 0] = ax
            out[t, k, 1] = ay
            out[t, k, 2] = base
            out[t, k, 3] = dx
            out[t, k, 4] = dy


@numba.njit(_SIGNATURE_GATHER, nogil=True, cache=True, fastmath=True)
def _gather(number, left, top, planes, out):  # type: ignore[no-untyped-def]
    for y in range(number.shape[0]):
        for x in range(number.shape[1]):
            t = number[y, x]
            if t >= 0:
                for k in range(out.shape[2]):
                    dx = np.float32(x + left) - planes[t, k, 0]
                    dy = np.float32(y + top) - planes[t, k, 1]
                    out[y, x, k] = planes[t, k, 2] + dx * planes[t, k, 3] + dy * planes[t, k, 4]


def rasterise(
    points: NDArray[np.float32],
    triangles: NDArray[np.int32],
    size: tuple[int, int],
    origin: tuple[int, int] = (0, 0),
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Draw a mesh into a window of the picture.

    Args:
        points: float32 (N, 3), x, y in px (pixel centres have whole numbers) and depth; smaller is nearer.
        triangles: int32 (M, 3), rows of `points`; either orientation is drawn.
        size: height and width of the window in px.
        origin: x and y of the window's first pixel.

    Returns:
        int32 (h, w) the number of the triangle seen, `EMPTY` where there is none, and float32 (h, w) its depth.
    """
    number = np.full(size, EMPTY, np.int32)
    depth = np.full(size, FAR, np.float32)
    _fill(points, triangles, 0, origin[0], origin[1], depth, number)
    return number, depth


def affine_planes(
    points: NDArray[np.float32], triangles: NDArray[np.int32], attributes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How attributes change across every triangle.

    Args:
        points: float32 (N, 3) as drawn.
        triangles: int32 (M, 3).
        attributes: float32 (N, K).

    Returns:
        float32 (M, K, 5): anchor x, anchor y, value there, change per px in x, change per px in y.
    """
    planes = np.empty((triangles.shape[0], attributes.shape[1], 5), np.float32)
    _planes(points, triangles, attributes, planes)
    return planes


def attribute_map(
    number: NDArray[np.int32], planes: NDArray[np.float32], origin: tuple[int, int] = (0, 0), empty: float = 0.0
) -> NDArray[np.float32]:
    """The attributes seen at every pixel: float32 (h, w, K); `empty` where no triangle is.

    Args:
        number: int32 (h, w) of `rasterise`.
        planes: float32 (M, K, 5) of `affine_planes`.
        origin: x and y of the window's first pixel.
        empty: the value of uncovered pixels.
    """
    out = np.full((*number.shape, planes.shape[1]), empty, np.float32)
    _gather(number, origin[0], origin[1], planes, out)
    return out
