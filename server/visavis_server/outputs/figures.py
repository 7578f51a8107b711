"""What Prometheus is told of outputs: how many there are in which state, and what all of them did so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from visavis_server.outputs.desk import Outputs
from visavis_server.outputs.output import KINDS, Output

_STATES = ("connecting", "live", "reconnecting", "failed")
_TOTALS = {
    "seconds": ("visavis_output_seconds", "Media recorded or streamed, in seconds."),
    "sent_bytes": ("visavis_output_bytes", "Bytes recorded or streamed."),
    "pictures_dropped": ("visavis_output_pictures_dropped", "Pictures that an output missed: it was too slow."),
    "voice_dropped_s": ("visavis_output_voice_dropped_seconds", "Voice that an output missed: it was too slow."),
    "reconnects": ("visavis_output_reconnects", "Connections made again."),
}


class OutputFigures(Collector):
    """Counts when Prometheus asks.

    Args:
        outputs: all of them.
    """

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._finished: Counter[tuple[str, str]] = Counter()
        outputs.on_finished = self._add_finished

    def collect(self) -> Iterable[Metric]:
        """The figures as they are now."""
        now = Gauges()
        totals: Counter[tuple[str, str]] = Counter(self._finished)
        for booking in self._outputs.all():
            if booking.output is not None:
                now.count(booking.output)
                _add(totals, booking.output)
        yield now.metric()
        for name, (metric_name, about) in _TOTALS.items():
            family = CounterMetricFamily(metric_name, about, labels=["kind"])
            for kind in KINDS:
                family.add_metric([kind], totals[name, kind])
            yield family

    def _add_finished(self, output: Output) -> None:
        _add(self._finished, output)


class Gauges:
    """Outputs by kind and state."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, output: Output) -> None:
        """One more."""
        self._counts[output.kind, output.report().state] += 1

    def metric(self) -> GaugeMetricFamily:
        """For Prometheus."""
        family = GaugeMetricFamily("visavis_outputs", "Recordings and streams now.", labels=["kind", "state"])
        for kind in KINDS:
            for state in _STATES:
                family.add_metric([kind, state], self._counts[kind, state])
        return family


def _add(totals: Counter[tuple[str, str]], output: Output) -> None:
    report = output.report()
    for name in _TOTALS:
        totals[name, output.kind] += getattr(report, name)
