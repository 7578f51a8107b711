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
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from agent_speech import Ear, Place, about, at_48_khz, pcm, place, speech
from visavis_server.agent_client import AgentError, AgentSession, Spoken

pytestmark = pytest.mark.e2e

FRAME_S = 0.04


async def say(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def hear(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of this type; states and progress before it are skipped."""
    while True:
        message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 10))
        if message["type"] == kind:
            return message
        assert message["type"] in ("state", "progress"), f"waited for {kind}, got {message}"


def raw(it: Place, path: str = "/v1/agents?avatar_id=astronaut") -> connect:
    return connect(it.url + path)


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


async def test_pushing_more_than_the_buffer_is_refused_aloud() -> None:
    said = pcm(speech(16000))
    async with place(agents__buffer_s=1.0) as it, raw(it) as socket:
        await hear(socket, "ready")
        await say(socket, type="segment.start", rate_hz=16000, id="long")
        for at in range(0, len(said), 3200):
            await socket.send(said[at : at + 3200])
        await say(socket, type="segment.end")
        error = await hear(socket, "error")
        assert error["error"]["code"] == "buffer_full" and error["segment"] == "long"
        await hear(socket, "started")
        assert 1.0 <= (await hear(socket, "ended"))["seconds"] <= 1.3


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


async def test_a_second_agent_is_refused_and_the_first_goes_on() -> None:
    async with place() as it, AgentSession(it.url, avatar="astronaut") as first:
        with pytest.raises(AgentError) as refused:
            async with AgentSession(it.url, session=first.id):
                pass
        assert refused.value.code == "already_speaking" and refused.value.remedy
        async with raw(it, f"/v1/sessions/{first.id}/agent") as socket:
            await hear(socket, "error")
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 4409
        assert not (await first.speak(pcm(speech(16000)[:3200]), 16000)).interrupted


@pytest.mark.parametrize(
    ("path", "code", "close_code"),
    [
        ("/v1/agents", "avatar_missing", 4400),
        ("/v1/agents?avatar_id=nobody", "no_such_avatar", 4404),
        ("/v1/sessions/nobody/agent", "no_such_session", 4404),
    ],
)
async def test_a_wrong_address_is_told(path: str, code: str, close_code: int) -> None:
    async with place() as it, raw(it, path) as socket:
        error = await hear(socket, "error")
        assert error["error"]["code"] == code and error["error"]["remedy"]
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == close_code


async def test_a_token_is_asked_for_where_one_is_set() -> None:
    async with place(agents__token="open-sesame") as it:
        for token in (None, "wrong", "ôpen"):
            path = "/v1/agents?avatar_id=astronaut" + (f"&token={token}" if token else "")
            async with raw(it, path) as socket:
                assert (await hear(socket, "error"))["error"]["code"] == "unauthorized"
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
                assert socket.close_code == 4401
        assert it.registry.active == 0
        async with raw(it, "/v1/agents?avatar_id=astronaut&token=open-sesame") as socket:
            await hear(socket, "ready")
        await it.empty()
        async with AgentSession(it.url, avatar="astronaut", token="open-sesame") as agent:
            await agent.speak(pcm(speech(16000)[:1600]), 16000)


async def test_a_full_server_says_so() -> None:
    async with place(sessions__capacity=1) as it, AgentSession(it.url, avatar="astronaut"):
        with pytest.raises(AgentError) as refused:
            async with AgentSession(it.url, avatar="zoe"):
                pass
        assert refused.value.code == "server_full"


async def test_malformed_messages_are_told_and_the_voice_goes_on() -> None:
    bad: list[tuple[str | bytes, str]] = [
        ("not json", "bad_message"),
        ("[]", "bad_message"),
        ("{}", "bad_message"),
        ("[" * 60_000, "bad_message"),
        ('{"type": "sing"}', "unknown_message"),
        ('{"type": "segment.start"}', "bad_message"),
        ('{"type": "segment.start", "rate_hz": "16000"}', "bad_message"),
        ('{"type": "segment.start", "rate_hz": 1e400}', "bad_message"),
        ('{"type": "segment.start", "rate_hz": 16000, "channels": 2}', "bad_message"),
        ('{"type": "segment.start", "rate_hz": 16000, "encoding": "mulaw"}', "bad_message"),
        ('{"type": "segment.start", "rate_hz": 16000, "id": ""}', "bad_message"),
        ('{"type": "segment.start", "rate_hz": 16001}', "bad_sample_rate"),
        ('{"type": "segment.start", "rate_hz": 96000}', "bad_sample_rate"),
        ('{"type": "audio", "data": "*not base64*"}', "bad_message"),
        ('{"type": "audio", "data": "\\ud800"}', "bad_message"),
        ('{"type": "audio"}', "bad_message"),
        (json.dumps({"type": "audio", "data": "A" * 710_000}), "message_too_large"),
        (bytes(530_000), "message_too_large"),
    ]
    async with place() as it, raw(it) as socket:
        await hear(socket, "ready")
        await say(socket, type="segment.end")
        assert (await hear(socket, "error"))["error"]["code"] == "no_segment"
        await socket.send(b"\0\0")
        await socket.send(b"\0\0")  # told once
        assert (await hear(socket, "error"))["error"]["code"] == "no_segment"
        for message, code in bad:
            await socket.send(message)
            error = (await hear(socket, "error"))["error"]
            assert error["code"] == code, (str(message)[:70], error)
            assert error["message"] and error["remedy"]
        await say(socket, type="segment.start", rate_hz=16000, extra="ignored")
        await socket.send(pcm(speech(16000)[:1600]) + b"\x01")
        await say(socket, type="segment.end")
        assert (await hear(socket, "error"))["error"]["code"] == "bad_pcm"
        await hear(socket, "started")
        assert (await hear(socket, "ended"))["seconds"] == pytest.approx(0.1, abs=0.001)


async def test_the_speech_of_a_refused_segment_does_not_go_into_another() -> None:
    async with place() as it, raw(it) as socket:
        await hear(socket, "ready")
        await say(socket, type="segment.start", rate_hz=16000, id="good")
        await socket.send(pcm(speech(16000)[:3200]))
        await say(socket, type="segment.start", rate_hz=7, id="bad")
        await socket.send(pcm(speech(16000)[:3200]))
        await say(socket, type="segment.end")
        error = await hear(socket, "error")
        assert (error["error"]["code"], error["segment"]) == ("bad_sample_rate", "bad")
        await hear(socket, "started")
        ended = await hear(socket, "ended")
        assert ended["segment"] == "good" and ended["seconds"] == pytest.approx(0.2, abs=0.001)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                while json.loads(await socket.recv())["type"] in ("state", "progress"):
                    pass


async def test_the_client_tells_of_a_rate_that_is_refused() -> None:
    async with place() as it, AgentSession(it.url, avatar="astronaut") as agent:
        with pytest.raises(AgentError) as refused:
            await agent.speak(pcm(speech(16000)), 12345)
        assert refused.value.code == "bad_sample_rate"
        await agent.speak(pcm(speech(16000)[:1600]), 16000)


async def test_a_segment_that_never_ends_is_ended() -> None:
    async with place(agents__segment_timeout_s=0.5) as it, raw(it) as socket:
        await hear(socket, "ready")
        await say(socket, type="segment.start", rate_hz=16000, id="endless")
        await socket.send(pcm(speech(16000)[:16000]))
        await hear(socket, "started")
        error = await hear(socket, "error")
        assert (error["error"]["code"], error["segment"]) == ("segment_timeout", "endless")
        assert (await hear(socket, "ended"))["seconds"] == pytest.approx(1.0, abs=0.001)
        await socket.send(pcm(speech(16000)[:160]))  # too late, and not complained of again
        await say(socket, type="segment.start", rate_hz=16000, id="next")
        await say(socket, type="segment.end")
        assert (await hear(socket, "ended"))["segment"] == "next"


async def test_an_agent_that_says_nothing_is_left_unless_it_keeps_alive() -> None:
    async with place(agents__idle_timeout_s=1.0) as it:
        async with AgentSession(it.url, avatar="astronaut") as agent:
            for _ in range(6):
                await asyncio.sleep(0.4)
                await agent.keep_alive()
            await agent.speak(pcm(speech(16000)[: 16000 * 2]), 16000)
            assert it.registry.active == 1
            await it.empty()
            with pytest.raises(AgentError) as gone:
                await agent.speak(pcm(speech(16000)), 16000)
            assert gone.value.code == "agent_idle"


async def test_a_flood_of_messages_ends_the_conversation() -> None:
    async with place() as it, raw(it) as socket:
        await hear(socket, "ready")
        for _ in range(1500):
            try:
                await say(socket, type="keep_alive")
            except ConnectionClosed:
                break
        assert (await hear(socket, "error"))["error"]["code"] == "too_many_messages"
        assert (await hear(socket, "bye"))["reason"] == "failed"
        await it.empty()


async def test_a_flood_of_speech_in_tiny_pieces_ends_the_conversation() -> None:
    async with place() as it, raw(it) as socket:
        await hear(socket, "ready")
        await say(socket, type="segment.start", rate_hz=48000)
        with pytest.raises(ConnectionClosed):
            for _ in range(100):
                for _ in range(1000):
                    await socket.send(b"\0\0")
                await asyncio.sleep(0)
        await it.empty()


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
