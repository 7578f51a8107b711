"""The matte of drawn pictures is what the person covers, moves with them, and leaves their colours clean."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from diffusion_fakes import GALLERY, FakeNetworks, motions, the_driven_photo
from visavis_models.avatar import Avatar
from visavis_models.diffusion.renderer import DiffusionRenderer
from visavis_models.matte import Matte, person_alone
from visavis_models.motion import MotionWindow
from visavis_models.portrait.storage import load_avatar
from visavis_models.rendering import MattingRenderer
from visavis_models.warp import WarpRenderer
from visavis_models.warp.renderer import WarpState, draw_frame, pose

pytestmark = pytest.mark.weights
Pixels = NDArray[np.uint8]
MOVED: tuple[dict[str, float], ...] = (
    {},
    {"yaw": 0.25, "sway_x": 1.0, "jawOpen": 0.5},
    {"roll": -0.2, "pitch": 0.15, "breath": 1.0, "shoulder_left": 1.0},
)
GREEN = (0, 255, 0)


@cache
def portrait(name: str) -> Avatar:
    return load_avatar(GALLERY / name)


@cache
def warp() -> WarpRenderer:
    return WarpRenderer()


def drawn(name: str, window: MotionWindow) -> tuple[WarpState, Pixels, Pixels]:
    """State, pictures and covers."""
    state = warp().open(portrait(name), 512)
    cover = np.full((len(window), *warp().plate(state).shape[:2]), 77, np.uint8)
    [pictures] = warp().render_with_mattes([state], [window], [cover])
    return state, pictures, cover


def over(state: WarpState, window: MotionWindow, colour: tuple[int, int, int]) -> tuple[Pixels, Pixels]:
    """The same person drawn over a plate of one colour, and that plate."""
    plate = np.broadcast_to(np.array(colour, np.uint8), state.still.avatar.plate.shape).copy()
    still = replace(state.still, avatar=replace(state.still.avatar, plate=plate))
    posed, frames = pose(still, window), np.empty((len(window), *plate.shape), np.uint8)
    for t in range(len(window)):
        draw_frame(still, posed, t, frames[t])
    return frames, plate


@pytest.mark.parametrize("name", ["astronaut", "elena", "amara"])
def test_the_matte_is_what_black_and_white_backgrounds_say(name: str) -> None:
    window = motions(*MOVED)
    state, _, cover = drawn(name, window)
    black, white = (over(state, window, (level, level, level))[0].astype(int) for level in (0, 255))
    shines_through = (white - black).mean(-1)
    assert np.abs(cover - (255 - shines_through)).max() <= 2
    shares = [(cover == 0).mean(), (cover == 255).mean()]
    assert min(shares) > 0.15 and sum(shares) < 0.995, "there is a background, a person and a soft edge"


def test_the_matte_turns_and_sways_with_the_person() -> None:
    rest, turned, swayed = drawn("elena", motions({}, {"x": 0.2}, {"sway_x": 1.0}))[2].astype(float)
    head, chest = slice(0, 250), slice(400, 512)

    def middle(cover: NDArray[np.floating], rows: slice) -> float:
        return float((cover[rows].sum(0) * np.arange(cover.shape[1])).sum() / cover[rows].sum())

    face_px = warp().open(portrait("elena"), 512).still.avatar.face_width_px
    assert middle(turned, head) - middle(rest, head) == pytest.approx(0.2 * face_px, rel=0.15)
    assert middle(swayed, chest) - middle(rest, chest) > 1.0
    photo = warp().open(portrait("elena"), 512).still.avatar.matte
    assert np.abs(rest - photo).mean() < 2.0, "at rest it is the photo's"


def test_pictures_are_the_same_with_and_without_mattes() -> None:
    window, other = motions(*MOVED), motions({"yaw": -0.2})
    states = [warp().open(portrait(name), 384) for name in ("elena", "astronaut")]
    plain = warp().render(states, [window, other])
    cover = np.zeros(plain[1].shape[:3], np.uint8)
    both = warp().render_with_mattes(states, [window, other], [None, cover])
    assert all(np.array_equal(a, b) for a, b in zip(plain, both, strict=True))
    assert cover.any()


def test_diffusion_knows_the_same_matte_as_warp_under_what_it_lays_over() -> None:
    window = motions(*MOVED)
    renderer = DiffusionRenderer(FakeNetworks(the_driven_photo))
    assert isinstance(renderer, MattingRenderer) and isinstance(warp(), MattingRenderer)
    state = renderer.open(portrait("elena"), 512)
    _, _, expected = drawn("elena", window)
    cover = np.zeros_like(expected)
    [made] = renderer.render_with_mattes([state], [window], [cover])
    assert np.array_equal(cover, expected)
    assert np.array_equal(made, renderer.render([renderer.open(portrait("elena"), 512)], [window])[0])
    assert renderer.plate(state).shape == made.shape[1:]


@pytest.mark.parametrize("name", ["astronaut", "elena", "amara"])
def test_the_person_alone_has_none_of_the_background_and_gives_the_picture_back(name: str) -> None:
    window = motions(*MOVED)
    state, _, covers = drawn(name, window)
    greens, plate = over(state, window, GREEN)
    for green, cover in zip(greens, covers, strict=True):
        alone = person_alone(green, Matte(cover, plate)).astype(int)
        share = cover[..., None] / 255
        again = share * alone + (1 - share) * plate
        assert np.abs(again - green).mean() < 0.1 and np.percentile(np.abs(again - green), 99.9) < 6
        greenish = alone[..., 1] - np.maximum(alone[..., 0], alone[..., 2])
        inside = greenish[cover == 255]
        assert np.percentile(greenish, 99.9) <= max(np.percentile(inside, 99.9), 0) + 4, "no spill of the background"


def test_colours_go_on_beyond_the_outline_and_odd_sizes_are_taken() -> None:
    picture = np.zeros((37, 51, 3), np.uint8)
    cover = np.zeros((37, 51), np.uint8)
    picture[10:20, 10:30] = (200, 30, 40)
    cover[10:20, 10:30] = 255
    alone = person_alone(picture, Matte(cover, np.zeros_like(picture)))
    assert np.abs(alone.astype(int) - (200, 30, 40)).max() <= 2
    nobody = person_alone(picture, Matte(np.zeros_like(cover), picture))
    assert nobody.shape == picture.shape
