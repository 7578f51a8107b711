"""Cameras of the people factory: lenses as their makers state them, pixels where they are said to be, exact crops."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_training.people.camera import LENSES, Camera, face_boxes, field_of_view  # noqa: E402

pytestmark = pytest.mark.unit


def test_fields_of_view_are_those_that_makers_state() -> None:
    assert math.degrees(field_of_view(50)) == pytest.approx(46.8, abs=0.1)
    assert math.degrees(field_of_view(85)) == pytest.approx(28.6, abs=0.1)
    assert math.degrees(field_of_view(24)) == pytest.approx(84.1, abs=0.1)


def test_the_diagonal_field_of_view_fills_the_diagonal_of_any_picture() -> None:
    for height, width in ((480, 640), (512, 512), (1280, 720)):
        camera = Camera.facing(torch.tensor([10.0]), torch.tensor([28.0]), height, width)
        reach = 10 * math.tan(field_of_view(28) / 2)
        diagonal = math.hypot(height, width)
        corner = torch.tensor([[[reach * width / diagonal, reach * height / diagonal, 0.0], [0.0, 0.0, 0.0]]])
        found = camera.project(corner)[0]
        torch.testing.assert_close(found[0], torch.tensor([width, height, 10.0]), atol=1e-3, rtol=1e-5)
        torch.testing.assert_close(found[1], torch.tensor([width / 2, height / 2, 10.0]), atol=1e-4, rtol=1e-6)


def test_what_is_right_below_and_farther_in_head_space_is_so_in_the_picture() -> None:
    camera = Camera.facing(torch.tensor([8.0]), torch.tensor([35.0]), 100, 100)
    middle, right, below, behind = camera.project(torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 2]]]))[0]
    assert right[0] > middle[0] and right[1] == middle[1]
    assert below[1] > middle[1] and below[0] == middle[0]
    assert middle[0] < behind[0] < right[0] and behind[2] == pytest.approx(10.0)


def test_a_camera_beside_and_above_still_looks_at_its_point_upright() -> None:
    at = torch.tensor([[0.3, -0.2, 0.4]])
    camera = Camera.facing(
        torch.tensor([6.0]), torch.tensor([28.0]), 90, 120, height_dm=torch.tensor([2.0]),
        sideways_dm=torch.tensor([-1.5]), at=at,
    )  # fmt: skip
    found = camera.project(torch.stack([at, at - torch.tensor([0.0, 1.0, 0.0])], 1))[0]
    torch.testing.assert_close(found[0, :2], torch.tensor([60.0, 45.0]), atol=1e-3, rtol=0)
    assert found[0, 2] == pytest.approx(math.sqrt(6**2 + 2**2 + 1.5**2), abs=1e-4)
    assert found[1, 0] == pytest.approx(60.0, abs=1e-3) and found[1, 1] < 45  # what is over it is straight over it
    torch.testing.assert_close(camera.rotation @ camera.rotation.transpose(1, 2), torch.eye(3)[None], atol=1e-6, rtol=0)
    assert float(torch.linalg.det(camera.rotation)) == pytest.approx(1.0, abs=1e-5)
    nearer = camera.project(at[:, None] + torch.tensor([[[-1.0, 0, 0], [1, 0, 0]]]))[0]
    assert nearer[0, 2] < nearer[1, 2]  # it stands on the left


def test_a_crop_shows_exactly_what_the_picture_shows_there() -> None:
    generator = torch.Generator().manual_seed(0)
    camera = Camera.random(5, 480, 640, generator)
    points = torch.randn(5, 30, 3, generator=generator)
    whole = camera.project(points)
    boxes = torch.tensor([[100.0, 50, 356, 306]]).repeat(5, 1) + torch.arange(5)[:, None] * 7.3
    cropped = camera.crop(boxes, 128, 128)
    found = cropped.project(points)
    expected = (whole[..., :2] - boxes[:, None, :2]) * 0.5
    torch.testing.assert_close(found[..., :2], expected, atol=2e-3, rtol=1e-5)
    torch.testing.assert_close(found[..., 2], whole[..., 2])
    torch.testing.assert_close(cropped.finer(2).project(points)[..., :2], expected * 2, atol=4e-3, rtol=1e-5)
    assert (cropped.finer(2).height, cropped.finer(2).width) == (256, 256)


def test_rows_are_chosen_and_repeated() -> None:
    camera = Camera.random(3, 64, 64, torch.Generator().manual_seed(1))
    chosen = camera.rows(torch.tensor([2, 0, 2, 2]))
    assert len(chosen) == 4
    assert torch.equal(chosen.focal_px, camera.focal_px[torch.tensor([2, 0, 2, 2])])
    assert torch.equal(chosen.rotation[1], camera.rotation[0])


def test_random_cameras_follow_from_the_seed_and_keep_to_their_lenses() -> None:
    first, again, other = (Camera.random(200, 512, 512, torch.Generator().manual_seed(s)) for s in (3, 3, 4))
    assert torch.equal(first.translation, again.translation) and torch.equal(first.focal_px, again.focal_px)
    assert not torch.equal(first.translation, other.translation)
    for lens in LENSES:
        only = Camera.random(100, 512, 512, torch.Generator().manual_seed(5), [lens])
        origin = only.project(torch.zeros(100, 1, 3))[:, 0]
        assert float(origin[:, 2].min()) >= lens.distance_dm[0]
        assert float(origin[:, 2].max()) <= math.hypot(lens.distance_dm[1], *lens.height_dm, *lens.sideways_dm)
        head_px = only.focal_px * 2.2 / origin[:, 2]  # a head is 22 cm tall
        assert 60 < float(head_px.min()) and float(head_px.max()) < 512, lens.name


def test_points_behind_the_lens_stay_finite_and_keep_their_sign() -> None:
    camera = Camera.facing(torch.tensor([5.0]), torch.tensor([28.0]), 64, 64)
    found = camera.project(torch.tensor([[[0.1, 0.0, -5.0], [0.1, 0.0, -9.0]]]))
    assert torch.isfinite(found).all() and float(found[0, 1, 2]) == pytest.approx(-4.0)
    assert float(found[0, 0, 2]) <= 1e-5


def test_boxes_around_faces_are_square_and_hold_the_landmarks() -> None:
    generator = torch.Generator().manual_seed(2)
    landmarks = torch.rand(40, 68, 2, generator=generator) * torch.tensor([80.0, 110.0]) + 200
    plain = face_boxes(landmarks, margin=0.2)
    width, height = plain[:, 2] - plain[:, 0], plain[:, 3] - plain[:, 1]
    torch.testing.assert_close(width, height)
    longest = (landmarks.amax(1) - landmarks.amin(1)).amax(1)
    torch.testing.assert_close(width, longest * 1.4)
    torch.testing.assert_close((plain[:, :2] + plain[:, 2:]) / 2, (landmarks.amin(1) + landmarks.amax(1)) / 2)
    shaken = face_boxes(landmarks, margin=0.2, shift=0.1, zoom=0.15, generator=generator)
    ratio = (shaken[:, 2] - shaken[:, 0]) / width
    assert 0.85 <= float(ratio.min()) < 0.95 and 1.05 < float(ratio.max()) <= 1.15
    moved = (shaken[:, :2] + shaken[:, 2:] - plain[:, :2] - plain[:, 2:]).abs() / 2
    assert 0 < float((moved / (width * ratio)[:, None]).max()) <= 0.1


def test_numbers_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="Camera.centre_px"):
        Camera(torch.eye(3)[None], torch.zeros(1, 3), torch.ones(1), torch.zeros(2), 8, 8)


def test_a_picture_turned_scaled_and_moved_is_that_of_another_camera() -> None:
    generator = torch.Generator().manual_seed(4)
    camera = Camera.random(6, 300, 400, generator)
    points = torch.randn(6, 50, 3, generator=generator)
    angle, scale = torch.rand(6, generator=generator) * 2 - 1, 0.3 + torch.rand(6, generator=generator)
    linear = torch.stack([torch.stack([angle.cos(), -angle.sin()], -1), torch.stack([angle.sin(), angle.cos()], -1)], 1)
    change = torch.cat([linear * scale[:, None, None], torch.randn(6, 2, 1, generator=generator) * 30], 2)
    there = camera.similar(change, 96, 128)
    before, after = camera.project(points), there.project(points)
    expected = before[..., :2] @ change[:, :, :2].transpose(1, 2) + change[:, None, :, 2]
    torch.testing.assert_close(after[..., :2], expected, atol=2e-3, rtol=1e-4)
    torch.testing.assert_close(after[..., 2], before[..., 2], atol=1e-4, rtol=1e-5)
    assert (there.height, there.width) == (96, 128)
