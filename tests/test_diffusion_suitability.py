"""Portraits that show no mouth or no eye to go by are left to `warp`, part by part, with the reason."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from diffusion_fakes import GALLERY, FakeNetworks, motions, the_driven_photo
from visavis_models.avatar import Avatar
from visavis_models.diffusion.crops import LEFT_EYE, MOUTH, REGIONS, RIGHT_EYE
from visavis_models.diffusion.renderer import DiffusionRenderer
from visavis_models.diffusion.suitability import is_grey, unsuitable
from visavis_models.face import topology as topo
from visavis_models.portrait.storage import load_avatar
from visavis_models.warp.renderer import scaled_avatar

pytestmark = pytest.mark.weights


@cache
def portrait(name: str) -> Avatar:
    return load_avatar(GALLERY / name)


@pytest.mark.parametrize("name", ["astronaut", "elena", "jun", "maya", "samuel"])
def test_portraits_that_ship_are_generated_wholly(name: str) -> None:
    assert [unsuitable(portrait(name), region) for region in REGIONS] == [None] * 3
    assert not is_grey(portrait(name))


@pytest.mark.parametrize("colour", [(25, 25, 28), (200, 220, 235), (60, 110, 190), (70, 120, 60)])
def test_a_mouth_behind_a_microphone_or_a_mask_is_left_to_warp(colour: tuple[int, int, int]) -> None:
    photo = portrait("elena").photo.copy()
    lips = portrait("elena").landmarks[list(topo.UPPER_LIP[3] + topo.LOWER_LIP[3]), :2]
    centre, reach = lips.mean(0), np.ptp(lips, 0).max() * 0.6
    cv2.circle(photo, (int(centre[0]), int(centre[1])), int(reach), colour, -1)
    covered = replace(portrait("elena"), photo=photo)
    assert "covers" in (unsuitable(covered, MOUTH) or "") and unsuitable(covered, LEFT_EYE) is None
    networks = FakeNetworks()
    renderer = DiffusionRenderer(networks)
    state = renderer.open(covered, 256)
    renderer.render([state], [motions({"jawOpen": 0.4, "eyeBlink": 0.8})])
    assert list(state.likeness.left_to_warp) == ["mouth"] and [m.shape[2] for m in networks.maps] == [48]


@pytest.mark.parametrize("rows", [0.3, 1.7])
def test_dark_and_light_photos_still_show_lips(rows: float) -> None:
    photo = np.clip(portrait("maya").photo * rows, 0, 255).astype(np.uint8)
    assert unsuitable(replace(portrait("maya"), photo=photo), MOUTH) is None


def test_a_shut_eye_is_left_to_warp() -> None:
    landmarks = portrait("jun").landmarks.copy()
    landmarks[list(topo.RIGHT_UPPER_LID)] = landmarks[list(topo.RIGHT_LOWER_LID)]
    winking = replace(portrait("jun"), landmarks=landmarks)
    assert "shut" in (unsuitable(winking, RIGHT_EYE) or "") and unsuitable(winking, LEFT_EYE) is None


def test_a_face_of_few_pixels_is_left_to_warp() -> None:
    assert "px wide" in (unsuitable(scaled_avatar(portrait("astronaut"), 256), MOUTH) or "")


def test_black_and_white_stays_black_and_white() -> None:
    colour = portrait("samuel")
    grey = {
        name: np.repeat(cv2.cvtColor(getattr(colour, name), cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
        for name in ("photo", "foreground", "plate")
    }
    old = replace(colour, id="old", photo=grey["photo"], foreground=grey["foreground"], plate=grey["plate"])
    assert is_grey(old) and unsuitable(old, MOUTH) is None

    def red(maps: np.ndarray) -> np.ndarray:
        made = the_driven_photo(maps)
        made[:, 0] += 0.3
        return made

    renderer = DiffusionRenderer(FakeNetworks(red))
    state = renderer.open(old, 384)
    made = renderer.render([state], [motions({})])[0][0]
    shown = np.ptp(made[150:250, 110:250].astype(int), axis=-1)
    assert np.percentile(shown, 90) <= 2, "nothing of the red"
