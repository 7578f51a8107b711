"""Blurs each plane of pictures by a kernel of its own, along rows or columns.

As written it is a convolution in groups; in fused code a sum of shifted planes, which needs no kernel of its own there
and does not depend on how many pictures there are. Knows nothing of what is blurred.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def along_rows(planes: Tensor, taps: Tensor) -> Tensor:
    """(N, C, H, W - K + 1) of planes (N, C, H, W) and taps (N, C, K), of places with all taps within the plane."""
    people, channels, height, width = planes.shape
    count = taps.shape[-1]
    if not torch.compiler.is_compiling():
        flat = planes.reshape(1, people * channels, height, width)
        kernel = taps.reshape(people * channels, 1, 1, count)
        made = functional.conv2d(flat, kernel, groups=people * channels)
        return made.reshape(people, channels, height, width - count + 1)
    total = planes[..., : width - count + 1] * taps[..., :1, None]
    for tap in range(1, count):
        total = total + planes[..., tap : width - count + 1 + tap] * taps[..., tap : tap + 1, None]
    return total


def along_columns(planes: Tensor, taps: Tensor) -> Tensor:
    """(N, C, H - K + 1, W): the same for columns."""
    if torch.compiler.is_compiling():
        return along_rows(planes.transpose(2, 3), taps).transpose(2, 3)
    people, channels, height, width = planes.shape
    count = taps.shape[-1]
    flat = planes.reshape(1, people * channels, height, width)
    kernel = taps.reshape(people * channels, 1, count, 1)
    made = functional.conv2d(flat, kernel, groups=people * channels)
    return made.reshape(people, channels, height - count + 1, width)
