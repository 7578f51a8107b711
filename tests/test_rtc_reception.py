"""What receivers' reports come to: loss, what came through, and queueing told from jitter."""

from __future__ import annotations

import random

import pytest

from visavis_server.rtc.reception import QueueWatch, ReceptionReader

pytestmark = pytest.mark.unit


def test_loss_and_rate_are_those_of_the_last_second_also_over_the_wrap() -> None:
    reader, sequence, lost = ReceptionReader(), 65_400, 0
    reception = None
    for n in range(1, 301):  # 100 packets of 1000 bytes a second
        reader.sent(sequence, 1000, n / 100)
        lost += n > 200 and n % 10 == 0
        if n % 20 == 0:
            reception = reader.reported(0x10000 + sequence if sequence < 300 else sequence, lost, n / 100)
        sequence = (sequence + 1) & 0xFFFF
    assert reception is not None
    assert reception.loss == pytest.approx(0.10, abs=0.011)
    assert 0.04 < reception.sure_loss < reception.loss
    assert reception.delivered_bps == pytest.approx(720_000, rel=0.03)


def test_copies_count_as_sent_but_are_not_missed_themselves() -> None:
    reader = ReceptionReader()
    for n in range(100):
        reader.sent(n, 1000, n / 50)
        reader.sent(None, 1000, n / 50)
        if n in (49, 99):
            reception = reader.reported(n, 0, 1.0 + n / 50)
    assert reception is not None and reception.loss == 0.0
    assert reception.delivered_bps == pytest.approx(800_000, rel=0.02)


def test_a_handful_of_packets_says_nothing() -> None:
    reader = ReceptionReader()
    for n in range(4):
        reader.sent(n, 1000, n / 50)
    assert reader.reported(1, 1, 1.0) is None
    assert reader.reported(3, 3, 2.5) is None


def test_a_queue_is_told_from_a_long_way_and_from_jitter() -> None:
    far, jittery, filling, dice = QueueWatch(), QueueWatch(), QueueWatch(), random.Random(3)
    highest = 0.0
    for n in range(200):
        far.measured(0.6, n / 4)
        jittery.measured(0.04 + 0.1 * dice.random() + 0.1 * dice.random(), n / 4)
        highest = max(highest, jittery.queued_s)
        filling.measured(0.05, n / 4)
    assert far.queued_s == 0.0
    assert highest < 0.05
    for n in range(6):
        filling.measured(0.05 + 0.05 * n, 50 + n / 4)
    assert filling.queued_s > 0.05


def test_what_came_through_since_is_told_without_what_was_lost_of_it() -> None:
    reader = ReceptionReader()
    for n in range(100):  # 100 packets of 1000 bytes a second, every other one lost
        reader.sent(n, 1000, n / 100)
        if n % 5 == 4:
            reader.reported(n, n // 2, n / 100 + 0.25)
    assert reader.age_s(99, 1.24) == pytest.approx(0.25)
    assert reader.age_s(200, 1.24) is None
    assert reader.through_bps(0.6) == pytest.approx(400_000, rel=0.05)
    assert reader.through_bps(1.2) is None  # too short a while


def test_the_newest_round_trip_tells_a_queue_at_once_but_not_jitter() -> None:
    steady, jittery, dice = QueueWatch(), QueueWatch(), random.Random(1)
    for n in range(100):
        steady.measured(0.05, n / 4)
        jittery.measured(0.05 + 0.1 * dice.random(), n / 4)
        assert jittery.newest_s < 0.1
    steady.measured(0.35, 25.1)
    assert steady.queued_s < 0.1 < 0.15 < steady.newest_s
