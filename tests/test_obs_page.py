"""The OBS page in a real Chromium: transparency that can be seen through, keys and images behind, and staying alive."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import cv2
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.async_api import Page, async_playwright

from chromium import FLAGS, chromium_path
from cutout_fakes import CutoutRenderer
from visavis_models.portrait.storage import load_avatar
from visavis_models.warp.renderer import scaled_avatar
from whip_clients import LOUD, Client, venue

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[1]
SIDE_PX = 512
SLACK = 0.022
"""What the page takes for nothing and all, as its source says."""
Pixels = NDArray[np.uint8]


@asynccontextmanager
async def obs_page(
    base: str, fragment: str = "", size_px: int = SIDE_PX, beeping: bool = False, **options: Any
) -> AsyncIterator[Page]:
    """The page in a window of this size; what its console says is in `page.said`.

    Args:
        base: the server.
        fragment: what follows the query.
        size_px: width and height.
        beeping: whether there is a microphone, in which Chromium's own beeps are heard.
        options: the query.
    """
    microphone = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"] if beeping else []
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=chromium_path(), args=[*FLAGS, *microphone])
        page = await browser.new_page(viewport={"width": size_px, "height": size_px})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        setattr(page, "said", said)  # noqa: B010 - the type knows no such field
        query = {name: value for name, value in {"badge": "0", **options}.items() if value is not None}
        await page.goto(f"{base}/obs?{urlencode(query)}{fragment}")
        try:
            yield page
            await page.goto("about:blank")  # a browser that is killed cannot say good-bye
            await asyncio.sleep(0.5)
        finally:
            await browser.close()
            assert not [line for line in said if line.startswith("error:")]


async def stats(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate("window.visavisObs.stats()")
    return found


async def until(page: Page, true: Callable[[dict[str, Any]], bool], patience_s: float = 40.0) -> dict[str, Any]:
    deadline_s = time.monotonic() + patience_s
    while True:
        found = await stats(page)
        if true(found):
            return found
        assert time.monotonic() < deadline_s, found
        await asyncio.sleep(0.1)


async def screenshot(page: Page, *, transparent: bool = False) -> NDArray[np.float64]:
    shot = await page.screenshot(omit_background=transparent, animations="disabled")
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGBA" if transparent else "RGB"), np.float64)


CHECKS = "repeating-conic-gradient({} 0 25%, {} 0 50%) 0 0 / 32px 32px"
FREEZE = """async () => {
  // As if the source were hidden: the page must not take the standstill for a lost connection.
  Object.defineProperty(document, "hidden", { get: () => true });
  const video = document.querySelector("#received");
  const raw = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  for (let tries = 0; tries < 20; tries++) {
    await video.play();
    await new Promise((done) => video.requestVideoFrameCallback(() => {
      raw.getContext("2d").drawImage(video, 0, 0);
      video.pause();
      done();
    }));
    await new Promise((done) => setTimeout(done, 0));
    const frames = window.visavisObs.stats().frames;
    await new Promise((done) => setTimeout(done, 500));
    if (window.visavisObs.stats().frames === frames) break;
  }
  const blob = await raw.convertToBlob({ type: "image/png" });
  return [...new Uint8Array(await blob.arrayBuffer())];
}"""
"""Holds the page at one frame, and gives the video's own picture of it."""


async def over(page: Page, one: str, other: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is seen over a checkerboard, and the checkerboard alone."""
    await page.evaluate("(checks) => { document.body.style.background = checks; }", CHECKS.format(one, other))
    shown = await screenshot(page)
    canvas = "document.querySelector('#avatar').style.visibility"
    await page.evaluate(f"{canvas} = 'hidden'")
    bare = await screenshot(page)
    await page.evaluate(f"{canvas} = ''")
    return shown, bare


class Served:
    """`visavis` as a user starts it, on a port that outlives it."""

    def __init__(self, folder: Path, *program: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._program, self._folder = program, folder
        self.start()

    def start(self) -> None:
        with (self._folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self._program, "--port", str(self.port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "VISAVIS_DATA_DIR": str(self._folder / "data")},
            )
        deadline_s = time.monotonic() + 120
        while time.monotonic() < deadline_s and self.process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(self.url + "/healthz", timeout=5):
                return
            time.sleep(0.2)
        raise AssertionError((self._folder / "server.log").read_text())

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        finally:
            self.process.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    chromium_path()
    program = ("-m", "visavis_server", "serve", "--renderer", "warp", "--capacity", "2")
    running = Served(tmp_path_factory.mktemp("server"), *program)
    yield running
    running.stop()


@pytest.mark.parametrize("webgl", ["1", "0"])
async def test_the_avatar_can_be_seen_through_where_its_matte_says(server: Served, webgl: str) -> None:
    async with obs_page(server.url, avatar="elena", mic="0", webgl=webgl) as page:
        live = await until(page, lambda found: found["frames"] >= 40)
        assert live["painter"] == ("WebGL" if webgl == "1" else "Canvas 2D") and live["layout"] == "side-by-side"
        raw = np.asarray(Image.open(io.BytesIO(bytes(await page.evaluate(FREEZE)))).convert("RGB"), np.float64)
        assert raw.shape == (SIDE_PX, 2 * SIDE_PX, 3)
        clear = await screenshot(page, transparent=True)
        light, light_bare = await over(page, "#c8c8c8", "#787878")
        dark, dark_bare = await over(page, "#203050", "#f0e010")

    # What the stream says, as a compositor would use it.
    luma = raw[:, SIDE_PX:] @ np.array([0.299, 0.587, 0.114]) / 255
    matte = np.clip((luma - SLACK) / (1 - 2 * SLACK), 0, 1)[..., None]
    for shown, bare in ((light, light_bare), (dark, dark_bare)):
        expected = matte * raw[:, :SIDE_PX] + (1 - matte) * bare
        error = np.abs(shown - expected)
        assert error.mean() < 1.0 and np.percentile(error, 99.5) < 10, (error.mean(), error.max())
        empty = matte[..., 0] == 0
        untouched = np.abs(shown - bare)[empty]
        # The video may be one frame further on than the canvas: at an edge that moved, a few pixels differ.
        assert np.percentile(untouched, 99.9) <= 1 and untouched.mean() < 0.01 and empty.mean() > 0.3

    # What is seen through, measured from outside: by how much two checkerboards differ behind it.
    apart = np.abs(dark_bare - light_bare).sum(-1)
    cover = 1 - np.abs(dark - light).sum(-1) / apart
    assert np.abs(cover - matte[..., 0]).mean() < 0.01
    avatar = scaled_avatar(load_avatar(ROOT / "weights" / "gallery" / "elena"), SIDE_PX)
    person, seen = avatar.matte > 127, cover > 0.5
    assert (person & seen).sum() / (person | seen).sum() > 0.9, "it is the avatar's own matte, a little moved"
    grown, shrunk = (change(avatar.matte, np.ones((81, 81), np.uint8)) for change in (cv2.dilate, cv2.erode))
    assert cover[grown == 0].max() < 0.02 and cover[shrunk == 255].min() > 0.98
    assert np.abs(clear[..., 3] / 255 - cover).mean() < 0.01, "a source with alpha gets the same"


async def test_it_says_that_the_picture_is_made_unless_told_not_to(server: Served) -> None:
    async with obs_page(server.url, avatar="amara", mic="0", badge=None) as page:
        await page.wait_for_function("window.visavisObs !== undefined")
        assert await page.evaluate(
            "document.querySelector('#badge').hidden === (window.visavisObs.stats().frames === 0)"
        ), "nothing is said of a picture that is not there yet"
        await until(page, lambda found: found["frames"] >= 5)
        assert await page.is_visible("#badge") and await page.inner_text("#badge") == "AI avatar"
        clear = await screenshot(page, transparent=True)
        assert clear[-40:, 8:60, 3].max() > 150 and clear[:40, :60, 3].max() == 0, "in the lower left corner"


async def test_nothing_but_the_avatar_is_on_the_page(server: Served) -> None:
    async with obs_page(server.url, size_px=400, avatar="amara", mic="0") as page:
        await until(page, lambda found: found["frames"] >= 5)
        shown = await page.evaluate(
            """() => [...document.body.querySelectorAll("*")].filter((one) => {
                 const style = getComputedStyle(one);
                 return style.display !== "none" && style.opacity !== "0";
               }).map((one) => one.id)"""
        )
        assert shown == ["avatar"]
        sizes = await page.evaluate(
            """() => [document.documentElement.scrollHeight, document.documentElement.scrollWidth,
                     document.querySelector("#avatar").clientHeight]"""
        )
        assert sizes == [400, 400, 400]
        clear = await screenshot(page, transparent=True)
        assert clear[:, :45, 3].max() == 0 and clear[:, -45:, 3].max() == 0, "a portrait is 300 wide in 400"
        assert clear[380, 200, 3] == 255
        await page.set_viewport_size({"width": 300, "height": 800})
        tall = await screenshot(page, transparent=True)
        assert tall[:390, :, 3].max() == 0 and tall[797, 150, 3] == 255, "it stands on the lower edge"
        assert "amara" in await avatars_in_use(server)
    for _ in range(200):
        if "amara" not in await avatars_in_use(server):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("a page that goes away gives its session back")


async def avatars_in_use(server: Served) -> list[str]:
    async with httpx.AsyncClient() as http:
        return [session["avatar_id"] for session in (await http.get(server.url + "/v1/sessions")).json()["sessions"]]


async def test_a_colour_or_an_image_can_be_behind_it(server: Served) -> None:
    async with obs_page(server.url, fragment="#00ff00&muted=1", avatar="elena", mic="0", background="") as page:
        found = await until(page, lambda found: found["frames"] >= 5)
        assert found["sound"] == "muted", "what follows a colour is read too"
        assert (await screenshot(page, transparent=True))[3, 3].tolist() == [0, 255, 0, 255]
    picture = "/v1/avatars/astronaut/image"
    async with obs_page(server.url, avatar="elena", mic="0", background=picture) as page:
        await until(page, lambda found: found["frames"] >= 5)
        shown = await screenshot(page)
        async with httpx.AsyncClient() as http:
            photo = Image.open(io.BytesIO((await http.get(server.url + picture)).content))
        behind = np.asarray(photo.resize((SIDE_PX, SIDE_PX)), np.float64)
        corner = slice(0, 60), slice(0, 60)
        assert np.abs(shown[corner] - behind[corner]).mean() < 12, "the flag in the corner of the other photo"
        assert await page.evaluate("document.querySelector('#message').hidden")


async def test_what_is_wrong_is_said_before_the_first_picture_and_never_over_one(server: Served) -> None:
    async with obs_page(server.url, avatar="nobody", mic="0", background="chartreuse!") as page:
        found = await until(page, lambda found: len(found["problems"]) >= 2)
        assert [problem["code"] for problem in found["problems"]] == ["bad_option", "no_such_avatar"]
        assert await page.get_attribute("#message", "data-code") == "no_such_avatar"
        assert await page.is_visible("#message") and not await page.is_visible("#debug")
        assert any("chartreuse!" in line for line in page.said)  # type: ignore[attr-defined]
    async with obs_page(server.url, avatar="elena", background="/nothing.png", fit="tight") as page:
        live = await until(page, lambda found: found["frames"] >= 5)
        codes = {problem["code"] for problem in live["problems"]}
        assert codes == {"bad_option", "bad_image", "no_microphone"}, "it has no microphone, and idles all the same"
        assert not await page.is_visible("#message")
        assert live["microphone"].startswith("none")
    async with obs_page(server.url, mic="0") as page:
        assert await page.get_attribute("#message", "data-code") == "nothing_to_show"


async def test_debug_shows_how_it_does(server: Served) -> None:
    async with obs_page(server.url, avatar="elena", mic="0", debug="1") as page:
        await until(page, lambda found: found["delay"]["down_ms"] is not None)
        await asyncio.sleep(1.2)
        told = await page.inner_text("#debug")
        assert "side-by-side, WebGL" in told and "sync offset" in told and "speak for a few seconds" in told


async def test_a_voice_over_whip_is_heard_in_the_show_that_waits_and_its_delay_is_told() -> None:
    chromium_path()
    async with venue(CutoutRenderer(), rtc__publish_token="secret", rtc__watch_token="other") as it:
        base = f"http://127.0.0.1:{it.port}"
        async with obs_page(base, avatar="astronaut", show="stage", token="wrong") as page:
            await until(page, lambda found: any(problem["code"] == "unauthorized" for problem in found["problems"]))
            assert it.registry.active == 0
        async with obs_page(base, avatar="astronaut", show="stage", token="secret", debug="1") as page:
            await until(page, lambda found: found["frames"] >= 10)
            assert it.registry.active == 1 and it.transmissions.watched("stage").voiced is False
            microphone = Client.microphone(it.http, LOUD)
            microphone.headers = {"Authorization": "Bearer secret"}
            assert (await microphone.start("/whip/astronaut?show=stage")).status_code == 201
            assert it.registry.active == 1
            heard = await until(page, lambda found: found["sync_offset_ms"] is not None)
            parts = [heard["delay"][name] for name in ("up_ms", "server_ms", "down_ms")]
            assert all(part > 0 for part in parts) and 60 < heard["sync_offset_ms"] < 5000
            assert heard["delay"]["total_ms"] == pytest.approx(sum(parts))
            assert heard["connections"] == 1 and heard["sound"] == "on"
            await microphone.leave()
            await microphone.close()
            frames = (await stats(page))["frames"]
            later = await until(page, lambda found: found["frames"] > frames + 30)
            assert later["connections"] == 1, "it idles on"
            await page.reload()
            again = await until(page, lambda found: found["frames"] >= 10)
            assert again["what"] == "watching stage" and it.registry.active == 1, "a reloaded page finds its show"


async def test_one_page_has_the_microphone_and_another_one_watches_it_by_name() -> None:
    chromium_path()
    async with venue(CutoutRenderer()) as it:
        base = f"http://127.0.0.1:{it.port}"
        async with (
            obs_page(base, beeping=True, avatar="astronaut", show="stage", mic="1", muted="1") as speaking,
            obs_page(base, watch="stage", background="00ff00") as watching,
        ):
            spoken, seen = [await until(page, lambda found: found["frames"] >= 10) for page in (speaking, watching)]
            assert spoken["layout"] == seen["layout"] == "side-by-side" and it.registry.active == 1
            assert spoken["microphone"] != "not asked for" and seen["microphone"] == "not asked for"
            assert (spoken["sound"], seen["sound"]) == ("muted", "on")
            assert await it.metric("visavis_alpha_takers") == 2
            assert (await screenshot(watching))[3, 3].tolist() == [0, 255, 0]
            heard = await until(watching, lambda found: found["delay"]["server_ms"] is not None)
            assert heard["connections"] == 1
            await speaking.goto("about:blank")
            await until(watching, lambda found: found["phase"] == "waiting", 20)
            codes = {problem["code"] for problem in (await stats(watching))["problems"]}
            assert codes <= {"no_such_session", "connection_lost", "picture_stopped"} and codes


async def test_a_renderer_without_mattes_shows_the_plain_picture_and_says_so() -> None:
    chromium_path()
    async with venue() as it, obs_page(f"http://127.0.0.1:{it.port}", avatar="astronaut", mic="0") as page:
        found = await until(page, lambda found: found["frames"] >= 10)
        assert found["layout"] == "plain" and [p["code"] for p in found["problems"]] == ["alpha_unavailable"]
        assert await page.evaluate("document.querySelector('#avatar').width") == 320


async def test_it_comes_back_by_itself_when_the_server_does(tmp_path: Path) -> None:
    chromium_path()
    painted = Served(tmp_path, str(Path(__file__).parent / "cli_with_painted_pictures.py"), "serve")
    try:
        async with obs_page(painted.url, avatar="astronaut", show="stage", hold="2") as page:
            await until(page, lambda found: found["frames"] >= 10)
            painted.stop(signal.SIGKILL)
            await until(page, lambda found: found["phase"] == "waiting", 30)
            await asyncio.sleep(3.5)
            assert await page.get_attribute("#avatar", "class") == "gone", "a face that stands still is taken away"
            assert not await page.is_visible("#message"), "nothing is ever written over the stream"
            frames = (await stats(page))["frames"]
            painted.start()
            back = await until(page, lambda found: found["frames"] > frames + 20, 60)
            assert back["connections"] >= 2 and back["problems"]
            assert await page.get_attribute("#avatar", "class") == ""
    finally:
        painted.stop()
