"""How the picture's bitrate follows the link."""

from __future__ import annotations

import pytest

from visavis_server.rtc.bitrate import BitrateController, BitrateLimits
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


def test_an_estimate_below_what_was_sent_takes_effect_at_once() -> None:
    controller = BitrateController(LIMITS)
    controller.on_estimate(600_000, sent_bps=1_400_000, now_s=1.0)
    assert controller.target_bps == 540_000


def test_an_estimate_that_only_mirrors_a_resting_face_changes_nothing() -> None:
    controller = BitrateController(LIMITS)
    controller.on_estimate(450_000, sent_bps=300_000, now_s=1.0)
    assert controller.target_bps == LIMITS.start_bps


def test_the_target_rises_slowly_and_only_while_it_is_used() -> None:
    used, unused = BitrateController(LIMITS), BitrateController(LIMITS)
    for n in range(51):
        used.on_estimate(10_000_000, sent_bps=used.target_bps, now_s=0.2 * n)
        unused.on_estimate(10_000_000, sent_bps=200_000, now_s=0.2 * n)
    assert 1.5e6 * 1.08**9 < used.target_bps < 1.5e6 * 1.08**11
    assert unused.target_bps == LIMITS.start_bps


def test_the_target_never_leaves_its_limits() -> None:
    controller = BitrateController(LIMITS)
    controller.on_estimate(1, sent_bps=1_000_000, now_s=0.0)
    assert controller.target_bps == LIMITS.min_bps
    for n in range(1000):
        controller.on_estimate(100_000_000, sent_bps=controller.target_bps, now_s=float(n))
    assert controller.target_bps == LIMITS.max_bps


def test_heavy_loss_backs_off_once_a_second() -> None:
    controller = BitrateController(LIMITS)
    controller.on_loss(0.4, 1_500_000, 1.0, has_estimates=True)
    assert controller.target_bps == 1_200_000
    controller.on_loss(0.4, 1_500_000, 1.5, has_estimates=True)
    assert controller.target_bps == 1_200_000
    controller.on_loss(0.4, 1_500_000, 2.1, has_estimates=True)
    assert controller.target_bps == 960_000


def test_without_estimates_low_loss_lets_the_target_rise() -> None:
    with_estimates, without = BitrateController(LIMITS), BitrateController(LIMITS)
    for n in range(10):
        with_estimates.on_loss(0.0, 1_500_000, float(n), has_estimates=True)
        without.on_loss(0.0, without.target_bps, float(n), has_estimates=False)
    assert with_estimates.target_bps == LIMITS.start_bps < without.target_bps


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
