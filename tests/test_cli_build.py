"""`visavis build` and what `visavis doctor` says of cards and engines, with the library that builds and without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from visavis_models.diffusion.engine_networks import networks_ship, shipped_files
from visavis_models.diffusion.sizes import COMPACT
from visavis_models.engines.cache import EngineCache
from visavis_models.engines.nvidia import Card, Library
from visavis_models.engines.plans import engine_plans
from visavis_models.errors import EngineError
from visavis_models.weights import weight_file
from visavis_server import doctor_card
from visavis_server.doctor_card import card_and_engines
from visavis_server.settings import BadSetting, DrawingSettings, Settings

pytestmark = pytest.mark.weights
CARD = Card("NVIDIA GeForce RTX 4090", (8, 9), 25_000_000_000, 13000)


def visavis(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "visavis_server", *words], capture_output=True, text=True, timeout=240)


def has_builder() -> bool:
    try:
        import onnx  # noqa: F401
        import tensorrt_rtx  # noqa: F401
    except ImportError:
        return False
    return True


def test_what_cannot_be_built_is_refused_in_plain_words(tmp_path: Path) -> None:
    for words, message in (
        (("--precision", "fp4"), "There is no precision fp4."),
        (("--networks", str(tmp_path / "none")), "is no folder"),
        (("--backend", "tensorflow"), "Choose one of tensorrt-rtx, tensorrt."),
    ):
        said = visavis("build", *words, "--cache", str(tmp_path))
        assert said.returncode == 2 and message in said.stderr and "Traceback" not in said.stderr
    if not has_builder():
        said = visavis("build", "--backend", "tensorrt-rtx", "--cache", str(tmp_path))
        assert said.returncode == 2 and "pip install tensorrt-rtx-cu13" in said.stderr
    assert not list(tmp_path.iterdir())


def test_a_build_says_what_it_does_and_goes_on_where_it_was(tmp_path: Path) -> None:
    if not has_builder():
        assert not os.environ.get("REQUIRE_TRAINING"), "it is installed where networks are trained"
        pytest.skip("TensorRT-RTX is not installed")
    first, second = (visavis("build", "--backend", "tensorrt-rtx", "--cache", str(tmp_path)) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert "listener-voice" in first.stdout and "0 of them in 32 bits, no plugin" in first.stdout
    assert "was there" in second.stdout
    assert len(list(tmp_path.glob("listener-voice-*.engine"))) == 1


def found(settings: Settings) -> dict[str, tuple[str, str, str]]:
    return {each.name: (each.status, each.finding, each.remedy) for each in card_and_engines(settings)}


def test_a_machine_without_a_card_is_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def none() -> Any:
        raise EngineError("gpu_no_driver", "There is no NVIDIA driver here.", "Nothing is to be done.")

    def missing(backend: str) -> Any:
        raise EngineError("engine_builder_missing", "It is not installed.", "Install it.")

    monkeypatch.setattr(doctor_card, "find_card", none)
    monkeypatch.setattr(doctor_card, "import_library", missing)
    said = found(Settings(data_dir=tmp_path))
    assert said["NVIDIA card"] == ("ok", "There is no NVIDIA driver here.", "")
    assert {status for status, _, _ in said.values()} == {"ok"}


def test_engines_that_are_missing_and_drivers_that_are_old_are_told_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = Library("tensorrt-rtx", SimpleNamespace(__version__="1.7"))
    monkeypatch.setattr(doctor_card, "find_card", lambda: CARD)
    monkeypatch.setattr(doctor_card, "import_library", lambda backend: library)
    monkeypatch.setattr(doctor_card, "default_folder", lambda: tmp_path)
    said = found(Settings(data_dir=tmp_path))
    assert said["NVIDIA card"][1] == "NVIDIA GeForce RTX 4090 8.9, 25 GB, driver for CUDA 13.0"
    assert said["torch"][0] == "warning", "no torch here can use a card"
    status, finding, remedy = said["engines tensorrt-rtx"]
    files = [weight_file("listener"), *(shipped_files(COMPACT) if networks_ship(COMPACT) else ())]
    plans = [plan for file in files for plan in engine_plans(file, library)]
    assert status == "warning" and f": 0 of {len(plans)} engines" in finding
    assert "visavis build --backend tensorrt-rtx" in remedy
    paths = [EngineCache(tmp_path).store(plan.key, b"engine") for plan in plans]
    assert found(Settings(data_dir=tmp_path))["engines tensorrt-rtx"][0] == "ok"
    paths[0].write_bytes(b"damage")
    assert f": {len(plans) - 1} of {len(plans)} " in found(Settings(data_dir=tmp_path))["engines tensorrt-rtx"][1]

    def old() -> Any:
        raise EngineError("gpu_old_driver", "The NVIDIA driver is too old: it knows CUDA 11.4.", "Install another.")

    monkeypatch.setattr(doctor_card, "find_card", old)
    assert found(Settings(data_dir=tmp_path))["NVIDIA card"][0] == "warning"


def test_an_engine_that_is_none_is_no_setting() -> None:
    with pytest.raises(BadSetting, match=r"drawing\.engine"):
        DrawingSettings(engine="cuda")


def test_the_doctor_speaks_of_the_card(tmp_path: Path) -> None:
    said = visavis("doctor", "--json", "--data-dir", str(tmp_path))
    assert said.stdout, said.stderr
    names = [check["name"] for check in json.loads(said.stdout)["checks"]]
    assert "NVIDIA card" in names and "engines tensorrt" in names
