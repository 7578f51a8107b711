"""The one place that picks an engine for a network, and falls back to the next where one fails."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

from visavis_models.engine import Engine
from visavis_models.engines.cpu import OnnxRuntimeEngine, OpenVinoEngine
from visavis_models.engines.nvidia import find_card
from visavis_models.errors import EngineError, VisavisError

_log = logging.getLogger(__name__)

ENGINE_KINDS = ("openvino", "onnxruntime")
"""In order of preference on a CPU (measured: OpenVINO is faster on small convolutional networks)."""
GPU_ENGINE_KINDS = ("tensorrt", "tensorrt-rtx", "torch")
"""In order of preference on an NVIDIA card. Networks without profiles, see `network_profiles`, are not run there."""
_NOT_CHOSEN = frozenset(("engine_builder_missing", "engine_missing"))
"""Codes of errors of who never asked for engines: no failure, but worth a word."""


def open_engine(path: Path, kind: str | None = None, threads: int = 1, order: tuple[str, ...] = ENGINE_KINDS) -> Engine:
    """Load a network onto the best engine that works here.

    Args:
        path: an ONNX file (or, for OpenVINO only, tflite).
        kind: one of `ENGINE_KINDS` or `GPU_ENGINE_KINDS` to force it; None takes the first that works and warns once
            for each that fails. The renderer's networks go to an NVIDIA card where there is one.
        threads: how many CPU threads one forward pass may use.
        order: in which engines of the CPU are tried where none is forced; for networks on which another is faster.

    Raises:
        EngineError: the forced engine, or every engine, failed.
    """
    known = (*GPU_ENGINE_KINDS, *ENGINE_KINDS)
    if kind is not None and kind not in known:
        raise EngineError("engine_unknown", f"There is no engine {kind}.", f"Choose one of {', '.join(known)}.")
    failures: list[str] = []
    for candidate in (kind,) if kind else (*_gpu_kinds(path), *order):
        try:
            return _opened(path, candidate, threads)
        except Exception as error:  # each engine fails with classes of its own; the next one may work
            if kind in GPU_ENGINE_KINDS and isinstance(error, VisavisError):
                raise  # it says more than could be said here
            failures.append(f"{candidate}: {error}")
            if kind is None:
                _tell(candidate, path, error)
    raise EngineError(
        "engine_none",
        f"No engine can run {path.name}: {'; '.join(failures)}.",
        "Run `visavis doctor` to see what works.",
    )


def _opened(path: Path, kind: str, threads: int) -> Engine:
    if kind == "openvino":
        return OpenVinoEngine(path, threads)
    if kind == "onnxruntime":
        return OnnxRuntimeEngine(path, threads)
    from visavis_models.engines.card_engines import open_on_card

    return open_on_card(path, kind)


def _gpu_kinds(path: Path) -> tuple[str, ...]:
    if not _has_card():
        return ()
    from visavis_models.engines.network_profiles import LISTENER, has_profiles

    # The listener hears one chunk of one voice at a time: the processor has done that before a card is asked.
    return GPU_ENGINE_KINDS if has_profiles(path.stem) and path.stem != LISTENER else ()


@cache
def _has_card() -> bool:
    try:
        find_card()
    except EngineError as error:
        _log.debug("no card", extra={"reason": error.message})
        return False
    return True


_told: set[tuple[str, str]] = set()


def _tell(kind: str, path: Path, error: Exception) -> None:
    """Warn of an engine that failed: once for what keeps all of a renderer's four networks off the card."""
    if kind in GPU_ENGINE_KINDS and isinstance(error, VisavisError):
        reason = error.code, path.stem.rpartition("_")[0]
        if reason in _told:
            return
        _told.add(reason)
    told = {"engine": kind, "network": path.name, "reason": str(error)}
    if isinstance(error, EngineError) and error.code in _NOT_CHOSEN:
        _log.info("engine is not there, trying the next one", extra=told)
    else:
        _log.warning("engine failed, trying the next one", extra=told)
