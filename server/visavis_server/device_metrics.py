"""What Prometheus is told of the device: its load, its batches, and what sessions are given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from visavis_server.studio_figures import StudioFigures


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
