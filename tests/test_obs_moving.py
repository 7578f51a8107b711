"""OBS pages in a real Chromium whose worker is killed, and one whose browser is: its session ends with it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, async_playwright

from chromium import FLAGS, chromium_path
from test_obs_page import obs_page, stats, until
from worker_servers import workers

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


async def shows_more(page: Page, connections: int) -> None:
    """Wait until pictures of a newer connection come."""
    frames = (await stats(page))["frames"]
    await until(page, lambda found: found["frames"] > frames + 10 and found["connections"] > connections, 60)


async def test_a_page_and_who_watches_its_show_go_on_at_another_worker(tmp_path: Path) -> None:
    chromium_path()
    with workers(tmp_path, "--capacity", "4") as server:
        async with (
            obs_page(server.url, avatar="astronaut", show="stage", mic="0") as owner,
            obs_page(server.url, watch="stage") as watching,
        ):
            for page in (owner, watching):
                await until(page, lambda found: found["frames"] >= 10)
            before = [(await stats(page))["connections"] for page in (owner, watching)]
            [session] = server.http.get("/v1/sessions").json()["sessions"]
            os.kill(await asyncio.to_thread(server.pid_of, session["id"]), signal.SIGKILL)
            for page, connections in zip((owner, watching), before, strict=True):
                await shows_more(page, connections)
                codes = [problem["code"] for problem in (await stats(page))["problems"]]
                assert "worker_lost" in codes and "picture_stopped" not in codes, "told, before it could be seen"
            [again] = server.http.get("/v1/sessions").json()["sessions"]
            assert again["id"][:2] != session["id"][:2] and again["avatar_id"] == "astronaut"
            server.http.delete(f"/v1/sessions/{again['id']}")


async def test_a_session_ends_with_its_page_although_nobody_says_good_bye(tmp_path: Path) -> None:
    chromium_path()
    (tmp_path / "long.toml").write_text("[sessions]\njoin_timeout_s = 600\n")
    with workers(tmp_path, "--config", str(tmp_path / "long.toml"), count=1) as server:
        async with async_playwright() as play, httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            browser = await play.chromium.launch(executable_path=chromium_path(), args=FLAGS)
            page = await browser.new_page(viewport={"width": 300, "height": 300})
            await page.goto(f"{server.url}/obs?avatar=astronaut&mic=0&badge=0")
            await until(page, lambda found: found["frames"] >= 10)
            assert len((await http.get("/v1/sessions")).json()["sessions"]) == 1
            await page.route("**/*", lambda route: route.abort())  # and no DELETE gets out either
            await browser.close()
            deadline_s = time.monotonic() + 30
            while (await http.get("/v1/sessions")).json()["sessions"]:
                assert time.monotonic() < deadline_s, "it would stay for ten minutes"
                await asyncio.sleep(0.1)
