"""The renderer's networks as whoever draws sees them: arrays in, arrays out, whichever engine runs them.

Says what goes in and out, and turns a window's noise into latents. Knows no engine and nothing of faces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from visavis_models.diffusion.flow_times import steps_of
from visavis_models.diffusion.sizes import LATENT_CHANNELS, LATENT_FACTOR, RendererSize

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Features:
    """What the maps of F crops say, at three sizes."""

    half: Floats
    """float32 (F, stem[0], H / 2, W / 2)."""
    quarter: Floats
    """float32 (F, stem[1], H / 4, W / 4)."""
    eighth: Floats
    """float32 (F, stem[2], H / 8, W / 8)."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the denoiser is told of B windows of N new frames and O shown ones."""

    eighth: Floats
    """float32 (B, N, stem[2], h, w)."""
    motion: Floats
    """float32 (B, N, 5, 58), see `sizes.MOTION_FRAMES`."""
    shade: Floats
    """float32 (B, 3)."""
    tokens: Floats
    """float32 (B, A, d)."""
    shown: Floats
    """float32 (B, O, 16, h, w): latents of the frames before, the newest last."""
    shown_eighth: Floats
    """float32 (B, O, stem[2], h, w)."""
    known: Floats
    """float32 (B, O): 0 where there was no such frame."""


class WindowNetworks(Protocol):
    """Four networks of one size. All but `appearance` are used by one thread; `appearance` by one other."""

    @property
    def size(self) -> RendererSize:
        """Whose shapes they have."""
        ...

    @property
    def name(self) -> str:
        """Size and engine, for people: `compact on openvino/CPU`."""
        ...

    def appearance(self, reference: Floats) -> Floats:
        """Maps of references (B, REFERENCE_CHANNELS, H, W) to tokens (B, A, d)."""
        ...

    def stem(self, maps: Floats) -> Features:
        """Of maps (F, MAP_CHANNELS, H, W)."""
        ...

    def velocity(self, latents: Floats, time: Floats, told: Told) -> Floats:
        """Of latents (B, N, 16, h, w) at flow times (B, N): (B, N, 16, h, w)."""
        ...

    def decode(self, latents: Floats, features: Features, maps: Floats) -> Floats:
        """Latents (F, 16, h, w) to (F, 4, H, W): RGB -1..1 and cover 0..1."""
        ...


def flowed(networks: WindowNetworks, noise: Floats, told: Told, steps: int) -> Floats:
    """Latents of a window's new frames, (B, N, 16, h, w) of unit scale, from noise of that shape."""
    times, new = steps_of(steps), noise
    for begin, end in zip(times, times[1:], strict=False):
        way = networks.velocity(new, np.full(noise.shape[:2], begin, np.float32), told)
        new = new + np.float32(end - begin) * way
    return unit_scale(new)


def unit_scale(latents: Floats) -> Floats:
    """Latents (..., 16, h, w) brought to unit root mean square over the channels of every place."""
    power = np.square(latents).mean(-3, keepdims=True, dtype=np.float32)
    return np.asarray(latents / np.sqrt(power + np.float32(1e-6)), np.float32)


def noise_of(seed: int, size_px: tuple[int, int]) -> Floats:
    """Where every frame of one kind of crop begins: float32 (16, h, w), the same for the same seed."""
    shape = LATENT_CHANNELS, size_px[0] // LATENT_FACTOR, size_px[1] // LATENT_FACTOR
    return np.random.default_rng((seed, *shape)).standard_normal(shape).astype(np.float32)
