"""Traces leave a server: into a file, to an OTLP collector; a call's pictures are followed until they are sent."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from fakes import FakeLibrary, FakePeers
from rtc_loopback import call, until
from stage_fakes import LoudnessListener, PaintingRenderer, plain_avatar
from test_traces import Collected, speak, told
from visavis_models.errors import BadInput
from visavis_server.app import create_app
from visavis_server.settings import BadSetting, Settings
from visavis_server.settings_sources import load_settings
from visavis_server.studio import Studio, StudioSettings
from visavis_server.trace_settings import TraceSettings
from visavis_server.tracing.exporting import check_traces, traces_of
from visavis_server.tracing.traces import TakeTraceparent, Traces, incoming

pytestmark = pytest.mark.e2e

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "hush-hush"
SHOW = Path(__file__).resolve().parents[1] / "docs" / "examples" / "show_traces.py"


def studio() -> Studio:
    return Studio(PaintingRenderer(), LoudnessListener, StudioSettings(frames_per_step=2))


async def one_session(settings: Settings, traces: Traces | None, header: dict[str, str]) -> str:
    """Opens a session as a caller does, lets it speak for a moment and ends it; its id."""
    stage = studio()
    app = create_app(settings, stage, FakeLibrary(), FakePeers(), grace_s=0.0, traces=traces)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client,
    ):
        answer = await client.post("/v1/sessions", json={"avatar_id": "zoe"}, headers=header)
        id = str(answer.json()["id"])
        session = app.state.registry.get(id).session
        await speak(session, 25)
        await until(lambda: session.next_frame > 15, 20)
        assert (await client.delete(f"/v1/sessions/{id}")).status_code == 204
        if traces is not None:
            traces.close()
    return id


async def test_a_file_holds_what_collectors_read_and_the_callers_trace_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "traces.jsonl"
    settings = load_settings(flags={"traces.file": str(path), "traces.ratio": 1.0, "data_dir": tmp_path})
    with caplog.at_level("INFO"):
        id = await one_session(settings, traces_of(settings.traces, 3), {"traceparent": f"00-{TRACE}-{CALLER}-01"})
    text = path.read_text("utf-8")
    requests = [json.loads(line) for line in text.splitlines()]
    resources = [resource for request in requests for resource in request["resourceSpans"]]
    spans = [span for resource in resources for scope in resource["scopeSpans"] for span in scope["spans"]]
    assert {"session", "window", "gather", "listen", "draw", "mark", "deliver", "frame", "publish"} <= {
        span["name"] for span in spans
    }
    [session] = [span for span in spans if span["name"] == "session"]
    assert session["traceId"] == TRACE and session["parentSpanId"] == CALLER
    windows = [span for span in spans if span["name"] == "window"]
    assert {link["spanId"] for window in windows for link in window["links"]} == {session["spanId"]}
    assert all("parentSpanId" not in window and len(window["traceId"]) == 32 for window in windows)
    about = {item["key"]: item["value"] for item in resources[0]["resource"]["attributes"]}
    assert about["service.name"] == {"stringValue": "visavis"} and about["visavis.worker"] == {"intValue": "3"}
    command = [sys.executable, str(SHOW), str(path), "1"]
    ran = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    shown = str(ran.stdout)
    words = [line.split()[0] for line in shown.splitlines()]
    assert words[:8] == ["session", "window", "voice", "gather", "listen", "draw", "mark", "deliver"]
    assert "frame" in words and "latency_ms=" in shown
    assert id not in text and "zoe" not in text and str(tmp_path) not in text
    [line] = [record for record in caplog.records if record.getMessage() == "session traced"]
    assert vars(line)["session"] == id and vars(line)["trace"] == TRACE


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_the_header_is_known_while_a_request_is_answered_and_no_longer(kind: str) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(incoming.get())

    async def nothing(*_: Any) -> Any:
        return {}

    for headers in ([(b"traceparent", b"00-a-b-01")], [(b"traceparent", b"0" * 200)], [(b"tracestate", b"a=b")]):
        await TakeTraceparent(app)({"type": kind, "headers": headers}, nothing, nothing)
        assert incoming.get() == ""
    assert seen == ["00-a-b-01", "", ""]


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[dict[str, str], Any]]]]:
    """An OTLP/HTTP collector: its address, and what it was sent."""
    came: list[tuple[dict[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((dict(self.headers.items()), ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/traces", came
        finally:
            server.shutdown()
            serving.join()


async def test_a_collector_gets_them_with_the_operators_headers(tmp_path: Path) -> None:
    with collector() as (address, came):
        given = {"traces.endpoint": address, "traces.ratio": 1.0, "traces.headers": f"Authorization=Bearer%20{SECRET}"}
        settings = load_settings(flags={**given, "data_dir": tmp_path})
        assert SECRET not in repr(settings)
        await one_session(settings, traces_of(settings.traces), {})
    names = {
        span.name
        for _, request in came
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    assert {"session", "window", "draw", "frame"} <= names
    assert {headers["authorization"] for headers, _ in came} == {f"Bearer {SECRET}"}


async def test_a_picture_is_followed_until_a_browser_was_sent_it() -> None:
    collected, stage = Collected(), studio()
    async with call() as (peer, browser):
        session = await stage.open_session(plain_avatar(width=160, height=160))
        collected.traces.follow(session)
        session.add_sink(peer)
        await speak(session, 50)
        await until(lambda: len(browser.video) > 10, 30)
        session.remove_sink(peer)
        await session.aclose()
    await stage.aclose()
    sent = 0
    for frame in collected.spans("frame"):
        stages = collected.children(frame)
        names = [span.name for span in stages]
        assert names in ([], ["publish"], ["publish", "encode"], ["publish", "encode", "send"])
        if len(stages) == 3:
            publish, encode, send = stages
            assert publish.end_time <= encode.start_time and encode.end_time == send.start_time  # type: ignore[operator]
            assert told(encode, "to") == told(send, "to") == "call" and told(encode, "bytes") > 0
            sent += 1
    assert sent > 10


def test_without_the_packages_the_command_that_brings_them_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    check_traces(TraceSettings())
    assert traces_of(TraceSettings()) is None
    for settings in (TraceSettings(endpoint="http://127.0.0.1:4318/v1/traces"), TraceSettings(file=tmp_path / "t")):
        with pytest.raises(BadInput) as refused:
            check_traces(settings)
        assert refused.value.code == "traces_unavailable" and 'pip install "visavis[traces]"' in refused.value.remedy


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("traces.endpoint", {"endpoint": "127.0.0.1:4318"}),
        ("traces.endpoint", {"endpoint": "ftp://collector/v1/traces"}),
        ("traces.endpoint", {"endpoint": "http://collector:99999/v1/traces"}),
        ("traces.endpoint", {"endpoint": f"http://me:{SECRET}@collector/v1/traces"}),
        ("traces.endpoint", {"endpoint": f"http://collector/v1/traces?key={SECRET}"}),
        ("traces.headers", {"headers": f"authorization={SECRET}"}),
        ("traces.headers", {"endpoint": "http://collector/v1/traces", "headers": SECRET}),
        ("traces.file", {"file": "/no/such/folder/traces.jsonl"}),
        ("traces.ratio", {"ratio": 1.5}),
    ],
)
def test_settings_that_cannot_be_used_are_named_without_their_secrets(key: str, given: dict[str, Any]) -> None:
    with pytest.raises(BadSetting) as refused:
        load_settings(flags={f"traces.{name}": value for name, value in given.items()})
    assert refused.value.key == key and SECRET not in str(refused.value) + refused.value.remedy
