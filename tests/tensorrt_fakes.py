"""TensorRT and TensorRT-RTX as their interfaces say, on a processor: an engine is an ONNX file, run where pointers go.

What is not as the libraries want it (an address missing, memory that is not aligned) fails, as it would there.
"""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np

from visavis_models.network_libraries import import_onnxruntime


class FakeContext:
    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._memory = 0

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = shape
        return name in self._engine.inputs

    def update_device_memory_size_for_shapes(self) -> int:
        return 1000

    def set_device_memory(self, memory: int, size: int) -> None:
        assert memory % 256 == 0 and size >= 1000
        self._memory = memory

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        if name in self._shapes:
            return self._shapes[name]
        zeros = {name: np.zeros(shape, np.float32) for name, shape in self._shapes.items()}
        found = dict(zip(self._engine.outputs, self._engine.run(zeros), strict=True))
        return tuple(found[name].shape)

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        if self._engine.library.broken:
            return False
        assert self._memory and set(self._addresses) == {*self._engine.inputs, *self._engine.outputs}
        found = self._engine.run({name: self._at(name, shape) for name, shape in self._shapes.items()})
        for name, array in zip(self._engine.outputs, found, strict=True):
            self._at(name, array.shape)[...] = array
        return True

    def _at(self, name: str, shape: tuple[int, ...]) -> Any:
        place = (ctypes.c_float * int(np.prod(shape))).from_address(self._addresses[name])
        return np.ctypeslib.as_array(place).reshape(shape)


class FakeEngine:
    def __init__(self, library: FakeTensorRt, content: bytes) -> None:
        self.library = library
        self._session = import_onnxruntime().InferenceSession(content, providers=["CPUExecutionProvider"])
        self.inputs: list[str] = [value.name for value in self._session.get_inputs()]
        self.outputs: list[str] = [value.name for value in self._session.get_outputs()]

    def run(self, inputs: dict[str, Any]) -> list[Any]:
        return list(self._session.run(self.outputs, inputs))

    @property
    def num_io_tensors(self) -> int:
        return len(self.inputs) + len(self.outputs)

    def get_tensor_name(self, at: int) -> str:
        return [*self.inputs, *self.outputs][at]

    def create_runtime_config(self) -> FakeRuntimeConfig:
        assert self.library.rtx, "TensorRT has none"
        return FakeRuntimeConfig()

    def create_execution_context(self, how: Any) -> FakeContext | None:
        assert (how.strategy if self.library.rtx else how) == "USER_MANAGED"
        if self.library.rtx:
            assert how.dynamic_shapes_kernel_specialization_strategy == "EAGER" and how.cache is not None
        return None if self.library.full else FakeContext(self)


class FakeRuntimeCache:
    def __init__(self) -> None:
        self.known = b""

    def deserialize(self, blob: bytes) -> bool:
        self.known = blob if blob.startswith(b"compiled") else b""
        return bool(self.known)

    def serialize(self) -> bytes:
        return self.known or b"compiled here"


class FakeRuntimeConfig:
    def __init__(self) -> None:
        self.strategy = self.dynamic_shapes_kernel_specialization_strategy = ""
        self.cache: FakeRuntimeCache | None = None

    def set_execution_context_allocation_strategy(self, strategy: str) -> None:
        self.strategy = strategy

    def create_runtime_cache(self) -> FakeRuntimeCache:
        return FakeRuntimeCache()

    def set_runtime_cache(self, cache: FakeRuntimeCache) -> bool:
        self.cache = cache
        return True


class FakeTensorRt:
    """The module.

    Args:
        rtx: it is TensorRT-RTX.
        broken: nothing can be run.
        full: the card has no memory left.
        driver: there is one.
    """

    __version__ = "10.13"
    ExecutionContextAllocationStrategy = SimpleNamespace(USER_MANAGED="USER_MANAGED")
    DynamicShapesKernelSpecializationStrategy = SimpleNamespace(EAGER="EAGER")

    def __init__(self, rtx: bool = False, broken: bool = False, full: bool = False, driver: bool = True) -> None:
        self.rtx, self.broken, self.full, self._driver = rtx, broken, full, driver

    class Logger:
        ERROR = 1

        def __init__(self, least: int) -> None:
            assert least == self.ERROR

    def Runtime(self, logger: Any) -> Any:
        if not self._driver:
            raise TypeError("pybind11::init(): factory function returned nullptr")
        return SimpleNamespace(deserialize_cuda_engine=self._deserialised)

    def _deserialised(self, content: bytes) -> FakeEngine | None:
        try:
            return FakeEngine(self, content)
        except Exception:  # ONNX Runtime's own classes
            return None
