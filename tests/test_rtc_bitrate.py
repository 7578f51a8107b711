"""How the picture's bitrate follows the link."""

from __future__ import annotations

import pytest

from visavis_server.rtc.bitrate import BitrateController, BitrateLimits
from visavis_server.rtc.reception import Reception
from visavis_server.rtc.stats import RateMeter, TokenBucket

pytestmark = pytest.mark.unit

LIMITS = BitrateLimits(min_bps=150_000, start_bps=1_500_000, max_bps=4_000_000)


def test_limits_scale_with_the_picture_but_keep_their_floor() -> None:
    assert LIMITS.scaled(640, 640) == LIMITS
    large = LIMITS.scaled(1024, 1024)
    assert large.min_bps == 150_000
    assert 2.5e6 < large.start_bps < 3.5e6 < large.max_bps < 9e6
    tiny = LIMITS.scaled(16, 16)
    assert tiny.min_bps <= tiny.start_bps <= tiny.max_bps


@pytest.mark.parametrize("limits", [(0, 1, 2), (5, 4, 6), (1, 3, 2)])
def test_limits_out_of_order_are_refused(limits: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="limits"):
        BitrateLimits(*limits)


CLEAR = Reception(0.0, 0.0, None)


def lossy(share: float) -> Reception:
    return Reception(share, share, None)


def test_an_estimate_below_what_was_sent_takes_effect_at_once_but_deep_only_if_confirmed() -> None:
    started = BitrateController(LIMITS)
    started.on_estimate(500_000, sent_bps=1_400_000, now_s=1.0)
    assert started.target_bps == 800_000
    mild = BitrateController(LIMITS)
    mild.on_estimate(1_300_000, sent_bps=1_400_000, now_s=1.0)
    assert mild.target_bps == 1_170_000
    queueing = BitrateController(LIMITS)
    queueing.on_report(CLEAR, 0.04, 1_400_000, 1.0)
    queueing.on_estimate(500_000, sent_bps=1_400_000, now_s=1.1)
    assert queueing.target_bps == 450_000


def test_an_estimate_that_is_low_but_rises_only_slows_growth() -> None:
    controller, free = BitrateController(LIMITS), BitrateController(LIMITS)
    controller.on_estimate(100_000, sent_bps=50_000, now_s=0.0)
    for n in range(1, 4):
        for one in (controller, free):
            one.on_report(CLEAR, 0.0, one.target_bps, float(n))
        controller.on_estimate(100_000 + n, sent_bps=1_400_000, now_s=n + 0.1)
    assert LIMITS.start_bps < controller.target_bps < 0.7 * free.target_bps


def test_an_estimate_that_only_mirrors_a_resting_face_changes_nothing() -> None:
    controller = BitrateController(LIMITS)
    controller.on_report(CLEAR, 0.04, 300_000, 0.9)
    controller.on_estimate(450_000, sent_bps=300_000, now_s=1.0)
    assert controller.target_bps == LIMITS.start_bps


def test_the_target_rises_only_while_it_is_used_and_more_slowly_once_the_link_was_full() -> None:
    used, unused, full = (BitrateController(LIMITS) for _ in range(3))
    full.on_report(Reception(0.0, 0.0, 1_400_000), 0.1, 1_500_000, 0.0)
    before = full.rate_bps
    for n in range(1, 4):
        used.on_report(CLEAR, 0.0, used.target_bps, float(n))
        unused.on_report(CLEAR, 0.0, 200_000, float(n))
        full.on_report(CLEAR, 0.0, full.target_bps, float(n))
    assert used.target_bps == pytest.approx(1.5e6 * 1.6**2, rel=0.01)
    assert unused.target_bps == LIMITS.start_bps
    assert before < full.target_bps < 1.2 * before


def test_the_target_never_leaves_its_limits() -> None:
    controller = BitrateController(LIMITS)
    for n in range(20):
        controller.on_report(Reception(0.5, 0.5, 1), 0.2, 1_000_000, 2.0 * n)
    assert controller.target_bps == LIMITS.min_bps
    for n in range(100):
        controller.on_report(CLEAR, 0.0, 10**9, 100.0 + n)
    assert controller.target_bps == LIMITS.max_bps


def test_a_full_link_cuts_to_what_came_through_after_a_dip_in_which_the_queue_empties() -> None:
    controller = BitrateController(LIMITS)
    controller.on_report(Reception(0.1, 0.05, 1_000_000), 0.2, 1_500_000, 1.0)
    assert controller.rate_bps == 900_000
    assert controller.at(1.2) == 600_000
    assert controller.at(1.0 + 0.2 / 0.4 + 0.01) == 900_000


def test_sudden_heavy_loss_backs_off_once_a_second() -> None:
    controller = BitrateController(LIMITS)
    controller.on_report(lossy(0.3), 0.0, 1_500_000, 1.0)
    once = controller.target_bps
    assert 0.8 * 1_500_000 < once < 0.9 * 1_500_000
    controller.on_report(lossy(0.3), 0.0, once, 1.5)
    assert controller.target_bps == once
    controller.on_report(lossy(0.3), 0.0, once, 2.1)
    assert controller.target_bps < once


def test_a_radio_that_always_loses_a_tenth_is_not_taken_for_a_full_link() -> None:
    controller = BitrateController(LIMITS)
    for n in range(60):
        share = (0.07, 0.13, 0.10)[n % 3]
        controller.on_report(Reception(share, max(0.0, share - 0.05), None), 0.0, controller.target_bps, float(n))
    assert controller.target_bps == LIMITS.max_bps
    assert controller.inherent_loss == pytest.approx(0.10, abs=0.03)


def test_silence_of_the_receiver_lowers_the_target_until_it_is_heard_again() -> None:
    controller = BitrateController(LIMITS)
    assert controller.at(100.0) == LIMITS.start_bps  # nothing was ever heard: the call has just begun
    controller.on_report(CLEAR, 0.0, 100_000, 100.0)
    assert controller.at(101.0) == LIMITS.start_bps
    assert controller.at(103.0) == LIMITS.start_bps / 2
    assert controller.at(106.0) == LIMITS.start_bps / 4


def test_the_meter_forgets_what_is_older_than_its_window() -> None:
    meter = RateMeter(window_s=2.0)
    assert meter.bps(0.0) is None
    for n in range(50):
        meter.add(1000, 0.04 * n)
    assert meter.bps(2.0) == pytest.approx(200_000, rel=0.05)
    assert meter.bps(10.0) == 0


def test_the_bucket_passes_its_rate_after_its_burst_and_counts_the_rest() -> None:
    bucket = TokenBucket(rate_per_s=8, burst=5)
    assert sum(bucket.take(1, 0.0) for _ in range(20)) == 5
    assert sum(bucket.take(1, 0.125 * n) for n in range(1, 101)) == 100
    assert bucket.refused == 15
