"""Mouths that cheat at rest are found out, and the lines and microphones do to a voice what their names say."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import lip_disturbances  # noqa: E402
from lip_listening import Heard  # noqa: E402
from lip_measures import Spoken  # noqa: E402

from visavis_models.arkit import ARKIT  # noqa: E402
from visavis_training.speech.phones import Phone  # noqa: E402

pytestmark = pytest.mark.unit
Wave = NDArray[np.float32]
TONE = (0.3 * np.sin(np.arange(32_000) * 2 * np.pi * 300 / 16_000)).astype(np.float32)


def mouths(opened: float) -> Callable[[Sequence[Wave]], list[Heard]]:
    def listen(waves: Sequence[Wave]) -> list[Heard]:
        heard = []
        for wave in waves:
            face = np.zeros((len(wave) // 640, 52), np.float32)
            face[:, ARKIT["jawOpen"]] = opened
            heard.append(Heard(face, np.zeros((len(face), 15), np.float32)))
        return heard

    return listen


@pytest.mark.parametrize(("opened", "share"), [(0.0, 0.0), (0.2, 1.0)])
def test_a_mouth_frozen_half_open_moves_all_the_time(opened: float, share: float) -> None:
    spoken = [Spoken(TONE, [Phone("ɑ", 0.0, 2.0)], "nobody")]
    found = lip_disturbances.rests(spoken, 1, mouths(opened))
    assert set(found) >= {"after_speech", "silence_alone", "noise_alone", "music_alone", "keyboard_alone"}
    assert set(found.values()) == {share}


def test_every_change_is_what_it_says() -> None:
    change = lip_disturbances.CHANGES
    assert float(np.abs(change["gain_-40_dbfs"](TONE)).max()) == pytest.approx(0.01, rel=1e-3)
    assert float(np.abs(change["gain_0_dbfs"](TONE)).max()) == pytest.approx(1.0, rel=1e-3)
    assert float(change["dc_0.1"](TONE).mean()) == pytest.approx(0.1, abs=1e-3)
    clipped = change["clipped_12_db"](TONE)
    assert float(np.mean(np.abs(clipped) > 0.999)) > 0.8
    noise = change["noise_20_db"](TONE) - TONE
    assert 20 * np.log10(np.std(TONE) / np.std(noise)) == pytest.approx(20, abs=1.5)


def test_a_telephone_lets_nothing_through_above_4_khz() -> None:
    source = np.random.default_rng(0).standard_normal(32_000).astype(np.float32) * np.float32(0.1)
    spectrum = np.abs(np.fft.rfft(lip_disturbances.CHANGES["telephone_8_khz"](source))) ** 2
    hz = np.fft.rfftfreq(32_000, 1 / 16_000)
    assert spectrum[hz > 4400].sum() < 0.01 * spectrum[(hz > 500) & (hz < 3500)].sum()
