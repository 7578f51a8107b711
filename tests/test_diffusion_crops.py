"""Crops of mouth and eyes on a real portrait: what stands still in them, what is in view, and mirrored eyes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_photos import astronaut, encoded
from visavis_models.arkit import ARKIT, ARKIT_COUNT
from visavis_models.diffusion.crops import (
    FACE_MIRROR,
    LEFT_EYE,
    MOUTH,
    REGIONS,
    RIGHT_EYE,
    Region,
    in_crop,
    mirrored_motion,
    to_crops,
)
from visavis_models.diffusion.sizes import SIZES
from visavis_models.face import topology as topo
from visavis_models.face.rig import FaceRig
from visavis_models.motion import HEAD_NAMES
from visavis_models.portrait.analysis import analyse

pytestmark = pytest.mark.weights
MOUTH_PX = (96, 128)
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def rig() -> FaceRig:
    return FaceRig.fit(analyse(encoded(astronaut()), "Astronaut"))


def moved(rig: FaceRig, region: Region, face: dict[str, float] | None = None, **head: float) -> Floats:
    values = np.zeros((1, ARKIT_COUNT), np.float32)
    for name, value in (face or {}).items():
        values[0, ARKIT[name]] = value
    turned = np.array([[head.get(name, 0.0) for name in HEAD_NAMES]], np.float32)
    crop = to_crops(region, rig.neutral_points, rig.head_transform(turned), rig.face_width_px, MOUTH_PX)
    points: Floats = in_crop(rig.drive(values, turned).points, crop)[0]
    return points


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
@pytest.mark.parametrize(
    ("head", "farthest_px"),
    [({"x": 0.4, "y": -0.2}, 0.05), ({"x": -0.3, "z": 0.5}, 0.05), ({"roll": 0.2}, 4.0)],  # photos are turned a little
    ids=str,
)
def test_a_head_that_tilts_travels_or_comes_nearer_stands_still_in_its_crops(
    rig: FaceRig, region: Region, head: dict[str, float], farthest_px: float
) -> None:
    rest, then = moved(rig, region), moved(rig, region, None, **head)
    assert np.abs(then[:, :2] - rest[:, :2]).max() < farthest_px


@pytest.mark.parametrize("yaw", [-0.25, 0.25])
def test_a_turned_head_keeps_its_mouth_in_the_middle(rig: FaceRig, yaw: float) -> None:
    lips = [*topo.UPPER_LIP[3], *topo.LOWER_LIP[3]]
    rest, then = (moved(rig, MOUTH, yaw=angle)[lips, :2] for angle in (0.0, yaw))
    assert np.abs(then.mean(0) - rest.mean(0)).max() < 6
    assert (then > 8).all() and (then < [MOUTH_PX[1] - 9, MOUTH_PX[0] - 9]).all()


def test_widest_mouths_and_whole_eyes_are_in_view(rig: FaceRig) -> None:
    for face in ({"jawOpen": 0.7}, {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}, {"mouthPucker": 1.0}):
        lips = moved(rig, MOUTH, face)[[*topo.UPPER_LIP[3], *topo.LOWER_LIP[3]], :2]
        assert (lips > 4).all() and (lips < [MOUTH_PX[1] - 5, MOUTH_PX[0] - 5]).all()
    for region, lids in ((LEFT_EYE, topo.LEFT_UPPER_LID), (RIGHT_EYE, topo.RIGHT_UPPER_LID)):
        points = moved(rig, region)[list(lids), :2]
        height, width = region.size_px(MOUTH_PX)
        assert (points > 5).all() and (points < [width - 6, height - 6]).all()
        assert 0.5 * width < np.ptp(points[:, 0]) < 0.85 * width


def test_the_right_eye_is_seen_in_a_mirror(rig: FaceRig) -> None:
    left = moved(rig, LEFT_EYE)[list(topo.LEFT_UPPER_LID), :2]
    right = moved(rig, RIGHT_EYE)[list(topo.RIGHT_UPPER_LID), :2]
    assert left[0, 0] > left[-1, 0] and right[0, 0] > right[-1, 0], "the outer corner lies on the crop's right"
    assert np.abs(left - right).max() < 8
    assert right[4, 1] < right[0, 1] + 1, "and up is up"


def test_mirrored_motion_swaps_sides_and_swaps_back() -> None:
    chance = np.random.default_rng(0)
    face, head = chance.random((3, ARKIT_COUNT)).astype(np.float32), chance.normal(size=(3, 6)).astype(np.float32)
    there = mirrored_motion(face, head)
    back = mirrored_motion(*there)
    assert np.array_equal(back[0], face) and np.array_equal(back[1], head)
    assert there[0][0, ARKIT["eyeBlinkLeft"]] == face[0, ARKIT["eyeBlinkRight"]]
    assert there[0][0, ARKIT["mouthLeft"]] == face[0, ARKIT["mouthRight"]]
    assert there[0][0, ARKIT["jawOpen"]] == face[0, ARKIT["jawOpen"]]
    assert sorted(FACE_MIRROR) == list(range(ARKIT_COUNT))
    assert there[1][0, 1] == -head[0, 1] and there[1][0, 0] == head[0, 0]


def test_every_size_can_be_cut(rig: FaceRig) -> None:
    for size in SIZES.values():
        for region in REGIONS:
            crop = to_crops(region, rig.neutral_points, np.eye(3, 4)[None], rig.face_width_px, size.mouth_px)
            scale = np.sqrt(abs(np.linalg.det(crop[0, :, :2].astype(np.float64))))
            assert scale * rig.face_width_px == pytest.approx(size.mouth_px[1] / 0.62, rel=1e-4)
