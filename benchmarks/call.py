"""A real headless Chromium calls a running server with a sound file as its microphone, like a person on a laptop.

    python benchmarks/call.py [--seconds 60] [--avatar astronaut] [--keep]

Both run on this machine, so the figures hold the browser's own load too. JSON keys: fps_received, first_frame_ms (click
to first frame), speech_to_lips_ms_p50/_p95 (voice reaching the server to its frame leaving), av_offset_ms_p50/_p95
(absolute, at the receiver), av_offset_trend_ms_per_min, freezes, server_cpu_cores, browser_cpu_cores.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.async_api import Page, async_playwright
from record import report
from render import speech

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


def free_port() -> int:
    """A TCP port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_server(
    port: int, data: Path, log: Path, arguments: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """`visavis serve`, ready to answer; with more arguments and variables."""
    visavis = Path(sys.executable).with_name("visavis")
    server = subprocess.Popen(
        [str(visavis), "serve", "--port", str(port), *arguments],
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        env={**os.environ, "VISAVIS_DATA_DIR": str(data), **(environ or {})},
    )
    deadline_s = time.monotonic() + 90
    while time.monotonic() < deadline_s:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
                if answer.status == 200:
                    return server
        except OSError:
            time.sleep(0.2)
        if server.poll() is not None:
            break
    server.kill()
    raise SystemExit(f"the server did not start:\n{log.read_text()}")


async def first_frame(page: Page, patience_s: float = 30.0) -> None:
    """Wait for the first frame on screen (asked again and again: the page's policy forbids watching from inside)."""
    deadline_s = time.monotonic() + patience_s
    while (await page.evaluate("window.visavis.stats()"))["first_frame_ms"] is None:
        if time.monotonic() > deadline_s:
            raise SystemExit(f"no frame came in {patience_s:.0f} s; the page says:\n{await page.inner_text('body')}")
        await asyncio.sleep(0.1)


async def sample(page: Page, seconds: float, server: psutil.Process) -> tuple[list[dict[str, Any]], float, float]:
    """One reading a second of the page's own statistics; and the CPU of server and browser in cores."""
    readings: list[dict[str, Any]] = []
    family = [server, *server.children(recursive=True)]
    browser = [p for p in psutil.process_iter(["name"]) if "chrom" in (p.info["name"] or "")]
    before = cpu_s(family), cpu_s(browser), time.monotonic()
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        await asyncio.sleep(1.0)
        reading = await page.evaluate("window.visavis.stats()")
        readings.append({**reading, "at_s": time.monotonic()})
    took_s = time.monotonic() - before[2]
    return readings, (cpu_s(family) - before[0]) / took_s, (cpu_s(browser) - before[1]) / took_s


def cpu_s(processes: list[psutil.Process]) -> float:
    """CPU seconds that these processes have used."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
            total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total


async def call(port: int, avatar: str, seconds: float, voice: Path, chromium: str, shot: Path | None) -> dict[str, Any]:
    """One call; the server listens on this port."""
    server = psutil.Process()
    for process in psutil.process_iter(["cmdline"]):
        if str(port) in (process.info["cmdline"] or []) and "serve" in (process.info["cmdline"] or []):
            server = process
    async with async_playwright() as play:
        flags = [*CHROMIUM_FLAGS, f"--use-file-for-fake-audio-capture={voice}"]
        browser = await play.chromium.launch(executable_path=chromium, args=flags)
        context = await browser.new_context(viewport={"width": 1280, "height": 800}, permissions=["microphone"])
        page = await context.new_page()
        await page.goto(f"http://127.0.0.1:{port}/")
        await page.click(f'[data-avatar="{avatar}"]')
        await page.click("#start")
        await first_frame(page)
        readings, server_cpu, browser_cpu = await sample(page, seconds, server)
        if shot is not None:
            await page.screenshot(path=str(shot))
        await page.click("#stop")
        await browser.close()
    return figures(readings, server_cpu, browser_cpu)


def figures(readings: list[dict[str, Any]], server_cpu: float, browser_cpu: float) -> dict[str, Any]:
    """What the readings of one call come to; the first 3 s, in which buffers settle, count for freezes only."""
    last, settled = readings[-1], readings[3:]
    shown = (last["frames_total"] - readings[3]["frames_total"]) / (last["at_s"] - readings[3]["at_s"])
    latencies = [r["server"]["latency_ms"] for r in settled if r["server"] and r["server"]["latency_ms"]["p50"]]
    offsets = np.array(last["av_offset_ms"][5:], float)
    minutes = np.arange(offsets.size) / 60.0
    trend = float(np.polyfit(minutes, offsets, 1)[0]) if offsets.size >= 30 else float("nan")
    received = last["call"] or {}
    return {
        "fps_received": round(float(np.median([r["fps"] for r in settled])), 2),
        "fps_mean": round(float(shown), 2),
        "first_frame_ms": round(float(last["first_frame_ms"]), 1),
        "speech_to_lips_ms_p50": round(float(np.median([v["p50"] for v in latencies])), 1) if latencies else None,
        "speech_to_lips_ms_p95": round(float(np.median([v["p95"] for v in latencies])), 1) if latencies else None,
        "speech_to_lips_ms_p95_worst": round(float(max(v["p95"] for v in latencies)), 1) if latencies else None,
        "av_offset_ms_p50": round(float(np.percentile(np.abs(offsets), 50)), 1) if offsets.size else None,
        "av_offset_ms_p95": round(float(np.percentile(np.abs(offsets), 95)), 1) if offsets.size else None,
        "av_offset_trend_ms_per_min": round(trend, 2) if np.isfinite(trend) else None,
        "av_offset_ms_by_minute": [round(float(np.median(offsets[i : i + 60])), 1) for i in range(0, offsets.size, 60)],
        "freezes": last["freezes"],
        "longest_gap_ms": round(float(last["longest_gap_ms"]), 1),
        "frames_repeated": (last["server"] or {}).get("frames", {}).get("repeated"),
        "bitrate_kbps": received.get("bitrate_kbps"),
        "buffer_ms": received.get("buffer_ms"),
        "codec": received.get("codec"),
        "size": f"{received.get('width')}x{received.get('height')}",
        "server_cpu_cores": round(server_cpu, 2),
        "browser_cpu_cores": round(browser_cpu, 2),
        "seconds": len(readings),
    }


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--seconds", type=float, default=60.0)
    ask.add_argument("--avatar", default="astronaut")
    ask.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    ask.add_argument("--screenshot", type=Path, help="write a PNG of the page in the call")
    ask.add_argument("--keep", action="store_true", help="write the record under benchmarks/results/")
    args = ask.parse_args()
    if not args.chromium:
        raise SystemExit("no Chromium found: install it (Debian: apt-get install chromium) or pass --chromium PATH")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        voice = speech(min(args.seconds, 60.0), Path(folder))
        server = start_server(port, Path(folder), Path(folder) / "server.log")
        try:
            found = asyncio.run(call(port, args.avatar, args.seconds, voice, args.chromium, args.screenshot))
        finally:
            server.terminate()
            server.wait(15)
    report("call", {"avatar": args.avatar, **found}, keep=args.keep)


if __name__ == "__main__":
    main()
