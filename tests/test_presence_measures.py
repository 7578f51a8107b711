"""The measures of presence, on curves whose answers are known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from presence_measures import (
    Seen,
    around,
    best_correlation,
    blinks_ms,
    energy_above,
    gaze_share,
    repetition,
)
from presence_scenes import scene

pytestmark = pytest.mark.unit
T = np.arange(3000) / 25


def test_blinks_are_counted_and_timed_and_a_lowered_lid_is_none() -> None:
    closure = np.zeros(200)
    closure[20:25] = (0.4, 0.9, 1.0, 0.6, 0.2)
    closure[60:100] = 0.3
    closure[150:158] = (0.2, 0.6, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2)
    assert blinks_ms(closure) == [200.0, 320.0]


def test_trembling_is_told_from_swaying() -> None:
    sway, tremble = np.sin(2 * np.pi * 0.5 * T), np.sin(2 * np.pi * 8.0 * T)
    assert energy_above(sway, 5.0) < 0.001
    assert energy_above(sway + tremble, 5.0) == pytest.approx(0.5, abs=0.02)


def test_motion_that_follows_is_found_with_its_lag_and_motion_that_leads_is_not() -> None:
    voice = np.random.default_rng(1).normal(size=3000)
    follows, leads = np.roll(voice, 4), np.roll(voice, -4)
    found, lag = best_correlation(voice, follows, 7)
    assert found > 0.99 and lag == 4
    assert best_correlation(voice, leads, 7)[0] < 0.1


def test_a_loop_is_found_however_long_it_is() -> None:
    loop = np.tile(np.random.default_rng(2).normal(size=1000), 6)
    assert repetition(loop) > 0.8
    assert repetition(np.random.default_rng(3).normal(size=6000)) < 0.1


def test_eyes_that_look_past_the_viewer_do_not_count_nor_do_shut_ones() -> None:
    none = np.zeros(4)
    gaze = np.array([[0.0, 0.0], [3.0, 3.0], [9.0, 0.0], [0.0, 0.0]])
    closure = np.array([0.0, 0.0, 0.0, 1.0])
    assert gaze_share(Seen(closure, gaze, np.zeros((4, 3)), none, none, none)) == pytest.approx(2 / 3)


def test_frames_about_a_change() -> None:
    assert np.flatnonzero(around([0, 10], 12, 1, 2)).tolist() == [0, 1, 2, 9, 10, 11]


def test_voices_take_turns_and_never_repeat() -> None:
    rng = np.random.default_rng(4)
    phrases = [[rng.normal(0, 0.1, 16_000 + 3000 * k).astype(np.float32) for k in range(2)] for _ in range(2)]
    said = scene("talk", 120, phrases[0], phrases[1], 1)
    mine, theirs = ((voice**2).mean(1) > 1e-5 for voice in (said.own, said.other))
    assert mine.mean() > 0.15 and theirs.mean() > 0.15
    assert (mine & theirs).mean() < 0.01
    assert {kind for _, kind in said.turns} == {"idle", "speaking", "listening"}
    loud = np.sqrt((scene("speaking", 240, phrases[0], phrases[1], 2).own ** 2).mean(1)).astype(np.float64)
    assert repetition(loud) < 0.3
