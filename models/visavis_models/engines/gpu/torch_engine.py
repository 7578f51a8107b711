"""Runs networks by torch from their ONNX graphs: the reference on any card, and what draws where nothing is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from visavis_models.engines.gpu.attention import join_attentions
from visavis_models.engines.gpu.device_engine import DeviceEngine, Shape, Tensors
from visavis_models.engines.gpu.onnx_graph import graph_of, prune
from visavis_models.engines.gpu.program import program_of
from visavis_models.errors import EngineError


class TorchRunner:
    """See `Runner`.

    Args:
        graph: an ONNX file.
        device: where it runs.
        precision: `fp16`, computed in 16 bits wherever that is safe, or `fp32`.
        compiled: whether torch compiles it for every shape, which takes a minute and pays where networks are large.

    Raises:
        EngineError: it is no graph that torch can run.
    """

    def __init__(self, graph: Path, device: torch.device, precision: str = "fp16", compiled: bool = False) -> None:
        import onnx

        from visavis_models.engines.gpu.half_precision import halved

        self._device, self._compiled, self._precision = device, compiled, precision
        try:
            model = onnx.load(str(graph))
            read = graph_of(halved(model) if precision == "fp16" else model)
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            raise _unreadable(graph, error) from error
        except Exception as error:  # protobuf has classes of its own for files that are none
            raise _unreadable(graph, error) from error
        self._graph = join_attentions(prune(read))

    @property
    def name(self) -> str:
        """See `Runner`."""
        return f"torch {self._precision}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """See `Runner`."""
        return tuple(self._graph.inputs)

    def ready(self, shapes: Mapping[str, Shape]) -> Callable[[Tensors], Tensors]:
        """See `Runner`."""
        try:
            program: Any = program_of(self._graph, shapes, self._device)
        except (ValueError, RuntimeError, AssertionError, IndexError) as error:
            raise EngineError(
                "engine_run", f"torch cannot run inputs of {dict(shapes)}: {error}.", "Check the shapes of the inputs."
            ) from error
        if self._compiled:
            program = torch.compile(program, dynamic=False)
        names, outputs = self.inputs, tuple(self._graph.outputs)

        def forward(given: dict[str, Tensor]) -> dict[str, Tensor]:
            return dict(zip(outputs, program(*(given[name] for name in names)), strict=True))

        return forward

    def settled(self) -> None:
        """See `Runner`: torch keeps what it compiles by itself."""


def _unreadable(graph: Path, error: Exception) -> EngineError:
    return EngineError("engine_graph", f"torch cannot read {graph.name}: {error}.", "Export the networks again.")


def open_torch(
    graph: Path, device: str | None = None, precision: str | None = None, compiled: bool = False
) -> DeviceEngine:
    """A network on torch.

    Args:
        graph: an ONNX file.
        device: as torch calls it; None takes the card if there is one.
        precision: see `TorchRunner`; None takes 16 bits on a card and 32 on a processor.
        compiled: see `TorchRunner`.

    Raises:
        EngineError: torch cannot run it here.
    """
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if where.type == "cuda" and not torch.cuda.is_available():
        raise EngineError(
            "gpu_torch",
            "This torch cannot use the card.",
            "Install torch for CUDA, in a version that the driver knows.",
        )
    runner = TorchRunner(graph, where, precision or ("fp16" if where.type == "cuda" else "fp32"), compiled)
    return DeviceEngine(runner, where)
