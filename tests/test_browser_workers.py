"""A call on the page goes on by itself when the worker that drew it is killed; in a real Chromium."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from chromium import open_page, page_stats
from test_browser_call import voice
from worker_servers import workers

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
__all__ = ["voice"]  # a fixture


async def test_a_call_goes_on_with_the_same_avatar_at_another_worker(tmp_path: Path, voice: Path) -> None:  # noqa: F811
    with workers(tmp_path, "--capacity", "4") as server:
        async with open_page(voice) as (page, _):
            await page.goto(server.url)
            await page.click('[data-avatar="elena"]')
            await page.click("#start")
            await page.wait_for_selector('body[data-phase="live"]', timeout=60_000)
            before = await page.evaluate("window.visavis.client.session.id")
            os.kill(await asyncio.to_thread(server.pid_of, before), signal.SIGKILL)
            await page.wait_for_selector('body:not([data-phase="live"])', timeout=20_000)
            await page.wait_for_selector('body[data-phase="live"]', timeout=60_000)
            after = await page.evaluate("window.visavis.client.session.id")
            assert after[:2] != before[:2], "another worker"
            session = server.http.get(f"/v1/sessions/{after}").json()
            assert session["avatar_id"] == "elena"
            frames = (await page_stats(page))["frames_total"]
            async with asyncio.timeout(20):
                while (await page_stats(page))["frames_total"] <= frames:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            await page.click("#stop")
