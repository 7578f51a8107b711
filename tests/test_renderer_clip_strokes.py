"""Where training looks: what is fixed to the skull lies at one place in the reference's crop and in every true one."""

from __future__ import annotations

import numpy as np
import pytest

from visavis_models.diffusion.crops import LEFT_EYE, MOUTH, RIGHT_EYE, Region, in_crop, laid
from visavis_models.face import topology as topo
from visavis_models.face.model import face_model

pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_training.renderer.clip_strokes import ClipFacts, _lips_apart_as_they_are, seen_px, true_crops  # noqa: E402

pytestmark = pytest.mark.weights
MOUTH_PX = (96, 128)
FOCAL_PX = 900.0


def turned(yaw_rad: float, pitch_rad: float) -> np.ndarray:
    c, s, d, t = np.cos(yaw_rad), np.sin(yaw_rad), np.cos(pitch_rad), np.sin(pitch_rad)
    matrix: np.ndarray = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ [[1, 0, 0], [0, d, -t], [0, t, d]]
    return matrix


@pytest.fixture(scope="module")
def facts() -> ClipFacts:
    """A head a metre away that turns, nods and comes nearer."""
    face = face_model().mean.astype(np.float64)
    face = face * (1.4 / np.ptp(face[:, 0]))
    middle = face.mean(0)
    poses = [(0.0, 0.0, 10.0), (0.2, 0.0, 10.0), (-0.1, 0.15, 10.3), (0.0, -0.1, 9.6)]
    marks = np.stack([(face - middle) @ turned(y, p).T + [0.2, -0.1, z] for y, p, z in poses]).astype(np.float32)
    still = np.zeros((3, 1), np.float32)
    return ClipFacts(
        np.zeros((400, 400, 3), np.uint8), marks, marks[0], FOCAL_PX, np.full(2, 200, np.float32),
        np.repeat(still, 52, 1), np.repeat(still, 6, 1), True,
    )  # fmt: skip


@pytest.mark.parametrize("region", [MOUTH, LEFT_EYE, RIGHT_EYE], ids=lambda region: region.name)
def test_the_skull_stands_still_in_true_crops_wherever_the_rig_has_its_anchors(
    facts: ClipFacts, region: Region
) -> None:
    reference = seen_px(facts.marks, facts)[0]
    width_px = float(np.ptp(reference[:, 0]))
    # The rig takes a smile for the person's rest: its anchors lie a tenth of the face's width higher than the true.
    anchors = reference[list(region.anchors), :2] - [0, 0.1 * width_px]
    at_rest = laid(region, anchors[None].astype(np.float32), np.array([width_px]), MOUTH_PX)
    there = facts.marks[0, list(region.anchors)].mean(0)  # carried by the skull like a tooth
    before = in_crop(seen_px(there[None, None], facts)[..., :2], at_rest)[0, 0]
    true = true_crops(facts, anchors, region, width_px, MOUTH_PX)
    for crop, (yaw, pitch, z) in zip(true, [(0.2, 0.0, 10.0), (-0.1, 0.15, 10.3), (0.0, -0.1, 9.6)], strict=True):
        moved = (there - [0.2, -0.1, 10.0]) @ turned(yaw, pitch).T + [0.2, -0.1, z]
        after = in_crop(seen_px(moved[None, None].astype(np.float32), facts)[..., :2], crop[None])[0, 0]
        assert np.abs(after - before).max() < 2.5, "px; the rest is perspective"


def test_lips_that_meet_meet_although_the_detector_saw_them_apart() -> None:
    error = np.random.default_rng(1).normal(0, 3, (topo.LANDMARK_COUNT, 3)).astype(np.float32)
    kept = _lips_apart_as_they_are(error)
    for upper, lower in zip(topo.UPPER_LIP[0], topo.LOWER_LIP[0], strict=True):
        assert np.array_equal(kept[upper], kept[lower])
    others = [k for k in range(topo.LANDMARK_COUNT) if not any(k in r for r in topo.UPPER_LIP[:2] + topo.LOWER_LIP[:2])]
    assert np.array_equal(kept[others], error[others]) and np.ptp(kept[list(topo.UPPER_LIP[0])], axis=0).min() > 1
