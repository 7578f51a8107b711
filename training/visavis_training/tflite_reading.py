"""Reads a TensorFlow Lite file into plain Python: constants as numpy arrays, operators as names with options.

Half-precision and sparse constants are unfolded here, so that nothing later needs to know of them. It does not know
what the networks are for, nor of ONNX.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

_CODE_NAMES: dict[int, str] = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
_DTYPES: dict[int, Any] = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
    tflite.TensorType.INT8: np.int8,
}
_OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "CONV_2D": ("Conv2DOptions", ("StrideH", "StrideW", "Padding", "FusedActivationFunction")),
    "DEPTHWISE_CONV_2D": (
        "DepthwiseConv2DOptions",
        ("StrideH", "StrideW", "Padding", "FusedActivationFunction", "DilationHFactor"),
    ),
    "MAX_POOL_2D": ("Pool2DOptions", ("StrideH", "StrideW", "FilterHeight", "FilterWidth", "Padding")),
    "AVERAGE_POOL_2D": ("Pool2DOptions", ("StrideH", "StrideW", "FilterHeight", "FilterWidth", "Padding")),
    "ADD": ("AddOptions", ("FusedActivationFunction",)),
    "MUL": ("MulOptions", ("FusedActivationFunction",)),
    "CONCATENATION": ("ConcatenationOptions", ("Axis",)),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", ("AlignCorners", "HalfPixelCenters")),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", ("BlockSize",)),
    "STRIDED_SLICE": ("StridedSliceOptions", ("BeginMask", "EndMask", "ShrinkAxisMask")),
}
_FOLDED = ("DEQUANTIZE", "DENSIFY")


@dataclass(frozen=True, slots=True)
class TfliteTensor:
    """A value of the graph."""

    name: str
    shape: tuple[int, ...]
    constant: NDArray[Any] | None
    """The value where it is fixed, float16 where the file stores it so."""


@dataclass(frozen=True, slots=True)
class TfliteOperator:
    """One step of the graph; tensors are named by index, -1 is an input left out."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, int]
    custom_options: bytes


@dataclass(frozen=True, slots=True)
class TfliteGraph:
    """The first subgraph of a file."""

    tensors: list[TfliteTensor]
    operators: list[TfliteOperator]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_tflite(path: Path) -> TfliteGraph:
    """Read a file.

    Raises:
        ValueError: it holds quantised or otherwise unknown tensors.
    """
    model = tflite.Model.GetRootAs(path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    tensors = [_read_tensor(model, graph.Tensors(index)) for index in range(graph.TensorsLength())]
    operators: list[TfliteOperator] = []
    for index in range(graph.OperatorsLength()):
        operator = _read_operator(model, graph.Operators(index))
        source = tensors[operator.inputs[0]].constant
        if operator.kind in _FOLDED:
            if source is None:
                raise ValueError(f"{path.name}: {operator.kind} of a value that is not constant")
            old = tensors[operator.outputs[0]]
            tensors[operator.outputs[0]] = TfliteTensor(old.name, old.shape, source)
        else:
            operators.append(operator)
    return TfliteGraph(
        tensors, operators, tuple(graph.InputsAsNumpy().tolist()), tuple(graph.OutputsAsNumpy().tolist())
    )


def _read_operator(model: Any, operator: Any) -> TfliteOperator:
    code = model.OperatorCodes(operator.OpcodeIndex())
    kind = _CODE_NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    custom = b""
    if kind == "CUSTOM":
        kind = code.CustomCode().decode()
        custom = bytes(operator.CustomOptionsAsNumpy()) if operator.CustomOptionsLength() else b""
    options: dict[str, int] = {}
    if kind in _OPTIONS and operator.BuiltinOptions() is not None:
        class_name, fields = _OPTIONS[kind]
        table = getattr(tflite, class_name)()
        table.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
        options = {field: int(getattr(table, field)()) for field in fields}
    inputs, outputs = operator.InputsAsNumpy().tolist(), operator.OutputsAsNumpy().tolist()
    return TfliteOperator(kind, tuple(inputs), tuple(outputs), options, custom)


def _read_tensor(model: Any, tensor: Any) -> TfliteTensor:
    name, shape = tensor.Name().decode(), tuple(int(side) for side in tensor.ShapeAsNumpy())
    if tensor.Type() not in _DTYPES:
        raise ValueError(f"tensor {name} has type {tensor.Type()}")
    buffer = model.Buffers(tensor.Buffer())
    if buffer is None or not buffer.DataLength():
        return TfliteTensor(name, shape, None)
    values = buffer.DataAsNumpy().view(_DTYPES[tensor.Type()])
    if tensor.Sparsity() is not None:
        return TfliteTensor(name, shape, _densify(values, shape, tensor.Sparsity()))
    return TfliteTensor(name, shape, values.reshape(shape))


def _indices(metadata: Any, which: str) -> NDArray[np.int64]:
    kind = getattr(metadata, f"{which}Type")()
    table = {1: tflite.Int32Vector, 2: tflite.Uint16Vector, 3: tflite.Uint8Vector}[kind]()
    union = getattr(metadata, which)()
    table.Init(union.Bytes, union.Pos)
    return np.asarray(table.ValuesAsNumpy(), np.int64)


def _densify(values: NDArray[Any], shape: tuple[int, ...], sparsity: Any) -> NDArray[Any]:
    """Unfold a sparse tensor: dimensions in traversal order, dense or as compressed rows, blocks innermost."""
    order = sparsity.TraversalOrderAsNumpy().tolist()
    blocks = sparsity.BlockMapAsNumpy().tolist() if sparsity.BlockMapLength() else []
    dense = np.zeros(shape, values.dtype)
    rank = len(shape)
    block_sizes = [sparsity.DimMetadata(rank + level).DenseSize() for level in range(len(blocks))]
    block_of = dict(zip(blocks, block_sizes, strict=True))
    # Each entry holds the coordinates found so far; its place in the list is its position at this level.
    entries: list[tuple[int, ...]] = [()]
    for level in range(len(order)):
        metadata = sparsity.DimMetadata(level)
        if metadata.Format() == tflite.DimensionType.DENSE:
            entries = [(*entry, index) for entry in entries for index in range(metadata.DenseSize())]
        else:
            segments, found = _indices(metadata, "ArraySegments"), _indices(metadata, "ArrayIndices")
            entries = [
                (*entry, int(index))
                for position, entry in enumerate(entries)
                for index in found[segments[position] : segments[position + 1]]
            ]
    for value, entry in zip(values, entries, strict=True):
        place = [0] * rank
        for level, dimension in enumerate(order):
            if dimension < rank:
                place[dimension] += entry[level] * block_of.get(dimension, 1)
            else:
                place[blocks[dimension - rank]] += entry[level]
        dense[tuple(place)] = value
    return dense
