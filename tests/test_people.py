"""The parts of the portrait factory that need neither Blender nor the base mesh: shapes, strands, eyes, the film."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_training.people import clothing, photograph
from visavis_training.people.cast import PEOPLE
from visavis_training.people.eyes import Iris, eyeball
from visavis_training.people.features import Features
from visavis_training.people.hair import STYLES, afro
from visavis_training.people.identity import Shape, rotation, target_weights, turn, wandering
from visavis_training.people.photograph import Grade
from visavis_training.people.recipes import Hairdo
from visavis_training.people.rooms import ROOMS
from visavis_training.people.surface import Body, Floats, Surface, noise, scatter, vertex_normals

pytestmark = pytest.mark.unit


def sheet(side: int = 21, size: float = 0.2) -> Surface:
    """A flat square in the x-z plane that faces the front (-y)."""
    across, up = np.meshgrid(np.linspace(-size / 2, size / 2, side), np.linspace(0, size, side))
    points = np.stack([across.ravel(), 0 * across.ravel(), up.ravel()], 1)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    quads = np.stack([corner, corner + 1, corner + side + 1, corner + side], 1)
    return Surface(points, vertex_normals(points, quads), points[:, [0, 2]], quads)


def test_the_same_seed_wanders_the_same_way_and_another_differs() -> None:
    names = [f"nose/{number}" for number in range(40)]
    assert wandering(names, 9, 0.2, 5) == wandering(list(reversed(names)), 9, 0.2, 5)
    assert wandering(names, 9, 0.2, 5) != wandering(names, 9, 0.2, 6)
    assert all(0.0 <= amount <= 0.2 for amount in wandering(names, 9, 0.2, 5).values())


def test_macro_weights_of_a_shape_sum_to_one_per_kind() -> None:
    weights = target_weights(Shape("female", {"asian": 0.3, "caucasian": 0.7}, age=0.4, weight=-0.2))
    ancestry = sum(amount for name, amount in weights.items() if "universal" not in name)
    build = sum(amount for name, amount in weights.items() if "universal" in name)
    assert ancestry == pytest.approx(1.0) and build == pytest.approx(1.0)


def test_a_turn_moves_only_what_has_a_share() -> None:
    points = np.array([[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    turned = turn(points, np.array([1.0, 0.0]), np.array([0.0, 1.0, 0.0]), rotation(0.0, np.pi / 2, 0.0))
    np.testing.assert_allclose(turned, [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]], atol=1e-12)


def test_noise_repeats_is_centred_and_changes_with_the_seed() -> None:
    points = np.random.default_rng(0).random((4000, 3))
    first = noise(points, 30.0, 3, seed=1)
    np.testing.assert_array_equal(first, noise(points, 30.0, 3, seed=1))
    assert abs(first.mean()) < 0.05 and first.std() > 0.1 and np.abs(first).max() <= 1.0
    assert abs(np.corrcoef(first, noise(points, 30.0, 3, seed=2))[0, 1]) < 0.2


def test_scattered_roots_lie_where_the_density_allows() -> None:
    surface = sheet()
    left_half = (surface.points[:, 0] < -0.005).astype(float)
    roots, normals, _ = scatter(surface, left_half, 500, seed=3)
    assert roots[:, 0].max() < 0.011 and np.abs(roots[:, 1]).max() < 1e-12
    np.testing.assert_allclose(normals, np.tile([0.0, -1.0, 0.0], (500, 1)), atol=1e-9)


def test_points_are_kept_outside_a_body() -> None:
    body = Body(sheet(), stride=1)
    inside = np.array([[0.0, 0.02, 0.1], [0.0, -0.05, 0.1]])
    kept: Floats = body.outside(inside, 0.01)
    np.testing.assert_allclose(kept, [[0.0, -0.01, 0.1], [0.0, -0.05, 0.1]], atol=1e-9)


@pytest.mark.parametrize("gaze", [np.array([0.0, -1.0, 0.0]), np.array([0.3, -1.0, -0.2])])
def test_the_pupil_is_dark_and_looks_along_the_gaze(gaze: Floats) -> None:
    centre = np.array([0.03, -0.1, 0.9])
    eye = eyeball(centre, 0.014, gaze, Iris((80, 100, 120), (120, 110, 80)), -1.0, seed=4)
    towards = (eye.ball - centre) / np.linalg.norm(eye.ball - centre, axis=1, keepdims=True)
    along = towards @ (gaze / np.linalg.norm(gaze))
    assert eye.colour[along > 0.999].max() < 0.02
    assert eye.colour[(along > 0.4) & (along < 0.7)].mean() > 0.2
    assert np.linalg.norm(eye.cornea - centre, axis=1).min() > 0.014


def cylinder(radius: float = 0.06, height: float = 0.5) -> tuple[Floats, NDArray[np.int64]]:
    """An upright tube about the origin that widens downwards, as a neck does."""
    turn, up = np.meshgrid(np.linspace(0, 2 * np.pi, 48, endpoint=False), np.linspace(-height, 0.1, 50), indexing="ij")
    wide = radius + 0.15 * np.maximum(-up, 0.0)
    points = np.stack([wide * np.sin(turn), -wide * np.cos(turn), up], -1).reshape(-1, 3)
    k, row = np.meshgrid(np.arange(48), np.arange(49), indexing="ij")
    after = (k + 1) % 48
    quads = np.stack([k * 50 + row, after * 50 + row, after * 50 + row + 1, k * 50 + row + 1], -1).reshape(-1, 4)
    return points, quads


def test_a_neckline_cuts_the_throat_and_leaves_the_shoulders() -> None:
    neck = clothing.Neck(*cylinder(), np.zeros(3))
    crew, vee = clothing.Neckline(-0.01), clothing.Neckline(-0.01, 0.08, 0.5)
    places = np.array([[0.0, -0.06, 0.02], [0.0, -0.07, -0.10], [0.18, 0.0, -0.05]])
    assert (neck.inside(places, crew) > 0).tolist() == [True, False, False]
    assert (neck.inside(places, vee) > 0).tolist() == [True, True, False]


@pytest.mark.parametrize("kind", ["band", "roll_neck", "shirt_collar"])
def test_a_collar_lies_around_the_neck_outside_the_skin(kind: str) -> None:
    neck = clothing.Neck(*cylinder(), np.zeros(3))
    if kind == "shirt_collar":
        points, quads = clothing.shirt_collar(neck, clothing.Neckline(open_half=0.1), 0.01, 0.03, 0.04)
    else:
        points, quads = getattr(clothing, kind)(neck, clothing.Neckline(), 0.01, 0.02)
    assert np.isfinite(points).all() and quads.max() == len(points) - 1
    away = np.hypot(points[:, 0], points[:, 1]) - (0.06 + 0.15 * np.maximum(-points[:, 2], 0.0))
    assert away.min() > 0.003 and away.max() < 0.05
    angles = np.degrees(np.arctan2(points[:, 0], -points[:, 1]))
    gaps = np.diff(np.sort(angles))
    assert gaps.max() < (13 if kind == "shirt_collar" else 2)


def test_a_sole_carries_the_foot_and_reaches_a_little_past_it() -> None:
    foot = np.random.default_rng(0).uniform((-0.04, -0.2, 0.0), (0.04, 0.06, 0.05), (400, 3))
    points, _ = clothing.hull_sole(foot, -0.02, 0.03, 0.004)
    assert points[:, 2].min() == pytest.approx(-0.02) and points[:, 2].max() == pytest.approx(0.0106, abs=1e-3)
    assert points[:, 1].min() < foot[:, 1].min() + 0.002 and np.ptp(points[:, 0]) < 0.10


def test_developing_repeats_brightens_and_grades() -> None:
    light = np.full((96, 96, 3), 0.05, np.float32)
    light[30:, 30:66] = (0.5, 0.35, 0.25)
    picture = photograph.develop(light, Grade(), seed=2)
    assert picture.shape == (96, 96, 3) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, photograph.develop(light, Grade(), seed=2))
    brighter = photograph.develop(light, Grade(stops=0.7), seed=2)
    assert brighter[50, 48].mean() > picture[50, 48].mean() + 10
    warm, cool = (photograph.develop(light, Grade(warmth=w, noise=0.0), seed=2)[60, 48].astype(int) for w in (1, -1))
    assert warm[0] > cool[0] and warm[2] < cool[2]


@pytest.mark.parametrize("name", sorted(ROOMS))
def test_a_room_leaves_its_person_and_camera_free(name: str) -> None:
    points, quads, colour, roughness, glow = ROOMS[name]().arrays()
    assert quads.max() < len(points) == len(colour) == len(roughness) == len(glow)
    assert colour.min() >= 0.0 and colour.max() <= 1.0 and glow.min() == 0.0 and np.isfinite(points).all()
    standing = (np.abs(points[:, 0]) < 0.45) & (np.abs(points[:, 1]) < 0.45) & (points[:, 2] > 0.1)
    assert not (standing & (points[:, 2] < 2.0)).any()
    assert ROOMS[name]().lamps


def test_every_recipe_names_what_exists() -> None:
    for recipe in PEOPLE.values():
        assert recipe.room in ROOMS and recipe.hairdo.style in STYLES
        assert {garment.kind for garment in recipe.outfit} <= {"top", "cardigan", "trousers", "shoes"}
        assert sum(recipe.shape.ancestry.values()) == pytest.approx(1.0)
    assert len({recipe.room for recipe in PEOPLE.values()}) == len(PEOPLE) == 8


@pytest.mark.parametrize("length", [0.02, 0.06])
def test_coils_reach_as_far_as_the_cut_says(length: float) -> None:
    turn, up = np.meshgrid(np.linspace(0, 2 * np.pi, 60, endpoint=False), np.linspace(-1.2, 1.5, 60), indexing="ij")
    points = 0.1 * np.stack([np.cos(up) * np.sin(turn), -np.cos(up) * np.cos(turn), np.sin(up)], -1).reshape(-1, 3)
    k, row = np.meshgrid(np.arange(60), np.arange(59), indexing="ij")
    quads = np.stack([k * 60 + row, (k + 1) % 60 * 60 + row, (k + 1) % 60 * 60 + row + 1, k * 60 + row + 1], -1)
    surface = Surface(points, vertex_normals(points, quads.reshape(-1, 4)), points[:, :2], quads.reshape(-1, 4))
    none = np.zeros(len(points))
    head = Features(
        np.array([0.03, -0.08, 0.0]), np.array([-0.03, -0.08, 0.0]), 0.012, np.array([0, -0.1, -0.03]),
        np.array([0, -0.09, -0.06]), 0.05, np.array([0, -0.08, -0.1]), np.zeros(3), 0.1, none, none, none, none, none,
    )  # fmt: skip
    coils = afro(head, surface, Hairdo("afro", 1.0, 0.0, length=length, wave=0.002), 400, 3).points
    reach = np.linalg.norm(coils[:, -1] - coils[:, 0], axis=1)
    assert 0.3 * length < np.median(reach) < 1.4 * length
    assert np.linalg.norm(coils[:, -1], axis=1).min() > 0.09
