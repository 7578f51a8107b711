"""What `warp` draws, as crops see it: where it lies, and that training draws the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT
from visavis_models.avatar import Avatar
from visavis_models.diffusion.crops import LEFT_EYE, MOUTH, REGIONS, Region, in_crop, on_canvas, to_crops
from visavis_models.diffusion.maps import MAP_CHANNELS, MAPS
from visavis_models.diffusion.warped_crops import crop_of, crops_of, tell_warped
from visavis_models.motion import BODY_COUNT, MotionWindow, rest_motion
from visavis_models.portrait.storage import load_avatar
from visavis_models.warp.renderer import Posed, Still, draw_frames, pose, prepare

pytestmark = pytest.mark.unit
ROOT = Path(__file__).resolve().parents[1]
MOUTH_PX = 96, 128
POSES: tuple[dict[str, float], ...] = (
    {"jawOpen": 0.6, "mouthUpperUpLeft": 0.5, "mouthUpperUpRight": 0.5},
    {"mouthPucker": 0.9, "jawOpen": 0.2},
    {"eyeBlinkLeft": 0.7, "eyeBlinkRight": 0.7, "mouthClose": 0.0},
)


@pytest.fixture(scope="module", params=["astronaut", "maya"])
def still(request: pytest.FixtureRequest) -> Still:
    return prepare(load_avatar(ROOT / "weights" / "gallery" / str(request.param)))


def posed_of(still: Still) -> Posed:
    face, head = np.zeros((len(POSES), 52), np.float32), np.zeros((len(POSES), 6), np.float32)
    for row, values in zip(face, POSES, strict=True):
        for name, value in values.items():
            row[ARKIT[name]] = value
    head[1, :3] = 0.05, 0.2, -0.08
    nothing = np.zeros((len(POSES), BODY_COUNT), np.float32)
    return pose(still, MotionWindow(0, face, head, nothing, np.zeros(len(POSES), np.bool_)))


def places_of(still: Still, posed: Posed, region: Region) -> NDArray[np.float32]:
    return to_crops(region, still.rig.neutral_points, posed.skull, still.rig.face_width_px, MOUTH_PX)


def test_a_crop_is_averaged_and_lies_where_it_should() -> None:
    frame = np.zeros((120, 160, 3), np.uint8)
    frame[::2, ::2] = frame[1::2, 1::2] = 200  # a chequer whose mean is 100
    frame[:, 80:] = 50
    half = crop_of(frame, np.array([[0.5, 0, -0.25], [0, 0.5, -0.25]]), (60, 80))
    assert abs(half[5:-5, 5:35].astype(float).mean() - 100) < 1.5 and half[5:-5, 5:35].std() < 3
    assert (half[:, 42:] == 50).all()
    moved = crop_of(frame, np.array([[1.0, 0, -70], [0, 1.0, -10]]), (40, 40))
    assert np.array_equal(moved, frame[10:50, 70:110])
    mirrored = crop_of(frame, np.array([[-1.0, 0, 109], [0, 1.0, -10]]), (40, 40))
    assert np.array_equal(mirrored, frame[10:50, 70:110][:, ::-1])


def test_points_go_into_crops_and_back(still: Still) -> None:
    posed = posed_of(still)
    for region in REGIONS:
        crops = places_of(still, posed, region)
        points = posed.driven.points
        assert np.abs(on_canvas(in_crop(points, crops), crops) - points).max() < 0.01


def test_only_the_face_is_told() -> None:
    maps = np.zeros((1, MAP_CHANNELS, 4, 4), np.float32)
    maps[:, MAPS["shown"], :2] = maps[:, MAPS["mouth"], 2, :2] = maps[:, MAPS["eye"], 2, 2:] = 1
    tell_warped(maps, np.full((1, 4, 4, 3), 255, np.uint8))
    assert (maps[:, MAPS["warped"], :3] == 1).all() and not maps[:, MAPS["warped"], 3].any()


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
def test_training_draws_what_the_product_draws(still: Still, region: Region) -> None:
    pytest.importorskip("visavis_training.renderer.warped_faces")
    from visavis_training.renderer.warped_faces import WarpedFace

    posed = posed_of(still)
    crops, size = places_of(still, posed, region), region.size_px(MOUTH_PX)
    product = crops_of(draw_frames(still, posed), crops, size)
    avatar: Avatar = still.avatar
    made = WarpedFace(avatar, still.rig, region).crops(posed.driven, posed.skull, posed.tongue_out, crops, size)
    height, width = size
    middle = np.s_[:, height // 5 : -height // 5, width // 5 : -width // 5]
    apart = np.abs(product[middle].astype(float) - made[middle]).max(-1)
    assert np.median(apart) <= 1 and (apart > 24).mean() < 0.01, "but for edges of the mesh"
    still_face = np.abs(product[0].astype(float) - product[1])[middle[1:]]
    assert still_face.mean() > 2 or region is not MOUTH, "poses differ, or nothing was compared"


def test_an_unmoved_face_is_the_photo_itself(still: Still) -> None:
    posed, size = pose(still, rest_motion(1)), LEFT_EYE.size_px(MOUTH_PX)
    [there] = places_of(still, posed, LEFT_EYE)
    brow = np.s_[2:12, 8:-8]
    driven, photo = (
        crop_of(p, there, size)[brow].astype(float) for p in (draw_frames(still, posed)[0], still.avatar.photo)
    )
    assert np.abs(driven - photo).mean() < 3
