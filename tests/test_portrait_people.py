"""Two people in one picture: found, parted, laid one over the other, kept and read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from two_people import two_people
from visavis_models.avatar import Avatar
from visavis_models.portrait.analysis import analyse_canvas
from visavis_models.portrait.people import layers_of_people
from visavis_models.portrait.storage import load_avatar, read_entry, save_avatar

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    return two_people()


@pytest.fixture(scope="module")
def couple(picture: NDArray[np.uint8]) -> Avatar:
    return analyse_canvas(picture, "Maya and Samuel", "couple")


def laid(avatar: Avatar) -> NDArray[np.float64]:
    out = avatar.plate.astype(np.float64)
    for person in reversed(avatar.people):
        cover = person.matte[..., None] / 255
        out = cover * person.foreground + (1 - cover) * out
    return out


def worst_and_psnr(avatar: Avatar) -> tuple[float, float]:
    error = np.abs(laid(avatar) - avatar.photo)
    return float(np.quantile(error, 0.9999)), float(10 * np.log10(255**2 / np.square(error).mean()))


def test_both_are_found_where_they_are(couple: Avatar) -> None:
    assert [person.id for person in couple.people] == ["couple", "couple/1"]
    xs = sorted(x for x, _, _ in couple.faces)
    assert abs(xs[0] - 0.34 * 1024) < 12 and abs(xs[1] - 0.66 * 1024) < 12
    assert couple.faces[0][2] >= couple.faces[1][2]
    assert all(person.person is not None and person.others == () for person in couple.others)


def test_nobody_holds_the_others_face_or_the_wall(couple: Avatar) -> None:
    for person in couple.people:
        for other in couple.people:
            x, y, width = (int(value) for value in other.head_pose[3:6])
            seen = person.matte[y - width // 4 : y + width // 4, x - width // 4 : x + width // 4].mean()
            assert (seen > 250) == (person is other), f"{seen:.0f}"
        assert person.matte[:40].mean() < 2
        assert person.matte[-1].mean() > 60, "bodies go down to the lower edge"


def test_the_one_behind_goes_on_behind_the_one_in_front(couple: Avatar) -> None:
    both = [person.matte > 128 for person in couple.people]
    shared = both[0] & both[1]
    assert shared.sum() > 200, "where one sways aside, the other is seen and not the wall"
    # The hidden part is of the shirt's own colour.
    behind = couple.people[1]
    own = np.median(behind.foreground[both[1] & ~both[0]][-20000:], 0)
    assert np.abs(np.median(behind.foreground[shared], 0) - own).max() < 40


def test_the_layers_give_the_photo_back(couple: Avatar) -> None:
    worst, psnr_db = worst_and_psnr(couple)
    assert worst < 8 and psnr_db > 48


def test_they_come_back_from_disk(couple: Avatar, tmp_path: Path) -> None:
    save_avatar(couple, tmp_path / "couple", "abc")
    loaded = load_avatar(tmp_path / "couple")
    assert len(loaded.people) == 2
    for kept, was in zip(loaded.people, couple.people, strict=True):
        assert kept.id == was.id
        for name in ("landmarks", "head_pose", "body_points", "matte"):
            np.testing.assert_array_equal(getattr(kept, name), getattr(was, name))
    worst, psnr_db = worst_and_psnr(loaded)
    assert worst < 12 and psnr_db > 44
    entry = read_entry(tmp_path / "couple")
    np.testing.assert_allclose(entry.faces, couple.faces, atol=0.06)


def test_those_who_do_not_touch_hide_nothing_of_each_other() -> None:
    photo = np.full((120, 300, 3), 90, np.uint8)
    mattes = [np.zeros((120, 300), np.uint8) for _ in range(2)]
    for matte, left, colour in ((mattes[0], 30, (250, 20, 20)), (mattes[1], 200, (20, 20, 250))):
        matte[20:, left : left + 60] = 255
        photo[20:, left : left + 60] = colour
    whole, foregrounds, plate = layers_of_people(photo, mattes, [40.0, 40.0])
    for matte, own in zip(mattes, whole, strict=True):
        np.testing.assert_array_equal(matte, own)
    assert np.abs(plate.astype(int) - 90).max() <= 2
    assert foregrounds[1][60, 230].tolist() == [20, 20, 250]
