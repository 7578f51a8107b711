"""Engines for NVIDIA cards: what they are found by on disk, graphs in 16 bits, and real builds where the library is."""

from __future__ import annotations

import threading
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from visavis_models.diffusion.engine_networks import PARTS, networks_ship, shipped_files
from visavis_models.diffusion.settings import MOST_NEW_FRAMES, RenderingSettings
from visavis_models.diffusion.sizes import BASE, COMPACT, SIZES, RendererSize
from visavis_models.errors import EngineError
from visavis_trt.engine_cache import EngineCache, EngineKey
from visavis_trt.libraries import import_builder
from visavis_trt.profiles import ShapeProfile, WindowCounts, WindowRange, profile_of

pytestmark = pytest.mark.unit
KEY = EngineKey("denoiser-mouth", "aa", "x:(1,):(2,):(3,)", "fp16", "tensorrt-rtx", "1.7", "portable:SM80")


@pytest.mark.parametrize("name", [field.name for field in fields(EngineKey)])
def test_an_engine_made_of_anything_else_is_not_found(tmp_path: Path, name: str) -> None:
    cache = EngineCache(tmp_path)
    cache.store(KEY, b"engine")
    assert cache.find(KEY) == b"engine"
    other = replace(KEY, **{name: "other"})
    assert cache.find(other) is None
    with pytest.raises(EngineError, match="visavis_trt.renderer_engines"):
        cache.load(other)


def test_a_damaged_engine_is_named_and_built_anew(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)
    path = cache.store(KEY, b"engine")
    path.write_bytes(b"engina")
    with pytest.raises(EngineError, match=path.name):
        cache.load(KEY)
    assert cache.built(KEY, lambda: b"new") == (b"new", True)
    assert cache.built(KEY, lambda: b"newer") == (b"new", False) and cache.load(KEY) == b"new"
    path.with_suffix(".json").write_text("{", "utf-8")
    with pytest.raises(EngineError, match="json"):
        cache.load(KEY)


def test_two_builders_of_one_engine_build_it_once(tmp_path: Path) -> None:
    begun, go_on, builds = threading.Event(), threading.Event(), list[int]()

    def slow() -> bytes:
        builds.append(1)
        begun.set()
        assert go_on.wait(10)
        return b"engine"

    found: list[tuple[bytes, bool]] = []
    first = threading.Thread(target=lambda: found.append(EngineCache(tmp_path).built(KEY, slow)))
    first.start()
    assert begun.wait(10)
    with pytest.raises(EngineError, match="lock"):
        EngineCache(tmp_path).built(KEY, slow, patience_s=0.2)
    second = threading.Thread(target=lambda: found.append(EngineCache(tmp_path).built(KEY, slow)))
    second.start()
    go_on.set()
    first.join(10)
    second.join(10)
    assert sorted(found) == [(b"engine", False), (b"engine", True)] and len(builds) == 1


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise EngineError("engine_build", "No.", "Try again.")

    with pytest.raises(EngineError):
        EngineCache(tmp_path).built(KEY, fail)
    assert list(tmp_path.iterdir()) == []
    assert EngineCache(tmp_path).built(KEY, lambda: b"engine") == (b"engine", True)


@pytest.mark.parametrize("size", SIZES.values(), ids=lambda size: size.name)
def test_profiles_leave_only_counts_free(size: RendererSize) -> None:
    profile = profile_of(size, "denoiser", size.eye_px)
    height, width = size.eye_px[0] // 8, size.eye_px[1] // 8
    assert profile.fixed["latents"] == (-1, -1, 16, height, width)
    assert profile.fixed["shade"] == (-1, 3) and profile.fixed["known"] == (-1, -1)
    for name, usual in profile.usual.items():
        assert all(a <= b <= c for a, b, c in zip(profile.least[name], usual, profile.most[name], strict=True))
    assert profile.as_text() != profile_of(size, "denoiser", size.mouth_px).as_text()
    frames = profile.most["latents"][1]
    assert frames > MOST_NEW_FRAMES, "a stream that begins anew is led by one frame more"
    RenderingSettings(overlap_frames=profile.most["known"][1])
    with pytest.raises(ValueError, match="overlap"):
        RenderingSettings(overlap_frames=profile.most["known"][1] + 1)


def test_profiles_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        WindowCounts(1, 0, 1)
    one = WindowCounts(1, 4, 2)
    assert -1 not in profile_of(BASE, "decoder", BASE.mouth_px, WindowRange(one, one, one)).fixed["maps"]


def test_a_library_that_is_not_there_is_named() -> None:
    with pytest.raises(EngineError, match="tensorrt-rtx, tensorrt"):
        import_builder("tensorflow")


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
    from visavis_trt.half_precision import halved

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
    from visavis_trt.half_precision import halved

    with np.errstate(over="ignore"):
        model = graph(weight=1e6)
    with pytest.raises(ValueError, match="beyond"):
        halved(model)


# Real builds ---------------------------------------------------------------------------------------------------------

ROWS = ShapeProfile({"x": (1, 8)}, {"x": (4, 8)}, {"x": (64, 8)})


def test_an_engine_is_built_without_a_card() -> None:
    pytest.importorskip("tensorrt_rtx")
    from visavis_trt.engine_building import build_engine
    from visavis_trt.half_precision import halved

    built = build_engine(halved(graph()).SerializeToString(), ROWS, "tensorrt-rtx")
    assert len(built.content) > 1000
    assert built.layers.heavy == 2 and built.layers.heavy_in_32_bits == 0 and not built.layers.plugins
    single = build_engine(graph().SerializeToString(), ROWS, "tensorrt-rtx")
    assert single.layers.heavy_in_32_bits == 2


def test_graphs_that_cannot_be_built_say_why() -> None:
    pytest.importorskip("tensorrt_rtx")
    from visavis_trt.engine_building import build_engine

    with pytest.raises(EngineError, match="cannot read"):
        build_engine(b"no graph", ROWS, "tensorrt-rtx")
    with pytest.raises(EngineError, match="takes"):
        build_engine(graph().SerializeToString(), ShapeProfile({"z": (1,)}, {"z": (1,)}, {"z": (1,)}), "tensorrt-rtx")


@pytest.mark.parametrize("part", PARTS)
def test_networks_that_ship_are_built_in_16_bits_and_mean_the_same(part: str) -> None:
    onnx = pytest.importorskip("onnx")
    if not networks_ship(COMPACT):
        pytest.skip("no compact renderer ships")
    from visavis_trt.engine_building import build_engine
    from visavis_trt.half_precision import halved

    model = onnx.load(str(shipped_files(COMPACT)[PARTS.index(part)]))
    half, profile, dice = halved(model), profile_of(COMPACT, part, COMPACT.eye_px), np.random.default_rng(0)
    given = {name: dice.random(shape, dtype=np.float32) for name, shape in profile.least.items()}
    for want, got in zip(run(model, **given), run(half, **given), strict=True):
        assert np.square(got - want).mean() ** 0.5 < 0.01 * want.std()
    pytest.importorskip("tensorrt_rtx")
    built = build_engine(half.SerializeToString(), profile, "tensorrt-rtx")
    assert built.layers.heavy and not built.layers.heavy_in_32_bits and not built.layers.plugins
