"""What stands between a mouth and a microphone: noise, rooms, music, clicks, narrow lines. All made up at random.

Arrays are float32 (N,) at 16 kHz, about -1..1. Knows nothing of phones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

RATE_HZ = 16_000
Wave = NDArray[np.float32]
_AIR = butter(1, [800, 5000], "bandpass", fs=RATE_HZ, output="sos")


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


def _scattered(
    count: int, source: np.random.Generator, gap_s: tuple[float, float], sound: Callable[[np.random.Generator], Wave]
) -> Wave:
    """Sounds one after another at random times, over a faint hiss."""
    wave = 1e-4 * source.standard_normal(count)
    at = int(source.uniform(0, gap_s[1]) * RATE_HZ)
    while at < count:
        one = sound(source)[: count - at]
        wave[at : at + len(one)] += source.uniform(0.3, 1.0) * one
        at += len(one) + int(source.uniform(*gap_s) * RATE_HZ)
    return _unit(wave)


def _voiced(f0_hz: NDArray[np.floating], formants_hz: tuple[float, ...], source: np.random.Generator) -> Wave:
    """A buzzing tone that follows a pitch, coloured by resonances; float32 of the pitch's length."""
    phase = np.cumsum(f0_hz) / RATE_HZ
    pulses = np.concatenate([[0.0], np.diff(np.floor(phase))]) - f0_hz / RATE_HZ
    wave = pulses + 0.02 * source.standard_normal(len(f0_hz))
    for hz in formants_hz:
        radius = np.exp(-np.pi * source.uniform(80, 200) / RATE_HZ)
        wave = lfilter([1 - radius], [1, -2 * radius * np.cos(2 * np.pi * hz / RATE_HZ), radius**2], wave)
    return _unit(wave)


def _one_laugh(source: np.random.Generator) -> Wave:
    rate_hz, start_hz = source.uniform(3.5, 6.5), source.uniform(140, 420)
    formants = (source.uniform(500, 900), source.uniform(1100, 1900), source.uniform(2300, 3000))
    bursts = []
    for number in range(int(source.integers(3, 10))):
        length = int(RATE_HZ / rate_hz * source.uniform(0.9, 1.1))
        t = np.linspace(0, 1, length)
        f0 = start_hz * 0.96**number * (1.15 - 0.3 * t)
        voice = _voiced(f0, formants, source) * np.clip(np.minimum((t - 0.3) / 0.1, (0.85 - t) / 0.25), 0, 1)
        air = sosfilt(_AIR, source.standard_normal(length)) * np.sin(np.pi * t) ** 2
        bursts.append((0.9**number * (voice * source.uniform(0.2, 1.0) + 0.5 * air)).astype(np.float32))
    return np.concatenate(bursts)


def laughter(count: int, source: np.random.Generator) -> Wave:
    """Breathy voiced bursts in rhythm, with pauses for breath."""
    return _scattered(count, source, (0.4, 4.0), _one_laugh)


def _one_cough(source: np.random.Generator) -> Wave:
    length = int(source.uniform(0.18, 0.45) * RATE_HZ)
    t = np.linspace(0, 1, length)
    low = source.uniform(300, 900)
    band = butter(2, [low, source.uniform(2500, 6500)], "bandpass", fs=RATE_HZ, output="sos")
    wave = sosfilt(band, source.standard_normal(length)) * (np.exp(-t * 14) + 0.35 * np.sin(np.pi * t))
    if source.random() < 0.5:
        hum_part = _voiced(np.full(length, source.uniform(110, 300)), (600.0, 1200.0), source)
        wave = wave + 0.3 * hum_part * np.clip((t - 0.55) / 0.1, 0, 1) * (1 - t)
    return _unit(wave)


def coughs(count: int, source: np.random.Generator) -> Wave:
    """Bursts of air, one to a few at a time; throats cleared."""
    return _scattered(count, source, (0.08, 2.5), _one_cough)


def keyboard(count: int, source: np.random.Generator) -> Wave:
    """Typing: each key knocks twice, down and up, and the desk resounds."""
    centre = source.uniform(1500, 5000)
    band = butter(1, [centre * 0.6, min(7600, centre * 1.6)], "bandpass", fs=RATE_HZ, output="sos")

    def key(source: np.random.Generator) -> Wave:
        wave = np.zeros(int(source.uniform(0.06, 0.13) * RATE_HZ))
        for at, strength in ((0, 1.0), (int(len(wave) * source.uniform(0.4, 0.7)), source.uniform(0.2, 0.8))):
            length = min(int(0.025 * RATE_HZ), len(wave) - at)
            wave[at : at + length] += strength * source.standard_normal(length) * np.exp(-np.linspace(0, 9, length))
        return _unit(sosfilt(band, wave))

    return _scattered(count, source, (0.01, float(source.uniform(0.1, 0.5))), key)


def animals(count: int, source: np.random.Generator) -> Wave:
    """Barks, mewing and birds: voices that no lips make."""
    kind = int(source.integers(3))

    def call(source: np.random.Generator) -> Wave:
        length = int(source.uniform(*((0.1, 0.25), (0.5, 1.2), (0.05, 0.3))[kind]) * RATE_HZ)
        t = np.linspace(0, 1, length)
        swell = np.sin(np.pi * t) ** source.uniform(0.4, 1.5)
        if kind == 2:
            f0 = source.uniform(2000, 5000) * (1 + source.uniform(-0.4, 0.4) * t)
            f0 = f0 * (1 + 0.1 * np.sin(2 * np.pi * source.uniform(5, 40) * t))
            return _unit(np.sin(2 * np.pi * np.cumsum(f0) / RATE_HZ) * swell)
        low, high = ((250, 700), (380, 750))[kind]
        f0 = source.uniform(low, high) * (1 + source.uniform(0.1, 0.5) * np.sin(np.pi * t))
        rough = (0.6, 0.02)[kind] * source.standard_normal(length)
        return _unit((_voiced(f0, (source.uniform(700, 1400), source.uniform(1800, 3000)), source) + rough) * swell)

    return _scattered(count, source, ((0.1, 1.5), (0.5, 3.0), (0.02, 0.6))[kind], call)


def nuisance(count: int, source: np.random.Generator) -> Wave:
    """Anything that is not speech, at unit power."""
    common = (coloured_noise, coloured_noise, hum, clicks, breath, music, music, music)
    makers = (*common, laughter, coughs, keyboard, animals)
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
