"""Expressions read off pixels: what describes a face, what is learnt from it, and what the reader that ships says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_photos import astronaut
from visavis_models.arkit import ARKIT, ARKIT_COUNT
from visavis_models.face.basis import face_basis
from visavis_models.face.expression_of_picture import MIRRORED, WEIGHTS, ToldExpression, picture_reader
from visavis_models.face.face_crops import DESCRIPTOR_COUNT, FaceCrops
from visavis_models.face.model import face_model
from visavis_models.face.person_fitting import PersonFitter
from visavis_models.portrait.face_detection import find_faces
from visavis_models.portrait.face_mesh import fit_mesh
from visavis_models.weights import manifest

pytestmark = pytest.mark.weights

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def photo() -> Pixels:
    return np.ascontiguousarray(astronaut(), np.uint8)


@pytest.fixture(scope="module")
def landmarks(photo: Pixels) -> Floats:
    return fit_mesh(photo, find_faces(photo)[0].crop(), rounds=3).points


def flipped(photo: Pixels, landmarks: Floats) -> tuple[Pixels, Floats]:
    points = (landmarks * [-1, 1, 1] + [photo.shape[1], 0, 0])[face_model().mirror]
    return np.ascontiguousarray(photo[:, ::-1]), points.astype(np.float32)


def test_crops_show_eyes_and_mouth(photo: Pixels, landmarks: Floats) -> None:
    crops = FaceCrops.of(photo, landmarks)
    for eye in crops.eyes:  # the pupil lies below the middle, the brow above; both are dark, the lid between is not
        column = eye[:, 24:33].astype(float).mean(1)
        assert column[30:50].min() < column[20:30].max() - 20
    assert crops.mouth[24:40, 20:44].max() > 180, "her teeth"
    assert crops.described().shape == (DESCRIPTOR_COUNT,)


def test_size_of_the_picture_and_its_light_change_little(photo: Pixels, landmarks: Floats) -> None:
    plain = FaceCrops.of(photo, landmarks).described()
    dim = FaceCrops.of((photo * 0.6).astype(np.uint8), landmarks).described()
    large = np.ascontiguousarray(photo.repeat(2, 0).repeat(2, 1))
    larger = FaceCrops.of(large, landmarks * 2 + np.array([0.5, 0.5, 0], np.float32)).described()
    other = FaceCrops.of(photo, landmarks).mirrored(face_model().mirror).described()
    usual = np.linalg.norm(plain - other)
    assert np.linalg.norm(plain - dim) < 0.3 * usual
    assert np.linalg.norm(plain - larger) < 0.5 * usual


def test_mirrored_crops_are_those_of_the_mirrored_photo(photo: Pixels, landmarks: Floats) -> None:
    ours = FaceCrops.of(photo, landmarks).mirrored(face_model().mirror)
    theirs = FaceCrops.of(*flipped(photo, landmarks))
    assert np.abs(ours.eyes.astype(int) - theirs.eyes).mean() < 1.0
    assert np.abs(ours.mouth.astype(int) - theirs.mouth).mean() < 1.0
    assert np.abs(ours.points - theirs.points).max() < 0.05
    assert ours.angles == pytest.approx(theirs.angles, abs=0.01)


def test_a_broad_smile_and_open_eyes_are_read(photo: Pixels, landmarks: Floats) -> None:
    told = picture_reader().read(photo, landmarks)
    for side in ("Left", "Right"):
        assert told.face[ARKIT[f"mouthSmile{side}"]] > 0.3
        assert told.face[ARKIT[f"eyeBlink{side}"]] < 0.25
        assert told.face[ARKIT[f"mouthFrown{side}"]] < 0.15
    assert told.face[ARKIT["jawOpen"]] < 0.4
    assert told.face[ARKIT["mouthPucker"]] < 0.2
    assert 0.0 <= told.face.min() and told.face.max() <= 1.0
    assert 0.02 < np.sqrt((told.spread**2).mean()) < 0.14


def test_left_is_left(photo: Pixels, landmarks: Floats) -> None:
    told = picture_reader().read(photo, landmarks).face
    mirrored = picture_reader().read(*flipped(photo, landmarks)).face
    np.testing.assert_allclose(mirrored, told[MIRRORED], atol=0.03)
    assert np.array_equal(MIRRORED[MIRRORED], np.arange(ARKIT_COUNT))


def test_the_weights_are_small_and_free() -> None:
    entry = manifest()[WEIGHTS]
    assert entry.bytes < 300_000
    assert entry.licence == "CC0-1.0"


def test_what_is_told_is_believed_as_far_as_it_is_exact(photo: Pixels, landmarks: Floats) -> None:
    fitter, size = PersonFitter(face_basis()), (photo.shape[1], photo.shape[0])
    face = np.full(ARKIT_COUNT, 0.1, np.float32)
    face[ARKIT["browInnerUp"]] = 0.7
    exact = fitter.fit(landmarks, size, ToldExpression(face, np.full(ARKIT_COUNT, 0.02, np.float32)))
    vague = fitter.fit(landmarks, size, ToldExpression(face, np.full(ARKIT_COUNT, 0.3, np.float32)))
    assert exact.expression[ARKIT["browInnerUp"]] == pytest.approx(0.7, abs=0.1)
    assert np.abs(exact.expression - face).mean() < 0.5 * np.abs(vague.expression - face).mean()


def test_a_linear_law_is_learnt_and_held_out_people_tell_how_well() -> None:
    pytest.importorskip("torch")
    from visavis_training.people.picture_regressor import RANK, Design, read, rms
    from visavis_training.people.picture_samples import PictureSamples

    rng = np.random.default_rng(4)
    law = rng.normal(0, 0.03, (60, ARKIT_COUNT))
    law[30:] = law[:30][:, MIRRORED]  # the second half of the numbers is the first as mirrored pictures have it
    described = rng.normal(0, 1, (600, 1, 60)).astype(np.float32)
    both = np.stack([described, np.concatenate([described[..., 30:], described[..., :30]], -1)], 2)
    face = np.clip(0.5 + described[:, 0] @ law, 0, 1).astype(np.float32)
    samples = PictureSamples(both, face, np.arange(600), np.zeros(600, np.int64))
    learnt, held = samples.rows(np.arange(600) < 500), samples.rows(np.arange(600) >= 500)
    design = Design.of(learnt)
    down, up = design.solved(1.0)
    assert up.shape == (RANK, ARKIT_COUNT)
    assert rms(read(held, design, down, up) - held.face) < 0.3 * rms(held.face - held.face.mean(0))
    assert rms(read(held, design, *design.solved(1e6)) - held.face) > 0.8 * rms(held.face - held.face.mean(0))
