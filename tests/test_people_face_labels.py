"""Labels of a real face: the shipped face model, its teeth and tongue, posed and turned before cameras."""

from __future__ import annotations

import math
import shutil
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")
pytest.importorskip("numba", reason="the product's own rasteriser is compared with")
if shutil.which("g++") is None:
    pytest.skip("the rasteriser's CPU code is made by g++", allow_module_level=True)

from visavis_models.arkit import ARKIT, ARKIT_COUNT  # noqa: E402
from visavis_models.face.model import face_model  # noqa: E402
from visavis_models.raster import rasterise as product_rasterise  # noqa: E402
from visavis_training.people.camera import Camera, face_boxes  # noqa: E402
from visavis_training.people.frame_labels import (  # noqa: E402
    BACKGROUND,
    HIDDEN,
    SEEN,
    FrameLabels,
    Shot,
    Surface,
)
from visavis_training.people.rasteriser import rasterise  # noqa: E402

pytestmark = pytest.mark.weights

SIZE = 160
SKIN, UPPER, _LOWER, TONGUE = range(4)


class Head:
    """Skin, teeth and tongue as one mesh."""

    def __init__(self) -> None:
        model = face_model()
        parts = (model.teeth_upper, model.teeth_lower, model.tongue)
        self.vertices = np.concatenate([model.mean, *(part.vertices for part in parts)])
        self.deltas = np.concatenate([model.expression, *(part.deltas for part in parts)], 1)
        starts = np.cumsum([len(model.mean), *(len(part.vertices) for part in parts)])
        meshes = [model.triangles, *(part.triangles + start for part, start in zip(parts, starts, strict=False))]
        triangles = np.concatenate(meshes)
        region = np.repeat(np.arange(4), [len(mesh) for mesh in meshes]).astype(np.uint8)
        each = torch.arange(478)[:, None].repeat(1, 3)
        marks = (each, torch.tensor([1.0, 0, 0]).repeat(478, 1))
        canonical = torch.from_numpy(self.vertices)
        self.surface = Surface.make(torch.from_numpy(triangles), torch.from_numpy(region), canonical, marks)

    def posed(self, yaw: float = 0.0, **units: float) -> Any:
        """(1, V, 3) head space."""
        face = np.zeros(ARKIT_COUNT, np.float32)
        for name, value in units.items():
            face[ARKIT[name]] = value
        points = self.vertices + np.einsum("k,kvc->vc", face, self.deltas)
        turn = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
        return torch.from_numpy((points @ turn.T).astype(np.float32))[None]

    def camera(self) -> Camera:
        """Before the face, cropped to it."""
        whole = Camera.facing(torch.tensor([7.0]), torch.tensor([30.0]), 480, 640)
        return whole.crop(face_boxes(whole.project(self.posed()[:, :478])[..., :2], margin=0.1), SIZE, SIZE)


@pytest.fixture(scope="module")
def head() -> Head:
    return Head()


def test_this_rasteriser_and_the_products_own_show_the_same(head: Head) -> None:
    points = head.camera().project(head.posed(yaw=0.3, jawOpen=0.5))
    ours = rasterise(points, head.surface.triangles, SIZE, SIZE).triangle[0].numpy()
    whole_numbers = points[0].numpy() - np.array([0.5, 0.5, 0], np.float32)  # where the product has pixel centres
    theirs, _ = product_rasterise(whole_numbers, head.surface.triangles.numpy(), (SIZE, SIZE))
    assert (ours >= 0).sum() > 5000
    assert (ours != theirs).mean() < 0.002


def test_opening_the_jaw_uncovers_teeth_and_moves_the_chin_down(head: Head) -> None:
    camera = head.camera()
    reference = Shot.take(head.posed(), head.surface, camera)
    driven = Shot.take(head.posed(jawOpen=0.7), head.surface, camera)
    labels = FrameLabels.of(driven, reference, head.surface)
    inside = (labels.region == UPPER) | (labels.region == TONGUE)  # this model's lower gum comes through the chin
    assert int(inside.sum()) > 150
    assert float((labels.sight[inside] == HIDDEN).float().mean()) > 0.95
    skin = labels.region == SKIN
    assert float((labels.sight[skin] == SEEN).float().mean()) > 0.97
    chin = labels.landmarks[0, 152].long()
    back = labels.flow[0, chin[1] - 3, chin[0]]
    expected = reference.points[0, 152, 1] - driven.points[0, 152, 1]
    assert float(back[1]) == pytest.approx(float(expected), abs=1.5) and float(expected) < -8
    assert not labels.flow[labels.region == BACKGROUND].any()


def test_a_turned_head_hides_its_far_side_from_the_reference(head: Head) -> None:
    camera = head.camera()
    frontal, turned = (Shot.take(head.posed(yaw=yaw), head.surface, camera) for yaw in (0.0, 0.7))
    there = FrameLabels.of(frontal, turned, head.surface)  # the turned one is the reference
    left, right = there.sight[0, :, : SIZE // 2], there.sight[0, :, SIZE // 2 :]
    hidden_left, hidden_right = (int((half == HIDDEN).sum()) for half in (left, right))
    assert max(hidden_left, hidden_right) > 100 and min(hidden_left, hidden_right) < 30
    back = FrameLabels.of(frontal, frontal, head.surface)
    assert int((back.sight == HIDDEN).sum()) == 0
    assert float(back.flow.abs().max()) < 2e-3
    shown = float(back.landmark_seen[:, :468].float().mean())
    assert shown > 0.93
    assert float(FrameLabels.of(turned, turned, head.surface).landmark_seen[:, :468].float().mean()) < shown - 0.1


def test_flow_at_a_landmark_is_how_the_landmark_moved(head: Head) -> None:
    camera = head.camera()
    reference = Shot.take(head.posed(), head.surface, camera)
    driven = Shot.take(head.posed(yaw=0.2, mouthSmileLeft=0.8, mouthSmileRight=0.8), head.surface, camera)
    labels = FrameLabels.of(driven, reference, head.surface)
    places = labels.landmarks[0]
    grid = (places * 2 / SIZE - 1)[None, None]
    flow = torch.nn.functional.grid_sample(labels.flow.permute(0, 3, 1, 2), grid, align_corners=False)[0, :, 0].T
    mask = (labels.region == SKIN).float()[:, None]
    safe = torch.nn.functional.grid_sample(mask, grid, align_corners=False)[0, 0, 0] > 0.999
    safe &= labels.landmark_seen[0]
    safe[468:] = False  # the model's irises lie in holes
    assert int(safe.sum()) > 300
    error = (flow - (reference.points[0, :478, :2] - places)).norm(dim=1)[safe]
    assert float(error.median()) < 0.05 and float(error.quantile(0.95)) < 0.5
