"""The benchmark's bad network does what it says, and the same each time; its figures judge calls as people would."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from network_figures import NTP_TO_UNIX_MS, figures, recovery_s, trend_ms_per_h  # noqa: E402
from network_link import Conditions, Link  # noqa: E402
from network_long import figures_of, line_of  # noqa: E402

pytestmark = pytest.mark.unit


def arrivals(conditions: Conditions, packets: int, every_s: float, size_bytes: int = 1000) -> list[float | None]:
    link = Link(conditions, seed=3)
    return [link.carry(size_bytes, n * every_s) for n in range(packets)]


@pytest.mark.parametrize("burst", [1.0, 4.0])
def test_loss_has_its_share_and_its_bursts_and_repeats(burst: float) -> None:
    conditions = Conditions(loss=0.1, burst=burst)
    came = arrivals(conditions, 20_000, 0.01)
    lost = [at_s is None for at_s in came]
    assert 0.085 < np.mean(lost) < 0.115
    begun = sum(now and not before for before, now in zip([False, *lost], lost, strict=False))
    assert sum(lost) / begun == pytest.approx(burst if burst > 1 else 1.1, rel=0.15)
    assert came == arrivals(conditions, 20_000, 0.01)


def test_jitter_lets_packets_overtake_within_its_bounds() -> None:
    came = [at_s for at_s in arrivals(Conditions(delay_ms=20, jitter_ms=100), 500, 0.02) if at_s is not None]
    took = np.array(came) - 0.02 * np.arange(500)
    assert took.min() >= 0.02 and 0.11 < took.max() <= 0.12
    assert (np.diff(came) < 0).sum() > 50


def test_a_rate_passes_no_more_and_its_queue_is_bounded() -> None:
    link = Link(Conditions(rate_bps=800_000, queue_ms=300), seed=1)
    came = [link.carry(1000, n * 0.005) for n in range(1000)]  # twice what passes
    passed = [(n * 0.005, at_s) for n, at_s in enumerate(came) if at_s is not None]
    assert len(passed) == pytest.approx(500 + 30, abs=5)
    assert max(at_s - sent_s for sent_s, at_s in passed) <= 0.32
    assert link.overflowed == 1000 - len(passed)
    link.conditions = Conditions(rate_bps=8_000_000)
    assert link.carry(1000, 6.0) == pytest.approx(6.001)


@pytest.mark.parametrize("wrong", [{"loss": 1.1}, {"burst": 0.5}, {"delay_ms": -1}, {"rate_bps": 0}])
def test_impossible_networks_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="loss|rate"):
        Conditions(**wrong)


def call(
    fps: float = 25.0, lag_ms: float = 100.0, offset_ms: float = 10.0, growing: float = 0.0
) -> list[dict[str, Any]]:
    """30 s of readings."""
    made = []
    for n in range(300):
        at_ms = 1e12 + 100 * n
        late_ms = lag_ms + growing * n
        played_ms = at_ms + NTP_TO_UNIX_MS - late_ms
        video: dict[str, float] = {"framesDecoded": int(fps * n / 10), "bytesReceived": 10_000 * n, "freezeCount": 0}
        video |= {"estimatedPlayoutTimestamp": played_ms, "frameWidth": 512, "totalFreezesDuration": 0.0}
        audio = {"estimatedPlayoutTimestamp": played_ms - offset_ms, "totalSamplesReceived": 4800 * n}
        made.append({"at_ms": at_ms, "video": video, "audio": audio})
    return made


def test_a_good_call_is_told_from_a_dead_and_a_lagging_one() -> None:
    good = figures(call(), way_ms=20)
    assert (good["verdict"], good["fps"], good["lag_ms"], good["av_offset_p95_ms"]) == ("well", 25.0, 100, 10)
    assert good["kbps"] == 800
    assert figures(call(fps=4.0), 20)["verdict"] == "dead"
    assert figures([], 20)["verdict"] == "dead"
    assert figures(call(lag_ms=2000), 20)["verdict"] == "lagging"
    assert figures(call(lag_ms=2000), 600)["verdict"] == "well"
    assert figures(call(growing=4.0), 20)["verdict"] == "lagging"


def test_recovery_counts_from_the_change_until_the_picture_runs_and_goes_on_running() -> None:
    readings = call()
    for n, reading in enumerate(readings):  # stands still from second 10 to 13
        held = 250 if 100 <= n < 130 else None
        reading["video"]["framesDecoded"] = int(held if held is not None else 2.5 * n - (75 if n >= 130 else 0))
    since_ms = readings[100]["at_ms"]
    assert recovery_s(readings, since_ms, 20) == pytest.approx(3.8, abs=0.4)
    assert recovery_s(call(fps=15.0), since_ms, 20) is None
    assert recovery_s(call(), since_ms, 20) == 0.0


def test_a_trend_is_seen_through_noise_and_stalls() -> None:
    at_s = np.arange(0, 1800, 0.5)
    noise = np.random.default_rng(1).normal(0, 15, at_s.size) + 400 * (at_s % 60 < 2)
    assert abs(trend_ms_per_h(at_s, noise) or 0.0) < 8
    assert trend_ms_per_h(at_s, noise + at_s / 36) == pytest.approx(100, abs=8)


def test_a_long_call_tells_offsets_behind_each_stall_and_what_was_not_seen() -> None:
    def reading(at_ms: float, offset_ms: float) -> dict[str, Any]:
        played_ms = at_ms + NTP_TO_UNIX_MS - 100
        picture = {"estimatedPlayoutTimestamp": played_ms + offset_ms, "freezeCount": 3, "framesDecoded": 70}
        return {"at_ms": at_ms, "video": picture, "audio": {"estimatedPlayoutTimestamp": played_ms}}

    calm = [reading(100 * n, 20) for n in range(300)]
    unread = [reading(30_000 + 100 * n, -80 if n < 20 else -10) for n in range(300) if n >= 10]
    empty = {"at_ms": 61_000.0, "video": {}, "audio": {}}
    found = figures_of([line_of(calm, None, 0.0), line_of([*unread, empty], "reader", 0.0)])
    assert (found["readings"], found["stalls"], found["stalls_reader"], found["unseen_s"]) == (590, 1, 1, 1.1)
    assert (found["first_half_median_ms"], found["second_half_median_ms"]) == (20, -10)
    assert (found["av_offset_abs_p50_ms"], found["av_offset_abs_max_ms"]) == (20, 80)
    assert found["p95_behind_reader_ms"] == 80  # 10 of 90 readings
    assert found["p95_behind_loop_ms"] is None
    assert found["over_45_ms_share"] == round(10 / 590, 4)
    assert found["lag_first_half_median_ms"] == 80
    assert found["freezes"] == 3
    with pytest.raises(SystemExit, match="no reading"):
        figures_of([line_of([empty], None, 0.0)])
