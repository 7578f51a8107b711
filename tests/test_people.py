"""The parts of the portrait factory that need neither Blender nor the base mesh: shapes, strands, eyes, the film."""

from __future__ import annotations

import numpy as np
import pytest

from visavis_training.people import clothing, photograph
from visavis_training.people.eyes import Iris, eyeball
from visavis_training.people.identity import Shape, rotation, target_weights, turn, wandering
from visavis_training.people.recipes import PEOPLE
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
    assert eye.colour[(along > 0.4) & (along < 0.7)].mean() > 0.25
    assert np.linalg.norm(eye.cornea - centre, axis=1).min() > 0.014


def test_a_neckline_cuts_the_throat_and_leaves_the_shoulders() -> None:
    crew = clothing.Neckline(np.array([0.0, 0.0, 0.5]), 0.08, 0.05)
    vee = clothing.Neckline(np.array([0.0, 0.0, 0.5]), 0.08, 0.05, 0.1)
    places = np.array([[0.0, -0.1, 0.47], [0.0, -0.1, 0.42], [0.2, -0.1, 0.49]])
    assert (crew.above(places) > 0).tolist() == [True, False, False]
    assert (vee.above(places) > 0).tolist() == [True, True, False]


def test_developing_is_repeatable_and_shows_the_room_where_nobody_is() -> None:
    light = np.zeros((96, 96, 4), np.float32)
    light[30:, 30:66] = (0.3, 0.2, 0.15, 1.0)
    picture = photograph.develop(light, "window", 1.0, seed=2)
    assert picture.shape == (96, 96, 3) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, photograph.develop(light, "window", 1.0, seed=2))
    brighter = photograph.develop(light, "window", 1.6, seed=2)
    assert brighter[50, 48].mean() > picture[50, 48].mean() + 10
    assert picture[20:60, 66:85].mean() > 150 > picture[70:, 30:66].mean()


def test_every_recipe_names_a_room_and_a_known_cut() -> None:
    for recipe in PEOPLE.values():
        assert recipe.room in photograph.ROOMS
        assert sum(recipe.shape.ancestry.values()) == pytest.approx(1.0)
