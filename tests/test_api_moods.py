"""Moods over REST, signalling and the agents' WebSocket, down to what the listener of a session is told."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

import running_server
import stage_fakes
from agent_speech import Place, hear, pcm, place, raw, speech
from running_server import client_of, house, say
from stage_fakes import LoudnessListener
from visavis_models.behaviour.presets import presets
from visavis_models.chunk import Chunk
from visavis_models.mood import EMOTIONS, Feeling, Mood
from visavis_models.motion import MotionWindow
from visavis_server.agent_client import AgentSession

pytestmark = pytest.mark.unit
NEUTRAL = {"emotion": "neutral", "strength": 1.0, "from_voice": False, "preset": ""}


class NotingListener(LoudnessListener):
    """Notes every mood and every feeling that it is told."""

    moods: list[Mood]
    feelings: list[Feeling | None]
    newest: NotingListener

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.moods, self.feelings = [], []
        NotingListener.newest = self

    def push(self, chunk: Chunk) -> MotionWindow | None:
        self.feelings.append(chunk.feeling)
        return super().push(chunk)

    def set_mood(self, mood: Mood) -> None:
        self.moods.append(mood)


@pytest.fixture
def noting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_speech.LoudnessListener", NotingListener)


async def opened(client: httpx.AsyncClient) -> str:
    made = await client.post("/v1/sessions", json={"avatar_id": "astronaut"})
    return f"/v1/sessions/{made.json()['id']}/mood"


async def test_what_there_is_to_choose_from_is_told() -> None:
    async with client_of(house()) as client:
        told = (await client.get("/v1/moods")).json()
    assert told["emotions"] == list(EMOTIONS)
    assert [preset["id"] for preset in told["presets"]] == list(presets())
    assert all(preset["title"] and preset["about"] for preset in told["presets"])


async def test_a_mood_is_seen_and_changed_and_what_is_left_out_stays() -> None:
    async with client_of(house()) as client:
        url = await opened(client)
        assert (await client.get(url)).json() == NEUTRAL
        answer = await client.patch(url, json={"emotion": "happy", "strength": 0.5})
        assert (answer.status_code, answer.json()) == (200, {**NEUTRAL, "emotion": "happy", "strength": 0.5})
        answer = await client.patch(url, json={"preset": "friend", "from_voice": True})
        assert answer.json() == {"emotion": "happy", "strength": 0.5, "from_voice": True, "preset": "friend"}
        assert (await client.patch(url, json={})).json() == answer.json()
        assert (await client.patch(url, json={"preset": "", "emotion": None})).json()["preset"] == ""
        assert (await client.get("/v1/sessions/nobody/mood")).status_code == 404
        assert (await client.patch("/v1/sessions/nobody/mood", json={})).status_code == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"emotion": "bored"}, "invalid_request"),
        ({"emotion": 3}, "invalid_request"),
        ({"strength": 1.5}, "invalid_request"),
        ({"strength": "1"}, "invalid_request"),
        ({"strength": True}, "invalid_request"),
        ({"from_voice": "yes"}, "invalid_request"),
        ({"mood": "happy"}, "invalid_request"),
        ({"preset": "pirate"}, "bad_preset"),
        ({"preset": "../friend"}, "bad_preset"),
        ([], "invalid_request"),
    ],
)
async def test_a_mood_that_is_none_is_refused_and_changes_nothing(body: Any, code: str) -> None:
    async with client_of(house()) as client:
        url = await opened(client)
        answer = await client.patch(url, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
        assert answer.json()["error"]["remedy"]
        assert (await client.get(url)).json() == NEUTRAL


async def settled(it: Place, wanted: Mood) -> None:
    """Wait until the session's listener has been told."""
    async with asyncio.timeout(5):
        while not (NotingListener.newest.moods and NotingListener.newest.moods[-1] == wanted):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("noting")
async def test_an_agent_sets_the_mood_and_hears_of_others_changes() -> None:
    async with place() as it, raw(it) as socket:
        session = (await hear(socket, "ready"))["session"]
        await say(socket, type="mood", emotion="sad", strength=0.7)
        assert await hear(socket, "mood") == {**NEUTRAL, "type": "mood", "emotion": "sad", "strength": 0.7}
        await settled(it, Mood(Feeling("sad", 0.7)))
        await say(socket, type="mood", emotion="bored")
        assert (await hear(socket, "error"))["error"]["code"] == "bad_message"
        await say(socket, type="mood", preset="pirate")
        assert (await hear(socket, "error"))["error"]["code"] == "bad_preset"
        await it.http.patch(f"/v1/sessions/{session}/mood", json={"preset": "teacher"})
        assert (await hear(socket, "mood"))["preset"] == "teacher"
        await settled(it, Mood(Feeling("sad", 0.7), preset="teacher"))


@pytest.mark.usefixtures("noting")
async def test_a_segment_has_its_own_feeling_as_long_as_it_is_spoken() -> None:
    said = pcm(speech(16000)[:16000])
    async with place() as it, raw(it) as socket:
        await hear(socket, "ready")
        for fields in ({"emotion": "angry", "strength": 0.6}, {}, {"emotion": "calm"}):
            await say(socket, type="segment.start", rate_hz=16000, **fields)
            await socket.send(said)
        await say(socket, type="segment.end")
        for _ in range(3):
            await running_server.hear(socket, "ended", ("state", "progress", "started"), 20)
        await asyncio.sleep(0.2)
        feelings = NotingListener.newest.feelings
        begin = next(i for i, feeling in enumerate(feelings) if feeling is not None)
        assert feelings[begin : begin + 24] == [Feeling("angry", 0.6)] * 24
        assert feelings[begin + 26 : begin + 49] == [None] * 23
        assert feelings[begin + 51 : begin + 74] == [Feeling("calm")] * 23
        assert feelings[-1] is None
        await say(socket, type="segment.start", rate_hz=16000, emotion="happy", strength=2)
        assert (await hear(socket, "error"))["error"]["code"] == "bad_message"


@pytest.mark.usefixtures("noting")
async def test_the_client_speaks_with_feeling_and_sets_moods() -> None:
    said = pcm(speech(16000)[:16000])
    async with place() as it, AgentSession(it.url, avatar="astronaut") as agent:
        await agent.set_mood(Mood(Feeling("calm", 0.5), True, "teacher"))
        await settled(it, Mood(Feeling("calm", 0.5), True, "teacher"))
        spoken = await agent.speak(said, 16000, Feeling("surprised", 0.25))
        assert spoken.seconds == pytest.approx(1.0, abs=0.01)
        assert NotingListener.newest.feelings.count(Feeling("surprised", 0.25)) == 25
        assert agent.errors == []
        await agent.set_mood(Mood(preset="pirate"))
        async with asyncio.timeout(5):
            while not agent.errors:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert agent.errors[0].code == "bad_preset"


def test_listeners_without_moods_are_left_alone() -> None:
    from visavis_server.pipeline import Performance

    performance = Performance(stage_fakes.LoudnessListener(0), None)
    performance.take_mood(Mood(Feeling("happy")))
    assert performance.mood == Mood(Feeling("happy"))
