"""Lays generated crops over `warp`'s picture: where a crop covers nothing, not a bit of the picture changes.

A crop is coarser or finer than the picture. Only its difference to what `warp` has drawn is laid on, so that whatever
networks leave alone keeps all the grain and edges that the picture has; it is read between the crop's pixels, and
several times for a pixel that is larger than the crop's own, so that nothing shimmers. Knows nothing of faces or
networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from visavis_models.diffusion.maps import FACE, MAPS

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_WARPED, _FACE = MAPS["warped"].start, np.array([MAPS[name].start for name in FACE])
_PREPARE = "void(f4[:,:,::1], f4[:,:,::1], i8, i8[::1], f4[:,:,::1], i8[::1])"
_LAY = "void(f4[:,:,::1], f4, i8, f8[:,::1], i8, i8, i8, i8, u1[:,:,::1])"


@numba.njit(_PREPARE, nogil=True, cache=True)
def _prepare(made, maps, warped, face, change, box):  # type: ignore[no-untyped-def]
    height, width = made.shape[1:]
    one, nil = np.float32(1), np.float32(0)
    box[0], box[1], box[2], box[3] = width, height, 0, 0
    for y in range(height):
        for x in range(width):
            cover = made[3, y, x]
            seen = max(maps[face[0], y, x], max(maps[face[1], y, x], maps[face[2], y, x]))
            if not cover > nil or not seen > nil:  # beyond the face nothing is known that could be changed
                change[y, x] = nil
                continue
            box[0], box[1] = min(box[0], x), min(box[1], y)
            box[2], box[3] = max(box[2], x + 1), max(box[3], y + 1)
            cover = min(cover, one)
            for k in range(3):
                change[y, x, k] = (made[k, y, x] - maps[warped + k, y, x]) * cover


@numba.njit(_LAY, nogil=True, cache=True, fastmath=True)
def _lay(change, share, finer, to_crop, left, top, right, bottom, frame):  # type: ignore[no-untyped-def]
    last_x, last_y = change.shape[1] - 1, change.shape[0] - 1
    xx, xy, xs = to_crop[0, 0], to_crop[0, 1], to_crop[0, 2]
    yx, yy, ys = to_crop[1, 0], to_crop[1, 1], to_crop[1, 2]
    nil, one, most = np.float32(0), np.float32(1), np.float32(255)
    step, first = 1.0 / finer, 0.5 / finer - 0.5
    amount = np.float32(127.5) * share / np.float32(finer * finer)
    for y in range(top, bottom):
        for x in range(left, right):
            red, green, blue = nil, nil, nil
            for sub in range(finer * finer):
                px = x + (sub % finer) * step + first
                py = y + (sub // finer) * step + first
                u, v = px * xx + py * xy + xs, px * yx + py * yy + ys
                if not (u > 0 and v > 0 and u < last_x and v < last_y):
                    continue
                column, row = int(u), int(v)
                fx, fy = np.float32(u - column), np.float32(v - row)
                for tap in range(4):
                    place = change[row + tap // 2, column + tap % 2]
                    weight = (fy if tap // 2 else one - fy) * (fx if tap % 2 else one - fx)
                    red += place[0] * weight
                    green += place[1] * weight
                    blue += place[2] * weight
            for k in range(3):
                value = red if k == 0 else (green if k == 1 else blue)
                value = np.float32(frame[y, x, k]) + value * amount
                frame[y, x, k] = np.uint8(min(max(value + np.float32(0.5), nil), most))


@dataclass(frozen=True, slots=True)
class Patch:
    """One crop ready to be laid over a picture."""

    change: Floats
    """float32 (h, w, 3): what is added, -2..2."""
    to_crop: NDArray[np.float64]
    """float64 (2, 3): px of the picture to px of the crop."""
    box: tuple[int, int, int, int]
    """Left, top, right and bottom of what changes in the picture at most."""

    @classmethod
    def of(cls, made: Floats, maps: Floats, to_crop: NDArray[np.floating], size: tuple[int, int]) -> Patch | None:
        """A crop made ready; None if it covers nothing of the picture.

        Args:
            made: float32 (4, h, w): RGB -1..1 and cover 0..1, all finite.
            maps: float32 (MAP_CHANNELS, h, w) of the same frame.
            to_crop: (2, 3): px of the picture to px of the crop.
            size: height and width of the picture.
        """
        change, found = np.empty((*made.shape[1:], 3), np.float32), np.empty(4, np.int64)
        _prepare(np.ascontiguousarray(made), np.ascontiguousarray(maps), _WARPED, _FACE, change, found)
        if found[2] <= found[0]:
            return None
        back = np.linalg.inv(np.asarray(to_crop[:, :2], np.float64))
        ends = np.array([[x, y] for x in (found[0] - 1, found[2]) for y in (found[1] - 1, found[3])], np.float64)
        corners = (ends - to_crop[:, 2]) @ back.T
        left, top = (max(int(low), 0) for low in np.floor(corners.min(0)))
        right, bottom = (int(high) + 1 for high in np.ceil(corners.max(0)))
        right, bottom = min(right, size[1]), min(bottom, size[0])
        if right <= left or bottom <= top:
            return None
        return cls(change, np.ascontiguousarray(to_crop, np.float64), (left, top, right, bottom))

    def lay(self, frame: Pixels, share: float = 1.0) -> None:
        """Lay it over a frame.

        Args:
            frame: uint8 (H, W, 3) RGB as `warp` has drawn it, changed in place.
            share: of the change that counts, 0..1.
        """
        if share <= 0.0:
            return
        scale = np.sqrt(abs(np.linalg.det(self.to_crop[:, :2])))
        finer = int(np.clip(np.ceil(scale - 0.25), 1, 4))
        _lay(self.change, np.float32(share), finer, self.to_crop, *self.box, frame)
