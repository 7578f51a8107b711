"""Lays generated crops over a driven picture: where a crop covers nothing, not a bit of the picture changes.

A crop is read between its pixels linearly, several times for a pixel of the picture that is larger than the crop's own,
so that nothing shimmers when a face is small. Knows nothing of faces or networks.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

_LAY = "void(f4[:,:,::1], f4, i8, f8[:,::1], i4, i4, i4, i4, u1[:,:,::1])"
_BOX = "void(f4[:,::1], i8[::1])"


@numba.njit(_BOX, nogil=True, cache=True)
def _covered_box(cover, box):  # type: ignore[no-untyped-def]
    height, width = cover.shape
    box[0], box[1], box[2], box[3] = width, height, 0, 0
    for y in range(height):
        for x in range(width):
            if cover[y, x] > 0:
                box[0], box[1] = min(box[0], x), min(box[1], y)
                box[2], box[3] = max(box[2], x + 1), max(box[3], y + 1)


@numba.njit(_LAY, nogil=True, cache=True, fastmath=True)
def _lay(made, share, finer, to_crop, left, top, right, bottom, frame):  # type: ignore[no-untyped-def]
    last_x, last_y = made.shape[2] - 1, made.shape[1] - 1
    xx, xy, xs = to_crop[0, 0], to_crop[0, 1], to_crop[0, 2]
    yx, yy, ys = to_crop[1, 0], to_crop[1, 1], to_crop[1, 2]
    nil, one = np.float32(0), np.float32(1)
    each = one / np.float32(finer * finer)
    for y in range(top, bottom):
        for x in range(left, right):
            red, green, blue, whole = nil, nil, nil, nil
            for sub in range(finer * finer):
                px = x + (sub % finer + 0.5) / finer - 0.5
                py = y + (sub // finer + 0.5) / finer - 0.5
                u, v = px * xx + py * xy + xs, px * yx + py * yy + ys
                if not (u > 0 and v > 0 and u < last_x and v < last_y):
                    continue
                column, row = int(u), int(v)
                fx, fy = np.float32(u - column), np.float32(v - row)
                for tap in range(4):
                    r, c = row + tap // 2, column + tap % 2
                    weight = (fy if tap // 2 else one - fy) * (fx if tap % 2 else one - fx) * made[3, r, c]
                    # A colour counts as much as it covers: those that cover nothing may be anything.
                    red += made[0, r, c] * weight
                    green += made[1, r, c] * weight
                    blue += made[2, r, c] * weight
                    whole += weight
            if whole <= nil:
                continue
            amount = each * share
            rest = one - whole * amount
            half = np.float32(127.5)
            for k in range(3):
                value = red if k == 0 else (green if k == 1 else blue)
                value = np.float32(frame[y, x, k]) * rest + (value + whole) * half * amount
                frame[y, x, k] = np.uint8(min(max(value + np.float32(0.5), nil), np.float32(255)))


def lay_over(
    made: NDArray[np.float32], to_crop: NDArray[np.floating], frame: NDArray[np.uint8], share: float = 1.0
) -> None:
    """Lay one crop over a frame.

    Args:
        made: float32 (4, h, w): RGB -1..1 and cover 0..1, all finite.
        to_crop: (2, 3): canvas px to crop px.
        frame: uint8 (H, W, 3) RGB, changed in place.
        share: of the cover that counts, 0..1.
    """
    if share <= 0.0:
        return
    box = np.empty(4, np.int64)
    _covered_box(np.ascontiguousarray(made[3]), box)
    if box[2] <= box[0]:
        return
    linear = np.asarray(to_crop[:, :2], np.float64)
    back = np.linalg.inv(linear)
    ends = np.array([[x, y] for x in (box[0] - 1, box[2]) for y in (box[1] - 1, box[3])], np.float64)
    corners = (ends - to_crop[:, 2]) @ back.T
    left, top = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    right, bottom = (int(np.ceil(high)) + 1 for high in corners.max(0))
    right, bottom = min(right, frame.shape[1]), min(bottom, frame.shape[0])
    finer = int(np.clip(np.ceil(np.sqrt(abs(np.linalg.det(linear))) - 0.25), 1, 4))
    whole = np.ascontiguousarray(to_crop, np.float64)
    _lay(np.ascontiguousarray(made), np.float32(share), finer, whole, left, top, right, bottom, frame)
