"""The lashes of an upper lid: taken from the photo once, then carried along by the lid's edge and folded down with it.

Lids are drawn with clean skin, so without this an eye would lose its lashes in the middle of a blink. Knows nothing of
irises, mouths or time.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from visavis_models.warp.openings import COLUMNS, Opening

REACH = 0.3
"""How far from the lid's edge lashes are looked for, in widths of the eye."""
_BEYOND = 0.3
"""How far beyond the corners, in widths of the eye."""
_ACROSS, _ALONG = 28, 112
_FOLDED_OPEN, _FOLDED_SHUT = 0.3, 0.75
"""How long lashes look (share of their length in the photo) as they turn from up to down, and when the eye is shut."""


@dataclass(frozen=True, slots=True)
class Lashes:
    """What grows on one upper lid, unrolled along its edge."""

    cover: NDArray[np.float32]
    """float32 (28, 112), 0..1: rows go away from the edge, columns along it, both a little beyond the eye."""
    colour: tuple[float, float, float]
    """RGB 0..255."""


def _edge(opening: Opening, u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height of the upper edge at places along the eye, 0..1; it runs on level beyond the corners."""
    return np.interp(u, np.linspace(0.0, 1.0, COLUMNS), opening.upper.astype(np.float64))


def find_lashes(
    picture: NDArray[np.uint8], bare: NDArray[np.uint8], opening: Opening, colour: tuple[float, float, float]
) -> Lashes:
    """Everything along the lid that is darker than bare skin.

    Args:
        picture: uint8 (h, w, 3), the photo's eye.
        bare: uint8 (h, w, 3), the same without lashes and eye.
        opening: the eye's opening, in px of `picture`.
        colour: RGB of the lashes.
    """
    grey = np.array([0.299, 0.587, 0.114])
    skin, seen = bare.astype(np.float64) @ grey, picture.astype(np.float64) @ grey
    depth = np.maximum(skin - float(np.array(colour) @ grey), 16.0)
    cover = np.clip((skin - seen) / depth - 0.08, 0.0, 0.92).astype(np.float32)
    u = np.linspace(-_BEYOND, 1.0 + _BEYOND, _ALONG)
    away = np.linspace(0.0, REACH, _ACROSS)[:, None] * opening.length_px
    along, v = u * opening.length_px, _edge(opening, u) - away
    x = opening.corner[0] + along * opening.along[0] - v * opening.along[1]
    y = opening.corner[1] + along * opening.along[1] + v * opening.along[0]
    rolled = cv2.remap(cover, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    # Far from the edge there may be a brow or a crease: lashes thin out.
    rolled *= np.clip((REACH * opening.length_px - away) / (0.5 * REACH * opening.length_px), 0.0, 1.0)
    rolled *= np.clip(np.minimum(u + _BEYOND, 1.0 + _BEYOND - u) / (0.6 * _BEYOND), 0.0, 1.0)
    return Lashes(np.ascontiguousarray(rolled, np.float32), colour)


_COMB = "void(u1[:,:,::1], i4, i4, i4, i4, f4[:,::1], f4[::1], f4, f4, f4, f4, f4, f4, f4, f4, f4, f4, f4, f4)"


@numba.njit(_COMB, nogil=True, cache=True, fastmath=True)
def _comb(  # type: ignore[no-untyped-def]
    frame, left, top, right, bottom, cover, edge, corner_x, corner_y, along_x, along_y, length,
    strength, up, up_share, down, red, green, blue,
):  # fmt: skip
    nil, one = np.float32(0), np.float32(1)
    columns, samples, rows = cover.shape[1] - 1, edge.shape[0] - 1, cover.shape[0] - 1
    beyond, reach = np.float32(_BEYOND), np.float32(REACH) * length
    for y in range(top, bottom):
        for x in range(left, right):
            px, py = np.float32(x) - corner_x, np.float32(y) - corner_y
            u = (px * along_x + py * along_y) / length
            column = (u + beyond) / (one + beyond + beyond) * np.float32(columns)
            if column < nil or column >= np.float32(columns):
                continue
            place = min(max(u, nil), one) * np.float32(samples)
            k = min(np.int32(place), samples - 1)
            away = edge[k] + (edge[k + 1] - edge[k]) * (place - np.float32(k)) - (py * along_x - px * along_y)
            folded, share = (up, up_share) if away >= nil else (down, one - up_share)
            row = abs(away) / (folded * reach) * np.float32(rows)
            if row >= np.float32(rows):
                continue
            i, j = np.int32(row), np.int32(column)
            s, t = row - np.float32(i), column - np.float32(j)
            near = cover[i, j] + (cover[i, j + 1] - cover[i, j]) * t
            far = cover[i + 1, j] + (cover[i + 1, j + 1] - cover[i + 1, j]) * t
            # Right at the edge both sides are one lid.
            at_edge = max(one - abs(away), nil)
            drawn = strength * (near + (far - near) * s) * (share + (one - share) * at_edge)
            frame[y, x, 0] = np.uint8(np.float32(frame[y, x, 0]) * (one - drawn) + red * drawn + np.float32(0.5))
            frame[y, x, 1] = np.uint8(np.float32(frame[y, x, 1]) * (one - drawn) + green * drawn + np.float32(0.5))
            frame[y, x, 2] = np.uint8(np.float32(frame[y, x, 2]) * (one - drawn) + blue * drawn + np.float32(0.5))


def draw_lashes(
    frame: NDArray[np.uint8],
    box: tuple[int, int, int, int],
    lashes: Lashes,
    opening: Opening,
    *,
    strength: float,
    down: float,
) -> None:
    """Let the lashes stand on the upper edge of an opening.

    Args:
        frame: uint8 (H, W, 3), changed in place.
        box: left, top, right, bottom of the pixels that may change.
        lashes: what to draw.
        opening: where the lid is.
        strength: 0..1.
        down: 0 they point up as in the photo, 1 down as in a shut eye.
    """
    _comb(
        frame, *box, lashes.cover, opening.upper, *opening.corner, *opening.along, opening.length_px, strength,
        1.0 - (1.0 - _FOLDED_OPEN) * down, 1.0 - down, _FOLDED_OPEN + (_FOLDED_SHUT - _FOLDED_OPEN) * down,
        *lashes.colour,
    )  # fmt: skip
