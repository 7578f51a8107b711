"""A real server and a real Chromium in namespaces of their own, and what the browser measures 10 times a second.

Knows nothing of what the network between them is like, nor of what readings come to.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from call import CHROMIUM_FLAGS, first_frame
from network_wire import CLIENT, SERVER, SERVER_ADDRESS
from playwright.async_api import Browser, Page, Playwright

PORT = 8765
URL = f"http://{SERVER_ADDRESS}:{PORT}"
_WATCH = """
(() => {
  const every_ms = 100;
  const Plain = window.RTCPeerConnection, connections = [], readings = [];
  window.network = { connections, readings };
  window.RTCPeerConnection = class extends Plain {
    constructor(...args) { super(...args); connections.push(this); }
  };
  const names = ['framesDecoded', 'framesDropped', 'freezeCount', 'totalFreezesDuration', 'estimatedPlayoutTimestamp',
    'jitterBufferDelay', 'jitterBufferEmittedCount', 'bytesReceived', 'packetsReceived', 'packetsLost', 'pliCount',
    'nackCount', 'keyFramesDecoded', 'frameWidth', 'frameHeight', 'qpSum', 'concealedSamples', 'silentConcealedSamples',
    'totalSamplesReceived', 'concealmentEvents', 'lastPacketReceivedTimestamp'];
  setInterval(async () => {
    const pc = connections.at(-1);
    if (!pc || pc.connectionState === 'closed') return;
    const reading = { at_ms: performance.timeOrigin + performance.now(), state: pc.connectionState };
    for (const entry of (await pc.getStats()).values()) {
      if (entry.type === 'inbound-rtp') {
        const kept = {};
        for (const name of names) if (entry[name] !== undefined) kept[name] = entry[name];
        reading[entry.kind] = kept;
      } else if (entry.type === 'candidate-pair' && entry.nominated) {
        reading.rtt_ms = 1000 * (entry.currentRoundTripTime ?? 0);
      }
    }
    readings.push(reading);
  }, every_ms);
})();
"""


def namespaced(namespace: str, command: str, folder: Path) -> Path:
    """A program that runs `command` in a namespace, for those who want one path."""
    path = folder / f"{Path(command).name}-in-{namespace}"
    path.write_text(f'#!/bin/sh\nexec ip netns exec {namespace} {command} "$@"\n')
    path.chmod(0o755)
    return path


class Place:
    """The server, and a browser to call it."""

    def __init__(self, folder: Path, chromium: str, config: str = "") -> None:
        self.folder = folder
        self._chromium = chromium
        self._config = config
        self._facts = folder / "facts.jsonl"
        self.server: subprocess.Popen[bytes] | None = None
        self.browser: Browser | None = None

    async def open(self, play: Playwright, voice: Path) -> None:
        """Start both; the server is ready to answer then."""
        log = self.folder / "server.log"
        (self.folder / "config.toml").write_text(self._config)
        self.server = subprocess.Popen(  # noqa: ASYNC220 - it only starts
            ["ip", "netns", "exec", SERVER, sys.executable, str(Path(__file__).with_name("network_server.py"))]
            + [str(self._facts), "serve", "--host", "0.0.0.0", "--port", str(PORT), "--renderer", "warp"]
            + ["--access", "open", "--tls", "off", "--capacity", "4", "--config", str(self.folder / "config.toml")],
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            env={**os.environ, "VISAVIS_DATA_DIR": str(self.folder / "data")},
        )
        flags = [*CHROMIUM_FLAGS, f"--use-file-for-fake-audio-capture={voice}"]
        flags.append(f"--unsafely-treat-insecure-origin-as-secure={URL}")
        path = namespaced(CLIENT, self._chromium, self.folder)
        self.browser = await play.chromium.launch(executable_path=str(path), args=flags)
        deadline_s = time.monotonic() + 120
        page = await self.browser.new_page()
        while True:
            try:
                answer = await page.goto(f"{URL}/healthz")
                if answer is not None and answer.ok:
                    break
            except Exception as error:  # playwright's own kinds; not up yet
                if time.monotonic() > deadline_s or self.server.poll() is not None:
                    raise SystemExit(f"the server did not start:\n{log.read_text()}") from error
            await asyncio.sleep(0.5)
        await page.close()

    async def call(self, avatar: str) -> Page:
        """Begin a call; the first frame has not come yet."""
        assert self.browser is not None
        context = await self.browser.new_context(viewport={"width": 480, "height": 360}, permissions=["microphone"])
        page = await context.new_page()
        await page.add_init_script(_WATCH)
        await page.goto(f"{URL}/")
        await page.click(f'[data-avatar="{avatar}"]')
        await page.click("#start")
        return page

    async def hang_up(self, page: Page) -> None:
        """End the call and its page."""
        await page.click("#stop")
        await asyncio.sleep(0.3)
        await page.context.close()

    def stall(self, kind: int) -> None:
        """Send the server (not `ip`, which has become it) a signal."""
        assert self.server is not None
        self.server.send_signal(kind)

    def facts(self) -> list[dict[str, Any]]:
        """What the server thought of the link, once a second, of all calls so far."""
        return [json.loads(line) for line in self._facts.read_text().splitlines()] if self._facts.exists() else []

    async def close(self) -> None:
        """End both."""
        if self.browser is not None:
            await self.browser.close()
        if self.server is not None:
            self.server.terminate()
            self.server.wait(20)


async def readings(page: Page) -> list[dict[str, Any]]:
    """All readings of this page so far."""
    return list(await page.evaluate("window.network.readings"))


async def until_shown(page: Page, patience_s: float = 30.0) -> float:
    """Wait for the first frame; gives how long it took from the click, in ms."""
    await first_frame(page, patience_s)
    told = await page.evaluate("window.visavis.stats()")
    return float(told["first_frame_ms"])


def chromium_path() -> str | None:
    """The installed Chromium, if any."""
    return shutil.which("chromium") or shutil.which("google-chrome")
