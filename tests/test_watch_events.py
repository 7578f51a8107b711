"""Those who watch a session hear over a WebSocket what it does, and at once when it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from whip_clients import Venue, venue

pytestmark = pytest.mark.unit


@asynccontextmanager
async def onlooker(it: Venue, name: str, **more: Any) -> AsyncIterator[ClientConnection]:
    async with connect(f"ws://127.0.0.1:{it.port}/v1/watch/{name}/events", **more) as socket:
        yield socket


async def next_of(socket: ClientConnection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 20))
    return found


async def closing(socket: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed) as closed:
        await asyncio.wait_for(socket.recv(), 20)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


async def test_it_tells_of_states_and_of_the_end_under_every_name() -> None:
    async with venue() as it:
        made = await it.session()
        watch_id = made["whep_url"].removeprefix("/whep/")
        async with onlooker(it, made["id"]) as one, onlooker(it, watch_id) as other:
            for socket in (one, other):
                assert await next_of(socket) == {"type": "state", "state": "idle", "epoch": 0}
            await it.http.post(f"/v1/sessions/{made['id']}/interrupt")
            it.registry.get(made["id"]).attend(True)
            for socket in (one, other):
                assert (await next_of(socket))["state"] in ("idle", "listening")
            await it.http.delete(f"/v1/sessions/{made['id']}")
            for socket in (one, other):
                while (message := await next_of(socket))["type"] != "bye":
                    assert message["type"] == "state"
                assert message == {"type": "bye", "reason": "deleted"} and await closing(socket) == 1000


async def test_who_only_looks_on_may_do_nothing_and_keeps_nothing_alive() -> None:
    async with venue(sessions__join_timeout_s=1.0) as it:
        made = await it.session()
        async with onlooker(it, made["id"]) as socket:
            await next_of(socket)
            await socket.send('{"type": "ping", "id": 5}')
            assert await next_of(socket) == {"type": "pong", "id": 5}
            for bad in ('{"type": "interrupt"}', '{"type": "bye"}', "[]", b"\x00"):
                await socket.send(bad)
                assert (await next_of(socket))["type"] == "error"
            assert it.registry.get(made["id"]).session.epoch == 0
            while (message := await next_of(socket))["type"] != "bye":
                pass
            assert message["reason"] == "expired", "nobody has joined"
        assert it.registry.active == 0


async def test_one_that_leaves_or_floods_is_forgotten_and_the_session_goes_on() -> None:
    async with venue() as it:
        made = await it.session()
        call = it.registry.get(made["id"])
        async with onlooker(it, made["id"]) as socket:
            await next_of(socket)
            assert len(call.watchers) == 1
            for number in range(60):
                await socket.send(json.dumps({"type": "ping", "id": number}))
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    await next_of(socket)
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 4429
        async with asyncio.timeout(20):
            while call.watchers:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert it.registry.active == 1


async def test_what_is_not_on_is_told_and_who_may_not_watch_is_refused() -> None:
    async with venue(rtc__watch_token="secret") as it:
        made = await it.session()
        async with onlooker(it, made["id"]) as socket:
            assert (await next_of(socket))["error"]["code"] == "unauthorized"
            assert await closing(socket) == 4401
        bearer = {"Authorization": "Bearer secret"}
        async with onlooker(it, made["id"], additional_headers=bearer) as socket:
            assert (await next_of(socket))["type"] == "state"
        async with onlooker(it, "nothing-here", additional_headers=bearer) as socket:
            assert (await next_of(socket))["error"]["code"] == "no_such_session"
            assert await closing(socket) == 4404
