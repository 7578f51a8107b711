"""The listener's features for whole batches on a GPU: the same numbers as `visavis_models.voice.features`, in torch.

Meant for training only; a live voice goes through `FeatureStream`. Knows nothing of what the features are for.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.signal import sosfilt

from visavis_models.voice import features as exact
from visavis_models.voice.features import FEATURES, HOP_SAMPLES, LEVEL_FLOOR_DB, WINDOW_SAMPLES

_RING_SAMPLES = 2048
"""The 50 Hz high-pass has died away by 240 dB after this long."""
_PADDED_LENGTHS = tuple(sorted(2**a * 3**b * 5**c for a in range(5, 24) for b in range(4) for c in range(3)))


def fast_length(at_least: int) -> int:
    """The next length that Fourier transforms are fast at."""
    return next((length for length in _PADDED_LENGTHS if length >= at_least), at_least)


class BatchFeatures:
    """Features of many voices at once, each heard from silence.

    Args:
        device: where the waves are and the features shall be.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        impulse = np.zeros(_RING_SAMPLES)
        impulse[0] = 1.0
        ring = sosfilt(exact._HIGH_PASS, impulse)
        self._high_pass = torch.tensor(ring, dtype=torch.float32, device=device)
        self._window = torch.tensor(exact._WINDOW, dtype=torch.float32, device=device)
        self._filters = torch.tensor(exact._FILTERS, dtype=torch.float32, device=device)

    def __call__(self, waves: torch.Tensor) -> torch.Tensor:
        """Hear whole voices.

        Args:
            waves: float32 (B, N), -1..1, finite; a rest of N beyond a multiple of 160 is not heard.

        Returns:
            float32 (B, N // 160, 41), see `FeatureStream.push`.
        """
        hops = waves.shape[1] // HOP_SAMPLES
        if hops == 0:
            return waves.new_zeros((len(waves), 0, FEATURES))
        waves = waves[:, : hops * HOP_SAMPLES]
        count = waves.shape[1]
        # The filter starts as if its first sample had always been: a constant, of which a high-pass leaves nothing.
        size = fast_length(count + _RING_SAMPLES)
        spectrum = torch.fft.rfft(waves - waves[:, :1], size) * torch.fft.rfft(self._high_pass, size)
        voice = torch.fft.irfft(spectrum, size)[:, :count]
        frames = torch.nn.functional.pad(voice, (WINDOW_SAMPLES - HOP_SAMPLES, 0)).unfold(
            1, WINDOW_SAMPLES, HOP_SAMPLES
        )
        heard = torch.fft.rfft(frames * self._window, exact._FFT_SIZE)
        bands = (heard.real.square() + heard.imag.square()) @ self._filters
        powers = voice.reshape(len(voice), hops, HOP_SAMPLES).square().mean(-1)
        smooth = torch.nn.functional.pad(powers, (exact._LEVEL_HOPS - 1, 0)).unfold(1, exact._LEVEL_HOPS, 1).mean(-1)
        level = 10.0 * torch.log10(smooth + 1e-12)
        reference = running_reference(level)
        heard_db = torch.cat([10.0 * torch.log10(bands + 1e-12), level[..., None]], dim=-1) - reference[..., None]
        lowest, highest = exact._RANGE_DB
        return heard_db.clamp(lowest, highest) / 20.0 + 1.0


def running_reference(level_db: torch.Tensor) -> torch.Tensor:
    """The level that features are relative to: rises with `level_db` (B, hops) at once, falls 6 dB a second."""
    fall = exact._LEVEL_FALL_DB * torch.arange(1, level_db.shape[1] + 1, device=level_db.device, dtype=level_db.dtype)
    highest = torch.cummax(level_db + fall, dim=1).values.clamp_min(LEVEL_FLOOR_DB)
    return (highest - fall).clamp_min(LEVEL_FLOOR_DB)
