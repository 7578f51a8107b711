"""Pictures as video takes them: I420 by BT.601 in the limited range, bit by bit what OpenCV makes of RGB."""

from __future__ import annotations

import torch
from torch import Tensor

_SHIFT = 20
_LUMA = 269484, 528482, 102760
_BLUE = -155188, -305135, 460324
_RED = 460324, -385875, -74448


def _weighted(pixels: Tensor, weights: tuple[int, int, int], offset: int) -> Tensor:
    red, green, blue = pixels.unbind(-1)
    total = weights[0] * red + weights[1] * green + weights[2] * blue
    return ((total + ((1 << (_SHIFT - 1)) + (offset << _SHIFT))) >> _SHIFT).to(torch.uint8)


def i420(frames: Tensor) -> Tensor:
    """Planes of pictures.

    Args:
        frames: uint8 (F, H, W, 3) RGB; odd sizes lose their last row or column.

    Returns:
        uint8 (F, 1.5 H, W).
    """
    height, width = frames.shape[1] & ~1, frames.shape[2] & ~1
    luma = _weighted(frames[:, :height, :width].to(torch.int32), _LUMA, 16)
    coarse = frames[:, :height:2, :width:2].to(torch.int32)
    # Half of a row may end where the other plane begins.
    chroma = [_weighted(coarse, weights, 128).reshape(len(frames), -1) for weights in (_BLUE, _RED)]
    return torch.cat([luma, torch.cat(chroma, 1).reshape(len(frames), -1, width)], 1)
