"""The person without the background: colours that can be laid over anything.

A drawn picture is the person over the plate. Where the matte is soft both are mixed; taking the plate out again leaves
the person's own colour, and beyond the outline that colour goes on, so that neither a codec nor a scaler can pull
anything of the background in. Knows nothing of motion, video or time.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from visavis_models.portrait.layers import fill_hole

_BEYOND = 8
"""Colours beyond the outline are found in a picture smaller by this factor."""
_FAINT = 0.03
"""Where the person covers about this little, their own colour is mostly rounding: it is joined to what lies beyond."""
_LIFT = "void(u1[:,:,::1], u1[:,::1], u1[:,:,::1], f4[:,:,::1])"
_JOIN = "void(u1[:,:,::1], u1[:,::1], u1[:,:,::1], u1[:,:,::1], f4, u1[:,:,::1])"


@dataclass(frozen=True, slots=True)
class Matte:
    """What of one drawn picture is the person."""

    cover: NDArray[np.uint8]
    """uint8 (H, W): 255 where only the person is seen, 0 where only the plate is."""
    plate: NDArray[np.uint8]
    """uint8 (H, W, 3) RGB: what shines through where the person does not cover."""


@numba.njit(_LIFT, nogil=True, cache=True)
def _lift(picture, cover, plate, out):  # type: ignore[no-untyped-def]
    # out: block means of the person's colours times their cover, and of the cover, 0..1. Every second pixel of every
    # second row tells them well enough.
    step = picture.shape[0] // out.shape[0], picture.shape[1] // out.shape[1]
    share = np.float32(1.0 / (255.0 * ((step[0] + 1) // 2) * ((step[1] + 1) // 2)))
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            red = green = blue = total = np.int32(0)
            for v in range(y * step[0], (y + 1) * step[0], 2):
                for u in range(x * step[1], (x + 1) * step[1], 2):
                    a = np.int32(cover[v, u])
                    if a == 0:
                        continue
                    rest = np.int32(255) - a
                    total += a
                    red += np.int32(picture[v, u, 0]) * 255 - rest * np.int32(plate[v, u, 0])
                    green += np.int32(picture[v, u, 1]) * 255 - rest * np.int32(plate[v, u, 1])
                    blue += np.int32(picture[v, u, 2]) * 255 - rest * np.int32(plate[v, u, 2])
            out[y, x, 0], out[y, x, 1], out[y, x, 2], out[y, x, 3] = red, green, blue, total
            for k in range(4):
                out[y, x, k] = max(out[y, x, k], np.float32(0)) * share


@numba.njit(_JOIN, nogil=True, cache=True, fastmath=True)
def _join(picture, cover, plate, beyond, faint, out):  # type: ignore[no-untyped-def]
    byte, one, nil, half = np.float32(255), np.float32(1), np.float32(0), np.float32(0.5)
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            level = cover[y, x]
            if level == 255:
                for k in range(3):
                    out[y, x, k] = picture[y, x, k]
            elif level == 0:
                for k in range(3):
                    out[y, x, k] = beyond[y, x, k]
            else:
                a = np.float32(level) / byte
                rest = one - a
                weak = faint * rest
                scale = one / (a + weak)
                for k in range(3):
                    own = np.float32(picture[y, x, k]) - rest * np.float32(plate[y, x, k])
                    value = (own + weak * np.float32(beyond[y, x, k])) * scale
                    out[y, x, k] = np.uint8(min(max(value + half, nil), byte))


def person_alone(picture: NDArray[np.uint8], matte: Matte) -> NDArray[np.uint8]:
    """The person's own colours, everywhere in the picture.

    Args:
        picture: uint8 (H, W, 3) RGB, drawn over the matte's plate.
        matte: of this very picture.

    Returns:
        uint8 (H, W, 3) RGB, not multiplied by the cover; `cover` of it and the rest of the plate give the picture back.
    """
    height, width = matte.cover.shape
    blocks = np.empty((max(1, height // _BEYOND), max(1, width // _BEYOND), 4), np.float32)
    picture, cover, plate = (np.ascontiguousarray(layer) for layer in (picture, matte.cover, matte.plate))
    _lift(picture, cover, plate, blocks)
    weight = blocks[..., 3]
    colours = np.clip(blocks[..., :3] / np.maximum(weight, 1e-3)[..., None], 0, 255)
    beyond = fill_hole(np.asarray(colours, np.float32), np.asarray(weight > 0.02, np.float32))
    beyond = np.asarray(cv2.GaussianBlur(beyond, (3, 3), 0), np.float32)
    wide = cv2.resize(np.clip(beyond + 0.5, 0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
    out = np.empty_like(picture)
    _join(picture, cover, plate, np.ascontiguousarray(wide, np.uint8), np.float32(_FAINT), out)
    return out
