"""Examines what of NVIDIA is here, which engines are built for it, and what runs the renderer's networks, and why.

Knows nothing of how the answers are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from visavis_models.engines.cache import EngineCache, EngineKey, default_folder
from visavis_models.engines.nvidia import BACKENDS, Library, find_card, import_library
from visavis_models.errors import EngineError, VisavisError
from visavis_server.doctor_check import Check
from visavis_server.settings import Settings


def card_and_engines(settings: Settings) -> Iterator[Check]:
    """The card, torch, built engines, and what runs the renderer's networks."""
    files = _networks(settings)
    try:
        card = find_card()
    except EngineError as error:
        status: Literal["ok", "warning"] = "ok" if error.code == "gpu_no_driver" else "warning"
        yield Check("NVIDIA card", status, error.message, error.remedy if status == "warning" else "")
    else:
        cuda = f"{card.driver // 1000}.{card.driver % 1000 // 10}"
        yield Check("NVIDIA card", "ok", f"{card.kind}, {card.memory_bytes / 1e9:.0f} GB, driver for CUDA {cuda}")
        yield _torch()
    for backend in BACKENDS:
        yield from _built(backend, files)
    yield from _in_use(settings, files)


def _networks(settings: Settings) -> list[Path]:
    """The renderer's networks that would draw; none if none are there."""
    from visavis_models.diffusion.engine_networks import files_in, networks_ship, shipped_files
    from visavis_models.diffusion.sizes import COMPACT

    if settings.drawing.networks is not None:
        return list(files_in(settings.drawing.networks, COMPACT))
    return list(shipped_files(COMPACT)) if networks_ship(COMPACT) else []


def _torch() -> Check:
    try:
        import torch
    except ImportError:
        remedy = "Install it with `pip install 'visavis[gpu]'`; without it networks run on the processor."
        return Check("torch", "warning", "not installed", remedy)
    if not torch.cuda.is_available():
        finding = f"torch {torch.__version__} cannot use the card"
        return Check("torch", "warning", finding, "Install torch for CUDA, in a version that the driver knows.")
    flash = f", flash-attn {_version('flash-attn')}" if find_spec("flash_attn") is not None else ", no flash-attn"
    free, _ = torch.cuda.mem_get_info()
    return Check("torch", "ok", f"torch {torch.__version__}{flash}; {free / 1e9:.1f} GB of the card are free")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"


def _built(backend: str, files: list[Path]) -> Iterator[Check]:
    from visavis_models.weights import weight_file

    try:
        library = import_library(backend)
        found = [_state(library, file) for file in (weight_file("listener"), *files)]
    except EngineError as error:
        if error.code == "engine_builder_missing":
            yield Check(f"engines {backend}", "ok", "not installed; engines are not used")
        else:
            yield Check(f"engines {backend}", "warning", error.message, error.remedy)
        return
    there, wanted = (sum(counts) for counts in zip(*found, strict=True))
    finding = f"{backend} {library.version}: {there} of {wanted} engines are built, in {default_folder()}"
    remedy = "" if there == wanted else f"Run `visavis build --backend {backend}`; until then torch runs the networks."
    yield Check(f"engines {backend}", "ok" if there == wanted else "warning", finding, remedy)


def _state(library: Library, file: Path) -> tuple[int, int]:
    """How many engines of a network can be loaded, and how many there should be."""
    from visavis_models.engines.plans import PRECISIONS, engine_plans

    cache, found = EngineCache(default_folder()), [0]
    for precision in PRECISIONS:
        plans = engine_plans(file, library, precision)
        found.append(sum(_is_there(cache, plan.key) for plan in plans))
    return max(found), len(plans)


def _is_there(cache: EngineCache, key: EngineKey) -> bool:
    try:
        return cache.find(key) is not None
    except EngineError:  # damaged: as good as none
        return False


def _in_use(settings: Settings, files: list[Path]) -> Iterator[Check]:
    from visavis_models.engines import open_engine

    if not files:
        return
    kind = None if settings.drawing.engine == "auto" else settings.drawing.engine
    why = "the best one that works" if kind is None else "chosen by drawing.engine"
    denoiser = next(file for file in files if file.stem.endswith("denoiser"))
    try:
        engine: Any = open_engine(denoiser, kind, order=("onnxruntime", "openvino"))
    except VisavisError as error:
        yield Check("pictures run on", "broken", error.message, error.remedy)
    else:
        yield Check("pictures run on", "ok", f"{engine.name}, {why}")
