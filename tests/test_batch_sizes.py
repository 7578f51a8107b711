"""Batches of sizes that were prepared beforehand."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from diffusion_fakes import GALLERY, FakeNetworks, Floats, motions
from visavis_models.avatar import Avatar
from visavis_models.diffusion.batch_sizes import OTHER_LENGTHS, BatchSizes, run_once
from visavis_models.diffusion.renderer import DiffusionRenderer
from visavis_models.diffusion.window_networks import Features
from visavis_models.errors import EngineError
from visavis_models.portrait.storage import load_avatar

pytestmark = pytest.mark.weights
TALK: tuple[dict[str, float], ...] = ({}, {"jawOpen": 0.4, "yaw": 0.2}, {"mouthPucker": 0.7, "eyeBlink": 1.0})


@cache
def portrait(name: str) -> Avatar:
    return load_avatar(GALLERY / name)


@pytest.mark.parametrize(
    ("windows", "frames", "parts"),
    [
        (1, 4, [1]),
        (3, 4, [4]),
        (5, 2, [8]),
        (64, 4, [64]),
        (65, 4, [64, 1]),
        (40, 8, [32, 8]),
        (3, 5, [2, 1]),
        (0, 4, []),
    ],
)
def test_batches_have_sizes_of_the_set(windows: int, frames: int, parts: list[int]) -> None:
    sizes = BatchSizes()
    assert sizes.parts(windows, frames) == parts
    assert sum(parts) >= windows and all(size * frames <= sizes.most_frames for size in parts)


class Card(FakeNetworks):
    """Has memory for so many crops; remembers the shapes that it was asked."""

    def __init__(self, most_crops: int = 10_000) -> None:
        super().__init__()
        self.most_crops = most_crops
        self.shapes: list[tuple[int, ...]] = []

    def stem(self, maps: Floats) -> Features:
        if len(maps) > self.most_crops:
            raise EngineError("gpu_memory", "no memory left", "close other programs")
        self.shapes.append(maps.shape)
        return super().stem(maps)


def test_all_that_may_come_is_recorded_and_nothing_else_comes() -> None:
    networks, sizes = Card(), BatchSizes(sizes=(1, 2, 4), most_frames=32)
    sizes.record(networks, 4)
    recorded = set(networks.shapes)
    assert {shape[2] for shape in recorded} == {96, 48}, "mouths and eyes"
    networks.shapes.clear()
    networks.told.clear()
    renderer = DiffusionRenderer(networks, batches=sizes)
    elena = portrait("elena")
    states = [renderer.open(elena, 256) for _ in range(5)]
    for first in range(0, 24, 4):
        rows = [{"jawOpen": 0.1 * ((first + k) % 5), "eyeBlink": 0.8} for k in range(4)]
        renderer.render(states, [motions(*rows, first_frame=first)] * 5)
    assert len(networks.shapes) >= 12 and set(networks.shapes) <= recorded
    assert {len(told.motion) for told in networks.told} == {1, 4, 2}, "five mouths: four and one; ten eyes: 4, 4, 2"


def test_padding_changes_no_picture() -> None:
    pictures = []
    for batches in (None, BatchSizes()):
        renderer = DiffusionRenderer(FakeNetworks(drift=0.01), batches=batches)
        states = [renderer.open(portrait(name), 256) for name in ("elena", "astronaut", "elena")]
        pictures.append(renderer.render(states, [motions(*TALK)] * 3))
    for plain, padded in zip(*pictures, strict=True):
        assert np.array_equal(plain, padded)


def test_a_card_with_less_memory_has_smaller_batches() -> None:
    networks, sizes = Card(most_crops=100), BatchSizes()
    sizes.record(networks, 4)
    assert sizes.most_frames == 64 and sizes.parts(40, 8) == [8] * 5
    assert max(shape[0] for shape in networks.shapes) <= 64
    assert max(size for size in sizes.parts(64, 2)) == 32
    with pytest.raises(EngineError):
        BatchSizes().record(Card(most_crops=1), 4)


def test_rare_lengths_go_in_small_batches() -> None:
    assert all(BatchSizes().fitting(frames) == (1, 2) for frames in OTHER_LENGTHS)


def test_a_batch_of_nothing_runs_through_real_shapes() -> None:
    networks = Card()
    run_once(networks, (48, 64), 3, 2, 4)
    assert networks.shapes[0][0] == 6 and networks.told[0].shown.shape[:2] == (3, 4)
