"""Rewrites a graph in 16 bits so that its products take whole numbers of 8 bits, as engines read them from a graph.

Weights are rounded by output channel, what goes into a product by how large it was in runs that were recorded. Products
of two arrays of which none is a weight (attention) stay in 16 bits. Knows no engine and none of our networks by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from visavis_models.network_libraries import import_onnxruntime

_PRODUCTS = frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul"))
_FEWEST = 256
"""Weights of a product that is worth it."""
_OPSET = 19
"""The first in which numbers of 16 bits are made into such of 8."""
_LEAST_SCALE = 1e-4
"""Far above the least number of 16 bits."""


def ranges_of(model: onnx.ModelProto, runs: Iterable[Mapping[str, NDArray[Any]]]) -> dict[str, float]:
    """The largest number, either way, of all that goes into products with weights, by its name.

    Args:
        model: in 32 bits.
        runs: inputs of some runs.
    """
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    given = {value.name for value in model.graph.input}
    into = {node.input[0] for node in model.graph.node if node.op_type in _PRODUCTS} - given
    kinds = {v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(model).graph.value_info}
    there = {value.name for value in model.graph.output}
    asked = sorted(name for name in into if kinds.get(name) == TensorProto.FLOAT or name in there)
    watched.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in asked if name not in there
    )
    session = import_onnxruntime().InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    found: dict[str, float] = {}
    for inputs in runs:
        values = dict(zip(asked, session.run(asked, dict(inputs)), strict=True)) | dict(inputs)
        for name, array in values.items():
            found[name] = max(found.get(name, 0.0), float(np.abs(array).max(initial=0)))
    return found


def in_eight_bits(halved: onnx.ModelProto, ranges: Mapping[str, float]) -> onnx.ModelProto:
    """The graph with products of 8 bits; the given one is left as it is.

    Args:
        halved: see `half_precision.halved`.
        ranges: of the graph that it was made of, see `ranges_of`.

    Raises:
        onnx.checker.ValidationError: the result is no valid graph.
    """
    model = onnx.ModelProto()
    model.CopyFrom(halved)
    _raise_opset(model)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    added: dict[str, TensorProto] = {}
    nodes: list[NodeProto] = []
    rounded: dict[str, str] = {}
    for node in model.graph.node:
        weight = weights.get(node.input[1]) if node.op_type in _PRODUCTS else None
        source = node.input[0].removesuffix("_half").removesuffix("_single") if weight is not None else ""
        if weight is None or source not in ranges or int(np.prod(weight.dims)) < _FEWEST:
            nodes.append(node)
            continue
        if node.input[0] not in rounded:
            rounded[node.input[0]] = f"{node.input[0]}_rounded"
            scale = np.float16(max(ranges[source] / 127, _LEAST_SCALE))
            _add(added, f"{node.input[0]}_scale", scale)
            _add(added, f"{node.input[0]}_zero", np.int8(0))
            both = [f"{node.input[0]}_scale", f"{node.input[0]}_zero"]
            whole = f"{node.input[0]}_whole"
            nodes.append(helper.make_node("QuantizeLinear", [node.input[0], *both], [whole], f"{whole}_made"))
            nodes.append(
                helper.make_node("DequantizeLinear", [whole, *both], [rounded[node.input[0]]], f"{whole}_back")
            )
        if node.input[1] not in rounded:
            rounded[node.input[1]] = f"{node.input[1]}_rounded"
            channel = _channel_axis(node, len(weight.dims))
            array, scales = _whole_weight(numpy_helper.to_array(weight).astype(np.float32), channel)
            told = [f"{node.input[1]}_whole", f"{node.input[1]}_scale", f"{node.input[1]}_zero"]
            for name, value in zip(told, (array, scales, np.zeros(len(scales), np.int8)), strict=True):
                _add(added, name, value)
            nodes.append(
                helper.make_node("DequantizeLinear", told, [rounded[node.input[1]]], f"{told[0]}_back", axis=channel)
            )
        node.input[0], node.input[1] = rounded[node.input[0]], rounded[node.input[1]]
        nodes.append(node)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend([*kept, *added.values()])
    onnx.checker.check_model(model, full_check=True)
    return model


def _channel_axis(node: NodeProto, rank: int) -> int:
    """Of a product's weight: the axis of what it makes."""
    if node.op_type == "Gemm":
        return 0 if any(a.name == "transB" and a.i for a in node.attribute) else 1
    return {"Conv": 0, "ConvTranspose": 1}.get(node.op_type, rank - 1)


def _whole_weight(weight: NDArray[np.float32], channel: int) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    others = tuple(axis for axis in range(weight.ndim) if axis != channel)
    scale = np.maximum(np.abs(weight).max(others) / 127, _LEAST_SCALE).astype(np.float16)
    spread = scale.astype(np.float32).reshape([-1 if axis == channel else 1 for axis in range(weight.ndim)])
    return np.clip(np.round(weight / spread), -127, 127).astype(np.int8), scale


def _add(added: dict[str, TensorProto], name: str, value: Any) -> None:
    added[name] = numpy_helper.from_array(np.asarray(value), name)


def _raise_opset(model: onnx.ModelProto) -> None:
    """To the one that has products of 8 bits; of all kinds of node of ours only one is written otherwise in it."""
    for kind in model.opset_import:
        if kind.domain in ("", "ai.onnx") and kind.version < _OPSET:
            kind.version = _OPSET
    for node in model.graph.node:
        for attribute in list(node.attribute):
            if node.op_type == "ReduceMean" and attribute.name == "axes":
                name = f"{node.output[0]}_axes"
                model.graph.initializer.append(numpy_helper.from_array(np.array(attribute.ints, np.int64), name))
                node.attribute.remove(attribute)
                node.input.append(name)
