"""The face model that ships: symmetric, whole, and right in what its units mean."""

from __future__ import annotations

import numpy as np
import pytest

from visavis_models.arkit import ARKIT, ARKIT_NAMES
from visavis_models.face import topology as topo
from visavis_models.face.model import face_model
from visavis_models.weights import manifest

pytestmark = pytest.mark.weights

FLIP = np.array([-1.0, 1.0, 1.0])


def test_the_file_is_small_and_its_licence_is_said() -> None:
    entry = manifest()["face_model"]
    assert entry.bytes < 1_500_000
    assert entry.licence == "CC0-1.0"


def test_left_is_the_mirror_image_of_right() -> None:
    model = face_model()
    np.testing.assert_array_equal(model.mirror[model.mirror], np.arange(topo.LANDMARK_COUNT))
    np.testing.assert_allclose(model.mean, model.mean[model.mirror] * FLIP, atol=2e-3)
    for name in ARKIT_NAMES:
        if "Left" in name:
            left, right = model.expression[ARKIT[name]], model.expression[ARKIT[name.replace("Left", "Right")]]
            np.testing.assert_allclose(left, right[model.mirror] * FLIP, atol=4e-3, err_msg=name)


def test_lips_of_every_person_meet() -> None:
    model = face_model()
    upper, lower = list(topo.UPPER_LIP[0]), list(topo.LOWER_LIP[0])
    np.testing.assert_allclose(model.mean[upper], model.mean[lower], atol=1e-6)
    np.testing.assert_allclose(model.identity[:, upper], model.identity[:, lower], atol=1e-6)


def test_the_skin_is_open_at_mouth_and_eyes_and_nowhere_else() -> None:
    triangles = face_model().triangles
    edges: dict[tuple[int, int], int] = {}
    for a, b, c in triangles.tolist():
        for edge in ((a, b), (b, c), (c, a)):
            key = (min(edge), max(edge))
            edges[key] = edges.get(key, 0) + 1
    rim = {corner for edge, count in edges.items() if count == 1 for corner in edge}
    lips = {*topo.UPPER_LIP[0], *topo.LOWER_LIP[0]}
    lids = {*topo.LEFT_UPPER_LID, *topo.LEFT_LOWER_LID, *topo.RIGHT_UPPER_LID, *topo.RIGHT_LOWER_LID}
    assert rim == lips | lids | set(topo.FACE_OVAL)
    assert max(edges.values()) == 2


def test_no_unit_is_empty() -> None:
    model = face_model()
    moved = np.abs(model.expression).max((1, 2))
    silent = [name for name, most in zip(ARKIT_NAMES, moved, strict=True) if most < 0.01 and name != "tongueOut"]
    assert silent == []
    assert np.abs(model.tongue.deltas[ARKIT["tongueOut"]]).max() > 0.05


def test_only_the_jaw_moves_the_lower_teeth_and_nothing_the_upper() -> None:
    model = face_model()
    assert not model.teeth_upper.deltas.any()
    moving = {name for name in ARKIT_NAMES if model.teeth_lower.deltas[ARKIT[name]].any()}
    assert moving == {"jawOpen", "jawForward", "jawLeft", "jawRight"}


def test_strips_close_the_holes_without_overlap() -> None:
    strip = topo.strip(topo.UPPER_LIP[0], topo.LOWER_LIP[0])
    assert len(strip) == 18
    used = {corner for triangle in strip for corner in triangle}
    assert used == {*topo.UPPER_LIP[0], *topo.LOWER_LIP[0]}
