"""Canvases cut to formats: the right shape, heads inside, and the same person at the same pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from two_people import two_people
from visavis_models.arkit import ARKIT
from visavis_models.avatar import Avatar
from visavis_models.errors import BadInput
from visavis_models.framing import FORMATS, framed, shares_of_faces
from visavis_models.motion import rest_motion
from visavis_models.people_rendering import for_people
from visavis_models.portrait.analysis import analyse_canvas
from visavis_models.portrait.storage import load_avatar
from visavis_models.warp.renderer import WarpRenderer
from visavis_models.weights import weights_folder

pytestmark = pytest.mark.weights
GALLERY = weights_folder() / "gallery"


@pytest.fixture(scope="module")
def couple() -> Avatar:
    return analyse_canvas(two_people(), "x", "couple")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ["maya", "mateo", "jun", "elena"])
def test_every_portrait_has_every_format(name: str, format: str) -> None:
    avatar = load_avatar(GALLERY / name)
    cut, _ = framed(avatar, format)
    assert cut.width_px / cut.height_px == pytest.approx(FORMATS[format], rel=0.01)
    assert cut.width_px % 2 == cut.height_px % 2 == 0
    # As large as it can be: one side is the photo's.
    assert abs(cut.width_px - avatar.width_px) < 3 or abs(cut.height_px - avatar.height_px) < 3
    x, y, width = cut.faces[0]
    assert 0.6 * width < x < cut.width_px - 0.6 * width
    assert 0.7 * width < y < cut.height_px - 0.6 * width
    assert cut.person is avatar.person


def test_points_stay_on_their_pixels() -> None:
    avatar = load_avatar(GALLERY / "jun")
    cut, _ = framed(avatar, "9:16")
    for landmark in (1, 152, 33, 263, 10):
        before, after = avatar.landmarks[landmark, :2].astype(int), cut.landmarks[landmark, :2].astype(int)
        np.testing.assert_array_equal(avatar.photo[before[1], before[0]], cut.photo[after[1], after[0]])
    [frame] = WarpRenderer().render([WarpRenderer().open(cut)], [rest_motion(1)])
    assert np.abs(frame[0].astype(int) - cut.photo).mean() < 1.5


def test_both_stay_where_both_fit(couple: Avatar) -> None:
    square, number = framed(couple, "1:1", 1)
    assert square.photo.shape == (576, 576, 3) and len(square.people) == 2 and number == 1
    same, number = framed(couple, "16:9", 1)
    assert same is couple and number == 1


def test_whoever_does_not_fit_leaves_the_picture_whole(couple: Avatar) -> None:
    for person in (0, 1):
        alone, number = framed(couple, "9:16", person)
        assert (len(alone.people), number) == (1, 0) and alone.id == "couple"
        wanted = couple.people[person]
        x = wanted.head_pose[3] - (wanted.landmarks[1, 0] - alone.landmarks[1, 0])
        assert abs(x - alone.width_px / 2) < 0.3 * wanted.face_width_px
        renderer = for_people(WarpRenderer())
        [frame] = renderer.render([renderer.open(alone)], [rest_motion(1)])
        assert frame.shape[1:] == (576, 324, 3)


def test_what_is_no_format_and_nobody_are_refused(couple: Avatar) -> None:
    with pytest.raises(BadInput) as caught:
        framed(couple, "2:1")
    assert caught.value.code == "bad_format" and "16:9" in caught.value.remedy
    with pytest.raises(BadInput) as caught:
        framed(couple, "", 2)
    assert caught.value.code == "bad_speaker" and "0 to 1" in caught.value.remedy


def test_places_of_faces_are_told_in_shares_of_the_picture(couple: Avatar) -> None:
    for (x, y, width), person in zip(shares_of_faces(couple), couple.people, strict=True):
        np.testing.assert_allclose((x * 1024, y * 576, width * 1024), person.head_pose[3:6], rtol=1e-5)


@pytest.mark.parametrize("place", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5)])
def test_a_face_may_be_anywhere_in_the_picture(place: tuple[float, float]) -> None:
    photo = load_avatar(GALLERY / "samuel").photo
    small = np.asarray(cv2.resize(photo, (420, 420), interpolation=cv2.INTER_AREA), np.uint8)
    canvas: NDArray[np.uint8] = np.full((576, 1024, 3), 120, np.uint8)
    left, top = int(place[0] * (1024 - 420)), int(place[1] * (576 - 420))
    canvas[top : top + 420, left : left + 420] = small
    avatar = analyse_canvas(canvas, "x", "x")
    x, y, _ = avatar.faces[0]
    assert abs(x - left - 210) < 25 and abs(y - top - 170) < 50
    renderer = WarpRenderer()
    moved = rest_motion(1)
    moved.face[0, ARKIT["jawOpen"]] = 0.6
    [frame] = renderer.render([renderer.open(avatar)], [moved])
    outside = np.ones((576, 1024), np.bool_)
    outside[top : top + 420, left : left + 420] = False
    off = np.abs(frame[0].astype(int) - 120)[outside]
    assert off.max() <= 8 and np.square(off).mean() < 0.01, "the wall stays as it is"
