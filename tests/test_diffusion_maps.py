"""Maps of crops on a real portrait: what they show, and that training draws the very same."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_photos import astronaut, encoded
from visavis_models.arkit import ARKIT, ARKIT_COUNT
from visavis_models.avatar import Avatar
from visavis_models.diffusion.crops import LEFT_EYE, MOUTH, REGIONS, RIGHT_EYE, Region
from visavis_models.diffusion.drawing import Picture, draw_maps, draw_reference
from visavis_models.diffusion.maps import MAPS
from visavis_models.diffusion.strokes import Strokes, crop_px_per_face_width, strokes_of
from visavis_models.face.rig import FaceRig
from visavis_models.portrait.analysis import analyse

pytestmark = pytest.mark.weights
MOUTH_PX = (96, 128)
FACES: tuple[dict[str, float], ...] = (
    {}, {"jawOpen": 0.6}, {"jawOpen": 0.2, "mouthUpperUpLeft": 0.6, "mouthUpperUpRight": 0.6},
    {"mouthPucker": 0.8, "jawOpen": 0.15}, {"eyeBlinkLeft": 1, "eyeBlinkRight": 1}, {"eyeLookOutLeft": 0.8},
)  # fmt: skip
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return analyse(encoded(astronaut()), "Astronaut")


@pytest.fixture(scope="module")
def picture(avatar: Avatar) -> Picture:
    return Picture.of(avatar.photo, crop_px_per_face_width(MOUTH_PX), avatar.face_width_px)


def strokes(avatar: Avatar, region: Region) -> Strokes:
    rig = FaceRig.fit(avatar)
    face = np.zeros((len(FACES), ARKIT_COUNT), np.float32)
    for row, values in zip(face, FACES, strict=True):
        for name, value in values.items():
            row[ARKIT[name]] = value
    head = np.zeros((len(FACES), 6), np.float32)
    head[1, 1], head[2, 2] = 0.2, -0.1
    skull = rig.head_transform(head)
    return strokes_of(rig, avatar.landmarks, rig.drive(face, head), skull, region, MOUTH_PX)


def test_shut_lips_leave_no_opening_and_open_ones_show_teeth(avatar: Avatar) -> None:
    maps = draw_maps(strokes(avatar, MOUTH), MOUTH)
    hole, teeth = maps[:, MAPS["mouth"]].sum((1, 2, 3)), maps[:, MAPS["teeth"]]
    assert hole[0] < 8 and hole[1] > 500 and hole[2] > 100
    assert teeth[1, 0].sum() > 20 and teeth[1, 1].sum() > 5, "both rows at a wide-open mouth"
    inside = maps[:, MAPS["mouth"]] > 0
    for name in ("teeth", "tongue"):
        assert not maps[:, MAPS[name]][np.broadcast_to(~inside, maps[:, MAPS[name]].shape)].any()
    assert not maps[:, MAPS["shown"]][inside].any()


def test_lids_close_over_the_iris(avatar: Avatar) -> None:
    for region in (LEFT_EYE, RIGHT_EYE):
        maps = draw_maps(strokes(avatar, region), region)
        iris, lids = maps[:, MAPS["iris"]].sum((1, 2, 3)), maps[:, MAPS["lid_motion"]][:, 0, 0, 0]
        assert iris[0] > 40 and iris[4] < 0.1 * iris[0]
        assert lids[0] < 0.05 and lids[4] > 0.9
    looks = draw_maps(strokes(avatar, LEFT_EYE), LEFT_EYE)[:, MAPS["iris"]][:, 0]
    middle = (looks * np.arange(looks.shape[2])).sum((1, 2)) / looks.sum((1, 2)).clip(1e-6)
    assert middle[5] > middle[0] + 1.5, "outwards is to the right in both eyes' crops"


def test_an_unmoved_face_does_not_flow(avatar: Avatar) -> None:
    maps = draw_maps(strokes(avatar, LEFT_EYE), LEFT_EYE)[0]
    brow = np.s_[:, 2:12, 8:-8]
    assert maps[MAPS["shown"]][brow].mean() > 0.9
    assert np.abs(maps[MAPS["flow"]][brow]).max() < 0.1


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
def test_training_draws_the_same(avatar: Avatar, picture: Picture, region: Region) -> None:
    torch = pytest.importorskip("torch")
    from visavis_training.renderer.maps_in_torch import MapPainter, PictureBatch, StrokeBatch

    there = strokes(avatar, region)
    batch = PictureBatch(torch.from_numpy(picture.rgb).permute(2, 0, 1)[None], torch.tensor([picture.scale]))
    painter, made = MapPainter("cpu"), StrokeBatch.of([there], [region])
    pairs = (
        (draw_maps(there, region), painter.driven(made)[0].numpy()),
        (draw_reference(picture, there, region), painter.reference(batch, made)[0].numpy()),
    )
    for here, others in pairs:
        assert here.shape == others.shape
        assert (np.abs(here - others) > 0.02).mean() < 1e-3, "but for single pixels on edges"
