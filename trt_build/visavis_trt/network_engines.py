"""The renderer's engines: its four graphs, for crops of mouths and of eyes, in 16 or 32 bits.

The one place that brings graphs, shapes, builder and cache together. Run as a program it builds all that ship:

    python -m visavis_trt.renderer_engines [--size compact] [--folder EXPORTED] [--backend tensorrt-rtx] [--cache DIR]
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from visavis_models.diffusion.engine_networks import PARTS, files_in, shipped_files
from visavis_models.diffusion.sizes import SIZES, RendererSize
from visavis_models.errors import VisavisError
from visavis_trt.engine_building import RTX_CARDS, LayerReport, build_engine
from visavis_trt.engine_cache import EngineCache, EngineKey, default_folder
from visavis_trt.libraries import import_builder
from visavis_trt.profiles import ShapeProfile, WindowRange, profile_of

PRECISIONS = ("fp16", "fp32")


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """One engine that is wanted."""

    key: EngineKey
    graph: Path
    profile: ShapeProfile


def engine_plans(
    size: RendererSize,
    files: tuple[Path, ...],
    backend: str | None = None,
    precision: str = "fp16",
    windows: WindowRange | None = None,
) -> list[EnginePlan]:
    """All engines of a size.

    Args:
        size: of the networks.
        files: their ONNX files, in the order of `PARTS`.
        backend: one of `libraries.BACKENDS`; None takes the first that is installed.
        precision: one of `PRECISIONS`.
        windows: how many, and how long.

    Raises:
        EngineError: the library is missing.
        ValueError: there is no such precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"there is no precision {precision}: choose one of {', '.join(PRECISIONS)}")
    name, library = import_builder(backend)
    cards = f"portable:{','.join(RTX_CARDS)}" if name == "tensorrt-rtx" else _this_card()
    plans = []
    for part, file in zip(PARTS, files, strict=True):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        for region, crop_px in (("mouth", size.mouth_px), ("eye", size.eye_px)):
            profile = profile_of(size, part, crop_px, windows)
            key = EngineKey(
                f"renderer_{size.name}_{part}-{region}", digest, profile.as_text(), precision, name,
                str(library.__version__), cards,
            )  # fmt: skip
            plans.append(EnginePlan(key, file, profile))
    return plans


def _this_card() -> str:
    """Name and architecture of the card that an engine is bound to."""
    import torch

    major, minor = torch.cuda.get_device_capability()
    return f"{torch.cuda.get_device_name()} {major}.{minor}"


@dataclass(frozen=True, slots=True)
class EngineNews:
    """What came of one plan."""

    plan: EnginePlan
    bytes: int
    seconds: float
    layers: LayerReport | None
    """None if it was there already."""


def build_all(plans: list[EnginePlan], cache: EngineCache) -> Iterator[EngineNews]:
    """Build what is not there yet, one after another; can be broken off and goes on where it was.

    Raises:
        EngineError: one cannot be built.
    """
    for plan in plans:
        began, layers = time.monotonic(), list[LayerReport]()

        def build(plan: EnginePlan = plan, layers: list[LayerReport] = layers) -> bytes:
            built = build_engine(_graph(plan), plan.profile, plan.key.backend)
            layers.append(built.layers)
            return built.content

        content, _ = cache.built(plan.key, build)
        yield EngineNews(plan, len(content), time.monotonic() - began, layers[0] if layers else None)


def _graph(plan: EnginePlan) -> bytes:
    if plan.key.precision == "fp32":
        return plan.graph.read_bytes()
    import onnx

    from visavis_trt.half_precision import halved

    content: bytes = halved(onnx.load(str(plan.graph))).SerializeToString()
    return content


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=tuple(SIZES), default="compact")
    parser.add_argument("--folder", type=Path, help="of exported networks; by default those that ship")
    parser.add_argument("--backend")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp16")
    parser.add_argument("--cache", type=Path, default=default_folder())
    args = parser.parse_args()
    size = SIZES[args.size]
    try:
        files = files_in(args.folder, size) if args.folder else shipped_files(size)
        plans = engine_plans(size, files, args.backend, args.precision)
        for news in build_all(plans, EngineCache(args.cache)):
            layers = news.layers
            told = "was there" if layers is None else (
                f"{news.seconds:.1f} s, costly layers in 32 bits: {layers.heavy_in_32_bits} of {layers.heavy}, "
                f"plugins: {len(layers.plugins)}"
            )  # fmt: skip
            print(f"{news.plan.key.name}: {news.bytes / 1e6:.1f} MB, {told}", flush=True)
    except VisavisError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
