"""Runs an ONNX graph through torch, on a GPU or on the CPU: a small interpreter for graphs that meet one input a call.

Whole numbers (shapes, indices) stay on the CPU, floats live on the device, so the GPU is waited for only where a float
becomes a whole number. Knows nothing of speech.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from visavis_models.engines.gpu.onnx_graph import Graph, Node, prune, read_graph
from visavis_training.speech.graph_folding import unquantise
from visavis_training.speech.graph_fusing import fuse
from visavis_training.speech.graph_operators import OPERATORS, PLAIN

_SCALAR_OPERANDS = frozenset(
    ("Add", "Sub", "Mul", "Div", "Pow", "Greater", "GreaterOrEqual", "Less", "Equal", "Gather")
)
"""Kinds of node that take a constant without axes as a python number."""


def open_graph(path: Path, outputs: Sequence[str], device: str = "cpu") -> GraphInTorch:
    """Read an ONNX file of float or dynamically quantised int8 products, made ready to run.

    Args:
        path: the ONNX file (read with the package `onnx`).
        outputs: names of values to compute; any value of the graph.
        device: where floats live: "cpu" or "cuda".

    Raises:
        ValueError: the graph does not compute an output, or holds a kind of node that is not known here.
    """
    return GraphInTorch(fuse(_fold_constants(unquantise(read_graph(path, outputs)))), device)


class GraphInTorch:
    """A float graph, ready to run.

    On CUDA, products run in TF32 (ten bits of mantissa); this is torch's own switch and holds for the whole process.

    Raises:
        ValueError: the graph holds a kind of node that is not known here.
    """

    def __init__(self, graph: Graph, device: str = "cpu") -> None:
        self._device = torch.empty(0, device=device).device  # with its number, as tensors give it
        if self._device.type == "cuda":
            torch.set_float32_matmul_precision("high")
        unknown = {node.op for node in graph.nodes} - OPERATORS.keys() - {"LSTM"}
        if unknown:
            raise ValueError(f"no operator for {', '.join(sorted(unknown))}")
        self._inputs = list(graph.inputs)
        self._outputs = list(graph.outputs)
        self._steps = _steps(graph, self._device)

    @property
    def nodes(self) -> int:
        """How many nodes one call runs."""
        return len(self._steps)

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Compute the outputs for one set of inputs.

        Args:
            inputs: an array for each input; whole numbers stay on the CPU.

        Returns:
            The outputs in the order asked for.
        """
        values: dict[str, Any] = {}
        for name in self._inputs:
            tensor = torch.from_numpy(np.ascontiguousarray(inputs[name]))
            values[name] = tensor.to(self._device) if tensor.is_floating_point() and tensor.numel() > 1 else tensor
        with torch.inference_mode():
            for run, outputs, dead in self._steps:
                found = run(values)
                if isinstance(found, Tensor):
                    values[outputs[0]] = found
                else:
                    values.update(zip(outputs, found, strict=False))
                for name in dead:
                    values.pop(name, None)
        return [values[name].cpu().numpy() for name in self._outputs]


_Step = tuple[Callable[[dict[str, Any]], Any], tuple[str, ...], tuple[str, ...]]


def _fold_constants(graph: Graph) -> Graph:
    """The graph with every node computed whose inputs are all known, on the CPU."""
    constants, left = dict(graph.constants), []
    for node in graph.nodes:
        known = all(name in constants or not name for name in node.inputs)
        if not known or node.op not in OPERATORS:
            left.append(node)
            continue
        found = _bind(node, constants, torch.device("cpu"))({})
        for name, value in zip(node.outputs, [found] if isinstance(found, Tensor) else found, strict=False):
            constants[name] = value.contiguous().numpy()
    return prune(Graph(left, constants, graph.inputs, graph.outputs))


def _steps(graph: Graph, device: torch.device) -> list[_Step]:
    last_use = {name: at for at, node in enumerate(graph.nodes) for name in (*node.inputs, *node.outputs)}
    steps: list[_Step] = []
    for at, node in enumerate(graph.nodes):
        run = _bind_lstm(node, graph.constants, device) if node.op == "LSTM" else _bind(node, graph.constants, device)
        dead = {name for name in (*node.inputs, *node.outputs) if name and last_use[name] == at}
        dead -= {*graph.outputs, *graph.constants}
        steps.append((run, tuple(node.outputs), tuple(dead)))
    return steps


def _bind(node: Node, constants: dict[str, NDArray[Any]], device: torch.device) -> Callable[[dict[str, Any]], Any]:
    """A function of the values so far that runs one node, its constants in place."""
    operator, attributes = OPERATORS[node.op], node.attributes
    plain = PLAIN.get(node.op, ())
    fixed: list[Any] = []  # for each input: what is known of it, on the CPU
    uploaded: list[Any] = []  # the same, on the device
    unknown: list[tuple[int, str, bool]] = []
    for at, name in enumerate(node.inputs):
        value = constants.get(name)
        if value is None:
            fixed.append(None)
            uploaded.append(None)
            if name:
                unknown.append((at, name, at in plain))
        elif at in plain or (node.op in _SCALAR_OPERANDS and value.ndim == 0 and len(node.inputs) == 2):
            fixed.append(value.tolist())
            uploaded.append(fixed[-1])
        else:
            fixed.append(torch.from_numpy(np.array(value)))
            uploaded.append(fixed[-1].to(device))
    while fixed and fixed[-1] is None and not node.inputs[len(fixed) - 1]:
        fixed.pop()  # absent trailing inputs
        uploaded.pop()
    large = node.op in ("Linear", "Linears", "Conv", "ConvTranspose", "LayerNormalization", "Snake") or (
        node.op == "Gather" and isinstance(fixed[0], Tensor) and fixed[0].is_floating_point()
    )
    if large and device.type != "cpu":
        fixed = [None] * len(fixed)  # only ever needed on the device: keep one copy
    to_host = node.op == "Cast" and attributes["to"] in (6, 7)

    def run(values: dict[str, Any]) -> Any:
        found = [(at, values[name], is_plain) for at, name, is_plain in unknown]
        on_device = large or any(not is_plain and value.device == device for _, value, is_plain in found)
        inputs = list(uploaded if on_device else fixed)
        for at, value, is_plain in found:
            if is_plain:
                inputs[at] = value.tolist()
            elif on_device and value.device != device and value.ndim:
                inputs[at] = value.to(device, non_blocking=True)
            else:
                inputs[at] = value
        if to_host:
            inputs[0] = inputs[0].cpu()
        return operator(attributes, *inputs)

    if device.type != "cpu" or to_host:
        return run

    def run_on_cpu(values: dict[str, Any]) -> Any:
        inputs = list(fixed)
        for at, name, is_plain in unknown:
            inputs[at] = values[name].tolist() if is_plain else values[name]
        return operator(attributes, *inputs)

    return run_on_cpu


_GATES = (0, 2, 3, 1)
"""ONNX keeps input, output, forget, cell; torch wants input, forget, cell, output."""


def _bind_lstm(node: Node, constants: dict[str, NDArray[Any]], device: torch.device) -> Callable[[dict[str, Any]], Any]:
    x, *weights = node.inputs
    both = node.attributes.get("direction", "forward") == "bidirectional"
    if node.attributes.get("direction") == "reverse" or any(name not in constants for name in weights[:3]):
        raise ValueError("an LSTM must run forward or in both directions, with weights of its own")
    if weights[3:4] not in ([], [""]):
        raise ValueError("an LSTM over several lengths is not known")
    hidden = node.attributes["hidden_size"]
    from_input, from_state, bias = (constants[name] for name in weights[:3])
    lstm = torch.nn.LSTM(from_input.shape[2], hidden, bidirectional=both)
    state = {}
    for direction, suffix in enumerate(("", "_reverse")[: 1 + both]):
        halves = np.split(bias[direction], 2)
        for kind, array in (
            ("weight_ih", from_input[direction]),
            ("weight_hh", from_state[direction]),
            ("bias_ih", halves[0]),
            ("bias_hh", halves[1]),
        ):
            gates = array.reshape(4, hidden, *array.shape[1:])[list(_GATES)]
            state[f"{kind}_l0{suffix}"] = torch.from_numpy(np.ascontiguousarray(gates.reshape(array.shape)))
    lstm.load_state_dict(state)
    lstm.to(device).requires_grad_(False)
    starts = weights[4:6]

    def run(values: dict[str, Any]) -> Any:
        first = [values[n] if n in values else torch.from_numpy(np.array(constants[n])) for n in starts if n]
        states = tuple(tensor.to(device) for tensor in first) if len(first) == 2 else None
        y, (h, c) = lstm(values[x].to(device), states)
        length, batch = y.shape[:2]
        return y.reshape(length, batch, 1 + both, hidden).transpose(1, 2), h, c

    return run
