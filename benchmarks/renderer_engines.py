"""What the diffusion renderer's networks cost on this CPU: every engine, threads, and new frames of a window.

    python benchmarks/renderer_engines.py [--size compact] [--folder EXPORTED] [--new 2,4] [--threads 1,2] [--keep]

Runs stem, denoiser (one step) and decoder one after another as a session does; engines take turns, so that neighbours
on the machine disturb all alike. Wall time is what a session waits; CPU time, with one thread, is about what the work
takes if nothing else runs (its lower quartile: neighbours take caches away). JSON keys: `mouth_ms_per_frame` and
`mouth_cpu_ms_per_frame` of the best engine of each part at the largest window and one thread, the same for eyes,
`load` (programs that wanted a core meanwhile), and `rows` with all of it (ms per frame: wall median and p95, CPU lower
quartile; open_s).
"""

from __future__ import annotations

import argparse
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from record import report

from visavis_models.diffusion.engine_networks import PARTS, files_in, shipped_files
from visavis_models.diffusion.graph_shapes import axis_lengths, graphs_of, shapes
from visavis_models.diffusion.sizes import SIZES, RendererSize
from visavis_models.engine import Engine
from visavis_models.engines import ENGINE_KINDS, open_engine

_TIMED = ("stem", "denoiser", "decoder")


def inputs_of(size: RendererSize, part: str, lengths: dict[str, int]) -> dict[str, Any]:
    """Numbers of about the scale of real ones; all shown frames known."""
    dice = np.random.default_rng(0)
    given = {
        name: dice.standard_normal(shape).astype(np.float32)
        for name, shape in shapes(graphs_of(size)[part].inputs, lengths).items()
    }
    if part == "denoiser":
        given["time"][:], given["known"][:] = 0, 1
    return given


def timed(engines: dict[str, Engine], given: dict[str, Any], rounds: int) -> dict[str, np.ndarray[Any, Any]]:
    """Wall and CPU seconds (rounds, 2) by engine, in turns."""
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in engines}
    for turn in range(rounds + 2):
        for kind, engine in engines.items():
            wall, cpu = time.perf_counter(), time.process_time()
            engine.run(given)
            if turn >= 2:
                found[kind].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {kind: np.array(rows) for kind, rows in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=tuple(SIZES), default="compact")
    parser.add_argument("--folder", type=Path, help="of exported networks; by default those that ship")
    parser.add_argument("--new", default="1,2,4,8", help="new frames of a window")
    parser.add_argument("--shown", type=int, default=2, help="frames before a window that it listens to")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--regions", default="mouth,eye")
    parser.add_argument("--engines", default=",".join(ENGINE_KINDS))
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    size = SIZES[args.size]
    files = files_in(args.folder, size) if args.folder else shipped_files(size)
    path_of = dict(zip(PARTS, files, strict=True))
    crops = {"mouth": size.mouth_px, "eye": size.eye_px}
    rows: list[dict[str, Any]] = []
    for threads, part in product([int(n) for n in args.threads.split(",")], _TIMED):
        engines, opened = {}, {}
        for kind in args.engines.split(","):
            began = time.perf_counter()
            engines[kind] = open_engine(path_of[part], kind, threads)
            opened[kind] = time.perf_counter() - began
        for region, new in product(args.regions.split(","), [int(n) for n in args.new.split(",")]):
            given = inputs_of(size, part, axis_lengths(size, crops[region], 1, new, args.shown))
            for kind, spent in timed(engines, given, args.rounds).items():
                wall, cpu = 1e3 * spent[:, 0] / new, 1e3 * spent[:, 1] / new
                row = {
                    "region": region, "part": part, "engine": kind, "threads": threads, "new_frames": new,
                    "ms": round(float(np.median(wall)), 2), "p95_ms": round(float(np.quantile(wall, 0.95)), 2),
                    "cpu_ms": round(float(np.quantile(cpu, 0.25)), 2), "open_s": round(opened[kind], 2),
                }  # fmt: skip
                rows.append(row)
                print("  ".join(f"{value!s:>12}" for value in row.values()), flush=True)
    largest = max(row["new_frames"] for row in rows)
    figures: dict[str, Any] = {"size": size.name, "shown_frames": args.shown, "new_frames": largest}
    figures["load"] = round(psutil.getloadavg()[0], 1)
    for region, (key, column) in product(crops, (("ms_per_frame", "ms"), ("cpu_ms_per_frame", "cpu_ms"))):
        asked = [r for r in rows if (r["region"], r["threads"], r["new_frames"]) == (region, 1, largest)]
        if asked:
            best = {part: min(r[column] for r in asked if r["part"] == part) for part in _TIMED}
            figures[f"{region}_{key}"] = round(sum(best.values()), 2)
    report("renderer_engines", figures | {"rows": rows}, keep=args.keep)


if __name__ == "__main__":
    main()
