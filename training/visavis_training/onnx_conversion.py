"""Builds an ONNX graph from a tflite graph, operator by operator.

Four-dimensional activations change from tflite's channels-last to ONNX's channels-first layout; all else keeps its
shape. It knows the operators that MediaPipe's portrait networks use, and refuses any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from visavis_training.tflite_reading import TfliteGraph, TfliteOperator

OPSET = 17
_SAME = 0
_ACTIVATIONS = {0: None, 1: "Relu", 3: "Relu6"}
_TO_FIRST, _TO_LAST = [0, 3, 1, 2], [0, 2, 3, 1]


class GraphConversion:
    """One graph on its way from tflite to ONNX.

    Args:
        graph: what to convert; one input.
        outputs: tflite name to ONNX name of the outputs to keep, in order.
    """

    def __init__(self, graph: TfliteGraph, outputs: dict[str, str]) -> None:
        self.graph = graph
        self.outputs = outputs
        """ONNX names of the graph's outputs by the names they came from; `replace_outputs` changes them."""
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._values: dict[int, str] = {}
        self._channels_first: set[int] = set()
        self._count = 0
        self._final: list[tuple[str, str, tuple[int, ...]]] = []

    # ------------------------------------------------------------ what operators are built from

    def emit(self, kind: str, inputs: Sequence[str], count: int = 1, **attributes: Any) -> list[str]:
        """Add a node; returns the names of its outputs."""
        names = []
        for _ in range(count):
            self._count += 1
            names.append(f"v{self._count}")
        self._nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names

    def one(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; returns its name."""
        return self.emit(kind, inputs, **attributes)[0]

    def constant(self, array: NDArray[Any]) -> str:
        """A constant; float16 ones are stored so and widened when the graph is loaded."""
        self._count += 1
        name = f"c{self._count}"
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return self.one("Cast", name, to=TensorProto.FLOAT) if array.dtype == np.float16 else name

    def fixed(self, index: int) -> NDArray[Any]:
        """The constant behind a tflite tensor."""
        array = self.graph.tensors[index].constant
        assert array is not None, f"{self.graph.tensors[index].name} is not constant"
        return array

    def value(self, index: int, channels_first: bool = False) -> str:
        """The ONNX value of a tflite tensor, in the layout asked for."""
        if index not in self._values:
            array = self.fixed(index)
            return self.constant(array)
        name = self._values[index]
        if (index in self._channels_first) != channels_first and len(self.graph.tensors[index].shape) == 4:
            name = self.one("Transpose", name, perm=_TO_FIRST if channels_first else _TO_LAST)
        return name

    def image(self, index: int) -> str:
        """Like `value`, channels first."""
        return self.value(index, channels_first=True)

    def shape(self, index: int) -> tuple[int, ...]:
        """The tflite shape of a tensor."""
        return self.graph.tensors[index].shape

    def name_value(self, index: int, name: str, channels_first: bool = False) -> None:
        """Say which ONNX value a tflite tensor became."""
        self._values[index] = name
        if channels_first:
            self._channels_first.add(index)

    def by_name(self, tensor_name: str) -> str:
        """The ONNX value of a tflite tensor by its name, channels last."""
        index = next(i for i, tensor in enumerate(self.graph.tensors) if tensor.name == tensor_name)
        return self.value(index)

    def replace_outputs(self, outputs: list[tuple[str, str, tuple[int, ...]]]) -> None:
        """Give the graph other outputs: (ONNX value, name, shape) of each."""
        self._final = outputs

    # ------------------------------------------------------------ the whole

    def run(self) -> None:
        """Convert all operators.

        Raises:
            ValueError: the graph holds an operator that is not known here.
        """
        (source,) = self.graph.inputs
        self.name_value(source, "image")
        for operator in self.graph.operators:
            rule = _RULES.get(operator.kind)
            if rule is None:
                raise ValueError(f"no rule for the operator {operator.kind}")
            rule(self, operator)
        by_name = {self.graph.tensors[index].name: index for index in self.graph.outputs}
        self.replace_outputs(
            [(self.value(by_name[old]), new, self.shape(by_name[old])) for old, new in self.outputs.items()]
        )

    def model(self) -> onnx.ModelProto:
        """The checked model without what no output needs."""
        needed = {value for value, _, _ in self._final}
        nodes = [helper.make_node("Identity", [value], [name]) for value, name, _ in reversed(self._final)]
        for node in reversed(self._nodes):
            if needed & set(node.output):
                nodes.append(node)
                needed |= set(node.input)
        (source,) = self.graph.inputs
        graph = helper.make_graph(
            nodes[::-1],
            "network",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, self.shape(source))],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for _, name, shape in self._final],
            [tensor for name, tensor in self._constants.items() if name in needed],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model

    def activate(self, name: str, code: int) -> str:
        """A fused activation of tflite."""
        kind = _ACTIVATIONS[code]
        if kind == "Relu6":
            return self.one(
                "Clip", name, self.constant(np.array(0, np.float32)), self.constant(np.array(6, np.float32))
            )
        return self.one(kind, name) if kind else name

    def same_padding(self, source: int, options: dict[str, int], height: int, width: int) -> list[int]:
        """ONNX `pads` of a window that tflite pads as SAME or VALID."""
        if options["Padding"] != _SAME:
            return [0, 0, 0, 0]
        ends = []
        for side, stride, window in zip(
            self.shape(source)[1:3], (options["StrideH"], options["StrideW"]), (height, width), strict=True
        ):
            total = max((-(-side // stride) - 1) * stride + window - side, 0)
            ends.append((total // 2, total - total // 2))
        return [ends[0][0], ends[1][0], ends[0][1], ends[1][1]]


def _convolution(graph: GraphConversion, operator: TfliteOperator) -> None:
    source, kernel_index, bias = operator.inputs
    depthwise = operator.kind == "DEPTHWISE_CONV_2D"
    kernel = graph.fixed(kernel_index)  # (out, h, w, in), depthwise (1, h, w, out)
    weights = kernel.transpose(3, 0, 1, 2) if depthwise else kernel.transpose(0, 3, 1, 2)
    name = graph.one(
        "Conv",
        graph.image(source),
        graph.constant(weights),
        graph.value(bias),
        strides=[operator.options["StrideH"], operator.options["StrideW"]],
        pads=graph.same_padding(source, operator.options, *kernel.shape[1:3]),
        group=graph.shape(source)[3] if depthwise else 1,
    )
    name = graph.activate(name, operator.options["FusedActivationFunction"])
    graph.name_value(operator.outputs[0], name, channels_first=True)


def _pool(graph: GraphConversion, operator: TfliteOperator) -> None:
    options = operator.options
    window = (options["FilterHeight"], options["FilterWidth"])
    name = graph.one(
        "MaxPool" if operator.kind == "MAX_POOL_2D" else "AveragePool",
        graph.image(operator.inputs[0]),
        kernel_shape=list(window),
        strides=[options["StrideH"], options["StrideW"]],
        pads=graph.same_padding(operator.inputs[0], options, *window),
    )
    graph.name_value(operator.outputs[0], name, channels_first=True)


def _arithmetic(graph: GraphConversion, operator: TfliteOperator) -> None:
    spatial = len(graph.shape(operator.outputs[0])) == 4
    names = []
    for index in operator.inputs:
        constant = graph.graph.tensors[index].constant
        if spatial and constant is not None and constant.ndim:
            full = constant.reshape((1,) * (4 - constant.ndim) + constant.shape)
            names.append(graph.constant(full.transpose(_TO_FIRST)))
        else:
            names.append(graph.value(index, channels_first=spatial))
    name = graph.one({"ADD": "Add", "MUL": "Mul"}[operator.kind], *names)
    name = graph.activate(name, operator.options["FusedActivationFunction"])
    graph.name_value(operator.outputs[0], name, channels_first=spatial)


def _pointwise(kind: str) -> Callable[[GraphConversion, TfliteOperator], None]:
    def rule(graph: GraphConversion, operator: TfliteOperator) -> None:
        spatial = len(graph.shape(operator.outputs[0])) == 4
        name = graph.one(kind, graph.value(operator.inputs[0], channels_first=spatial))
        graph.name_value(operator.outputs[0], name, channels_first=spatial)

    return rule


def _prelu(graph: GraphConversion, operator: TfliteOperator) -> None:
    slope = graph.fixed(operator.inputs[1])  # (1, 1, C)
    name = graph.one("PRelu", graph.image(operator.inputs[0]), graph.constant(slope.reshape(-1, 1, 1)))
    graph.name_value(operator.outputs[0], name, channels_first=True)


def _pad(graph: GraphConversion, operator: TfliteOperator) -> None:
    amounts = graph.fixed(operator.inputs[1])[_TO_FIRST]  # (4, 2)
    pads = graph.constant(amounts.T.reshape(-1).astype(np.int64))
    graph.name_value(operator.outputs[0], graph.one("Pad", graph.image(operator.inputs[0]), pads), channels_first=True)


def _resize(graph: GraphConversion, operator: TfliteOperator) -> None:
    height, width = (int(side) for side in graph.fixed(operator.inputs[1]))
    channels = graph.shape(operator.inputs[0])[3]
    mode = "half_pixel" if operator.options["HalfPixelCenters"] else "asymmetric"
    name = graph.one(
        "Resize",
        graph.image(operator.inputs[0]),
        "",
        "",
        graph.constant(np.array([1, channels, height, width], np.int64)),
        mode="linear",
        coordinate_transformation_mode="align_corners" if operator.options["AlignCorners"] else mode,
    )
    graph.name_value(operator.outputs[0], name, channels_first=True)


def _depth_to_space(graph: GraphConversion, operator: TfliteOperator) -> None:
    block = operator.options["BlockSize"]
    name = graph.one("DepthToSpace", graph.image(operator.inputs[0]), blocksize=block, mode="DCR")
    graph.name_value(operator.outputs[0], name, channels_first=True)


def _reshape(graph: GraphConversion, operator: TfliteOperator) -> None:
    target = graph.constant(np.array(graph.shape(operator.outputs[0]), np.int64))
    graph.name_value(operator.outputs[0], graph.one("Reshape", graph.value(operator.inputs[0]), target))


def _concatenate(graph: GraphConversion, operator: TfliteOperator) -> None:
    names = [graph.value(index) for index in operator.inputs]
    graph.name_value(operator.outputs[0], graph.one("Concat", *names, axis=operator.options["Axis"]))


def _whole_slice(graph: GraphConversion, operator: TfliteOperator) -> None:
    if graph.shape(operator.inputs[0]) != graph.shape(operator.outputs[0]):
        raise ValueError("a slice that takes a part is not known here")
    graph.name_value(operator.outputs[0], graph.value(operator.inputs[0]))


def _transposed_convolution(graph: GraphConversion, operator: TfliteOperator) -> None:
    source, kernel, bias = operator.inputs
    if graph.shape(operator.outputs[0])[1] != 2 * graph.shape(source)[1] or graph.shape(kernel)[1:3] != (2, 2):
        raise ValueError("only transposed convolutions of 2 by 2 with stride 2 are known here")
    weights = graph.constant(graph.fixed(kernel).transpose(3, 0, 1, 2))  # (out, h, w, in) -> (in, out, h, w)
    name = graph.one("ConvTranspose", graph.image(source), weights, graph.value(bias), strides=[2, 2])
    graph.name_value(operator.outputs[0], name, channels_first=True)


_RULES: dict[str, Callable[[GraphConversion, TfliteOperator], None]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "MAX_POOL_2D": _pool,
    "AVERAGE_POOL_2D": _pool,
    "ADD": _arithmetic,
    "MUL": _arithmetic,
    "RELU": _pointwise("Relu"),
    "LOGISTIC": _pointwise("Sigmoid"),
    "HARD_SWISH": _pointwise("HardSwish"),
    "PRELU": _prelu,
    "PAD": _pad,
    "RESIZE_BILINEAR": _resize,
    "DEPTH_TO_SPACE": _depth_to_space,
    "RESHAPE": _reshape,
    "CONCATENATION": _concatenate,
    "STRIDED_SLICE": _whole_slice,
    "Convolution2DTransposeBias": _transposed_convolution,
}


def add_rule(kind: str, rule: Callable[[GraphConversion, TfliteOperator], None]) -> None:
    """Teach the conversion one more operator."""
    _RULES[kind] = rule
