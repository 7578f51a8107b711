from __future__ import annotations

import asyncio
import logging
import time

import pytest

from visavis_server.logs import FieldFormatter
from visavis_server.metrics import END_REASONS, CountedFrames, Metrics

pytestmark = pytest.mark.unit


def figures(metrics: Metrics) -> dict[str, float]:
    lines = metrics.text().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_two_servers_in_one_process_do_not_share_figures() -> None:
    one, other = Metrics(1), Metrics(2)
    one.session_opened()
    assert figures(one)["visavis_sessions_active"] == 1
    assert figures(other)["visavis_sessions_active"] == 0
    assert figures(other)["visavis_sessions_capacity"] == 2


def test_every_reason_of_an_end_is_shown_from_the_start() -> None:
    shown = figures(Metrics(1))
    assert all(shown[f'visavis_sessions_ended_total{{reason="{reason}"}}'] == 0 for reason in END_REASONS)


def test_frames_are_added_up_over_sessions_by_their_growth() -> None:
    metrics, first, second = Metrics(1), CountedFrames(), CountedFrames()
    metrics.frames(first, 25, 1, 0, 0)
    metrics.frames(first, 50, 1, 2, 0)
    metrics.frames(second, 10, 0, 0, 3)
    shown = figures(metrics)
    assert shown["visavis_frames_sent_total"] == 60
    assert shown["visavis_frames_repeated_total"] == 1
    assert shown["visavis_frames_dropped_total"] == 2
    assert shown["visavis_voice_chunks_dropped_total"] == 3


def test_histograms_keep_what_they_are_told() -> None:
    metrics = Metrics(1)
    metrics.speech_to_lips(170.0)
    metrics.speech_to_lips(310.0)
    metrics.drawing(12.0, 3)
    metrics.network(35.0, 0.015)
    metrics.network(None, None)
    shown = figures(metrics)
    assert shown['visavis_speech_to_lips_ms_bucket{le="200.0"}'] == 1
    assert shown["visavis_speech_to_lips_ms_sum"] == 480
    assert (shown["visavis_frame_drawing_ms"], shown["visavis_clock_skipped_ticks"]) == (12, 3)
    assert shown['visavis_rtt_ms_bucket{le="50.0"}'] == 1
    assert shown['visavis_loss_ratio_bucket{le="0.02"}'] == 1
    assert shown["visavis_rtt_ms_count"] == 1


async def test_a_blocked_event_loop_is_seen() -> None:
    metrics = Metrics(1)
    watch = asyncio.create_task(metrics.watch_event_loop(every_s=0.01))
    await asyncio.sleep(0)
    time.sleep(0.1)  # noqa: ASYNC251 - blocking the loop is what is tested
    await asyncio.sleep(0.01)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    assert figures(metrics)["visavis_event_loop_lag_ms_sum"] >= 80


def test_log_lines_show_their_fields() -> None:
    record = logging.getLogger("x").makeRecord(
        "x", logging.INFO, "f", 1, "session opened", (), None, extra={"session": "k3", "reason": "a b\nc", "empty": ""}
    )
    line = FieldFormatter().format(record)
    assert line.endswith('INFO    session opened session=k3 reason="a b\\nc" empty=""')
