"""What the guard measures of generated crops, summed up by a card: many crops at once, a few numbers for each.

The same sums as `diffusion.guard` takes of one crop on a processor; what follows from them is decided there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from visavis_models.diffusion.guard import FACT_SUMS
from visavis_models.diffusion.maps import MAPS

_SHOWN = MAPS["shown"].start


def fact_sums(made: Tensor, maps: Tensor, made_before: Tensor, maps_before: Tensor, follows: Tensor) -> Tensor:
    """Sums over the pixels of crops.

    Args:
        made: float32 (F, 4, H, W): RGB -1..1 and cover, as decoded.
        maps: float32 (F, MAP_CHANNELS, H, W) of the same frames.
        made_before: those of the frame before each.
        maps_before: the same.
        follows: bool (F,): whether there is a frame before.

    Returns:
        float64 (F, FACT_SUMS).
    """
    finite = torch.isfinite(made).all(1)
    rgb, cover = torch.nan_to_num(made[:, :3], 0.0, 0.0, 0.0), made[:, 3]
    warped, on_skin = maps[:, MAPS["warped"]], maps[:, _SHOWN] > 0.5
    covered = finite & (cover > 0.5)
    high, low = rgb.amax(1), rgb.amin(1)
    burnt = covered & ((high > 0.985) | (high - low > 1.5)) & ~(on_skin & (warped.amax(1) > 0.9))
    skin = covered & on_skin
    inner = torch.zeros_like(skin)
    inner[:, 1:-1, 1:-1] = on_skin[:, :-2, 1:-1] & on_skin[:, 2:, 1:-1] & on_skin[:, 1:-1, :-2] & on_skin[:, 1:-1, 2:]
    inner &= skin
    both = covered & follows[:, None, None] & (made_before[:, 3] > 0.5)
    both &= on_skin == (maps_before[:, _SHOWN] > 0.5)
    change = rgb - made_before[:, :3]
    moved = warped - maps_before[:, MAPS["warped"]]
    change = torch.nan_to_num(torch.where(on_skin[:, None], change - moved, change))
    tinted = (rgb - warped) * skin[:, None]
    found = [
        _sum(~finite), _sum(covered), _sum(burnt), _sum(skin), *_sum(tinted).unbind(1),
        _sum((_detail(rgb) * inner[:, None]).sum(1)), _sum((_detail(warped) * inner[:, None]).sum(1)),
        _sum(both), _sum((change.square() * both[:, None]).sum(1)),
    ]  # fmt: skip
    assert len(found) == FACT_SUMS
    return torch.stack(found, 1)


def _sum(values: Tensor) -> Tensor:
    return values.sum((-2, -1), dtype=torch.float64)


def _detail(rgb: Tensor) -> Tensor:
    """How far each pixel is from the four around it, float32 (F, 3, H, W); 0 at the border."""
    out = torch.zeros_like(rgb)
    around = rgb[:, :, :-2, 1:-1] + rgb[:, :, 2:, 1:-1] + rgb[:, :, 1:-1, :-2] + rgb[:, :, 1:-1, 2:]
    out[:, :, 1:-1, 1:-1] = (rgb[:, :, 1:-1, 1:-1] * 4 - around).abs()
    return out
