"""What the renderer's networks cost on a card: every engine, precision and batch, against plain torch and a floor.

    python benchmarks/card_engines.py [--folder EXPORTED] [--size base] [--device cuda] [--batches 1,4,16,64] [--keep]
        [--engines torch-fp32-eager,torch-fp32,torch-fp16,torch-fp16-compiled,tensorrt]
        [--peak-tflops 989 --peak-gbps 3350]

For windows of 4 new and 4 shown frames of one region: stem, one step of the denoiser, decoder, on tensors of the card,
by the card's clock (the processor's with --device cpu, where it only shows that it runs). Engines of TensorRT must be
built, see `visavis build`. The floor is what the card needs at least: operations of the products (counted by torch) at
its peak, or weights, inputs and outputs through its memory once, whichever takes longer. JSON key: `rows`; of each
`ms`, `p95_ms`, `frames_per_s`, `memory_mb`, `db` against ONNX Runtime on the recorded window, `gflop`, `floor_ms`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import torch
from record import report
from torch.utils.flop_counter import FlopCounterMode

from visavis_models.diffusion.engine_networks import PARTS, files_in, shipped_files
from visavis_models.diffusion.graph_shapes import axis_lengths, graphs_of, shapes
from visavis_models.diffusion.sizes import SIZES, RendererSize
from visavis_models.engines.cache import default_folder
from visavis_models.engines.card_engines import open_built
from visavis_models.engines.gpu.device_engine import DeviceEngine
from visavis_models.engines.gpu.onnx_graph import graph_of
from visavis_models.engines.gpu.program import program_of
from visavis_models.engines.gpu.torch_engine import TorchRunner
from visavis_models.engines.parity import likeness_db, recorded_runs
from visavis_models.errors import EngineError

_TIMED = ("stem", "denoiser", "decoder")
_NEW, _SHOWN, _WARM_UPS = 4, 4, 5


def opened(file: Path, name: str, device: torch.device) -> DeviceEngine:
    """A network on an engine, by its name of the table."""
    kind, *rest = name.split("-")
    if kind != "torch":
        return open_built(file, name, default_folder(), device)[0]
    runner = TorchRunner(file, device, rest[0], "compiled" in rest)
    return DeviceEngine(runner, device, record="eager" not in rest)


def timed_ms(call: Callable[[], Any], device: torch.device, repeats: int) -> list[float]:
    """How long calls take, one after another."""
    for _ in range(_WARM_UPS):
        call()
    found = []
    for _ in range(repeats):
        if device.type == "cuda":
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            call()
            end.record()
            end.synchronize()
            found.append(float(begin.elapsed_time(end)))
        else:
            begun_s = time.perf_counter()
            call()
            found.append(1000 * (time.perf_counter() - begun_s))
    return found


def counted(file: Path, inputs: dict[str, Any], peak_tflops: float, peak_gbps: float) -> tuple[float, float]:
    """Billions of operations of the products, and the fewest ms that a card needs for them and for its memory."""
    graph = graph_of(onnx.load(str(file)))
    program: Any = program_of(graph, {name: tuple(x.shape) for name, x in inputs.items()}, torch.device("meta"))
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        outputs = program(*(inputs[name].to("meta") for name in graph.inputs))
    weights = sum(array.size * 2 for array in graph.constants.values() if array.ndim)
    moved = weights + 2 * sum(x.numel() for x in (*inputs.values(), *outputs))
    operations = counter.get_total_flops()
    return operations / 1e9, max(operations / peak_tflops / 1e9, moved / peak_gbps / 1e6)


def row_of(
    file: Path, part: str, size: RendererSize, crop_px: tuple[int, int], batch: int, name: str, args: Any
) -> dict[str, Any]:
    """One line of the table."""
    device = torch.device(args.device)
    lengths = axis_lengths(size, crop_px, batch, _NEW, _SHOWN)
    inputs = {
        key: torch.rand(shape, device=device) for key, shape in shapes(graphs_of(size)[part].inputs, lengths).items()
    }
    gflop, floor_ms = counted(file, inputs, args.peak_tflops, args.peak_gbps)
    row: dict[str, Any] = {"part": part, "engine": name, "batch": batch, "gflop": round(gflop, 2)}
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_reserved()
    try:
        engine = opened(file, name, device)
        spent = timed_ms(lambda: engine.run_tensors(inputs), device, args.repeats)
        runs = recorded_runs(file, default_folder())
        row["db"] = round(min(float(likeness_db(engine.run(run.inputs), run.outputs)) for run in runs.values()), 1)
    except EngineError as error:
        return row | {"failed": error.message}
    ms = statistics.median(spent)
    row |= {"ms": round(ms, 3), "p95_ms": round(sorted(spent)[int(0.95 * (len(spent) - 1))], 3)}
    row |= {"frames_per_s": round(1000 * batch * _NEW / ms), "floor_ms": round(floor_ms, 4)}
    if device.type == "cuda":
        row["memory_mb"] = round((torch.cuda.max_memory_reserved() - before) / 1e6)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=tuple(SIZES), default="base")
    parser.add_argument("--folder", type=Path, help="of exported networks; by default those that ship")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--engines", default="torch-fp32-eager,torch-fp32,torch-fp16,torch-fp16-compiled,tensorrt")
    parser.add_argument("--batches", default="1,4,16,64")
    parser.add_argument("--region", choices=("mouth", "eye"), default="mouth")
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--peak-tflops", type=float, default=989.0, help="of products in 16 bits; an H100's")
    parser.add_argument("--peak-gbps", type=float, default=3350.0, help="of the card's memory; an H100's")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    size = SIZES[args.size]
    files = files_in(args.folder, size) if args.folder else shipped_files(size)
    crop_px = size.mouth_px if args.region == "mouth" else size.eye_px
    rows = []
    for part, file in zip(PARTS, files, strict=True):
        for batch in [int(n) for n in args.batches.split(",")] if part in _TIMED else ():
            for name in args.engines.split(","):
                rows.append(row_of(file, part, size, crop_px, batch, name, args))
                print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    where = torch.cuda.get_device_name() if args.device == "cuda" else "CPU"
    report("card_engines", {"size": size.name, "region": args.region, "card": where, "rows": rows}, keep=args.keep)


if __name__ == "__main__":
    main()
