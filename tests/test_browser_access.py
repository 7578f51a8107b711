"""The page of a server that asks for keys, in a real Chromium: the dialog, the link, what is hidden."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from chromium import open_page
from running_server import house, running
from test_browser_call import voice
from visavis_server.access.grants import Scope
from visavis_server.access.keys import KeyStore, keys_file
from visavis_server.access.tokens import sign

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
__all__ = ["voice"]  # a fixture


async def test_the_page_asks_for_a_key_and_shows_what_it_opens(tmp_path: Path, voice: Path) -> None:  # noqa: F811
    store = KeyStore(keys_file(tmp_path))
    manage, _ = store.create("me", frozenset[Scope]({"manage"}))
    call, key = store.create("guest", frozenset[Scope]({"call"}), avatar="zoe")
    async with running(house(data_dir=tmp_path, access__mode="required")) as server:
        url = f"http://localhost:{server.port}"
        async with open_page(voice) as (page, errors):
            await page.goto(url)
            await page.wait_for_selector("#access[open]")
            assert await page.locator("[data-avatar]").count() == 0
            await page.keyboard.press("Escape")
            assert await page.is_visible("#access-key")
            await page.fill("#access-key", manage[:-1])
            await page.keyboard.press("Enter")
            await page.wait_for_selector("#access-error:not([hidden])")
            assert "all of it" in (await page.text_content("#access-error") or "")
            await page.fill("#access-key", manage)
            await page.keyboard.press("Enter")
            await page.wait_for_selector('[data-avatar="zoe"]')
            assert await page.is_visible("#add") and not await page.is_visible("#access")
            assert await page.locator("[data-avatar]").count() == 3
            shown = await page.locator('[data-avatar="zoe"] img').evaluate(
                "image => image.decode().then(() => image.naturalWidth)"
            )
            assert shown == 256, "pictures come with the cookie"
            kept = await page.evaluate("JSON.stringify([document.cookie, localStorage, sessionStorage, location.href])")
            assert manage not in kept and "eyJ" not in kept
            await page.reload()
            await page.wait_for_selector('[data-avatar="zoe"]')
            errors.clear()  # the browser itself complains of every 401
        token = sign(key, frozenset[Scope]({"call"}), 60, time.time())
        async with open_page(voice) as (page, errors):
            await page.goto(f"{url}/#token={token}")
            await page.wait_for_selector('[data-avatar="zoe"]')
            assert await page.locator("[data-avatar]").count() == 1
            assert not await page.is_visible("#add") and "token" not in await page.evaluate("location.href")
            assert errors == []
        async with open_page(voice) as (page, errors):
            await page.goto(f"{url}/#token={token[:-3]}abc")
            await page.wait_for_selector("#access-error:not([hidden])")
            errors.clear()
    assert call
