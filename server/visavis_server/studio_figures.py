"""What the studio tells Prometheus of its device: its load, its batches, and what sessions are given.

Read on the event loop while the owner thread writes: single numbers, never a list that somebody walks along.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from visavis_server.quality import Quality
from visavis_server.steering import Steered

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Batches are counted by the least of these that is no smaller; larger ones by the last."""


@dataclass(slots=True)
class StudioFigures:
    """How the device does."""

    load: float = 0.0
    """Which part of its time it worked in the last second."""
    planned_load: float = 0.0
    """What it would be if all sessions talked and blinked at once."""
    qualities: Sequence[Quality] = ()
    """What the sessions are given; replaced, never changed."""
    steered: Steered = field(default_factory=Steered)
    batches: dict[int, int] = field(default_factory=lambda: dict.fromkeys(BATCH_SIZES, 0))
    """Batches drawn, by size, see `BATCH_SIZES`."""
    failures: dict[str, int] = field(default_factory=dict)
    """Sessions that the device could not go on with, by the error's code."""

    def count_batch(self, sessions: int) -> None:
        """So many windows were drawn together."""
        self.batches[next((size for size in BATCH_SIZES if sessions <= size), BATCH_SIZES[-1])] += 1

    def count_failure(self, code: str) -> None:
        """A session was given up."""
        self.failures[code] = self.failures.get(code, 0) + 1


class DeviceMetrics(Collector):
    """The figures as Prometheus reads them.

    Args:
        figures: asked at every reading.
    """

    def __init__(self, figures: Callable[[], StudioFigures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """All of them; see `Collector`."""
        found = self._figures()
        yield GaugeMetricFamily("visavis_device_load", "Part of its time that the device works, 0..1.", found.load)
        planned = "The same if all sessions talked and blinked at once."
        yield GaugeMetricFamily("visavis_device_planned_load", planned, found.planned_load)
        batches = CounterMetricFamily(
            "visavis_batches", "Batches drawn, by how many windows they hold at most.", labels=["windows"]
        )
        for size, count in found.batches.items():
            batches.add_metric([str(size)], count)
        yield batches
        given = GaugeMetricFamily(
            "visavis_sessions_quality",
            "Sessions by what they are given.",
            labels=["frames_per_step", "way", "fps"],
        )
        for quality, count in Counter(found.qualities).items():
            given.add_metric([str(quality.frames_per_step), quality.way, f"{quality.fps:.1f}"], count)
        yield given
        lowered = CounterMetricFamily(
            "visavis_sessions_lowered", "How often a session was given less, by what it gave up.", labels=["what"]
        )
        for what, count in found.steered.lowered.items():
            lowered.add_metric([what], count)
        yield lowered
        raised = "How often a session was given more."
        yield CounterMetricFamily("visavis_sessions_raised", raised, found.steered.raised)
        refused = "Sessions refused because all would have been late."
        yield CounterMetricFamily("visavis_sessions_refused", refused, found.steered.refused)
        failed = CounterMetricFamily("visavis_device_failures", "Sessions given up by the device.", labels=["code"])
        for code, count in tuple(found.failures.items()):
            failed.add_metric([code], count)
        yield failed
