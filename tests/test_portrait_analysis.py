"""Photos that become avatars, and those that do not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from portrait_photos import astronaut, drawing, encoded, placed, turned_astronaut
from visavis_models.avatar import Avatar
from visavis_models.errors import BadPhoto
from visavis_models.portrait.analysis import analyse, make_avatar_id
from visavis_models.portrait.face_mesh import FACE_OVAL

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return analyse(encoded(astronaut()), "Astronaut")


def refusal(picture: NDArray[np.uint8]) -> str:
    with pytest.raises(BadPhoto) as caught:
        analyse(encoded(np.ascontiguousarray(picture)), "x")
    assert caught.value.message and caught.value.remedy
    return caught.value.code


def test_the_whole_picture_is_the_canvas(avatar: Avatar) -> None:
    np.testing.assert_array_equal(avatar.photo, astronaut())
    for layer in (avatar.foreground, avatar.plate):
        assert layer.shape == (512, 512, 3) and layer.dtype == np.uint8
    assert avatar.matte.shape == (512, 512) and avatar.matte.dtype == np.uint8
    assert avatar.notes == ()


def test_eyes_and_mouth_are_where_they_are(avatar: Avatar) -> None:
    # Read off the picture by hand, in pixels.
    for landmark, x, y in ((468, 206, 102), (473, 246, 104), (61, 205, 142), (291, 243, 144), (152, 223, 178)):
        assert np.hypot(*(avatar.landmarks[landmark, :2] - (x, y))) < 5, landmark


def test_the_head_looks_out_of_the_picture(avatar: Avatar) -> None:
    pitch, yaw, roll, x, y, width = avatar.head_pose
    assert abs(pitch) < 0.25 and abs(yaw) < 0.1 and 0 < roll < 0.12
    assert np.hypot(x - 226, y - 123) < 6
    assert 80 < width < 105


def test_shoulders_are_found_on_their_sides(avatar: Avatar) -> None:
    left, right = avatar.body_points[11], avatar.body_points[12]
    assert left[0] > 270 > 160 > right[0], "the person's left is at the picture's right"
    assert left[3] > 0.9 and right[3] > 0.9


def test_the_matte_knows_person_from_background(avatar: Avatar) -> None:
    for x, y in ((226, 120), (226, 30), (160, 420), (230, 240), (330, 430)):
        assert avatar.matte[y, x] > 250, (x, y)
    for x, y in ((120, 60), (320, 100), (410, 60), (450, 220), (40, 100), (20, 20)):
        assert avatar.matte[y, x] < 5, (x, y)
    assert 0.4 < avatar.matte.mean() / 255 < 0.65


def test_the_layers_give_the_photo_back(avatar: Avatar) -> None:
    alpha = avatar.matte[..., None] / 255
    together = alpha * avatar.foreground + (1 - alpha) * avatar.plate
    assert np.abs(together - avatar.photo).max() <= 1


def test_the_plate_behind_the_head_is_wall(avatar: Avatar) -> None:
    behind = avatar.plate[40:160, 190:260].reshape(-1, 3).astype(float)
    wall = avatar.photo[30:150, 290:340].reshape(-1, 3).astype(float)
    assert np.abs(behind.mean(axis=0) - wall.mean(axis=0)).max() < 25
    assert behind.std(axis=0).max() < 20, "something of the head is left"


def test_other_pictures_of_the_same_give_the_same_face(avatar: Avatar) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = np.ascontiguousarray(np.rot90(astronaut(), 1))
    for content in (
        encoded(Image.fromarray(astronaut()).convert("CMYK"), "JPEG"),
        encoded(Image.fromarray(turned), "JPEG", exif=exif),
    ):
        found = analyse(content, "x")
        assert np.abs(found.landmarks[:, :2] - avatar.landmarks[:, :2]).mean() < 1.0
        assert found.notes == ()


def test_a_photo_on_its_side_is_turned_upright_and_it_is_said(avatar: Avatar) -> None:
    found = analyse(encoded(np.ascontiguousarray(np.rot90(astronaut(), 3))), "x")
    np.testing.assert_array_equal(found.photo, astronaut())
    assert any("turned" in note for note in found.notes)
    assert np.abs(found.landmarks[:, :2] - avatar.landmarks[:, :2]).mean() < 1.0


def test_of_several_faces_the_largest_is_the_first(avatar: Avatar) -> None:
    both = placed(1.0, (540, 1000), (20, 20))
    both[100:460, 600:960] = cv2.resize(astronaut(), (360, 360), interpolation=cv2.INTER_AREA)
    found = analyse(encoded(both), "x")
    assert np.abs(found.landmarks[:, :2] - 20 - avatar.landmarks[:, :2]).mean() < 1.0
    [other] = found.others
    assert np.abs((other.landmarks[:, :2] - (600, 100)) / 360 * 512 - avatar.landmarks[:, :2]).mean() < 2.0
    assert found.notes == ("2 people found: choose who speaks, the others idle.",)


def test_a_face_too_small_to_move_stays_and_it_is_said() -> None:
    both = placed(1.0, (540, 1000), (20, 20))
    both[100:260, 700:860] = cv2.resize(astronaut(), (160, 160), interpolation=cv2.INTER_AREA)
    found = analyse(encoded(both), "x")
    assert found.others == ()
    assert found.notes == ("1 more face is too small, turned away or cut off, and will not move.",)


def test_a_large_photo_gives_a_canvas_of_1024() -> None:
    large = np.asarray(cv2.resize(astronaut(), (2048, 2048), interpolation=cv2.INTER_CUBIC), np.uint8)
    found = analyse(encoded(large, "JPEG"), "x")
    assert found.photo.shape == (1024, 1024, 3)
    assert 160 < found.face_width_px < 210


def test_turned_heads_are_measured_with_the_right_signs() -> None:
    def pose(yaw: float, pitch: float) -> NDArray[np.float32]:
        return analyse(encoded(turned_astronaut(yaw, pitch)), "x").head_pose

    straight = pose(0, 0)
    assert np.abs(straight[:3]).max() < 0.06
    assert 0.2 < pose(0.35, 0)[1] < 0.42, "yaw to the person's left, the picture's right"
    assert -0.42 < pose(-0.35, 0)[1] < -0.2
    assert 0.15 < pose(0, 0.25)[0] < 0.32, "chin down"
    assert -0.32 < pose(0, -0.25)[0] < -0.13


def test_a_face_in_profile_is_refused() -> None:
    assert refusal(turned_astronaut(0.85)) == "face_profile"


def test_a_small_face_is_refused_by_its_size_in_the_original() -> None:
    assert refusal(placed(0.6)) == "face_too_small"
    assert analyse(encoded(placed(0.8)), "x").face_width_px > 64
    enlarged = cv2.resize(placed(0.3, (600, 800)), None, fx=3, fy=3)
    assert refusal(np.asarray(enlarged, np.uint8)) == "face_too_small", "too few pixels are left on the canvas"


@pytest.mark.parametrize("part", [np.s_[:, 225:], np.s_[:145], np.s_[100:]], ids=["left half", "chin", "forehead"])
def test_a_face_that_leaves_the_picture_is_refused(part: tuple[slice, ...]) -> None:
    assert refusal(astronaut()[part]) in ("face_cut_off", "face_unclear", "no_face")


def test_a_tight_picture_of_the_face_alone_is_accepted() -> None:
    found = analyse(encoded(np.ascontiguousarray(astronaut()[40:190, 150:300])), "x")
    oval = found.landmarks[list(FACE_OVAL), :2]
    assert oval.min() > 0 and oval.max() < 150


def test_pictures_without_a_face_are_refused() -> None:
    assert refusal(drawing()) == "no_face"
    noise = np.random.default_rng(0).integers(0, 256, (600, 500, 3), dtype=np.uint8)
    assert refusal(noise) == "no_face"
    assert refusal(np.full((300, 300, 3), 128, np.uint8)) == "no_face"


def test_a_painted_face_is_accepted_and_said_to_be_one() -> None:
    flat = cv2.pyrMeanShiftFiltering(astronaut(), 20, 45)
    found = analyse(encoded(np.asarray(flat // 48 * 48 + 24, np.uint8)), "x")
    assert any("drawing" in note for note in found.notes)


def test_ids_are_made_of_name_and_content() -> None:
    assert make_avatar_id("  Zoë & Ømer! ", b"x").startswith("zoe-mer-")
    assert make_avatar_id("李雷", b"x").startswith("avatar-")
    assert make_avatar_id("a", b"x") != make_avatar_id("a", b"y")
    assert len(make_avatar_id("n" * 500, b"x")) <= 64
