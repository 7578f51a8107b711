"""The pixels of every triangle as runs in rows, for machines that fill all of them at once.

The same arithmetic as `triangles.rasterise`, so that whoever fills the runs and keeps what is nearest covers the very
pixels that it does. Knows nothing of devices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

_ROWS = "i8(f4[:,::1], i4[:,::1], i4)"
_SPANS = "i8(f4[:,::1], i4[:,::1], i4, i4, i4[::1], i4[::1], i4[::1], f4[::1], f4[::1])"


@dataclass(frozen=True, slots=True)
class Spans:
    """S runs of pixels, each of one triangle in one row."""

    triangle: NDArray[np.int32]
    """int32 (S,)."""
    pixel: NDArray[np.int32]
    """int32 (S,): number of the run's first pixel in the picture, row by row."""
    length: NDArray[np.int32]
    """int32 (S,): pixels, at least one."""
    depth: NDArray[np.float32]
    """float32 (S,): of the first pixel."""
    slope: NDArray[np.float32]
    """float32 (S,): change of depth for each pixel to the right."""


@numba.njit(_ROWS, nogil=True, cache=True)
def _most_rows(points, triangles, height):  # type: ignore[no-untyped-def]
    total = 0
    for t in range(triangles.shape[0]):
        a, b, c = points[triangles[t, 0], 1], points[triangles[t, 1], 1], points[triangles[t, 2], 1]
        low, high = min(a, min(b, c)), max(a, max(b, c))
        first, last = max(0, int(math.ceil(low))), min(height - 1, int(math.ceil(high)) - 1)
        total += max(0, last - first + 1)
    return total


@numba.njit(_SPANS, nogil=True, cache=True)
def _find(points, triangles, height, width, triangle, pixel, length, depth, slope):  # type: ignore[no-untyped-def]
    # Step by step what `triangles._fill` does, but for the filling; strict arithmetic for the same reason.
    count = 0
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
        y0 = max(0, int(math.ceil(ay)))
        y1 = min(height - 1, int(math.ceil(cy)) - 1)
        long_slope = (cx - ax) / (cy - ay)
        upper_slope = (bx - ax) / (by - ay) if by > ay else 0.0
        lower_slope = (cx - bx) / (cy - by) if cy > by else 0.0
        for y in range(y0, y1 + 1):
            long_x = ax + (y - ay) * long_slope
            if y < by:
                short_x = ax + (y - ay) * upper_slope
            else:
                short_x = bx + (y - by) * lower_slope
            x0 = max(0, int(math.ceil(min(long_x, short_x))))
            x1 = min(width - 1, int(math.ceil(max(long_x, short_x))) - 1)
            if x1 < x0:
                continue
            triangle[count], pixel[count], length[count] = t, y * width + x0, x1 - x0 + 1
            depth[count], slope[count] = az + (x0 - ax) * dzdx + (y - ay) * dzdy, dzdx
            count += 1
    return count


def spans_of(points: NDArray[np.float32], triangles: NDArray[np.int32], size: tuple[int, int]) -> Spans:
    """Where a mesh covers pixels.

    Args:
        points: float32 (N, 3), x, y in px (pixel centres have whole numbers) and depth; smaller is nearer.
        triangles: int32 (M, 3), rows of `points`; either orientation is drawn.
        size: height and width of the picture in px.
    """
    most = max(_most_rows(points, triangles, size[0]), 1)
    numbers = np.empty((3, most), np.int32)
    depths = np.empty((2, most), np.float32)
    count = _find(points, triangles, *size, *numbers, *depths)
    return Spans(*(row[:count] for row in numbers), *(row[:count] for row in depths))
