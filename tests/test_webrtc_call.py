"""The whole server without networks: HTTP, signalling, clock, codecs and sockets are real; pictures are painted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect

from fakes import FakeLibrary
from rtc_loopback import Browser, painted, read_index, until
from running_server import hear, say, served
from stage_fakes import LoudnessListener
from visavis_models.arkit import ARKIT
from visavis_models.avatar import Avatar
from visavis_models.motion import MotionWindow
from visavis_server.app import create_app
from visavis_server.registry import SessionRegistry
from visavis_server.settings_sources import load_settings
from visavis_server.studio import Studio, StudioSettings

pytestmark = pytest.mark.e2e


class NumberRenderer:
    """Spells the frame index in the picture, big enough to survive a codec."""

    name = "number"

    def open(self, avatar: Avatar, long_side_px: int | None = None) -> None:
        return None

    def render(self, states: Sequence[None], windows: Sequence[MotionWindow]) -> list[NDArray[np.uint8]]:
        return [np.stack([painted(window.first_frame + i) for i in range(len(window))]) for window in windows]


class WhoRenderer:
    """Spells a number that stands for the avatar, plus one while its mouth is open."""

    name = "who"
    numbers = {"astronaut": 1000, "zoe": 3000}

    def open(self, avatar: Avatar, long_side_px: int | None = None) -> int:
        return self.numbers[avatar.id]

    def render(self, states: Sequence[int], windows: Sequence[MotionWindow]) -> list[NDArray[np.uint8]]:
        jaws = [window.face[:, ARKIT["jawOpen"]] > 0.1 for window in windows]
        return [
            np.stack([painted(who + int(is_open)) for is_open in mouth])
            for who, mouth in zip(states, jaws, strict=True)
        ]


@dataclass
class Place:
    http: httpx.AsyncClient
    port: int
    studio: Studio
    registry: SessionRegistry

    async def call(
        self, samples: NDArray[np.int16] | None = None, avatar_id: str = "astronaut"
    ) -> tuple[ClientConnection, Browser]:
        """A connected call."""
        made = await self.http.post("/v1/sessions", json={"avatar_id": avatar_id})
        assert made.status_code == 201, made.text
        signal = await connect(f"ws://127.0.0.1:{self.port}{made.json()['signal_url']}")
        browser = Browser.open(samples=samples)
        await say(signal, type="offer", sdp=await browser.offer())
        await browser.accept((await hear(signal, "answer"))["sdp"])
        await browser.connected()
        return signal, browser


@contextlib.asynccontextmanager
async def place(renderer: NumberRenderer | WhoRenderer | None = None) -> AsyncIterator[Place]:
    settings = load_settings(flags={"sessions.capacity": 2})
    studio = Studio(renderer or NumberRenderer(), LoudnessListener, StudioSettings(frames_per_step=1))
    app = create_app(settings, studio, FakeLibrary())
    async with served(app, settings, 20) as it:
        yield Place(it.http, it.port, studio, app.state.registry)


async def test_a_voice_goes_in_and_its_pictures_come_out() -> None:
    loud = np.full(48_000 * 4, 12_000, np.int16)
    async with place() as it:
        signal, browser = await it.call(loud)
        await until(lambda: len(browser.video) >= 40, 10)
        shown = [read_index(arrival.data) for arrival in browser.video]
        assert shown == sorted(shown) and shown[-1] - shown[0] >= 30
        states = []
        while "speaking" not in states:
            message = json.loads(await asyncio.wait_for(signal.recv(), 5))
            states += [message["state"]] if message["type"] == "state" else []
        stats = await hear(signal, "stats")
        while stats["frames"]["sent"] < 40:
            stats = await hear(signal, "stats")
        assert stats["bitrate_kbps"] > 0 and stats["latency_ms"]["p50"] > 0
        figures = (await it.http.get("/metrics")).text
        assert "visavis_speech_to_lips_ms_count 0.0" not in figures
        await signal.close()
        await browser.close()


async def test_a_closed_tab_frees_everything_within_five_seconds() -> None:
    """The page's WebSocket goes at once; its media connection just stops answering."""
    async with place() as it:
        signal, browser = await it.call()
        await until(lambda: len(browser.video) >= 3, 10)
        begun_s = time.monotonic()
        browser.vanish()
        signal.transport.abort()
        await until(lambda: it.registry.active == 0 and it.studio.sessions == (), 5)
        assert time.monotonic() - begun_s < 5
        names = [task.get_name() for task in asyncio.all_tasks()]
        held = [name for name in names if name.startswith(("media clock", "watch s", "close ", "end "))]
        assert not held
        await browser.close()


async def test_a_browser_that_closes_its_media_connection_ends_the_call() -> None:
    async with place() as it:
        signal, browser = await it.call()
        await until(lambda: len(browser.video) >= 3, 10)
        await browser.close()
        assert (await hear(signal, "bye"))["reason"] == "client"
        await until(lambda: it.registry.active == 0, 5)
        await signal.close()


async def test_two_calls_do_not_touch_each_other() -> None:
    async with place() as it:
        first = await it.call()
        second = await it.call()
        await until(lambda: min(len(first[1].video), len(second[1].video)) >= 5, 10)
        await first[0].close()
        await first[1].close()
        await until(lambda: it.registry.active == 1, 5)
        seen = len(second[1].video)
        await until(lambda: len(second[1].video) >= seen + 15, 10)
        await second[0].close()
        await second[1].close()


async def test_two_calls_neither_see_nor_hear_each_other() -> None:
    loud = np.tile(np.repeat(np.array([12_000, -12_000], np.int16), 24), 6_000)  # 6 s at 1 kHz
    async with place(WhoRenderer()) as it:
        speaker = await it.call(loud, "astronaut")
        silent = await it.call(None, "zoe")
        await until(lambda: min(len(browser.video) for _, browser in (speaker, silent)) >= 50, 15)
        numbers = [{read_index(arrival.data) for arrival in browser.video} for _, browser in (speaker, silent)]
        assert numbers == [{1000, 1001}, {3000}]
        heard = [max(int(np.abs(part.data).max()) for part in browser.audio) for _, browser in (speaker, silent)]
        assert heard[0] > 4000 and heard[1] < 50
        for signal, browser in (speaker, silent):
            await signal.close()
            await browser.close()
