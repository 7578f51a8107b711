"""The contract of every engine: runs one network on one kind of hardware, named arrays in and out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray


class Engine(Protocol):
    """Runs one network. Used by one thread at a time."""

    @property
    def name(self) -> str:
        """Which engine and device, for people: `openvino/CPU`, `onnxruntime/CPU`."""
        ...

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """One forward pass. Input and output names are those of the ONNX graph.

        Raises:
            EngineError: an input is missing or does not fit the graph.
        """
        ...


@runtime_checkable
class RecordingEngine(Engine, Protocol):
    """One that may prepare every shape of its inputs before it can run it quickly."""

    @property
    def records(self) -> bool:
        """Whether it does."""
        ...


@runtime_checkable
class CardEngine(Engine, Protocol):
    """One whose tensors lie on a device."""

    @property
    def on_card(self) -> bool:
        """Whether that is a card."""
        ...
