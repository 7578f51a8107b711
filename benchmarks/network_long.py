"""One long call in which something stands still for a second, again and again: do picture and voice stay together.

    python benchmarks/network.py --hours 2 --log LOG [--keep]   # runs it (root, see there); LOG grows with every stall
    python benchmarks/network_long.py LOG [--keep]              # the figures of a log, also of a run that was cut

What is measured: Chromium's `estimatedPlayoutTimestamp` of both tracks, ten times a second: the sender's time, by its
RTCP sender reports, of the picture that is on screen and of the sound that is playing at this moment. Offset: picture
less voice; positive, the picture is ahead. Every reading counts, those in and right behind a stall too. While the page
itself stands still nothing can be read: those seconds are told as `unseen_s`. While nothing new plays, the browser lets
the time of the last picture or sound run on, so that a standing picture shows under freezes and not as an offset; nor
does a picture that the server repeats because its render stands still.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
from network_call import Place, until_shown
from network_figures import NTP_TO_UNIX_MS, Reading, offsets_ms, trend_ms_per_h
from network_wire import WireProcess
from record import report

STALLS = ("render", "loop", "reader")
BEHIND_S = 10.0
"""So long after a stall its readings are told apart."""
PART_S = 600.0
UNSEEN_S = 0.5
"""Readings come ten times a second; a longer gap is told."""
LINK = {"delay_ms": 20, "jitter_ms": 5}


def line_of(told: list[Reading], stall: str | None, begun_ms: float) -> dict[str, Any]:
    """What a log keeps of the readings between two stalls; `stall` is the one before them."""
    known = [(reading, found[0]) for reading in told if (found := offsets_ms([reading])).size]
    last = told[-1] if told else {}
    counts = {
        "freezes": last.get("video", {}).get("freezeCount"),
        "frozen_s": last.get("video", {}).get("totalFreezesDuration"),
        "pictures": last.get("video", {}).get("framesDecoded"),
        "samples": last.get("audio", {}).get("totalSamplesReceived"),
        "concealed": last.get("audio", {}).get("concealedSamples"),
    }
    return {
        "stall": stall,
        "at_s": [round((reading["at_ms"] - begun_ms) / 1000, 2) for reading, _ in known],
        "offset_ms": [round(float(offset_ms), 1) for _, offset_ms in known],
        "lag_ms": [
            round(reading["at_ms"] - (reading["video"]["estimatedPlayoutTimestamp"] - NTP_TO_UNIX_MS))
            for reading, _ in known
        ],
        **{name: value for name, value in counts.items() if value is not None},
        "load": round(os.getloadavg()[0], 1),
    }


def figures_of(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """What a log's lines come to, however many there are.

    Raises:
        SystemExit: there is no reading in them.
    """
    at_s = np.array([at_s for line in lines for at_s in line["at_s"]], float)
    offset_ms = np.array([offset for line in lines for offset in line["offset_ms"]], float)
    lag_ms = np.array([lag for line in lines for lag in line["lag_ms"]], float)
    if not at_s.size:
        raise SystemExit("no reading of picture and voice: nothing to tell")
    gaps_s, absolute, half = np.diff(at_s), np.abs(offset_ms), offset_ms.size // 2
    trend = trend_ms_per_h(at_s, offset_ms)
    last: dict[str, Any] = {}
    for line in lines:
        last |= line
    found: dict[str, Any] = {
        "minutes": round(float(at_s[-1] - at_s[0]) / 60, 1),
        "readings": int(offset_ms.size),
        "unseen_s": round(float(gaps_s[gaps_s > UNSEEN_S].sum()), 1),
        "stalls": sum(line["stall"] is not None for line in lines),
        **{f"stalls_{kind}": sum(line["stall"] == kind for line in lines) for kind in STALLS},
        "av_offset_abs_p50_ms": _percentile(absolute, 50),
        "av_offset_abs_p95_ms": _percentile(absolute, 95),
        "av_offset_abs_p99_ms": _percentile(absolute, 99),
        "av_offset_abs_max_ms": _percentile(absolute, 100),
        "over_45_ms_share": round(float((absolute > 45.0).mean()), 4),
        "trend_ms_per_h": None if trend is None else round(trend, 1),
        "first_half_median_ms": _percentile(offset_ms[:half], 50),
        "second_half_median_ms": _percentile(offset_ms[half:], 50),
        "lag_first_half_median_ms": _percentile(lag_ms[:half], 50),
        "lag_second_half_median_ms": _percentile(lag_ms[half:], 50),
    }
    for kind in STALLS:
        behind = [_behind(line) for line in lines if line["stall"] == kind]
        found[f"p95_behind_{kind}_ms"] = _percentile(np.concatenate(behind), 95) if behind else None
    edges = np.arange(at_s[0], at_s[-1], PART_S)
    parts = [absolute[(at_s >= edge) & (at_s < edge + PART_S)] for edge in edges]
    found["abs_p95_by_10_min_ms"] = [_percentile(part, 95) for part in parts]
    found |= {name: last[name] for name in ("freezes", "frozen_s", "pictures", "load") if name in last}
    if last.get("samples"):
        found["concealed_share"] = round(last.get("concealed", 0) / last["samples"], 4)
    return found


def _behind(line: dict[str, Any]) -> Any:
    """Absolute offsets in the seconds right behind this line's stall."""
    at_s = np.array(line["at_s"], float)
    behind = at_s < at_s[0] + BEHIND_S if at_s.size else np.zeros(0, bool)
    return np.abs(np.array(line["offset_ms"], float)[behind])


def _percentile(values: Any, share: float) -> float | None:
    return round(float(np.percentile(values, share)), 1) if len(values) else None


async def run_long(place: Place, wire: WireProcess, hours: float, every_s: float, log: Path) -> dict[str, Any]:
    """Hold the call; a line is logged for every stall, so that a run that is cut is still a record."""
    await wire.order(seed=1, down=LINK, up=LINK)
    page = await place.call("elena")
    await until_shown(page)
    await asyncio.sleep(10)
    await page.evaluate("window.network.readings.splice(0)")
    dice, begun_s, begun_ms = random.Random(5), time.monotonic(), 1000 * time.time()
    lines: list[dict[str, Any]] = []
    told: list[Reading] = []
    stall: str | None = None
    next_s = begun_s + every_s
    with log.open("w", buffering=1) as out:
        while True:
            await asyncio.sleep(2.0)
            told += await page.evaluate("window.network.readings.splice(0)")
            over = time.monotonic() - begun_s >= 3600 * hours
            if not over and time.monotonic() < next_s:
                continue
            next_s += every_s
            lines.append(line_of(told, stall, begun_ms))
            out.write(json.dumps(lines[-1]) + "\n")
            said = _percentile(np.abs(lines[-1]["offset_ms"]), 95)
            print(f"{time.monotonic() - begun_s:7.0f} s  after stall of {stall!s:<7} |p95| {said} ms", flush=True)
            if over:
                break
            told, stall = [], dice.choice(STALLS)
            await stand_still(place, page, stall)
    await place.hang_up(page)
    return figures_of(lines)


async def stand_still(place: Place, page: Any, kind: str) -> None:
    """Let one of the three stand still for a second."""
    if kind == "reader":
        await page.evaluate("(() => { const end = performance.now() + 1000; while (performance.now() < end); })()")
    else:
        place.stall(signal.SIGUSR1 if kind == "render" else signal.SIGUSR2)


def main() -> None:
    """Print what a log comes to."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("log", type=Path)
    ask.add_argument("--keep", action="store_true", help="write the record under benchmarks/results/")
    args = ask.parse_args()
    lines = [json.loads(line) for line in args.log.read_text().splitlines() if line.endswith("}")]
    report("network-long", figures_of(lines), keep=args.keep)


if __name__ == "__main__":
    main()
