"""How a server leaves: SIGTERM lets present calls run out, SIGINT or a second SIGTERM ends them with a good-bye."""

from __future__ import annotations

import asyncio
import signal

import pytest

from running_server import Running, hear, house, running

pytestmark = pytest.mark.unit


async def until_left(it: Running, wait_s: float = 10.0) -> None:
    await asyncio.wait_for(asyncio.shield(it.serving), wait_s)


async def test_sigterm_waits_for_the_last_call_and_lets_nobody_new_in() -> None:
    async with running(house()) as it:
        id = await it.open()
        async with it.signal(id) as page:
            it.server.handle_exit(signal.SIGTERM, None)
            while (await it.http.get("/readyz")).status_code != 503:  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.02)
            assert (await it.http.post("/v1/sessions", json={"avatar_id": "astronaut"})).status_code == 503
            await asyncio.sleep(0.4)
            assert not it.serving.done() and (await it.http.get("/healthz")).json()["sessions"] == 1
            await page.send('{"type": "bye"}')
            assert (await hear(page, "bye"))["reason"] == "client"
        await until_left(it)


async def test_sigterm_with_nobody_there_leaves_at_once() -> None:
    async with running(house()) as it:
        it.server.handle_exit(signal.SIGTERM, None)
        await until_left(it, 5.0)


async def test_calls_that_go_on_for_too_long_are_told_and_ended() -> None:
    async with running(house(sessions__drain_s=0.5)) as it:
        async with it.signal(await it.open()) as page:
            it.server.handle_exit(signal.SIGTERM, None)
            assert (await hear(page, "bye"))["reason"] == "shutdown"
        await until_left(it)


@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_does_not_wait(again: signal.Signals) -> None:
    async with running(house(sessions__drain_s=600.0)) as it:
        async with it.signal(await it.open()) as page:
            it.server.handle_exit(signal.SIGTERM, None)
            await asyncio.sleep(0.3)
            assert not it.serving.done()
            it.server.handle_exit(again, None)
            assert (await hear(page, "bye"))["reason"] == "shutdown"
        await until_left(it)


async def test_ctrl_c_does_not_wait() -> None:
    async with running(house(sessions__drain_s=600.0)) as it:
        async with it.signal(await it.open()) as page:
            it.server.handle_exit(signal.SIGINT, None)
            assert (await hear(page, "bye"))["reason"] == "shutdown"
        await until_left(it)
