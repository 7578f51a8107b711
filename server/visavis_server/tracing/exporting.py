"""Where traces go: to an OTLP/HTTP collector, into a file, or both. The one place that needs OpenTelemetry's SDK.

The provider is ours alone and not OpenTelemetry's global one: no library's spans, which name addresses, go with ours.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from visavis_models.errors import BadInput
from visavis_server import __version__
from visavis_server.trace_settings import TraceSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

    from visavis_server.tracing.traces import Traces

EXPORT_S = 5.0
QUEUED_SPANS = 4096
"""More wait no longer for a collector that is away: the newest are lost."""
_IDS = ("traceId", "spanId", "parentSpanId")


def check_traces(settings: TraceSettings) -> None:
    """Make sure that traces can be made, before anything slow begins.

    Raises:
        BadInput: `traces_unavailable`.
    """
    if not settings.on:
        return
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError as error:
        raise BadInput(
            "traces_unavailable",
            "Traces need OpenTelemetry's SDK and OTLP exporter, which are not installed.",
            'Install them: pip install "visavis[traces]". Or leave traces.endpoint and traces.file away.',
        ) from error


def traces_of(settings: TraceSettings, worker: int = 0) -> Traces | None:
    """What traces by these settings; None: nothing is to be traced.

    Args:
        settings: the operator's choices.
        worker: number of this process, where several share a server.

    Raises:
        BadInput: `traces_unavailable`.
    """
    if not settings.on:
        return None
    check_traces(settings)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased

    from visavis_server.tracing.traces import Traces

    resource = Resource.create({"service.name": "visavis", "service.version": __version__, "visavis.worker": worker})
    provider = TracerProvider(ParentBased(ALWAYS_ON), resource, shutdown_on_exit=False)
    exporters: list[SpanExporter] = []
    if settings.endpoint:
        headers = _headers(settings.headers)
        exporters.append(OTLPSpanExporter(settings.endpoint, headers=headers, timeout=EXPORT_S))
    if settings.file is not None:
        exporters.append(file_exporter(settings.file))
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter, QUEUED_SPANS, schedule_delay_millis=2000))
    return Traces(provider, settings.ratio)


def file_exporter(path: Path) -> SpanExporter:
    """Adds spans to a file as collectors write them: OTLP in JSON, one request a line; `-` is standard error."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    lock = threading.Lock()

    class FileExporter(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            line = json.dumps(otlp_json(spans), separators=(",", ":")) + "\n"
            try:
                with lock:
                    if str(path) == "-":
                        sys.stderr.write(line)
                    else:
                        with path.open("ab", buffering=0) as file:  # one write: several workers share the file
                            file.write(line.encode())
            except OSError:  # a full disk: traces are lost, and nothing else
                return SpanExportResult.FAILURE
            return SpanExportResult.SUCCESS

    return FileExporter()


def otlp_json(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """One OTLP request as its JSON has it: Protobuf's, but with ids in hexadecimal digits."""
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    request: dict[str, Any] = MessageToDict(encode_spans(spans))
    for resource in request.get("resourceSpans", ()):
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for each in (span, *span.get("links", ())):
                    each.update({key: base64.b64decode(each[key]).hex() for key in _IDS if key in each})
    return request


def _headers(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split(",") if pair.strip())
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}
