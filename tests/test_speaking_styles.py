"""Whispers have no pitch, shouts have treble; both say the same at the same time."""

from __future__ import annotations

import numpy as np
import pytest

from speech_samples import sentence
from visavis_models.voice.features import features_of
from visavis_training.speech.pitch import pitch_of
from visavis_training.speech.speaking_styles import shouted, whispered

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return sentence("en")[0].astype(np.float32) / np.float32(32768)


def treble_share(wave: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(wave)) ** 2
    hz = np.fft.rfftfreq(len(wave), 1 / 16_000)
    return float(power[hz > 1000].sum() / power.sum())


def test_a_whisper_has_no_pitch(voice: np.ndarray) -> None:
    quiet = whispered(voice, np.random.default_rng(1))
    assert quiet.shape == voice.shape and quiet.dtype == np.float32
    assert pitch_of(voice)[1].mean() > 0.3
    assert pitch_of(quiet)[1].mean() < 0.05
    assert treble_share(quiet) > 2 * treble_share(voice)


def test_a_shout_has_more_treble_and_a_narrower_range(voice: np.ndarray) -> None:
    loud = shouted(voice)
    assert treble_share(loud) > 1.5 * treble_share(voice)
    levels = [np.log10(np.mean(w[: len(w) // 640 * 640].reshape(-1, 640) ** 2, axis=1) + 1e-9) for w in (voice, loud)]
    spoken = levels[0] > levels[0].max() - 2.5
    assert levels[1][spoken].std() < 0.9 * levels[0][spoken].std()
    assert np.abs(loud).max() == pytest.approx(np.abs(voice).max(), rel=1e-3)


@pytest.mark.parametrize("style", ["whisper", "shout"])
def test_sounds_stay_where_they_were(voice: np.ndarray, style: str) -> None:
    other = whispered(voice, np.random.default_rng(2)) if style == "whisper" else shouted(voice)
    treble = [features_of(wave)[:, 25:40].mean(axis=1) for wave in (voice, other)]
    shifts = range(-5, 6)
    likeness = [np.corrcoef(treble[0][5:-5], np.roll(treble[1], s)[5:-5])[0, 1] for s in shifts]
    assert abs(list(shifts)[int(np.argmax(likeness))]) <= 1  # 10 ms
    assert max(likeness) > 0.75


@pytest.mark.parametrize("count", [0, 100, 511, 512, 513])
def test_short_pieces_keep_their_length(count: int) -> None:
    wave = np.random.default_rng(3).standard_normal(count).astype(np.float32) * np.float32(0.1)
    assert whispered(wave, np.random.default_rng(1)).shape == shouted(wave).shape == (count,)
