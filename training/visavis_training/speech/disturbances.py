"""What stands between a mouth and a microphone: noise, rooms, music, clicks, narrow lines. All made up at random.

Arrays are float32 (N,) at 16 kHz, about -1..1. Knows nothing of phones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt

RATE_HZ = 16_000
Wave = NDArray[np.float32]


def _unit(wave: NDArray[np.floating]) -> Wave:
    return np.asarray(wave / (np.sqrt(np.mean(np.square(wave))) + 1e-9), np.float32)


def coloured_noise(count: int, source: np.random.Generator) -> Wave:
    """Stationary noise of a random slope with a random bump or two, at times swelling slowly."""
    spectrum = np.fft.rfft(source.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    gain = (np.maximum(hz, 30.0) / 1000.0) ** (-source.uniform(-0.2, 1.2))
    for _ in range(source.integers(0, 3)):
        centre, width = source.uniform(80, 6000), source.uniform(30, 800)
        gain = gain * (1 + source.uniform(0, 8) * np.exp(-(((hz - centre) / width) ** 2)))
    wave = np.fft.irfft(spectrum * gain, count)
    if source.random() < 0.5:
        t = np.arange(count) / RATE_HZ
        wave = wave * (1 + 0.8 * np.sin(2 * np.pi * (source.uniform(0.1, 3.0) * t + source.random())))
    return _unit(wave)


def hum(count: int, source: np.random.Generator) -> Wave:
    """Mains, fans and beeps: steady tones with harmonics."""
    t = np.arange(count) / RATE_HZ
    base = source.choice([50.0, 60.0, 120.0, source.uniform(100, 2500)])
    wave = sum(np.sin(2 * np.pi * (base * n * t + source.random())) / n ** source.uniform(0.7, 2) for n in range(1, 6))
    if source.random() < 0.4:
        wave = wave * (np.sin(2 * np.pi * source.uniform(0.5, 5) * t) > source.uniform(-0.5, 0.5))
    return _unit(np.asarray(wave) + 1e-4 * source.standard_normal(count))


def clicks(count: int, source: np.random.Generator) -> Wave:
    """Keys, taps and knocks: short decaying bursts at random times."""
    wave = 1e-3 * source.standard_normal(count)
    for _ in range(max(1, int(count / RATE_HZ * source.uniform(1, 8)))):
        length = int(source.uniform(0.004, 0.08) * RATE_HZ)
        at = int(source.integers(0, max(1, count - length)))
        burst = source.standard_normal(length) * np.exp(-np.linspace(0, source.uniform(3, 9), length))
        part = min(length, count - at)
        wave[at : at + part] += source.uniform(0.2, 1.0) * burst[:part]
    return _unit(wave)


def breath(count: int, source: np.random.Generator) -> Wave:
    """Air without voice: bands of noise that swell and fade."""
    wave = np.zeros(count)
    for _ in range(max(1, int(count / RATE_HZ * source.uniform(0.3, 1.2)))):
        length = int(source.uniform(0.15, 0.9) * RATE_HZ)
        at = int(source.integers(0, max(1, count - length)))
        low = source.uniform(200, 1500)
        band = butter(2, [low, min(7500, low * source.uniform(2, 6))], "bandpass", fs=RATE_HZ, output="sos")
        part = min(length, count - at)
        swell = np.sin(np.linspace(0, np.pi, length)) ** source.uniform(0.7, 2)
        wave[at : at + part] += (sosfilt(band, source.standard_normal(length)) * swell)[:part]
    return _unit(wave + 1e-4 * source.standard_normal(count))


def music(count: int, source: np.random.Generator) -> Wave:
    """Chords and a melody of plucked and bowed tones over a beat."""
    wave = np.zeros(count)
    beat = int(source.uniform(0.18, 0.6) * RATE_HZ)
    key = 110 * 2 ** (source.integers(0, 12) / 12)
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16])
    vibrato = source.random() < 0.4
    for start in range(0, count, beat):
        length = min(count - start, int(beat * source.uniform(0.8, 3)))
        t = np.arange(length) / RATE_HZ
        fade = np.exp(-t * source.uniform(0.5, 8)) * np.minimum(1, t / source.uniform(0.004, 0.08))
        for _ in range(source.integers(1, 5)):
            f0 = key * 2 ** (source.choice(scale) / 12) * source.choice([0.5, 1, 1, 2, 4])
            bend = 0.004 * np.sin(2 * np.pi * 5.5 * t) / (2 * np.pi * 5.5) * f0 if vibrato else 0.0
            slope = source.uniform(0.8, 2.2)
            for n in range(1, 8):
                if f0 * n < 7500:
                    wave[start : start + length] += fade * np.sin(2 * np.pi * n * (f0 * t + bend)) / n**slope
        if source.random() < 0.5:
            hit = min(length, int(0.12 * RATE_HZ))
            drum = source.standard_normal(hit) * np.exp(-np.linspace(0, 7, hit))
            wave[start : start + hit] += source.uniform(0.5, 2.5) * drum
    return _unit(wave)


def nuisance(count: int, source: np.random.Generator) -> Wave:
    """Anything that is not speech, at unit power."""
    makers = (coloured_noise, coloured_noise, hum, clicks, breath, music, music)
    return makers[int(source.integers(len(makers)))](count, source)


def in_a_room(wave: Wave, source: np.random.Generator) -> Wave:
    """The same voice in a small to middling room: a direct path, some reflections, a decaying tail."""
    decay_s = source.uniform(0.1, 0.6)
    length = int(decay_s * RATE_HZ)
    tail = source.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail[: int(0.003 * RATE_HZ)] = 0.0
    tail *= source.uniform(0.05, 0.6) / (np.sqrt(np.sum(tail**2)) + 1e-9)
    tail[0] = 1.0
    return np.asarray(fftconvolve(wave, tail)[: len(wave)], np.float32)


def through_a_line(wave: Wave, source: np.random.Generator) -> Wave:
    """Another microphone or a telephone: tilt, band limits, coarse steps."""
    kind = source.random()
    if kind < 0.35:
        low, high = source.uniform(150, 350), source.uniform(3000, 3700)
        wave = np.asarray(sosfilt(butter(4, [low, high], "bandpass", fs=RATE_HZ, output="sos"), wave), np.float32)
    elif kind < 0.8:
        hz = np.fft.rfftfreq(len(wave), 1 / RATE_HZ)
        points = np.interp(hz, np.geomspace(60, 8000, 7), source.uniform(-9, 9, 7))
        wave = np.asarray(np.fft.irfft(np.fft.rfft(wave) * 10 ** (points / 20), len(wave)), np.float32)
    if source.random() < 0.3:  # mu-law, the steps of telephone codecs
        peak = float(np.abs(wave).max()) + 1e-9
        pressed = np.sign(wave) * np.log1p(255 * np.abs(wave) / peak) / np.log(256)
        pressed = np.round(pressed * 127) / 127
        wave = np.asarray(peak * np.sign(pressed) * np.expm1(np.abs(pressed) * np.log(256)) / 255, np.float32)
    return wave
