"""The best path against every path, on scores small enough to try them all; and quiet that is no phone's."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest

from visavis_training.speech.border_fitting import INDEX, fit, frame_labels, silenced
from visavis_training.speech.phones import PHONES, SILENCE, Phone

pytestmark = pytest.mark.unit


def scores_for(phones: list[Phone], frames: int, confidence: float = 4.0) -> np.ndarray:
    scores = np.full((frames, len(PHONES)), -confidence, np.float32)
    scores[np.arange(frames), frame_labels(phones, frames)] = -0.05
    return scores


def test_borders_move_to_where_the_scores_change() -> None:
    true = [Phone(SILENCE, 0, 0.1), Phone("m", 0.1, 0.2), Phone("ɑ", 0.2, 0.35), Phone("s", 0.35, 0.5)]
    rough = [Phone(SILENCE, 0, 0.13), Phone("m", 0.13, 0.17), Phone("ɑ", 0.17, 0.4), Phone("s", 0.4, 0.5)]
    fitted, score = fit(scores_for(true, 50), rough)
    assert [p.symbol for p in fitted[:4]] == [p.symbol for p in true]
    for ours, theirs in zip(fitted[:4], true, strict=True):
        assert ours.start_s == pytest.approx(theirs.start_s, abs=0.006)
    assert score == pytest.approx(-0.05, abs=1e-3)


def test_a_pause_nobody_made_vanishes_and_a_phone_never_does() -> None:
    true = [Phone("m", 0, 0.2), Phone("ɑ", 0.2, 0.4)]
    told = [Phone("m", 0, 0.15), Phone(SILENCE, 0.15, 0.2), Phone("t", 0.2, 0.22), Phone("ɑ", 0.22, 0.4)]
    fitted, _ = fit(scores_for(true, 40), told)
    said = [p.symbol for p in fitted if p.symbol != SILENCE]
    assert said == ["m", "t", "ɑ"]
    assert sum(p.end_s - p.start_s for p in fitted if p.symbol == SILENCE) < 0.03
    assert min(p.end_s - p.start_s for p in fitted if p.symbol != SILENCE) > 0.0175


def test_no_path_is_better() -> None:
    source = np.random.default_rng(0)
    phones = [Phone("m", 0.0, 0.05), Phone("ɑ", 0.05, 0.1), Phone("s", 0.1, 0.14)]
    for _ in range(20):
        scores = source.normal(-2, 1.5, (14, len(PHONES))).astype(np.float32)
        fitted, _ = fit(scores, phones, between_frames=False)
        times = (np.arange(14) + 1) * 0.01 - 0.0125

        def worth(path: np.ndarray, scores: np.ndarray = scores, times: np.ndarray = times) -> float:
            sequence = [Phone(SILENCE, 0, 0), *phones, Phone(SILENCE, 0.14, 0.14)]
            total = 0.0
            for t, n in enumerate(path):
                p = sequence[n]
                outside = max(p.start_s - times[t], times[t] - p.end_s, 0.0)
                total += scores[t, INDEX[p.symbol]] - 1.5 * outside / 0.16
            return total

        paths = [np.array(path) for path in combinations_with_replacement(range(5), 14)]
        allowed = [p for p in paths if all(np.sum(p == n) >= 2 for n in (1, 2, 3))]
        best = max(allowed, key=worth)
        borders = {float(np.searchsorted(best, n) * 0.01 - 0.0075) for n in (1, 2, 3)}
        starts = {p.start_s for p in fitted if p.symbol != SILENCE}
        assert sorted(max(b, 0.0) for b in borders) == pytest.approx(sorted(starts), abs=1e-6)


@pytest.mark.parametrize("border_s", [0.2, 0.2025, 0.205, 0.2085])
def test_a_border_between_two_frames_is_found(border_s: float) -> None:
    """Scores that fade as a 25 ms window passes over a border tell where it is, finer than the frames are."""
    scores = np.full((40, len(PHONES)), -8.0, np.float32)
    times = (np.arange(40) + 1) * 0.01 - 0.0125
    share = np.clip((times - border_s) / 0.025 + 0.5, 1e-3, 1 - 1e-3)
    scores[:, INDEX["ɑ"]], scores[:, INDEX["s"]] = np.log(1 - share), np.log(share)
    rough = [Phone("ɑ", 0.0, 0.23), Phone("s", 0.23, 0.4)]
    fine, coarse = (fit(scores, rough, between_frames=between)[0] for between in (True, False))
    assert fine[1].start_s == pytest.approx(border_s, abs=0.0005)
    assert abs(coarse[1].start_s - border_s) <= 0.0051


def test_borders_between_frames_leave_every_sound_20_ms() -> None:
    source = np.random.default_rng(1)
    sounds = "mɑstibɑnuk"
    for _ in range(50):
        phones = [Phone(s, 0.03 * i, 0.03 * i + 0.03) for i, s in enumerate(sounds)]
        scores = source.normal(-2, 2, (30, len(PHONES))).astype(np.float32)
        fitted, _ = fit(scores, phones)
        assert [p.symbol for p in fitted if p.symbol != SILENCE] == list(sounds)
        lengths = [p.end_s - p.start_s for p in fitted if p.symbol != SILENCE]
        assert min(lengths[1:]) >= 0.02 - 1e-9
        assert all(a.end_s == pytest.approx(b.start_s) for a, b in zip(fitted, fitted[1:], strict=False))


def test_more_sounds_than_time_are_left_as_they_were() -> None:
    phones = [Phone("m" if i % 2 else "ɑ", i * 0.01, (i + 1) * 0.01) for i in range(9)]
    fitted, score = fit(np.zeros((4, len(PHONES)), np.float32), phones)
    assert fitted == phones and score == -np.inf


def test_the_last_phone_does_not_hang_into_silence() -> None:
    wave = np.zeros(16_000, np.int16)
    wave[1600:8000] = (8000 * np.sin(np.arange(6400) * 0.3)).astype(np.int16)
    wave += np.random.default_rng(0).integers(-3, 4, 16_000).astype(np.int16)
    cut = silenced([Phone("ɑ", 0.0, 0.6), Phone("m", 0.6, 1.0)], wave)
    assert cut[0].symbol == SILENCE and cut[0].end_s == pytest.approx(0.1, abs=0.011)
    assert not any(p.symbol == "m" for p in cut)
    assert cut[-1].symbol == SILENCE and cut[-1].start_s == pytest.approx(0.5, abs=0.011)


def test_a_stop_may_be_silent_where_others_may_not() -> None:
    wave = np.zeros(16_000, np.int16)
    wave[4000:12000] = (8000 * np.sin(np.arange(8000) * 0.3)).astype(np.int16)
    for first, start_s in (("ð", 0.25), ("p", 0.1)):
        phones = [Phone(SILENCE, 0.0, 0.1), Phone(first, 0.1, 0.3), Phone("ɑ", 0.3, 0.75), Phone(SILENCE, 0.75, 1.0)]
        cut = silenced(phones, wave, but=frozenset("p"))
        assert [p.symbol for p in cut] == [SILENCE, first, "ɑ", SILENCE]
        assert cut[1].start_s == pytest.approx(start_s, abs=0.011)


def test_a_stop_that_begins_or_ends_an_utterance_keeps_its_closure() -> None:
    t = np.arange(16_000) / 16_000
    wave = np.where((t > 0.3) & (t < 0.7), 8000 * np.sin(2 * np.pi * 200 * t), 0.0).astype(np.int16)
    told = [
        Phone(SILENCE, 0, 0.2),
        Phone("b", 0.2, 0.3),
        Phone("ɑ", 0.3, 0.7),
        Phone("p", 0.7, 0.8),
        Phone(SILENCE, 0.8, 1),
    ]
    cut = silenced(told, wave)
    assert [p.symbol for p in cut] == [SILENCE, "b", "ɑ", "p", SILENCE]
    assert cut[1].start_s == pytest.approx(0.24, abs=0.011) and cut[1].end_s == pytest.approx(0.3, abs=0.011)
    assert cut[3].start_s == pytest.approx(0.7, abs=0.011) and cut[3].end_s == pytest.approx(0.76, abs=0.011)
    hiss = [Phone("s" if p.symbol in "bp" else p.symbol, p.start_s, p.end_s) for p in told]
    assert [p.symbol for p in silenced(hiss, wave)] == [SILENCE, "ɑ", SILENCE]
    early = [Phone(SILENCE, 0, 0.25), Phone("b", 0.25, 0.27), Phone("ɑ", 0.27, 0.7), Phone(SILENCE, 0.7, 1)]
    cut = silenced(early, wave)  # the fit gave the vowel some of the closure
    assert [p.symbol for p in cut] == [SILENCE, "b", "ɑ", SILENCE]
    assert cut[1].start_s == pytest.approx(0.25, abs=0.011) and cut[1].end_s == pytest.approx(0.3, abs=0.011)
