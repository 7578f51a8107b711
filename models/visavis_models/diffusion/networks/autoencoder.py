"""Pictures of mouths and eyes as latents, and back. What the driven photo shows already, the decoder is handed.

The encoder is used in training only; at run time latents come from the denoiser. Latents have unit scale at every
place, whatever made them, so that a stream fed with its own pictures cannot grow or fade.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from visavis_models.diffusion.maps import MAPS
from visavis_models.diffusion.networks.blocks import Grow, Mixing, Residual, Shrink, normed, unit_scale
from visavis_models.diffusion.sizes import LATENT_CHANNELS, LATENT_FACTOR, PICTURE_CHANNELS, RendererSize

_EVEN_PX = 7
"""Over so many pixels of a crop; about a tooth."""


def unit_latents(latents: Tensor) -> Tensor:
    """(..., C, h, w) brought to unit root mean square over the channels of every place."""
    return unit_scale(latents, -3)


@dataclass(frozen=True, slots=True)
class Features:
    """What the maps of B crops say, at three sizes."""

    half: Tensor
    """(B, stem[0], H / 2, W / 2)."""
    quarter: Tensor
    """(B, stem[1], H / 4, W / 4)."""
    eighth: Tensor
    """(B, stem[2], H / 8, W / 8)."""

    def of(self, frames: slice) -> Features:
        """Of some frames, where the second axis counts them."""
        return Features(self.half[:, frames], self.quarter[:, frames], self.eighth[:, frames])


class Stem(nn.Module):
    """Reads maps: the driven photo and what is drawn of its mesh."""

    def __init__(self, channels: int, stem: tuple[int, int, int]) -> None:
        super().__init__()
        half, quarter, eighth = stem
        self.first = Shrink(channels, half, 2)
        self.at_half = nn.Conv2d(half, half, 3, padding=1)
        self.second, self.third = Shrink(half, quarter), Shrink(quarter, eighth)
        self.at_eighth = Mixing(eighth)

    def forward(self, maps: Tensor) -> Features:
        """(B, channels, H, W) to features of three sizes."""
        half = functional.silu(self.at_half(functional.silu(self.first(maps))))
        quarter = functional.silu(self.second(half))
        return Features(half, quarter, self.at_eighth(functional.silu(self.third(quarter))))


class LatentEncoder(nn.Module):
    """A picture as latents."""

    def __init__(self, size: RendererSize) -> None:
        super().__init__()
        half, quarter, eighth = size.encoder
        self.layers = nn.Sequential(
            Shrink(3, half), Residual(half), Shrink(half, quarter), Residual(quarter), Residual(quarter),
            Shrink(quarter, eighth), Residual(eighth), Residual(eighth), normed(eighth), nn.SiLU(),
            nn.Conv2d(eighth, LATENT_CHANNELS, 3, padding=1),
        )  # fmt: skip

    def forward(self, picture: Tensor) -> Tensor:
        """RGB -1..1 (B, 3, H, W) to unit latents (B, 16, H / 8, W / 8).

        Raises:
            ValueError: the picture is no RGB or does not divide by eight.
        """
        if picture.shape[1] != 3 or picture.shape[2] % LATENT_FACTOR or picture.shape[3] % LATENT_FACTOR:
            raise ValueError(f"cannot encode a picture of shape {tuple(picture.shape)}")
        return unit_latents(self.layers(picture))


def mended(made: Tensor, maps: Tensor) -> Tensor:
    """`warp`'s picture changed by what the decoder's last layer says: (B, 4, H, W), the mask as it is.

    Between lips and lids the change is evened out: there `warp` draws teeth and eyeballs, whose edges no latents of
    this size could hold, and networks change their light.
    """
    change = made[:, :3]
    opening = torch.maximum(maps[:, MAPS["mouth"]], maps[:, MAPS["eye"]])
    sums = torch.cat([change * opening, opening], 1)
    for size in ((_EVEN_PX, 1), (1, _EVEN_PX)):
        sums = functional.avg_pool2d(sums, size, 1, (size[0] // 2, size[1] // 2))
    even = sums[:, :3] / sums[:, 3:].clamp(min=1e-4)
    change = change + opening * (even - change)
    return torch.cat([maps[:, MAPS["warped"]] + change, made[:, 3:]], 1)


class _Level(nn.Module):
    def __init__(self, given: int, width: int, depth: int, reach: int = 3) -> None:
        super().__init__()
        self.join = nn.Conv2d(given, width, reach, padding=reach // 2)
        self.blocks = nn.Sequential(*(Mixing(width) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, H, W) to (B, width, H, W)."""
        return functional.silu(self.blocks(self.join(x)))


class LatentDecoder(nn.Module):
    """Latents as a picture and a mask, beside what the maps' features and the driven photo itself tell.

    Works at half of the crop's size at most; every place there paints 2 x 2 pixels (W. Shi et al., 2016).
    """

    def __init__(self, size: RendererSize) -> None:
        super().__init__()
        eighth, quarter, half = size.decoder
        deep, middle, shallow = size.decoder_depth
        self.at_eighth = _Level(LATENT_CHANNELS + size.stem[2], eighth, deep)
        self.to_quarter, self.at_quarter = Grow(eighth, quarter), _Level(quarter + size.stem[1], quarter, middle)
        self.to_half, self.at_half = Grow(quarter, half), _Level(half + size.stem[0] + 4 * 4, half, shallow, 1)
        self.out = nn.Conv2d(half, 4 * PICTURE_CHANNELS, 3, padding=1)

    def forward(self, latents: Tensor, features: Features, maps: Tensor) -> Tensor:
        """A picture and how much of it is to be shown.

        Args:
            latents: (B, 16, H / 8, W / 8), of unit scale.
            features: of the maps.
            maps: (B, MAP_CHANNELS, H, W).

        Returns:
            (B, 4, H, W): RGB about -1..1, then the mask's logits.
        """
        known = maps[:, MAPS["warped"]]
        x = self.at_eighth(torch.cat([latents, features.eighth], 1))
        x = self.at_quarter(torch.cat([self.to_quarter(x), features.quarter], 1))
        seen = torch.cat([known, maps[:, MAPS["shown"]]], 1)
        fine = functional.pixel_unshuffle(seen, 2)
        x = self.at_half(torch.cat([self.to_half(x), features.half, fine], 1))
        return mended(functional.pixel_shuffle(self.out(x), 2), maps)
