"""The pitch of voices against tones whose pitch is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import resample_poly

from speech_samples import sentence
from visavis_training.speech.pitch import pitch_of

pytestmark = pytest.mark.unit


def glide(start_hz: float, end_hz: float, seconds: float = 2.0) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """A buzzing tone, and its true pitch at the middle of every 10 ms."""
    t = np.arange(int(16_000 * seconds)) / 16_000
    phase = 2 * np.pi * np.cumsum(start_hz * (end_hz / start_hz) ** (t / seconds)) / 16_000
    wave = 0.1 * np.sum([np.sin(n * phase) / n for n in range(1, 12)], axis=0)
    middles = (np.arange(int(seconds * 100)) + 0.5) / 100
    return wave.astype(np.float32), start_hz * (end_hz / start_hz) ** (middles / seconds)


@pytest.mark.parametrize(("start_hz", "end_hz"), [(70, 140), (90, 450), (480, 80), (200, 200)])
def test_glides_are_followed_within_one_percent(start_hz: float, end_hz: float) -> None:
    wave, truth = glide(start_hz, end_hz)
    f0, voiced = pitch_of(wave)
    assert voiced.mean() > 0.98
    inside = slice(5, -5)  # no tone beyond its ends
    assert np.abs(f0[inside] / truth[inside] - 1).max() < 0.01


def test_a_missing_fundamental_and_a_strong_second_harmonic_make_no_octave_error() -> None:
    t = np.arange(16_000) / 16_000
    strengths = {1: 0.05, 2: 1.0, 3: 0.6, 4: 0.5, 5: 0.3}
    wave = sum(a * np.sin(2 * np.pi * 120 * n * t + n) for n, a in strengths.items())
    f0, voiced = pitch_of(np.asarray(wave * 0.1, np.float32))
    assert voiced.mean() > 0.95
    inside = slice(3, -3)  # no tone beyond its ends
    assert np.abs(f0[inside] / 120 - 1).max() < 0.02


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(0).standard_normal(32_000).astype(np.float32) * 0.1
    assert pitch_of(noise)[1].mean() < 0.02
    f0, voiced = pitch_of(np.zeros(16_000, np.float32))
    assert not voiced.any() and not f0.any()
    assert len(pitch_of(np.zeros(100, np.float32))[0]) == 0


def test_vowels_of_a_sentence_are_voiced_and_its_voiceless_sounds_are_not() -> None:
    samples, phones = sentence("en")
    f0, voiced = pitch_of(samples.astype(np.float32) / np.float32(32768))
    at = (np.arange(len(f0)) + 0.5) / 100

    def share(symbols: str, margin_s: float) -> float:
        chosen = [p for p in phones if p.symbol in symbols.split()]
        inside = np.any([(at > p.start_s + margin_s) & (at < p.end_s - margin_s) for p in chosen], axis=0)
        return float(voiced[inside].mean())

    assert share("ɑ ɪ i m", 0.02) > 0.9  # the phrase's last word, "pie", is creaky: no pitch is right there
    assert share("sil s", 0.03) < 0.1
    assert 120 < np.median(f0[voiced]) < 280  # a woman's voice
    steps = np.abs(np.diff(np.log2(np.maximum(f0, 1.0))))[voiced[1:] & voiced[:-1]]
    assert np.mean(steps > 0.5) < 0.01  # no leaps by half an octave


def test_a_recording_played_slower_is_lower_by_as_much() -> None:
    voice = sentence("en")[0].astype(np.float32) / np.float32(32768)
    f0, voiced = pitch_of(voice)
    slow, slow_voiced = pitch_of(resample_poly(voice, 5, 4).astype(np.float32))
    assert np.median(slow[slow_voiced]) / np.median(f0[voiced]) == pytest.approx(0.8, abs=0.02)
