"""Where training runs: a GPU that was meant is used or missed loudly, never swapped for the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_models.errors import EngineError  # noqa: E402
from visavis_training import devices  # noqa: E402
from visavis_training.devices import chosen_device, saved_on  # noqa: E402

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a GPU; whoever puts a device file into the folder gives it one that refuses."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(devices, "_refusal", lambda device: "Error 807: MPS server is not ready")
    monkeypatch.setattr(devices, "_DEVICE_FILES", tmp_path / "dev")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "dev").mkdir()
    return tmp_path / "dev"


@pytest.fixture
def from_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A run's file, its tensors said to come from a GPU."""
    file = tmp_path / "run.pt"
    torch.save({"networks": {"a": torch.ones(3)}, "steps": 4}, file)
    load = torch.load

    def as_from_gpu(file: Path, map_location: Any, weights_only: bool) -> Any:
        return load(file, map_location=lambda storage, _: map_location(storage, "cuda:0"), weights_only=weights_only)

    monkeypatch.setattr(torch, "load", as_from_gpu)
    return file


def test_a_file_tells_where_its_tensors_were(tmp_path: Path, from_gpu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert saved_on(from_gpu) == "cuda"
    monkeypatch.undo()
    assert saved_on(from_gpu) == "cpu"


def test_without_a_gpu_the_cpu_trains(from_gpu: Path) -> None:
    assert chosen_device() == "cpu"
    assert chosen_device("cpu") == "cpu"


def test_a_gpu_that_was_asked_for_is_missed_loudly() -> None:
    with pytest.raises(EngineError, match=r"cuda:1 cannot be used, although it was asked for: Error 807") as told:
        chosen_device("cuda:1")
    assert told.value.code == "no_cuda" and "--device cpu" in told.value.remedy


def test_a_run_that_was_on_a_gpu_does_not_go_on_on_the_cpu(from_gpu: Path) -> None:
    with pytest.raises(EngineError, match="the resumed run was on it"):
        chosen_device(None, from_gpu)
    with pytest.raises(EngineError, match="cannot go on on cpu") as told:
        chosen_device("cpu", from_gpu)
    assert told.value.code == "other_device"


def test_a_gpu_that_refuses_is_no_reason_to_take_the_cpu(no_gpu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (no_gpu / "nvidia0").touch()
    with pytest.raises(EngineError, match="this machine has a GPU"):
        chosen_device()
    assert chosen_device("cpu") == "cpu"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # hidden on purpose
    assert chosen_device() == "cpu"


def test_a_gpu_that_works_is_used(monkeypatch: pytest.MonkeyPatch, from_gpu: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(devices, "_refusal", lambda device: None)
    assert chosen_device() == chosen_device("cuda") == chosen_device(None, from_gpu) == "cuda"


def test_torch_without_cuda_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    why = devices._refusal("cuda")
    assert why and "\n" not in why
    assert devices._refusal("cpu") is None
