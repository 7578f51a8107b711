"""Engines on a real NVIDIA card: skipped where there is none, so never run by CI. Run it on every new kind of card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from untrained_networks import untrained_networks
from visavis_models.diffusion.engine_networks import PARTS
from visavis_models.engines.cache import EngineCache
from visavis_models.engines.card_engines import open_built, open_on_card
from visavis_models.engines.network_profiles import WindowCounts, WindowRange, profiles_of
from visavis_models.engines.nvidia import BACKENDS, find_card, import_library
from visavis_models.engines.parity import check_parity, likeness_db, recorded_runs
from visavis_models.engines.plans import engine_plans
from visavis_models.errors import EngineError

pytestmark = pytest.mark.weights
NETWORKS = ["listener", *(f"renderer_compact_{part}" for part in PARTS)]


@pytest.fixture(scope="module")
def torch() -> Any:
    found = pytest.importorskip("torch")
    if not found.cuda.is_available():
        pytest.skip("no card that torch can use")
    return found


@pytest.fixture(scope="module")
def files(torch: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return untrained_networks(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


def of_size(inputs: dict[str, Any], factor: int) -> dict[str, Any]:
    """As many times as many avatars or frames."""
    return {name: np.concatenate([array] * factor) for name, array in inputs.items()}


def test_the_driver_knows_the_card_that_torch_knows(torch: Any) -> None:
    card = find_card()
    assert card.name == torch.cuda.get_device_name(0)
    assert card.architecture == torch.cuda.get_device_capability(0)
    assert card.memory_bytes == pytest.approx(torch.cuda.get_device_properties(0).total_memory, rel=0.02)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_recorded_runs_of_torch_are_played_back(
    torch: Any, network: str, precision: str, files: dict[str, Path], folder: Path
) -> None:
    from visavis_models.engines.gpu.torch_engine import open_torch

    engine, runs = open_torch(files[network], "cuda", precision), recorded_runs(files[network], folder)
    for _ in range(3):  # recorded, then played back; of two shapes in turns
        assert check_parity(engine, runs) >= 40
    run = next(iter(runs.values()))
    large, wanted = of_size(run.inputs, 3), of_size(run.outputs, 3)
    for _ in range(2):
        assert likeness_db(engine.run(large), wanted) >= 40
        changed = {name: array * 0.9 for name, array in run.inputs.items()}
        assert likeness_db(engine.run(changed), run.outputs) < 60, "played back with the inputs of before"
        assert check_parity(engine, runs) >= 40


@pytest.mark.parametrize("network", NETWORKS)
def test_attention_and_engines_are_chosen_for_this_card(
    torch: Any, network: str, files: dict[str, Path], folder: Path
) -> None:
    assert open_on_card(files[network], "torch", folder).name == f"torch fp16/{torch.cuda.get_device_name(0)}"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("network", NETWORKS)
def test_built_engines_run_on_this_card(
    torch: Any, backend: str, network: str, files: dict[str, Path], folder: Path
) -> None:
    from visavis_trt.network_engines import build_all

    try:
        library = import_library(backend)
    except EngineError:
        pytest.skip(f"{backend} is not installed")
    if backend == "tensorrt-rtx" and find_card().architecture[0] == 9:
        pytest.skip("TensorRT-RTX has no Hopper")
    list(build_all(engine_plans(files[network], library), library, EngineCache(folder)))
    engine, _ = open_built(files[network], backend, folder, torch.device("cuda"))
    runs = recorded_runs(files[network], folder)
    for _ in range(3):
        assert check_parity(engine, runs) >= 40
    run = next(iter(runs.values()))
    assert likeness_db(engine.run(of_size(run.inputs, 3)), of_size(run.outputs, 3)) >= 40
    assert check_parity(engine, runs) >= 40


def test_the_largest_batch_runs_in_memory_that_is_stated(torch: Any, files: dict[str, Path]) -> None:
    from visavis_models.engines.gpu.torch_engine import open_torch

    one = WindowCounts(64, 4, 4)
    profile = profiles_of("renderer_compact_denoiser", WindowRange(one, one, one))["mouth"]
    engine = open_torch(files["renderer_compact_denoiser"], "cuda")
    before = torch.cuda.memory_allocated()
    given = {name: np.zeros(shape, np.float32) for name, shape in profile.most.items()}
    found = engine.run(given)["velocity"]
    assert np.isfinite(found).all() and torch.cuda.memory_reserved() - before < 8e9
