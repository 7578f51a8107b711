"""A person's own face in a photo: found in people whom the basis never saw, and in a real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load, save

from portrait_photos import astronaut, encoded
from visavis_models.arkit import ARKIT, ARKIT_NAMES
from visavis_models.avatar import Avatar
from visavis_models.face.basis import FaceBasis, face_basis
from visavis_models.face.own_face import own_depth
from visavis_models.face.person import Person
from visavis_models.face.person_fitting import MOST_RESIDUAL, PersonFitter, find_person
from visavis_models.face.topology import MESH_COUNT, RIGID
from visavis_models.portrait.analysis import analyse
from visavis_models.portrait.storage import DamagedAvatar, load_avatar, save_avatar
from visavis_models.weights import manifest

pytestmark = pytest.mark.weights

Array = NDArray[np.float64]

KNOWN = Path(__file__).parent / "data" / "known_faces.npz"
"""Sixteen of the training's people and cameras, made like those of `benchmarks/face_fit.py`: exact landmarks in px."""
DEPTHLESS = ("jawForward", "cheekPuff", "mouthClose", "tongueOut")


@pytest.fixture(scope="module")
def known() -> dict[str, Array]:
    with np.load(KNOWN) as stored:
        return {name: stored[name].astype(np.float64) for name in stored.files}


@pytest.fixture(scope="module")
def people(known: dict[str, Array]) -> list[Person]:
    fitter = PersonFitter(face_basis(), habits=False)
    size = int(known["size_px"])
    return [fitter.fit(landmarks, (size, size)) for landmarks in known["landmarks"]]


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return analyse(encoded(astronaut()), "Astronaut")


def off_pct(person: Person, basis: FaceBasis, landmarks: Array, habits: bool) -> float:
    """Mean distance of the fitted face from the landmarks in percent of the face's width."""
    seen = person.seen(PersonFitter(basis, habits).points(person))[:MESH_COUNT, :2]
    goal = landmarks[:MESH_COUNT, :2]
    x, y = seen - seen.mean(0), goal - goal.mean(0)
    off = np.linalg.norm((x * y).sum() / (x * x).sum() * x - y, axis=1)
    return float(100 * off.mean() / np.linalg.norm(landmarks[454] - landmarks[234]))


def test_the_basis_is_small_and_its_licence_is_said() -> None:
    entry = manifest()["face_basis"]
    assert entry.bytes < 2_000_000
    assert entry.licence == "CC0-1.0"


def test_faces_never_seen_are_met(known: dict[str, Array], people: list[Person]) -> None:
    off = [
        off_pct(person, face_basis(), marks, False) for person, marks in zip(people, known["landmarks"], strict=True)
    ]
    assert np.mean(off) < 1.0
    assert max(off) < 2.0


def test_expressions_are_told_from_identities(known: dict[str, Array], people: list[Person]) -> None:
    off = np.array([person.expression for person in people]) - known["face"]
    visible = [k for k, name in enumerate(ARKIT_NAMES) if name not in DEPTHLESS]
    assert np.sqrt((off[:, visible] ** 2).mean()) < 0.055
    nothing = np.sqrt((known["face"][:, visible] ** 2).mean())
    assert np.sqrt((off[:, visible] ** 2).mean()) < 0.3 * nothing


def test_a_near_lens_is_told_from_a_far_one(known: dict[str, Array], people: list[Person]) -> None:
    found = np.array([person.nearness for person in people])
    assert np.corrcoef(found, 1 / known["distance_dm"])[0, 1] > 0.7


def test_depth_is_the_faces_own_not_the_networks_guess(known: dict[str, Array], people: list[Person]) -> None:
    rng = np.random.default_rng(2)
    before: list[float] = []
    after: list[float] = []
    for person, true in zip(people, known["landmarks"], strict=True):
        guess = true.copy()
        guess[:, 2] = 0.8 * true[:, 2] + rng.normal(0, 0.04, len(true)) * np.ptp(true[:, 0])
        own = own_depth(face_basis(), person, guess.astype(np.float32))
        np.testing.assert_array_equal(own[:, :2], guess[:, :2].astype(np.float32))
        assert own[list(RIGID), 2].mean() == pytest.approx(guess[list(RIGID), 2].mean(), abs=0.01)
        for rows, points in ((before, guess), (after, own)):
            error = points[:MESH_COUNT, 2] - true[:MESH_COUNT, 2]
            rows.append(float(error.std() / np.ptp(true[:, 0])))
    assert np.mean(after) < 0.6 * np.mean(before)


def test_the_size_and_place_of_the_picture_do_not_matter(known: dict[str, Array], people: list[Person]) -> None:
    size = int(known["size_px"])
    larger = PersonFitter(face_basis(), habits=False).fit(known["landmarks"][0] * 3, (3 * size, 3 * size))
    np.testing.assert_allclose(larger.expression, people[0].expression, atol=1e-6)
    np.testing.assert_allclose(larger.identity, people[0].identity, atol=1e-5)
    np.testing.assert_allclose(larger.rotation, people[0].rotation, atol=1e-6)


def test_mirrored_landmarks_give_the_mirrored_expression(known: dict[str, Array], people: list[Person]) -> None:
    from visavis_models.face.model import face_model

    size = int(known["size_px"])
    flipped = (known["landmarks"][1] * [-1, 1, 1] + [size, 0, 0])[face_model().mirror]
    found = PersonFitter(face_basis(), habits=False).fit(flipped, (size, size)).expression
    swap = {"Left": "Right", "Right": "Left"}
    for name in ("mouthSmile", "browDown", "eyeBlink", "mouthStretch", "eyeLookIn"):
        for side, other in swap.items():
            assert found[ARKIT[name + side]] == pytest.approx(people[1].expression[ARKIT[name + other]], abs=0.08)


def test_coefficients_stay_within_their_range_and_the_tongue_is_never_guessed(people: list[Person]) -> None:
    for person in people:
        assert person.expression.min() >= 0.0 and person.expression.max() <= 1.0
        assert person.expression[ARKIT["tongueOut"]] == 0.0
        np.testing.assert_allclose(person.rotation @ person.rotation.T, np.eye(3), atol=1e-9)


def test_a_real_photo_is_met_and_its_smile_is_seen(avatar: Avatar) -> None:
    person = avatar.person
    assert person is not None
    assert off_pct(person, face_basis(), avatar.landmarks.astype(np.float64), True) < 1.5
    for side in ("Left", "Right"):
        assert person.expression[ARKIT[f"mouthSmile{side}"]] > 0.4
        assert person.expression[ARKIT[f"eyeBlink{side}"]] < 0.2
    assert np.abs(person.identity).max() < 4.0


def test_what_is_no_face_is_no_person() -> None:
    basis = face_basis()
    scattered = (np.random.default_rng(1).random((478, 3)) * 200).astype(np.float32)
    assert PersonFitter(basis).fit(scattered, (256, 256)).residual > MOST_RESIDUAL
    assert find_person(scattered, (256, 256)) is None


def test_the_person_is_stored_with_the_avatar_and_a_damaged_one_is_refused(avatar: Avatar, tmp_path: Path) -> None:
    save_avatar(avatar, tmp_path / "astronaut")
    again = load_avatar(tmp_path / "astronaut").person
    assert again is not None and avatar.person is not None
    np.testing.assert_allclose(again.expression, avatar.person.expression, atol=1e-6)
    np.testing.assert_allclose(again.rotation, avatar.person.rotation, atol=1e-6)
    file = tmp_path / "astronaut" / "points.safetensors"
    arrays = load(file.read_bytes())
    del arrays["person_rotation"]
    file.write_bytes(save(arrays))
    with pytest.raises(DamagedAvatar, match="person_rotation"):
        load_avatar(tmp_path / "astronaut")
