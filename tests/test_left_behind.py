"""A session whose owner goes away without a word ends by itself, in bounded time."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from websockets.asyncio.client import connect

from whip_clients import Client, Venue, venue

pytestmark = pytest.mark.e2e
PATIENCE_S = 40
"""On a machine that has other things to do; see each test for what it takes on one that has not."""


async def until_over(it: Venue) -> float:
    begun_s = time.monotonic()
    async with asyncio.timeout(PATIENCE_S):
        while it.registry.active:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return time.monotonic() - begun_s


async def test_one_that_is_only_watched_ends_after_its_last_viewer_vanished() -> None:
    async with venue(sessions__join_timeout_s=1.0, sessions__idle_timeout_s=0) as it:
        made = await it.session()
        viewer = Client.viewer(it.http)
        assert (await viewer.start(made["whep_url"])).status_code == 201
        await asyncio.sleep(2.0)
        assert it.registry.active == 1, "as long as somebody watches it goes on"
        viewer.browser.vanish()
        await until_over(it)  # 4 s of silence, then join_timeout_s
        with contextlib.suppress(Exception):
            await viewer.close()


async def test_one_whose_owner_has_joined_it_ends_with_the_connection() -> None:
    async with venue(sessions__join_timeout_s=600.0) as it:
        made = await it.session()
        viewer = Client.viewer(it.http)
        async with connect(f"ws://127.0.0.1:{it.port}{made['signal_url']}") as owner:
            assert (await viewer.start(made["whep_url"])).status_code == 201
            owner.transport.abort()  # no closing handshake: as if its process had been killed
            await until_over(it)
        await viewer.close()
