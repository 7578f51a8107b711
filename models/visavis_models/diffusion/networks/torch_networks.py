"""The renderer's networks run by torch itself, on the CPU or an NVIDIA card: what engines are compared with.

Arrays in, arrays out, see `window_networks.WindowNetworks`. Knows no files.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from visavis_models.diffusion import window_networks
from visavis_models.diffusion.networks.autoencoder import Features
from visavis_models.diffusion.networks.renderer_networks import RendererNetworks
from visavis_models.diffusion.networks.synthesis_region import covered
from visavis_models.diffusion.sizes import RendererSize
from visavis_models.diffusion.window_networks import Floats, Told


class TorchNetworks:
    """See `WindowNetworks`.

    Args:
        networks: trained; they stay where they are.
    """

    def __init__(self, networks: RendererNetworks) -> None:
        self._networks = networks.eval()
        self._size = networks.size
        self._device = next(networks.parameters()).device

    @property
    def size(self) -> RendererSize:
        """Whose shapes they have."""
        return self._size

    @property
    def name(self) -> str:
        """Size and engine."""
        return f"{self.size.name} on torch/{self._device.type.upper()}"

    def _tensor(self, array: Floats) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(self._device)

    def _features(self, features: window_networks.Features) -> Features:
        return Features(*(self._tensor(x) for x in (features.half, features.quarter, features.eighth)))

    @torch.inference_mode()  # type: ignore[untyped-decorator, unused-ignore]
    def appearance(self, reference: Floats) -> Floats:
        """See `WindowNetworks.appearance`."""
        return _array(self._networks.appearance(self._tensor(reference)))

    @torch.inference_mode()  # type: ignore[untyped-decorator, unused-ignore]
    def stem(self, maps: Floats) -> window_networks.Features:
        """See `WindowNetworks.stem`."""
        found = self._networks.stem(self._tensor(maps))
        return window_networks.Features(_array(found.half), _array(found.quarter), _array(found.eighth))

    @torch.inference_mode()  # type: ignore[untyped-decorator, unused-ignore]
    def velocity(self, latents: Floats, time: Floats, told: Told) -> Floats:
        """See `WindowNetworks.velocity`."""
        given = (latents, time, told.eighth, told.motion, told.shade, told.tokens, told.shown, told.shown_eighth,
                 told.known)  # fmt: skip
        return _array(self._networks.denoiser(*(self._tensor(x) for x in given)))

    @torch.inference_mode()  # type: ignore[untyped-decorator, unused-ignore]
    def decode(self, latents: Floats, features: window_networks.Features, maps: Floats) -> Floats:
        """See `WindowNetworks.decode`."""
        drawn = self._tensor(maps)
        made = self._networks.decoder(self._tensor(latents), self._features(features), drawn)
        return _array(torch.cat(covered(made, drawn), 1))


def _array(x: Tensor) -> Floats:
    return np.asarray(x.float().cpu().numpy(), np.float32)
