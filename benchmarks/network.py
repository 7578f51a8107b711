"""How a call does on bad networks: a real server, a real Chromium, and a bad link between their network namespaces.

    python benchmarks/network.py [--cells table|quick|NAME,NAME] [--seconds 20] [--repeats 1] [--keep]     (root)
    python benchmarks/network.py --virtual [--repeats 3] [--keep]  # the same table in virtual time, on any machine
    python benchmarks/network.py --hours 2 --log LOG [--keep]   # a long call with induced stalls (network_long.py)

Where the kernel has no netem (as in many containers) the link is a process of ours between two TUN devices: seeded
loss, delay, jitter with reordering, and a rate with a queue of 300 ms (network_link.py). Delay and jitter hold for each
way, so a round trip is twice that; loss too. The rate limits the way to the browser. Avatar: Elena, 512 px, `warp`.

Columns: first (click to first frame), fps (median; and its 5th percentile), freezes (Chromium's own count, and for how
long after the first five seconds), lag (of the picture, from the session to its playing), A/V (median, and 95th
percentile of the absolute offset of picture and voice as they play), kbit/s received, recovery (from a change of the
network to 20 fps without lag, for 2 s). A cell ends "well" or not: "dead" or "lagging".

--virtual runs the server's sending (encoder, rate, pacing, repetition) against a modelled player in virtual time
(network_virtual.py): no browser, no privileges, and the same figures however busy the machine is. A/V is there how much
later than the voice the pictures are whole, which a player evens out; 95 % of it in absolute value.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from encoders import spoken
from network_call import Place, chromium_path, readings, until_shown
from network_figures import figures, recovery_s
from network_link import Conditions, Link
from network_long import run_long
from network_virtual import play, run
from network_wire import WireProcess
from numpy.typing import NDArray
from playwright.async_api import async_playwright
from record import report
from render import SPEECH, speech

from visavis_server.voice_file import VoiceFile

QUIET_CORES = 0.6


@dataclass(frozen=True, slots=True)
class Cell:
    """One network, and how it changes."""

    name: str
    loss: float = 0.0
    delay_ms: float = 20.0
    jitter_ms: float = 0.0
    kbps: tuple[float | None, ...] = (None,)
    """The rate of the way down, for equal shares of the call."""
    cut_s: float = 0.0
    """For so long nothing passes at all, half way through."""
    extra_s: float = 0.0
    tags: frozenset[str] = field(default_factory=frozenset)

    @property
    def way_ms(self) -> float:
        """What a packet takes at the most, apart from queueing."""
        return self.delay_ms + self.jitter_ms

    def down(self, kbps: float | None, *, cut: bool = False) -> dict[str, Any]:
        """Conditions of the way to the browser."""
        rate = {} if kbps is None else {"rate_bps": 1000 * kbps}
        return {**self.up(cut=cut), **rate}

    def up(self, *, cut: bool = False) -> dict[str, Any]:
        """Conditions of the way to the server."""
        return {"loss": 1.0 if cut else self.loss, "delay_ms": self.delay_ms, "jitter_ms": self.jitter_ms}


def table() -> list[Cell]:
    """Everything that issue 7 names."""
    cells = [
        Cell(f"loss {loss:.0%} delay {delay} jitter {jitter}", loss, delay, jitter)
        for loss in (0.0, 0.02, 0.05, 0.10)
        for delay in (20, 100, 300)
        for jitter in (0, 30, 100)
    ]
    cells += [Cell(f"rate {kbps}", kbps=(kbps,)) for kbps in (300, 500, 1000, 2000, 5000)]
    cells += [Cell(f"rate {kbps} loss 5%", 0.05, 100, 30, (kbps,)) for kbps in (300, 1000)]
    cells += [
        Cell("step 2000-400-2000", kbps=(2000, 400, 2000), extra_s=20),
        Cell("step 5000-300-5000", kbps=(5000, 300, 5000), extra_s=20),
        Cell("cut for 1 s", cut_s=1.0),
        Cell("cut for 3 s", cut_s=3.0),
    ]
    return cells


QUICK = (
    "loss 0% delay 20 jitter 0",
    "loss 10% delay 100 jitter 30",
    "loss 0% delay 20 jitter 100",
    "rate 300",
    "rate 1000",
    "step 2000-400-2000",
    "cut for 1 s",
)


def chosen(names: str) -> list[Cell]:
    """The cells that were asked for."""
    wanted = QUICK if names == "quick" else names.split(",")
    return [cell for cell in table() if names == "table" or cell.name in wanted]


async def quiet_machine(patience_s: float) -> float:
    """Wait until little else runs here; gives how many cores others use then."""
    deadline_s = time.monotonic() + patience_s
    while True:
        psutil.cpu_percent()
        await asyncio.sleep(1.5)
        busy = psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1)
        if busy < QUIET_CORES or time.monotonic() > deadline_s:
            return busy


async def run_cell(place: Place, wire: WireProcess, cell: Cell, seconds: float, seed: int) -> dict[str, Any]:
    """One call through one network."""
    others = await quiet_machine(10.0)
    await wire.order(seed=seed, down=cell.down(cell.kbps[0]), up=cell.up())
    page = await place.call("elena")
    seconds += cell.extra_s
    row: dict[str, Any] = {"cell": cell.name, "others_cores": round(others, 1)}
    try:
        row["first_ms"] = round(await until_shown(page, 15.0))
    except SystemExit:
        await place.hang_up(page)
        return {**row, "verdict": "no picture"}
    changes: list[tuple[str, float]] = []
    for n, kbps in enumerate(cell.kbps):
        if n:
            await wire.order(down=cell.down(kbps))
            changes.append((f"{kbps}", 1000 * time.time()))
        if cell.cut_s:
            await asyncio.sleep(seconds / 2)
            await wire.order(down=cell.down(None, cut=True), up=cell.up(cut=True))
            await asyncio.sleep(cell.cut_s)
            await wire.order(down=cell.down(None), up=cell.up())
            changes.append(("link", 1000 * time.time()))
            await asyncio.sleep(seconds / 2)
        else:
            await asyncio.sleep(seconds / len(cell.kbps))
    told = await readings(page)
    passed = (await wire.order())["down"]
    await place.hang_up(page)
    row |= figures(told, cell.way_ms)
    row["recovery_s"] = [
        None if (took := recovery_s(told, at_ms, cell.way_ms)) is None else round(took, 1) for _, at_ms in changes
    ]
    row["queue_full"] = passed["overflowed"]
    return row


def run_virtual(
    cell: Cell, pictures: list[NDArray[np.uint8]], voice: NDArray[np.int16], seconds: float, seed: int
) -> dict[str, Any]:
    """The same in virtual time, with a modelled player."""
    seconds += cell.extra_s
    down = Link(Conditions(**cell.down(cell.kbps[0])), seed)
    up = Link(Conditions(**cell.up()), seed + 1)
    changes_s = [seconds * n / len(cell.kbps) for n in range(1, len(cell.kbps))]
    if cell.cut_s:
        changes_s = [seconds / 2 + cell.cut_s]

    def on_tick(at_s: float) -> None:
        cut = seconds / 2 <= at_s < seconds / 2 + cell.cut_s
        kbps = cell.kbps[min(len(cell.kbps) - 1, int(len(cell.kbps) * at_s / seconds))]
        down.conditions, up.conditions = Conditions(**cell.down(kbps, cut=cut)), Conditions(**cell.up(cut=cut))

    called = run(lambda: play(pictures, voice, seconds + cell.cut_s, down, up, on_tick))
    readings = called.readings()
    first = called.player.shown[0].at_s - called.player.begun_s if called.player.shown else None
    row: dict[str, Any] = {"cell": cell.name, "first_ms": None if first is None else round(1000 * first)}
    row |= figures(readings, cell.way_ms)
    recovered = [recovery_s(readings, 1000 * (called.player.begun_s + at_s), cell.way_ms) for at_s in changes_s]
    row["recovery_s"] = [None if took is None else round(took, 1) for took in recovered]
    row["queue_full"], row["copies"] = down.overflowed, called.out.copies
    row["target_kbps"] = round(float(np.median(called.targets_bps[len(called.targets_bps) // 2 :])) / 1000)
    return row


def virtual_table(cells: list[Cell], args: argparse.Namespace) -> dict[str, Any]:
    """All cells in virtual time."""
    pictures = spoken(8.0)
    voice = np.concatenate([chunk.playback for chunk in VoiceFile(SPEECH).chunks()])
    print("".join(f"{name:>{width}}" for name, width in COLUMNS), flush=True)
    rows = []
    for cell in cells:
        rows.append(merged([run_virtual(cell, pictures, voice, args.seconds, 7 + 10 * n) for n in range(args.repeats)]))
        print(shown(rows[-1]), flush=True)
    well = sum(row["verdict"] == "well" for row in rows)
    return {"cells": len(rows), "well": well, "seconds": args.seconds, "repeats": args.repeats, "rows": rows}


COLUMNS = (
    ("cell", 34),
    ("verdict", 11),
    ("first_ms", 9),
    ("fps", 6),
    ("fps_p5", 7),
    ("freezes", 8),
    ("frozen_settled_s", 17),
    ("lag_ms", 7),
    ("av_offset_p50_ms", 17),
    ("av_offset_p95_ms", 17),
    ("kbps", 7),
    ("width", 6),
    ("recovery_s", 14),
)


def shown(row: dict[str, Any]) -> str:
    """A row as text."""
    return "".join(f"{row.get(name, '')!s:>{width}}" for name, width in COLUMNS)


def merged(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The medians of several runs of one cell; the worst verdict."""
    bad = [row["verdict"] for row in rows if row["verdict"] != "well"]
    row = dict(rows[0])
    for name in row:
        values = [r.get(name) for r in rows]
        numbers = [value for value in values if isinstance(value, int | float)]
        if numbers and len(numbers) == len(values):
            row[name] = round(statistics.median(numbers), 1)
    row["verdict"], row["runs"] = (bad[0] if bad else "well"), len(rows)
    steps = zip(*(one["recovery_s"] for one in rows if "recovery_s" in one), strict=True)
    recoveries = [[took_s for took_s in step if took_s is not None] for step in steps]
    row["recovery_s"] = [statistics.median(step) if step else None for step in recoveries]
    return row


async def run_table(place: Place, wire: WireProcess, cells: list[Cell], args: argparse.Namespace) -> dict[str, Any]:
    """All cells."""
    print("".join(f"{name:>{width}}" for name, width in COLUMNS), flush=True)
    rows = []
    for cell in cells:
        runs = [await run_cell(place, wire, cell, args.seconds, 7 + 10 * n) for n in range(args.repeats)]
        rows.append(merged(runs) | {"load": round(os.getloadavg()[0], 1)})
        print(shown(rows[-1]), f"  load {rows[-1]['load']} others {rows[-1]['others_cores']}", flush=True)
    well = sum(row["verdict"] == "well" for row in rows)
    return {"cells": len(rows), "well": well, "seconds": args.seconds, "repeats": args.repeats, "rows": rows}


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Everything that was asked for."""
    wire = WireProcess()
    await wire.open()
    try:
        with tempfile.TemporaryDirectory() as name:
            place = Place(Path(name), args.chromium)
            async with async_playwright() as play:
                try:
                    await place.open(play, speech(60.0, Path(name)))
                    if args.hours:
                        return await run_long(place, wire, args.hours, args.stall_every, args.log)
                    return await run_table(place, wire, chosen(args.cells), args)
                finally:
                    await place.close()
    finally:
        await wire.close()


def main() -> None:
    """Measure and print."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--cells", default="table", help="table, quick, or names separated by commas")
    ask.add_argument("--seconds", type=float, default=20.0)
    ask.add_argument("--repeats", type=int, default=1, help="runs of each cell with other seeds; medians are printed")
    ask.add_argument("--virtual", action="store_true", help="in virtual time, with a modelled player")
    ask.add_argument("--hours", type=float, default=0.0, help="one long call with stalls instead of the table")
    ask.add_argument("--stall-every", type=float, default=30.0, help="seconds between stalls")
    ask.add_argument("--log", type=Path, default=Path("network-long.jsonl"), help="what a long call's readings go to")
    ask.add_argument("--chromium", default=chromium_path())
    ask.add_argument("--keep", action="store_true", help="write the record under benchmarks/results/")
    args = ask.parse_args()
    if args.virtual:
        report("network-virtual", virtual_table(chosen(args.cells), args), keep=args.keep)
        return
    if not args.chromium:
        raise SystemExit("no Chromium found: install it (Debian: apt-get install chromium) or pass --chromium PATH")
    found = asyncio.run(measure(args))
    report("network-long" if args.hours else "network", found, keep=args.keep)


if __name__ == "__main__":
    main()
