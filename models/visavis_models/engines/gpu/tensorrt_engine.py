"""Runs built engines of TensorRT and TensorRT-RTX on buffers that torch owns. The two libraries are called alike.

A network has an engine for each kind of crop; whichever admits the shapes of the inputs runs them. Builds nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from visavis_models.engines.gpu.device_engine import Shape, Tensors
from visavis_models.engines.nvidia import Library
from visavis_models.engines.shape_profile import ShapeProfile
from visavis_models.errors import EngineError

_log = logging.getLogger(__name__)
_ALIGNMENT = 256


@dataclass(frozen=True, slots=True)
class Built:
    """An engine as bytes, and what it was built for."""

    content: bytes
    profile: ShapeProfile
    compiled: Path | None = None
    """Where TensorRT-RTX keeps what it compiled for this card, which takes it seconds."""


class TensorRtRunner:
    """See `device_engine.Runner`.

    Args:
        library: that built the engines.
        engines: of one network.
        device: where they run.

    Raises:
        EngineError: the library cannot load them here.
    """

    def __init__(self, library: Library, engines: Sequence[Built], device: torch.device) -> None:
        self._library, self._device, self._built = library, device, tuple(engines)
        module = library.module
        self._logger = module.Logger(module.Logger.ERROR)
        try:
            self._runtime = module.Runtime(self._logger)
            self._engines = [self._runtime.deserialize_cuda_engine(built.content) for built in engines]
        except (RuntimeError, TypeError) as error:  # TypeError: a runtime that found no driver is none
            raise self._refusal(str(error)) from error
        if None in self._engines:
            raise self._refusal("it was built for another card or version, or is damaged")
        self._configs = [self._configured(engine, built) for engine, built in zip(self._engines, engines, strict=True)]

    @property
    def name(self) -> str:
        """See `Runner`."""
        return self._library.backend

    @property
    def inputs(self) -> tuple[str, ...]:
        """See `Runner`."""
        return tuple(self._built[0].profile.most)

    def ready(self, shapes: Mapping[str, Shape]) -> Callable[[Tensors], Tensors]:
        """See `Runner`."""
        at = next((k for k, built in enumerate(self._built) if built.profile.admits(shapes)), None)
        if at is None:
            raise EngineError(
                "engine_shapes",
                f"No {self.name} engine was built for inputs of {dict(shapes)}.",
                "Ask for fewer avatars or frames at once.",
            )
        engine, context = self._engines[at], self._context(at)
        for name, shape in shapes.items():
            if not context.set_input_shape(name, tuple(shape)):
                raise EngineError("engine_run", f"{self.name} refuses {name} of {shape}.", "Run `visavis build` again.")
        # A context of its own for each shape: what was recorded of one must find it as it was.
        scratch = torch.empty(
            int(context.update_device_memory_size_for_shapes()) + _ALIGNMENT, dtype=torch.uint8, device=self._device
        )
        begin = -(-scratch.data_ptr() // _ALIGNMENT) * _ALIGNMENT
        context.set_device_memory(begin, scratch.data_ptr() + scratch.numel() - begin)
        names = [engine.get_tensor_name(k) for k in range(engine.num_io_tensors)]
        made = {name: torch.empty(tuple(context.get_tensor_shape(name)), device=self._device)
                for name in names if name not in shapes}  # fmt: skip

        def forward(given: Tensors, scratch: torch.Tensor = scratch) -> Tensors:  # scratch: kept as long as it is used
            for name, tensor in (*given.items(), *made.items()):
                context.set_tensor_address(name, tensor.data_ptr())
            stream = torch.cuda.current_stream(self._device).cuda_stream if self._device.type == "cuda" else 0
            if not context.execute_async_v3(stream):
                raise EngineError("engine_run", f"{self.name} could not run.", "Run `visavis build` again.")
            return made

        return forward

    def settled(self) -> None:
        """See `Runner`."""
        for built, (_, cache) in zip(self._built, self._configs, strict=True):
            if cache is not None and built.compiled is not None:
                part = built.compiled.with_suffix(".part")
                with suppress(OSError):  # it is compiled again next time
                    part.write_bytes(bytes(cache.serialize()))
                    part.replace(built.compiled)

    def _configured(self, engine: Any, built: Built) -> tuple[Any, Any]:
        """How TensorRT-RTX runs an engine, and what it keeps of the code that it compiles; both None for TensorRT."""
        if self._library.backend != "tensorrt-rtx":
            return None, None
        module, config = self._library.module, engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(module.ExecutionContextAllocationStrategy.USER_MANAGED)
        # All code for a shape is there before its run is recorded, not some time after.
        strategies = module.DynamicShapesKernelSpecializationStrategy
        config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
        cache = config.create_runtime_cache()
        with suppress(OSError):
            if built.compiled is not None and not cache.deserialize(built.compiled.read_bytes()):
                _log.info("code compiled for another card or driver is not used", extra={"file": built.compiled.name})
        config.set_runtime_cache(cache)
        return config, cache

    def _context(self, at: int) -> Any:
        config, _ = self._configs[at]
        own = self._library.module.ExecutionContextAllocationStrategy.USER_MANAGED
        context = self._engines[at].create_execution_context(own if config is None else config)
        if context is None:
            raise EngineError(
                "gpu_memory", f"{self.name} has no memory for one shape more.", "Let fewer sessions draw."
            )
        return context

    def _refusal(self, why: str) -> EngineError:
        remedy = f"Run `visavis build --backend {self._library.backend}` on this machine, and `visavis doctor`."
        return EngineError("engine_refused", f"{self._library.backend} cannot load its engine here: {why}.", remedy)
