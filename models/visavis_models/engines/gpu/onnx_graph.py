"""An ONNX graph as plain nodes and arrays, to be looked through and rewritten.

Knows no engine and none of our networks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


@dataclass(slots=True)
class Node:
    """One operation: its ONNX name or one of ours, the names of its inputs ("" is an absent one) and outputs."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Graph:
    """Nodes in an order in which they can run, and the arrays they start from."""

    nodes: list[Node]
    constants: dict[str, NDArray[Any]]
    inputs: list[str]
    outputs: list[str]


def read_graph(path: Path, outputs: Iterable[str]) -> Graph:
    """Read an ONNX file (needs the package `onnx`); any value of the graph can be asked for as an output.

    Raises:
        ValueError: the graph does not compute one of the outputs.
    """
    import onnx

    return graph_of(onnx.load(str(path)), outputs)


def graph_of(loaded: Any, outputs: Iterable[str] | None = None) -> Graph:
    """An `onnx.ModelProto` as a graph with its own outputs, or with those that are asked for.

    Raises:
        ValueError: the graph does not compute one of the outputs.
    """
    from onnx import helper, numpy_helper

    model = loaded.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.initializer}
    nodes = []
    for found in model.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in found.attribute}
        attributes = {name: value.decode() if isinstance(value, bytes) else value for name, value in attributes.items()}
        if found.op_type in ("Constant", "ConstantOfShape") and "value" in attributes:
            attributes["value"] = numpy_helper.to_array(attributes["value"])
        if found.op_type == "Constant":
            constants[found.output[0]] = attributes["value"]
        else:
            nodes.append(Node(found.op_type, list(found.input), list(found.output), attributes))
    wanted = [value.name for value in model.output] if outputs is None else list(outputs)
    missing = set(wanted) - {name for node in nodes for name in node.outputs}
    if missing:
        raise ValueError(f"the graph does not compute {', '.join(sorted(missing))}")
    return Graph(nodes, constants, [value.name for value in model.input if value.name not in constants], wanted)


def prune(graph: Graph) -> Graph:
    """The graph without the nodes and constants that no output needs."""
    needed, kept = set(graph.outputs), []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    constants = {name: value for name, value in graph.constants.items() if name in needed}
    return Graph(kept[::-1], constants, graph.inputs, graph.outputs)


class Links:
    """Who makes a value and who takes it, of one state of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.maker = {name: node for node in graph.nodes for name in node.outputs}
        self.takers: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for name in node.inputs:
                self.takers.setdefault(name, []).append(node)

    def made_by(self, name: str, op: str) -> Node | None:
        """The node that makes a value, if it is of this kind."""
        node = self.maker.get(name)
        return node if node is not None and node.op == op else None

    def only_taker(self, name: str, op: str) -> Node | None:
        """The one node that takes a value, if it is of this kind and the value is no output."""
        takers = self.takers.get(name, [])
        alone = len(takers) == 1 and takers[0].op == op and name not in self.graph.outputs
        return takers[0] if alone else None

    def other(self, node: Node, name: str) -> str:
        """The second operand of a node of two."""
        return node.inputs[1] if node.inputs[0] == name else node.inputs[0]

    def constant(self, name: str) -> NDArray[Any] | None:
        """The value, where it is known."""
        return self.graph.constants.get(name)
