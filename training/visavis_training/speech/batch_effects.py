"""What happens to voices between mouth and model, for many clips at once: rooms, microphones, gains, faults; in torch.

Every function is random through the `Dice` it is given, works on whole batches without loops over them, and delays
nothing: labels stay true. Knows nothing of phones or corpora.
"""

from __future__ import annotations

import torch
from torch import Tensor

from visavis_training.speech.voice_variety import WARP

RATE_HZ = 16_000
HOP_SAMPLES = 160
ROOM_SAMPLES = 9600
"""The longest tail of a room."""


class Dice:
    """Random numbers on one device from one generator.

    Args:
        device: where the numbers shall be.
        generator: of that device; torch's own if absent.
    """

    def __init__(self, device: torch.device, generator: torch.Generator | None) -> None:
        self.device, self.generator = device, generator

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """float32 numbers between `low` and `high`."""
        return low + (high - low) * torch.rand(shape, device=self.device, generator=self.generator)

    def normal(self, *shape: int) -> Tensor:
        """float32 numbers of unit variance."""
        return torch.randn(shape, device=self.device, generator=self.generator)

    def integers(self, below: int, *shape: int) -> Tensor:
        """int64 numbers from 0 to `below - 1`."""
        return torch.randint(below, shape, device=self.device, generator=self.generator)

    def chance(self, probability: float, *shape: int) -> Tensor:
        """Bools, true with that probability."""
        return torch.rand(shape, device=self.device, generator=self.generator) < probability

    def few(self, probability: float, count: int) -> tuple[Tensor, Tensor]:
        """Rows for an effect too costly to make for all: int64 (M,) rows, all different, and bool (M,) which count.

        The number of rows is fixed, so that the GPU is never waited for; each row of `count` is hit with `probability`.
        """
        most = min(count, -int(-probability * count // 1))
        rows = torch.randperm(count, device=self.device, generator=self.generator)[:most]
        return rows, self.chance(probability * count / max(most, 1), most)


def from_db(level_db: Tensor) -> Tensor:
    """The factor of amplitude that so many decibels are."""
    return torch.pow(10.0, level_db / 20.0)


def hop_powers(waves: Tensor) -> Tensor:
    """Mean square of every 10 ms: (B, N) to (B, N // 160)."""
    hops = waves.shape[1] // HOP_SAMPLES
    return waves[:, : hops * HOP_SAMPLES].reshape(len(waves), hops, HOP_SAMPLES).square().mean(-1)


def active_power(waves: Tensor, floor: float = 3e-5) -> Tensor:
    """Usual mean square of where a voice sounds, (B, 1), at least `floor`.

    The mean of decibels over all 10 ms within 30 dB of the loudest: loud words do not hide how quiet others are.
    """
    levels = torch.log10(hop_powers(waves) + 1e-12)
    active = (levels > levels.amax(1, keepdim=True) - 3.0).float()
    return torch.pow(10.0, (levels * active).sum(1, keepdim=True) / active.sum(1, keepdim=True)).clamp_min(floor)


def per_sample(per_hop: Tensor, count: int) -> Tensor:
    """Values of 10 ms (B, T) drawn out to samples (B, count), straight lines between them."""
    return torch.nn.functional.interpolate(per_hop[:, None], size=count, mode="linear", align_corners=False)[:, 0]


def room_spectra(dice: Dice, clips: int, size: int, probability: float) -> Tensor:
    """Transfer functions of random rooms, complex (clips, size // 2 + 1): a direct path at once, a decaying tail."""
    t = torch.arange(ROOM_SAMPLES, device=dice.device) / RATE_HZ
    decay_s = dice.uniform(0.12, 0.7, clips, 1)
    gap_s = dice.uniform(0.001, 0.012, clips, 1)
    tail = dice.normal(clips, ROOM_SAMPLES) * torch.exp(-6.9 * t / decay_s) * (t > gap_s)
    tail = tail * (1.0 + 6.0 * (dice.uniform(0, 1, clips, ROOM_SAMPLES) < 0.004) * (t < 0.06))  # early reflections
    amount = dice.uniform(0.05, 0.75, clips, 1) * dice.chance(probability, clips, 1)
    tail = tail * (amount / (tail.square().sum(1, keepdim=True).sqrt() + 1e-9))
    hz = torch.fft.rfftfreq(size, 1 / RATE_HZ, device=dice.device)
    softness = 1.0 / torch.sqrt(1.0 + (hz / dice.uniform(1500, 8000, clips, 1)) ** 2)  # walls take the highs
    return 1.0 + torch.fft.rfft(tail, size) * softness


def microphone_gains(dice: Dice, clips: int, size: int, probability: float, telephone: float, narrow: float) -> Tensor:
    """Gain of each frequency (clips, size // 2 + 1), without delay: a microphone's colour, a line's limits.

    Args:
        dice: random numbers.
        clips: how many.
        size: of the transform.
        probability: of a colour: smooth, within ±12 dB.
        telephone: of 300..3400 Hz.
        narrow: of sampling at 8 kHz.
    """
    hz = torch.fft.rfftfreq(size, 1 / RATE_HZ, device=dice.device).clamp_min(1.0)
    points = 8
    place = (torch.log(hz / 60.0) / torch.log(hz.new_tensor(8000.0 / 60.0)) * (points - 1)).clamp(0, points - 1)
    weights = (1.0 - (place[None] - torch.arange(points, device=dice.device)[:, None]).abs()).clamp_min(0.0)  # (8, F)
    colour_db = (dice.normal(clips, points) * 5.0).clamp(-12, 12) * dice.chance(probability, clips, 1)
    gains = from_db(colour_db @ weights)
    kind = dice.uniform(0, 1, clips, 1)
    line = kind < telephone
    lowest = torch.where(line, dice.uniform(180, 350, clips, 1), 1.0)
    highest = torch.where(line, dice.uniform(3000, 3700, clips, 1), dice.uniform(3400, 3950, clips, 1))
    slope = torch.where(line, 16.0, 48.0)
    steep = torch.rsqrt(1.0 + (hz / highest).clamp_max(4.0) ** slope)
    limits = steep * torch.rsqrt(1.0 + (lowest / hz).clamp_max(100.0) ** 8)
    return gains * torch.where(kind < telephone + narrow, limits, 1.0)


def coloured_noise(dice: Dice, clips: int, count: int) -> Tensor:
    """Stationary noise of unit power, each of its own slope and bump: (clips, count)."""
    spectrum = torch.fft.rfft(dice.normal(clips, count))
    hz = torch.fft.rfftfreq(count, 1 / RATE_HZ, device=dice.device)
    shape = (hz.clamp_min(30.0) / 1000.0) ** -dice.uniform(-0.2, 1.2, clips, 1)
    centre, width = dice.uniform(80, 6000, clips, 1), dice.uniform(30, 800, clips, 1)
    shape = shape * (1.0 + dice.uniform(0, 6, clips, 1) * torch.exp(-(((hz - centre) / width) ** 2)))
    return unit_power(torch.fft.irfft(spectrum * shape, count))


def unit_power(waves: Tensor) -> Tensor:
    """The same at a mean square of 1; silence stays silent."""
    return waves / (waves.square().mean(1, keepdim=True).sqrt() + 1e-4)


def gain_courses_db(dice: Dice, clips: int, hops: int, drifting: float, stepping: float) -> Tensor:
    """How the recording's gain wanders and jumps, in dB, (clips, hops)."""
    knots = max(3, hops // 60)
    drift = torch.cumsum(dice.normal(clips, knots) * 2.0, dim=1)
    drift = (drift - drift.mean(1, keepdim=True)).clamp(-8, 8) * dice.chance(drifting, clips, 1)
    course = torch.nn.functional.interpolate(drift[:, None], size=hops, mode="linear", align_corners=True)[:, 0]
    when = dice.integers(hops, clips, 1)
    jump = dice.uniform(-12, 12, clips, 1) * dice.chance(stepping, clips, 1)
    return course + jump * (torch.arange(hops, device=dice.device) >= when)


def drop_out(dice: Dice, waves: Tensor, probability: float) -> Tensor:
    """Packets lost: one to four holes of 20 to 60 ms in some clips. Changes `waves` in place."""
    rows, hit = dice.few(probability, len(waves))
    count = waves.shape[1]
    at = torch.arange(count, device=dice.device)
    holes = 4
    starts = dice.integers(count, len(rows), holes, 1)
    lengths = (dice.uniform(0.02, 0.06, len(rows), holes, 1) * RATE_HZ) * dice.chance(0.6, len(rows), holes, 1)
    lost = ((at >= starts) & (at < starts + lengths)).any(1) & hit[:, None]
    waves[rows] = waves[rows].masked_fill(lost, 0.0)
    return waves


def warp_bands(dice: Dice, features: Tensor, bands_hz: Tensor, probability: float) -> Tensor:
    """Other vocal tracts: the bands of some clips (B, T, bands + 1) read at `WARP` times their frequencies.

    Args:
        dice: random numbers.
        features: float32 (B, T, bands + 1); the last, the level, stays.
        bands_hz: float32 (bands,), rising: the bands' middles.
        probability: of each clip to be warped.
    """
    clips, hops, _ = features.shape
    bands = len(bands_hz)
    factor = torch.where(dice.chance(probability, clips, 1), dice.uniform(*WARP, clips, 1), 1.0)
    wanted = (bands_hz[None] / factor).contiguous()
    upper = torch.searchsorted(bands_hz, wanted).clamp(1, bands - 1)
    share = ((wanted - bands_hz[upper - 1]) / (bands_hz[upper] - bands_hz[upper - 1])).clamp(0.0, 1.0)[:, None]
    wide = upper[:, None].expand(clips, hops, bands)
    warped = torch.lerp(features.gather(2, wide - 1), features.gather(2, wide), share)
    return torch.cat([warped, features[..., bands:]], dim=-1)


def mask_bands(dice: Dice, features: Tensor, probability: float) -> Tensor:
    """Some clips lose one to four neighbouring bands: their mean over time stands there instead."""
    clips, _, width = features.shape
    first = dice.integers(width - 5, clips, 1)
    last = first + torch.where(dice.chance(probability, clips, 1), 1 + dice.integers(4, clips, 1), 0)
    at = torch.arange(width, device=dice.device)
    hidden = ((at >= first) & (at < last))[:, None]
    return torch.where(hidden, features.mean(1, keepdim=True), features)
