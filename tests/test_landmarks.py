"""Sounds of known moments: labels that are wrong by a known time are found out, and put right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from visavis_training.speech.cross_check import paired
from visavis_training.speech.landmarks import band_levels, bias, deviations, kind_of, step_at, unbiased
from visavis_training.speech.phones import SILENCE, Phone

pytestmark = pytest.mark.unit
TRUE = [
    Phone(SILENCE, 0.0, 0.2), Phone("ɑ", 0.2, 0.4), Phone("b", 0.4, 0.5), Phone("ɑ", 0.5, 0.7), Phone("m", 0.7, 0.8),
    Phone("ɑ", 0.8, 1.0), Phone("s", 1.0, 1.15), Phone("ɑ", 1.15, 1.35), Phone(SILENCE, 1.35, 1.6),
]  # fmt: skip


def spoken(phones: list[Phone]) -> np.ndarray:
    """Buzz for vowels, its low part for nasals and voice bars, treble for hisses."""
    source = np.random.default_rng(0)
    t = np.arange(int(phones[-1].end_s * 16_000)) / 16_000
    buzz = sum(np.sin(2 * np.pi * 120 * n * t) / n for n in range(1, 30))
    low = np.asarray(sosfilt(butter(4, 350, "lowpass", fs=16_000, output="sos"), buzz))
    hiss = sosfilt(butter(4, 4500, "highpass", fs=16_000, output="sos"), source.standard_normal(len(t)))
    made = 0.0005 * source.standard_normal(len(t))
    for phone in phones:
        here = slice(int(phone.start_s * 16_000), int(phone.end_s * 16_000))
        made[here] += {"ɑ": buzz, "m": 0.5 * low, "b": 0.1 * low, "s": 0.6 * hiss, SILENCE: 0 * t}[phone.symbol][here]
    return (made * 6000).astype(np.int16)


def later(phones: list[Phone], by_s: float) -> list[Phone]:
    end_s = phones[-1].end_s
    edges = [0.0, *(p.end_s + by_s for p in phones[:-1]), end_s]
    return [Phone(p.symbol, edges[i], edges[i + 1]) for i, p in enumerate(phones)]


def test_a_step_is_found_within_4_ms() -> None:
    levels = band_levels(spoken(TRUE))
    found = step_at(levels["middle"], 0.33, 0.45)
    assert found is not None
    assert found[0] == pytest.approx(0.4, abs=0.004) and found[1] < -20


def test_too_short_a_stretch_has_no_step() -> None:
    assert step_at(np.zeros(100), 0.05, 0.06) is None


@pytest.mark.parametrize("by_s", [-0.02, 0.0, 0.015])
def test_labels_that_are_late_are_found_out(by_s: float) -> None:
    found = bias([(later(TRUE, by_s), spoken(TRUE))])
    assert {"b begins", "b ends", "m begins", "m ends", "hiss begins", "hiss ends", "pause ends"} <= set(found)
    for kind, row in found.items():
        assert row["median_ms"] == pytest.approx(1000 * by_s, abs=5), kind


def test_bias_is_taken_away_and_borders_go_halfway_to_their_landmarks() -> None:
    wave, wrong = spoken(TRUE), later(TRUE, 0.02)
    late = {kind: 0.02 for kind, _, _ in deviations(wrong, wave)}
    right = unbiased(wrong, deviations(wrong, wave), late, 1.6)
    assert [p.symbol for p in right] == [p.symbol for p in TRUE]
    for ours, true in zip(right, TRUE, strict=True):
        assert ours.start_s == pytest.approx(true.start_s, abs=0.005)
    # one closure alone is off: the usual correction would leave it there, its landmark is as good a guess
    odd = [*TRUE[:1], Phone("ɑ", 0.2, 0.415), Phone("b", 0.415, 0.5), *TRUE[3:]]
    mended = unbiased(odd, deviations(odd, wave), dict.fromkeys(late, 0.0), 1.6)
    assert mended[2].start_s == pytest.approx(0.4075, abs=0.003)
    far = [*TRUE[:1], Phone("ɑ", 0.2, 0.44), Phone("b", 0.44, 0.5), *TRUE[3:]]
    left = unbiased(far, deviations(far, wave), dict.fromkeys(late, 0.0), 1.6)
    assert left[2].start_s == pytest.approx(0.44)  # 40 ms off, one of the two is of another sound


def test_bursts_are_no_landmarks() -> None:
    late = [*TRUE[:2], Phone("b", 0.4, 0.49), Phone("ɑ", 0.49, 0.7), *TRUE[4:]]
    found = [("stop ends", 3, -0.01)]
    assert unbiased(late, found, {"stop ends": 0.0}, 1.6)[3].start_s == pytest.approx(0.49)
    assert unbiased(late, [("b ends", 3, -0.01)], {"b ends": 0.0}, 1.6)[3].start_s == pytest.approx(0.495)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("n", "s", "hiss begins after a sonorant"), ("s", "t", "stop begins after a hiss"), ("ɑ", "f", "breath begins"),
        ("θ", "ɑ", "breath ends"), ("ɑ", "s", "hiss begins"), ("ɑ", "b", "b begins"),
    ],
)  # fmt: skip
def test_kinds_have_names(before: str, after: str, kind: str) -> None:
    found = kind_of(before, after)
    assert found is not None and found[0] == kind


def test_vowels_and_glides_have_no_landmark_between_them() -> None:
    assert kind_of("ɑ", "ɹ") is None and kind_of("s", "n") is None


def test_crowded_borders_keep_order_and_length() -> None:
    crowded = [Phone("s", 0.0, 0.1), Phone("ɑ", 0.1, 0.11), Phone("s", 0.11, 0.2)]
    moved = unbiased(crowded, [], {"hiss ends": -0.05, "hiss begins": 0.05}, 0.2)
    assert [p.symbol for p in moved] == ["s", "ɑ", "s"]
    assert min(p.end_s - p.start_s for p in moved) > 0.0099


def test_sounds_are_paired_past_one_too_many() -> None:
    ours = [Phone(s, 0.1 * i, 0.1 * i + 0.1) for i, s in enumerate("bɑtsi")]
    theirs = [Phone(s, 0.1 * i + 0.01, 0.1 * i + 0.11) for i, s in [(0, "b"), (1, "æ"), (3, "s"), (4, "i")]]
    assert paired(ours, theirs) == [(0, 0), (1, 1), (3, 2), (4, 3)]
