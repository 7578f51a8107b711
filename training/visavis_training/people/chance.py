"""Random numbers and smooth noise for many people at once, each person's from that person's own seed.

A number depends on the seed and on what it is for, never on the batch, the device or the order of calls. Knows nothing
of faces.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

_LATTICE = 48
_VOLUMES = 4


def _mixed(value: Tensor) -> Tensor:
    """int64 -> int64, splitmix64: neighbouring values become unrelated ones. Shifts are made logical by masking."""
    value = value + -7046029254386353131
    value = (value ^ ((value >> 30) & 0x3FFFFFFFF)) * -4658895280553007687
    value = (value ^ ((value >> 27) & 0x1FFFFFFFFF)) * -7723592293110705685
    return value ^ ((value >> 31) & 0x1FFFFFFFF)


class Chance:
    """A source of random numbers for people with given seeds.

    Args:
        seeds: int64 (B,), one per person.
    """

    def __init__(self, seeds: Tensor) -> None:
        self.seeds = seeds.to(torch.int64)

    def __len__(self) -> int:
        return int(self.seeds.shape[0])

    def uniform(self, purpose: str, low: float = 0.0, high: float = 1.0, count: int | None = None) -> Tensor:
        """float32 (B,) or (B, count) between `low` and `high`; the same for the same seed and purpose."""
        stream = zlib.crc32(purpose.encode())
        numbers = torch.arange(1 if count is None else count, device=self.seeds.device)
        mixed = _mixed(_mixed(self.seeds[:, None]) ^ _mixed(numbers[None] + (stream << 20)))
        value = ((mixed >> 20) & 0xFFFFFF).to(torch.float32) / 0xFFFFFF * (high - low) + low
        return value[:, 0] if count is None else value

    def normal(self, purpose: str, mean: float = 0.0, deviation: float = 1.0, count: int | None = None) -> Tensor:
        """float32 (B,) or (B, count), Gaussian, kept within 2.5 deviations."""
        share = self.uniform(purpose, 1e-4, 1 - 1e-4, count)
        return mean + deviation * (torch.erfinv(2 * share - 1) * 2**0.5).clamp(-2.5, 2.5)

    def happens(self, purpose: str, probability: float | Tensor) -> Tensor:
        """float32 (B,), 1 with the probability, else 0."""
        return (self.uniform(purpose) < probability).to(torch.float32)

    def pick(self, purpose: str, shares: tuple[float, ...]) -> Tensor:
        """int64 (B,), an index chosen in proportion to the shares."""
        edges = torch.tensor(shares, device=self.seeds.device).cumsum(0)
        return torch.searchsorted(edges / edges[-1], self.uniform(purpose).contiguous()).clamp(max=len(shares) - 1)


@lru_cache(maxsize=4)
def _volume(device: torch.device) -> Tensor:
    """(1, volumes, n, n, n) of white noise whose last slice repeats the first, so that it tiles."""
    chance = torch.Generator().manual_seed(20)
    volume = torch.randn(1, _VOLUMES, *(_LATTICE,) * 3, generator=chance)
    for axis in (2, 3, 4):
        volume = torch.cat([volume, volume.narrow(axis, 0, 1)], axis)
    return volume.to(device)


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
    people = len(chance)
    shape = points.shape[1:-1]
    flat = points.reshape(points.shape[0], -1, 3).expand(people, -1, -1)
    turn = chance.normal(purpose + " turn", count=9).reshape(people, 3, 3)
    axes = torch.linalg.qr(turn)[0]
    place = flat @ axes * per_dm + chance.uniform(purpose + " shift", 0.0, _LATTICE, 3)[:, None]
    volume = _volume(points.device)
    channel = zlib.crc32(purpose.encode()) % _VOLUMES
    total = torch.zeros(people, flat.shape[1], device=points.device)
    power, weight = 0.0, 1.0
    for octave in range(octaves):
        grid = torch.remainder(place * 2.0**octave + 11.3 * octave, _LATTICE) * (2.0 / _LATTICE) - 1.0
        # one lattice serves everybody: people are laid out along the sampled points, not along the batch
        sampled = functional.grid_sample(
            volume[:, channel : channel + 1], grid.reshape(1, 1, people, -1, 3), align_corners=True
        )
        total = total + weight * sampled.reshape(people, -1)
        # linear interpolation averages eight draws: variance falls to (2/3)^3
        power += weight**2 * (2 / 3) ** 3
        weight *= 0.5
    return (total / power**0.5).reshape(people, *shape)


def step(value: Tensor, low: float | Tensor, high: float | Tensor) -> Tensor:
    """0 below `low`, 1 above `high` (the reverse where low > high), smooth between."""
    part = ((value - low) / (high - low)).clamp(0.0, 1.0)
    return part * part * (3.0 - 2.0 * part)


def each(value: Tensor, like: int = 2) -> Tensor:
    """(B,) or (B, C) with `like` axes of size one after the first: broadcasts one number per person over a picture."""
    return value.reshape(value.shape[0], *(1,) * like, *value.shape[1:])
