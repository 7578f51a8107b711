"""Engines that run ONNX graphs on the CPU, and the one place that picks among them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_models.engine import Engine
from visavis_models.errors import EngineError
from visavis_models.network_libraries import import_onnxruntime, import_openvino

_log = logging.getLogger(__name__)

ENGINE_KINDS = ("openvino", "onnxruntime")
"""In order of preference on a CPU (measured: OpenVINO is faster on small convolutional networks)."""


class OpenVinoEngine:
    """Runs an ONNX graph, or a tflite file, with OpenVINO on the CPU."""

    def __init__(self, path: Path, threads: int) -> None:
        core = import_openvino().Core()
        settings = {"INFERENCE_NUM_THREADS": str(threads), "NUM_STREAMS": "1", "PERFORMANCE_HINT": "LATENCY"}
        self._model = core.compile_model(core.read_model(str(path)), "CPU", settings)
        self._request = self._model.create_infer_request()
        self._outputs = [(port.get_any_name(), port) for port in self._model.outputs]
        self._inputs = {port.get_any_name() for port in self._model.inputs}

    @property
    def name(self) -> str:
        """Engine and device."""
        return "openvino/CPU"

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """One forward pass; see `Engine.run`."""
        if set(inputs) != self._inputs:
            raise _wrong_inputs(inputs, self._inputs)
        try:
            self._request.infer({name: np.ascontiguousarray(array) for name, array in inputs.items()})
        except RuntimeError as error:
            raise EngineError(
                "engine_run", f"OpenVINO could not run: {error}.", "Check the shapes of the inputs."
            ) from error
        return {name: np.array(self._request.get_tensor(port).data) for name, port in self._outputs}


class OnnxRuntimeEngine:
    """Runs an ONNX graph with ONNX Runtime on the CPU."""

    def __init__(self, path: Path, threads: int) -> None:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._inputs = {value.name for value in self._session.get_inputs()}

    @property
    def name(self) -> str:
        """Engine and device."""
        return "onnxruntime/CPU"

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """One forward pass; see `Engine.run`."""
        if set(inputs) != self._inputs:
            raise _wrong_inputs(inputs, self._inputs)
        try:
            values = self._session.run(self._outputs, dict(inputs))
        except Exception as error:  # ONNX Runtime raises classes of its own C++ module
            raise EngineError(
                "engine_run", f"ONNX Runtime could not run: {error}.", "Check the shapes of the inputs."
            ) from error
        return dict(zip(self._outputs, values, strict=True))


def _wrong_inputs(given: Mapping[str, Any], expected: set[str]) -> EngineError:
    return EngineError(
        "engine_inputs", f"The network takes {sorted(expected)}, not {sorted(given)}.", "Pass exactly these inputs."
    )


def open_engine(path: Path, kind: str | None = None, threads: int = 1, order: tuple[str, ...] = ENGINE_KINDS) -> Engine:
    """Load a network onto the best engine that works here.

    Args:
        path: an ONNX file (or, for OpenVINO only, tflite).
        kind: one of `ENGINE_KINDS` to force it; None takes the first that works and warns once for each that fails.
        threads: how many CPU threads one forward pass may use.
        order: in which engines are tried where none is forced; for networks on which another is faster.

    Raises:
        EngineError: the forced engine, or every engine, failed.
    """
    if kind is not None and kind not in ENGINE_KINDS:
        raise EngineError("engine_unknown", f"There is no engine {kind}.", f"Choose one of {', '.join(ENGINE_KINDS)}.")
    failures: list[str] = []
    for candidate in (kind,) if kind else order:
        try:
            return OpenVinoEngine(path, threads) if candidate == "openvino" else OnnxRuntimeEngine(path, threads)
        except Exception as error:  # each engine fails with classes of its own; the next one may work
            failures.append(f"{candidate}: {error}")
            if kind is None:
                _log.warning("engine failed, trying the next one", extra={"engine": candidate, "network": path.name})
    raise EngineError(
        "engine_none",
        f"No engine can run {path.name}: {'; '.join(failures)}.",
        "Run `visavis doctor` to see what works.",
    )
