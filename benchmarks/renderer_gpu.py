"""How long the renderer's networks take for a window on a GPU: a table, and one line of JSON.

    python benchmarks/renderer_gpu.py [--device cuda] [--repeats 30] [--shown 4] [--new 4]

Stem, denoiser in one step, and decoder of a mouth's crop, for both sizes and batches of 1 to 64 windows; bf16, weights
at random (they do not change the time). `eager` calls torch step by step, `graph` replays a CUDA graph. Medians and
95th percentiles by the GPU's clock; drawing maps, compositing and encoding come on top.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from visavis_models.diffusion.networks.renderer_networks import RendererNetworks, Shown
from visavis_models.diffusion.sizes import (
    LATENT_CHANNELS,
    LATENT_FACTOR,
    MOTION_FRAMES,
    MOTION_VALUES,
    SIZES,
    RendererSize,
)


def window_call(size: RendererSize, batch: int, shown: int, new: int, device: torch.device) -> Callable[[], Tensor]:
    """What renders one batch of windows."""
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    networks = RendererNetworks(size).to(device, kind).eval()
    height, width = size.mouth_px
    space = height // LATENT_FACTOR, width // LATENT_FACTOR

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, device=device, dtype=kind)

    maps = drawn(batch, new, size.map_channels, height, width)
    motion, shade = drawn(batch, new, MOTION_FRAMES, MOTION_VALUES), drawn(batch, 3)
    reference = drawn(batch, size.reference_channels, height, width)
    before = Shown(
        drawn(batch, shown, LATENT_CHANNELS, *space), drawn(batch, shown, size.stem[2], *space),
        torch.ones(batch, shown, device=device, dtype=kind),
    )  # fmt: skip
    noise = drawn(batch, new, LATENT_CHANNELS, *space)
    return lambda: networks.window(maps, motion, shade, reference, before, noise, 1)[0]


def graphed(call: Callable[[], Tensor]) -> Callable[[], object]:
    """The same as one CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    replay: Callable[[], object] = graph.replay
    return replay


def times_ms(call: Callable[[], object], repeats: int, device: torch.device) -> list[float]:
    """Of single calls, each waited for."""
    found = []
    for number in range(repeats + 3):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        began = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if number >= 3:
            found.append(1000 * (time.perf_counter() - began))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--shown", type=int, default=4)
    parser.add_argument("--new", type=int, default=4)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16, 64])
    args = parser.parse_args()
    device = torch.device(args.device)
    rows: list[dict[str, object]] = []
    print(f"{'size':<9}{'batch':>6}{'how':>8}{'median ms':>11}{'p95 ms':>9}{'frames/s':>10}")
    for size in SIZES.values():
        for batch in args.batches:
            with torch.inference_mode():
                call = window_call(size, batch, args.shown, args.new, device)
                ways: dict[str, Callable[[], object]] = {"eager": call}
                if device.type == "cuda":
                    ways["graph"] = graphed(call)
                for how, way in ways.items():
                    times = times_ms(way, args.repeats, device)
                    median = statistics.median(times)
                    high = sorted(times)[round(0.95 * (len(times) - 1))]
                    rate = batch * args.new / median * 1000
                    print(f"{size.name:<9}{batch:>6}{how:>8}{median:>11.2f}{high:>9.2f}{rate:>10.0f}", flush=True)
                    rows.append({"size": size.name, "batch": batch, "how": how, "median_ms": round(median, 3),
                                 "p95_ms": round(high, 3), "frames_per_s": round(rate)})  # fmt: skip
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    print(json.dumps({"benchmark": "renderer_gpu", "shown": args.shown, "new": args.new, "rows": rows,
                      "machine": machine, "torch": torch.__version__}))  # fmt: skip


if __name__ == "__main__":
    main()
