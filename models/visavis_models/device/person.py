"""The person over the plate, filled in by a card: the very pixels that `warp` draws on a processor.

The processor says where the mesh lies (`raster.spans`), the card fills it: whole numbers throughout, so that both come
to the same picture bit by bit. Knows nothing of mouths, eyes or networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from visavis_models.device.transfer import uploaded
from visavis_models.raster import affine_planes
from visavis_models.raster.spans import spans_of
from visavis_models.warp.renderer import Still
from visavis_models.warp.sampling import PLACE_BITS, places_in

_NOTHING = torch.iinfo(torch.int64).max
_MOST_PIXELS = 1 << 22
"""Of the frames that are filled at once: four of 1024 by 1024. What lies in between takes about 200 bytes for each."""


@dataclass(frozen=True, slots=True)
class PersonOnDevice:
    """What of a still is kept on the device."""

    plate: Tensor
    """uint8 (H W, 3)."""
    texture: Tensor
    """uint8 (h w, 4): the words of the person's texture, byte by byte."""
    texture_size: tuple[int, int]
    """Its height and width."""
    width_px: int
    """Of the picture."""

    @classmethod
    def of(cls, still: Still, device: torch.device) -> PersonOnDevice:
        """Bring a still to a device."""
        words = np.ascontiguousarray(still.person.words)
        plate = np.ascontiguousarray(still.avatar.plate).reshape(-1, 3)
        shape = words.shape[0], words.shape[1]
        return cls(
            uploaded(plate, device), uploaded(words.view(np.uint8).reshape(-1, 4), device), shape, still.avatar.width_px
        )


@dataclass(frozen=True, slots=True)
class Outline:
    """Where one frame's mesh lies, found by the processor."""

    triangle: NDArray[np.int32]
    pixel: NDArray[np.int32]
    length: NDArray[np.int32]
    depth: NDArray[np.float32]
    slope: NDArray[np.float32]
    places: NDArray[np.int64]
    """int64 (M, 2, 3), see `warp.sampling.places_in`."""


def outline_of(still: Still, points: NDArray[np.float32]) -> Outline:
    """A posed mesh, float32 (N, 3), made ready to be filled."""
    mesh = still.mesh
    found = spans_of(points, mesh.triangles, still.avatar.plate.shape[:2])
    places = places_in(still.person, affine_planes(points, mesh.triangles, mesh.points))
    return Outline(found.triangle, found.pixel, found.length, found.depth, found.slope, places)


def fill(person: PersonOnDevice, outlines: Sequence[Outline], out: Tensor, cover: Tensor | None = None) -> None:
    """Plate and person of frames of one still.

    Args:
        person: the still.
        outlines: of F frames.
        out: uint8 (F, H W, 3), overwritten.
        cover: uint8 (F, H W), overwritten with how much of each pixel is the person; None: do not trouble.
    """
    pixels = out.shape[1]
    at_once = max(1, _MOST_PIXELS // pixels)
    for start in range(0, len(outlines), at_once):
        part = np.s_[start : start + at_once]
        _fill(person, outlines[part], out[part], None if cover is None else cover[part])


def _fill(person: PersonOnDevice, outlines: Sequence[Outline], out: Tensor, cover: Tensor | None) -> None:
    frames, pixels = out.shape[:2]
    device = out.device
    nearest = _nearest(outlines, pixels, device)
    covered = nearest != _NOTHING
    # Rows of the table of all frames' triangles; where nobody is, any row will do.
    row = torch.where(covered, nearest & 0xFFFFFFFF, 0)
    table = uploaded(np.concatenate([o.places for o in outlines]).reshape(-1, 6), device)
    at = torch.arange(pixels, device=device).repeat(frames)
    x, y = at % person.width_px, at // person.width_px
    place = table[row]
    u = (place[:, 0] + x * place[:, 1] + y * place[:, 2]) >> PLACE_BITS
    v = (place[:, 3] + x * place[:, 4] + y * place[:, 5]) >> PLACE_BITS
    del place, row, x, y, at
    word = _read(person, u, v)
    alpha = torch.where(covered, word[:, 3], 0)
    behind = person.plate.to(torch.int32).repeat(frames, 1)
    rest = (255 - alpha) * 257
    mixed = (word[:, :3] + ((behind * rest[:, None] + 32768) >> 16)).clamp_(max=255)
    mixed = torch.where(alpha[:, None] > 0, mixed, behind)
    out.copy_(mixed.to(torch.uint8).view(frames, pixels, 3))
    if cover is not None:
        cover.copy_(alpha.to(torch.uint8).view(frames, pixels))


def _read(person: PersonOnDevice, u: Tensor, v: Tensor) -> Tensor:
    """int32 (P, 4): red, green, blue, cover of the texture at sixteenths of its pixels, weighted as `warp` does."""
    height, width = person.texture_size
    column, row = (u >> 4).clamp_(0, width - 2), (v >> 4).clamp_(0, height - 2)
    fx = (u - (column << 4)).clamp_(0, 16).to(torch.int32)[:, None]
    fy = (v - (row << 4)).clamp_(0, 16).to(torch.int32)[:, None]
    first = row * width + column
    word = person.texture[first].to(torch.int32) * ((16 - fx) * (16 - fy))
    word += person.texture[first + 1].to(torch.int32) * (fx * (16 - fy))
    word += person.texture[first + width].to(torch.int32) * ((16 - fx) * fy)
    word += person.texture[first + width + 1].to(torch.int32) * (fx * fy)
    return (word + 128) >> 8


def _nearest(outlines: Sequence[Outline], pixels: int, device: torch.device) -> Tensor:
    """int64 (F H W,): depth in the upper half, in the lower the row among all frames' triangles of what is nearest."""
    sizes = [len(o.length) for o in outlines]
    frame = np.repeat(np.arange(len(outlines)), sizes)
    length = np.concatenate([o.length for o in outlines])
    first = frame * pixels + np.concatenate([o.pixel for o in outlines])
    row = frame * len(outlines[0].places) + np.concatenate([o.triangle for o in outlines])
    begins = np.cumsum(length) - length
    whole = uploaded(np.stack([first - begins, row, begins]), device)
    deep = uploaded(
        np.stack([np.concatenate([o.depth for o in outlines]), np.concatenate([o.slope for o in outlines])]), device
    )
    total = int(length.sum())
    span = torch.repeat_interleave(
        torch.arange(len(length), device=device), uploaded(length, device), output_size=total
    )
    here = torch.arange(total, device=device)
    depth = deep[0][span] + (here - whole[2][span]).to(torch.float32) * deep[1][span]
    bits = depth.view(torch.int32)
    bits ^= (bits >> 31) & 0x7FFFFFFF  # whole numbers in the order of the depths that they are
    key = (bits.to(torch.int64) << 32) | whole[1][span]
    found = torch.full((len(outlines) * pixels,), _NOTHING, dtype=torch.int64, device=device)
    return found.scatter_reduce_(0, here + whole[0][span], key, "amin")
