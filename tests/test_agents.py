"""Voice agents against a real server on a real socket, with real speech; only the pictures are painted."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from agent_speech import Ear, about, at_48_khz, hear, pcm, place, raw, speech
from running_server import say
from visavis_server.agent_client import AgentSession, Spoken

pytestmark = pytest.mark.e2e

FRAME_S = 0.04


def begins(ear: Ear) -> int:
    return next(i for i, item in enumerate(ear.items) if item.voice.any())


async def test_speech_pushed_at_once_is_spoken_with_its_lips_and_told_to_the_frame() -> None:
    said = speech(24000)
    async with place() as it, AgentSession(it.url, avatar="astronaut") as agent:
        ear = it.listen()
        spoken = await agent.speak(pcm(said), 24000)
        assert spoken == Spoken("u1", about(said.size / 24000), False)
        first = begins(ear)
        heard, expected = ear.voice[first * 1920 :], at_48_khz(said, 24000)
        count = min(heard.size, expected.size)
        assert count > expected.size - 1920 and np.array_equal(heard[:count], expected[:count])
        shown = [item for item in ear.items[first:] if not item.repeated]
        jaws = np.array([item.picture[0, 0, 2] / 255 for item in shown])
        loudness = np.array([np.abs(item.voice.astype(int)).max() / 32768 for item in shown])
        assert np.corrcoef(jaws, loudness)[0, 1] > 0.98
        assert agent.errors == []


async def test_segments_are_queued_in_order_and_each_told_once() -> None:
    said = speech(16000)
    async with place() as it, raw(it) as socket:
        ready = await hear(socket, "ready")
        assert ready["buffer_s"] == 120 and 24000 in ready["rates_hz"] and ready["epoch"] == 0
        for name, part in (("a", said[:8000]), ("b", said[8000:24000]), ("c", said[:1])):
            await say(socket, type="segment.start", id=name, rate_hz=16000)
            await socket.send(pcm(part))
        await say(socket, type="segment.end")
        told: list[tuple[Any, ...]] = []
        while len(told) < 5:
            message = json.loads(await asyncio.wait_for(socket.recv(), 10))
            if message["type"] in ("started", "ended"):
                told.append((message["type"], message["segment"], message.get("seconds")))
        assert told[:4] == [("started", "a", None), ("ended", "a", 0.5), ("started", "b", None), ("ended", "b", 1.0)]
        assert told[4] == ("ended", "c", 0.0)


async def test_base64_speech_sounds_as_binary_speech() -> None:
    said = pcm(speech(22050)[:44100])
    async with place() as it, raw(it) as socket:
        await hear(socket, "ready")
        ear = it.listen()
        for encode in (False, True):
            await say(socket, type="segment.start", rate_hz=22050)
            for at in range(0, len(said), 9001):
                piece = said[at : at + 9001]
                if encode:
                    await say(socket, type="audio", data=base64.b64encode(piece).decode())
                else:
                    await socket.send(piece)
            await say(socket, type="segment.end")
            await hear(socket, "started")
            assert (await hear(socket, "ended"))["seconds"] == pytest.approx(2.0, abs=0.001)
            await asyncio.sleep(0.3)
        loud = [i for i, item in enumerate(ear.items) if item.voice.any()]
        again = next(b for a, b in zip(loud, loud[1:], strict=False) if b - a > 3)
        times = [ear.voice[start * 1920 :][:96000] for start in (loud[0], again)]
        assert np.array_equal(times[0], times[1])


async def test_barging_in_silences_at_once_and_tells_what_was_heard() -> None:
    said = speech(24000)
    async with place() as it, AgentSession(it.url, avatar="astronaut", ahead_s=30.0) as agent:
        ear = it.listen()
        first = await agent.send(pcm(said), 24000)
        second = await agent.send(pcm(said), 24000)
        await first.started()
        await asyncio.sleep(0.5)
        async with asyncio.timeout(5):
            while np.abs(ear.items[-1].voice).max() < 5000:  # noqa: ASYNC110  (in the middle of a loud sound)
                await asyncio.sleep(0.005)
        await agent.interrupt()
        outcome = await first.done()
        assert await second.done() == Spoken("u2", 0.0, True)
        assert agent.epoch == 1
        await asyncio.sleep(0.4)
        after = next(i for i, item in enumerate(ear.items) if item.epoch == 1)
        assert not any(item.voice[480:].any() for item in ear.items[after:])
        assert any(item.voice.any() for item in ear.items[after - 3 : after])
        assert outcome.interrupted
        assert outcome.seconds == pytest.approx((after - begins(ear)) * FRAME_S, abs=FRAME_S + 1e-6)
        shut = next(i for i in range(after, len(ear.items)) if ear.items[i].picture[0, 0, 2] == 0)
        assert shut - after <= 5  # the picture that is shown stays until the first one of the new epoch is drawn
        assert all(item.picture[0, 0, 2] == 0 for item in ear.items[shut:])
        third = await agent.speak(pcm(said[:12000]), 24000)
        assert third == Spoken("u3", about(0.5), False)


async def test_a_viewers_interruption_is_told_to_the_agent() -> None:
    async with place() as it, AgentSession(it.url, avatar="astronaut") as agent:
        utterance = await agent.send(pcm(speech(16000)), 16000)
        await utterance.started()
        answer = await it.http.post(f"/v1/sessions/{agent.id}/interrupt")
        assert answer.json() == {"epoch": 1}
        assert (await utterance.done()).interrupted


async def test_clear_lets_the_current_utterance_end() -> None:
    said = pcm(speech(16000)[:16000])
    async with place() as it, AgentSession(it.url, avatar="astronaut") as agent:
        first, second = await agent.send(said, 16000), await agent.send(said, 16000)
        await first.started()
        await agent.clear()
        assert await second.done() == Spoken("u2", 0.0, True)
        assert await first.done() == Spoken("u1", about(1.0), False)


async def test_a_long_speech_is_paced_by_the_client_and_never_refused() -> None:
    said = speech(16000)
    async with place(agents__buffer_s=2.0) as it, AgentSession(it.url, avatar="astronaut") as agent:

        async def synthesiser() -> AsyncIterator[bytes]:
            for at in range(0, said.size, 3200):
                yield pcm(said[at : at + 3200])

        spoken = await agent.speak(synthesiser(), 16000)
        assert spoken.seconds == pytest.approx(said.size / 16000, abs=FRAME_S) and agent.errors == []


async def test_an_agent_speaks_in_a_session_that_somebody_else_opened() -> None:
    async with place() as it:
        id = await it.open()
        async with AgentSession(it.url, session=id) as agent:
            assert agent.id == id
            page = it.studio.sessions[0]
            ear = it.listen()
            page.hear(np.full(48000, 9000, np.int16), 48000, 1.0)  # a microphone, which is not the avatar's voice
            await agent.speak(pcm(np.zeros(1600, np.int16)), 16000)
            assert not ear.voice.any()
        assert (await it.http.get(f"/v1/sessions/{id}")).status_code == 200
        page.hear(np.full(9600, 9000, np.int16), 48000, 1.0)
        await asyncio.sleep(0.5)
        assert ear.voice.any()
        async with AgentSession(it.url, session=id) as agent:
            await agent.speak(pcm(speech(16000)[:1600]), 16000)


async def test_when_the_session_ends_the_agent_is_told() -> None:
    async with place() as it, raw(it) as socket:
        id = (await hear(socket, "ready"))["session"]
        await say(socket, type="segment.start", rate_hz=16000)
        await socket.send(pcm(speech(16000)))
        await hear(socket, "started")
        assert (await it.http.delete(f"/v1/sessions/{id}")).status_code == 204
        assert (await hear(socket, "bye"))["reason"] == "deleted"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        await it.empty()


async def test_the_avatar_listens_when_told_so() -> None:
    async with place() as it, raw(it) as socket:
        await hear(socket, "ready")
        await say(socket, type="attend", on=True)
        assert (await hear(socket, "state"))["state"] == "listening"


async def test_an_agent_that_vanishes_leaves_the_avatar_silent() -> None:
    async with place() as it:
        id = await it.open()
        socket = await raw(it, f"/v1/sessions/{id}/agent")
        await hear(socket, "ready")
        ear = it.listen()
        await say(socket, type="segment.start", rate_hz=16000)
        await socket.send(pcm(speech(16000)))
        await hear(socket, "started")
        socket.transport.abort()
        async with asyncio.timeout(5):
            while it.registry.get(id).session.epoch == 0:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.4)
        assert not np.concatenate([item.voice for item in ear.items[-3:]]).any()
        async with AgentSession(it.url, session=id) as agent:
            await agent.speak(pcm(speech(16000)[:1600]), 16000)


async def test_fifty_agents_come_and_go_and_nothing_stays() -> None:
    said = pcm(speech(24000)[:2400])
    async with place() as it:

        async def once(polite: bool) -> None:
            agent = AgentSession(it.url, avatar="astronaut")
            async with agent:
                utterance = await agent.send(said, 24000)
                if polite:
                    await utterance.done()
                else:
                    assert agent._socket is not None
                    agent._socket.transport.abort()
            await it.empty()

        await once(True)
        tasks, threads = len(asyncio.all_tasks()), psutil.Process().num_threads()
        for i in range(50):
            await once(i % 5 == 0)
        await asyncio.sleep(0.05)
        assert len(asyncio.all_tasks()) <= tasks
        assert psutil.Process().num_threads() <= threads + 1
