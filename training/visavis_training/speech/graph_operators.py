"""What kinds of node that Kokoro's graph has besides plain ONNX, or in a way of its own, do in torch.

A function of the node's attributes and inputs for every name, with those that any graph has (`engines.gpu.operators`).
Knows nothing of where values live or of the order of nodes.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from visavis_models.engines.gpu import operators
from visavis_models.engines.gpu.operators import Attributes, Operator, plain

PLAIN = {**operators.PLAIN, "Resize": (1, 2, 3), "STFT": (1, 3)}
"""Inputs of a kind of node that arrive as python numbers and lists."""
OPERATORS: dict[str, Operator] = {
    **operators.OPERATORS,
    "Angle": plain("Angle", torch.atan2),
    "NonZero": plain("NonZero", lambda x: torch.nonzero(x).t()),
    "Linear": plain("Linear", lambda x, weight, bias=None: F.linear(x, weight.t(), bias)),
}


def _operator(function: Operator) -> Operator:
    OPERATORS[function.__name__.strip("_")] = function
    return function


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
