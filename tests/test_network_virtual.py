"""The server's sending on bad networks in virtual time: the same on every machine, however busy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from network_figures import figures, recovery_s  # noqa: E402
from network_link import Conditions, Link  # noqa: E402
from network_virtual import VirtualCall, play, run  # noqa: E402

pytestmark = pytest.mark.unit

SECONDS = 14.0


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    """Two seconds of a moving pattern with grain, which takes all bits that it may."""
    dice, across = np.random.default_rng(1), np.arange(320)
    grain = dice.integers(-9, 10, (320, 320, 1))
    shown = []
    for k in range(50):
        wave = 110 + 60 * np.sin(2 * np.pi * (across[None] + 5 * k) / 160) * np.cos(2 * np.pi * across[:, None] / 90)
        shown.append(np.clip(np.repeat(wave[:, :, None] + np.roll(grain, k, 0), 3, axis=2), 0, 255).astype(np.uint8))
    return shown


def call(
    pictures: list[NDArray[np.uint8]],
    down: dict[str, Any],
    up: dict[str, Any],
    on_tick: Callable[[float, Link, Link], None] = lambda *_: None,
) -> tuple[VirtualCall, dict[str, Any]]:
    links = Link(Conditions(**down), 7), Link(Conditions(**up), 8)
    voice = np.random.default_rng(2).integers(-3000, 3000, 48_000).astype(np.int16)
    called = run(lambda: play(pictures, voice, SECONDS, *links, lambda at_s: on_tick(at_s, *links)))
    return called, figures(called.readings(), down.get("delay_ms", 0.0) + down.get("jitter_ms", 0.0))


def test_a_good_link_is_used_and_shows_every_picture(pictures: list[NDArray[np.uint8]]) -> None:
    called, found = call(pictures, {"delay_ms": 20}, {"delay_ms": 20})
    assert (found["verdict"], found["freezes"]) == ("well", 0)
    assert found["fps_p5"] >= 23
    assert called.targets_bps[-1] > 3 * called.targets_bps[25]


def test_a_narrow_link_is_followed_without_a_growing_queue(pictures: list[NDArray[np.uint8]]) -> None:
    called, found = call(pictures, {"delay_ms": 20, "rate_bps": 200_000}, {"delay_ms": 20})
    assert found["verdict"] == "well" and found["fps"] >= 23
    assert found["lag_ms"] < 250
    assert called.down.overflowed < 0.05 * called.down.passed


def test_jitter_alone_is_not_taken_for_a_full_link(pictures: list[NDArray[np.uint8]]) -> None:
    network = {"delay_ms": 20, "jitter_ms": 100}
    called, found = call(pictures, network, network)
    assert (found["verdict"], found["freezes"]) == ("well", 0)
    assert called.targets_bps[-1] > 0.6 * called.targets_bps[25]


def test_a_long_lossy_way_gets_copies(pictures: list[NDArray[np.uint8]]) -> None:
    network = {"delay_ms": 300, "jitter_ms": 30, "loss": 0.05}
    called, found = call(pictures, network, network)
    assert called.out.copies >= 1
    assert found["verdict"] == "well" and found["fps"] >= 20


def test_after_a_second_without_network_the_picture_runs_within_two(pictures: list[NDArray[np.uint8]]) -> None:
    def cut(at_s: float, *links: Link) -> None:
        for link in links:
            link.conditions = Conditions(delay_ms=20, loss=1.0 if 7.0 <= at_s < 8.0 else 0.0)

    called, found = call(pictures, {"delay_ms": 20}, {"delay_ms": 20}, cut)
    assert found["verdict"] == "well"
    took_s = recovery_s(called.readings(), 1000 * (called.player.begun_s + 8.0), 20)
    assert took_s is not None and took_s <= 2.0


@pytest.mark.parametrize(("before_bps", "after_bps"), [(2_000_000, 400_000), (5_000_000, 300_000)])
def test_after_a_steep_step_down_the_picture_runs_within_two_seconds(
    pictures: list[NDArray[np.uint8]], before_bps: int, after_bps: int
) -> None:
    def step(at_s: float, down: Link, _: Link) -> None:
        down.conditions = Conditions(delay_ms=20, rate_bps=before_bps if at_s < 9.0 else after_bps)

    called, found = call(pictures, {"delay_ms": 20, "rate_bps": before_bps}, {"delay_ms": 20}, step)
    assert found["verdict"] == "well"
    assert called.targets_bps[25 * 9] > 1.4 * after_bps  # it was steep
    took_s = recovery_s(called.readings(), 1000 * (called.player.begun_s + 9.0), 20)
    assert took_s is not None and took_s <= 2.0


def test_the_same_call_is_the_same_again(pictures: list[NDArray[np.uint8]]) -> None:
    network = {"delay_ms": 50, "loss": 0.02, "rate_bps": 500_000}
    first, second = (call(pictures, network, {"delay_ms": 50})[0] for _ in range(2))
    assert first.targets_bps[:100] == second.targets_bps[:100]
