"""Colours for rasterised meshes: reads a texture where the mesh says and lays it over what is there.

Textures are stored at twice their size with exact half-pixel values between, so that reading them with cheap bilinear
weights is exact at rest and keeps detail crisp at every shift. Knows nothing of faces.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

_PLACES = "void(f4[:,:,::1], f8, f8, f8, i8[:,:,::1])"
_DRAW = "void(i4[:,::1], i4, i4, i8[:,:,::1], u4[:,::1], u1[:,:,::1])"
_COVER = "void(i4[:,::1], i8[:,:,::1], u1[::1], u4[:,::1], u1[:,::1])"
PLACE_BITS = 20
"""Places in a texture are counted in sixteenths of its pixels with so many bits behind the point."""
_STEEPEST = 1e6
"""Slopes beyond it belong to triangles that cover no pixel whole, and would leave the range of whole numbers."""


@numba.njit(_PLACES, nogil=True, cache=True)
def _find_places(planes, scale, shift_x, shift_y, out):  # type: ignore[no-untyped-def]
    # Whole numbers from here on: whoever draws the same triangles elsewhere reads the same places to the last bit.
    one = 16.0 * (1 << PLACE_BITS)
    for t in range(planes.shape[0]):
        for k in range(2):
            p = planes[t, k]
            dx = min(max(np.float64(p[3]), -_STEEPEST), _STEEPEST)
            dy = min(max(np.float64(p[4]), -_STEEPEST), _STEEPEST)
            shift = shift_x if k == 0 else shift_y
            start = (np.float64(p[2]) - np.float64(p[0]) * dx - np.float64(p[1]) * dy) * scale + shift
            # Half of what is cut off is added: cutting off rounds to nearest then.
            out[t, k, 0] = np.int64(np.floor(start * one + 0.5 * (1 << PLACE_BITS)))
            out[t, k, 1] = np.int64(np.rint(dx * scale * one))
            out[t, k, 2] = np.int64(np.rint(dy * scale * one))


@numba.njit(_DRAW, nogil=True, cache=True)
def _draw(number, left, top, places, texture, out):  # type: ignore[no-untyped-def]
    # The four channels of a pixel are spread over the 16-bit lanes of one 64-bit word and weighted at once: with 4-bit
    # fractions the weights sum to 256 and no lane overflows. Indices are unsigned, which spares numba's wrap-around.
    even = np.uint64(0x00FF00FF)
    odd = np.uint64(0xFF00FF00)
    lanes = np.uint64(0x00FF00FF00FF00FF)
    half = np.uint64(0x0080008000800080)
    byte = np.uint64(255)
    last_x, last_y = np.int32(texture.shape[1] - 2), np.int32(texture.shape[0] - 2)
    for y in range(np.uint64(number.shape[0])):
        seen = np.int32(-1)
        u = v = du = dv = np.int64(0)
        for x in range(np.uint64(number.shape[1])):
            t = number[y, x]
            if t < 0:
                seen = np.int32(-1)
                continue
            if t == seen:
                u += du
                v += dv
            else:
                seen = t
                p = places[np.uint64(t)]
                px, py = np.int64(x) + left, np.int64(y) + top
                u, v = p[0, 0] + px * p[0, 1] + py * p[0, 2], p[1, 0] + px * p[1, 1] + py * p[1, 2]
                du, dv = p[0, 1], p[1, 1]
            iu, iv = np.int32(u >> np.int64(PLACE_BITS)), np.int32(v >> np.int64(PLACE_BITS))
            column = min(max(iu >> np.int32(4), np.int32(0)), last_x)
            row = min(max(iv >> np.int32(4), np.int32(0)), last_y)
            fx = np.uint64(min(max(iu - (column << np.int32(4)), np.int32(0)), np.int32(16)))
            fy = np.uint64(min(max(iv - (row << np.int32(4)), np.int32(0)), np.int32(16)))
            c, r, one = np.uint64(column), np.uint64(row), np.uint64(1)
            p00, p01 = np.uint64(texture[r, c]), np.uint64(texture[r, c + one])
            p10, p11 = np.uint64(texture[r + one, c]), np.uint64(texture[r + one, c + one])
            gx, gy = np.uint64(16) - fx, np.uint64(16) - fy
            word = ((p00 & even) | ((p00 & odd) << np.uint64(24))) * (gx * gy)
            word += ((p01 & even) | ((p01 & odd) << np.uint64(24))) * (fx * gy)
            word += ((p10 & even) | ((p10 & odd) << np.uint64(24))) * (gx * fy)
            word += ((p11 & even) | ((p11 & odd) << np.uint64(24))) * (fx * fy)
            word = ((word + half) >> np.uint64(8)) & lanes
            alpha = word >> np.uint64(48)
            if alpha == byte:
                out[y, x, 0] = word
                out[y, x, 2] = word >> np.uint64(16)
                out[y, x, 1] = word >> np.uint64(32)
            elif alpha > 0:
                rest = (byte - alpha) * np.uint64(257)
                k = np.uint64(32768)
                out[y, x, 0] = min((word & byte) + ((out[y, x, 0] * rest + k) >> np.uint64(16)), byte)
                out[y, x, 2] = min(
                    ((word >> np.uint64(16)) & byte) + ((out[y, x, 2] * rest + k) >> np.uint64(16)), byte
                )
                out[y, x, 1] = min(
                    ((word >> np.uint64(32)) & byte) + ((out[y, x, 1] * rest + k) >> np.uint64(16)), byte
                )


@numba.njit(_COVER, nogil=True, cache=True)
def _cover(number, places, evenly, texture, out):  # type: ignore[no-untyped-def]
    # The fourth lane of `_draw`, step by step the same: what it lays over a picture and what this says must agree. Most
    # triangles are covered evenly, and nothing need be read for them.
    last_x, last_y = np.int32(texture.shape[1] - 2), np.int32(texture.shape[0] - 2)
    for y in range(np.uint64(number.shape[0])):
        seen = np.int32(-1)
        u = v = du = dv = np.int64(0)
        for x in range(np.uint64(number.shape[1])):
            t = number[y, x]
            if t < 0:
                seen = np.int32(-1)
                out[y, x] = 0
                continue
            if evenly[np.uint64(t)] != np.uint8(1):
                seen = np.int32(-1)
                out[y, x] = evenly[np.uint64(t)]
                continue
            if t == seen:
                u += du
                v += dv
            else:
                seen = t
                p = places[np.uint64(t)]
                px, py = np.int64(x), np.int64(y)
                u, v = p[0, 0] + px * p[0, 1] + py * p[0, 2], p[1, 0] + px * p[1, 1] + py * p[1, 2]
                du, dv = p[0, 1], p[1, 1]
            iu, iv = np.int32(u >> np.int64(PLACE_BITS)), np.int32(v >> np.int64(PLACE_BITS))
            column = min(max(iu >> np.int32(4), np.int32(0)), last_x)
            row = min(max(iv >> np.int32(4), np.int32(0)), last_y)
            fx = np.uint32(min(max(iu - (column << np.int32(4)), np.int32(0)), np.int32(16)))
            fy = np.uint32(min(max(iv - (row << np.int32(4)), np.int32(0)), np.int32(16)))
            c, r, one, top_byte = np.uint64(column), np.uint64(row), np.uint64(1), np.uint32(24)
            gx, gy = np.uint32(16) - fx, np.uint32(16) - fy
            alpha = (texture[r, c] >> top_byte) * (gx * gy)
            alpha += (texture[r, c + one] >> top_byte) * (fx * gy)
            alpha += (texture[r + one, c] >> top_byte) * (gx * fy)
            alpha += (texture[r + one, c + one] >> top_byte) * (fx * fy)
            out[y, x] = (alpha + np.uint32(128)) >> np.uint32(8)


@dataclass(frozen=True, slots=True)
class Texture:
    """Colours with coverage, ready to be read between pixels."""

    words: NDArray[np.uint32]
    """uint32 (2 h, 2 w): premultiplied R, G, B, A in this byte order, at half-pixel steps."""
    left: float
    """Position of the first pixel in the coordinates that meshes carry."""
    top: float
    pixels_per_unit: float = 1.0
    """Pixels of this texture (before doubling) for one unit of the mesh's coordinates."""


_HALF_TAPS = np.array([-0.0105, 0.0465, -0.1465, 0.6105, 0.6105, -0.1465, 0.0465, -0.0105], np.float32)
"""Value half-way between two pixels, from eight: a windowed sinc, sums to 1."""


def _doubled(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Uint8 (h, w, C) to (2 h, 2 w, C): even rows and columns are the picture, odd ones lie half-way."""
    taps, unit = _HALF_TAPS, np.ones(1, np.float32)
    height, width = picture.shape[:2]
    wide = np.empty((height, 2 * width, picture.shape[2]), np.uint8)
    wide[:, 0::2] = picture
    wide[:, 1::2] = cv2.sepFilter2D(picture, -1, taps, unit, anchor=(3, 0), borderType=cv2.BORDER_REPLICATE)
    out = np.empty((2 * height, 2 * width, picture.shape[2]), np.uint8)
    out[0::2] = wide
    out[1::2] = cv2.sepFilter2D(wide, -1, unit, taps, anchor=(0, 3), borderType=cv2.BORDER_REPLICATE)
    return out


@numba.njit("void(u4[:,::1])", nogil=True, cache=True)
def _premultiply(words):  # type: ignore[no-untyped-def]
    byte, half, one = np.uint32(255), np.uint32(127), np.uint32(8)
    for y in range(words.shape[0]):
        for x in range(words.shape[1]):
            word = words[y, x]
            alpha = word >> np.uint32(24)
            if alpha == 255:
                continue
            red = ((word & byte) * alpha + half) // byte
            green = (((word >> one) & byte) * alpha + half) // byte
            blue = (((word >> np.uint32(16)) & byte) * alpha + half) // byte
            words[y, x] = red | (green << one) | (blue << np.uint32(16)) | (alpha << np.uint32(24))


def make_texture(
    colours: NDArray[np.uint8],
    coverage: NDArray[np.uint8] | None = None,
    left: float = 0.0,
    top: float = 0.0,
    pixels_per_unit: float = 1.0,
) -> Texture:
    """Prepare colours for drawing.

    Args:
        colours: uint8 (h, w, 3) RGB, not multiplied by the coverage, and sensible where there is none.
        coverage: uint8 (h, w); None is opaque.
        left: where the first column lies, in mesh coordinates.
        top: where the first row lies.
        pixels_per_unit: scale from mesh coordinates to pixels.
    """
    height, width = colours.shape[:2]
    if coverage is None:
        coverage = np.full((height, width), 255, np.uint8)
    # Colour and coverage are interpolated apart and multiplied afterwards: no ringing at the person's outline.
    words = _doubled(np.dstack([colours, coverage])).view(np.uint32)[..., 0]
    words = np.ascontiguousarray(words)
    _premultiply(words)
    return Texture(words, left, top, pixels_per_unit)


def places_in(texture: Texture, planes: NDArray[np.float32]) -> NDArray[np.int64]:
    """Where triangles read a texture.

    Args:
        texture: what is read.
        planes: float32 (M, 2, 5): texture coordinates as `affine_planes` gives them.

    Returns:
        int64 (M, 2, 3): for x and y in the texture's words the value at the picture's first pixel, half a sixteenth
        included, and its change for each pixel to the right and down; sixteenths with `PLACE_BITS` more bits.
    """
    out = np.empty((len(planes), 2, 3), np.int64)
    scale = 2.0 * texture.pixels_per_unit
    _find_places(planes, scale, -scale * texture.left, -scale * texture.top, out)
    return out


def draw(
    number: NDArray[np.int32],
    planes: NDArray[np.float32],
    texture: Texture,
    out: NDArray[np.uint8],
    origin: tuple[int, int] = (0, 0),
) -> None:
    """Lay a textured mesh over a picture.

    Args:
        number: int32 (h, w): the triangle seen at each pixel, or negative.
        planes: float32 (M, 2, 5): texture coordinates as `affine_planes` gives them.
        texture: what to read.
        out: uint8 (h, w, 3): what shows where the mesh does not cover; drawn over.
        origin: x and y of the window's first pixel.
    """
    _draw(number, origin[0], origin[1], places_in(texture, planes), texture.words, out)


def even_cover(texture: Texture, points: NDArray[np.float32], triangles: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Which triangles are covered alike in all their pixels.

    Args:
        texture: what is drawn with them.
        points: float32 (N, 2): where their corners read it, in mesh coordinates.
        triangles: int32 (M, 3).

    Returns:
        uint8 (M,): 255 for those that hide what is behind them, 0 for those that show nothing, 1 for all others.
    """
    cover = (texture.words >> np.uint32(24)).astype(np.uint8)
    height, width = cover.shape
    scale = 2.0 * texture.pixels_per_unit
    places = scale * (points[triangles] - np.array([texture.left, texture.top]))
    size = np.array([width, height])
    # One pixel more at each side: that is how far reading between pixels and rounding reach.
    low = np.clip(np.floor(places.min(1)).astype(int) - 1, 0, size - 1)
    high = np.clip(np.ceil(places.max(1)).astype(int) + 3, 1, size)
    pixels = (high - low).prod(1)
    found = np.ones(len(triangles), np.uint8)
    for level in (0, 255):
        sums = cv2.integral((cover == level).astype(np.uint8))
        (left, top), (right, bottom) = low.T, high.T
        alike = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
        found[alike == pixels] = level
    return found


def draw_cover(
    number: NDArray[np.int32],
    planes: NDArray[np.float32],
    evenly: NDArray[np.uint8],
    texture: Texture,
    out: NDArray[np.uint8],
) -> None:
    """How much of a picture `draw` covers, pixel by pixel.

    Args:
        number: as for `draw`.
        planes: as for `draw`.
        evenly: what `even_cover` says of these triangles.
        texture: as for `draw`.
        out: uint8 (h, w), overwritten: 255 where `draw` leaves nothing of what was there before.
    """
    _cover(number, places_in(texture, planes), evenly, texture.words, out)
