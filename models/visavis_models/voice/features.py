"""Turns 16 kHz voice into what the speech encoder hears: 41 numbers for each 10 ms, independent of loudness and DC.

Log-mel bands are taken relative to a running level that rises at once and falls slowly, so that a whisper into a far
microphone and a shout into a near one look alike. Strictly causal; the stream and the whole-array form are one code.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt, sosfilt_zi

from visavis_models.chunk import CHUNK_SAMPLES, LISTENING_RATE_HZ

HOP_SAMPLES = 160  # 10 ms
WINDOW_SAMPLES = 400  # 25 ms
HOPS_PER_CHUNK = CHUNK_SAMPLES // HOP_SAMPLES
BANDS = 40
FEATURES = BANDS + 1
"""The bands, then the level itself."""

_FFT_SIZE = 512
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 7600.0
_LEVEL_HOPS = 4
_LEVEL_FALL_DB = 0.06  # per hop: 6 dB a second
LEVEL_FLOOR_DB = -72.0
"""Quieter than this the level does not follow: digital silence stays silence."""
_RANGE_DB = (-60.0, 20.0)
_HIGH_PASS = butter(2, 50.0, "highpass", fs=LISTENING_RATE_HZ, output="sos")
_HIGH_PASS_REST = sosfilt_zi(_HIGH_PASS)
_WINDOW = np.hanning(WINDOW_SAMPLES + 1)[:-1]


def _mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2595.0 * np.log10(1.0 + hz / 700.0)


def _filters() -> NDArray[np.float64]:
    lowest, highest = _mel(np.array([_LOWEST_HZ, _HIGHEST_HZ]))
    edges_mel = np.linspace(lowest, highest, BANDS + 2)
    bins_mel = _mel(np.arange(_FFT_SIZE // 2 + 1) * LISTENING_RATE_HZ / _FFT_SIZE)
    rising = (bins_mel[:, None] - edges_mel[None, :-2]) / (edges_mel[1:-1] - edges_mel[:-2])
    falling = (edges_mel[None, 2:] - bins_mel[:, None]) / (edges_mel[2:] - edges_mel[1:-1])
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.ascontiguousarray(triangles / (_WINDOW.sum() / 2) ** 2)  # a full-scale sine is 0 dB


_FILTERS = _filters()  # (257, 40)


class FeatureStream:
    """The features of one voice, chunk after chunk."""

    def __init__(self) -> None:
        self._past = np.zeros(WINDOW_SAMPLES - HOP_SAMPLES)
        self._powers = np.zeros(_LEVEL_HOPS - 1)
        self._reference_db = LEVEL_FLOOR_DB
        self._filter_state: NDArray[np.float64] | None = None

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Hear more voice.

        Args:
            samples: float32 (N,), -1..1, finite; N a multiple of 160.

        Returns:
            float32 (N / 160, 41), about -2..2; row i has heard the samples up to the end of its own 10 ms.
        """
        voice = samples.astype(np.float64)
        if self._filter_state is None:
            self._filter_state = _HIGH_PASS_REST * voice[0]
        voice, self._filter_state = sosfilt(_HIGH_PASS, voice, zi=self._filter_state)
        padded = np.concatenate([self._past, voice])
        self._past = padded[len(voice) :]
        frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES]
        spectrum = np.fft.rfft(frames * _WINDOW, _FFT_SIZE)
        bands = (spectrum.real**2 + spectrum.imag**2) @ _FILTERS
        powers = np.concatenate([self._powers, np.mean(frames[:, -HOP_SAMPLES:] ** 2, axis=1)])
        self._powers = powers[-(_LEVEL_HOPS - 1) :]
        smooth = np.convolve(powers, np.full(_LEVEL_HOPS, 1 / _LEVEL_HOPS), "valid")
        level = 10.0 * np.log10(smooth + 1e-12)
        fall = _LEVEL_FALL_DB * np.arange(1, len(level) + 1)
        highest = np.maximum.accumulate(np.concatenate([[self._reference_db], level + fall]))[1:]
        reference = np.maximum(highest - fall, LEVEL_FLOOR_DB)
        self._reference_db = float(reference[-1])
        heard_db = np.concatenate([10.0 * np.log10(bands + 1e-12), level[:, None]], axis=1) - reference[:, None]
        return np.asarray(np.clip(heard_db, *_RANGE_DB) / 20.0 + 1.0, np.float32)


def features_of(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The features of a whole recording: float32 (N // 160, 41)."""
    whole = len(samples) // HOP_SAMPLES * HOP_SAMPLES
    return FeatureStream().push(samples[:whole]) if whole else np.zeros((0, FEATURES), np.float32)
