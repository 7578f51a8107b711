"""Aligners against one another, and answers of one about shifted copies: means of times whose errors are known."""

from __future__ import annotations

import pytest

from visavis_training.speech.agreement import agreement
from visavis_training.speech.phones import SILENCE, Phone
from visavis_training.speech.sphinx import SphinxPhone, SphinxWord, mean_times

pytestmark = pytest.mark.unit


def test_distances_are_told_by_kind_of_border() -> None:
    one = [
        Phone("s", 0.0, 0.1),
        Phone("ɑ", 0.1, 0.2),
        Phone("b", 0.2, 0.3),
        Phone(SILENCE, 0.3, 0.4),
        Phone("n", 0.4, 0.5),
    ]
    other = [Phone("s", 0.0, 0.115), Phone("ɑ", 0.115, 0.225), Phone("b", 0.225, 0.4), Phone("n", 0.4, 0.5)]
    table = agreement([(one, other)])
    assert table["fricative-vowel"] == {"count": 1, "median_ms": 15.0, "within_10_ms": 0.0, "within_20_ms": 1.0}
    assert table["vowel-lips"]["median_ms"] == 25.0 and table["vowel-lips"]["within_20_ms"] == 0.0
    assert table["silence-sonorant"]["median_ms"] == 0.0
    assert table["all"] == {"count": 4, "median_ms": 7.5, "within_10_ms": 0.5, "within_20_ms": 0.75}


def test_other_sounds_are_refused() -> None:
    with pytest.raises(ValueError, match="same sounds"):
        agreement([([Phone("s", 0.0, 0.1)], [Phone("t", 0.0, 0.1)])])


def word(*times_s: float, name: str = "AA") -> SphinxWord:
    return SphinxWord("on", (SphinxPhone(name, *times_s[:2]), SphinxPhone("N", *times_s[1:])))


def test_answers_that_agree_are_averaged_and_the_others_left_out() -> None:
    odd = [word(0.5, 0.6, 0.7, name="AO")]
    mean = mean_times([odd, [word(0.10, 0.20, 0.30)], [word(0.11, 0.19, 0.32)]])
    assert [p.name for p in mean[0].phones] == ["AA", "N"]
    assert mean[0].phones[0].start_s == pytest.approx(0.105) and mean[0].phones[0].end_s == pytest.approx(0.195)
    assert mean[0].phones[1].end_s == pytest.approx(0.31)
