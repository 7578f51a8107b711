"""Pictures that went wrong: each kind is refused, none is shown, and the stream is back within a second."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from diffusion_fakes import GALLERY, FakeNetworks, motions, the_driven_photo
from visavis_models.avatar import Avatar
from visavis_models.diffusion.guard import REASONS, CropFacts, GuardLimits, measured, refusal
from visavis_models.diffusion.maps import MAPS
from visavis_models.diffusion.renderer import DiffusionRenderer, DiffusionState
from visavis_models.diffusion.settings import RenderingSettings
from visavis_models.errors import EngineError
from visavis_models.portrait.storage import load_avatar

pytestmark = pytest.mark.weights
Floats = NDArray[np.float32]
WINDOW, SECOND = 4, 25
SETTINGS = RenderingSettings(new_frames=WINDOW, cross_fade_frames=6, still_below=0)


@cache
def samuel() -> Avatar:
    return load_avatar(GALLERY / "samuel")


def rouged(maps: Floats) -> Floats:
    """The driven photo with some colour: what networks make is seen beside what `warp` draws."""
    made = the_driven_photo(maps)
    made[:, 0] += 0.1
    return made


def _blurred(made: Floats) -> Floats:
    rows = [cv2.GaussianBlur(np.ascontiguousarray(crop[:3].transpose(1, 2, 0)), (0, 0), 5) for crop in made]
    return np.concatenate([np.stack(rows).transpose(0, 3, 1, 2), made[:, 3:]], 1).astype(np.float32)


def _noisy(made: Floats) -> Floats:
    dice = np.random.default_rng(1)
    made[:, :3] += dice.normal(0, 0.15, made[:, :3].shape).astype(np.float32)
    return made


def _not_finite(made: Floats) -> Floats:
    made[:, 1, 40:44, 50:60] = np.nan
    return made


def _burnt(made: Floats) -> Floats:
    made[:, :3, 60:74] = 1.0
    return made


def _green(made: Floats) -> Floats:
    made[:, 1] += 0.4
    return made


def _patchy(made: Floats) -> Floats:
    made[:, :3, :, :64] += 0.5
    made[:, :3, :, 64:] -= 0.5
    return made


SPOILT: dict[str, Callable[[Floats], Floats]] = {
    "broken": _not_finite, "burnt": _burnt, "colour": _green, "blurred": _blurred, "noisy": _noisy, "jump": _patchy,
}  # fmt: skip


def play(
    renderer: DiffusionRenderer, state: DiffusionState, windows: int, first: int = 0, jaw: float = 0.15
) -> NDArray[np.uint8]:
    shown = []
    for k in range(first, first + windows):
        rows = [{"jawOpen": jaw + 0.05 * float(np.sin(0.3 * (WINDOW * k + t)))} for t in range(WINDOW)]
        shown.append(renderer.render([state], [motions(*rows, first_frame=WINDOW * k)])[0])
    return np.concatenate(shown)


@cache
def calm() -> NDArray[np.uint8]:
    """Twelve windows in which nothing goes wrong."""
    renderer = DiffusionRenderer(FakeNetworks(rouged), SETTINGS)
    shown = play(renderer, renderer.open(samuel(), 384), 12)
    assert sum(renderer.counts.fallback.values()) + sum(renderer.counts.reanchored.values()) == 0
    return shown


def worst(shown: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How far the mouth of each frame is from the calm one, in grey levels."""
    apart = np.abs(shown.astype(np.float32) - calm()[: len(shown)]).mean(-1)
    return np.asarray(np.percentile(apart[:, 150:250, 110:250].reshape(len(shown), -1), 99.5, axis=1))


@pytest.mark.parametrize("reason", SPOILT)
def test_a_window_that_went_wrong_is_not_shown_and_the_next_second_is_well(reason: str) -> None:
    networks = FakeNetworks(rouged)
    renderer = DiffusionRenderer(networks, SETTINGS)
    state = renderer.open(samuel(), 384)
    before = play(renderer, state, 3)
    networks.spoil = SPOILT[reason]
    during = play(renderer, state, 1, 3)
    networks.spoil = None
    after = play(renderer, state, 8, 4)
    assert renderer.counts.fallback[reason] == 1, renderer.counts
    far = worst(np.concatenate([before, during, after]))
    assert far[:12].max() == 0
    assert far.max() < 25, "never further away than warp is"
    assert far[12 + SECOND :].max() == 0, "within a second all is as if nothing had happened"
    steps = np.abs(np.diff(far))
    assert steps.max() < 14, "eased, not cut"


@pytest.mark.parametrize("reason", [reason for reason in SPOILT if reason != "jump"])  # it does so only once
def test_networks_that_stay_broken_leave_the_picture_to_warp(reason: str) -> None:
    networks = FakeNetworks(rouged)
    renderer = DiffusionRenderer(networks, SETTINGS)
    state = renderer.open(samuel(), 384)
    play(renderer, state, 1)
    networks.spoil = SPOILT[reason]
    play(renderer, state, 9, 1)
    asked, refused = len(networks.maps), sum(renderer.counts.fallback.values())
    assert asked < 9, "they rest in between"
    assert refused == 9
    networks.spoil = None
    tail = play(renderer, state, 8, 10)
    lasting = DiffusionRenderer(FakeNetworks(rouged), SETTINGS)
    well = play(lasting, lasting.open(samuel(), 384), 18)[40 + SECOND :]
    assert np.array_equal(tail[SECOND:], well), "a second after the networks are well again, so is the picture"


def test_a_stream_that_drifts_begins_anew_before_anybody_sees() -> None:
    networks = FakeNetworks(rouged, drift=0.012)
    renderer = DiffusionRenderer(networks, SETTINGS)
    state = renderer.open(samuel(), 384)
    shown = play(renderer, state, 30)
    assert renderer.counts.reanchored["colour"] >= 3 and sum(renderer.counts.fallback.values()) == 0
    mouth = shown[:, 185:215, 160:200].astype(np.float32).mean((1, 2, 3))
    assert np.ptp(mouth) < 40 and np.abs(np.diff(mouth)).max() < 8, "brightness goes up slowly and comes down slowly"


def test_corrupt_memory_is_forgotten() -> None:
    networks = FakeNetworks(rouged)
    renderer = DiffusionRenderer(networks, SETTINGS)
    state = renderer.open(samuel(), 384)
    before = play(renderer, state, 3)
    for _, latents, _ in state.regions["mouth"].latents:
        latents[:] = np.nan
    after = play(renderer, state, 9, 3)
    assert renderer.counts.reanchored["broken"] == 1 and sum(renderer.counts.fallback.values()) == 0
    assert worst(np.concatenate([before, after])).max() < 2, "the portrait alone gives the same picture"


def test_an_engine_that_fails_leaves_the_picture_to_warp_and_may_come_back() -> None:
    networks = FakeNetworks(rouged)
    renderer = DiffusionRenderer(networks, SETTINGS)
    state = renderer.open(samuel(), 384)
    networks.raises = EngineError("engine_run", "It broke.", "Mend it.")
    first = play(renderer, state, 1)
    networks.raises = None
    play(renderer, state, 7, 1)
    assert renderer.counts.fallback["engine"] == 1 and renderer.counts.fallback.keys() == set(REASONS)
    assert worst(first).max() > 4, "warp"
    assert np.array_equal(play(renderer, state, 1, 8), calm()[32:36])


def test_a_photo_that_no_engine_can_read_is_left_to_warp() -> None:
    class Blind(FakeNetworks):
        def appearance(self, reference: Floats) -> Floats:
            raise EngineError("engine_run", "It broke.", "Mend it.")

    networks = Blind(rouged)
    renderer = DiffusionRenderer(networks, SETTINGS)
    state = renderer.open(samuel(), 384)
    assert "It broke" in state.likeness.left_to_warp["mouth"]
    assert play(renderer, state, 2).shape[0] == 8 and not networks.maps


def test_one_sessions_trouble_is_its_own() -> None:
    networks = FakeNetworks(rouged)
    renderer = DiffusionRenderer(networks, SETTINGS)
    well, ill = (renderer.open(samuel(), 384) for _ in range(2))

    def both(window: int) -> NDArray[np.uint8]:
        rows = [{"jawOpen": 0.15 + 0.05 * float(np.sin(0.3 * (WINDOW * window + t)))} for t in range(WINDOW)]
        frames = motions(*rows, first_frame=WINDOW * window)
        return renderer.render([well, ill], [frames, frames])[0]

    def second_half(made: Floats) -> Floats:
        made[WINDOW : 2 * WINDOW, 1, 50, 60] = np.nan
        return made

    shown = [both(0)]
    networks.spoil = second_half
    shown += [both(1), both(2)]
    assert renderer.counts.fallback["broken"] == 2
    assert np.array_equal(np.concatenate(shown), calm()[:12])


def facts(**values: float) -> CropFacts:
    told = {"burnt": 0.0, "colour": 0.0, "detail": 1.0, "jump": 0.0, **values}
    return CropFacts(sound=True, **told)


def test_limits_are_what_they_say() -> None:
    limits = GuardLimits()
    assert refusal(facts(), 0.0, limits) is None
    assert refusal(facts(jump=limits.jump + 0.01), 0.0, limits) == "jump"
    assert refusal(facts(jump=limits.jump + 0.01), 1.0, limits) is None, "a face that moves changes"
    assert refusal(facts(jump=limits.most_jump + 0.01), 100.0, limits) == "jump"
    assert refusal(facts(detail=limits.least_detail - 0.01), 0.0, limits) == "blurred"
    assert refusal(facts(detail=limits.most_detail + 0.01), 0.0, limits) == "noisy"


def test_little_skin_tells_nothing() -> None:
    maps = np.zeros((MAPS["lid_motion"].stop, 48, 64), np.float32)
    made = np.zeros((4, 48, 64), np.float32)
    made[3, 10:12, 10:12] = 1.0
    found = measured(made, maps)
    assert found == CropFacts(True, 0.0, 0.0, 1.0, 0.0)


def test_a_mouth_that_opens_is_no_jump() -> None:
    renderer = DiffusionRenderer(FakeNetworks(), SETTINGS)
    state = renderer.open(samuel(), 384)
    for k in range(6):
        rows = [{"jawOpen": 0.7 * ((WINDOW * k + t) % 2), "mouthPucker": 0.3 * (t % 3)} for t in range(WINDOW)]
        renderer.render([state], [motions(*rows, first_frame=WINDOW * k)])
    assert sum(renderer.counts.fallback.values()) + sum(renderer.counts.reanchored.values()) == 0
