"""Engines that run ONNX graphs on the CPU. Know none of our networks, and not which of them is better when."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_models.errors import EngineError
from visavis_models.network_libraries import import_onnxruntime, import_openvino


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
            raise wrong_inputs(inputs, self._inputs)
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
            raise wrong_inputs(inputs, self._inputs)
        try:
            values = self._session.run(self._outputs, dict(inputs))
        except Exception as error:  # ONNX Runtime raises classes of its own C++ module
            raise EngineError(
                "engine_run", f"ONNX Runtime could not run: {error}.", "Check the shapes of the inputs."
            ) from error
        return dict(zip(self._outputs, values, strict=True))


def wrong_inputs(given: Mapping[str, Any], expected: set[str]) -> EngineError:
    """What is raised where inputs are not those of the graph."""
    return EngineError(
        "engine_inputs", f"The network takes {sorted(expected)}, not {sorted(given)}.", "Pass exactly these inputs."
    )
