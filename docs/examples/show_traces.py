"""Shows windows of a file of traces (`traces.file`) as text: python show_traces.py traces.jsonl [how many].

The slowest windows of live voice come last. Needs nothing but Python.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

Span = dict[str, Any]


def read_spans(path: Path) -> list[Span]:
    """Every span of the file."""
    requests = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    resources = [resource for request in requests for resource in request["resourceSpans"]]
    return [span for resource in resources for scope in resource["scopeSpans"] for span in scope["spans"]]


def begun_ms(span: Span) -> float:
    """When it began, in ms since 1970."""
    return int(span["startTimeUnixNano"]) / 1e6


def length_ms(span: Span) -> float:
    """How long it took."""
    return int(span["endTimeUnixNano"]) / 1e6 - begun_ms(span)


def figures(span: Span) -> dict[str, Any]:
    """What it tells, by name."""
    return {each["key"].removeprefix("visavis."): next(iter(each["value"].values())) for each in span["attributes"]}


def show(spans: list[Span], most: int) -> list[str]:
    """The slowest windows of live voice, a line for each span."""
    inside: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        inside[span.get("parentSpanId", "")].append(span)
    windows = [span for span in inside[""] if span["name"] == "window" and figures(span)["live_voice"]]
    lines: list[str] = []

    def add(span: Span, origin_ms: float, depth: int) -> None:
        told = {k: v for k, v in figures(span).items() if k != "session"} if span.get("attributes") else {}
        about = " ".join(f"{name}={value}" for name, value in told.items())
        name = "  " * depth + span["name"]
        lines.append(f"{name:<14}{begun_ms(span) - origin_ms:8.1f} ms + {length_ms(span):6.1f} ms  {about}".rstrip())
        for part in sorted(inside[span["spanId"]], key=begun_ms):
            add(part, origin_ms, depth + 1)

    for window in sorted(windows, key=length_ms)[-most:]:
        lines.append(f"session {figures(window)['session']}, trace {window['traceId']}")
        add(window, begun_ms(window), 0)
    return lines


if __name__ == "__main__":
    print("\n".join(show(read_spans(Path(sys.argv[1])), int(sys.argv[2]) if len(sys.argv) > 2 else 3)))
