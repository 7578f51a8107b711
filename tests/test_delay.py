from __future__ import annotations

import pytest

from visavis_server.delay import MAX_EXTRA_TICKS, Delay

pytestmark = pytest.mark.unit


def run(delay: Delay, headroom_ticks: int, ticks: int, quiet: bool = True) -> list[int]:
    steps = []
    for _ in range(ticks):
        delay.note_frame(headroom_ticks + delay.extra_ticks)
        steps.append(delay.step(quiet))
    return steps


def test_a_device_in_time_keeps_the_planned_delay() -> None:
    delay = Delay(4)
    assert run(delay, 1, 1000) == [1] * 1000
    assert delay.ticks == 4


def test_frames_that_keep_coming_late_make_the_delay_grow_just_enough() -> None:
    delay = Delay(4)
    steps = run(delay, -2, 500)
    assert delay.extra_ticks == 2
    assert steps.count(0) == 2


def test_a_hiccup_of_a_quarter_second_changes_nothing() -> None:
    delay = Delay(4)
    run(delay, 1, 60)
    assert run(delay, -3, 6) + run(delay, 1, 100) == [1] * 106


def test_the_first_two_seconds_say_nothing() -> None:
    delay = Delay(4)
    assert run(delay, -3, 50) == [1] * 50


def test_a_single_late_frame_changes_nothing() -> None:
    delay = Delay(4)
    for i in range(20):
        assert run(delay, -1 if i % 2 else 1, 1) == [1]
        assert run(delay, 1, 24) == [1] * 24


def test_the_delay_has_an_end() -> None:
    delay = Delay(4)
    run(delay, -100, 1000)
    assert delay.extra_ticks == MAX_EXTRA_TICKS


def test_a_device_that_recovers_gets_its_short_delay_back_in_silence_only() -> None:
    delay = Delay(4, extra_ticks=2)
    assert 2 not in run(delay, 1, 600, quiet=False)
    steps = run(delay, 1, 600)
    assert steps.count(2) == 2
    assert delay.ticks == 4
