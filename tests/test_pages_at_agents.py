"""Pages that join the session of a voice agent: they come and go, and the agent speaks on."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from agent_speech import hear as hear_agent
from agent_speech import pcm, place, speech
from fakes import FakePeers
from rtc_loopback import until
from running_server import hear, say
from visavis_server.agent_client import AgentSession

pytestmark = pytest.mark.e2e


def page(it: Any, id: str) -> connect:
    return connect(f"{it.url}/v1/sessions/{id}/signal")


async def call(socket: ClientConnection) -> None:
    await say(socket, type="offer", sdp="v=0")
    await hear(socket, "answer")


@pytest.mark.parametrize("goodbye", ["says bye", "closes", "vanishes", "loses its media", "never connects"])
async def test_a_page_that_leaves_does_not_end_the_agents_session(goodbye: str) -> None:
    peers = FakePeers()
    async with place(peers=peers) as it, AgentSession(it.url, avatar="astronaut") as agent:
        utterance = await agent.send(pcm(speech(16000)), 16000)
        for visit in range(3):
            async with page(it, agent.id) as socket:
                await call(socket)
                peer = peers.made[visit]
                if goodbye == "says bye":
                    await say(socket, type="bye")
                    assert (await hear(socket, "bye"))["reason"] == "client"
                elif goodbye == "vanishes":
                    socket.transport.abort()
                elif goodbye in ("loses its media", "never connects"):
                    peer.on_closed("vanished" if goodbye == "loses its media" else "failed")
                    error = await hear(socket, "error")
                    assert error["error"]["code"] in ("connection_lost", "connection_failed")
                    assert (await hear(socket, "bye"))["reason"] == "failed"
            await until(lambda: peers.made[-1].closed, 15)
            await until(lambda: it.registry.get(agent.id).audience is None, 15)
        spoken = await utterance.done()
        assert not spoken.interrupted and spoken.seconds == pytest.approx(speech(16000).size / 16000, abs=0.001)
        assert agent.errors == []
        published = len(peers.made[-1].published)
        await asyncio.sleep(0.2)
        assert len(peers.made[-1].published) == published, "whoever has left gets nothing more"
    await it.empty()


async def test_a_page_that_comes_back_late_does_not_throw_out_the_next_one() -> None:
    peers = FakePeers()
    async with place(peers=peers) as it, AgentSession(it.url, avatar="astronaut") as agent:
        async with page(it, agent.id) as first:
            await call(first)
            async with page(it, agent.id) as second:
                assert (await hear(second, "error"))["error"]["code"] == "already_joined"
            peers.made[0].on_closed("vanished")
            await hear(first, "error")
            await hear(first, "bye")
            async with page(it, agent.id) as third:
                await call(third)
                peers.made[0].on_closed("vanished")  # the old connection says so once more
                await first.close()
                await asyncio.sleep(0.1)
                await say(third, type="ping", id=1)
                assert (await hear(third, "pong"))["id"] == 1
                assert not peers.made[1].closed


async def test_the_page_is_told_when_the_agent_ends_the_session() -> None:
    async with place() as it:
        async with AgentSession(it.url, avatar="astronaut") as agent:
            socket = await page(it, agent.id)
            await call(socket)
        assert (await hear(socket, "bye"))["reason"] == "client"
        await socket.close()
        await it.empty()


async def test_an_avatar_that_attends_to_a_page_does_not_after_it_has_gone() -> None:
    async with place() as it, AgentSession(it.url, avatar="astronaut") as agent:
        async with page(it, agent.id) as socket:
            await call(socket)
            await say(socket, type="attend", on=True)
            await until(lambda: it.registry.get(agent.id).session.state == "listening", 15)
        await until(lambda: it.registry.get(agent.id).session.state == "idle", 15)


async def test_the_pages_own_session_still_ends_with_it_and_its_agent_is_told() -> None:
    async with place() as it:
        id = await it.open()
        async with page(it, id) as socket:
            await call(socket)
            async with connect(f"{it.url}/v1/sessions/{id}/agent") as agent:
                await hear_agent(agent, "ready")
                await socket.close()
                assert (await hear_agent(agent, "bye"))["reason"] == "client"
        await it.empty()


async def test_who_speaks_at_the_page_is_listened_to_while_an_agent_has_the_voice() -> None:
    peers = FakePeers()
    async with place(peers=peers) as it, AgentSession(it.url, avatar="astronaut") as agent:
        async with page(it, agent.id) as socket:
            await call(socket)
            peers.made[0].on_voice(np.full(1920 * 9, 16000, np.int16), 48000, time.monotonic())
            await until(lambda: it.registry.get(agent.id).session.state == "listening", 5)
            await until(lambda: it.registry.get(agent.id).session.state == "idle", 5)
            assert not any(item.voice.any() for item in peers.made[0].published), "nobody hears themselves"
