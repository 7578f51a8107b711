"""All networks of one size together, and what they make of a window in one call. Torch; knows no device."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from visavis_models.diffusion.networks.autoencoder import Features, LatentDecoder, LatentEncoder, Stem
from visavis_models.diffusion.networks.denoiser import AppearanceTokens, Denoiser
from visavis_models.diffusion.networks.flow import Velocity, flowed
from visavis_models.diffusion.sizes import RendererSize


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

    def velocity(self, features: Features, motion: Tensor, shade: Tensor, reference: Tensor) -> Velocity:
        """The denoiser told of a window; see `Denoiser` and `AppearanceTokens`."""
        tokens = self.appearance(reference)

        def found(latents: Tensor, time: Tensor) -> Tensor:
            answer: Tensor = self.denoiser(latents, time, features.eighth, motion, shade, tokens)
            return answer

        return found

    def window(
        self, maps: Tensor, motion: Tensor, shade: Tensor, reference: Tensor, shown: Tensor, noise: Tensor, steps: int
    ) -> tuple[Tensor, Tensor]:
        """The new frames of a window.

        Args:
            maps: (B, W, MAP_CHANNELS, H, W') of all its frames.
            motion: (B, W, 5, 58).
            shade: (B, 3).
            reference: (B, REFERENCE_CHANNELS, H, W').
            shown: (B, O, 16, h, w): latents of the first frames, which were shown already.
            noise: (B, W - O, 16, h, w).
            steps: of the flow.

        Returns:
            (B, W - O, 4, H, W') as the decoder answers, and the latents (B, W - O, 16, h, w).
        """
        if shown.shape[1] + noise.shape[1] != maps.shape[1]:
            raise ValueError(f"{shown.shape[1]} shown and {noise.shape[1]} new frames are not {maps.shape[1]}")
        features = self.features(maps)
        new = flowed(self.velocity(features, motion, shade, reference), shown, noise, steps)
        known = shown.shape[1]
        rest = Features(*(x[:, known:] for x in (features.half, features.quarter, features.eighth)))
        return self.pictures(new, rest, maps[:, known:]), new


def still_noise(count: int, frames: int, size_px: tuple[int, int], generator: torch.Generator, device: str) -> Tensor:
    """The same noise for all frames of a clip, (B, W, 16, h, w): what does not change must not flicker."""
    from visavis_models.diffusion.sizes import LATENT_CHANNELS, LATENT_FACTOR

    shape = (count, 1, LATENT_CHANNELS, size_px[0] // LATENT_FACTOR, size_px[1] // LATENT_FACTOR)
    return torch.randn(shape, generator=generator, device=device).expand(-1, frames, -1, -1, -1)
