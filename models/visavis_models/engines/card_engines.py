"""Opens a network on an NVIDIA card, by torch or by an engine that was built, and proves it before it is used.

Imports torch when it is called: a machine that runs networks on its processor need not have it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visavis_models.engine import Engine
from visavis_models.engines.cache import EngineCache, default_folder
from visavis_models.engines.nvidia import find_card, import_library
from visavis_models.engines.parity import check_parity, recorded_runs
from visavis_models.engines.plans import PRECISIONS, engine_plans
from visavis_models.errors import EngineError

if TYPE_CHECKING:
    from visavis_models.engines.gpu.device_engine import DeviceEngine

_log = logging.getLogger(__name__)

LEAST_FREE_BYTES = 1 << 30
"""Of the card's memory: less holds no batch worth the name."""


def open_on_card(graph: Path, kind: str, folder: Path | None = None) -> Engine:
    """A network on the card, as like to the reference as it must be.

    Args:
        graph: its ONNX file.
        kind: `torch`, `tensorrt` or `tensorrt-rtx`.
        folder: where engines lie; None takes the usual one.

    Raises:
        EngineError: there is no card, no engine, no library, too little memory; or it computes something else.
    """
    card, folder = find_card(), folder or default_folder()
    torch = _torch()
    free, _ = torch.cuda.mem_get_info()
    if free < LEAST_FREE_BYTES:
        raise EngineError(
            "gpu_memory",
            f"{card.name} has only {free / 1e9:.1f} GB of memory left.",
            "Close other programs that use the card.",
        )
    from visavis_models.engines.gpu.torch_engine import open_torch

    engine: Engine
    if kind == "torch":
        engine, precision = open_torch(graph), "fp16"
    else:
        engine, precision = open_built(graph, kind, folder, torch.device("cuda"))
    likeness_db = check_parity(engine, recorded_runs(graph, folder), precision)
    _log.info("engine proven", extra={"engine": engine.name, "network": graph.name, "db": f"{likeness_db:.0f}"})
    return engine


def open_built(graph: Path, kind: str, folder: Path, device: Any) -> tuple[DeviceEngine, str]:
    """A network by its engines of TensorRT or TensorRT-RTX, not yet proven; and their precision: the fewest bits built.

    Args:
        graph: its ONNX file.
        kind: `tensorrt` or `tensorrt-rtx`.
        folder: where engines lie.
        device: of torch, where they run.

    Raises:
        EngineError: an engine is missing, stale, damaged or of another card; says how it is built.
    """
    from visavis_models.engines.gpu.device_engine import DeviceEngine
    from visavis_models.engines.gpu.tensorrt_engine import Built, TensorRtRunner

    library, cache = import_library(kind), EngineCache(folder)
    of_precision = {precision: engine_plans(graph, library, precision) for precision in PRECISIONS}
    precision = next(
        (name for name, plans in of_precision.items() if all(cache.find(plan.key) is not None for plan in plans)),
        "fp16",
    )
    built = [
        Built(cache.load(plan.key), plan.profile, folder / f"{plan.key.stem}.compiled")
        for plan in of_precision[precision]
    ]
    return DeviceEngine(TensorRtRunner(library, built, device), device), precision


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise EngineError(
            "gpu_torch_missing", "torch is not installed; engines of NVIDIA cards need it.",
            "Install it with `pip install 'visavis[gpu]'`.",
        ) from error  # fmt: skip
    if not torch.cuda.is_available():
        raise EngineError(
            "gpu_torch",
            "This torch cannot use the card.",
            "Install torch for CUDA, in a version that the driver knows.",
        )
    return torch
