"""Chromium for tests: where it is, with a sound file or nothing as its microphone."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


def chromium_path() -> str:
    """Skips the test where there is none; CI sets REQUIRE_CHROMIUM so that it cannot go missing unseen."""
    path = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if path is None:
        assert not os.environ.get("REQUIRE_CHROMIUM"), "Chromium is required here and is not installed"
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    return path


@asynccontextmanager
async def open_page(microphone: Path | None, grant: bool = True) -> AsyncIterator[tuple[Page, list[str]]]:
    """A fresh browser's page, and the list into which its errors go.

    Args:
        microphone: a wav file to speak; None leaves the browser without a microphone.
        grant: whether the person allows the microphone.
    """
    flags = list(FLAGS)
    if microphone is not None:
        flags += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={microphone}"]
        flags += ["--use-fake-ui-for-media-stream"] if grant else []
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=chromium_path(), args=flags)
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        try:
            yield page, errors
        finally:
            await browser.close()


async def page_stats(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate("window.visavis.stats()")
    return found
