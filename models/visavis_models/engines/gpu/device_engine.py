"""What runs networks on a card, as an `Engine`: arrays in and out, the tensors between them on the device.

Runs of one shape are recorded once as a CUDA graph and played back; a few shapes are kept. On a processor, where tests
run it, everything is the same but that nothing is recorded. Knows neither torch programs nor TensorRT: see `Runner`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from visavis_models.engines.cpu import wrong_inputs
from visavis_models.errors import EngineError

Shape = tuple[int, ...]
Tensors = dict[str, Tensor]
_KEPT_SHAPES = 128
"""More than `diffusion.batch_sizes` has recorded at the start."""
_WARM_UPS = 3


class Runner(Protocol):
    """Runs one network on tensors of one device."""

    @property
    def name(self) -> str:
        """Of the engine, for people: `torch`, `tensorrt`."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what goes in."""
        ...

    def ready(self, shapes: Mapping[str, Shape]) -> Callable[[Tensors], Tensors]:
        """One forward pass for inputs of these shapes, float32, contiguous and on the device; so are its outputs.

        Called once per shape. Calling what it returns starts the work on the current stream and does not wait for it.

        Raises:
            EngineError: inputs of these shapes cannot be run.
        """
        ...

    def settled(self) -> None:
        """A shape has run for the first time: what was compiled for it may be kept."""
        ...


@dataclass(slots=True)
class _Ready:
    """One shape, ready to run."""

    forward: Callable[[Tensors], Tensors]
    inputs: Tensors
    """Read by what was recorded."""
    outputs: Tensors
    graph: Any = None
    """The recording, a `torch.cuda.CUDAGraph`; None where nothing can be recorded."""


class DeviceEngine:
    """See `Engine`. Besides arrays it takes tensors of its device, for whoever keeps them there.

    Args:
        runner: what runs.
        device: where.
        record: whether runs are recorded as CUDA graphs; only on cards.
    """

    def __init__(self, runner: Runner, device: torch.device, record: bool = True) -> None:
        self._runner, self._device = runner, device
        self._record = record and device.type == "cuda"
        self._ready: OrderedDict[tuple[Shape, ...], _Ready] = OrderedDict()
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._pool: Any = None

    @property
    def name(self) -> str:
        """Engine and device."""
        where = torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "CPU"
        return f"{self._runner.name}/{where}"

    @property
    def device(self) -> torch.device:
        """Where its tensors lie."""
        return self._device

    @property
    def on_card(self) -> bool:
        """See `CardEngine`."""
        return bool(self._device.type == "cuda")

    @property
    def records(self) -> bool:
        """Whether runs of a shape are recorded when it first comes."""
        return self._record

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """One forward pass; see `Engine.run`."""
        self._check(inputs)
        given = {name: torch.from_numpy(np.ascontiguousarray(array, np.float32)) for name, array in inputs.items()}
        return {name: tensor.cpu().numpy().copy() for name, tensor in self.run_tensors(given).items()}

    def run_tensors(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """One forward pass on tensors.

        Args:
            inputs: float32, wherever they lie.

        Returns:
            Outputs on the device, there until this engine's next run; work on the current stream sees them finished.

        Raises:
            EngineError: see `Engine.run`; or the card has no memory left, or is gone.
        """
        self._check(inputs)
        shapes = {name: tuple(inputs[name].shape) for name in self._runner.inputs}
        try:
            with torch.inference_mode():
                return self._run(shapes, inputs)
        except torch.OutOfMemoryError as error:
            self._ready.clear()
            remedy = "Let fewer sessions draw at once, or close other programs that use the card."
            raise EngineError("gpu_memory", f"{self.name} has no memory left.", remedy) from error
        except RuntimeError as error:
            raise self._told(error) from error

    def _run(self, shapes: dict[str, Shape], inputs: Mapping[str, Tensor]) -> Tensors:
        key = tuple(shapes.values())
        ready = self._ready.get(key)
        if ready is None:
            ready = self._ready[key] = self._made_ready(shapes, inputs)
            self._runner.settled()
            if len(self._ready) > _KEPT_SHAPES:
                self._ready.popitem(last=False)
        self._ready.move_to_end(key)
        if ready.graph is None and self._device.type != "cuda":
            return ready.forward({name: inputs[name].contiguous() for name in shapes})
        for name, tensor in ready.inputs.items():
            tensor.copy_(inputs[name], non_blocking=True)
        if ready.graph is None:
            return ready.forward(ready.inputs)
        ready.graph.replay()
        return ready.outputs

    def _made_ready(self, shapes: dict[str, Shape], inputs: Mapping[str, Tensor]) -> _Ready:
        forward = self._runner.ready(shapes)
        if self._device.type != "cuda":
            return _Ready(forward, {}, {})
        mine = {name: inputs[name].to(self._device, torch.float32, copy=True).contiguous() for name in shapes}
        if not self._record:
            return _Ready(forward, mine, {})
        assert self._stream is not None
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UPS):  # libraries choose their kernels, and take their memory, when they first run
                forward(mine)
        torch.cuda.current_stream(self._device).wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        # Other threads go on using the card meanwhile: an avatar is opened beside who draws.
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            outputs = forward(mine)
        self._pool = self._pool or graph.pool()
        return _Ready(forward, mine, outputs, graph)

    def _check(self, inputs: Mapping[str, Any]) -> None:
        if set(inputs) != set(self._runner.inputs):
            raise wrong_inputs(inputs, set(self._runner.inputs))

    def _told(self, error: RuntimeError) -> EngineError:
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if "CUDA error" in text or isinstance(error, getattr(torch, "AcceleratorError", ())):
            remedy = "Restart the server; if it happens again, see what nvidia-smi says of the card."
            return EngineError("gpu_lost", f"The card does not answer any more: {text}.", remedy)
        return EngineError("engine_run", f"{self._runner.name} could not run: {text}.", "Check the inputs' shapes.")
