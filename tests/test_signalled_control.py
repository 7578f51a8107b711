"""Moods and other control over a page's socket and its data channel, in a running server."""

from __future__ import annotations

import json

import pytest

from running_server import hear, house, running, say

pytestmark = pytest.mark.e2e

OFFER = "v=0\r\n"


async def test_a_page_sets_the_mood_and_is_told_of_it_and_of_what_is_wrong() -> None:
    async with running(house()) as server:
        id = await server.open()
        async with server.signal(id) as socket:
            await say(socket, type="mood", emotion="surprised", strength=0.4)
            told = {"type": "mood", "emotion": "surprised", "strength": 0.4, "from_voice": False, "preset": ""}
            assert await hear(socket, "mood") == told
            await say(socket, type="mood", strength=7)
            assert (await hear(socket, "error"))["error"]["code"] == "bad_message"
            await say(socket, type="mood", preset="pirate")
            assert (await hear(socket, "error"))["error"]["code"] == "bad_preset"
            await say(socket, type="mood", emotion="surprised")
            await server.http.patch(f"/v1/sessions/{id}/mood", json={"emotion": "calm"})
            assert (await hear(socket, "mood"))["emotion"] == "calm"


async def test_the_data_channel_takes_what_concerns_the_avatar() -> None:
    async with running(house()) as server:
        id = await server.open()
        async with server.signal(id) as socket:
            await say(socket, type="offer", sdp=OFFER)
            await hear(socket, "answer")
            tell = server.house.peers.made[-1].on_text
            assert tell is not None
            assert json.loads(tell('{"type": "ping", "id": 3}') or "") == {"type": "pong", "id": 3}
            assert tell('{"type": "mood", "emotion": "angry", "strength": 0.5}') is None
            assert (await hear(socket, "mood"))["emotion"] == "angry"
            assert tell('{"type": "interrupt"}') is None
            assert server.house.studio.sessions[-1].epoch == 1
            for came, code in (
                ('{"type": "mood", "preset": "pirate"}', "bad_preset"),
                ('{"type": "mood", "strength": 3}', "bad_message"),
                ('{"type": "bye"}', "unknown_message"),
                ('{"type": "offer", "sdp": "v=0"}', "unknown_message"),
                ("{", "bad_message"),
                (b"mood", "bad_message"),
                (" " * 70_000, "message_too_large"),
            ):
                assert json.loads(tell(came) or "")["error"]["code"] == code
            for _ in range(500):
                tell('{"type": "attend", "on": false}')
            assert (await hear(socket, "error", ("stats", "state", "mood")))["error"]["code"] == "too_many_messages"
            assert (await hear(socket, "bye"))["reason"] == "failed"
            assert tell('{"type": "ping", "id": 3}') is None
