"""What each kind of ONNX node does, in torch: a function of the node's attributes and inputs.

Parameters that say shapes, axes or bounds arrive as python numbers and lists (`PLAIN` tells which), data as tensors on
any device. Knows nothing of where values live or of the order of nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Attributes = dict[str, Any]
Operator = Callable[..., Any]

PLAIN: dict[str, tuple[int, ...]] = {
    "Reshape": (1,),
    "Expand": (1,),
    "Slice": (1, 2, 3, 4),
    "Unsqueeze": (1,),
    "Squeeze": (1,),
    "Split": (1,),
    "ReduceMean": (1,),
    "ReduceSum": (1,),
    "Pad": (1, 2),
    "CumSum": (1,),
    "Range": (0, 1, 2),
    "ConstantOfShape": (0,),
    "Clip": (1, 2),
}
"""Inputs of a kind of node that arrive as python numbers and lists."""

_TYPES = {
    1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 10: torch.float16, 11: torch.float64,
    17: torch.float8_e4m3fn,
}  # fmt: skip
OPERATORS: dict[str, Operator] = {}


def _operator(function: Operator) -> Operator:
    OPERATORS[function.__name__.strip("_")] = function
    return function


def plain(name: str, function: Operator) -> Operator:
    """A function of values alone, as one that is handed a node's attributes too, and is called by that name."""

    def called(attributes: Attributes, *values: Any) -> Any:
        return function(*values)

    called.__name__ = called.__qualname__ = name
    return called


OPERATORS |= {
    name: plain(name, function)
    for name, function in {
        "Add": lambda a, b: a + b,
        "Sub": lambda a, b: a - b,
        "Mul": lambda a, b: a * b,
        "Greater": lambda a, b: a > b,
        "GreaterOrEqual": lambda a, b: a >= b,
        "Less": lambda a, b: a < b,
        "Equal": lambda a, b: a == b,
        "And": lambda a, b: a & b,
        "Or": lambda a, b: a | b,
        "Pow": lambda a, b: a**b,
        "Max": lambda *values: reduce(torch.maximum, values),
        "Min": lambda *values: reduce(torch.minimum, values),
        "Where": torch.where,
        "MatMul": torch.matmul,
        "Neg": torch.neg,
        "Sqrt": torch.sqrt,
        "Sin": torch.sin,
        "Cos": torch.cos,
        "Exp": torch.exp,
        "Tanh": torch.tanh,
        "Atan": torch.atan,
        "Floor": torch.floor,
        "Round": torch.round,  # to even, as ONNX says
        "Sigmoid": torch.sigmoid,
        "Identity": lambda x: x,
    }.items()
}


@_operator
def _Div(attributes: Attributes, a: Any, b: Any) -> Any:
    whole = not any(isinstance(v, float) or (isinstance(v, Tensor) and v.is_floating_point()) for v in (a, b))
    return torch.div(a, b, rounding_mode="trunc") if whole else a / b


@_operator
def _LayerNormalization(attributes: Attributes, x: Tensor, gain: Tensor, offset: Tensor | None = None) -> Tensor:
    assert attributes.get("axis", -1) in (-1, x.ndim - 1)
    return F.layer_norm(x, gain.shape, gain, offset, attributes.get("epsilon", 1e-5))


@_operator
def _Softmax(attributes: Attributes, x: Tensor) -> Tensor:
    return torch.softmax(x, attributes.get("axis", -1))


@_operator
def _LeakyRelu(attributes: Attributes, x: Tensor) -> Tensor:
    return F.leaky_relu(x, attributes.get("alpha", 0.01))


@_operator
def _Cast(attributes: Attributes, x: Tensor) -> Tensor:
    return x.to(_TYPES[attributes["to"]])


@_operator
def _Clip(attributes: Attributes, x: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    return x if low is None and high is None else x.clamp(low, high)


@_operator
def _Shape(attributes: Attributes, x: Tensor) -> Tensor:
    return torch.tensor(x.shape[attributes.get("start", 0) : attributes.get("end")])


@_operator
def _Gather(attributes: Attributes, x: Tensor, indices: Any) -> Tensor:
    axis = attributes.get("axis", 0)
    if isinstance(indices, int) or indices.ndim == 0:
        return x.select(axis, int(indices))
    axis %= x.ndim
    found = x.index_select(axis, indices.reshape(-1))
    return found.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


@_operator
def _Slice(attributes: Attributes, x: Tensor, starts: list[int], ends: list[int], *rest: list[int]) -> Tensor:
    axes = rest[0] if rest else list(range(len(starts)))
    steps = rest[1] if len(rest) > 1 else [1] * len(starts)
    cuts = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        begin, stop, pace = slice(start, end, step).indices(x.shape[axis])
        if pace < 0:  # torch cuts forwards only
            x, last = x.flip(axis), x.shape[axis] - 1
            begin, stop, pace = last - begin, last - stop, -pace
        cuts[axis] = slice(begin, stop, pace)
    return x[tuple(cuts)]


@_operator
def _Reshape(attributes: Attributes, x: Tensor, shape: list[int]) -> Tensor:
    if not attributes.get("allowzero") and 0 in shape:
        shape = [x.shape[at] if size == 0 else size for at, size in enumerate(shape)]
    return x.reshape(shape)


@_operator
def _Expand(attributes: Attributes, x: Tensor, shape: list[int]) -> Tensor:
    return x.expand(torch.broadcast_shapes(x.shape, shape))


@_operator
def _Unsqueeze(attributes: Attributes, x: Tensor, axes: list[int]) -> Tensor:
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


@_operator
def _Squeeze(attributes: Attributes, x: Tensor, axes: list[int] | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


@_operator
def _Split(attributes: Attributes, x: Tensor, sizes: list[int]) -> tuple[Tensor, ...]:
    parts: tuple[Tensor, ...] = x.split(sizes, attributes.get("axis", 0))
    return parts


@_operator
def _Concat(attributes: Attributes, *parts: Tensor) -> Tensor:
    return torch.cat(parts, attributes["axis"])


@_operator
def _Transpose(attributes: Attributes, x: Tensor) -> Tensor:
    return x.permute(attributes["perm"])


@_operator
def _ReduceMean(attributes: Attributes, x: Tensor, axes: list[int] | None = None) -> Tensor:
    return x.mean(attributes["axes"] if axes is None else axes, keepdim=bool(attributes.get("keepdims", 1)))


@_operator
def _ReduceSum(attributes: Attributes, x: Tensor, axes: list[int]) -> Tensor:
    return x.sum(axes, keepdim=bool(attributes.get("keepdims", 1)))


@_operator
def _CumSum(attributes: Attributes, x: Tensor, axis: int) -> Tensor:
    assert not attributes.get("exclusive") and not attributes.get("reverse")
    return x.cumsum(axis, dtype=x.dtype)


@_operator
def _Range(attributes: Attributes, start: int, end: int, step: int) -> Tensor:
    return torch.arange(start, end, step)


@_operator
def _ConstantOfShape(attributes: Attributes, shape: list[int]) -> Tensor:
    value = attributes.get("value")
    return (
        torch.zeros(shape)
        if value is None
        else torch.full(shape, value.item(), dtype=torch.from_numpy(value.copy()).dtype)
    )


@_operator
def _ScatterND(attributes: Attributes, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    assert attributes.get("reduction", "none") == "none"
    return x.index_put(tuple(indices.unbind(-1)), updates)


@_operator
def _Pad(attributes: Attributes, x: Tensor, pads: list[int], value: float | None = None) -> Tensor:
    before, after = pads[: x.ndim], pads[x.ndim :]
    borders = [border for pair in zip(before[::-1], after[::-1], strict=True) for border in pair]
    if attributes.get("mode", "constant") == "constant":
        return F.pad(x, borders, value=value or 0.0)
    assert not any(borders[2:])  # only the last axis
    return F.pad(x, borders[:2], mode=attributes["mode"])


@_operator
def _Mod(attributes: Attributes, a: Any, b: Any) -> Any:
    assert not attributes.get("fmod")
    return torch.remainder(a, b)


@_operator
def _Flatten(attributes: Attributes, x: Tensor) -> Tensor:
    axis = attributes.get("axis", 1) % (x.ndim + 1)
    return x.reshape(x.shape[:axis].numel(), x.shape[axis:].numel())


@_operator
def _Gemm(attributes: Attributes, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    assert attributes.get("alpha", 1.0) == attributes.get("beta", 1.0) == 1.0 and not attributes.get("transA")
    weight = b if attributes.get("transB") else b.t()
    return F.linear(a, weight, c)


@_operator
def _DepthToSpace(attributes: Attributes, x: Tensor) -> Tensor:
    assert attributes.get("mode", "DCR") == "CRD"
    return F.pixel_shuffle(x, attributes["blocksize"])


def _borders(attributes: Attributes, x: Tensor, value: float) -> Tensor:
    """What a window looks at: padded where it reaches beyond the picture."""
    assert attributes.get("auto_pad", "NOTSET") == "NOTSET" and not attributes.get("ceil_mode")
    before, after = (pads := list(attributes.get("pads", ())))[: len(pads) // 2], pads[len(pads) // 2 :]
    return _Pad({}, x, [0, 0, *before, 0, 0, *after], value) if any(pads) else x


@_operator
def _Conv(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    places = weight.ndim - 2
    pads = attributes.get("pads", [0] * 2 * places)
    padding = pads[:places]
    if padding != pads[places:]:
        x, padding = _borders(attributes, x, 0.0), [0] * places
    ones = [1] * places
    strides, dilations = attributes.get("strides", ones), attributes.get("dilations", ones)
    return torch.convolution(
        x, weight, bias, strides, padding, dilations, False, [0] * places, attributes.get("group", 1)
    )


@_operator
def _ConvTranspose(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    places = weight.ndim - 2
    pads = attributes.get("pads", [0] * 2 * places)
    assert pads[:places] == pads[places:] and "output_shape" not in attributes
    ones, none = [1] * places, [0] * places
    strides, dilations = attributes.get("strides", ones), attributes.get("dilations", ones)
    more = attributes.get("output_padding", none)
    return torch.convolution(x, weight, bias, strides, pads[:places], dilations, True, more, attributes.get("group", 1))


@_operator
def _MaxPool(attributes: Attributes, x: Tensor) -> Tensor:
    found: Tensor = F.max_pool2d(
        _borders(attributes, x, float("-inf")), attributes["kernel_shape"], attributes.get("strides", 1)
    )
    return found


@_operator
def _AveragePool(attributes: Attributes, x: Tensor) -> Tensor:
    assert attributes.get("count_include_pad") or not any(attributes.get("pads", ()))
    return F.avg_pool2d(_borders(attributes, x, 0.0), attributes["kernel_shape"], attributes.get("strides", 1))
