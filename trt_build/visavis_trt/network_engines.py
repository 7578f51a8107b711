"""Builds the engines of networks one after another into a cache: what is there is left, what was broken off goes on.

The one place that brings graphs, shapes, builder and cache together. Knows no command line.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from visavis_models.diffusion.engine_networks import files_in, networks_ship, shipped_files
from visavis_models.diffusion.sizes import SIZES, RendererSize
from visavis_models.engines.cache import EngineCache
from visavis_models.engines.network_profiles import LISTENER
from visavis_models.engines.nvidia import Library
from visavis_models.engines.parity import measured_inputs
from visavis_models.engines.plans import EnginePlan
from visavis_models.errors import EngineError
from visavis_models.weights import weight_file
from visavis_trt.engine_building import BuiltEngine, LayerReport, build_engine


@dataclass(frozen=True, slots=True)
class EngineNews:
    """What came of one plan."""

    plan: EnginePlan
    bytes: int
    seconds: float
    layers: LayerReport | None
    """None if it was there already."""


def network_files(folder: Path | None = None) -> list[Path]:
    """The graphs that engines are built of: the listener and every size of the renderer that is there.

    Args:
        folder: of networks that somebody exported; None takes those that ship.

    Raises:
        WeightsError: a size is there in part only; or what ships is altered.
    """
    if folder is None:
        shipped = [size for size in SIZES.values() if networks_ship(size)]
        return [weight_file(LISTENER), *(file for size in shipped for file in shipped_files(size))]
    listener = folder / f"{LISTENER}.onnx"
    found = [listener] if listener.is_file() else []
    return found + [file for size in SIZES.values() if _begun(folder, size) for file in files_in(folder, size)]


def _begun(folder: Path, size: RendererSize) -> bool:
    return any(folder.glob(f"renderer_{size.name}_*.onnx"))


def build_all(plans: Sequence[EnginePlan], library: Library, cache: EngineCache) -> Iterator[EngineNews]:
    """Build what is not there yet, one after another; can be broken off and goes on where it was.

    Raises:
        EngineError: one cannot be built, or would compute in 32 bits or with code of others where it should not.
        StorageError: one cannot be kept.
    """
    for plan in plans:
        began, layers = time.monotonic(), list[LayerReport]()

        def build(plan: EnginePlan = plan, layers: list[LayerReport] = layers) -> bytes:
            built = build_engine(_graph(plan), plan.profile, library)
            _inspect(plan, built)
            layers.append(built.layers)
            return built.content

        content, _ = cache.built(plan.key, build)
        yield EngineNews(plan, len(content), time.monotonic() - began, layers[0] if layers else None)


def _graph(plan: EnginePlan) -> bytes:
    if plan.key.precision == "fp32":
        return plan.graph.read_bytes()
    import onnx

    from visavis_models.engines.gpu.eight_bits import in_eight_bits, ranges_of
    from visavis_models.engines.gpu.half_precision import halved

    model = onnx.load(str(plan.graph))
    made = halved(model)
    if plan.key.precision == "int8":
        made = in_eight_bits(made, ranges_of(model, measured_inputs(plan.graph)))
    content: bytes = made.SerializeToString()
    return content


def _inspect(plan: EnginePlan, built: BuiltEngine) -> None:
    wide = built.layers.heavy_in_32_bits if plan.key.precision != "fp32" else 0
    if wide or built.layers.plugins:
        told = f"{wide} costly layers in 32 bits" if wide else f"plugins: {', '.join(built.layers.plugins)}"
        raise EngineError(
            "engine_layers", f"The engine {plan.key.name} has {told}.", "Export the networks with this version again."
        )
