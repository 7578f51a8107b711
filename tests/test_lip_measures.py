"""The measure measured: a mouth made from truth is faultless, and every fault that is built in shows in its figure."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from lip_measures import (  # noqa: E402
    Shown,
    Spoken,
    closures,
    confusion,
    correlations,
    energy_mouth,
    f1_of,
    figures,
    first_vowel_share,
    target_of,
)  # fmt: skip

from visavis_models.voice.phones import VISEMES  # noqa: E402
from visavis_training.speech.cross_check import retimed  # noqa: E402
from visavis_training.speech.phones import SILENCE, Phone, gapless  # noqa: E402
from visavis_training.speech.prompts import phones_of_word  # noqa: E402
from visavis_training.speech.sphinx import SphinxPhone, SphinxWord, words_of  # noqa: E402

pytestmark = pytest.mark.unit


def sentence(seed: int) -> Spoken:
    """Syllables of random length; loud where somebody speaks."""
    source = np.random.default_rng(seed)
    phones, clock = [Phone(SILENCE, 0.0, 0.3)], 0.3
    for consonant, vowel in zip("mtbspfmd", "ɑaæɑiaɑu", strict=True):
        for symbol, length in ((consonant, source.uniform(0.07, 0.11)), (vowel, source.uniform(0.13, 0.2))):
            phones.append(Phone(symbol, clock, clock + length))
            clock += length
    phones = gapless(phones, clock + 0.4)
    samples = 0.2 * source.standard_normal(int((clock + 0.4) * 16_000)).astype(np.float32)
    samples[: int(0.3 * 16_000)] *= 0.001
    samples[int(clock * 16_000) :] *= 0.001
    return Spoken(samples, phones, "nobody")


SET = [sentence(seed) for seed in range(6)]
TRUTH = [target_of(item) for item in SET]


def test_truth_is_faultless() -> None:
    found = figures(SET, TRUTH)
    assert found["closure_recall"] == 1.0 and found["false_closures"] == 0.0 and found["viseme_f1"] == 1.0
    assert found["lag_ms"] == pytest.approx(0.0, abs=1.0) and found["aperture_corr"] == pytest.approx(1.0)
    assert first_vowel_share(SET, TRUTH) == pytest.approx([1.0] * len(SET))


def test_lips_that_never_meet_and_lips_that_never_part_are_found_out() -> None:
    ajar = [Shown(np.maximum(mouth.gap, 0.1), mouth.visemes) for mouth in TRUTH]
    shut, falsely = closures(SET, ajar)
    assert len(shut) == 6 * 4 and not any(shut) and not any(falsely)
    sealed = [Shown(np.zeros_like(mouth.gap), mouth.visemes) for mouth in TRUTH]
    assert not any(closures(SET, sealed)[0]), "nothing is open, so nothing is known to be shut"
    blinking = [Shown(mouth.gap * (np.arange(len(mouth.gap)) % 2), mouth.visemes) for mouth in TRUTH]
    assert np.mean(closures(SET, blinking)[1]) > 0.5


@pytest.mark.parametrize("late_frames", [-2, 1])
def test_lag_is_found_with_its_sign(late_frames: int) -> None:
    late = [Shown(np.roll(mouth.gap, late_frames), mouth.visemes) for mouth in TRUTH]
    corr, lag = correlations(SET, late)
    assert lag == pytest.approx(40.0 * late_frames, abs=4.0) and corr < 0.9


def test_a_still_mouth_correlates_with_nothing() -> None:
    assert correlations(SET, [Shown(np.full_like(m.gap, 0.2), m.visemes) for m in TRUTH])[0] == 0.0


def test_f1_counts_false_alarms_of_a_viseme() -> None:
    nothing_but_aa = [
        Shown(m.gap, np.full_like(m.visemes, VISEMES.index("aa"))) for m in TRUTH if m.visemes is not None
    ]
    f1 = f1_of(confusion(SET, nothing_but_aa))
    share = confusion(SET, TRUTH)[VISEMES.index("aa")].sum() / confusion(SET, TRUTH).sum()
    assert f1["aa"] == pytest.approx(2 * share / (1 + share)) and f1["PP"] == 0.0
    assert "TH" not in f1, "a viseme that never occurs has no F1"


def test_energy_says_little() -> None:
    found = figures(SET, [energy_mouth(item) for item in SET])
    assert found["viseme_f1"] is None
    assert found["closure_recall"] is not None and found["closure_recall"] < 0.5


def test_the_same_sounds_at_another_aligner_s_times() -> None:
    phones = SET[0].phones
    later = [Phone(p.symbol, p.start_s + 0.02, p.end_s + 0.02) for p in phones if p.symbol != SILENCE]
    moved = retimed(phones, later[:5] + later[6:], phones[-1].end_s)
    said = [p for p in phones if p.symbol != SILENCE]
    again = [p for p in moved if p.symbol != SILENCE]
    assert [p.symbol for p in again] == [p.symbol for p in said]
    for number, (before, after) in enumerate(zip(said, again, strict=True)):
        if number not in (4, 5, 6):  # the one that was not heard, and its neighbours
            assert after.start_s == pytest.approx(before.start_s + 0.02, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "names", "sounds"),
    [
        ("number", "N AH M B ER", "nʌmbəɹ"),
        ("password", "P AE S W ER D", "pæswɜɹd"),
        ("the", "DH AH", "ðə"),
        ("the", "DH IY", "ði"),
        ("a", "AH", "ə"),
        ("but", "B AH T", "bʌt"),
        ("agent", "EY JH AH N T", "Aʤᵊnt"),
    ],
)
def test_ah_is_two_vowels(text: str, names: str, sounds: str) -> None:
    pytest.importorskip("misaki")
    word = SphinxWord(text, tuple(SphinxPhone(n, 0.1 * i, 0.1 * i + 0.1) for i, n in enumerate(names.split())))
    assert "".join(phone.symbol for phone in phones_of_word(word)) == sounds


def test_texts_with_digits_are_nobody_s() -> None:
    assert words_of("Press 1 now") is None
    assert words_of("Don’t press -- now!") == "don't press now"
