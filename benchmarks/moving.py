"""A worker is killed, again and again, while a page in Chromium is in a call with it: when its pictures are back.

    python benchmarks/moving.py [--kills 12] [--renderer warp] [--avatar elena] [--keep]

The stages are told by the page itself, in ms after `kill -9`: told_ms (it knows), asked_ms (it asks for a session),
session_ms (another worker has opened it), answer_ms and connected_ms (the media connection), first_frame_ms (a picture
of it is on the screen). Browser and server share this machine, and its other processes too: load_1 says how busy it
was. JSON keys: kills, and for each stage its name with _p50, _p95 and _worst.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from call import CHROMIUM_FLAGS, free_port, start_server
from playwright.async_api import Page, async_playwright
from record import report
from render import speech

STAGES = ("told_ms", "asked_ms", "session_ms", "answer_ms", "connected_ms", "first_frame_ms")
PATIENCE_S = 60.0
_SETTLED_S = 6.0
"""Between two kills the page shows pictures for so long."""

WATCH_CALL = """
const seen = (window.moving = { told: 0, asked: 0, client: null });
const now = () => performance.timeOrigin + performance.now();
const timer = setInterval(() => {
  const client = window.visavis?.client;
  if (!client) return;
  clearInterval(timer);
  client.on("problem", ({ fatal }) => { if (fatal) seen.told ||= now(); });
  client.on("phase", (phase) => { if (phase === "connecting") seen.asked = now(); });
}, 20);
"""
"""Notes what the client itself does not keep: when a call was lost."""
CALL_STAGES = """() => {
  const { timeline, phase, session } = window.visavis.client;
  const at = (ms) => (ms === null ? null : performance.timeOrigin + timeline.clicked_ms + ms);
  return { told: window.moving.told, asked: window.moving.asked, live: phase === "live", id: session?.id ?? null,
    session: at(timeline.session_ms), answer: at(timeline.answer_ms), connected: at(timeline.connected_ms),
    first_frame: at(timeline.first_frame_ms) };
}"""


def worker_pid(server: int, session: str) -> int:
    """The process in which a session is."""
    number = int(session.partition(".")[0])
    for child in psutil.Process(server).children():
        if any(str(c.laddr).endswith(f"/{number}.sock") for c in child.net_connections("unix")):
            return child.pid
    raise RuntimeError(f"no process of worker {number}")


async def until_workers(http: httpx.AsyncClient, count: int) -> None:
    """Wait until so many answer."""
    async with asyncio.timeout(PATIENCE_S):
        while (await http.get("/healthz")).json().get("workers") != count:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


@asynccontextmanager
async def calling(url: str, avatar: str, voice: Path) -> AsyncIterator[Page]:
    """A page in a call."""
    async with async_playwright() as play:
        flags = [*CHROMIUM_FLAGS, f"--use-file-for-fake-audio-capture={voice}"]
        browser = await play.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        await page.add_init_script(WATCH_CALL)
        await page.goto(url)
        await page.click(f'[data-avatar="{avatar}"]')
        await page.click("#start")
        await page.wait_for_selector('body[data-phase="live"]', timeout=PATIENCE_S * 1000)
        try:
            yield page
        finally:
            await browser.close()


async def once(page: Page, server: int, http: httpx.AsyncClient) -> dict[str, float]:
    """One kill: when what happened, in ms after it."""
    before: dict[str, Any] = await page.evaluate(CALL_STAGES)
    await page.evaluate("() => { window.moving.told = 0; }")
    pid = worker_pid(server, before["id"])
    killed_ms = time.time() * 1000
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = await page.evaluate(CALL_STAGES)
            if found["told"] and found["live"] and found["first_frame"] and found["id"] != before["id"]:
                break
            await asyncio.sleep(0.25)
    return {stage: found[stage.removesuffix("_ms")] - killed_ms for stage in STAGES}


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of all kills."""
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        voice = speech(60, folder)
        extra = ["--workers", "2", "--capacity", "8", "--renderer", arguments.renderer]
        server = start_server(port, folder / "data", folder / "server.log", extra)
        url = f"http://127.0.0.1:{port}"
        try:
            async with (
                httpx.AsyncClient(base_url=url, timeout=30) as http,
                calling(url, arguments.avatar, voice) as page,
            ):
                for _ in range(arguments.kills):
                    await until_workers(http, 2)
                    await asyncio.sleep(_SETTLED_S)
                    rows.append(await once(page, server.pid, http))
                    print("  ".join(f"{stage[:-3]} {value:6.0f}" for stage, value in rows[-1].items()), flush=True)
        finally:
            server.terminate()
            server.wait(20)
    figures: dict[str, Any] = {
        "kills": len(rows),
        "renderer": arguments.renderer,
        "load_1": round(os.getloadavg()[0], 1),
    }
    for stage in STAGES:
        values = [row[stage] for row in rows]
        p50, p95 = np.percentile(values, [50, 95]).tolist()
        figures |= {f"{stage}_p50": p50, f"{stage}_p95": p95, f"{stage}_worst": max(values)}
    return figures


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--renderer", default="warp")
    parser.add_argument("--avatar", default="elena")
    parser.add_argument("--keep", action="store_true", help="keep the record under benchmarks/results")
    arguments = parser.parse_args()
    report("moving", asyncio.run(measure(arguments)), keep=arguments.keep)


if __name__ == "__main__":
    main()
