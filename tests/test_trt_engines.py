"""Graphs in 16 bits, and real builds of every network where TensorRT-RTX is installed; needs no card."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from untrained_networks import untrained_networks
from visavis_models.diffusion.engine_networks import PARTS, networks_ship, shipped_files
from visavis_models.diffusion.sizes import COMPACT, SIZES
from visavis_models.engines.cache import EngineCache
from visavis_models.engines.network_profiles import profiles_of
from visavis_models.engines.nvidia import Library, import_library
from visavis_models.engines.plans import EnginePlan, engine_plans
from visavis_models.engines.shape_profile import ShapeProfile
from visavis_models.errors import EngineError
from visavis_models.weights import weight_file

pytestmark = pytest.mark.unit
NETWORKS = ["listener", *(f"renderer_{size}_{part}" for size in SIZES for part in PARTS)]


# Graphs in 16 bits ---------------------------------------------------------------------------------------------------


def graph(width: int = 8, weight: float = 0.1) -> Any:
    """Rows brought to unit scale, then a product: (N, 8) to (N, 8)."""
    onnx = pytest.importorskip("onnx")
    make, kind = onnx.helper, onnx.TensorProto
    product = np.full((width, width), weight, np.float32) * np.where(np.eye(width), 3, 1)
    constants = {
        "two": np.float32(2), "little": np.float32(1e-6), "product": product.astype(np.float32),
        "stored": product.astype(np.float16),
    }  # fmt: skip
    nodes = [
        make.make_node("Cast", ["stored"], ["weight"], to=kind.FLOAT),
        make.make_node("Pow", ["x", "two"], ["squares"]),
        make.make_node("ReduceMean", ["squares"], ["mean"], axes=[-1], keepdims=1),
        make.make_node("Add", ["mean", "little"], ["safe"]),
        make.make_node("Sqrt", ["safe"], ["scale"]),
        make.make_node("Div", ["x", "scale"], ["even"]),
        make.make_node("MatMul", ["even", "weight"], ["first"]),
        make.make_node("MatMul", ["first", "product"], ["y"]),
    ]
    made = make.make_model(
        make.make_graph(
            nodes, "rows",
            [make.make_tensor_value_info("x", kind.FLOAT, ["N", width])],
            [make.make_tensor_value_info("y", kind.FLOAT, ["N", width])],
            [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
        ),
        opset_imports=[make.make_opsetid("", 17)],
        ir_version=9,
    )  # fmt: skip
    onnx.checker.check_model(made)
    return made


def run(model: Any, **given: Any) -> Any:
    """As it is written: what an optimiser would take out of it stays in."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, given)


def test_products_are_halved_and_squares_are_not() -> None:
    onnx = pytest.importorskip("onnx")
    from visavis_models.engines.gpu.half_precision import halved

    before = graph()
    copy = before.SerializeToString()
    after = halved(before)
    assert before.SerializeToString() == copy
    kinds = {v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(after).graph.value_info}
    by_type = {node.op_type: kinds[node.output[0]] for node in after.graph.node if node.output[0] in kinds}
    assert by_type["MatMul"] == onnx.TensorProto.FLOAT16 and by_type["Sqrt"] == onnx.TensorProto.FLOAT
    assert all(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in after.graph.initializer if tensor.dims)
    x = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32) * 1000  # squares beyond 16 bits
    [want], [got] = run(before, x=x), run(after, x=x)
    assert np.isfinite(got).all() and np.abs(got - want).max() < 5e-3 * want.std()


def test_a_constant_that_16_bits_cannot_hold_is_refused() -> None:
    pytest.importorskip("onnx")
    from visavis_models.engines.gpu.half_precision import halved

    with np.errstate(over="ignore"):
        model = graph(weight=1e6)
    with pytest.raises(ValueError, match="beyond"):
        halved(model)


def test_products_of_8_bits_mean_about_the_same() -> None:
    onnx = pytest.importorskip("onnx")
    from visavis_models.engines.gpu.eight_bits import in_eight_bits, ranges_of
    from visavis_models.engines.gpu.half_precision import halved

    before, dice = graph(width=32), np.random.default_rng(1)
    x = dice.standard_normal((50, 32)).astype(np.float32)
    ranges = ranges_of(before, [{"x": x[:25]}, {"x": x[25:]}])
    assert set(ranges) == {"even", "first", "x"} and ranges["x"] == np.abs(x).max()
    half = halved(before)
    copy = half.SerializeToString()
    after = in_eight_bits(half, ranges)
    assert half.SerializeToString() == copy
    kinds = {tensor.name: tensor.data_type for tensor in after.graph.initializer}
    assert {kinds[f"{name}_half_whole"] for name in ("weight", "product")} == {onnx.TensorProto.INT8}
    [want], [got] = run(before, x=x), run(after, x=x)
    error = np.square(got - want).mean() ** 0.5 / want.std()
    assert 1e-4 < error < 0.02
    [clipped] = run(in_eight_bits(halved(before), {**ranges, "first": ranges["first"] / 4}), x=x)
    assert np.square(clipped - want).mean() ** 0.5 > 10 * error * want.std(), "ranges matter"


# Real builds ---------------------------------------------------------------------------------------------------------

ROWS = ShapeProfile({"x": (1, 8)}, {"x": (4, 8)}, {"x": (64, 8)})


@pytest.fixture(scope="module")
def library() -> Library:
    if not os.environ.get("REQUIRE_TRAINING"):
        pytest.importorskip("tensorrt_rtx")
    return import_library("tensorrt-rtx")


def test_an_engine_is_built_without_a_card(library: Library) -> None:
    from visavis_models.engines.gpu.half_precision import halved
    from visavis_trt.engine_building import build_engine

    built = build_engine(halved(graph()).SerializeToString(), ROWS, library)
    assert len(built.content) > 1000
    assert built.layers.heavy == 2 and built.layers.heavy_in_32_bits == 0 and not built.layers.plugins
    single = build_engine(graph().SerializeToString(), ROWS, library)
    assert single.layers.heavy_in_32_bits == 2


def test_graphs_that_cannot_be_built_say_why(library: Library) -> None:
    from visavis_trt.engine_building import build_engine

    with pytest.raises(EngineError, match="cannot read"):
        build_engine(b"no graph", ROWS, library)
    with pytest.raises(EngineError, match="takes"):
        build_engine(graph().SerializeToString(), ShapeProfile({"z": (1,)}, {"z": (1,)}, {"z": (1,)}), library)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return untrained_networks(tmp_path_factory.mktemp("networks"))


def eye_plan(file: Path, library: Library) -> EnginePlan:
    """Of the smaller crop, which builds sooner; the listener has one alone."""
    return engine_plans(file, library)[-1]


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_builds_in_16_bits_without_plugins(
    network: str, files: dict[str, Path], library: Library, tmp_path: Path
) -> None:
    from visavis_trt.network_engines import build_all

    plan, cache = eye_plan(files[network], library), EngineCache(tmp_path)
    [news] = build_all([plan], library, cache)
    assert news.layers is not None and news.layers.heavy >= 7
    assert not news.layers.heavy_in_32_bits and not news.layers.plugins
    assert len(cache.load(plan.key)) == news.bytes > 100_000
    [again] = build_all([plan], library, cache)
    assert again.layers is None and again.bytes == news.bytes


def test_networks_are_found_where_somebody_exported_them(files: dict[str, Path]) -> None:
    from visavis_models.errors import WeightsError
    from visavis_trt.network_engines import network_files

    folder = files["renderer_base_stem"].parent
    found = network_files(folder)
    assert {path.stem for path in found} == set(NETWORKS) - {"listener"}
    assert weight_file("listener") in network_files()
    away = folder / "away.onnx"
    files["renderer_base_stem"].rename(away)
    try:
        with pytest.raises(WeightsError, match="renderer_base_stem"):
            network_files(folder)
    finally:
        away.rename(files["renderer_base_stem"])


def test_layers_that_would_be_slow_stop_the_build(library: Library, tmp_path: Path, monkeypatch: Any) -> None:
    from visavis_trt import network_engines

    monkeypatch.setattr(network_engines, "_graph", lambda plan: graph().SerializeToString())
    file = tmp_path / "listener.onnx"
    file.write_bytes(graph().SerializeToString())
    [plan] = engine_plans(file, library)
    slow = EnginePlan(plan.key, file, ROWS)
    with pytest.raises(EngineError, match="2 costly layers in 32 bits"):
        list(network_engines.build_all([slow], library, EngineCache(tmp_path)))
    assert not list(tmp_path.glob("*.engine"))


def test_networks_of_8_bits_are_measured_and_built(
    files: dict[str, Path], library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from visavis_models.engines import parity
    from visavis_trt.network_engines import build_all

    monkeypatch.setattr(parity, "_MEASURED", ("maya",))
    file, cache = files["renderer_compact_stem"], EngineCache(tmp_path)
    plan = engine_plans(file, library, "int8")[-1]
    [news] = build_all([plan], library, cache)
    assert news.layers is not None and not news.layers.heavy_in_32_bits
    assert sum(count for (kind, _), count in news.layers.types.items() if kind == "QUANTIZE") == 7
    assert cache.find(engine_plans(file, library, "fp16")[-1].key) is None
    assert engine_plans(files["listener"], library, "int8") == engine_plans(files["listener"], library, "fp16")


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_mean_the_same_in_16_bits(network: str, files: dict[str, Path]) -> None:
    onnx = pytest.importorskip("onnx")
    from visavis_models.engines.gpu.half_precision import halved

    file = files[network]
    if networks_ship(COMPACT) and network.startswith("renderer_compact"):
        file = shipped_files(COMPACT)[[path.stem for path in shipped_files(COMPACT)].index(network)]
    model, profile = onnx.load(str(file)), list(profiles_of(network).values())[-1]
    half, dice = halved(model), np.random.default_rng(0)
    given = {name: dice.random(shape, dtype=np.float32) for name, shape in profile.least.items()}
    for want, got in zip(run(model, **given), run(half, **given), strict=True):
        assert np.square(got - want).mean() ** 0.5 < 0.01 * want.std()
