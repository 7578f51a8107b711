"""REST for outputs over a real server: what is allowed to whom, and what is left when it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from output_measures import ticking, until_true, watch
from rtmp_fakes import fake_rtmp
from running_server import client_of, house
from visavis_server.outputs.desk import automatic_outputs, recording_name, with_streams
from visavis_server.outputs.program import Program
from visavis_server.outputs.recording import Recording
from visavis_server.settings import BadSetting
from visavis_server.settings_sources import load_settings
from whip_clients import Client, Venue, venue
from whip_server import whip_server

pytestmark = pytest.mark.e2e

LOCAL = ["127.0.0.1/32"]
ANYWHERE = ["0.0.0.0/0", "::/0"]


async def outputs(it: Venue, id: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = (await it.http.get(f"/v1/sessions/{id}/outputs")).json()["outputs"]
    return found


async def wait_for(it: Venue, id: str, state: str, seconds: float = 0.0) -> dict[str, object]:
    """The first output, once it is in this state and has sent so much."""
    async with asyncio.timeout(30):
        while True:
            found = await outputs(it, id)
            if found and found[0]["state"] == state and float(str(found[0]["seconds"])) >= seconds:
                return found[0]
            await asyncio.sleep(0.05)


def under_way(output: dict[str, object]) -> bool:
    return output["state"] == "live" and float(str(output["seconds"])) > 2


async def nothing_left(it: Venue) -> None:
    """No session, no program, no broadcast, no task."""
    desk = it.app.state.outputs
    await until_true(lambda: it.registry.active == 0 and not desk.all(), "everything ended")
    await desk.aclose()
    await it.transmissions.aclose()
    assert desk._programs == {} and desk._bookings == {}
    assert it.transmissions._broadcasts == {} and it.transmissions._borrowed == {}
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert not [name for name in names if name.startswith(("program", "rtmp", "whip", "recording", "broadcast"))]


async def test_a_session_is_recorded_and_streamed_both_ways_at_once(tmp_path: Path) -> None:
    async with (
        venue(outputs__record_dir=tmp_path, outputs__min_free_mb=0, outputs__private_networks=ANYWHERE) as it,
        fake_rtmp("reads") as rtmp,
        whip_server() as whip,
    ):
        session = await it.session()
        at = f"/v1/sessions/{session['id']}/outputs"
        wishes = [
            {"record": True},
            {"url": f"rtmp://127.0.0.1:{rtmp.port}/live", "key": "hush-key"},
            {"url": whip.url("/whip/hush-path"), "token": "hush-token"},
        ]
        made = [(await it.http.post(at, json=wish)) for wish in wishes]
        assert [answer.status_code for answer in made] == [201, 201, 201]
        async with asyncio.timeout(30):
            while not all(map(under_way, await outputs(it, session["id"]))):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        listed = await it.http.get(at)
        assert "hush" not in listed.text + made[1].text + made[2].text
        kinds = {output["kind"]: output["to"] for output in listed.json()["outputs"]}
        assert kinds["rtmp"] == f"rtmp://127.0.0.1:{rtmp.port}/…" and kinds["whip"] == f"http://127.0.0.1:{whip.port}/…"
        assert (tmp_path / str(kinds["recording"])).is_file()
        for kind in ("recording", "rtmp", "whip"):
            assert await it.metric(f'visavis_outputs{{kind="{kind}",state="live"}}') == 1
            assert await it.metric(f'visavis_output_seconds_total{{kind="{kind}"}}') > 1
        one = await it.http.get(f"{at}/{made[0].json()['id']}")
        assert one.json()["kind"] == "recording"
        stopped = await it.http.delete(f"{at}/{made[0].json()['id']}")
        assert (stopped.status_code, stopped.json()["state"]) == (200, "ended")
        assert (await it.http.delete(f"{at}/{made[0].json()['id']}")).json()["error"]["code"] == "no_such_output"
        assert abs(watch(tmp_path / str(kinds["recording"])).times_s[-1] - stopped.json()["seconds"]) < 0.3
        assert (await it.http.delete(f"/v1/sessions/{session['id']}")).status_code == 204
        await nothing_left(it)
        assert whip.deleted == ["/resource/1"]
        await until_true(lambda: rtmp.open_now == 0, "the RTMP connection is closed")
        assert await it.metric('visavis_outputs{kind="whip",state="live"}') == 0
        assert await it.metric('visavis_output_seconds_total{kind="whip"}') > 1


@pytest.mark.parametrize(
    "url",
    [
        "rtmp://127.0.0.1/live/k",
        "rtmp://localhost/live/k",
        "rtmp://10.1.2.3/live/k",
        "rtmp://[::1]/live/k",
        "rtmp://[::ffff:127.0.0.1]/live/k",
        "rtmp://[64:ff9b::7f00:1]/live/k",
        "rtmp://[2002:7f00:1::]/live/k",
        "rtmp://[fe80::1]/live/k",
        "rtmp://2130706433/live/k",
        "rtmp://0/live/k",
        "rtmp://224.0.0.1/live/k",
        "http://169.254.169.254/latest/meta-data",
        "https://192.168.0.1/whip",
        "http://100.64.0.1/whip",
        "http://0.0.0.0/whip",
    ],
)
async def test_a_stranger_may_not_stream_to_private_addresses(url: str) -> None:
    async with client_of(house()) as client:
        session = (await client.post("/v1/sessions", json={"avatar_id": "astronaut"})).json()
        at = f"/v1/sessions/{session['id']}/outputs"
        refused = await client.post(at, json={"url": url})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "address_refused")
        assert (await client.get(at)).json() == {"outputs": []}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "bad_output"),
        ({"record": True, "url": "rtmp://h/a/k"}, 400, "bad_output"),
        ({"target": "x", "key": "k"}, 400, "bad_output"),
        ({"record": True}, 400, "not_recording"),
        ({"target": "nobody"}, 404, "no_such_target"),
        ({"url": "rtmp://h"}, 400, "bad_url"),
        ({"url": "ftp://h/a/hush"}, 400, "bad_url"),
        ({"url": "file:///etc/hush"}, 400, "bad_url"),
        ({"url": "rtmp://user:hush@h/a/k"}, 400, "bad_url"),
        ({"url": "rtmp://h:99999/a/hush"}, 400, "bad_url"),
        ({"url": "rtmp://h/a b/hush"}, 400, "bad_url"),
        ({"url": "rtmp://h/a/k\r\nhush"}, 400, "bad_url"),
        ({"url": "rtmp://h/a/k", "token": "hush"}, 400, "bad_url"),
        ({"url": "https://h/a", "key": "hush"}, 400, "bad_url"),
        ({"url": "rtmp://h/a/" + "hush" * 1000}, 422, "invalid_request"),
        ({"url": 7}, 422, "invalid_request"),
        ({"url": ["hush"]}, 422, "invalid_request"),
        ({"urls": "hush"}, 422, "invalid_request"),
    ],
)
async def test_wishes_that_cannot_be_met(
    body: dict[str, object], status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with client_of(house()) as client:
        session = (await client.post("/v1/sessions", json={"avatar_id": "astronaut"})).json()
        refused = await client.post(f"/v1/sessions/{session['id']}/outputs", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code), refused.text
        assert "hush" not in refused.text + caplog.text


async def test_without_a_token_only_this_machine_and_with_one_only_who_knows_it() -> None:
    for token in ("", "sesame"):
        home = house(outputs__token=token, access__mode="open")
        async with client_of(home) as near:
            session = (await near.post("/v1/sessions", json={"avatar_id": "astronaut"})).json()
            at = f"/v1/sessions/{session['id']}/outputs"
            far = httpx.ASGITransport(home.app, client=("203.0.113.9", 4000))
            async with httpx.AsyncClient(transport=far, base_url="http://localhost:8765") as client:
                expected = (401, "unauthorized") if token else (403, "local_only")
                for answer in (
                    await client.post(at, json={"record": True}),
                    await client.get(at),
                    await client.get(f"{at}/x"),
                    await client.delete(f"{at}/x"),
                ):
                    assert (answer.status_code, answer.json()["error"]["code"]) == expected
                if token:
                    known = {"Authorization": "Bearer sesame"}
                    assert (await client.get(at, headers=known)).status_code == 200
                    assert (await near.get(at)).status_code == 401


async def test_the_operators_target_may_be_anywhere_has_one_stream_and_its_key_stays_here() -> None:
    async with fake_rtmp("reads") as rtmp:
        target = {"name": "studio", "url": f"rtmp://127.0.0.1:{rtmp.port}/live", "key": "hush-key"}
        async with venue(outputs__targets=[target]) as it:
            first, second = await it.session(), await it.session()
            at = f"/v1/sessions/{first['id']}/outputs"
            made = await it.http.post(at, json={"target": "studio"})
            assert made.status_code == 201 and made.json()["to"] == "studio" and "hush" not in made.text
            await wait_for(it, first["id"], "live", 0.5)
            busy = await it.http.post(f"/v1/sessions/{second['id']}/outputs", json={"target": "studio"})
            assert (busy.status_code, busy.json()["error"]["code"]) == (503, "target_in_use")
            await it.http.delete(f"{at}/{made.json()['id']}")
            again = await it.http.post(f"/v1/sessions/{second['id']}/outputs", json={"target": "studio"})
            assert again.status_code == 201
        assert rtmp.commands[4][3] == "hush-key"


async def test_what_goes_by_itself_begins_with_the_first_who_joins(tmp_path: Path) -> None:
    async with fake_rtmp("reads") as rtmp:
        target = {"name": "studio", "url": f"rtmp://127.0.0.1:{rtmp.port}/live/k", "automatic": True}
        flags: dict[str, Any] = {"outputs__record_dir": tmp_path, "outputs__record_all": True}
        async with venue(
            outputs__targets=[target], outputs__min_free_mb=0, sessions__join_timeout_s=5.0, **flags
        ) as it:
            first, second = await it.session(), await it.session()
            assert await outputs(it, first["id"]) == [] and rtmp.connections == 0
            viewer = Client.viewer(it.http)
            await viewer.start(first["whep_url"])
            other = Client.viewer(it.http)
            await other.start(second["whep_url"])
            assert [o["kind"] for o in await outputs(it, first["id"])] == ["recording", "rtmp"]
            assert [o["kind"] for o in await outputs(it, second["id"])] == ["recording"]
            await wait_for(it, first["id"], "live", 1.0)
            await viewer.leave()
            await other.leave()
            await until_true(lambda: it.registry.active == 1, "a recording keeps no session alive, a stream does")
            assert [call.id for call in it.registry.calls()] == [first["id"]]
            for output in await outputs(it, first["id"]):
                await it.http.delete(f"/v1/sessions/{first['id']}/outputs/{output['id']}")
            await nothing_left(it)
            await viewer.close()
            await other.close()
        assert len(os.listdir(tmp_path)) == 2


async def test_a_failed_stream_is_seen_holds_nothing_and_goes_with_its_session() -> None:
    async with fake_rtmp("rejects") as rtmp:
        async with venue(outputs__private_networks=LOCAL, outputs__max_per_session=1) as it:
            session = await it.session()
            at = f"/v1/sessions/{session['id']}/outputs"
            await it.http.post(at, json={"url": f"rtmp://127.0.0.1:{rtmp.port}/live/hush-key"})
            full = await it.http.post(at, json={"url": f"rtmp://127.0.0.1:{rtmp.port}/live/hush-key"})
            assert (full.status_code, full.json()["error"]["code"]) == (503, "outputs_full")
            failed = await wait_for(it, session["id"], "failed")
            error = failed["error"]
            assert isinstance(error, dict) and error["code"] == "stream_rejected" and error["remedy"]
            assert it.app.state.outputs._programs == {} and "hush" not in str(failed)
            assert await it.metric('visavis_outputs{kind="rtmp",state="failed"}') == 1
            await it.http.delete(f"/v1/sessions/{session['id']}")
            await nothing_left(it)


async def test_outputs_that_come_and_go_leave_nothing(tmp_path: Path) -> None:
    """Descriptors, threads and tasks after six rounds are those after two."""
    process, figures = psutil.Process(), []
    flags: dict[str, Any] = {"outputs__private_networks": ANYWHERE, "outputs__min_free_mb": 0}
    async with (
        venue(None, outputs__record_dir=tmp_path, **flags) as it,
        fake_rtmp("reads") as rtmp,
        fake_rtmp("rejects") as rude,
        whip_server() as whip,
    ):
        session = await it.session()
        at = f"/v1/sessions/{session['id']}/outputs"
        keeper = Client.viewer(it.http)
        await keeper.start(session["whep_url"])
        for _ in range(6):
            wishes = [{"record": True}, {"url": f"rtmp://127.0.0.1:{rtmp.port}/live/k"}, {"url": whip.url()}]
            made = [await it.http.post(at, json=wish) for wish in wishes]
            rejected = await it.http.post(at, json={"url": f"rtmp://127.0.0.1:{rude.port}/live/k"})
            await asyncio.sleep(0.6)
            for answer in (*made, rejected):
                assert (await it.http.delete(f"{at}/{answer.json()['id']}")).status_code == 200
            await until_true(lambda: rtmp.open_now == rude.open_now == 0, "connections are closed")
            for browser in whip.publishers:
                await browser.close()
            await it.app.state.outputs.aclose()
            await asyncio.sleep(0.3)
            threads = sum(thread.name.startswith("visavis-") for thread in threading.enumerate())
            figures.append((process.num_fds(), threads, len(asyncio.all_tasks())))
        await keeper.close()
    first, last = figures[1], figures[-1]
    assert all(b <= a + 2 for a, b in zip(first, last, strict=True)), figures


async def test_a_pause_of_the_event_loop_keeps_the_recording_in_sync(tmp_path: Path) -> None:
    program = Program(320, 320, 2500)
    async with ticking() as ticker:
        ticker.sinks.append(program)
        recorded = Recording(program, tmp_path / "a.mp4", 0, lambda: None)
        await until_true(lambda: recorded.report().seconds >= 2, "2 s")
        time.sleep(1.0)  # noqa: ASYNC251 - this is the pause
        before_s = recorded.report().seconds
        await until_true(lambda: recorded.report().seconds >= before_s + 4, "4 s more")
        await recorded.close()
        await program.close()
    seen = watch(tmp_path / "a.mp4")
    assert len(seen.offsets_ms) >= 5 and all(abs(offset) < 15 for offset in seen.offsets_ms), seen.offsets_ms
    assert recorded.report().voice_dropped_s == 0


def test_the_command_line_adds_streams_and_a_folder(tmp_path: Path) -> None:
    settings = load_settings(flags={"outputs.targets": [{"name": "own", "url": "rtmp://h/a/k"}]})
    made = with_streams(settings, ["rtmp://127.0.0.1/a/hush", "https://h/whip"], tmp_path / "new" / "folder")
    assert [target.name for target in made.outputs.targets] == ["own", "stream", "stream-2"]
    assert made.outputs.record_all and made.outputs.record_dir == tmp_path / "new" / "folder"
    assert (tmp_path / "new" / "folder").is_dir() and "hush" not in repr(made)
    assert automatic_outputs(made.outputs) == [
        f"Every session is recorded into {tmp_path / 'new' / 'folder'}.",
        "The first session is streamed to rtmp://127.0.0.1/…",
        "The first session is streamed to https://h/…",
    ]
    with pytest.raises(BadSetting) as refused:
        with_streams(settings, ["http//hush"], None)
    assert "hush" not in str(refused.value)


def test_recordings_sort_by_time_and_have_plain_names() -> None:
    name = recording_name("../Ä b", 0.0)
    assert name.startswith("19700101-000000----") and name.endswith(".mp4") and "/" not in name
    assert recording_name("a", 0.0) != recording_name("a", 0.0)


def test_a_stream_that_cannot_be_stops_the_start_and_shows_no_key(tmp_path: Path) -> None:
    tests = Path(__file__).parent
    command = [sys.executable, str(tests / "cli_with_painted_pictures.py"), "serve", "--port", "0"]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *sys.path])}
    for url in ("ftp://h/a/hush", "rtmp://h", "rtmp://user:hush@h/a/k"):
        run = [*command, "--data-dir", str(tmp_path), "--stream", url]
        done = subprocess.run(run, env=environ, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 2 and "error: outputs.targets" in done.stderr and "Write rtmp" in done.stderr
        assert "hush" not in done.stdout + done.stderr and "Traceback" not in done.stderr
