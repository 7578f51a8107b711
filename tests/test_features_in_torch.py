"""The batched features of training against the streaming ones of the product, number by number."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from speech_samples import sentence
from visavis_models.voice.features import features_of

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.unit


def voices() -> dict[str, NDArray[np.float32]]:
    voice = sentence("en")[0][:96_000].astype(np.float32) / np.float32(32768)
    silence = np.zeros(32_000, np.float32)
    return {
        "plain": voice,
        "zh": np.resize(sentence("zh")[0], 96_000).astype(np.float32) / np.float32(32768),
        "dc": voice * 0.5 + np.float32(0.3),
        "whisper": voice * np.float32(0.003),
        "clipped": np.clip(voice * 30, -1, 1).astype(np.float32),
        "late": np.concatenate([silence, voice])[:96_000],
        "ends": np.concatenate([voice[-64_000:], silence])[:96_000],
        "mid-word": np.roll(voice, -30_000),
        "nothing": np.zeros(96_000, np.float32),
    }


def test_the_same_numbers_as_the_live_features() -> None:
    from visavis_training.speech.features_in_torch import BatchFeatures

    waves = voices()
    batch = BatchFeatures()(torch.from_numpy(np.stack(list(waves.values())))).numpy()
    for name, wave, mine in zip(waves, waves.values(), batch, strict=True):
        truth = features_of(wave)
        assert mine.shape == truth.shape and mine.dtype == np.float32
        assert np.abs(mine - truth).max() < 0.02, name
        assert np.abs(mine - truth).mean() < 1e-3, name


def test_a_rest_is_not_heard_and_nothing_gives_nothing() -> None:
    from visavis_training.speech.features_in_torch import BatchFeatures

    hear = BatchFeatures()
    wave = torch.from_numpy(voices()["plain"])[None]
    assert torch.allclose(hear(wave[:, :1700]), hear(wave[:, :1600]), atol=1e-5)
    assert hear(wave[:, :100]).shape == (1, 0, 41)
