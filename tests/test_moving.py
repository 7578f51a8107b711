"""A worker is killed: viewers, microphones and agents are told, and land at another one; limits hold at all of them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from agent_speech import pcm, speech
from test_access import Keys
from visavis_server.agent_client import AgentError, AgentSession
from whip_clients import LOUD, Client
from worker_servers import Workers, workers

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
LIMIT_S = 30
"""For whatever happens at once on a machine that has nothing else to do."""


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Workers]:
    with workers(tmp_path, "--capacity", "8") as it:
        yield it


def kill(it: Workers, session: str) -> None:
    os.kill(it.pid_of(session), signal.SIGKILL)


async def to_the_end(socket: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """What is said until the WebSocket is closed, and its close code."""
    said: list[dict[str, Any]] = []
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            said.append(json.loads(await asyncio.wait_for(socket.recv(), LIMIT_S)))
    assert closed.value.rcvd is not None
    return said, closed.value.rcvd.code


async def test_viewers_of_a_show_are_told_at_once_and_find_it_where_it_goes_on(two: Workers) -> None:
    lost = two.open(show="stage")
    events = two.url.replace("http", "ws") + "/v1/watch/stage/events"
    async with httpx.AsyncClient(base_url=two.url, timeout=LIMIT_S) as http, connect(events) as onlooker:
        assert json.loads(await onlooker.recv())["type"] == "state"
        viewer = Client.viewer(http)
        assert (await viewer.start("/whep/stage")).status_code == 201
        kill(two, lost)
        said, code = await to_the_end(onlooker)
        assert said[-2]["error"]["code"] == "worker_lost" and said[-1] == {"type": "bye", "reason": "failed"}
        assert code == 1012
        again = two.open(show="stage")
        assert again[:2] != lost[:2]
        async with connect(events) as found:
            assert json.loads(await found.recv())["type"] == "state", "whichever worker has it now"
        other = Client.viewer(http)
        assert (await other.start("/whep/stage")).status_code == 201
        assert (await http.delete(viewer.address)).status_code in (404, 503)
        await other.leave()
        for one in (viewer, other):
            await one.close()
        assert (await http.get("/v1/watch/stage")).json()["avatar_id"] == "astronaut"
        await http.delete(f"/v1/sessions/{again}")


async def test_a_microphone_comes_back_by_the_same_address(two: Workers) -> None:
    async with httpx.AsyncClient(base_url=two.url, timeout=LIMIT_S) as http:
        microphone = Client.microphone(http, LOUD)
        assert (await microphone.start("/whip/astronaut?show=stage")).status_code == 201
        lost = microphone.address.split("/")[2]
        events = two.url.replace("http", "ws") + f"/v1/watch/{lost}/events"
        async with connect(events) as onlooker:
            kill(two, lost)
            said, _ = await to_the_end(onlooker)
            assert said[-2]["error"]["code"] == "worker_lost"
        gone = await http.delete(microphone.address)
        assert gone.status_code in (404, 503)
        again = Client.microphone(http, LOUD)
        assert (await again.start("/whip/astronaut?show=stage")).status_code == 201
        assert again.address.split("/")[2][:2] != lost[:2]
        assert (await http.get("/v1/watch/stage")).json()["voiced"]
        await again.leave()
        for one in (microphone, again):
            await one.close()


async def test_an_agent_learns_why_and_its_next_session_speaks(two: Workers) -> None:
    said = pcm(speech(16000)[:24000])
    async with AgentSession(two.url, avatar="astronaut") as agent:
        lost = agent.id
        utterance = await agent.send(said, 16000)
        await utterance.started()
        kill(two, lost)
        with pytest.raises(AgentError) as told:
            await asyncio.wait_for(utterance.done(), LIMIT_S)
        assert told.value.code == "worker_lost"
        with pytest.raises(AgentError):
            await agent.keep_alive()
    async with AgentSession(two.url, avatar="astronaut") as agent:
        assert agent.id[:2] != lost[:2]
        assert (await asyncio.wait_for(agent.speak(said, 16000), LIMIT_S)).seconds > 1.0


async def test_the_others_have_its_avatar_ready(two: Workers, tmp_path: Path) -> None:
    ids = {who: two.open(who)[:1] for who in ("elena", "amara")}
    assert set(ids.values()) == {"1", "2"}
    async with asyncio.timeout(LIMIT_S):
        while not all(ready(log := (tmp_path / "log.txt").read_text(), who) for who in ids):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    for who, mine in ids.items():
        assert [f"worker {mine}" in line for line in ready(log, who)] == [False], "the other one, once"


def ready(log: str, who: str) -> list[str]:
    return [line for line in log.splitlines() if "avatar is ready" in line and who in line]


async def test_the_limits_of_a_key_hold_at_all_workers_together(tmp_path: Path) -> None:
    few = Keys(tmp_path / "data").make("call", max_sessions=3)
    with workers(tmp_path, "--capacity", "8", "--access", "required") as it:
        made = [it.http.post("/v1/sessions", json={"avatar_id": "astronaut"}, headers=few) for _ in range(4)]
        assert [answer.status_code for answer in made] == [201] * 3 + [429]
        assert made[3].json()["error"]["code"] == "too_many_sessions"
        ids = [answer.json()["id"] for answer in made[:3]]
        assert {id[:2] for id in ids} == {"1.", "2."}
        kill(it, ids[0])
        lost = [id for id in ids if id[:2] == ids[0][:2]]
        deadline_s = time.monotonic() + LIMIT_S
        opened: list[str] = []
        while len(opened) < len(lost):
            answer = it.http.post("/v1/sessions", json={"avatar_id": "astronaut"}, headers=few)
            if answer.status_code == 201:
                opened.append(answer.json()["id"])
            assert time.monotonic() < deadline_s, "what the killed one held is free"
        refused = it.http.post("/v1/sessions", json={"avatar_id": "astronaut"}, headers=few)
        assert refused.json()["error"]["code"] == "too_many_sessions"
        for id in (*ids, *opened):
            it.http.delete(f"/v1/sessions/{id}", headers=few)
