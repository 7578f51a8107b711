"""Generated crops laid over frames by a card: many at once, as `diffusion.compositing` lays one. Knows no networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from visavis_models.device.transfer import uploaded
from visavis_models.diffusion.maps import FACE, MAPS

_FACE = [MAPS[name].start for name in FACE]


@dataclass(frozen=True, slots=True)
class DevicePatch:
    """One crop to be laid over one frame."""

    frame: int
    """Of those that are laid over together."""
    made: Tensor
    """float32 (4, h, w): RGB -1..1 and cover 0..1."""
    maps: Tensor
    """float32 (MAP_CHANNELS, h, w)."""
    to_crop: NDArray[np.floating]
    """(2, 3): px of the picture to px of the crop."""
    share: float
    """Of the change that counts."""

    def moved(self, frames: int) -> DevicePatch:
        """The same for a frame so many later."""
        return replace(self, frame=self.frame + frames)

    @property
    def finer(self) -> int:
        """Reads each way for one pixel of the picture."""
        scale = np.sqrt(abs(np.linalg.det(np.asarray(self.to_crop[:, :2], np.float64))))
        return int(np.clip(np.ceil(scale - 0.25), 1, 4))

    def box(self, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
        """Left, top, right, bottom of what may change in a picture of this height and width; None: nothing."""
        height, width = self.made.shape[1:]
        back = np.linalg.inv(np.asarray(self.to_crop[:, :2], np.float64))
        ends = np.array([[x, y] for x in (-1, width) for y in (-1, height)], np.float64)
        corners = (ends - self.to_crop[:, 2]) @ back.T
        left, top = (max(int(low), 0) for low in np.floor(corners.min(0)))
        right, bottom = (int(high) + 1 for high in np.ceil(corners.max(0)))
        right, bottom = min(right, size[1]), min(bottom, size[0])
        return (left, top, right, bottom) if right > left and bottom > top else None


def lay(frames: Tensor, size: tuple[int, int], patches: Sequence[DevicePatch]) -> None:
    """Lay patches over frames; not two of one size over one frame in one call.

    Args:
        frames: uint8 (F H W + 1, 3), changed in place; the last row is nobody's.
        size: height and width of each frame.
        patches: of any sizes.
    """
    kinds: dict[tuple[int, tuple[int, ...]], list[tuple[DevicePatch, tuple[int, int, int, int]]]] = {}
    for patch in patches:
        box = patch.box(size)
        if box is not None and patch.share > 0.0:
            kinds.setdefault((patch.finer, tuple(patch.made.shape)), []).append((patch, box))
    for (finer, _), alike in kinds.items():
        _lay_alike(frames, size, [patch for patch, _ in alike], np.array([box for _, box in alike]), finer)


def change_of(made: Tensor, maps: Tensor) -> Tensor:
    """What crops (P, 4, h, w) with their maps (P, MAP_CHANNELS, h, w) add to the picture: float32 (P, h, w, 3)."""
    cover, seen = made[:, 3:], maps[:, _FACE].amax(1, keepdim=True)
    change = (made[:, :3] - maps[:, MAPS["warped"]]) * cover.clamp(max=1.0)
    return torch.where((cover > 0) & (seen > 0), change, 0.0).permute(0, 2, 3, 1).contiguous()


def _lay_alike(
    frames: Tensor, size: tuple[int, int], patches: Sequence[DevicePatch], boxes: NDArray[np.int64], finer: int
) -> None:
    device, (height, width) = frames.device, size
    change = change_of(torch.stack([p.made for p in patches]), torch.stack([p.maps for p in patches]))
    rows, columns = change.shape[1:3]
    wide, high = int((boxes[:, 2] - boxes[:, 0]).max()), int((boxes[:, 3] - boxes[:, 1]).max())
    numbers = np.concatenate([boxes, np.array([[p.frame] for p in patches])], 1)
    left, top, right, bottom, frame = uploaded(numbers.astype(np.int64), device).T[:, :, None, None]
    exact = np.stack([np.asarray(p.to_crop, np.float64).reshape(6) for p in patches])
    xx, xy, xs, yx, yy, ys = uploaded(exact, device).T[:, :, None, None]
    shares = uploaded(np.array([p.share for p in patches], np.float32), device)[:, None, None, None]
    x = left + torch.arange(wide, device=device)[None, None]
    y = top + torch.arange(high, device=device)[None, :, None]
    flat = change.reshape(-1, 3)
    base = torch.arange(len(patches), device=device)[:, None, None] * (rows * columns)
    total = torch.zeros((*(base + x + y).shape, 3), dtype=torch.float32, device=device)
    step, first = 1.0 / finer, 0.5 / finer - 0.5
    for sub in range(finer * finer):
        px, py = x.double() + ((sub % finer) * step + first), y.double() + ((sub // finer) * step + first)
        u, v = px * xx + py * xy + xs, px * yx + py * yy + ys
        inside = (u > 0) & (v > 0) & (u < columns - 1) & (v < rows - 1)
        u, v = u.clamp(0, columns - 1.001), v.clamp(0, rows - 1.001)
        column, row = u.long(), v.long()
        fx, fy = (u - column).float()[..., None], (v - row).float()[..., None]
        at = base + row * columns + column
        upper = flat[at] * (1 - fx) + flat[at + 1] * fx
        lower = flat[at + columns] * (1 - fx) + flat[at + columns + 1] * fx
        total += torch.where(inside[..., None], upper * (1 - fy) + lower * fy, 0.0)
    # What lies beyond a patch's own box goes to the row that is nobody's.
    own = (x < right) & (y < bottom)
    place = torch.where(own, (frame * height + y) * width + x, frames.shape[0] - 1).reshape(-1)
    amount = 127.5 * shares / (finer * finer)
    value = frames[place].float() + (total * amount).reshape(-1, 3)
    frames[place] = (value + 0.5).clamp(0, 255).to(torch.uint8)
