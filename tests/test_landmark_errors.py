"""Detectors with known faults: what is learnt of them from what they found must be these faults."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

import torch

from visavis_models.arkit import ARKIT, ARKIT_COUNT
from visavis_models.face.expression_of_landmarks import UprightFaces, upright
from visavis_models.face.model import face_model
from visavis_training.people.landmark_errors import PARTS, LandmarkErrors

pytestmark = pytest.mark.weights

Floats = NDArray[np.float32]
PEOPLE, VIEWS = 60, 3
HALF = ("jawLeft", "jawRight", "mouthSmileLeft", "mouthSmileRight")
"""Units that the faulty detector follows half the way."""
BIAS_CM = 0.2


def motion() -> Floats:
    """(52, 478, 3): how units move the mean face, cm of the canonical face."""
    model = face_model()
    scale = upright(model.mean[None].astype(np.float64)).scale[0]
    return np.asarray(model.expression / scale, np.float32)


def faces(points: Floats) -> UprightFaces:
    zeros = np.zeros((len(points), 3), np.float32)
    return UprightFaces(points, zeros, zeros, np.ones(len(points), np.float32))


@pytest.fixture(scope="module")
def learnt() -> LandmarkErrors:
    rng = np.random.default_rng(5)
    count = PEOPLE * VIEWS
    face = (rng.random((count, ARKIT_COUNT)) * (rng.random((count, ARKIT_COUNT)) < 0.3)).astype(np.float32)
    mean = upright(face_model().mean[None].astype(np.float64)).points[0]
    people = np.repeat(np.arange(PEOPLE), VIEWS)
    own = rng.normal(0, 0.1, (PEOPLE, 478, 3))[people]
    true = (mean + own + np.einsum("nk,kvc->nvc", face, motion())).astype(np.float32)
    follows = np.ones(ARKIT_COUNT)
    follows[[ARKIT[name] for name in HALF]] = 0.5
    lasting = np.zeros((478, 3))
    lasting[:, 1] = 0.15  # a person's own error: all landmarks up or down together
    habit = rng.normal(0, 1, PEOPLE)[people]
    error = np.einsum("nk,kvc->nvc", face * (follows - 1), motion()) + habit[:, None, None] * lasting
    error += rng.normal(0, 0.02, error.shape)
    error[..., 0] += BIAS_CM
    return LandmarkErrors.learn(faces(true), faces((true + error).astype(np.float32)), face, people, motion())


def test_half_followed_units_are_told_from_the_others(learnt: LandmarkErrors) -> None:
    half = [ARKIT[name] for name in HALF]
    whole = [ARKIT[name] for name in ("jawOpen", "eyeBlinkLeft", "browDownRight", "mouthPucker")]
    assert np.abs(learnt.follows[half] - 0.5).max() < 0.12
    assert np.abs(learnt.follows[whole] - 1.0).max() < 0.12


def test_errors_that_are_drawn_look_like_those_that_were_seen(learnt: LandmarkErrors) -> None:
    generator = torch.Generator().manual_seed(1)
    mean = torch.from_numpy(learnt.mean).reshape(1, 478, 3).expand(400, -1, -1)
    nothing = torch.zeros(400, ARKIT_COUNT)
    own = torch.randn(400, PARTS + ARKIT_COUNT, generator=generator)
    none, all_of_it = torch.zeros(400, PARTS), torch.ones(400, 1)
    found, _ = learnt.found(mean, torch.zeros(400, 3), nothing, own, none, all_of_it, generator)
    error = (found - mean).numpy()
    assert error[..., 0].mean() == pytest.approx(BIAS_CM, abs=0.03)
    assert error[..., 1].mean(1).std() == pytest.approx(0.15, rel=0.3)
    without, _ = learnt.found(mean, torch.zeros(400, 3), nothing, own, none, 0 * all_of_it, generator)
    assert np.abs((without - mean).numpy()).max() == 0.0
