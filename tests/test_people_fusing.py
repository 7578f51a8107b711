"""Functions of the people factory that are fused on GPUs, and random numbers that are drawn in one launch.

The same numbers either way, one compilation for all lengths, and what cannot be compiled still runs.
"""

from __future__ import annotations

import logging
import shutil
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")
if shutil.which("g++") is None:
    pytest.skip("the CPU's kernels are made by g++", allow_module_level=True)

from visavis_training.people import fabrics, fusing, scenery  # noqa: E402
from visavis_training.people.chance import Chance, noise  # noqa: E402
from visavis_training.people.fusing import fuse, fused, fusing_failures, fusing_seconds, left_as_written  # noqa: E402
from visavis_training.people.worn_shading import noise_tile  # noqa: E402

pytestmark = pytest.mark.unit
MASK = (1 << 64) - 1


@pytest.fixture(autouse=True)
def as_written() -> Iterator[None]:
    yield
    fuse(None)
    fusing._state.failed.clear()
    fusing._state.seconds.clear()
    fusing._state.left.clear()


def boxes(pictures: int) -> tuple[Any, ...]:
    drawn = torch.Generator().manual_seed(pictures)
    y, x = torch.meshgrid(torch.linspace(0, 1, 24), torch.linspace(0, 1, 24), indexing="ij")
    return torch.rand(pictures, 24, 24, 3, generator=drawn), x, y, torch.rand(pictures, 5, 8, generator=drawn)


def test_nothing_is_compiled_on_the_cpu_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("compiled")

    monkeypatch.setattr(torch, "compile", refuse)
    assert scenery._boxes_over(*boxes(2)).shape == (2, 24, 24, 3)
    assert not fusing_seconds() and not fusing_failures()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own
def test_compiled_code_gives_the_same_pictures_for_any_number_of_people() -> None:
    given = {count: boxes(count) for count in (3, 5, 2)}
    written = {count: scenery._boxes_over(*arguments) for count, arguments in given.items()}
    fuse(True)
    torch._dynamo.utils.counters.clear()
    for count, arguments in given.items():
        torch.testing.assert_close(scenery._boxes_over(*arguments), written[count], atol=1e-6, rtol=1e-5)
    assert not fusing_failures()
    assert list(fusing_seconds()) == ["scenery._boxes_over"]
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


def test_what_cannot_be_compiled_runs_as_written_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    @fused
    def bright(values: Any) -> Any:
        torch._dynamo.graph_break()  # stands for what cannot be traced
        return values + 1.75

    fuse(True, "eager")
    values = torch.tensor([0.25, 0.75, 1.0])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert torch.equal(bright(values), values + 1.75)
    assert len([r for r in caplog.records if "stays slow" in r.message]) == 1
    assert len(fusing_failures()) == 1


def test_what_is_known_not_to_compile_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("compiled")

    monkeypatch.setattr(torch, "compile", refuse)
    fuse(True, without=["scenery._boxes_over", "scenery._discs_over"])
    assert scenery._boxes_over(*boxes(2)).shape == (2, 24, 24, 3)
    assert left_as_written() == {"scenery._boxes_over"}
    assert not fusing_seconds() and not fusing_failures()


def test_cloth_reads_its_noise_as_compilers_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """On CUDA bilinear reading with aligned corners and zeros around goes to cuDNN, which cannot be traced."""
    asked: list[dict[str, Any]] = []
    sample = torch.nn.functional.grid_sample

    def noted(*given: Any, **named: Any) -> Any:
        asked.append(named)
        return sample(*given, **named)

    monkeypatch.setattr(torch.nn.functional, "grid_sample", noted)
    tile = noise_tile("cpu")
    place = torch.tensor([[0.0, 0.0], [63.999996, 63.5], [-0.25, 64.0], [31.5, -1e-7]])
    found = fabrics._noise(tile, place)
    assert asked and all(named.get("padding_mode", "zeros") != "zeros" for named in asked)
    base = place.floor()
    part = place - base
    grid = torch.remainder(base + part * part * (3 - 2 * part), 64) / 32 - 1
    torch.testing.assert_close(found, sample(tile, grid[None, None], align_corners=True)[0, 0, 0])


def test_what_needs_gradients_is_left_alone() -> None:
    fuse(True, "eager")
    wall, *others = boxes(2)
    wall.requires_grad_()
    scenery._boxes_over(wall, *others).sum().backward()
    assert wall.grad is not None and wall.grad.abs().sum() > 0
    assert not fusing_seconds()


def mixed(value: int) -> int:
    """splitmix64, in whole numbers."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def test_numbers_follow_from_seed_and_purpose_as_they_always_did() -> None:
    seeds = [0, 5, -3, (1 << 62) + 17]
    found = Chance(torch.tensor(seeds)).uniform("teeth", -1.0, 3.0, 4)
    for row, seed in enumerate(seeds):
        for number in range(4):
            value = mixed(mixed(seed & MASK) ^ mixed((number + (zlib.crc32(b"teeth") << 20)) & MASK))
            assert float(found[row, number]) == pytest.approx(-1 + 4 * ((value >> 20) & 0xFFFFFF) / 0xFFFFFF, abs=1e-6)


def test_many_purposes_at_once_are_those_purposes_one_by_one() -> None:
    chance, purposes = Chance(torch.arange(7) * 1_000_003), ("nose", "chin", "l-ear")
    single = torch.stack([chance.uniform(p, 2.0, 5.0) for p in purposes], 1)
    assert torch.equal(chance.uniforms(purposes, 2.0, 5.0), single)
    assert torch.equal(chance.normals(purposes), torch.stack([chance.normal(p) for p in purposes], 1))


def test_gaussian_numbers_are_the_uniform_ones_bent() -> None:
    chance = Chance(torch.arange(4000))
    share = chance.uniform("height", 1e-4, 1 - 1e-4).double()
    expected = (torch.erfinv(2 * share - 1) * 2**0.5).clamp(-2.5, 2.5)
    found = chance.normal("height").double()
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)
    assert float(found.abs().max()) == 2.5


def test_each_person_sees_the_same_noise_turned_without_stretching() -> None:
    chance = Chance(torch.arange(6))
    near = torch.randn(1, 500, 3, generator=torch.Generator().manual_seed(2))
    way = 1e-2 * torch.nn.functional.normalize(torch.randn(1, 500, 3), dim=-1)
    slope = (noise(chance, "veins", near + way, 3.0) - noise(chance, "veins", near, 3.0)) / 1e-2
    steep = slope.square().mean(1).sqrt()
    assert float(steep.max() / steep.min()) < 1.4
    apart = noise(chance, "veins", near, 3.0)
    assert float(torch.corrcoef(apart).fill_diagonal_(0).abs().max()) < 0.2


def test_places_that_are_none_read_nothing_outside_the_noise() -> None:
    chance = Chance(torch.tensor([3, 4]))
    points = torch.rand(1, 6, 3, generator=torch.Generator().manual_seed(0))
    expected = noise(chance, "grain", points, 2.0, 2)
    points = torch.cat(
        [points, torch.tensor([[[float("nan"), 0.0, 0.0], [float("inf"), 1.0, 1.0], [1e30, 0.0, 0.0]]])], 1
    )
    found = noise(chance, "grain", points, 2.0, 2)
    assert torch.equal(found[:, :6], expected)
    assert found.shape == (2, 9)
