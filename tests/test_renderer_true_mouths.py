"""Where training draws teeth: along the person's own rows, not along average ones."""

from __future__ import annotations

import numpy as np
import pytest

from visavis_models.face.model import face_model

pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_training.mouth_inside import UPPER  # noqa: E402
from visavis_training.people import dentition  # noqa: E402
from visavis_training.renderer.true_mouths import arch_weights  # noqa: E402

pytestmark = pytest.mark.weights


def laid(points: np.ndarray) -> np.ndarray:
    places, weights = arch_weights(face_model().teeth_upper.uv)
    result: np.ndarray = np.einsum("nkc,nk->nc", points.reshape(-1, 3)[places], weights)
    return result


def test_the_rigs_teeth_lie_along_an_average_arch() -> None:
    model = face_model().teeth_upper
    found, uv = laid(dentition.arch_points(UPPER, dentition.Crooked())), model.uv
    _, weights = arch_weights(uv)
    assert np.allclose(weights.sum(1), 1, atol=1e-5)
    front = (uv[:, 1] > 0.2) & (abs(uv[:, 0] - 6) < 3)
    apart = found[front] - found[front].mean(0) - (model.vertices[front] - model.vertices[front].mean(0))
    assert np.abs(apart).max() < 0.03, "dm: the same teeth, of somewhat other shapes"


def test_a_gap_between_the_front_teeth_and_a_raised_canine_are_followed() -> None:
    uv = face_model().teeth_upper.uv
    average = laid(dentition.arch_points(UPPER, dentition.Crooked()))
    gap = laid(dentition.arch_points(UPPER, dentition.Crooked(gap=0.03))) - average
    edge = uv[:, 1] == 1.0
    right, left = (gap[edge & (abs(uv[:, 0] - tooth) < 0.3), 0].mean() for tooth in (5.5, 6.5))
    assert left - right == pytest.approx(0.03, abs=0.004), "the person's right comes first, where x is negative"
    raised = tuple(0.02 if tooth == 3 else 0.0 for tooth in range(dentition.TEETH_PER_ARCH))
    lifted = laid(dentition.arch_points(UPPER, dentition.Crooked(raised=raised))) - average
    assert abs(lifted[edge & (abs(uv[:, 0] - 3.5) < 0.3), 1]).min() > 0.015
    assert abs(lifted[edge & (abs(uv[:, 0] - 8.5) < 0.3)]).max() < 1e-6
