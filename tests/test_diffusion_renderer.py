"""The diffusion renderer on portraits that ship, with networks that paint facts."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from diffusion_fakes import GALLERY, FakeNetworks, motions, the_driven_photo, within_the_crop
from visavis_models.arkit import ARKIT
from visavis_models.avatar import Avatar
from visavis_models.diffusion.guard import UNLIMITED
from visavis_models.diffusion.maps import MAPS
from visavis_models.diffusion.renderer import DiffusionRenderer
from visavis_models.diffusion.settings import RenderingSettings
from visavis_models.face import topology as topo
from visavis_models.motion import MotionWindow
from visavis_models.portrait.storage import load_avatar
from visavis_models.warp import WarpRenderer
from visavis_models.warp.renderer import pose, scaled_avatar

pytestmark = pytest.mark.weights
Floats = NDArray[np.float32]
DARKER = 0.35
"""So much that no grain of the photo is kept."""
TALK: tuple[dict[str, float], ...] = (
    {},
    {"jawOpen": 0.4, "yaw": 0.2, "sway_x": 1.0},
    {"mouthSmile": 0.8, "roll": -0.2, "breath": 1.0, "shoulder_left": 1.0},
    {"mouthPucker": 0.7, "pitch": 0.15, "lean": 1.0, "eyeBlink": 1.0},
    {"jawOpen": 0.7, "mouthStretch": 0.6, "yaw": -0.25, "z": 0.2, "eyeBlink": 0.5},
)


@cache
def portrait(name: str) -> Avatar:
    return load_avatar(GALLERY / name)


@cache
def warp() -> WarpRenderer:
    return WarpRenderer()


def warped(name: str, window: MotionWindow, long_side_px: int | None = 512) -> NDArray[np.uint8]:
    return warp().render([warp().open(portrait(name), long_side_px)], [window])[0]


def skin_only(maps: Floats) -> Floats:
    """The driven photo where `warp` mends nothing: away from lips and lids."""
    skin = maps[:, MAPS["shown"]] - maps[:, MAPS["lips"]] - maps[:, MAPS["lids"]]
    grown = np.ones_like(skin)
    for y in range(-4, 5):
        for x in range(-4, 5):
            grown = np.minimum(grown, np.roll(skin, (y, x), (2, 3)))
    return np.concatenate([maps[:, MAPS["warped"]], within_the_crop(grown)], 1)


def darker_skin(maps: Floats) -> Floats:
    made = skin_only(maps)
    made[:, :3] -= DARKER
    return made


def white(maps: Floats) -> Floats:
    made = skin_only(maps)
    made[:, :3] = 1.0
    return made


@pytest.mark.parametrize(
    ("name", "long_side", "levels"),
    [("elena", 512, 0.25), ("samuel", 720, 0.45), ("astronaut", 512, 0.5), ("maya", 333, 0.2)],
)
def test_crops_lie_exactly_where_the_driven_photo_lies(name: str, long_side: int, levels: float) -> None:
    window = motions(*TALK[:3])
    shown = warped(name, window, long_side).astype(np.float32)
    made, marked, same = (
        drawn.render([drawn.open(portrait(name), long_side)], [window])[0]
        for drawn in (DiffusionRenderer(FakeNetworks(p), limits=UNLIMITED) for p in (darker_skin, white, skin_only))
    )
    for k, motion in enumerate(TALK[:3]):
        covered = cv2.erode((np.abs(marked[k] - shown[k]).max(-1) > 4).astype(np.uint8), np.ones((3, 3))) > 0
        assert covered.sum() > 500
        assert np.abs(same[k] - shown[k])[covered].mean() < 0.05, "skin that is the photo's stays so, with its grain"
        covered &= shown[k].min(-1) > 127.5 * DARKER + 3  # what gets no darker than black says nothing
        assert covered.sum() > 400
        apart = np.where(covered[..., None], made[k] + np.rint(127.5 * DARKER) - shown[k], 0)
        assert np.abs(apart[covered]).mean() < 1.5, motion
        # Grain aside: half a pixel elsewhere it would be 0.4 to 1.5 levels.
        assert np.abs(cv2.GaussianBlur(apart, (0, 0), 1.2)[covered]).mean() < levels, motion


def test_where_nothing_is_generated_pictures_are_warps_to_the_bit() -> None:
    window = motions(*TALK)

    def paint(maps: Floats) -> Floats:
        made = the_driven_photo(maps)
        made[:, 3] *= maps[:, MAPS["lips"]][:, 0]
        made[:, :3] = 1.0
        return made

    renderer = DiffusionRenderer(FakeNetworks(paint), limits=UNLIMITED)
    made = renderer.render([renderer.open(portrait("elena"), 512)], [window])[0]
    shown = warped("elena", window)
    changed = np.abs(made.astype(int) - shown).max(-1) > 0
    assert changed.any()
    for k in range(len(TALK)):
        y, x = np.nonzero(changed[k])
        assert 200 < y.min() and y.max() < 330 and 150 < x.min() and x.max() < 320, "the mouth"
    nothing = DiffusionRenderer(FakeNetworks(lambda maps: the_driven_photo(maps) * 0))
    assert np.array_equal(nothing.render([nothing.open(portrait("elena"), 512)], [window])[0], shown)


def test_an_open_eye_is_not_generated_and_a_closing_one_is() -> None:
    networks = FakeNetworks()
    renderer = DiffusionRenderer(networks, RenderingSettings(still_below=0))
    state = renderer.open(portrait("elena"), 512)
    renderer.render([state], [motions({"jawOpen": 0.2}, {})])
    assert [maps.shape[2:] for maps in networks.maps] == [(96, 128)]
    renderer.render([state], [motions({"eyeBlink": 0.6}, {}, first_frame=2)])
    assert [maps.shape[:1] + maps.shape[2:] for maps in networks.maps[1:]] == [(4, 48, 64), (2, 96, 128)], "both eyes"
    assert networks.told[1].known.sum() == 0, "an eye that was open has nothing to go on from"
    renderer.render([state], [motions({"eyeBlinkRight": 0.9}, first_frame=4)])
    eye = networks.told[3]
    assert eye.eighth.shape[:2] == (1, 1) and eye.known.tolist() == [[0, 0, 1, 1]]


def test_an_iris_stays_the_photos_until_the_lids_are_nearly_shut() -> None:
    def all_white(maps: Floats) -> Floats:
        return np.concatenate([np.ones_like(maps[:, :3]), within_the_crop(np.ones_like(maps[:, :1]))], 1)

    renderer = DiffusionRenderer(FakeNetworks(all_white), limits=UNLIMITED)
    state = renderer.open(portrait("elena"), 512)
    window = motions(
        {"eyeBlink": 0.2}, {"eyeBlink": 0.3, "eyeLookOutLeft": 0.4, "eyeLookInRight": 0.4}, {"eyeBlink": 0.9}
    )
    made, shown = renderer.render([state], [window])[0].astype(int), warped("elena", window).astype(int)
    points = pose(state.likeness.still, window).driven.points
    for rows in (topo.LEFT_IRIS, topo.RIGHT_IRIS):
        for k in range(3):
            x, y = np.rint(points[k, rows[0], :2]).astype(int)
            around = np.s_[k, y : y + 2, x - 1 : x + 2]
            if k < 2:
                assert np.array_equal(made[around], shown[around])
            else:
                assert made[around].min() > 200
        assert made[0, y - 11 : y - 7, x - 3 : x + 4].min() > 240, "lids are generated"


def test_windows_of_one_length_share_a_batch_and_sessions_do_not_mix() -> None:
    networks = FakeNetworks()
    renderer = DiffusionRenderer(networks)
    states = [renderer.open(portrait(name), 384) for name in ("elena", "astronaut", "elena")]
    windows = [motions(*TALK[:2]), motions(*TALK[1:3]), motions(*TALK[3:])]
    together = renderer.render(states, windows)
    assert [len(maps) for maps in networks.maps if maps.shape[2] == 96] == [6]
    for name, window, frames in zip(("elena", "astronaut", "elena"), windows, together, strict=True):
        alone = DiffusionRenderer(FakeNetworks())
        assert np.array_equal(alone.render([alone.open(portrait(name), 384)], [window])[0], frames)


def test_the_overlap_holds_the_frames_that_were_shown_and_no_others() -> None:
    networks = FakeNetworks(drift=0.01)
    renderer = DiffusionRenderer(networks, RenderingSettings(overlap_frames=3, still_below=0))
    state = renderer.open(portrait("elena"), 256)

    def known(first_frame: int, frames: int = 2) -> list[float]:
        renderer.render([state], [motions(*[{}] * frames, first_frame=first_frame)])
        told = networks.told[-1]
        assert (told.shown[0, told.known[0] == 0] == 0).all()
        return [float(k) for k in told.known[0]]

    assert known(10) == [0, 0, 0]
    assert known(12) == [0, 1, 1]
    assert known(14) == [1, 1, 1]
    brightness = networks.told[-1].shown[0, :, 0].mean((1, 2)) / networks.told[-1].shown[0, :, 1].mean((1, 2))
    assert np.allclose(brightness, [0.02, 0.03, 0.04], atol=1e-3), "in order, the newest last"
    assert known(17) == [1, 1, 0], "a frame was left out"
    assert known(30) == [0, 0, 0], "too long ago"
    assert known(31, 1) == [0, 0, 0], "the clock stood still: everything begins anew"
    assert known(5) == [0, 0, 0]


def test_motion_tells_the_frame_and_the_four_before_it() -> None:
    networks = FakeNetworks()
    renderer = DiffusionRenderer(networks)
    state = renderer.open(portrait("elena"), 256)
    for first in (0, 3):
        rows = [{"jawOpen": 0.1 * (first + k), "yaw": 0.01 * (first + k)} for k in range(3)]
        renderer.render([state], [motions(*rows, first_frame=first)])
    jaw = [told.motion[0, :, :, ARKIT["jawOpen"]] for told in networks.told]
    assert np.allclose(jaw[0][:, ::2] * 10, [[0, 0, 0], [0, 0, 1], [0, 0, 2]]), "stood still before"
    assert np.allclose(jaw[1] * 10, [[0, 0, 1, 2, 3], [0, 1, 2, 3, 4], [1, 2, 3, 4, 5]], atol=1e-5)
    assert np.allclose(networks.told[1].motion[0, -1, :, 53], [0.01, 0.02, 0.03, 0.04, 0.05])


def test_the_right_eye_is_told_what_a_mirror_shows() -> None:
    networks = FakeNetworks()
    renderer = DiffusionRenderer(networks)
    renderer.render([renderer.open(portrait("elena"), 256)], [motions({"eyeBlinkRight": 0.8, "yaw": 0.1})])
    eye = networks.told[0].motion[0, 0, -1]
    assert eye[ARKIT["eyeBlinkLeft"]] == np.float32(0.8) and eye[ARKIT["eyeBlinkRight"]] == 0
    assert np.isclose(eye[53], -0.1)


def test_a_smile_that_a_photo_keeps_is_told() -> None:
    networks = FakeNetworks()
    renderer = DiffusionRenderer(networks)
    renderer.render([renderer.open(portrait("astronaut"))], [motions({})])
    assert networks.told[0].motion[0, 0, -1, ARKIT["mouthSmileLeft"]] > 0.1


def test_long_windows_are_cut_and_look_the_same() -> None:
    rows = [{"jawOpen": 0.05 * k} for k in range(11)]
    networks = FakeNetworks()
    renderer = DiffusionRenderer(networks, RenderingSettings(new_frames=4))
    whole = renderer.render([renderer.open(portrait("elena"), 256)], [motions(*rows)])[0]
    assert [told.motion.shape[1] for told in networks.told] == [4, 4, 3] and len(whole) == 11
    parts, state = [], renderer.open(portrait("elena"), 256)
    for first in range(0, 11, 4):
        window = motions(*rows).rows(first, min(first + 4, 11))
        parts.append(renderer.render([state], [window])[0])
    assert np.array_equal(np.concatenate(parts), whole)


def test_what_has_no_frames_gives_none() -> None:
    renderer = DiffusionRenderer(FakeNetworks())
    state = renderer.open(portrait("elena"), 256)
    assert renderer.render([state], [motions()])[0].shape == (0, 256, 256, 3)
    assert renderer.render([], []) == []


def test_numbers_that_are_none_in_motion_do_no_harm() -> None:
    renderer = DiffusionRenderer(FakeNetworks())
    window = motions({}, {})
    window.face[0, 3], window.head[1, 3], window.body[0, 0] = np.nan, np.inf, np.nan
    assert np.array_equal(warped("elena", window), warped("elena", motions({}, {})))
    frames = renderer.render([renderer.open(portrait("elena"), 256)], [window])[0]
    assert sum(renderer.counts.fallback.values()) == 0 and frames.std() > 10


def test_cheaper_ways_do_less() -> None:
    networks = FakeNetworks()
    renderer = DiffusionRenderer(networks, RenderingSettings(steps=2))
    assert renderer.ways == ("2 steps", "1 step", "1 step, lids by warp", "warp") and renderer.way == "2 steps"
    window, asked = motions({"jawOpen": 0.3, "eyeBlink": 0.7}), []
    for way in renderer.ways:
        renderer.take(way)
        networks.told.clear()
        state = renderer.open(portrait("elena"), 256)
        last = renderer.render([state], [window])[0]
        asked.append(len(networks.told))
    assert asked == [4, 2, 1, 0]
    assert np.array_equal(last, warped("elena", window, 256))
    with pytest.raises(ValueError, match="no way"):
        renderer.take("better")


def test_a_mouth_that_rests_is_shown_on_until_it_has_moved() -> None:
    networks = FakeNetworks(drift=0.001)
    renderer = DiffusionRenderer(networks)
    state, asked, shown = renderer.open(portrait("elena"), 256), [], []
    for k in range(8):
        creeping = {"mouthPress": 0.0021 * k, "yaw": 0.001 * k, "eyeBlink": 0.9 * (k == 3)}
        shown.append(renderer.render([state], [motions(creeping, creeping, first_frame=2 * k)])[0])
        asked.append(sum(maps.shape[2] == 96 for maps in networks.maps))
    assert asked == [1, 1, 1, 1, 1, 2, 2, 2], "both sides together have come to 0.02"
    assert [told.known.tolist() for told in networks.told if told.shown.shape[3] == 12][1] == [[1, 1, 1, 1]]
    steps = np.abs(np.diff(np.concatenate(shown).astype(int)[:, 120:160, 80:170], axis=0)).max((1, 2, 3))
    assert steps[[1, 3, 9, 11]].max() <= 12, "nobody sees where it was made again"
    renderer.render([state], [motions({"jawOpen": 0.3}, {}, first_frame=16)])
    renderer.render([state], [motions({}, {}, first_frame=18)])
    assert len(networks.told) == 4, "both eyes at once, three mouths"


def test_ways_change_without_a_cut() -> None:
    def rouged(maps: Floats) -> Floats:
        made = the_driven_photo(maps)
        made[:, 0] += 0.15
        return made

    renderer = DiffusionRenderer(FakeNetworks(rouged))
    state, red = renderer.open(portrait("elena"), 256), []
    for k, way in enumerate(["1 step"] * 2 + ["warp"] * 4 + ["1 step"] * 4):
        renderer.take(way)
        frames = renderer.render([state], [motions({}, {"jawOpen": 0.1}, first_frame=2 * k)])[0].astype(float)
        red += list((frames[..., 0] - frames[..., 1])[:, 120:160, 80:170].mean((1, 2)))
    steps = np.abs(np.diff(red))
    assert max(red[:4]) - min(red) > 5 and max(red[-2:]) - min(red) > 5 and steps.max() < 3


def test_a_second_session_opens_without_asking_the_networks() -> None:
    networks = FakeNetworks()
    renderer = DiffusionRenderer(networks)
    first, second = (renderer.open(portrait("elena"), 256) for _ in range(2))
    assert first.likeness is second.likeness and len(networks.references) == 3
    assert first.regions is not second.regions


def test_a_small_face_is_left_to_warp() -> None:
    networks = FakeNetworks()
    renderer = DiffusionRenderer(networks)
    small = scaled_avatar(portrait("astronaut"), 256)
    state = renderer.open(small)
    assert set(state.likeness.left_to_warp) == {"mouth", "left_eye", "right_eye"}
    window = motions(*TALK)
    shown = warp().render([warp().open(small)], [window])[0]
    assert np.array_equal(renderer.render([state], [window])[0], shown) and not networks.references
