"""Random numbers and smooth noise for many people at once, each person's from that person's own seed.

A number depends on the seed and on what it is for, never on the batch, the device or the order of calls. Knows nothing
of faces.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from visavis_training.people.compiled_kernels import kernels

SOURCE = Path(__file__).with_name("chance.cu")
_LATTICE = 48
_VOLUMES = 4


@lru_cache(maxsize=4096)
def _stream(purpose: str) -> int:
    """Of a purpose: 32 bits, as the signed number that a kernel takes."""
    stream = zlib.crc32(purpose.encode())
    return stream - (1 << 32) if stream >> 31 else stream


@lru_cache(maxsize=512)
def _streams(purposes: tuple[str, ...], device: torch.device) -> Tensor:
    """int32 (K,)."""
    return torch.tensor([_stream(purpose) for purpose in purposes], dtype=torch.int32, device=device)


class Chance:
    """A source of random numbers for people with given seeds.

    Args:
        seeds: int64 (B,), one per person.
    """

    def __init__(self, seeds: Tensor) -> None:
        self.seeds = seeds.to(torch.int64).contiguous()

    def __len__(self) -> int:
        return int(self.seeds.shape[0])

    def uniform(self, purpose: str, low: float = 0.0, high: float = 1.0, count: int | None = None) -> Tensor:
        """float32 (B,) or (B, count) between `low` and `high`; the same for the same seed and purpose."""
        return self._drawn("draw_uniform", purpose, float(high - low), float(low), count)

    def normal(self, purpose: str, mean: float = 0.0, deviation: float = 1.0, count: int | None = None) -> Tensor:
        """float32 (B,) or (B, count), Gaussian, kept within 2.5 deviations."""
        return self._drawn("draw_normal", purpose, float(deviation), float(mean), count)

    def _drawn(self, kernel: str, purpose: str, factor: float, summand: float, count: int | None) -> Tensor:
        """One launch, however many numbers: batches of people draw some thousand kinds of them."""
        numbers = 1 if count is None else count
        people = self.seeds.shape[0]
        result = torch.empty((people,) if count is None else (people, count), device=self.seeds.device)
        ready = kernels(SOURCE, self.seeds.device)
        ready.launch(kernel, people * numbers, self.seeds, _stream(purpose), numbers, factor, summand, result)
        return result

    def uniforms(self, purposes: tuple[str, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
        """float32 (B, K): `uniform` of K purposes in one go."""
        return self._streams(purposes, False, float(high - low), float(low))

    def normals(self, purposes: tuple[str, ...]) -> Tensor:
        """float32 (B, K): `normal` of K purposes in one go, of mean 0 and deviation 1."""
        return self._streams(purposes, True, 1.0, 0.0)

    def _streams(self, purposes: tuple[str, ...], normal: bool, factor: float, summand: float) -> Tensor:
        device, people = self.seeds.device, self.seeds.shape[0]
        result = torch.empty((people, len(purposes)), device=device)
        kernels(SOURCE, device).launch(
            "draw_streams", result.numel(), self.seeds, _streams(purposes, device), len(purposes), normal, factor,
            summand, result,
        )  # fmt: skip
        return result

    def happens(self, purpose: str, probability: float | Tensor) -> Tensor:
        """float32 (B,), 1 with the probability, else 0."""
        return (self.uniform(purpose) < probability).to(torch.float32)

    def pick(self, purpose: str, shares: tuple[float, ...]) -> Tensor:
        """int64 (B,), an index chosen in proportion to the shares."""
        edges = torch.tensor(shares, device=self.seeds.device).cumsum(0)
        return torch.searchsorted(edges / edges[-1], self.uniform(purpose).contiguous()).clamp(max=len(shares) - 1)


@lru_cache(maxsize=4)
def _volume(device: torch.device) -> Tensor:
    """(volumes, n, n, n) of white noise whose last slice repeats the first, so that it tiles."""
    chance = torch.Generator().manual_seed(20)
    volume = torch.randn(1, _VOLUMES, *(_LATTICE,) * 3, generator=chance)
    for axis in (2, 3, 4):
        volume = torch.cat([volume, volume.narrow(axis, 0, 1)], axis)
    return volume[0].contiguous().to(device)


def noise(chance: Chance, purpose: str, points: Tensor, per_dm: float, octaves: int = 1) -> Tensor:
    """Smooth noise of zero mean and about unit deviation on a surface.

    Args:
        chance: whose noise; every seed sees its own part of the noise, turned its own way.
        purpose: name of the noise.
        points: float32 (1 or B, ..., 3), places in dm.
        per_dm: bumps to the dm of the coarsest octave; each further octave is twice as fine and half as strong.
        octaves: how many.

    Returns:
        float32 (B, ...).
    """
    people, shape = len(chance), points.shape[1:-1]
    device = points.device
    places = points.detach().float().contiguous()
    count = places[0].numel() // 3
    volume = _volume(device)
    channel = zlib.crc32(purpose.encode()) % _VOLUMES
    # linear interpolation averages eight draws: variance falls to (2/3)^3
    power = sum(0.25**octave * (2 / 3) ** 3 for octave in range(octaves))
    ready = kernels(SOURCE, device)
    turned = torch.empty(people, 12, device=device)
    ready.launch("turn_noise", people, chance.seeds, _stream(purpose + " turn"), _stream(purpose + " shift"), turned)
    result = torch.empty((people, *shape), device=device)
    ready.launch(
        "read_noise", people * count, places, len(places) > 1, count, turned, volume[channel], float(per_dm), octaves,
        power**-0.5, result,
    )  # fmt: skip
    return result


def step(value: Tensor, low: float | Tensor, high: float | Tensor) -> Tensor:
    """0 below `low`, 1 above `high` (the reverse where low > high), smooth between."""
    part = ((value - low) / (high - low)).clamp(0.0, 1.0)
    return part * part * (3.0 - 2.0 * part)


def each(value: Tensor, like: int = 2) -> Tensor:
    """(B,) or (B, C) with `like` axes of size one after the first: broadcasts one number per person over a picture."""
    return value.reshape(value.shape[0], *(1,) * like, *value.shape[1:])
