"""Whispered and shouted versions of a voice: same words, same times, another effort. The synthetic voices know neither.

A whisper has no pitch, little low-frequency energy, and vowels barely louder than consonants (I. Eklund and
H. Traunmüller, Phonetica 54, 1997); its jaw moves less, its lips do not. A shout has more energy above 1 kHz and a
narrower range of levels (H. Traunmüller and A. Eriksson, JASA 107, 2000), and a wider jaw (R. Schulman, JASA 85, 1989).
Knows nothing of phones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]

_SIZE, _HOP = 512, 128  # 32 and 8 ms
_RATE_HZ = 16_000
_QUEFRENCY = 24
"""Cepstral coefficients kept for the envelope: 1.5 ms, shorter than any voice's period."""
WHISPER_LOUDNESS, SHOUT_LOUDNESS = 0.45, 1.3
"""What the target's loudness is multiplied by."""
_LOUDER_DB = 14.0
"""How much a voiced sound loses against the others when it is whispered."""


def _frames(wave: Wave) -> NDArray[np.complex128]:
    padded = np.pad(wave.astype(np.float64), (_SIZE - _HOP, _SIZE))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _SIZE)[::_HOP]
    return np.asarray(np.fft.rfft(windows * np.hanning(_SIZE + 1)[:-1], axis=1))


def _joined(spectra: NDArray[np.complex128], count: int) -> NDArray[np.float64]:
    window = np.hanning(_SIZE + 1)[:-1]
    parts = np.fft.irfft(spectra, _SIZE, axis=1) * window
    out, weight = np.zeros((len(parts) - 1) * _HOP + _SIZE), np.zeros((len(parts) - 1) * _HOP + _SIZE)
    for shift in range(_SIZE // _HOP):  # parts a whole window apart do not overlap
        rows = parts[shift :: _SIZE // _HOP]
        first = shift * _HOP
        out[first : first + rows.size] += rows.ravel()
        weight[first : first + rows.size] += np.tile(window**2, len(rows))
    wave: NDArray[np.float64] = (out / np.maximum(weight, 1e-3))[_SIZE - _HOP :][:count]
    return wave


def _envelopes(spectra: NDArray[np.complex128]) -> NDArray[np.float64]:
    cepstra = np.fft.irfft(np.log(np.abs(spectra) + 1e-7), axis=1)
    cepstra[:, _QUEFRENCY:-_QUEFRENCY] = 0.0
    return np.asarray(np.exp(np.fft.rfft(cepstra, axis=1).real))


def _hz() -> NDArray[np.float64]:
    return np.asarray(np.fft.rfftfreq(_SIZE, 1 / _RATE_HZ), np.float64)


def whispered(wave: Wave, source: np.random.Generator) -> Wave:
    """The same words without voice.

    Args:
        wave: float32 (N,), 16 kHz, -1..1.
        source: of the noise.

    Returns:
        float32 (N,), as loud at its peak; sounds stay within 4 ms of where they were.
    """
    if len(wave) < _SIZE:
        return wave
    spectra = _frames(wave)
    envelopes = _envelopes(spectra)
    noise = _frames(source.standard_normal(len(wave)).astype(np.float32))
    hz = _hz()
    low = np.sum(envelopes[:, hz < 1000] ** 2, axis=1)
    share = low / (low + np.sum(envelopes[:, hz >= 1000] ** 2, axis=1) + 1e-12)
    gain = 10 ** (-_LOUDER_DB * share[:, None] / 20) * np.minimum(1.0, (hz + 100.0) / 700.0)
    made = _joined(envelopes * gain * noise / np.sqrt(np.mean(np.abs(noise) ** 2)), len(wave))
    return np.asarray(made * (np.abs(wave).max() / (np.abs(made).max() + 1e-9)), np.float32)


def shouted(wave: Wave) -> Wave:
    """The same words with force: treble raised, levels pressed together. Pitch is left to whoever resamples.

    Args:
        wave: float32 (N,), 16 kHz, -1..1.

    Returns:
        float32 (N,), as loud at its peak.
    """
    if len(wave) < _SIZE:
        return wave
    spectra = _frames(wave)
    hz = _hz()
    tilt_db = np.clip(5.0 * np.log2(np.maximum(hz, 250.0) / 500.0), -5.0, 12.0)
    spectra = spectra * 10 ** (tilt_db / 20)
    level = np.sqrt(np.mean(np.abs(spectra) ** 2, axis=1))
    top = np.percentile(level, 95) + 1e-9
    pressed = (np.maximum(level, 1e-3 * top) / top) ** -0.3  # 10 dB become 7
    made = _joined(spectra * np.where(level > 0.02 * top, pressed, pressed.min())[:, None], len(wave))
    return np.asarray(made * (np.abs(wave).max() / (np.abs(made).max() + 1e-9)), np.float32)
