from __future__ import annotations

import pytest

from visavis_server.clock import MediaClock
from visavis_server.load import DrawingCost

pytestmark = pytest.mark.unit


def test_an_hour_has_ninety_thousand_ticks_however_the_loop_wakes() -> None:
    clock, now_s, ticks = MediaClock(100.0), 100.0, 0
    while now_s < 3700.0 - 1e-6:
        ticks += clock.due(now_s)
        now_s += clock.wait_s(now_s) + (0.013 if ticks % 3 else 0.0001)
    assert ticks == 90_000
    assert clock.skipped == 0


def test_a_late_loop_catches_up() -> None:
    clock = MediaClock(0.0)
    assert clock.due(0.0) == 1
    assert clock.due(0.125) == 3
    assert clock.due(0.126) == 0


def test_a_machine_that_slept_goes_on_from_now() -> None:
    clock = MediaClock(0.0)
    clock.due(0.0)
    assert clock.due(3600.0) == 1
    assert clock.skipped == 89_999
    assert clock.wait_s(3600.0) == pytest.approx(0.04)
    assert clock.due(3600.04) == 1


def test_an_overloaded_device_draws_the_newest_frame_that_can_still_be_in_time() -> None:
    cost = DrawingCost()
    assert (cost.first_in_time(100, 1), cost.most_frames(3, 1)) == (100, 3)
    for _ in range(50):
        cost.note(60.0, 1)
    assert (cost.first_in_time(100, 1), cost.most_frames(2, 1), cost.most_frames(3, 1)) == (101, 1, 2)
    for _ in range(100):
        cost.note(30.0, 3)
    assert (cost.first_in_time(100, 1), cost.most_frames(3, 1)) == (100, 3)
    assert cost.most_frames(4, 6) == 2
    assert cost.most_frames(8, 20) == 1
