"""The interpreter of ONNX graphs: what folding and fusing keep, what torch computes, and how voices are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_models.engines.gpu.onnx_graph import Graph, Node, prune
from visavis_training.speech.graph_folding import unquantise
from visavis_training.speech.graph_fusing import fuse
from visavis_training.speech.kokoro import Kokoro, parse_voice, written

pytestmark = pytest.mark.unit

Values = dict[str, NDArray[Any]]


def _quantised_product() -> tuple[Graph, NDArray[np.float32], NDArray[np.float32]]:
    """Y = x @ weight + bias as a quantiser writes it; the weight and the bias that it means."""
    source = np.random.default_rng(1)
    packed = source.integers(-128, 127, (8, 5)).astype(np.int8)
    zeros, scales = np.arange(5, dtype=np.int8), np.linspace(0.01, 0.02, 5).astype(np.float32)
    bias = source.standard_normal(5).astype(np.float32)
    nodes = [
        Node("DynamicQuantizeLinear", ["x"], ["x8", "xs", "xz"]),
        Node("MatMulInteger", ["x8", "w", "xz", "wz"], ["whole"]),
        Node("Mul", ["xs", "ws"], ["scales"]),
        Node("Cast", ["whole"], ["float"], {"to": 1}),
        Node("Mul", ["float", "scales"], ["product"]),
        Node("Add", ["b", "product"], ["y"]),
    ]
    graph = Graph(nodes, {"w": packed, "wz": zeros, "ws": scales, "b": bias}, ["x"], ["y"])
    return graph, (packed.astype(np.float32) - zeros) * scales, bias


def _quantised_convolution() -> tuple[Graph, NDArray[np.float32], NDArray[np.float32]]:
    source = np.random.default_rng(2)
    packed = source.integers(0, 255, (3, 4, 5)).astype(np.uint8)
    bias = source.standard_normal(3).astype(np.float32)
    nodes = [
        Node("DynamicQuantizeLinear", ["x"], ["x8", "xs", "xz"]),
        Node("ConvInteger", ["x8", "w", "xz", "wz"], ["whole"], {"pads": [2, 2], "dilations": [1], "strides": [1]}),
        Node("Mul", ["xs", "ws"], ["scales"]),
        Node("Div", ["b", "scales"], ["steps"]),
        Node("Floor", ["steps"], ["rounded"]),
        Node("Cast", ["rounded"], ["b32"], {"to": 6}),
        Node("Reshape", ["b32", "shape"], ["column"]),
        Node("Add", ["whole", "column"], ["sum"]),
        Node("Cast", ["sum"], ["float"], {"to": 1}),
        Node("Mul", ["float", "scales"], ["y"]),
    ]
    constants: Values = {"w": packed, "wz": np.array(117, np.uint8), "ws": np.array(0.013, np.float32), "b": bias}
    constants["shape"] = np.array([1, -1, 1])
    weight = (packed.astype(np.float32) - 117) * np.float32(0.013)
    return Graph(nodes, constants, ["x"], ["y"]), weight, bias


def test_a_quantised_product_becomes_one_float_product() -> None:
    graph, weight, bias = _quantised_product()
    result = unquantise(graph)
    assert [node.op for node in result.nodes] == ["Linear"]
    x, w, b = result.nodes[0].inputs
    assert x == "x" and result.nodes[0].outputs == ["y"]
    np.testing.assert_allclose(result.constants[w], weight, rtol=1e-6)
    np.testing.assert_array_equal(result.constants[b], bias)
    assert set(result.constants) == {w, b}  # the int8 weight is not kept


def test_a_quantised_convolution_keeps_its_bias_unrounded() -> None:
    graph, weight, bias = _quantised_convolution()
    result = unquantise(graph)
    assert [node.op for node in result.nodes] == ["Conv"]
    np.testing.assert_allclose(result.constants[result.nodes[0].inputs[1]], weight, rtol=1e-6)
    np.testing.assert_array_equal(result.constants[result.nodes[0].inputs[2]], bias)
    assert result.nodes[0].attributes["pads"] == [2, 2]


def test_a_quantised_pattern_that_is_not_known_is_refused() -> None:
    graph, _, _ = _quantised_product()
    graph.nodes[4] = Node("Sub", ["float", "scales"], ["product"])
    with pytest.raises(ValueError, match="MatMulInteger whole"):
        unquantise(graph)


def test_products_of_one_input_are_joined_and_others_are_not() -> None:
    w = {name: np.full((2, size), size, np.float32) for name, size in (("w3", 3), ("w4", 4), ("w5", 5))}
    nodes = [
        Node("Linear", ["x", "w3"], ["a"]),
        Node("Linear", ["x", "w4", "b4"], ["b"]),
        Node("Linear", ["b", "w5"], ["c"]),
    ]
    constants: Values = {**w, "w5": np.ones((4, 5), np.float32), "b4": np.arange(4, dtype=np.float32)}
    result = fuse(Graph(nodes, constants, ["x"], ["a", "c"]))
    assert [(node.op, node.outputs) for node in result.nodes] == [("Linears", ["a", "b"]), ("Linear", ["c"])]
    joined = result.nodes[0]
    assert joined.attributes["sizes"] == [3, 4]
    np.testing.assert_array_equal(result.constants[joined.inputs[2]], [0, 0, 0, 0, 1, 2, 3])


def _normalisation() -> Graph:
    nodes = [
        Node("ReduceMean", ["x", "axes"], ["mean"]),
        Node("Sub", ["x", "mean"], ["centred"]),
        Node("Mul", ["centred", "centred"], ["squares"]),
        Node("ReduceMean", ["squares", "axes"], ["variance"]),
        Node("Add", ["variance", "epsilon"], ["lifted"]),
        Node("Sqrt", ["lifted"], ["deviation"]),
        Node("Div", ["centred", "deviation"], ["standard"]),
        Node("Mul", ["gain", "standard"], ["gained"]),
        Node("Add", ["gained", "offset"], ["normal"]),
        Node("Mul", ["alpha", "normal"], ["phase"]),
        Node("Sin", ["phase"], ["wave"]),
        Node("Pow", ["wave", "two"], ["squared"]),
        Node("Mul", ["inverse", "squared"], ["scaled"]),
        Node("Add", ["normal", "scaled"], ["y"]),
    ]
    alpha = np.array([0.5, 2.0], np.float32).reshape(1, 2, 1)
    constants: Values = {"axes": np.array([2]), "epsilon": np.array(1e-5, np.float32)}
    constants["two"] = np.array(2.0, np.float32)
    return Graph(nodes, {**constants, "alpha": alpha, "inverse": 1 / alpha}, ["x", "gain", "offset"], ["y"])


def test_a_normalisation_and_a_periodic_unit_become_one_node_each() -> None:
    result = fuse(_normalisation())
    assert [node.op for node in result.nodes] == ["Standardise", "Snake"]
    assert result.nodes[0].inputs == ["x", "gain", "offset"]
    assert result.nodes[0].attributes["axes"] == [2]


def test_a_normalisation_whose_middle_is_used_elsewhere_is_left_alone() -> None:
    graph = _normalisation()
    graph.outputs.append("variance")
    assert "Standardise" not in [node.op for node in fuse(graph).nodes]


def test_the_angle_of_a_negative_number_is_half_a_turn() -> None:
    nodes = [
        Node("Div", ["y", "x"], ["ratio"]),
        Node("Atan", ["ratio"], ["angle"]),
        Node("Greater", ["y", "zero"], ["above"]),
        Node("Less", ["x", "zero"], ["below"]),
        Node("Add", ["angle", "pi"], ["plus"]),
        Node("Sub", ["angle", "pi"], ["minus"]),
        Node("Where", ["above", "plus", "minus"], ["turned"]),
        Node("Where", ["below", "turned", "angle"], ["result"]),
    ]
    constants: Values = {"zero": np.array(0.0, np.float32), "pi": np.array(np.pi, np.float32)}
    graph = fuse(Graph(nodes, constants, ["y", "x"], ["result"]))
    assert [(node.op, node.inputs) for node in graph.nodes] == [("Angle", ["y", "x"])]
    pytest.importorskip("torch")
    from visavis_training.speech.graph_in_torch import GraphInTorch

    y, x = np.array([0, 1, -1, 0], np.float32), np.array([-1, -1, -1, 1], np.float32)
    np.testing.assert_allclose(
        GraphInTorch(graph)({"y": y, "x": x})[0], np.pi * np.array([1, 0.75, -0.75, 0]), atol=1e-6
    )


def test_pruning_keeps_only_what_the_outputs_need() -> None:
    graph = _normalisation()
    graph.outputs[:] = ["centred"]
    result = prune(graph)
    assert [node.op for node in result.nodes] == ["ReduceMean", "Sub"] and set(result.constants) == {"axes"}


def test_torch_computes_what_the_quantised_nodes_mean() -> None:
    pytest.importorskip("torch")
    from visavis_training.speech.graph_in_torch import GraphInTorch

    graph, weight, bias = _quantised_convolution()
    x = np.random.default_rng(3).standard_normal((1, 4, 40)).astype(np.float32)
    (found,) = GraphInTorch(fuse(unquantise(graph)))({"x": x})
    wide = np.pad(x[0], ((0, 0), (2, 2)))
    taps = np.lib.stride_tricks.sliding_window_view(wide, 5, axis=1)
    np.testing.assert_allclose(found[0], np.einsum("ctk,ock->ot", taps, weight) + bias[:, None], atol=1e-3)

    rows = {"gain": np.full((1, 2, 1), 3, np.float32), "offset": np.full((1, 2, 1), 0.1, np.float32)}
    wave = np.random.default_rng(4).standard_normal((1, 2, 30)).astype(np.float32)
    plain, fused = (GraphInTorch(g)({"x": wave, **rows})[0] for g in (_normalisation(), fuse(_normalisation())))
    normal = 3 * (wave - wave.mean(2, keepdims=True)) / np.sqrt(wave.var(2, keepdims=True) + 1e-5) + 0.1
    alpha = np.array([0.5, 2.0]).reshape(1, 2, 1)
    np.testing.assert_allclose(plain, normal + np.sin(alpha * normal) ** 2 / alpha, atol=1e-5)
    np.testing.assert_allclose(fused, plain, atol=1e-5)


def test_taps_as_one_product_is_the_convolution() -> None:
    torch = pytest.importorskip("torch")
    from visavis_training.speech.graph_operators import taps_as_one_product

    torch.manual_seed(1)
    for channels, taps, stride, padding, dilation in (
        (4, 3, 1, 1, 1),
        (3, 11, 1, 25, 5),
        (2, 12, 6, 3, 1),
        (5, 1, 1, 0, 1),
    ):
        x, weight, bias = torch.randn(channels, 61), torch.randn(7, channels, taps), torch.randn(7)
        wanted = torch.nn.functional.conv1d(x, weight, bias, stride, padding, dilation)
        found = taps_as_one_product(x, weight, bias, stride, padding, dilation)
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "name",
    ["", "+", "a+b", "a@0.3", "a+b@", "a+b@1.2", "a+b@-0.1", "a+b@x", "a+@0.5", "a+b+c@0.5", "a+b@nan", "a+b@0.5.1"]
    + [
        "a*0.5",
        "a*0.5+b*0.6",
        "a*0.5+b",
        "a*x+b*1",
        "a*1-b*0.1",
        "-a*1",
        "a*1..0",
        "/a",
        "a/",
        "a/b/c",
        "a b",
        "a*nan",
    ],
)
def test_a_name_that_is_no_voice_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no voice"):
        parse_voice(name)


def test_a_name_says_who_sounds_and_who_speaks() -> None:
    blend = parse_voice("af_heart+am_adam@0.35")
    assert blend.timbre == blend.prosody == (("af_heart", 0.65), ("am_adam", 0.35))
    assert parse_voice("af_heart").voices == ("af_heart",)
    crossed = parse_voice("af_heart*0.9+am_adam*0.3-bf_emma*0.2/zf_xiaobei")
    assert crossed.timbre == (("af_heart", 0.9), ("am_adam", 0.3), ("bf_emma", -0.2))
    assert crossed.prosody == (("zf_xiaobei", 1.0),)
    assert crossed.voices == ("af_heart", "am_adam", "bf_emma", "zf_xiaobei")
    assert f"{written(crossed.timbre)}/{written(crossed.prosody)}" == "af_heart*0.9+am_adam*0.3-bf_emma*0.2/zf_xiaobei"


def test_the_styles_of_a_blend_lie_between_its_voices(tmp_path: Path) -> None:
    (tmp_path / "voices").mkdir()
    np.save(tmp_path / "voices" / "low.npy", np.zeros((510, 256), np.float16))
    np.full((510, 256), 2, np.float32).tofile(tmp_path / "voices" / "high.bin")
    kokoro = Kokoro.__new__(Kokoro)
    kokoro._folder, kokoro._voices = tmp_path, {}
    np.testing.assert_allclose(kokoro.voice("low+high@0.25"), 0.5)
    np.testing.assert_allclose(kokoro.voice("high+low@0.25"), 1.5)
    crossed = kokoro.voice("low/high*1.5-low*0.5")
    np.testing.assert_allclose(crossed[:, :128], 0.0)
    np.testing.assert_allclose(crossed[:, 128:], 3.0)
    with pytest.raises(FileNotFoundError):
        kokoro.voice("low+nobody@0.5")
