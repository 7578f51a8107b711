"""How high a voice is, every 10 ms, and whether it is voiced at all.

The estimator is YIN (A. de Cheveigné and H. Kawahara, "YIN, a fundamental frequency estimator for speech and music",
J. Acoust. Soc. Am. 111, 2002): the smallest lag at which the cumulative-mean-normalised difference function dips. Meant
for clean voices, whose pitch becomes a label; knows nothing of phones.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.signal import butter, medfilt, sosfiltfilt

RATE_HZ = 16_000
HOP_SAMPLES = 160
LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0
_EACH = 2
"""Every second sample will do: what is looked at ends at 1.2 kHz."""
_LONGEST_LAG = int(RATE_HZ / _EACH / LOWEST_HZ) + 2
_SHORTEST_LAG = int(RATE_HZ / _EACH / HIGHEST_HZ)
_SUM_SAMPLES = 200
"""The difference function sums over 25 ms."""
_FRAME_SAMPLES = _SUM_SAMPLES + _LONGEST_LAG
_FFT_SIZE = scipy.fft.next_fast_len(_FRAME_SAMPLES + _SUM_SAMPLES, real=True)
_DIP = 0.15
"""The first lag whose dip is deeper than this is the period."""
_VOICED = 0.35
"""A frame whose chosen dip is shallower has no period."""
_QUIET_DB = 38.0
"""Frames this far below the loud ones are not voice."""
_BLOCK_FRAMES = 512


def _dips(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """The normalised difference function of frames (T, 335): (T, lags), 1 at lag 0."""
    head = scipy.fft.rfft(frames[:, :_SUM_SAMPLES], _FFT_SIZE)
    whole = scipy.fft.rfft(frames, _FFT_SIZE)
    product = scipy.fft.irfft(np.conj(head) * whole, _FFT_SIZE)[:, :_LONGEST_LAG]
    squares = np.concatenate([np.zeros((len(frames), 1)), np.cumsum(np.square(frames, dtype=np.float64), axis=1)], 1)
    energy = squares[:, _SUM_SAMPLES : _SUM_SAMPLES + _LONGEST_LAG] - squares[:, :_LONGEST_LAG]
    difference = np.maximum(energy[:, :1] + energy - 2.0 * product, 0.0)
    lags = np.arange(1, _LONGEST_LAG)
    mean = np.cumsum(difference[:, 1:], axis=1) / lags
    dips = np.ones(difference.shape, np.float32)
    dips[:, 1:] = difference[:, 1:] / (mean + 1e-9)
    return dips


def _lags(dips: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The period in samples of each frame, between samples, and how deep its dip is (0 is perfectly periodic)."""
    inner = dips[:, 1:-1]
    lowest = (inner <= dips[:, :-2]) & (inner < dips[:, 2:])
    lowest[:, : _SHORTEST_LAG - 1] = False
    deep = lowest & (inner < _DIP)
    shallow = np.where(lowest, inner, 9.0)
    lag = np.where(deep.any(axis=1), deep.argmax(axis=1), shallow.argmin(axis=1)) + 1
    row = np.arange(len(dips))
    before, at, after = dips[row, lag - 1], dips[row, lag], dips[row, lag + 1]
    curve = before - 2.0 * at + after
    shift = np.where(np.abs(curve) > 1e-9, 0.5 * (before - after) / np.where(np.abs(curve) > 1e-9, curve, 1.0), 0.0)
    return (lag + np.clip(shift, -0.5, 0.5)).astype(np.float32), at


def pitch_of(wave: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The pitch of a clean voice.

    Args:
        wave: float32 (N,) at 16 kHz.

    Returns:
        Fundamental in Hz, float32 (N // 160,), 0 where unvoiced; and where the voice is voiced, bool. Row i is of the
        middle of its 10 ms, `(i + 0.5) * 10 ms`.
    """
    count = len(wave) // HOP_SAMPLES
    if count == 0:
        return np.zeros(0, np.float32), np.zeros(0, np.bool_)
    low = butter(2, 1200.0, "lowpass", fs=RATE_HZ, output="sos")  # breath and hiss blur the dips
    smooth = np.asarray(sosfiltfilt(low, wave, padlen=min(60, len(wave) - 1)), np.float32)
    before = _FRAME_SAMPLES // 2 - HOP_SAMPLES // _EACH // 2
    padded = np.pad(smooth[::_EACH], (before, _FRAME_SAMPLES))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME_SAMPLES)[:: HOP_SAMPLES // _EACH][:count]
    lag, depth = np.zeros(count, np.float32), np.ones(count, np.float32)
    for first in range(0, count, _BLOCK_FRAMES):  # blocks stay in the processor's cache
        block = slice(first, first + _BLOCK_FRAMES)
        lag[block], depth[block] = _lags(_dips(frames[block]))
    hops = smooth[: count * HOP_SAMPLES].reshape(count, HOP_SAMPLES)
    level_db = 10.0 * np.log10(np.mean(np.square(hops), axis=1) + 1e-10)
    loud = level_db > max(float(np.percentile(level_db, 95)) - _QUIET_DB, -70.0)
    voiced = loud & (depth < _VOICED)
    voiced = medfilt(voiced.astype(np.float32), 3) > 0.5
    f0 = np.where(voiced, RATE_HZ / _EACH / lag, 0.0).astype(np.float32)
    return _without_octave_jumps(f0), voiced


def _without_octave_jumps(f0: NDArray[np.float32]) -> NDArray[np.float32]:
    """Frames that lie an octave off their surroundings brought back to them."""
    heard = np.flatnonzero(f0)
    if len(heard) < 5:
        return f0
    usual = medfilt(f0[heard], 15 if len(heard) >= 15 else 5)
    ratio = f0[heard] / np.maximum(usual, 1.0)
    mended = f0.copy()
    mended[heard] = f0[heard] * np.where(ratio > 1.7, 0.5, np.where((ratio < 0.59) & (usual > 0), 2.0, 1.0))
    return np.where(f0 > 0, np.clip(mended, LOWEST_HZ, HIGHEST_HZ), 0.0).astype(np.float32)
