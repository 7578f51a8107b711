"""An ONNX graph as a torch program for inputs of one shape: all that hangs on shapes alone is computed beforehand.

What is left are steps on numbers of the device, none of which waits for the processor, so that a card can record them
once and play them back. Knows no network of ours.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx

from visavis_models.engines.gpu.attention import attend
from visavis_models.engines.gpu.onnx_graph import Graph, Node
from visavis_models.engines.gpu.operators import OPERATORS, PLAIN

Shape = tuple[int, ...]
Program = Callable[..., tuple[Tensor, ...]]
"""Inputs in the graph's order to outputs in the graph's order."""
_OPERATORS = {**OPERATORS, "Attention": attend}
_SCALAR_OPERANDS = frozenset(("Add", "Sub", "Mul", "Div", "Pow", "Greater", "Less", "Equal", "Gather"))
"""Kinds of node that take a constant without axes as a python number."""


class _Unknown:
    """A value that hangs on what the inputs hold: its shape and kind, and the step that makes it."""

    __slots__ = ("like", "step")

    def __init__(self, like: Tensor, step: fx.Node) -> None:
        self.like, self.step = like, step


_Value: TypeAlias = "Tensor | _Unknown"
"""A tensor is one that is known; it lies on the processor."""


def program_of(graph: Graph, shapes: Mapping[str, Shape], device: torch.device) -> fx.GraphModule:
    """See `Program`.

    Args:
        graph: of float inputs.
        shapes: of its inputs.
        device: where it runs; its constants are brought there.

    Raises:
        ValueError: the graph has a kind of node that is not known here.
        RuntimeError: inputs of these shapes do not fit it.
    """
    unknown = {node.op for node in graph.nodes} - _OPERATORS.keys()
    if unknown:
        raise ValueError(f"no operator for {', '.join(sorted(unknown))}")
    with torch.inference_mode():
        return _Writer(graph, shapes, device).written()


class _Writer:
    def __init__(self, graph: Graph, shapes: Mapping[str, Shape], device: torch.device) -> None:
        self.graph, self.device = graph, device
        self.steps = fx.Graph()
        self.root = torch.nn.Module()
        self.values: dict[str, _Value] = {
            name: torch.from_numpy(array.copy()) for name, array in graph.constants.items()
        }
        self.uploaded: dict[int, fx.Node] = {}
        """Steps that hand out a known value, by the identity of the value."""
        for name in graph.inputs:
            like = torch.empty(shapes[name], device="meta")
            self.values[name] = _Unknown(like, self.steps.placeholder(_identifier(name)))

    def written(self) -> fx.GraphModule:
        for node in self.graph.nodes:
            inputs = [self.values[name] if name else None for name in node.inputs]
            while inputs and inputs[-1] is None:
                inputs.pop()  # absent trailing inputs
            self._add(node, inputs)
        answers = tuple(self._step_of(self.values[name]) for name in self.graph.outputs)
        self.steps.output(answers)
        return fx.GraphModule(self.root, self.steps)

    def _add(self, node: Node, inputs: list[_Value | None]) -> None:
        function = _OPERATORS[node.op]
        if node.op == "Shape" and isinstance(inputs[0], _Unknown):
            inputs = [inputs[0].like]
        plain, made = PLAIN.get(node.op, ()), [value for value in inputs if isinstance(value, _Unknown)]
        if not made:
            known = [self._told(node, at, value, plain) for at, value in enumerate(inputs)]
            self._keep(node, function(node.attributes, *known), None)
            return
        likes, steps = [], []
        for at, value in enumerate(inputs):
            if isinstance(value, _Unknown):
                likes.append(value.like)
                steps.append(value.step)
                continue
            told = self._told(node, at, value, plain, scalars=len(inputs) == 2)
            if isinstance(told, Tensor):
                likes.append(told.to("meta"))
                steps.append(self._step_of(told))
            else:
                likes.append(told)
                steps.append(told)
        step = self.steps.call_function(function, (node.attributes, *steps))
        self._keep(node, function(node.attributes, *likes), step)

    @staticmethod
    def _told(node: Node, at: int, value: _Value | None, plain: tuple[int, ...], scalars: bool = False) -> Any:
        """A known input as its operator wants it."""
        if isinstance(value, Tensor) and (at in plain or (scalars and not value.ndim and node.op in _SCALAR_OPERANDS)):
            return value.tolist()
        return value

    def _keep(self, node: Node, found: Tensor | tuple[Tensor, ...], step: fx.Node | None) -> None:
        if isinstance(found, Tensor):
            self.values[node.outputs[0]] = found if step is None else _Unknown(found, step)
            return
        for at, (name, each) in enumerate(zip(node.outputs, found, strict=True)):
            taken = None if step is None else self.steps.call_function(operator.getitem, (step, at))
            self.values[name] = each if taken is None else _Unknown(each, taken)

    def _step_of(self, value: _Value) -> fx.Node:
        if isinstance(value, _Unknown):
            return value.step
        if id(value) not in self.uploaded:
            name = f"known_{len(self.uploaded)}"
            self.root.register_buffer(name, value.to(self.device))
            self.uploaded[id(value)] = self.steps.get_attr(name)
        return self.uploaded[id(value)]


def _identifier(name: str) -> str:
    return f"in_{''.join(c if c.isalnum() else '_' for c in name)}"
