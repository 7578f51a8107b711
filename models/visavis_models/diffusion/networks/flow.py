"""Rectified flow in windows (X. Liu, C. Gong and Q. Liu, 2022): what is shown stays clean, the new comes from noise.

Pure functions of tensors and of a denoiser given as a callable; any number of steps.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from visavis_models.diffusion.flow_times import steps_of
from visavis_models.diffusion.networks.autoencoder import unit_latents

Velocity = Callable[[Tensor, Tensor], Tensor]
"""Latents of a window's new frames (B, N, C, h, w) and flow times (B, N) to velocities (B, N, C, h, w)."""


def noised(clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """Latents on the straight way from noise (time 0) to clean (time 1); (B, W, C, h, w) and (B, W)."""
    share = time[:, :, None, None, None]
    return share * clean + (1 - share) * noise


def flowed(velocity: Velocity, noise: Tensor, steps: int) -> Tensor:
    """New frames of a window.

    Args:
        velocity: the denoiser with all that it is told of the window, the shown frames among it.
        noise: (B, N, C, h, w): where the new ones begin.
        steps: how many.

    Returns:
        (B, N, C, h, w), of unit scale.
    """
    times, new = steps_of(steps), noise
    for begin, end in zip(times, times[1:], strict=False):
        way = velocity(new, torch.full(noise.shape[:2], begin, dtype=noise.dtype, device=noise.device))
        new = new + (end - begin) * way
    return unit_latents(new)
