"""Arrays to a device and back, without anybody waiting for it.

What goes up is copied to memory that the card reads by itself; what comes down is whole once its event has fired. On a
processor both are plain copies. Knows nothing of what the arrays mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def uploaded(array: NDArray[Any], device: torch.device) -> Tensor:
    """An array on the device; it may be changed as soon as this returns."""
    given = torch.from_numpy(np.ascontiguousarray(array))
    if device.type != "cuda":
        return given.clone()
    return given.pin_memory().to(device, non_blocking=True)


@dataclass(frozen=True, slots=True)
class Shipment:
    """Tensors on their way to the host, in one copy."""

    bytes: Tensor
    """uint8 (n,), on the host."""
    shapes: tuple[tuple[torch.dtype, tuple[int, ...]], ...]
    event: Any
    """Fires when all of it is there; None: it is."""

    @property
    def ready(self) -> bool:
        """Whether all of it has come."""
        return self.event is None or bool(self.event.query())

    def arrays(self) -> list[NDArray[Any]]:
        """What was sent, in order; waits for it. They share one block of memory, free again when none is used."""
        if self.event is not None:
            self.event.synchronize()
        found, at = [], 0
        for dtype, shape in self.shapes:
            count = int(np.prod(shape)) * dtype.itemsize
            found.append(self.bytes[at : at + count].view(dtype).reshape(shape).numpy())
            at += _padded(count)
        return found


def _padded(count: int) -> int:
    return -(-count // 64) * 64


def shipped(tensors: Sequence[Tensor]) -> Shipment:
    """Send tensors of one device to the host."""
    device = tensors[0].device if tensors else torch.device("cpu")
    shapes = tuple((tensor.dtype, tuple(tensor.shape)) for tensor in tensors)
    total = sum(_padded(tensor.numel() * tensor.element_size()) for tensor in tensors)
    joined = torch.empty(total, dtype=torch.uint8, device=device)
    at = 0
    for tensor in tensors:
        count = tensor.numel() * tensor.element_size()
        joined[at : at + count].copy_(tensor.contiguous().reshape(-1).view(torch.uint8))
        at += _padded(count)
    if device.type != "cuda":
        return Shipment(joined, shapes, None)
    there = torch.empty(total, dtype=torch.uint8, pin_memory=True)
    there.copy_(joined, non_blocking=True)
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(device))
    return Shipment(there, shapes, event)
