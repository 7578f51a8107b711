"""Which renderer draws, and how much of it a machine can have."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stage_fakes import LoudnessListener, PaintingRenderer, PaintingState, plain_avatar
from visavis_models.diffusion import engine_networks
from visavis_models.diffusion.sizes import COMPACT
from visavis_models.errors import EngineError, VisavisError
from visavis_models.motion import MotionWindow
from visavis_models.rendering import AdjustableRenderer, GuardCounts, GuardedRenderer
from visavis_models.weights import weight_file
from visavis_server.drawing_trial import busy_motion, take_affordable_way, way_costs
from visavis_server.load import StepCost, affordable
from visavis_server.metrics import Metrics
from visavis_server.settings import BadSetting, DrawingSettings
from visavis_server.studio import Studio
from visavis_server.wiring import default_renderer, renderer_choice

pytestmark = pytest.mark.unit


def test_what_ships_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_networks, "manifest", lambda: {})
    choice = renderer_choice(DrawingSettings())
    assert choice.name == "warp" and "do not ship" in choice.why
    names = engine_networks.weight_names(COMPACT)
    monkeypatch.setattr(engine_networks, "manifest", lambda: dict.fromkeys(names))
    assert renderer_choice(DrawingSettings()).name == "diffusion"
    monkeypatch.setattr(engine_networks, "manifest", lambda: dict.fromkeys(names[1:]))
    assert renderer_choice(DrawingSettings()).name == "warp", "one that lacks is all that lack"


def test_the_operator_decides(tmp_path: Path) -> None:
    assert renderer_choice(DrawingSettings(renderer="warp", networks=tmp_path)).name == "warp"
    assert renderer_choice(DrawingSettings(networks=tmp_path)).name == "diffusion"
    with pytest.raises(BadSetting, match="drawing.renderer"):
        DrawingSettings(renderer="best")
    with pytest.raises(BadSetting, match="drawing.networks"):
        DrawingSettings(networks=tmp_path / "nothing")


def test_networks_that_cannot_run_leave_it_to_warp_unless_they_are_wanted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert default_renderer(DrawingSettings(networks=tmp_path)).name == "warp"
    assert "diffusion cannot run here" in caplog.text
    with pytest.raises(VisavisError, match="renderer_compact_appearance"):
        default_renderer(DrawingSettings(renderer="diffusion", networks=tmp_path))


def test_files_of_other_networks_are_found_out_when_opened(tmp_path: Path) -> None:
    for name in engine_networks.weight_names(COMPACT):
        shutil.copy(weight_file("expression_of_landmarks"), tmp_path / f"{name}.onnx")
    with pytest.raises(EngineError, match="The network takes"):
        default_renderer(DrawingSettings(renderer="diffusion", networks=tmp_path))
    assert default_renderer(DrawingSettings(networks=tmp_path)).name == "warp"


COSTS = {"all": StepCost(4, 36), "less": StepCost(4, 12), "least": StepCost(0, 9)}


@pytest.mark.parametrize(("sessions", "way"), [(0, "all"), (1, "less"), (2, "less"), (3, "least"), (9, "least")])
def test_the_best_way_that_keeps_up_is_taken(sessions: int, way: str) -> None:
    assert affordable(COSTS, sessions) == way


class ThriftyRenderer(PaintingRenderer):
    """Has ways."""

    ways = ("all", "less", "least")
    way = "all"
    fewest_frames = 3

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[str] = []
        self.given: dict[int, str] = {}

    def take(self, way: str, state: PaintingState | None = None) -> None:
        if state is None:
            self.way = way
            self.taken.append(way)
        else:
            self.given[id(state)] = way

    def way_of(self, state: PaintingState) -> str:
        return self.given.get(id(state), self.way)


def test_every_way_is_tried_and_the_choice_is_said(caplog: pytest.LogCaptureFixture) -> None:
    renderer = ThriftyRenderer()
    assert isinstance(renderer, AdjustableRenderer) and not isinstance(renderer, GuardedRenderer)
    costs = way_costs(renderer, renderer.open(plain_avatar()))
    assert list(costs) == ["all", "less", "least"] and renderer.way == "all"
    assert all(cost.frame_ms >= 0 and cost.call_ms >= 0 for cost in costs.values())
    with caplog.at_level(logging.INFO):
        assert take_affordable_way(renderer, COSTS, 2) == COSTS["less"]
        assert renderer.way == "less" and "drawing differently" in caplog.text
        take_affordable_way(renderer, COSTS, 2)
    assert caplog.text.count("drawing differently") == 1


def test_the_trial_talks_and_blinks() -> None:
    renderer = PaintingRenderer()
    assert list(way_costs(renderer, renderer.open(plain_avatar()))) == [""]
    window = busy_motion(25)
    assert np.ptp(window.face, 0).max() > 0.2 and (np.ptp(window.face, 0) > 0.2).sum() == 3


class SlowMouths(ThriftyRenderer):
    """Its best way is far too slow."""

    def render(self, states: Sequence[PaintingState], windows: Sequence[MotionWindow]) -> list[NDArray[np.uint8]]:
        import time

        slow = (len(window) for state, window in zip(states, windows, strict=True) if self.way_of(state) == "all")
        time.sleep(0.05 * sum(slow))
        return super().render(states, windows)


async def test_a_studio_measures_before_its_first_session() -> None:
    renderer = SlowMouths()
    stage = Studio(renderer, LoudnessListener)
    assert stage.guard_counts is None
    try:
        await stage.warm_up(plain_avatar())
        tried = len(renderer.taken)
        first = await stage.open_session(plain_avatar())
        assert len(renderer.taken) == tried, "once is enough"
        assert first.frames_per_step == 3, "one would do for speed"
        assert renderer.way_of(first.performance.state) == "less"
        steering = stage._steering
        assert steering is not None
        steering.tell_costs(COSTS)
        second, third = [await stage.open_session(plain_avatar()) for _ in range(2)]
        assert [renderer.way_of(s.performance.state) for s in (first, second, third)] == ["least"] * 3
        await third.aclose()
        await second.aclose()
        await stage._errand(lambda: None)
        assert renderer.way_of(first.performance.state) == "less", "one who leaves gives the others room"
        steering.tell_costs(dict.fromkeys(COSTS, StepCost(0, 100)))
        await first.aclose()
        await stage._errand(lambda: None)
        assert steering.costs["less"].frame_ms < 50, "tried again once nobody is there"
        assert stage._states == {} and stage._waiting.held == {}
    finally:
        await stage.aclose()


def test_what_the_guard_did_is_counted() -> None:
    metrics, counts = Metrics(1), GuardCounts(4, {"colour": 0, "jump": 1}, {"colour": 2, "jump": 0})
    metrics.guard(counts)
    counts.reanchored["jump"] += 2
    metrics.guard(counts)
    text = metrics.text().decode()
    assert 'visavis_renderer_reanchored_total{reason="jump"} 3.0' in text
    assert 'visavis_renderer_reanchored_total{reason="colour"} 0.0' in text
    assert 'visavis_renderer_fallback_total{reason="colour"} 2.0' in text
