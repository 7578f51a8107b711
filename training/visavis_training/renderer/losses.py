"""What pictures and latents are judged by in training. Everything counts where pixels may be generated, most in mouths.

Knows nothing of networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from visavis_models.diffusion.maps import MAPS
from visavis_models.diffusion.networks.synthesis_region import composed, synthesis_region

ELSEWHERE = 0.03
"""How much a pixel counts that is never shown; a little, so that networks know what surrounds the region."""
_INSIDE = 3.0
"""How much more openings count than skin."""
_TELLS = 0.10
"""Where the driven photo differs from the truth by more (of -1..1), it is not to be shown..."""
_COARSE = 2
"""...on average this many pixels around: fine texture a pixel out of place is better than none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Frames (B, ...) as losses look at them."""

    maps: Tensor
    target: Tensor
    region: Tensor
    """(B, 1, H, W)."""
    weight: Tensor
    """(B, 1, H, W): of every pixel."""

    @classmethod
    def of(cls, maps: Tensor, target: Tensor) -> Seen:
        """Of maps (B, MAP_CHANNELS, H, W) and true pictures (B, 3, H, W)."""
        region = synthesis_region(maps)
        inside = torch.maximum(maps[:, MAPS["mouth"]], maps[:, MAPS["eye"]])
        inside = functional.max_pool2d(inside, 5, 1, 2)
        return cls(maps, target, region, ELSEWHERE + region * (1 + _INSIDE * inside))


def _slopes(picture: Tensor) -> tuple[Tensor, Tensor]:
    return picture[..., 1:, :] - picture[..., :-1, :], picture[..., 1:] - picture[..., :-1]


def _mean(value: Tensor, weight: Tensor) -> Tensor:
    return (value * weight).sum() / (weight.sum() * value.shape[1]).clamp(min=1.0)


def picture_losses(made: Tensor, seen: Seen) -> dict[str, Tensor]:
    """The decoder's answers (B, 4, H, W) against the truth: the parts of a loss, weighted already."""
    rgb, target, weight = made[:, :3], seen.target, seen.weight
    # The mask learns from what it is asked alone: else it would rather show blur than photos a pixel out of place.
    shown, _ = composed(torch.cat([rgb, made[:, 3:].detach()], 1), seen.maps)
    fine = sum(
        _mean((a - b).abs(), weight[..., : a.shape[-2], : a.shape[-1]])
        for a, b in zip(_slopes(rgb), _slopes(target), strict=True)
    )
    small, true = functional.avg_pool2d(rgb * weight, 8), functional.avg_pool2d(target * weight, 8)
    apart = functional.avg_pool2d(seen.maps[:, MAPS["warped"]] - target, 2 * _COARSE + 1, 1, _COARSE)
    wrong = apart.abs().amax(1, keepdim=True) > _TELLS
    asked = (wrong & (seen.region > 0.5)).to(made.dtype)
    mask = functional.binary_cross_entropy_with_logits(made[:, 3:], asked, weight=seen.region, reduction="sum")
    return {
        "pixels": _mean((rgb - target).abs(), weight),
        "shown": _mean((shown - target).abs(), weight),
        "slopes": 0.7 * torch.as_tensor(fine),
        "colours": 0.5 * (small - true).abs().mean() / weight.mean(),
        "mask": 0.1 * mask / seen.region.sum().clamp(min=1.0),
    }


def steadiness_loss(made: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """How otherwise than the truth consecutive frames (B, W, C, H, W) change."""
    if made.shape[1] < 2:
        return made.new_zeros(())
    change, true = made[:, 1:] - made[:, :-1], target[:, 1:] - target[:, :-1]
    return _mean((change - true).abs().flatten(0, 1), weight[:, 1:].flatten(0, 1))


def flow_loss(velocity: Tensor, clean: Tensor, noise: Tensor, region: Tensor) -> Tensor:
    """Mean squared error of velocities (B, W, 16, h, w), most where pixels may be generated (B, W, 1, H, W)."""
    small = functional.avg_pool2d(region.flatten(0, 1), 8).unflatten(0, region.shape[:2])
    weight = 0.1 + small
    return ((velocity - (clean - noise)).square() * weight).sum() / (weight.sum() * velocity.shape[2])
