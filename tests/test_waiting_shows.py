"""Shows that wait for a voice: a session with a name that a microphone or an agent joins, and leaves idle again."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from cutout_fakes import CutoutRenderer
from rtc_loopback import until
from visavis_server.agent_client import AgentError, AgentSession
from whip_clients import LOUD, Client, Venue, venue

pytestmark = pytest.mark.e2e


async def test_a_microphone_joins_the_show_that_waits_for_it_and_leaves_it_idle() -> None:
    async with venue() as it:
        made = await it.http.post("/v1/sessions", json={"avatar_id": "astronaut", "show": "stage"})
        assert made.status_code == 201
        viewer = Client.viewer(it.http)
        assert (await viewer.start("/whep/stage")).status_code == 201
        watched = (await it.http.get("/v1/watch/stage")).json()
        assert watched["voiced"] is False and watched["speech_to_lips_ms"]["p50"] is None
        microphone = Client.microphone(it.http, LOUD)
        assert (await microphone.start("/whip/astronaut?show=stage")).status_code == 201
        assert it.registry.active == 1, "it is heard in the session that was there"
        await until(lambda: it.studio.sessions[0].state == "speaking", 15)
        watched = (await it.http.get("/v1/watch/stage")).json()
        assert watched["voiced"] is True and watched["speech_to_lips_ms"]["p50"] > 0
        second = Client.microphone(it.http)
        assert (await second.start("/whip/astronaut?show=stage")).status_code == 409
        await microphone.leave()
        await until(lambda: not it.registry.calls()[0].voiced, 5)
        assert (await it.http.get("/v1/watch/stage")).status_code == 200, "the show goes on without a voice"
        again = Client.microphone(it.http, LOUD)
        assert (await again.start("/whip/astronaut?show=stage")).status_code == 201
        taken = await it.http.post("/v1/sessions", json={"avatar_id": "astronaut", "show": "stage"})
        assert taken.status_code == 409 and taken.json()["error"]["code"] == "name_taken"
        await it.http.delete(f"/v1/sessions/{made.json()['id']}")
        assert (await it.http.get("/v1/watch/stage")).status_code == 404, "its name is free again"
        for client in (viewer, microphone, second, again):
            await client.close()


async def opened(it: Venue, show: str, **headers: str) -> str:
    """The id of a session that waits for a voice."""
    made = await it.http.post("/v1/sessions", json={"avatar_id": "astronaut", "show": show}, headers=headers)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def test_an_agent_joins_the_show_that_waits_for_it_and_names_one_of_its_own() -> None:
    async with venue() as it:
        id = await opened(it, "stage")
        url, speech = f"ws://127.0.0.1:{it.port}", LOUD[: 48_000 // 2].astype("<i2").tobytes()
        async with AgentSession(url, avatar="astronaut", show="stage") as agent:
            assert agent.ready["session"] == id and it.registry.active == 1
            spoken = await asyncio.wait_for(agent.speak(speech, 48_000), 20)
            assert spoken.seconds == pytest.approx(0.5, abs=0.05)
        await until(lambda: not it.registry.get(id).voiced, 5)
        async with AgentSession(url, avatar="astronaut", show="other") as agent:
            assert agent.ready["session"] != id and it.registry.active == 2
            assert (await it.http.get("/v1/watch/other")).json()["voiced"] is True
            with pytest.raises(AgentError, match="show named other"):
                async with AgentSession(url, avatar="astronaut", show="other"):
                    raise AssertionError("it speaks for itself alone")
        await until(lambda: it.registry.active == 1, 5)
        assert (await it.http.get("/v1/watch/other")).status_code == 404
        assert it.transmissions.names.named("stage") is not None


async def test_a_show_is_guarded_at_every_door() -> None:
    async with venue(rtc__publish_token="speak") as it:
        await opened(it, "stage", Authorization="Bearer speak")
        url = f"ws://127.0.0.1:{it.port}"
        with pytest.raises(AgentError, match="bearer token"):
            async with AgentSession(url, avatar="astronaut", show="stage"):
                raise AssertionError("no token")
        async with AgentSession(url, avatar="astronaut", show="stage", token="speak") as agent:
            assert agent.ready["avatar_id"] == "astronaut" and it.registry.active == 1
        microphone = Client.microphone(it.http, np.zeros(960, np.int16))
        assert (await microphone.start("/whip/astronaut?show=stage")).status_code == 401
        await microphone.close()


async def test_names_and_mattes_are_for_those_with_a_token() -> None:
    async with venue(CutoutRenderer(), rtc__publish_token="speak", rtc__watch_token="look") as it:
        wanted = {"avatar_id": "astronaut", "show": "stage"}
        assert (await it.http.post("/v1/sessions", json=wanted)).status_code == 401
        bearer = {token: {"Authorization": f"Bearer {token}"} for token in ("speak", "look", "neither")}
        assert (await it.http.post("/v1/sessions", json=wanted, headers=bearer["look"])).status_code == 401
        assert (await it.http.post("/v1/sessions", json=wanted, headers=bearer["speak"])).status_code == 201
        answers = [(await it.http.get("/v1/watch/stage", headers=headers)).status_code for headers in bearer.values()]
        assert answers == [200, 200, 401]
        assert (await it.http.get("/v1/watch/stage")).status_code == 401
        assert (await it.http.post("/v1/sessions", json={**wanted, "show": "No Name"})).status_code == 401
        bad = await it.http.post("/v1/sessions", json={**wanted, "show": "No Name"}, headers=bearer["speak"])
        assert bad.status_code == 422 and it.registry.active == 1
