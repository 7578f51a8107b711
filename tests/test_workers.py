"""Several processes behind one address, one of them killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from portrait_photos import astronaut, encoded
from worker_servers import Workers, said, workers

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with workers(tmp_path_factory.mktemp("two"), "--capacity", "6") as it:
        yield it


def test_sessions_are_shared_out_and_found_again(two: Workers) -> None:
    ids = [two.open() for _ in range(4)]
    assert {id[:2] for id in ids} == {"1.", "2."}  # shared out by load, as it was last told
    listed = {session["id"] for session in two.http.get("/v1/sessions").json()["sessions"]}
    assert listed >= set(ids)
    assert two.health()["sessions"] == 4 and two.health()["capacity"] == 6
    for id in ids:
        with connect(two.signal_url(id)) as call:
            call.send('{"type": "ping", "id": 7}')
            assert said(call.recv(5))["type"] in ("pong", "state", "stats")
    for id in ids:
        two.http.delete(f"/v1/sessions/{id}")
    assert two.http.get(f"/v1/sessions/{ids[0]}").json()["error"]["code"] == "no_such_session"


def test_names_are_found_whichever_worker_has_them(two: Workers) -> None:
    shows = [f"evening-{k}" for k in range(4)]
    ids = {show: two.open(show=show) for show in shows}
    for show, id in ids.items():
        assert two.http.get(f"/v1/watch/{show}").status_code == 200, show
        taken = two.http.post("/v1/sessions", json={"avatar_id": "astronaut", "show": show})
        assert taken.json()["error"]["code"] == "name_taken"
        two.http.delete(f"/v1/sessions/{id}")
    assert two.http.get("/v1/watch/nothing-here").status_code == 404


def test_the_page_photos_and_figures_come_through(two: Workers) -> None:
    assert "<!doctype html" in two.http.get("/").text[:100].lower()
    assert two.http.get("/v1/avatars/astronaut/image").content[:2] == b"\xff\xd8"
    assert two.http.get("/nothing").json()["error"]["code"] == "not_found"
    figures = two.http.get("/metrics").text
    assert 'visavis_sessions_capacity{worker="2"} 3.0' in figures and "visavis_workers 2" in figures
    large = two.http.post(
        "/v1/avatars", files={"photo": ("a.jpg", os.urandom(400_000))}, data={"name": "Noise", "consent": "true"}
    )
    assert large.status_code == 422, large.text


def test_workers_know_who_really_asks(two: Workers) -> None:
    spoofed = {"x-visavis-client": "127.0.0.1 1 https", "Origin": "https://evil.example"}
    answer = httpx.post(f"{two.url}/v1/sessions", json={"avatar_id": "astronaut"}, headers=spoofed)
    assert answer.json()["error"]["code"] == "origin_refused"
    assert httpx.get(f"{two.url}/healthz", headers={"Host": "evil.example"}).status_code == 421
    with pytest.raises(InvalidStatus) as refused:
        connect(two.signal_url("1.x"), additional_headers={"Origin": "https://evil.example"})
    assert refused.value.response.status_code == 403
    with connect(two.signal_url("1.nobody")) as call:
        message = said(call.recv(5))
        assert message["error"]["code"] == "no_such_session"  # type: ignore[index]
        with pytest.raises(ConnectionClosed) as closed:
            call.recv(5)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4404


def test_a_killed_workers_sessions_go_on_elsewhere_and_it_comes_back(tmp_path: Path) -> None:
    with workers(tmp_path, "--capacity", "8") as it:
        photo = it.http.post(
            "/v1/avatars", files={"photo": ("a.jpg", encoded(astronaut()))}, data={"name": "Mine", "consent": "true"}
        )
        mine = photo.json()["id"]
        ids = {id[:2]: id for id in (it.open(mine), it.open(mine))}
        lost, other = ids["1."], ids["2."]
        with connect(it.signal_url(lost)) as call, connect(it.signal_url(other)) as undisturbed:
            os.kill(it.pid_of(lost), signal.SIGKILL)
            begun_s = time.monotonic()
            messages = []
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    messages.append(said(call.recv(10)))
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012
            assert messages[-1] == {"type": "bye", "reason": "failed"}
            assert messages[-2]["error"]["code"] == "worker_lost"  # type: ignore[index]
            again = it.open(mine)
            assert again.startswith("2."), "the other one is there"
            with connect(it.signal_url(again)) as new:
                new.send('{"type": "ping", "id": 1}')
                assert said(new.recv(5))
            took_s = time.monotonic() - begun_s
            assert took_s < 3.0
            undisturbed.send('{"type": "ping", "id": 9}')
            while (message := said(undisturbed.recv(5)))["type"] != "pong":
                assert message["type"] in ("state", "stats")
            assert it.http.get(f"/v1/sessions/{other}").status_code == 200
            assert it.http.get(f"/v1/sessions/{lost}").status_code in (404, 503)
        it.until_workers(2)
        assert it.http.get(f"/v1/sessions/{lost}").json()["error"]["code"] == "no_such_session"
        restarts = [line for line in it.http.get("/metrics").text.splitlines() if "worker_restarts_total{" in line]
        assert restarts == [
            'visavis_worker_restarts_total{worker="1"} 1',
            'visavis_worker_restarts_total{worker="2"} 0',
        ]
        assert "1." in {it.open(mine)[:2] for _ in range(2)}, "it is sent sessions again"


def test_an_avatar_that_is_removed_is_gone_everywhere_at_once(tmp_path: Path) -> None:
    with workers(tmp_path, "--capacity", "8") as it:
        form, mirrored = {"name": "Mine", "consent": "true"}, encoded(astronaut()[:, ::-1])
        mine = it.http.post("/v1/avatars", files={"photo": ("a.jpg", mirrored)}, data=form).json()
        assert not mine["builtin"]
        ids = [it.open(mine["id"]) for _ in range(2)]
        assert {id[:2] for id in ids} == {"1.", "2."}
        with connect(it.signal_url(ids[0])) as one, connect(it.signal_url(ids[1])) as other:
            assert it.http.delete(f"/v1/avatars/{mine['id']}").status_code == 204
            assert [it.http.get(f"/v1/sessions/{id}").status_code for id in ids] == [404, 404]
            for call in (one, other):
                assert [said(message) for message in call][-1] == {"type": "bye", "reason": "deleted"}
        refused = it.http.post("/v1/sessions", json={"avatar_id": mine["id"]})
        assert refused.json()["error"]["code"] == "no_such_avatar"


def test_all_of_it_ends_in_order_and_nobody_is_left(tmp_path: Path) -> None:
    with workers(tmp_path) as it:
        pids = it.pids()
        with connect(it.signal_url(it.open())) as call:
            it.process.send_signal(signal.SIGINT)
            messages = [said(message) for message in call]
        assert messages[-1] == {"type": "bye", "reason": "shutdown"}
        assert it.process.wait(15) == 0
        assert "visavis has stopped." in it.process.stdout.read() if it.process.stdout else False
    assert not any(psutil.pid_exists(pid) for pid in pids)
    log = (tmp_path / "log.txt").read_text()
    assert "Traceback" not in log and "worker 1: session ended" in log


def test_present_sessions_may_run_out(tmp_path: Path) -> None:
    with workers(tmp_path, "--capacity", "4") as it:
        id = it.open()
        with connect(it.signal_url(id)) as call:
            assert it.http.get("/readyz").json() == {"status": "ready", "sessions": 1}
            it.process.send_signal(signal.SIGTERM)
            deadline_s = time.monotonic() + 10
            while it.http.get("/readyz").status_code != 503:
                assert time.monotonic() < deadline_s
                time.sleep(0.05)
            refused = it.http.post("/v1/sessions", json={"avatar_id": "astronaut"})
            assert refused.status_code == 503
            call.send('{"type": "ping", "id": 3}')
            while said(call.recv(5))["type"] != "pong":
                pass
            assert it.process.poll() is None
        assert it.process.wait(20) == 0


def test_workers_do_not_outlive_a_killed_front(tmp_path: Path) -> None:
    with workers(tmp_path) as it:
        pids = it.pids()
        assert len(pids) == 2
        it.process.kill()
        deadline_s = time.monotonic() + 15
        while any(psutil.pid_exists(pid) for pid in pids):
            assert time.monotonic() < deadline_s, "they are still there"
            time.sleep(0.1)
