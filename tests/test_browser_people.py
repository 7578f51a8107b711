"""The rings on the faces of a picture of two people, in a real Chromium, against the real server."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path

import pytest
from PIL import Image

from chromium import open_page
from test_browser_call import RunningServer, server, voice
from two_people import two_people

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
__all__ = ["server", "voice"]  # fixtures


async def test_whose_face_is_clicked_speaks(server: RunningServer, voice: Path, tmp_path: Path) -> None:  # noqa: F811
    photo = io.BytesIO()
    Image.fromarray(two_people()).save(photo, "PNG")
    (tmp_path / "couple.png").write_bytes(photo.getvalue())
    async with open_page(voice) as (page, errors):
        await page.goto(server.url)
        await page.click('[data-avatar="maya"]')
        assert not await page.is_visible("#people"), "there is nothing to choose with one person"
        await page.click("#add")
        await page.set_input_files("#photo", tmp_path / "couple.png")
        await page.fill("#photo-name", "Couple")
        await page.check("#consent")
        await page.click("#upload-send")
        await page.wait_for_selector("#people .person >> nth=1", timeout=90_000)
        rings = page.locator("#people .person")
        assert await rings.count() == 2
        frame = await page.locator("#frame").bounding_box()
        boxes = [await rings.nth(number).bounding_box() for number in range(2)]
        assert frame is not None and boxes[0] is not None and boxes[1] is not None
        places = [(box["x"] + box["width"] / 2 - frame["x"]) / frame["width"] for box in boxes if box is not None]
        assert abs(places[0] - 0.66) < 0.02 and abs(places[1] - 0.34) < 0.02
        assert await rings.nth(0).get_attribute("aria-checked") == "true"
        await rings.nth(1).click()
        if folder := os.environ.get("KEEP_SCREENSHOTS"):
            await page.screenshot(path=Path(folder) / "people_lobby.png")
        await page.click("#start")
        await page.wait_for_selector('body[data-phase="live"]', timeout=60_000)
        id = await page.evaluate("window.visavis.client.session.id")

        async def until(person: int) -> None:
            async with asyncio.timeout(20):
                while server.get(f"/v1/sessions/{id}/speaker")["person"] != person:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)

        await until(1)
        await page.hover("#frame")
        await rings.nth(0).click()
        await until(0)
        if folder := os.environ.get("KEEP_SCREENSHOTS"):
            await page.screenshot(path=Path(folder) / "people_call.png")
        await rings.nth(0).focus()
        await page.keyboard.press("ArrowRight")
        await until(1)
        await page.evaluate(
            "id => fetch(`/v1/sessions/${id}/speaker`, {method: 'PATCH', body: JSON.stringify({person: 0}), "
            "headers: {'Content-Type': 'application/json'}})",
            id,
        )
        await page.wait_for_selector(
            '#people .person:nth-child(1)[aria-checked="true"]', state="attached", timeout=20_000
        )
        await page.click("#stop")
        assert errors == []
