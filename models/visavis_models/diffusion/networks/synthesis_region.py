"""Where generated pixels may be shown at all: around lips that move, and around lids as far as they have moved.

Hard limits with soft edges: hair, neck, background and open eyes stay the photo's whatever the networks say. Torch;
part of the exported decoder. Knows nothing of networks.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from visavis_models.diffusion.maps import MAPS

REACH = 0.07
"""How far beyond lips and lids the region goes before its edge ends, in crop widths."""
EDGE = 0.05
"""About how wide its soft edge is, in crop widths."""
_LIDS_FROM, _LIDS_FULL = 0.04, 0.25
"""Lids moved less than the first do not count, more than the second count wholly."""


def synthesis_region(maps: Tensor, mouth_width_px: int | None = None, eye_width_px: int | None = None) -> Tensor:
    """How much of every pixel may be generated.

    Args:
        maps: (B, MAP_CHANNELS, H, W) of mouths or eyes.
        mouth_width_px: width of mouths' crops, by which lips grow; that of these maps if not given. An exported graph
            serves both kinds of crops and has to know them beforehand: no eye's crop shows lips, and lids do not move
            in a mouth's.
        eye_width_px: width of eyes' crops, by which lids grow.

    Returns:
        (B, 1, H, W), 0..1.
    """
    mouth = torch.maximum(maps[:, MAPS["lips"]], maps[:, MAPS["mouth"]])
    eye = torch.maximum(maps[:, MAPS["lids"]], maps[:, MAPS["eye"]])
    moved = ((maps[:, MAPS["lid_motion"]] - _LIDS_FROM) / (_LIDS_FULL - _LIDS_FROM)).clamp(0, 1)
    eye = _grown(eye, 0.5 * REACH, eye_width_px or maps.shape[3]) * (moved * moved * (3 - 2 * moved))
    return torch.maximum(_grown(mouth, REACH, mouth_width_px or maps.shape[3]), eye) * _within(maps)


def _grown(mask: Tensor, reach: float, width: int) -> Tensor:
    """A mask grown by a share of a crop's width in px, its edge softened to the inside of that."""
    far, soft = max(round(reach * width), 1), max(round(EDGE * width) // 2, 1)
    mask = functional.max_pool2d(mask, (2 * far + 1, 1), 1, (far, 0))
    mask = functional.max_pool2d(mask, (1, 2 * far + 1), 1, (0, far))
    for _ in range(2):
        mask = functional.avg_pool2d(mask, (2 * soft + 1, 1), 1, (soft, 0))
        mask = functional.avg_pool2d(mask, (1, 2 * soft + 1), 1, (0, soft))
    return mask


def _within(maps: Tensor) -> Tensor:
    """(1, 1, H, W): nothing is shown at a crop's own border."""
    height, width = maps.shape[2:]
    y = torch.arange(height, device=maps.device, dtype=maps.dtype)
    x = torch.arange(width, device=maps.device, dtype=maps.dtype)
    from_edge = torch.minimum(torch.minimum(y, height - 1 - y)[:, None], torch.minimum(x, width - 1 - x)[None])
    share = (from_edge / (EDGE * width)).clamp(0, 1)
    return (share * share * (3 - 2 * share))[None, None]


def covered(
    made: Tensor, maps: Tensor, mouth_width_px: int | None = None, eye_width_px: int | None = None
) -> tuple[Tensor, Tensor]:
    """The decoder's answer (B, 4, H, W) as colours and how much of them is to be shown.

    Where the driven photo shows nothing and the region is whole, everything is the decoder's. Widths: see
    `synthesis_region`.

    Returns:
        RGB -1..1 (B, 3, H, W) and cover 0..1 (B, 1, H, W).
    """
    region = synthesis_region(maps, mouth_width_px, eye_width_px)
    cover = torch.sigmoid(made[:, 3:]) * region
    hidden = 1 - maps[:, MAPS["shown"]]
    cover = torch.maximum(cover, hidden * (region > 0.5).to(region.dtype))
    return made[:, :3].clamp(-1, 1), cover


def composed(made: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
    """The decoder's answer (B, 4, H, W) over the driven photo: RGB (B, 3, H, W) and what it covers (B, 1, H, W)."""
    colours, cover = covered(made, maps)
    warped = maps[:, MAPS["warped"]]
    return warped + cover * (colours - warped), cover
