"""The page's panel for emotion and manner, in a real Chromium, against the real server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chromium import open_page
from test_browser_call import RunningServer, server, voice

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
__all__ = ["server", "voice"]  # fixtures


async def test_what_is_chosen_in_the_panel_is_the_sessions_mood(server: RunningServer, voice: Path) -> None:  # noqa: F811
    async with open_page(voice) as (page, errors):
        await page.goto(server.url)
        await page.click('[data-avatar="maya"]')
        assert not await page.is_visible("#mood")
        await page.click("#start")
        await page.wait_for_selector('body[data-phase="live"]', timeout=60_000)
        assert not await page.is_visible("#mood-panel")
        await page.keyboard.press("e")
        assert await page.is_visible("#mood-panel")
        assert await page.is_disabled("#mood-strength")
        id = await page.evaluate("window.visavis.client.session.id")

        async def until(**wanted: object) -> None:
            async with asyncio.timeout(20):
                while server.get(f"/v1/sessions/{id}/mood") != wanted:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)

        await page.click('#mood-emotions label:has(input[value="sad"])')
        await page.select_option("#mood-preset", "teacher")
        await page.check("#mood-voice")
        await page.fill("#mood-strength", "60")
        await until(emotion="sad", strength=0.6, from_voice=True, preset="teacher")
        assert "Patient" in (await page.text_content("#mood-about") or "")

        await page.evaluate(
            "id => fetch(`/v1/sessions/${id}/mood`, {method: 'PATCH', headers: {'Content-Type': 'application/json'}, "
            "body: JSON.stringify({emotion: 'happy', strength: 0.3, preset: ''})})",
            id,
        )
        await page.wait_for_selector('#mood-emotions input[value="happy"]:checked', state="attached", timeout=20_000)
        assert await page.input_value("#mood-strength") == "30"
        assert await page.input_value("#mood-preset") == ""

        await page.set_viewport_size({"width": 390, "height": 844})
        panel = await page.locator("#mood-panel").bounding_box()
        controls = await page.locator(".controls").bounding_box()
        assert panel is not None and controls is not None
        assert panel["x"] >= 0 and panel["x"] + panel["width"] <= 390
        assert 844 * 0.55 < panel["y"] and panel["y"] + panel["height"] <= controls["y"]
        await page.click("#stop")
        assert errors == []
