"""Parts of the fit, against independent computations: bounded steps, the lens, what contact adds, what is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from visavis_models.arkit import ARKIT, ARKIT_COUNT, ARKIT_NAMES
from visavis_models.face import topology as topo
from visavis_models.face.basis import face_basis
from visavis_models.face.box_steps import box_step
from visavis_models.face.model import face_model
from visavis_models.face.own_face import own_face
from visavis_models.face.person import Person

pytestmark = pytest.mark.weights


def turned(yaw: float, pitch: float) -> NDArray[np.float64]:
    c, s, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    turn: NDArray[np.float64] = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ np.array(
        [[1, 0, 0], [0, cp, -sp], [0, sp, cp]]
    )
    return turn


def person(nearness: float = 0.0, seed: int = 0, yaw: float = 0.2) -> Person:
    rng = np.random.default_rng(seed)
    count = len(face_basis().identity)
    expression = np.zeros(ARKIT_COUNT)
    expression[ARKIT["mouthSmileLeft"]] = expression[ARKIT["mouthSmileRight"]] = 0.5
    place = np.array([0.7, -0.4, nearness, 0.01])
    return Person(rng.standard_normal(count), expression, turned(yaw, 0.1), place)


@pytest.mark.parametrize("seed", range(12))
def test_a_bounded_step_is_the_least_squares_solution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    design, goal = rng.standard_normal((90, 40)), 3 * rng.standard_normal(90)
    low, high = np.full(40, -np.inf), np.full(40, np.inf)
    low[8:34], high[8:34] = -0.1 * rng.random(26), 0.1 * rng.random(26)
    low[12], high[20] = 0.0, 0.0
    step = box_step(design.T @ design, -design.T @ goal, low, high)
    low[12], high[20] = -1e-12, 1e-12  # scipy wants some room
    expected = lsq_linear(design, goal, (low, high), tol=1e-13).x
    np.testing.assert_allclose(step, expected, atol=1e-5)
    assert (step >= low - 1e-9).all() and (step <= high + 1e-9).all()


def test_seen_points_are_those_of_a_pinhole() -> None:
    someone = person(nearness=0.2)
    points = np.random.default_rng(3).normal(size=(50, 3)) * 0.5
    distance = 1 / someone.nearness
    view = points @ someone.rotation.T + [someone.place[0], someone.place[1], distance]
    expected = view[:, :2] / view[:, 2:] * distance
    np.testing.assert_allclose(someone.seen(points)[:, :2], expected, atol=1e-12)


def test_seen_motion_is_the_slope_of_what_is_seen() -> None:
    someone = person(nearness=0.15)
    rng = np.random.default_rng(4)
    points, motion = rng.normal(size=(30, 3)) * 0.6, rng.normal(size=(2, 30, 3))
    step = 1e-6
    slope = (someone.seen(points + step * motion) - someone.seen(points - step * motion)) / (2 * step)
    found = someone.seen_motion(points, motion)
    np.testing.assert_allclose(found[..., :2], slope[..., :2], atol=1e-6)
    # depth is shrunk by the plain slope of z / (1 + z / distance)
    np.testing.assert_allclose(found[..., 2], slope[..., 2], atol=1e-6)


def test_far_away_the_mean_person_moves_as_the_generic_model_does() -> None:
    basis, model = face_basis(), face_model()
    nobody = Person(np.zeros(len(basis.identity)), np.zeros(ARKIT_COUNT), np.eye(3), np.zeros(4))
    landmarks = (100 * basis.mean + [300, 300, 0]).astype(np.float32)
    own = own_face(model, basis, nobody, landmarks)
    # the same displacement in px, whatever the size of the head space it is kept in
    found = own.fit.scale * own.model.expression.astype(np.float64) @ own.fit.rotation.T
    np.testing.assert_allclose(found, 100 * model.expression, atol=0.25)


def test_a_near_lens_moves_what_is_nearer_more() -> None:
    basis, model = face_basis(), face_model()
    rows = {}
    for nearness in (0.0, 0.25):
        someone = replace(person(nearness, yaw=0.0), rotation=np.eye(3), place=np.array([0.0, 0.0, nearness, 0.0]))
        middle = basis.mean[list(topo.RIGID)].mean(0)
        seen = someone.seen(basis.face(someone.identity, someone.expression) - middle)
        own = own_face(model, basis, someone, (100 * seen + [300, 300, 0]).astype(np.float32))
        moved = own.fit.scale * own.model.expression[ARKIT["mouthLeft"]].astype(np.float64) @ own.fit.rotation.T
        rows[nearness] = np.abs(moved[[13, 14, 0, 17], 0]).mean()
    assert rows[0.25] > 1.05 * rows[0.0]  # lips lie before the head's middle


def test_people_move_as_they_are_made() -> None:
    basis = face_basis()
    assert basis.motion(np.zeros(len(basis.identity))) == pytest.approx(basis.expression)
    rng = np.random.default_rng(5)
    differ = np.stack([basis.motion(rng.standard_normal(len(basis.identity))) - basis.expression for _ in range(20)])
    size = np.sqrt((differ**2).sum(-1)).max(-1)  # (20, 52)
    blink, brows = ARKIT["eyeBlinkLeft"], ARKIT["browInnerUp"]
    assert size[:, blink].mean() > 0.004  # lids that close depend on the eye under them
    assert size[:, brows].mean() < size[:, blink].mean()


def test_lips_that_would_cross_stop_at_each_other() -> None:
    basis = face_basis()
    someone = np.zeros(len(basis.identity))
    face = np.zeros(ARKIT_COUNT)
    for name in ("mouthPressLeft", "mouthPressRight", "mouthShrugLower", "mouthRollUpper"):
        face[ARKIT[name]] = 0.6
    upper, lower = list(topo.UPPER_LIP[0][2:-2]), list(topo.LOWER_LIP[0][2:-2])

    def gap(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(points[lower, 1] - points[upper, 1])

    rest = gap(basis.neutral(someone))
    free = gap(basis.neutral(someone) + np.tensordot(face, basis.motion(someone), 1)) - rest
    stopped = gap(basis.face(someone, face)) - rest
    assert np.abs(stopped).max() < 0.04
    assert np.abs(stopped).mean() < np.abs(free).mean() or np.abs(free).mean() < 0.01


def test_a_person_is_kept_whole_or_refused() -> None:
    someone = person(0.1)
    again = Person.of(dict(someone.arrays()))
    assert again is not None
    np.testing.assert_allclose(again.identity, someone.identity, atol=1e-6)
    np.testing.assert_allclose(again.place, someone.place, atol=1e-6)
    assert Person.of({}) is None
    broken = dict(someone.arrays())
    del broken["person_place"]
    with pytest.raises(ValueError, match="person_place"):
        Person.of(broken)
    broken = dict(someone.arrays())
    broken["person_expression"] = np.full(len(ARKIT_NAMES), np.nan, np.float32)
    with pytest.raises(ValueError, match="expression"):
        Person.of(broken)
