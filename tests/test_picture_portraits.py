"""Measures of real portraits: lips that stay open, changed pixels, dark teeth and spoilt memories are all noticed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from diffusion_fakes import FakeNetworks, the_driven_photo
from portrait_photos import astronaut, encoded

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from lips import sample_sentences  # noqa: E402
from picture_gallery import gallery, uploaded  # noqa: E402
from picture_hour import LongCall, hour_figures, performed  # noqa: E402
from picture_measures import region_of  # noqa: E402
from picture_portraits import (  # noqa: E402
    POSES,
    Scene,
    drawn,
    held_pose,
    iris_difference,
    recovery_s,
    rest_flicker,
    seen_gap,
    shut_in,
    shut_in_motion,
    skin_sharpness,
    teeth,
    unchanged,
)

from visavis_models.arkit import ARKIT  # noqa: E402
from visavis_models.avatar import Avatar  # noqa: E402
from visavis_models.diffusion.renderer import DiffusionRenderer  # noqa: E402
from visavis_models.diffusion.settings import RenderingSettings  # noqa: E402
from visavis_models.diffusion.sizes import COMPACT  # noqa: E402
from visavis_models.motion import MotionWindow, rest_motion  # noqa: E402
from visavis_models.warp.renderer import WarpRenderer  # noqa: E402

pytestmark = pytest.mark.weights
Floats = NDArray[np.float32]
SIDE_PX = 256


@cache
def elena() -> Avatar:
    return gallery(["elena"])[0]


@cache
def sentence() -> MotionWindow:
    [item] = sample_sentences("en")
    return performed([item.samples], 3.0)


def lighter(maps: Floats) -> Floats:
    """The driven photo, a little lighter all over."""
    made = the_driven_photo(maps)
    made[:, :3] += 0.05
    return made


def within_the_region(maps: Floats) -> Floats:
    """The same no farther than real networks may go."""
    made = lighter(maps)
    made[:, 3] = np.minimum(made[:, 3], region_of(maps))
    return made


def renderer(paint: Callable[[Floats], Floats] = the_driven_photo) -> DiffusionRenderer:
    return DiffusionRenderer(FakeNetworks(paint), RenderingSettings(still_below=0.0))


def test_lips_that_do_not_meet_in_pictures_are_noticed() -> None:
    [item] = sample_sentences("en")
    item = replace(item, samples=item.samples[: 3 * 16_000])
    warp, motion = WarpRenderer(), sentence()
    ajar = replace(motion, face=motion.face.copy())
    ajar.face[:, ARKIT["mouthClose"]] = 0
    ajar.face[:, ARKIT["jawOpen"]] = np.maximum(ajar.face[:, ARKIT["jawOpen"]], 0.18)
    rest = float(seen_gap(drawn(warp, elena(), rest_motion(1), SIDE_PX, 1))[0])
    honest, never = (
        np.mean(shut_in([item], [seen_gap(drawn(warp, elena(), m, SIDE_PX, 8))], rest)) for m in (motion, ajar)
    )
    told = np.mean(shut_in_motion([item], [motion]))
    assert abs(honest - told) <= 0.1 and told > 0.9
    assert never < told - 0.5


def test_one_level_outside_the_region_is_noticed() -> None:
    motion = sentence().rows(0, 12)
    scene = Scene.of(elena(), motion, SIDE_PX, COMPACT)
    warp = drawn(WarpRenderer(), elena(), motion, SIDE_PX, 8)
    assert unchanged(scene, drawn(renderer(lighter), elena(), motion, SIDE_PX, 8), warp)["outside_changed_px"] > 100
    shown = drawn(renderer(within_the_region), elena(), motion, SIDE_PX, 8)
    assert np.any(shown != warp), "something was generated"
    found = unchanged(scene, shown, warp)
    assert found["outside_changed_px"] == 0 and found["open_eyes_most_levels"] == 0
    x, y = scene.still.avatar.landmarks[10, :2].round().astype(int)
    shown[3, y, x, 1] ^= 1
    iris = scene.still.avatar.landmarks[468, :2].round().astype(int)
    shown[:, iris[1], iris[0]] = 255 - shown[:, iris[1], iris[0]]
    found = unchanged(scene, shown, warp)
    assert found["outside_changed_px"] > 12 and found["open_eyes_most_levels"] > 20


def test_open_eyes_are_the_photos_own() -> None:
    motion = held_pose(POSES["aa"], 1)
    scene = Scene.of(elena(), motion, SIDE_PX, COMPACT)
    frames = drawn(WarpRenderer(), elena(), motion, SIDE_PX, 1)
    assert iris_difference(scene, frames) < 1.0
    assert iris_difference(scene, 255 - frames) > 20
    blink = Scene.of(elena(), held_pose(POSES["blink"], 1), SIDE_PX, COMPACT)
    assert np.isnan(iris_difference(blink, frames)), "closed lids leave nothing to compare"


def test_teeth_are_seen_in_their_own_colour_or_not() -> None:
    [jun] = gallery(["jun"])
    motion = held_pose(POSES["ee"], 1)
    scene = Scene.of(jun, motion, 512, COMPACT)
    [frame] = drawn(WarpRenderer(), jun, motion, 512, 1)
    found = teeth(scene, 0, frame)
    assert found["px"] > 50 and found["seen"] > 0.7 and found["tint"] < 5
    place = scene.upper_teeth(0)
    dark, green = frame.copy(), frame.copy()
    dark[place] = 30
    green[place] = (150, 230, 150)
    assert teeth(scene, 0, dark)["seen"] == 0.0
    assert teeth(scene, 0, green)["tint"] > 15
    shut = Scene.of(jun, held_pose(POSES["closed"], 1), 512, COMPACT)
    assert np.isnan(teeth(shut, 0, frame)["seen"])


def test_skin_that_is_blurred_is_less_sharp_than_the_photo() -> None:
    def smooth(maps: Floats) -> Floats:
        made = the_driven_photo(maps)
        made[:, :3] = made[:, :3].mean((2, 3), keepdims=True)
        return made

    motion = sentence().rows(0, 8)
    scene = Scene.of(elena(), motion, 512, COMPACT)
    warp = skin_sharpness(scene, drawn(WarpRenderer(), elena(), motion, 512, 8))
    flat = skin_sharpness(scene, scene_frames(scene, smooth))
    assert 0.6 < warp < 1.3
    assert flat < 0.6 * warp


def scene_frames(scene: Scene, paint: Callable[[Floats], Floats]) -> NDArray[np.uint8]:
    """Frames of `warp` with the painted crop put over all that its mouth's crop covers."""
    from visavis_models.diffusion.compositing import Patch

    maps, _ = scene.mouth_maps()
    frames = drawn(WarpRenderer(), elena(), sentence().rows(0, len(maps)), 512, 8)
    for frame, made, own, crop in zip(frames, paint(maps), maps, scene.mouth_crops(), strict=True):
        patch = Patch.of(made, own, crop, frame.shape[:2])
        assert patch is not None
        patch.lay(frame)
    return frames


def test_a_held_vowel_that_trembles_flickers() -> None:
    count = 0

    def trembling(maps: Floats) -> Floats:
        nonlocal count
        made = the_driven_photo(maps)
        for frame in made:
            frame[:3] += 0.02 * (count % 2)
            count += 1
        return made

    assert rest_flicker(renderer(), elena(), SIDE_PX, 8, COMPACT) == 0.0
    assert rest_flicker(renderer(trembling), elena(), SIDE_PX, 8, COMPACT) > 0.3


def test_networks_without_memory_recover_at_once() -> None:
    found = recovery_s(renderer(), elena(), sentence(), SIDE_PX, 8)
    assert set(found) == {"not_a_number", "noise"}
    assert max(found.values()) <= 1.0


def test_a_stream_that_fades_has_drifted_by_its_end() -> None:
    shown = 0

    def fading(maps: Floats) -> Floats:
        nonlocal shown
        made = the_driven_photo(maps)
        made[:, :3] -= 0.0015 * shown
        shown += len(maps)
        return made

    call = LongCall(sentence(), 100, 25)
    assert [w.first_frame for w in call.windows(8)][-1] < 100 and sum(len(w) for w in call.windows(8)) == 100
    first, last = list(call.windows(25))[0], list(call.windows(25))[-1]
    assert np.array_equal(first.face, last.face) and last.first_frame == 75
    calm = hour_figures(renderer(), elena(), call, SIDE_PX, 8)
    assert max(calm.keys.values()) == 0.0 and calm.beside["same_motion_psnr_db"] > 60
    fades = hour_figures(renderer(fading), elena(), call, SIDE_PX, 8)
    assert fades.keys["drift_colour"] > 0.02 and fades.beside["same_motion_psnr_db"] < 40
    assert fades.first.shape[1:] == (SIDE_PX, SIDE_PX, 3)


def test_photos_become_avatars_or_are_refused_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "fine.png").write_bytes(encoded(astronaut()))
    (tmp_path / "blank.png").write_bytes(encoded(np.full((300, 300, 3), 200, np.uint8)))
    found, refused = uploaded([tmp_path / "fine.png", tmp_path / "blank.png"])
    assert [avatar.name for avatar in found] == ["fine"]
    assert list(refused) == ["blank.png"] and refused["blank.png"].startswith("no_face")
