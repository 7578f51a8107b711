"""Lays generated crops over a driven picture: where a crop covers nothing, not a bit of the picture changes.

A crop is coarser or finer than the picture. What it shares with the driven photo is therefore taken from the picture
itself, with all its grain; only what differs is read out of the crop, between its pixels, and several times for a pixel
that is larger than the crop's own, so that nothing shimmers. Knows nothing of faces or networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from visavis_models.diffusion.maps import MAPS

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_LIKE = 0.3
"""From this difference to the driven photo on (black to white being 2) nothing of the photo's grain is kept."""
_WARPED, _SHOWN = MAPS["warped"].start, MAPS["shown"].start
_PREPARE = "void(f4[:,:,::1], f4[:,:,::1], i8, i8, f4, f4[:,:,::1], i8[::1])"
_LAY = "void(f4[:,:,::1], f4, i8, f8[:,::1], i8, i8, u1[:,:,::1], u1[:,:,::1])"


@numba.njit(_PREPARE, nogil=True, cache=True)
def _prepare(made, maps, warped, shown, like, ready, box):  # type: ignore[no-untyped-def]
    # ready: colours times cover, what is the photo's taken out; cover; cover times how much is the photo's.
    height, width = made.shape[1:]
    one, nil = np.float32(1), np.float32(0)
    box[0], box[1], box[2], box[3] = width, height, 0, 0
    for y in range(height):
        for x in range(width):
            cover = made[3, y, x]
            if not cover > nil:
                ready[y, x] = nil
                continue
            box[0], box[1] = min(box[0], x), min(box[1], y)
            box[2], box[3] = max(box[2], x + 1), max(box[3], y + 1)
            cover = min(cover, one)
            apart = nil
            for k in range(3):
                apart = max(apart, abs(made[k, y, x] - maps[warped + k, y, x]))
            kept = max(one - apart / like, nil) * maps[shown, y, x]
            for k in range(3):
                ready[y, x, k] = (made[k, y, x] - kept * maps[warped + k, y, x]) * cover
            ready[y, x, 3] = cover
            ready[y, x, 4] = kept * cover


@numba.njit(_LAY, nogil=True, cache=True, fastmath=True)
def _lay(ready, share, finer, to_crop, left, top, skin, frame):  # type: ignore[no-untyped-def]
    last_x, last_y = ready.shape[1] - 1, ready.shape[0] - 1
    xx, xy, xs = to_crop[0, 0], to_crop[0, 1], to_crop[0, 2]
    yx, yy, ys = to_crop[1, 0], to_crop[1, 1], to_crop[1, 2]
    nil, one, half = np.float32(0), np.float32(1), np.float32(127.5)
    step, first = 1.0 / finer, 0.5 / finer - 0.5
    amount = share / np.float32(finer * finer)
    for y in range(skin.shape[0]):
        for x in range(skin.shape[1]):
            red, green, blue, whole, kept = nil, nil, nil, nil, nil
            for sub in range(finer * finer):
                px = left + x + (sub % finer) * step + first
                py = top + y + (sub // finer) * step + first
                u, v = px * xx + py * xy + xs, px * yx + py * yy + ys
                if not (u > 0 and v > 0 and u < last_x and v < last_y):
                    continue
                column, row = int(u), int(v)
                fx, fy = np.float32(u - column), np.float32(v - row)
                for tap in range(4):
                    place = ready[row + tap // 2, column + tap % 2]
                    weight = (fy if tap // 2 else one - fy) * (fx if tap % 2 else one - fx)
                    red += place[0] * weight
                    green += place[1] * weight
                    blue += place[2] * weight
                    whole += place[3] * weight
                    kept += place[4] * weight
            if whole <= nil:
                continue
            rest = one - whole * amount
            for k in range(3):
                value = red if k == 0 else (green if k == 1 else blue)
                own = kept * (np.float32(skin[y, x, k]) - half)
                value = np.float32(frame[top + y, left + x, k]) * rest + ((value + whole) * half + own) * amount
                frame[top + y, left + x, k] = np.uint8(min(max(value + np.float32(0.5), nil), np.float32(255)))


@dataclass(frozen=True, slots=True)
class Patch:
    """One crop ready to be laid over a picture."""

    ready: Floats
    """float32 (h, w, 5), see `_prepare`."""
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
        ready, found = np.empty((*made.shape[1:], 5), np.float32), np.empty(4, np.int64)
        _prepare(
            np.ascontiguousarray(made), np.ascontiguousarray(maps), _WARPED, _SHOWN, np.float32(_LIKE), ready, found
        )  # fmt: skip
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
        return cls(ready, np.ascontiguousarray(to_crop, np.float64), (left, top, right, bottom))

    def seen(self, picture: Pixels) -> Pixels:
        """A copy of what the picture (H, W, 3) shows where the patch will lie."""
        left, top, right, bottom = self.box
        return picture[top:bottom, left:right].copy()

    def lay(self, frame: Pixels, skin: Pixels, share: float = 1.0) -> None:
        """Lay it over a frame.

        Args:
            frame: uint8 (H, W, 3) RGB, changed in place.
            skin: uint8 (h, w, 3): what `seen` gave of the driven photo, before anything was painted into it.
            share: of the cover that counts, 0..1.
        """
        if share <= 0.0:
            return
        scale = np.sqrt(abs(np.linalg.det(self.to_crop[:, :2])))
        finer = int(np.clip(np.ceil(scale - 0.25), 1, 4))
        _lay(self.ready, np.float32(share), finer, self.to_crop, self.box[0], self.box[1], skin, frame)
