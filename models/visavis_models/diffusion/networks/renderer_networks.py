"""All networks of one size together, and what they make of a window in one call. Torch; knows no device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from visavis_models.diffusion.networks.autoencoder import Features, LatentDecoder, LatentEncoder, Stem
from visavis_models.diffusion.networks.denoiser import AppearanceTokens, Denoiser
from visavis_models.diffusion.networks.flow import Velocity, flowed
from visavis_models.diffusion.sizes import LATENT_CHANNELS, LATENT_FACTOR, RendererSize


@dataclass(frozen=True, slots=True)
class Told:
    """What the denoiser is told of B windows of N new frames."""

    features: Features
    """(B, N, ...)."""
    motion: Tensor
    """(B, N, 5, 58)."""
    shade: Tensor
    """(B, 3)."""
    reference: Tensor
    """(B, REFERENCE_CHANNELS, H, W)."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Frames that were shown before a window, the newest last."""

    latents: Tensor
    """(B, O, 16, h, w)."""
    eighth: Tensor
    """(B, O, stem[2], h, w): the maps' features."""
    known: Tensor
    """(B, O): 0 where there was none."""

    @classmethod
    def none(cls, count: int, size: RendererSize, like: Tensor) -> Shown:
        """Nothing was shown to B people; latents are as large as `like` (..., h, w)."""
        space = like.shape[-2:]
        empty = like.new_zeros(count, 0, LATENT_CHANNELS, *space)
        return cls(empty, like.new_zeros(count, 0, size.stem[2], *space), like.new_zeros(count, 0))


class RendererNetworks(nn.Module):
    """Stem, denoiser, decoder and the appearance's tokens; in training the pictures' encoder as well."""

    def __init__(self, size: RendererSize) -> None:
        super().__init__()
        self.size = size
        self.stem = Stem(size.map_channels, size.stem)
        self.appearance = AppearanceTokens(size)
        self.denoiser = Denoiser(size)
        self.decoder = LatentDecoder(size)
        self.encoder = LatentEncoder(size)

    def features(self, maps: Tensor) -> Features:
        """Of maps (B, W, MAP_CHANNELS, H, W'), each (B, W, C, h, w)."""
        found = self.stem(maps.flatten(0, 1))
        return Features(*(x.unflatten(0, maps.shape[:2]) for x in (found.half, found.quarter, found.eighth)))

    def latents(self, pictures: Tensor) -> Tensor:
        """Of pictures (B, W, 3, H, W'), -1..1: (B, W, 16, h, w)."""
        found: Tensor = self.encoder(pictures.flatten(0, 1))
        return found.unflatten(0, pictures.shape[:2])

    def pictures(self, latents: Tensor, features: Features, maps: Tensor) -> Tensor:
        """(B, W, 4, H, W'): RGB and the mask's logits, see `LatentDecoder`."""
        flat = Features(*(x.flatten(0, 1) for x in (features.half, features.quarter, features.eighth)))
        made: Tensor = self.decoder(latents.flatten(0, 1), flat, maps.flatten(0, 1))
        return made.unflatten(0, latents.shape[:2])

    def velocity(self, told: Told, shown: Shown) -> Velocity:
        """The denoiser told of a window; see `Denoiser` and `AppearanceTokens`."""
        tokens = self.appearance(told.reference)

        def found(latents: Tensor, time: Tensor) -> Tensor:
            answer: Tensor = self.denoiser(
                latents, time, told.features.eighth, told.motion, told.shade, tokens, shown.latents, shown.eighth,
                shown.known,
            )  # fmt: skip
            return answer

        return found

    def window(
        self, maps: Tensor, motion: Tensor, shade: Tensor, reference: Tensor, shown: Shown, noise: Tensor, steps: int
    ) -> tuple[Tensor, Shown]:
        """The new frames of a window.

        Args:
            maps: (B, N, MAP_CHANNELS, H, W') of the new frames.
            motion: (B, N, 5, 58).
            shade: (B, 3).
            reference: (B, REFERENCE_CHANNELS, H, W').
            shown: the frames before.
            noise: (B, N, 16, h, w).
            steps: of the flow.

        Returns:
            (B, N, 4, H, W') as the decoder answers, and the new frames for windows that come after.
        """
        if noise.shape[1] != maps.shape[1]:
            raise ValueError(f"noise of {noise.shape[1]} frames for maps of {maps.shape[1]}")
        features = self.features(maps)
        told = Told(features, motion, shade, reference)
        new = flowed(self.velocity(told, shown), noise, steps)
        return self.pictures(new, features, maps), Shown(new, features.eighth, new.new_ones(new.shape[:2]))


def still_noise(count: int, frames: int, size_px: tuple[int, int], generator: torch.Generator, device: str) -> Tensor:
    """The same noise for all frames of a clip, (B, W, 16, h, w): what does not change must not flicker."""
    shape = (count, 1, LATENT_CHANNELS, size_px[0] // LATENT_FACTOR, size_px[1] // LATENT_FACTOR)
    return torch.randn(shape, generator=generator, device=device).expand(-1, frames, -1, -1, -1)
