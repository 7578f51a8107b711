"""A link that becomes much narrower at once: noticed, waited for, and gone on with at what it carries."""

from __future__ import annotations

import pytest

from visavis_server.rtc.collapse import CollapseWatch

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("through_bps", "queued_s"),
    [(800_000, 0.3), (400_000, 0.05)],  # it wavers; or no queue says so too: jitter deceives receivers
)
def test_one_sign_alone_is_no_collapse(through_bps: int, queued_s: float) -> None:
    watch = CollapseWatch()
    assert watch.found(through_bps, 1_000_000, queued_s, 10.0) is None
    assert not watch.holding(10.0)


def test_pictures_wait_until_the_queue_is_nearly_empty_and_go_on_at_what_came_through() -> None:
    watch = CollapseWatch()
    guess_bps = watch.found(500_000, 1_000_000, 0.25, 10.0)
    assert guess_bps is not None and guess_bps < 400_000
    assert watch.holding(10.1)
    rate_bps = watch.drained(300_000, 0.2, 10.15)
    assert 150_000 < rate_bps < 250_000
    assert watch.holding(10.3) and not watch.holding(10.34)
    assert watch.drained(280_000, 0.2, 10.3) < rate_bps  # a longer while says more, and makes nobody wait longer
    assert not watch.holding(10.34)


def test_without_reports_pictures_do_not_wait_long_and_one_collapse_is_told_once() -> None:
    watch = CollapseWatch()
    assert watch.found(500_000, 1_000_000, 0.25, 10.0) is not None
    assert watch.holding(10.45) and not watch.holding(10.55)
    assert watch.found(300_000, 1_000_000, 0.4, 11.0) is None
    assert watch.found(300_000, 1_000_000, 0.4, 13.0) is not None
