"""The renderer's networks for benchmarks, and the way they draw a clip: window after window, each fed with the last.

Weights are the four exported graphs (a folder, or those that ship) or a training's safetensors file, which needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from held_out_clips import Shot
from numpy.typing import NDArray

from visavis_models.diffusion.engine_networks import EngineNetworks, files_in, networks_ship, shipped_files
from visavis_models.diffusion.sizes import LATENT_CHANNELS, SIZES, RendererSize
from visavis_models.diffusion.window_networks import Features, Told, WindowNetworks, flowed, noise_of
from visavis_models.errors import WeightsError

Floats = NDArray[np.float32]


class TorchNetworks:
    """Networks as training leaves them. See `WindowNetworks`.

    Args:
        size: of the networks.
        weights: a safetensors file; None for chance, to try programs with.
        device: of torch.
    """

    def __init__(self, size: RendererSize, weights: Path | None, device: str = "cpu") -> None:
        import torch
        from safetensors.torch import load_file

        from visavis_models.diffusion.networks.renderer_networks import RendererNetworks

        torch.manual_seed(0)
        self.size, self.device, self._torch = size, device, torch
        self._networks = RendererNetworks(size).to(device).eval().requires_grad_(False)
        if weights is not None:
            found = load_file(weights, device=device)
            self._networks.load_state_dict({name: x.float() for name, x in found.items()})

    @property
    def name(self) -> str:
        """Size and engine."""
        return f"{self.size.name} on torch/{self.device}"

    def _in(self, array: Floats) -> Any:
        return self._torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(self.device)

    def appearance(self, reference: Floats) -> Floats:
        """See `WindowNetworks.appearance`."""
        return _out(self._networks.appearance(self._in(reference)))

    def stem(self, maps: Floats) -> Features:
        """See `WindowNetworks.stem`."""
        found = self._networks.stem(self._in(maps))
        return Features(_out(found.half), _out(found.quarter), _out(found.eighth))

    def velocity(self, latents: Floats, time: Floats, told: Told) -> Floats:
        """See `WindowNetworks.velocity`."""
        arrays = (
            latents, time, told.eighth, told.motion, told.shade, told.tokens, told.shown, told.shown_eighth, told.known,
        )  # fmt: skip
        return _out(self._networks.denoiser(*(self._in(array) for array in arrays)))

    def decode(self, latents: Floats, features: Features, maps: Floats) -> Floats:
        """See `WindowNetworks.decode`."""
        from visavis_models.diffusion.networks.autoencoder import Features as TorchFeatures
        from visavis_models.diffusion.networks.synthesis_region import covered

        seen, told = (
            self._in(maps),
            TorchFeatures(*(self._in(x) for x in (features.half, features.quarter, features.eighth))),
        )
        made = self._networks.decoder(self._in(latents), told, seen)
        return _out(self._torch.cat(covered(made, seen), 1))


def _out(tensor: Any) -> Floats:
    return np.asarray(tensor.float().cpu().numpy(), np.float32)


def open_networks(
    size: RendererSize, weights: Path | None, engine: str | None, device: str, threads: int
) -> WindowNetworks:
    """The networks that are measured.

    Args:
        size: of them.
        weights: a safetensors file, or a folder with the four graphs; None for those that ship.
        engine: one of `engines.ENGINE_KINDS`, for graphs; None for the best.
        device: for safetensors.
        threads: of one forward pass, for graphs.

    Raises:
        WeightsError: they are not there.
    """
    if weights is not None and weights.suffix == ".safetensors":
        return TorchNetworks(size, weights, device)
    if weights is None and not networks_ship(size):
        raise WeightsError(
            "weights_missing", f"No renderer of size {size.name} ships.", "Give --weights FILE.safetensors or a folder."
        )
    files = shipped_files(size) if weights is None else files_in(weights, size)
    return EngineNetworks(size, files, engine, threads)


def size_of(weights: Path | None, told: str | None) -> RendererSize:
    """The size that is asked for, that a safetensors file tells, or `compact`."""
    if told is None and weights is not None and weights.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(weights, "numpy") as file:
            told = (file.metadata() or {}).get("size")
    return SIZES[told or "compact"]


@dataclass(frozen=True, slots=True)
class Way:
    """How windows are drawn."""

    steps: int = 1
    new: int = 4
    overlap: int = 4
    first: int | None = None
    """New frames of the first window, if not `new`: where borders lie."""
    seed: int = 0
    """Of the noise."""


def windows_of(frames: int, way: Way) -> list[slice]:
    """The new frames of each window, in order."""
    found: list[slice] = []
    start = 0
    while start < frames:
        stop = min(start + (way.first if not found and way.first else way.new), frames)
        found.append(slice(start, stop))
        start = stop
    return found


def streamed(networks: WindowNetworks, shots: Sequence[Shot], way: Way) -> Floats:
    """Draw clips of one kind and equal length as a live call does, all at once.

    Returns:
        float32 (Q, N, 3, h, w), -1..1: what is shown of each.
    """
    maps = np.stack([shot.maps for shot in shots])
    count, frames, _, height, width = maps.shape
    motion, shade = np.stack([shot.motion for shot in shots]), np.stack([shot.shade for shot in shots])
    tokens = networks.appearance(np.stack([shot.reference for shot in shots]))
    noise = noise_of(way.seed, (height, width))
    latents = np.zeros((count, way.overlap, LATENT_CHANNELS, *noise.shape[1:]), np.float32)
    eighths: Floats | None = None
    known = np.zeros((count, way.overlap), np.float32)
    shown = np.empty((count, frames, 3, height, width), np.float32)
    for part in windows_of(frames, way):
        new = part.stop - part.start
        told_maps = maps[:, part].reshape(-1, *maps.shape[2:])
        features = networks.stem(told_maps)
        eighth = features.eighth.reshape(count, new, *features.eighth.shape[1:])
        if eighths is None:
            eighths = np.zeros((count, way.overlap, *eighth.shape[2:]), np.float32)
        told = Told(eighth, motion[:, part], shade, tokens, latents, eighths, known)
        start = np.broadcast_to(noise, (count, new, *noise.shape)).astype(np.float32)
        found = flowed(networks, start, told, way.steps)
        made = networks.decode(found.reshape(-1, *noise.shape), features, told_maps)
        made = made.reshape(count, new, *made.shape[1:])
        for k, shot in enumerate(shots):
            shown[k, part] = shot.warp[part] + made[k, :, 3:] * (made[k, :, :3] - shot.warp[part])
        keep = way.overlap
        latents = np.concatenate([latents, found], 1)[:, -keep:]
        eighths = np.concatenate([eighths, eighth], 1)[:, -keep:]
        known = np.concatenate([known, np.ones((count, new), np.float32)], 1)[:, -keep:]
    return shown
