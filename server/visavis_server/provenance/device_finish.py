"""What every drawn picture gets before anybody sees it, laid on by the card that has it: see `finish`.

The very same badge and watermark, bit by bit. Needs torch; imported only where a card draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from visavis_server.provenance.badge import badge_of
from visavis_server.provenance.watermark import ALIKE, STRENGTHS, block_px, changes_of, strength_per_level

DeviceFinish = Callable[[Tensor, Sequence[int]], Tensor]


def device_finish_of(watermark: bool, badge: str) -> DeviceFinish | None:
    """What pictures, uint8 (F, H, W, 3), are to get; None: nothing. See `finish.finish_of`."""
    if not (watermark or badge):
        return None
    changes: dict[tuple[int, int, torch.device], Tensor] = {}

    def finish(pictures: Tensor, lengths: Sequence[int]) -> Tensor:
        if badge:
            _write(pictures, badge)
        if not watermark:
            return pictures
        height, width = pictures.shape[1:3]
        key = width, height, pictures.device
        if key not in changes:
            while len(changes) >= 3:
                changes.pop(next(iter(changes)))
            drawn = np.ascontiguousarray(changes_of(width, height)[:, :, ::3])
            changes[key] = torch.from_numpy(drawn).to(pictures.device).view(STRENGTHS, -1)
        return _marked(pictures, lengths, changes[key])

    return finish


def _write(pictures: Tensor, words: str) -> None:
    left, top, colour, cover = badge_of(words, pictures.shape[2], pictures.shape[1])
    place = pictures[:, top : top + cover.shape[0], left : left + cover.shape[1]]
    laid, share = (torch.from_numpy(np.ascontiguousarray(layer)).to(pictures.device) for layer in (colour, cover))
    place.copy_(torch.round(place.float() * (1 - share) + laid).to(torch.uint8))


def _marked(pictures: Tensor, lengths: Sequence[int], changes: Tensor) -> Tensor:
    frames, height, width = pictures.shape[:3]
    block = block_px(width, height)
    # Which frame tells how busy the places of each are: every eighth of each run.
    begins = np.cumsum([0, *lengths])
    told = np.concatenate(
        [begin + np.arange(count) // ALIKE * ALIKE for begin, count in zip(begins, lengths, strict=False)]
    )
    measured, which = np.unique(told, return_inverse=True)
    device = pictures.device
    quiet = -max_pool2d(-_activity(pictures[torch.from_numpy(measured).to(device)], block), 3, 1, 1)
    strength = (quiet * strength_per_level() + 0.5).clamp(0, STRENGTHS - 1).to(torch.int64)
    rows, columns = (torch.arange(side, device=device) // block for side in (height, width))
    here = torch.arange(height * width, device=device)
    out = torch.empty_like(pictures)
    for frame in range(frames):  # one after another: what lies in between is larger than pictures are
        of = strength[int(which[frame])][rows][:, columns].reshape(-1)
        change = changes.view(-1)[of * (height * width) + here].to(torch.int16).view(height, width, 1)
        out[frame] = (pictures[frame].to(torch.int16) + change).clamp_(0, 255).to(torch.uint8)
    return out


def _activity(pictures: Tensor, block: int) -> Tensor:
    """How much neighbouring pixels differ in each block: float32 (F, rows, columns)."""
    green = pictures[..., 1].to(torch.int32)
    here = green[:, :-1, :-1]
    change = (here - green[:, :-1, 1:]).abs() + (here - green[:, 1:, :-1]).abs()
    height, width = pictures.shape[1:3]
    y, x = (torch.arange(side - 1, device=green.device) % block % 2 == 0 for side in (height, width))
    used = (y[:, None] & x[None]).to(torch.int32)
    total, count = _blocks(change * used, block, height, width), _blocks(2 * used[None], block, height, width)
    return total.to(torch.float32) / count.clamp(min=1).to(torch.float32)


def _blocks(values: Tensor, block: int, height: int, width: int) -> Tensor:
    """Sums of (F, height - 1, width - 1) over the blocks of a picture."""
    rows, columns = -(-height // block), -(-width // block)
    whole = pad(values, (0, columns * block - values.shape[2], 0, rows * block - values.shape[1]))
    return whole.view(len(values), rows, block, columns, block).sum((2, 4))
