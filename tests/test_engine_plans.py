"""Which engines networks need, for which shapes, and what is found of NVIDIA on a machine. Needs no card."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from visavis_models.diffusion.engine_networks import PARTS
from visavis_models.diffusion.settings import MOST_NEW_FRAMES, RenderingSettings
from visavis_models.diffusion.sizes import BASE, SIZES, RendererSize
from visavis_models.engines.network_profiles import WindowCounts, WindowRange, has_profiles, profiles_of
from visavis_models.engines.nvidia import Card, Library, find_card, import_library
from visavis_models.engines.plans import engine_plans
from visavis_models.errors import EngineError

pytestmark = pytest.mark.unit


class FakeDriver:
    """NVIDIA's driver library, of a machine with one card."""

    def __init__(self, version: int = 13000, cards: int = 1, start: int = 0) -> None:
        self._version, self._cards, self._start = version, cards, start

    def cuInit(self, flags: int) -> int:
        return self._start

    def cuDriverGetVersion(self, found: Any) -> int:
        found._obj.value = self._version
        return 0

    def cuDeviceGetCount(self, found: Any) -> int:
        found._obj.value = self._cards
        return 0

    def cuDeviceGet(self, device: Any, at: int) -> int:
        device._obj.value = at
        return 0

    def cuDeviceGetName(self, name: Any, length: int, device: Any) -> int:
        name.value = b"NVIDIA GeForce RTX 4090"
        return 0

    def cuDeviceTotalMem_v2(self, found: Any, device: Any) -> int:
        found._obj.value = 25_000_000_000
        return 0

    def cuDeviceGetAttribute(self, found: Any, attribute: int, device: Any) -> int:
        found._obj.value = {75: 8, 76: 9}[attribute]
        return 0


def test_a_card_is_described_by_its_driver() -> None:
    card = find_card(lambda _: FakeDriver())
    assert card == Card("NVIDIA GeForce RTX 4090", (8, 9), 25_000_000_000, 13000)
    assert card.kind == "NVIDIA GeForce RTX 4090 8.9"


def test_machines_without_a_usable_card_say_why() -> None:
    def none(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file")

    for load, code in (
        (none, "gpu_no_driver"),
        (lambda _: FakeDriver(version=11040), "gpu_old_driver"),
        (lambda _: FakeDriver(cards=0), "gpu_none"),
        (lambda _: FakeDriver(start=100), "gpu_driver"),
    ):
        with pytest.raises(EngineError) as told:
            find_card(load)
        assert told.value.code == code
    with pytest.raises(EngineError, match=r"knows CUDA 11\.4.*CUDA 12\.0"):
        find_card(lambda _: FakeDriver(version=11040))


def test_this_machine_has_a_card_or_says_why_not() -> None:
    try:
        assert find_card().memory_bytes > 0
    except EngineError as error:
        assert error.code.startswith("gpu_") and error.remedy


def test_a_library_that_is_not_there_is_named() -> None:
    with pytest.raises(EngineError, match="tensorrt-rtx, tensorrt"):
        import_library("tensorflow")

    def missing(name: str) -> Any:
        raise ImportError(name)

    with pytest.raises(EngineError, match="pip install tensorrt-rtx-cu13"):
        import_library(load=missing)
    with pytest.raises(EngineError, match="pip install tensorrt`"):
        import_library("tensorrt", missing)

    def broken(name: str) -> Any:
        raise OSError("libnvinfer.so.10: cannot open shared object file")

    with pytest.raises(EngineError, match="libnvinfer"):
        import_library("tensorrt", broken)


@pytest.mark.parametrize("size", SIZES.values(), ids=lambda size: size.name)
def test_profiles_leave_only_counts_free(size: RendererSize) -> None:
    profiles = profiles_of(f"renderer_{size.name}_denoiser")
    profile = profiles["eye"]
    height, width = size.eye_px[0] // 8, size.eye_px[1] // 8
    assert profile.fixed["latents"] == (-1, -1, 16, height, width)
    assert profile.fixed["shade"] == (-1, 3) and profile.fixed["known"] == (-1, -1)
    for name, usual in profile.usual.items():
        assert all(a <= b <= c for a, b, c in zip(profile.least[name], usual, profile.most[name], strict=True))
    assert profile.as_text() != profiles["mouth"].as_text()
    frames = profile.most["latents"][1]
    assert frames > MOST_NEW_FRAMES, "a stream that begins anew is led by one frame more"
    RenderingSettings(overlap_frames=profile.most["known"][1])
    with pytest.raises(ValueError, match="overlap"):
        RenderingSettings(overlap_frames=profile.most["known"][1] + 1)


def test_a_profile_admits_what_lies_between_its_ends() -> None:
    profile = profiles_of("listener")["voice"]
    for shapes in (profile.least, profile.usual, profile.most):
        assert profile.admits(shapes)
    assert not profile.admits({**profile.usual, "features": (65, 4, 41)})
    assert not profile.admits({**profile.usual, "features": (1, 8, 41)})
    assert not profile.admits({"features": (1, 4, 41)})
    mouth, eye = profiles_of("renderer_compact_stem").values()
    assert not mouth.admits(eye.usual)


def test_profiles_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        WindowCounts(1, 0, 1)
    with pytest.raises(KeyError):
        profiles_of("face_mesh")
    one = WindowCounts(1, 4, 2)
    profile = profiles_of("renderer_base_decoder", WindowRange(one, one, one))["mouth"]
    assert -1 not in profile.fixed["maps"] and profile.fixed["maps"][2:] == BASE.mouth_px


def test_every_network_of_the_renderer_and_the_listener_has_profiles() -> None:
    names = [f"renderer_{size}_{part}" for size in SIZES for part in PARTS]
    assert all(map(has_profiles, ["listener", *names])) and not has_profiles("face_mesh")


def test_plans_are_of_the_graph_and_of_the_library(tmp_path: Path) -> None:
    graph = tmp_path / "renderer_compact_stem.onnx"
    graph.write_bytes(b"one")
    library = Library("tensorrt-rtx", SimpleNamespace(__version__="1.7"))
    plans = engine_plans(graph, library)
    assert [plan.key.name for plan in plans] == ["renderer_compact_stem-mouth", "renderer_compact_stem-eye"]
    assert len({plan.key.digest for plan in plans}) == 2 and plans[0].key.cards.startswith("portable:SM80,")
    graph.write_bytes(b"other")
    assert engine_plans(graph, library)[0].key != plans[0].key
    with pytest.raises(ValueError, match="fp4"):
        engine_plans(graph, library, "fp4")


def test_engines_of_one_card_need_it_when_they_are_planned() -> None:
    library = Library("tensorrt", SimpleNamespace(__version__="10.13"))
    assert library.cards(lambda: find_card(lambda _: FakeDriver())) == "NVIDIA GeForce RTX 4090 8.9"
    with pytest.raises(EngineError, match="no NVIDIA driver"):
        library.cards(lambda: find_card(lambda name: ctypes.CDLL(f"no-{name}")))
