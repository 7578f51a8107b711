"""Rewrites an ONNX graph to compute in 16 bits, as engines that take every tensor's type as it is written need it.

Inputs and outputs stay in 32 bits. What 16 bits would spoil stays as well: sums of squares, and the waves that tell
flow times apart. Knows no engine and none of our networks by name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

_WIDE_OPERATORS = frozenset({"Pow", "ReduceMean", "Sqrt", "Sin", "Cos", "Range"})
"""Computed in 32 bits: `Range` because ONNX has it in no less."""
_WAVES = frozenset({"Sin", "Cos"})
_LARGEST = 65504.0


def wide_nodes(nodes: Iterable[NodeProto]) -> set[str]:
    """The first outputs of those nodes that stay in 32 bits.

    Besides single operators these are what lies between a mean of squares and its root, the squares themselves, and
    all that the angles of waves are computed from.
    """
    made_by: dict[str, NodeProto] = {}
    used_by: dict[str, list[NodeProto]] = defaultdict(list)
    for node in nodes:
        made_by.update(dict.fromkeys(node.output, node))
        for name in node.input:
            used_by[name].append(node)
    wide = {node.output[0] for node in made_by.values() if node.op_type in _WIDE_OPERATORS}
    for node in made_by.values():
        readers = used_by[node.output[0]]
        to_root = node.op_type == "Add" and readers and all(r.op_type == "Sqrt" for r in readers)
        squares = node.op_type == "Mul" and readers and all(r.op_type == "ReduceMean" for r in readers)
        if to_root or squares:
            wide.add(node.output[0])
    waiting = [name for node in made_by.values() if node.op_type in _WAVES for name in node.input]
    while waiting:
        maker = made_by.get(waiting.pop())
        if maker is not None and maker.output[0] not in wide:
            wide.add(maker.output[0])
            waiting.extend(maker.input)
    return wide


class _Halver:
    """One graph on its way. Every tensor of numbers may be had in both widths; the other one is cast when asked for."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.kind = {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.value_info, *graph.output)}
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        for tensor in graph.initializer:
            self.kind[tensor.name] = tensor.data_type
        self.names: dict[tuple[str, int], str] = {}
        """What a tensor (by its first name) is called in a width."""
        self.nodes: list[NodeProto] = []
        self.kept: dict[str, TensorProto] = {}

    def is_number(self, name: str) -> bool:
        """Whether a tensor has a width to choose."""
        return self.kind.get(name) in (TensorProto.FLOAT, TensorProto.FLOAT16)

    def named(self, name: str, width: int) -> str:
        """A tensor in a width; cast if there is none yet."""
        if not self.is_number(name):
            if name in self.constants:
                self.kept[name] = self.constants[name]
            return name
        if (name, width) in self.names:
            return self.names[name, width]
        called = f"{name}_{'half' if width == TensorProto.FLOAT16 else 'single'}"
        if name in self.constants:
            array = numpy_helper.to_array(self.constants[name])
            if width == TensorProto.FLOAT16 and np.abs(array).max(initial=0) > _LARGEST:
                raise ValueError(f"{name} has numbers beyond what 16 bits hold")
            kind = np.float16 if width == TensorProto.FLOAT16 else np.float32
            self.kept[called] = numpy_helper.from_array(array.astype(kind), called)
        else:
            other = TensorProto.FLOAT if width == TensorProto.FLOAT16 else TensorProto.FLOAT16
            self.nodes.append(helper.make_node("Cast", [self.names[name, other]], [called], called, to=width))
        self.names[name, width] = called
        return called

    def add(self, node: NodeProto, width: int) -> None:
        """A node that computes in a width."""
        if node.op_type == "Constant" and self.is_number(node.output[0]):
            self.constants[node.output[0]] = next(a.t for a in node.attribute if a.name == "value")
            return
        if node.op_type == "Cast" and self.is_number(node.output[0]) and self.is_number(node.input[0]):
            # Between widths: whoever reads it says which one is wanted.
            if node.input[0] in self.constants:
                self.constants[node.output[0]] = self.constants[node.input[0]]
            else:
                given = next(
                    w for w in (width, TensorProto.FLOAT, TensorProto.FLOAT16) if (node.input[0], w) in self.names
                )
                self.names[node.output[0], given] = self.names[node.input[0], given]
            return
        made = NodeProto()
        made.CopyFrom(node)
        del made.input[:], made.output[:]
        made.input.extend(self.named(name, width) if name else name for name in node.input)
        for name in node.output:
            if self.is_number(name):
                self.names[name, width] = f"{name}_{'half' if width == TensorProto.FLOAT16 else 'single'}"
                made.output.append(self.names[name, width])
            else:
                made.output.append(name)
        for attribute in made.attribute:
            if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = width
            if node.op_type == "ConstantOfShape" and attribute.t.data_type == TensorProto.FLOAT:
                value = numpy_helper.to_array(attribute.t)
                kind = np.float16 if width == TensorProto.FLOAT16 else np.float32
                attribute.t.CopyFrom(numpy_helper.from_array(value.astype(kind)))
        self.nodes.append(made)


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model computing in 16 bits wherever that is safe; the given one is left as it is.

    Raises:
        ValueError: a constant is too large for 16 bits.
        onnx.checker.ValidationError: the result is no valid graph.
    """
    known = onnx.shape_inference.infer_shapes(model)
    graph = known.graph
    work, wide = _Halver(graph), wide_nodes(graph.node)
    for value in graph.input:
        if work.is_number(value.name):
            work.names[value.name, TensorProto.FLOAT] = value.name
    for node in graph.node:
        work.add(node, TensorProto.FLOAT if node.output[0] in wide else TensorProto.FLOAT16)
    for value in graph.output:
        last = work.named(value.name, TensorProto.FLOAT) if work.is_number(value.name) else value.name
        if last != value.name:
            work.nodes.append(helper.make_node("Identity", [last], [value.name], f"{value.name}_out"))
    made = onnx.ModelProto()
    made.CopyFrom(model)
    del made.graph.node[:], made.graph.initializer[:], made.graph.value_info[:]
    made.graph.node.extend(work.nodes)
    made.graph.initializer.extend(work.kept.values())
    onnx.checker.check_model(made, full_check=True)
    return made
