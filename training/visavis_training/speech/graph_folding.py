"""Reads an ONNX graph and writes it simpler: whole numbers back to floats, known groups of nodes as one node each.

An int8 graph quantises its activations at every layer. Here only the weights' rounding stays: each quantised product
becomes a float one, which sounds better and suits a GPU. Works on numpy alone; knows nothing of torch or of speech.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_models.engines.gpu.onnx_graph import Graph, Links, Node, prune


def unquantise(graph: Graph) -> Graph:
    """Replace every quantised embedding, product, convolution and LSTM by its float counterpart.

    `MatMulInteger` becomes our `Linear` (x, weight (in, out), bias), `ConvInteger` becomes `Conv`,
    `DynamicQuantizeLSTM` becomes `LSTM`, all as ONNX lays them out.

    Raises:
        ValueError: a quantised node stands in a pattern that is not known here.
    """
    links = Links(graph)
    constants = dict(graph.constants)
    replaced: dict[int, Node] = {}  # by the identity of the node that ends the pattern
    for node in graph.nodes:
        if node.op in ("MatMulInteger", "ConvInteger"):
            last, new = _float_product(node, links, constants)
        elif node.op == "DequantizeLinear":
            last, new = _float_embedding(node, links, constants)
        elif node.op == "DynamicQuantizeLSTM":
            last, new = _float_lstm(node, constants)
        else:
            continue
        replaced[id(last)] = new
    nodes = [replaced.get(id(node), node) for node in graph.nodes]
    result = prune(Graph(nodes, constants, graph.inputs, graph.outputs))
    left = {n.op for n in result.nodes if "Integer" in n.op or "Quantize" in n.op}
    if left:
        raise ValueError(f"the graph uses {', '.join(sorted(left))} in a way that is not known")
    return result


def _unknown(node: Node) -> ValueError:
    return ValueError(f"{node.op} {node.outputs[0]} is not quantised in a way that is known")


def _float_product(node: Node, links: Links, constants: dict[str, NDArray[Any]]) -> tuple[Node, Node]:
    quantiser = links.made_by(node.inputs[0], "DynamicQuantizeLinear")
    weight = links.constant(node.inputs[1])
    if quantiser is None or weight is None:
        raise _unknown(node)
    bias: str | None = None
    value = node.outputs[0]
    if (added := links.only_taker(value, "Add")) is not None:  # a bias rounded to the product's own steps
        source = links.other(added, value)
        for op in ("Reshape", "Cast", "Floor", "Div"):
            step = links.made_by(source, op)
            if step is None:
                raise _unknown(node)
            source = step.inputs[0]
        bias, value = source, added.outputs[0]
    cast = links.only_taker(value, "Cast")
    scaled = links.only_taker(cast.outputs[0], "Mul") if cast is not None else None
    if cast is None or scaled is None:
        raise _unknown(node)
    scales = links.made_by(links.other(scaled, cast.outputs[0]), "Mul")
    scale = links.constant(links.other(scales, quantiser.outputs[1])) if scales is not None else None
    if scale is None:
        raise _unknown(node)
    last = scaled
    if node.op == "MatMulInteger" and (plain := links.only_taker(scaled.outputs[0], "Add")) is not None:
        other = links.constant(links.other(plain, scaled.outputs[0]))
        if other is not None and other.shape == weight.shape[-1:]:
            bias, last = links.other(plain, scaled.outputs[0]), plain
    zero = constants[node.inputs[3]] if len(node.inputs) > 3 and node.inputs[3] else np.zeros((), weight.dtype)
    if node.op == "ConvInteger" and zero.ndim:  # per output channel, which comes first here
        zero, scale = (v.reshape(-1, *[1] * (weight.ndim - 1)) for v in (zero, scale))
    name = f"{node.outputs[0]} weight"
    constants[name] = (weight.astype(np.float32) - zero.astype(np.float32)) * scale
    op = "Linear" if node.op == "MatMulInteger" else "Conv"
    inputs = [quantiser.inputs[0], name, *([bias] if bias is not None else [])]
    return last, Node(op, inputs, last.outputs, node.attributes)


def _float_embedding(node: Node, links: Links, constants: dict[str, NDArray[Any]]) -> tuple[Node, Node]:
    gather = links.made_by(node.inputs[0], "Gather")
    table = links.constant(gather.inputs[0]) if gather is not None else None
    if gather is None or table is None:
        raise _unknown(node)
    scale, zero = constants[node.inputs[1]], constants[node.inputs[2]]
    name = f"{node.outputs[0]} table"
    constants[name] = (table.astype(np.float32) - zero.astype(np.float32)) * scale
    return node, Node("Gather", [name, gather.inputs[1]], node.outputs, gather.attributes)


def _float_lstm(node: Node, constants: dict[str, NDArray[Any]]) -> tuple[Node, Node]:
    names = []
    for weight_at, scale_at in ((1, 8), (2, 10)):
        weight, scale, zero = (constants[node.inputs[at]] for at in (weight_at, scale_at, scale_at + 1))
        rows = [v.reshape(len(weight), 1, -1).astype(np.float32) for v in (scale, zero)]
        names.append(f"{node.outputs[0]} weight {weight_at}")
        constants[names[-1]] = ((weight.astype(np.float32) - rows[1]) * rows[0]).transpose(0, 2, 1)
    return node, Node("LSTM", [node.inputs[0], *names, *node.inputs[3:7]], node.outputs, node.attributes)
