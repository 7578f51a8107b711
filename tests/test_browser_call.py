"""A person with a browser: the page, a real Chromium, real speech, the real renderer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Page

from chromium import chromium_path, open_page, page_stats
from visavis_server.voice_file import VoiceFile

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
SPEECH = Path(__file__).parent / "data" / "speech_en.flac"


class RunningServer:
    """`visavis serve` as a user starts it."""

    def __init__(self, folder: Path, *flags: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        with (folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "visavis_server", "serve", "--port", str(self.port), *flags],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "VISAVIS_DATA_DIR": str(folder / "data")},
            )
        deadline_s = time.monotonic() + 120
        while time.monotonic() < deadline_s and self.process.poll() is None:
            try:
                self.get("/healthz")
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError(f"the server did not start: {(folder / 'server.log').read_text()}")

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return json.load(answer)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        finally:
            self.process.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    chromium_path()
    running = RunningServer(tmp_path_factory.mktemp("server"), "--capacity", "1")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test sentence, 48 kHz mono, twice over."""
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    samples = np.concatenate([chunk.playback for chunk in VoiceFile(SPEECH).chunks()])
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(48000)
        out.writeframes(np.tile(samples, 2).tobytes())
    return path


async def until(page: Page, true: Callable[[dict[str, Any]], bool], patience_s: float = 30.0) -> dict[str, Any]:
    deadline_s = time.monotonic() + patience_s
    while True:
        stats = await page_stats(page)
        if true(stats):
            return stats
        assert time.monotonic() < deadline_s, f"{stats}\n{await page.inner_text('body')}"
        await asyncio.sleep(0.1)


async def start_call(page: Page, server: RunningServer) -> dict[str, Any]:
    await page.goto(server.url)
    await page.click('[data-avatar="astronaut"]')
    await page.click("#start")
    return await until(page, lambda stats: stats["first_frame_ms"] is not None)


async def notice(page: Page, code: str) -> str:
    await page.wait_for_selector(f'#notice[data-code="{code}"]', timeout=30_000)
    return await page.inner_text("#notice")


async def test_a_person_speaks_and_the_photo_speaks_with_their_voice(server: RunningServer, voice: Path) -> None:
    async with open_page(voice) as (page, errors):
        await start_call(page, server)
        spoke = await until(page, lambda stats: stats["state"] == "speaking")
        assert spoke["phase"] == "live"
        late = await until(page, lambda stats: stats["frames_total"] >= 150)
        assert late["call"]["width"] == 512
        assert await page.is_visible("#badge")
        assert server.get("/v1/sessions")["sessions"][0]["avatar_id"] == "astronaut"
        heard = await page.evaluate(LOUDNESS)
        assert heard > 0.01
        await page.click("#interrupt")
        await until(page, lambda stats: stats["epoch"] == 1)
        await page.click("#stop")
        assert errors == []
    await all_gone(server)


LOUDNESS = """async () => {
  const context = new AudioContext();
  const meter = context.createAnalyser();
  context.createMediaStreamSource(document.querySelector("#video").srcObject).connect(meter);
  const samples = new Float32Array(meter.fftSize);
  let loudest = 0;
  for (let i = 0; i < 60; i++) {
    await new Promise((done) => setTimeout(done, 50));
    meter.getFloatTimeDomainData(samples);
    loudest = Math.max(loudest, ...samples.map(Math.abs));
  }
  await context.close();
  return loudest;
}"""


async def all_gone(server: RunningServer) -> None:
    for _ in range(50):
        if server.get("/healthz")["sessions"] == 0:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the session was not freed within 5 s")


async def test_a_closed_tab_frees_its_session_within_five_seconds(server: RunningServer, voice: Path) -> None:
    async with open_page(voice) as (page, _):
        await start_call(page, server)
        assert server.get("/healthz")["sessions"] == 1
        await page.close()
        await all_gone(server)


async def test_a_full_server_says_so_and_lets_the_next_one_in(server: RunningServer, voice: Path) -> None:
    async with open_page(voice) as (first, _), open_page(voice) as (second, _):
        await start_call(first, server)
        await second.goto(server.url)
        await second.click('[data-avatar="astronaut"]')
        await second.click("#start")
        await notice(second, "server_full")
        await first.click("#stop")
        await until(second, lambda stats: stats["first_frame_ms"] is not None, 60)
    await all_gone(server)


async def test_a_refused_microphone_says_how_to_allow_it(server: RunningServer, voice: Path) -> None:
    async with open_page(voice, grant=False) as (page, _):
        await page.goto(server.url)
        await page.click('[data-avatar="astronaut"]')
        await page.click("#start")
        assert "icon at the left of the address bar" in await notice(page, "permission_denied")


async def test_a_missing_microphone_says_to_connect_one(server: RunningServer) -> None:
    async with open_page(None) as (page, _):
        await page.goto(server.url)
        await page.context.grant_permissions(["microphone"])
        await page.click('[data-avatar="astronaut"]')
        await page.click("#start")
        assert "Connect one" in await notice(page, "no_microphone")


async def test_a_server_that_goes_away_is_noticed(voice: Path, tmp_path: Path) -> None:
    chromium_path()
    mortal = RunningServer(tmp_path)
    try:
        async with open_page(voice) as (page, _):
            await start_call(page, mortal)
            mortal.process.kill()
            await page.wait_for_selector("#notice:not([hidden])", timeout=30_000)
    finally:
        mortal.stop()
