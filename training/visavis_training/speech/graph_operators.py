"""What each kind of node does, in torch: a function of the node's attributes and inputs for every ONNX name we meet.

Parameters that say shapes, axes or bounds arrive as python numbers and lists (`PLAIN` tells which), data as tensors on
any device. Knows nothing of where values live or of the order of nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
    "Resize": (1, 2, 3),
    "Pad": (1, 2),
    "CumSum": (1,),
    "Range": (0, 1, 2),
    "ConstantOfShape": (0,),
    "Clip": (1, 2),
    "STFT": (1, 3),
}
"""Inputs of a kind of node that arrive as python numbers and lists."""

_TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 10: torch.float16, 11: torch.float64}
OPERATORS: dict[str, Operator] = {}


def _operator(function: Operator) -> Operator:
    OPERATORS[function.__name__.strip("_")] = function
    return function


def _plain(name: str, function: Operator) -> None:
    """Register an element-wise function that needs no attributes."""
    OPERATORS[name] = lambda attributes, *values: function(*values)


for _name, _function in {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Greater": lambda a, b: a > b,
    "GreaterOrEqual": lambda a, b: a >= b,
    "Less": lambda a, b: a < b,
    "Equal": lambda a, b: a == b,
    "And": lambda a, b: a & b,
    "Pow": lambda a, b: a**b,
    "Where": torch.where,
    "MatMul": torch.matmul,
    "Sqrt": torch.sqrt,
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Exp": torch.exp,
    "Tanh": torch.tanh,
    "Atan": torch.atan,
    "Angle": torch.atan2,
    "Floor": torch.floor,
    "Round": torch.round,  # to even, as ONNX says
    "Sigmoid": torch.sigmoid,
    "Identity": lambda x: x,
    "NonZero": lambda x: torch.nonzero(x).t(),
    "Linear": lambda x, weight, bias=None: F.linear(x, weight.t(), bias),
}.items():
    _plain(_name, _function)


@_operator
def _Div(attributes: Attributes, a: Any, b: Any) -> Any:
    whole = not any(isinstance(v, float) or (isinstance(v, Tensor) and v.is_floating_point()) for v in (a, b))
    return torch.div(a, b, rounding_mode="trunc") if whole else a / b


@_operator
def _Linears(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
    parts: tuple[Tensor, ...] = F.linear(x, weight.t(), bias).split(attributes["sizes"], -1)
    return parts


@_operator
def _Snake(attributes: Attributes, x: Tensor, alpha: Tensor, inverse: Tensor) -> Tensor:
    return torch.addcmul(x, inverse, (x * alpha).sin_().square_())


@_operator
def _Standardise(attributes: Attributes, x: Tensor, gain: Any = None, offset: Any = None) -> Tensor:
    if attributes["axes"] in ([x.ndim - 1], [-1]):  # along time: one kernel of torch's
        y = F.layer_norm(x, x.shape[-1:], eps=attributes["epsilon"])
        return y if gain is None else torch.addcmul(offset, gain, y)
    variance, mean = torch.var_mean(x, attributes["axes"], correction=0, keepdim=True)
    y = (x - mean) * torch.rsqrt(variance + attributes["epsilon"])
    return y if gain is None else gain * y + offset


@_operator
def _LayerNormalization(attributes: Attributes, x: Tensor, gain: Tensor, offset: Tensor | None = None) -> Tensor:
    assert attributes.get("axis", -1) in (-1, x.ndim - 1)
    return F.layer_norm(x, gain.shape, gain, offset, attributes.get("epsilon", 1e-5))


@_operator
def _SkipLayerNormalization(attributes: Attributes, x: Tensor, skip: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
    return F.layer_norm(x + skip, gain.shape, gain, offset, attributes["epsilon"])


@_operator
def _FastGelu(attributes: Attributes, x: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.gelu(x if bias is None else x + bias, approximate="tanh")


@_operator
def _FusedMatMul(attributes: Attributes, a: Tensor, b: Tensor) -> Tensor:
    assert not attributes.get("transBatchA") and not attributes.get("transBatchB")
    a = a.transpose(-1, -2) if attributes.get("transA") else a
    b = b.transpose(-1, -2) if attributes.get("transB") else b
    product = a @ b
    return product if attributes.get("alpha", 1.0) == 1.0 else product * attributes["alpha"]


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
        cuts[axis] = slice(start, end, step)
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
def _ReduceMean(attributes: Attributes, x: Tensor, axes: list[int]) -> Tensor:
    return x.mean(axes, keepdim=bool(attributes.get("keepdims", 1)))


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
def _Resize(attributes: Attributes, x: Tensor, area: Any, scales: list[float]) -> Tensor:
    assert x.ndim == 3 and scales[:2] == [1.0, 1.0]
    size = math.floor(x.shape[2] * scales[2] + 1e-4)
    if attributes["mode"] == "nearest":
        assert attributes["coordinate_transformation_mode"] == "asymmetric" and attributes["nearest_mode"] == "floor"
        return F.interpolate(x, size=size, mode="nearest")
    assert attributes["coordinate_transformation_mode"] == "half_pixel"
    return F.interpolate(x, size=size, mode="linear", align_corners=False)


def _window(attributes: Attributes) -> tuple[int, int, int]:
    """The stride, the padding on both sides and the dilation of a convolution along time."""
    before, after = attributes.get("pads", [0, 0])
    assert before == after and attributes.get("auto_pad", "NOTSET") == "NOTSET"
    return attributes.get("strides", [1])[0], before, attributes.get("dilations", [1])[0]


@_operator
def _Conv(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    stride, padding, dilation = _window(attributes)
    groups = attributes.get("group", 1)
    if x.is_cuda and groups == 1 and len(x) == 1:
        return taps_as_one_product(x[0], weight, bias, stride, padding, dilation)[None]
    return F.conv1d(x, weight, bias, stride, padding, dilation, groups)


def taps_as_one_product(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int, dilation: int
) -> Tensor:
    """A convolution along time as one matrix product.

    On a GPU this is faster than cuDNN where lengths keep changing: cuDNN looks for a plan at every length it has not
    seen, which takes three times as long as the whole utterance.

    Args:
        x: float (channels, time).
        weight: float (outputs, channels, taps).
        bias: float (outputs,) or None.
        stride: samples between outputs.
        padding: zeros at both ends.
        dilation: samples between taps.

    Returns:
        Float (outputs, time).
    """
    channels, taps = weight.shape[1:]
    padded = F.pad(x, (padding, padding)) if padding else x.contiguous()
    length = (padded.shape[1] - dilation * (taps - 1) - 1) // stride + 1
    shifted = padded.as_strided((channels, taps, length), (padded.shape[1], dilation, stride))
    matrix = shifted.reshape(channels * taps, length)
    flat = weight.reshape(len(weight), -1)
    return flat @ matrix if bias is None else torch.addmm(bias[:, None], flat, matrix)


@_operator
def _ConvTranspose(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    stride, padding, dilation = _window(attributes)
    extra = attributes.get("output_padding", [0])[0]
    return F.conv_transpose1d(x, weight, bias, stride, padding, extra, attributes.get("group", 1), dilation)


@_operator
def _STFT(attributes: Attributes, x: Tensor, step: int, window: Tensor, length: int | None = None) -> Tensor:
    size = len(window) if length is None else length
    bins = torch.arange(size // 2 + 1, device=x.device, dtype=torch.float64)
    turns = torch.arange(size, device=x.device, dtype=torch.float64)[:, None] * bins * (2 * math.pi / size)
    basis = torch.stack([turns.cos(), -turns.sin()], -1)
    basis[basis.abs() < 1e-12] = 0.0  # so that the lowest and highest bins are real, as they are on paper
    basis = basis * window.double()[:, None, None]
    frames = x.reshape(len(x), -1).unfold(1, size, step)
    # In double: a weak bin's angle is read from it, and a GPU's float products keep ten bits only.
    spectrum = frames.double() @ basis.reshape(size, -1)
    return (spectrum + 0.0).reshape(*frames.shape[:2], -1, 2).to(x.dtype)  # + 0: no zero is negative
