"""Hours of calls with churn, stalls, floods, bad peers and killed workers at once: what grows, sticks or falls over.

    python benchmarks/soak.py --minutes 240 --log LOG [--workers 2] [--keep] [--picture docs/pictures/soak.png]
    python benchmarks/soak.py --figures LOG        # the picture of a log, also of a run that was cut

The server is kept at its capacity: one caller stays for the whole run, the others come and go. Every 30 s the whole
server is stopped for a second (SIGSTOP), every 10 s somebody misbehaves, every 5 s what it holds is written down. With
workers one of them is killed (SIGKILL) every 3 minutes. All requests go to this machine.

JSON keys: hours, crashes, stuck_sessions, failed_calls, answered_5xx, rss_slope_mb_per_h (after warming up), and the
like of descriptors, threads and tasks; av_offset_abs_p99_ms of packets as they arrive, in and behind stalls too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import re
import signal
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import psutil
from call import free_port, start_server
from record import report
from render import speech
from soak_callers import Place, Told, call, misbehave
from soak_figures import bucket_quantile, draw, figures_of

SAMPLE_S, STALL_EVERY_S, STALL_S, MISDEED_EVERY_S, KILL_EVERY_S = 5.0, 30.0, 1.0, 10.0, 180.0
CHURN_S = (5.0, 60.0)
LEFT_S = 25.0
"""After the last caller has gone; sessions that nobody joined live for 15 s."""


class Server:
    """The process, its children, and what it says of itself."""

    def __init__(self, process: psutil.Process, base: str) -> None:
        self.process = process
        self.base = base
        self._lips: dict[str, float] = {}
        self._sent = 0.0
        self._sampled_s = time.monotonic()

    def family(self) -> list[psutil.Process]:
        """All its processes."""
        return [self.process, *self.process.children(recursive=True)]

    def capacity(self) -> int:
        """Sessions at the same time."""
        with urllib.request.urlopen(f"{self.base}/healthz", timeout=10) as answer:
            return int(json.load(answer)["capacity"])

    def sample(self) -> dict[str, Any]:
        """What it holds now, and how it has done since the last sample."""
        with urllib.request.urlopen(f"{self.base}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        figures: dict[str, float] = {}
        lips: dict[str, float] = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                plain = name.split("{")[0]
                figures[plain] = figures.get(plain, 0.0) + float(value)
                bound = re.search(r'speech_to_lips_ms_bucket\{.*le="([^"]+)"', name)
                if bound:
                    lips[bound[1]] = lips.get(bound[1], 0.0) + float(value)
        now_s, sessions = time.monotonic(), figures["visavis_sessions_active"]
        rate = (figures["visavis_frames_sent_total"] - self._sent) / (now_s - self._sampled_s)
        told = {
            "at_s": round(time.time(), 1),
            "sessions": sessions,
            "tasks": figures.get("visavis_tasks", 0.0),
            "rss_mib": round(sum(p.memory_info().rss for p in self.family()) / 2**20, 1),
            "fds": sum(p.num_fds() for p in self.family()),
            "threads": sum(p.num_threads() for p in self.family()),
            "lips_p95_ms": bucket_quantile(self._lips, lips, 0.95),
            "fps_per_session": round(rate / sessions, 1) if sessions and self._sent and rate >= 0 else None,
        }
        self._lips, self._sent, self._sampled_s = lips, figures["visavis_frames_sent_total"], now_s
        return told


async def churn(place: Place, until_s: float, dice: random.Random) -> None:
    """One after another they come and go; one of four vanishes without a word."""
    while time.monotonic() < until_s:
        how = "vanish" if dice.random() < 0.25 else "polite"
        await call(place, min(dice.uniform(*CHURN_S), until_s - time.monotonic()), dice, how)


async def stay(place: Place, until_s: float, dice: random.Random) -> None:
    """One caller for the whole run; called again at once when something ended it."""
    while time.monotonic() < until_s:
        await call(place, until_s - time.monotonic(), dice)


async def stall(server: Server, until_s: float, log: TextIO, told: dict[str, int]) -> None:
    """Let the whole server stand still for a second."""
    while time.monotonic() + STALL_EVERY_S < until_s:
        await asyncio.sleep(STALL_EVERY_S)
        family = server.family()
        _write(log, {"event": "stall"})
        for sign in (signal.SIGSTOP, signal.SIGCONT):
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(sign)
            await asyncio.sleep(STALL_S if sign == signal.SIGSTOP else 0)
        told["stalls"] = told.get("stalls", 0) + 1


async def kill_workers(server: Server, until_s: float, dice: random.Random, log: TextIO, told: dict[str, int]) -> None:
    """Kill the process of a worker."""
    while time.monotonic() + KILL_EVERY_S < until_s:
        await asyncio.sleep(KILL_EVERY_S)
        workers = [p for p in server.process.children() if p.num_threads() > 4]
        if workers:
            dice.choice(workers).kill()
            told["workers_killed"] = told.get("workers_killed", 0) + 1
            _write(log, {"event": "worker killed"})


async def nuisance(place: Place, until_s: float, dice: random.Random) -> None:
    """Somebody misbehaves, again and again."""
    while time.monotonic() < until_s:
        await asyncio.gather(misbehave(place, dice), asyncio.sleep(MISDEED_EVERY_S))


async def watch(server: Server, place: Place, until_s: float, log: TextIO, samples: list[dict[str, Any]]) -> None:
    """Write down what it holds."""
    seen = 0
    while time.monotonic() < until_s:
        await asyncio.sleep(SAMPLE_S)
        try:
            sample = await asyncio.to_thread(server.sample)
        except (OSError, psutil.NoSuchProcess) as error:
            if not server.process.is_running():
                raise SystemExit("the server is gone") from error
            _write(log, {"event": f"no sample: {error}"})
            continue
        new = [abs(offset) for _, offset in place.told.offsets_ms[seen:]]
        seen += len(new)
        sample["offset_p99_ms"] = round(float(np.percentile(new, 99)), 1) if new else None
        samples.append(sample)
        _write(log, sample)


def _write(log: TextIO, line: dict[str, Any]) -> None:
    log.write(json.dumps({"at_s": round(time.time(), 1), **line}) + "\n")


async def soak(server: Server, place: Place, args: argparse.Namespace) -> dict[str, Any]:
    """The whole run."""
    dice, until_s = random.Random(args.seed), time.monotonic() + 60 * args.minutes
    samples: list[dict[str, Any]] = []
    counted: dict[str, int] = {"stalls": 0, "workers_killed": 0}
    capacity = await asyncio.to_thread(server.capacity)
    with args.log.open("w", buffering=1) as log:
        jobs = [
            watch(server, place, until_s, log, samples),
            nuisance(place, until_s, random.Random(dice.random())),
            stay(place, until_s, random.Random(dice.random())),
            *(churn(place, until_s, random.Random(dice.random())) for _ in range(capacity - 1)),
        ]
        if args.workers:
            jobs.append(kill_workers(server, until_s, dice, log, counted))
        else:
            jobs.append(stall(server, until_s, log, counted))
        await asyncio.gather(*jobs)
        await asyncio.sleep(LEFT_S)
        last = await asyncio.to_thread(server.sample)
        _write(log, {"event": "the end", **last})
    told = place.told
    return {
        "minutes": args.minutes,
        "capacity": capacity,
        "crashes": int(not server.process.is_running()),
        "stuck_sessions": int(last["sessions"]),
        "calls": told.calls,
        "failed_calls": told.failed,
        "ended_by_server": told.interrupted,
        "never_a_place": told.refused,
        "misdeeds": told.misdeeds,
        "answered_5xx": told.answered_5xx,
        "pictures": told.pictures,
        **counted,
        **figures_of(samples, told.offsets_ms),
        "why": told.reasons,
    }


def main() -> None:
    """Run it, or draw a log."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--minutes", type=float, default=10.0)
    ask.add_argument("--log", type=Path, default=Path("soak.log"))
    ask.add_argument("--workers", type=int, default=0, help="run so many, and kill one now and then")
    ask.add_argument("--avatars", default="astronaut,elena", help="of the gallery")
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--picture", type=Path, help="PNG with everything over time (needs matplotlib)")
    ask.add_argument("--figures", type=Path, help="only draw this log's picture")
    ask.add_argument("--keep", action="store_true", help="write the record under benchmarks/results/")
    args = ask.parse_args()
    if args.figures:
        draw(args.figures, args.picture or args.figures.with_suffix(".png"))
        return
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        voice = speech(60.0, Path(folder))
        more = ["--workers", str(args.workers)] if args.workers else []
        process = start_server(port, Path(folder), Path(folder) / "server.log", more)
        place = Place(f"http://127.0.0.1:{port}", voice, tuple(args.avatars.split(",")), Told())
        try:
            figures = asyncio.run(soak(Server(psutil.Process(process.pid), place.base), place, args))
        finally:
            process.terminate()
            code = process.wait(60)
        figures["exit_code"] = code
        figures["tracebacks"] = (Path(folder) / "server.log").read_text("utf-8", "replace").count("Traceback (most")
        if figures["tracebacks"]:
            print((Path(folder) / "server.log").read_text("utf-8", "replace")[-6000:])
    if args.picture:
        draw(args.log, args.picture)
    report("soak", figures, keep=args.keep)


if __name__ == "__main__":
    main()
