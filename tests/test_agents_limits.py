"""What a server refuses of voice agents, and how it tells them: wrong messages, floods, silence, tokens, too many."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.exceptions import ConnectionClosed

from agent_speech import hear, pcm, place, raw, speech
from running_server import say
from visavis_server.agent_client import AgentError, AgentSession

pytestmark = pytest.mark.e2e


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
