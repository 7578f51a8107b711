"""Engines of cards, here on a processor: torch runs every network's graph, built engines are run by a fake library.

Nothing here proves that a card does the same: that is asked at every start, see `engines.parity`.
"""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tensorrt_fakes import FakeTensorRt
from untrained_networks import untrained_networks
from visavis_models.diffusion.engine_networks import PARTS, EngineNetworks
from visavis_models.diffusion.graph_shapes import axis_lengths, graphs_of, shapes
from visavis_models.diffusion.sizes import BASE, COMPACT, SIZES, RendererSize
from visavis_models.engines import card_engines, choice, open_engine
from visavis_models.engines.cache import EngineCache
from visavis_models.engines.card_engines import open_built, open_on_card
from visavis_models.engines.nvidia import Card, Library
from visavis_models.engines.parity import RecordedRun, check_parity, likeness_db, recorded_runs
from visavis_models.engines.plans import engine_plans
from visavis_models.errors import EngineError
from visavis_models.weights import weight_file

pytestmark = pytest.mark.weights
CARD = Card("NVIDIA GeForce RTX 4090", (8, 9), 25_000_000_000, 13000)


@pytest.fixture(scope="module")
def torch() -> Any:
    found = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return untrained_networks(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


def drawn(size: RendererSize, part: str, counts: tuple[int, int, int]) -> dict[str, Any]:
    dice = np.random.default_rng(sum(counts))
    lengths = axis_lengths(size, size.eye_px, *counts)
    inputs = shapes(graphs_of(size)[part].inputs, lengths)
    return {name: dice.standard_normal(shape).astype(np.float32) for name, shape in inputs.items()}


# Torch ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES.values(), ids=lambda size: size.name)
@pytest.mark.parametrize("part", PARTS)
def test_torch_computes_what_the_reference_does(part: str, size: RendererSize, files: dict[str, Path]) -> None:
    from visavis_models.engines.gpu.torch_engine import open_torch

    file = files[f"renderer_{size.name}_{part}"]
    reference, engine = open_engine(file, "onnxruntime"), open_torch(file, "cpu")
    assert engine.name == "torch fp32/CPU"
    for counts in ((1, 2, 1), (2, 3, 4), (1, 2, 1)):
        given = drawn(size, part, counts)
        assert likeness_db(engine.run(given), reference.run(given)) > 90


def test_torch_hears_what_the_reference_does(files: dict[str, Path], recordings: Path) -> None:
    from visavis_models.engines.gpu.torch_engine import open_torch

    runs = recorded_runs(files["listener"], recordings)
    assert check_parity(open_torch(files["listener"], "cpu"), runs) > 90
    assert 40 < check_parity(open_torch(files["listener"], "cpu", "fp16"), runs) < 90
    assert np.abs(runs["voice"].inputs["state"]).max() > 0, "a network that remembers nothing proves little"


def test_attention_is_one_node_and_the_same_in_every_way(torch: Any, files: dict[str, Path]) -> None:
    from visavis_models.engines.gpu import attention
    from visavis_models.engines.gpu.torch_engine import TorchRunner

    runner = TorchRunner(files["renderer_compact_denoiser"], torch.device("cpu"), "fp32")
    joined = [node for node in runner._graph.nodes if node.op == "Attention"]
    assert len(joined) == COMPACT.blocks.count("s") + COMPACT.blocks.count("x")
    q, k, v = torch.randn(2, 4, 48, 32), torch.randn(2, 4, 12, 32), torch.randn(2, 4, 12, 32)
    wanted = attention.products(q, k, v)
    for way in attention.ways(q).values():
        torch.testing.assert_close(way(q, k, v), wanted, atol=1e-5, rtol=1e-5)
    name, way = attention.fastest(tuple(q.shape), tuple(k.shape), q.dtype, q.device)
    assert attention.ways(q)[name] is way


def test_a_way_of_attention_that_fails_is_not_taken(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from visavis_models.engines.gpu import attention

    def fails(*_: Any) -> Any:
        raise RuntimeError("no kernel image is available for execution on the device")

    monkeypatch.setattr(attention, "ways", lambda q: {"flash-attn": fails, "products": attention.products})
    shape = (1, 3, 7, 5)
    assert attention.fastest(shape, shape, torch.float32, torch.device("cpu"))[0] == "products"


def test_what_hangs_on_shapes_alone_is_computed_beforehand(torch: Any, files: dict[str, Path]) -> None:
    """A card that records a run must not wait for the processor in it."""
    from visavis_models.engines.gpu.onnx_graph import graph_of
    from visavis_models.engines.gpu.program import program_of

    onnx = pytest.importorskip("onnx")
    graph = graph_of(onnx.load(str(files["renderer_compact_denoiser"])))
    given = {name: array.shape for name, array in drawn(COMPACT, "denoiser", (1, 2, 3)).items()}
    program = program_of(graph, given, torch.device("cpu"))
    steps = [node for node in program.graph.nodes if node.op == "call_function"]
    called = {getattr(node.target, "__name__", "") for node in steps}
    assert len(steps) < len(graph.nodes) * 0.7
    assert not called & {"_Shape", "_Range", "_ConstantOfShape", "_Cast"}


def test_inputs_that_do_not_fit_are_refused(files: dict[str, Path]) -> None:
    from visavis_models.engines.gpu.torch_engine import open_torch

    engine, given = open_torch(files["renderer_compact_stem"], "cpu"), drawn(COMPACT, "stem", (1, 2, 1))
    with pytest.raises(EngineError, match="takes"):
        engine.run({"map": given["maps"]})
    with pytest.raises(EngineError, match=r"\(2, 3, 48, 64\)"):
        engine.run({"maps": given["maps"][:, :3]})
    assert engine.run(given)["half"].shape == (2, 16, 24, 32)


def test_what_torch_cannot_read_is_told_of(torch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from visavis_models.engines.gpu.torch_engine import open_torch

    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\xff\x00nothing")
    with pytest.raises(EngineError, match=r"broken\.onnx"):
        open_torch(broken, "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineError, match="cannot use the card"):
        open_torch(weight_file("listener"), "cuda")


def test_a_card_without_memory_or_that_is_gone_is_told_of(torch: Any) -> None:
    from visavis_models.engines.gpu.device_engine import DeviceEngine

    class Failing:
        name, inputs = "torch", ("x",)

        def __init__(self, error: Exception) -> None:
            self.error = error

        def ready(self, shapes: Any) -> Any:
            def forward(given: Any) -> Any:
                raise self.error

            return forward

        def settled(self) -> None:
            pass

    for error, code in (
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "gpu_memory"),
        (RuntimeError("CUDA error: an illegal memory access was encountered\nmore"), "gpu_lost"),
        (RuntimeError("shapes cannot be multiplied"), "engine_run"),
    ):
        engine = DeviceEngine(Failing(error), torch.device("cpu"))
        for _ in range(2):
            with pytest.raises(EngineError) as told:
                engine.run({"x": np.zeros(1, np.float32)})
            assert told.value.code == code


# Built engines -------------------------------------------------------------------------------------------------------


def built(
    file: Path, folder: Path, fake: FakeTensorRt, monkeypatch: pytest.MonkeyPatch, content: bytes | None = None
) -> str:
    """Have engines of a network in a folder, and the library that runs them; their kind."""
    kind = "tensorrt-rtx" if fake.rtx else "tensorrt"
    monkeypatch.setattr(card_engines, "import_library", lambda _: Library(kind, fake))
    monkeypatch.setattr(Library, "cards", lambda self: "portable:SM80")
    for plan in engine_plans(file, Library(kind, fake)):
        EngineCache(folder).store(plan.key, file.read_bytes() if content is None else content)
    return kind


@pytest.mark.parametrize("rtx", [False, True], ids=["tensorrt", "tensorrt-rtx"])
def test_built_engines_run_on_buffers_of_torch(
    rtx: bool, torch: Any, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, fake = files["renderer_compact_stem"], FakeTensorRt(rtx)
    engine, precision = open_built(file, built(file, tmp_path, fake, monkeypatch), tmp_path, torch.device("cpu"))
    assert precision == "fp16"
    reference = open_engine(file, "onnxruntime")
    given = {(1, 2, 1): drawn(COMPACT, "stem", (1, 2, 1)), (2, 4, 1): drawn(COMPACT, "stem", (2, 4, 1))}
    for counts in ((1, 2, 1), (2, 4, 1), (1, 2, 1)):
        assert likeness_db(engine.run(given[counts]), reference.run(given[counts])) > 120
    assert len(list(tmp_path.glob("*-eye-*.compiled"))) == rtx, "what was compiled for this card is kept"
    with pytest.raises(EngineError, match="fewer avatars"):
        engine.run({"maps": np.zeros((1, COMPACT.map_channels, 40, 64), np.float32)})


def test_engines_of_the_fewest_bits_that_were_built_are_taken(
    torch: Any, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, fake, cpu = files["renderer_compact_stem"], FakeTensorRt(), torch.device("cpu")
    kind = built(file, tmp_path, fake, monkeypatch)
    plans = engine_plans(file, Library(kind, fake), "int8")
    EngineCache(tmp_path).store(plans[0].key, file.read_bytes())
    assert open_built(file, kind, tmp_path, cpu)[1] == "fp16", "one of its two is missing"
    EngineCache(tmp_path).store(plans[1].key, file.read_bytes())
    assert open_built(file, kind, tmp_path, cpu)[1] == "int8"


def test_engines_of_other_cards_damaged_ones_and_machines_without_a_driver_are_refused(
    torch: Any, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, cpu = files["renderer_compact_stem"], torch.device("cpu")
    with pytest.raises(EngineError, match="visavis build --backend tensorrt` on this machine"):
        open_built(file, built(file, tmp_path, FakeTensorRt(), monkeypatch, b"of another card"), tmp_path, cpu)
    kind = built(file, tmp_path, FakeTensorRt(driver=False), monkeypatch)
    with pytest.raises(EngineError, match="nullptr"):
        open_built(file, kind, tmp_path, cpu)
    next(iter(tmp_path.glob("*.engine"))).write_bytes(b"damaged")
    with pytest.raises(EngineError, match="is damaged"):
        open_built(file, kind, tmp_path, cpu)
    with pytest.raises(EngineError, match="none was built"):
        open_built(files["renderer_compact_decoder"], kind, tmp_path, cpu)


def test_a_card_that_is_full_or_does_not_run_is_told_of(
    torch: Any, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, given = files["renderer_compact_stem"], drawn(COMPACT, "stem", (1, 2, 1))
    for fake, code in ((FakeTensorRt(full=True), "gpu_memory"), (FakeTensorRt(broken=True), "engine_run")):
        kind = built(file, tmp_path, fake, monkeypatch)
        with pytest.raises(EngineError) as told:
            open_built(file, kind, tmp_path, torch.device("cpu"))[0].run(given)
        assert told.value.code == code


# The proof at the start ----------------------------------------------------------------------------------------------


def test_a_window_is_recorded_once_with_all_that_goes_in_and_out(files: dict[str, Path], recordings: Path) -> None:
    stem = files["renderer_compact_stem"]
    runs = recorded_runs(stem, recordings)
    assert set(runs) == {"mouth", "eye"}
    written = {path: path.stat().st_mtime_ns for path in recordings.glob("renderer_compact_*")}
    assert len(written) == len(PARTS)
    known = recorded_runs(files["renderer_compact_denoiser"], recordings)["mouth"].inputs["known"]
    assert known.any(), "the window recorded listens to one before it"
    again = recorded_runs(stem, recordings)
    for name, array in runs["mouth"].outputs.items():
        np.testing.assert_array_equal(again["mouth"].outputs[name], array)
    assert {path: path.stat().st_mtime_ns for path in written} == written
    next(path for path in written if "stem" in path.name).write_bytes(b"damaged")
    assert set(recorded_runs(stem, recordings)) == {"mouth", "eye"}


@pytest.mark.parametrize("part", PARTS)
def test_torch_proves_itself_on_the_recorded_window(part: str, files: dict[str, Path], recordings: Path) -> None:
    from visavis_models.engines.gpu.torch_engine import open_torch

    file = files[f"renderer_compact_{part}"]
    assert check_parity(open_torch(file, "cpu"), recorded_runs(file, recordings)) > 90


def test_an_engine_that_computes_something_else_is_not_taken() -> None:
    class Wrong:
        name = "tensorrt/card"

        def __init__(self, answer: Any) -> None:
            self.answer = answer

        def run(self, inputs: Any) -> Any:
            return {"y": self.answer}

    want = np.random.default_rng(0).standard_normal((2, 9)).astype(np.float32)
    runs = {"mouth": RecordedRun({"x": want}, {"y": want})}
    assert check_parity(Wrong(want * 1.005), runs) == pytest.approx(46, abs=0.5)
    broken = want.copy()
    broken[0, 0] = np.nan
    for answer in (want * 1.02, broken, want[:1], -want):
        with pytest.raises(EngineError, match="does not compute what the reference does"):
            check_parity(Wrong(answer), runs)


def on_a_machine_with_a_card(torch: Any, monkeypatch: pytest.MonkeyPatch, free: float = 8e9) -> None:
    monkeypatch.setattr(choice, "_has_card", lambda: True)
    monkeypatch.setattr(choice, "_told", set())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # a real one is tried in test_real_card.py
    monkeypatch.setattr(card_engines, "find_card", lambda: CARD)
    cuda = SimpleNamespace(mem_get_info=lambda: (free, 25e9))
    monkeypatch.setattr(
        card_engines, "_torch", lambda: SimpleNamespace(cuda=cuda, device=lambda _: torch.device("cpu"))
    )


def test_the_best_engine_that_proves_itself_draws(
    torch: Any, files: dict[str, Path], tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    on_a_machine_with_a_card(torch, monkeypatch)
    monkeypatch.setattr(card_engines, "default_folder", lambda: tmp_path)
    paths = tuple(files[f"renderer_compact_{part}"] for part in PARTS)
    with caplog.at_level(logging.INFO):
        networks = EngineNetworks(COMPACT, paths)
    assert networks.name == "compact on torch fp32/CPU"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    fake = FakeTensorRt()
    for path in paths:
        built(path, tmp_path, fake, monkeypatch)
    monkeypatch.setattr(card_engines, "import_library", lambda kind: Library("tensorrt", fake))
    assert EngineNetworks(COMPACT, paths).name == "compact on tensorrt/CPU"
    assert open_engine(files["listener"]).name == "openvino/CPU"


def test_wrong_engines_are_left_with_one_warning_unless_they_are_forced(
    torch: Any,
    files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    on_a_machine_with_a_card(torch, monkeypatch)
    monkeypatch.setattr(card_engines, "default_folder", lambda: tmp_path)
    paths = tuple(files[f"renderer_compact_{part}"] for part in PARTS)
    onnx = pytest.importorskip("onnx")
    fake = FakeTensorRt()
    for path in paths:
        model = onnx.load(str(path))
        for weight in model.graph.initializer:
            if weight.data_type == onnx.TensorProto.FLOAT16:
                array = onnx.numpy_helper.to_array(weight)
                weight.CopyFrom(onnx.numpy_helper.from_array((array * 1.1).astype(np.float16), weight.name))
        built(path, tmp_path, fake, monkeypatch, model.SerializeToString())
    assert EngineNetworks(COMPACT, paths).name == "compact on torch fp32/CPU"
    [warned] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "does not compute what the reference does" in warned.__dict__["reason"]
    with pytest.raises(EngineError, match="does not compute what the reference does"):
        EngineNetworks(COMPACT, paths, "tensorrt")


def test_a_card_that_is_too_full_leaves_the_work_to_the_processor(
    torch: Any, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    on_a_machine_with_a_card(torch, monkeypatch, free=5e8)
    paths = tuple(files[f"renderer_base_{part}"] for part in PARTS)
    assert EngineNetworks(BASE, paths).name == "base on onnxruntime/CPU"
    [warned] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "0.5 GB of memory left" in warned.__dict__["reason"]
    with pytest.raises(EngineError, match="Close other programs"):
        open_on_card(paths[0], "torch")


def test_a_machine_without_a_card_or_torch_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_engines, "find_card", lambda: CARD)
    try:
        import torch

        expected = None if torch.cuda.is_available() else "gpu_torch"
    except ImportError:
        expected = "gpu_torch_missing"
    if expected is None:
        pytest.skip("there is a card")
    with pytest.raises(EngineError) as told:
        open_engine(weight_file("listener"), "torch")
    assert told.value.code == expected
    with pytest.raises(EngineError, match="Choose one of"):
        open_engine(weight_file("listener"), "cuda")
