"""The renderer's networks on tensors of one device: nothing between them passes through the host."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from visavis_models.diffusion.engine_networks import EngineNetworks
from visavis_models.diffusion.sizes import RendererSize
from visavis_models.diffusion.window_networks import Features, Floats, Told
from visavis_models.engines.gpu.device_engine import DeviceEngine
from visavis_models.errors import EngineError


class TensorNetworks(Protocol):
    """`WindowNetworks` whose arrays are tensors, but for `appearance`; what they give is there until they run next."""

    @property
    def size(self) -> RendererSize:
        """Whose shapes they have."""
        ...

    @property
    def name(self) -> str:
        """Size and engine, for people."""
        ...

    @property
    def device(self) -> torch.device:
        """Where tensors lie."""
        ...

    def appearance(self, reference: Floats) -> Floats:
        """See `WindowNetworks.appearance`: arrays of the host."""
        ...

    def stem(self, maps: Tensor) -> Any:
        """See `WindowNetworks.stem`; `Features` of tensors."""
        ...

    def velocity(self, latents: Tensor, time: Tensor, told: Any) -> Tensor:
        """See `WindowNetworks.velocity`."""
        ...

    def decode(self, latents: Tensor, features: Any, maps: Tensor) -> Tensor:
        """See `WindowNetworks.decode`."""
        ...


class EnginesOnDevice:
    """See `TensorNetworks`.

    Args:
        networks: whose engines are all of a device.

    Raises:
        EngineError: `engine_host`, one of them is not.
    """

    def __init__(self, networks: EngineNetworks) -> None:
        self._networks, self.size, self.name = networks, networks.size, networks.name
        self._engines: dict[str, DeviceEngine] = {}
        for part, engine in networks.engines.items():
            if not isinstance(engine, DeviceEngine):
                raise EngineError(
                    "engine_host",
                    f"{engine.name} keeps its tensors to itself.",
                    "Choose drawing.engine torch, tensorrt or tensorrt-rtx.",
                )
            self._engines[part] = engine
        self.device = self._engines["decoder"].device

    def appearance(self, reference: Floats) -> Floats:
        """See `TensorNetworks`."""
        return self._networks.appearance(reference)

    def stem(self, maps: Tensor) -> Any:
        """See `TensorNetworks`."""
        found: Any = self._engines["stem"].run_tensors({"maps": maps})
        return Features(found["half"], found["quarter"], found["eighth"])

    def velocity(self, latents: Tensor, time: Tensor, told: Told) -> Tensor:
        """See `TensorNetworks`."""
        given: Any = {
            "latents": latents, "time": time, "eighth": told.eighth, "motion": told.motion, "shade": told.shade,
            "tokens": told.tokens, "shown": told.shown, "shown_eighth": told.shown_eighth, "known": told.known,
        }  # fmt: skip
        return self._engines["denoiser"].run_tensors(given)["velocity"]

    def decode(self, latents: Tensor, features: Features, maps: Tensor) -> Tensor:
        """See `TensorNetworks`."""
        given: Any = {
            "latents": latents, "half": features.half, "quarter": features.quarter, "eighth": features.eighth,
            "maps": maps,
        }  # fmt: skip
        return self._engines["decoder"].run_tensors(given)["made"]
