"""Maps drawn by compiled loops on people who ship, speaking: the same that plain passes over whole pictures give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT
from visavis_models.avatar import Avatar
from visavis_models.diffusion.crops import MOUTH, REGIONS, Region, in_crop, to_crops
from visavis_models.diffusion.drawing import FLOW_UNIT, Picture, draw_maps, draw_reference
from visavis_models.diffusion.drawing_kernels import seen_through
from visavis_models.diffusion.maps import MAP_CHANNELS, MAPS, REFERENCE_CHANNELS, REFERENCE_MAPS
from visavis_models.diffusion.strokes import (
    EYE_OPENING,
    LIDS,
    LIPS,
    MOUTH_OPENING,
    Strokes,
    canonical_of,
    crop_px_per_face_width,
    face_triangles,
    strokes_of,
)
from visavis_models.face import topology as topo
from visavis_models.face.model import face_model
from visavis_models.face.rig import FaceRig
from visavis_models.performer import Performer
from visavis_models.portrait.storage import load_avatar
from visavis_models.raster import affine_planes, attribute_map, rasterise
from visavis_server.voice_file import VoiceFile

pytestmark = pytest.mark.weights
ROOT = Path(__file__).parents[1]
MOUTH_PX = (96, 128)
ROUNDING = 5e-5
PEOPLE = ("astronaut", "maya")  # whose photo shows teeth, and whose does not
GUMS: dict[str, float] = {
    f"mouth{part}{side}": 1.0 for part in ("UpperUp", "LowerDown") for side in ("Left", "Right")
} | {"jawOpen": 0.5}
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def motion() -> tuple[Floats, Floats]:
    """Every sixth frame of the test sentence as the listener moves it, and four poses that speech has not."""
    performer = Performer(1)
    made = [performer.push(chunk) for chunk in VoiceFile(ROOT / "tests" / "data" / "speech_en.flac").chunks()]
    windows = [window for window in made if window is not None][5::6]
    face, head = (np.concatenate([getattr(window, name) for window in windows]) for name in ("face", "head"))
    poses: tuple[dict[str, float], ...] = (
        {"jawOpen": 1, "tongueOut": 1},
        GUMS,
        {"eyeBlinkLeft": 1, "eyeBlinkRight": 1},
        {},
    )
    for k, pose in enumerate(poses):
        face[k] = 0
        for name, value in pose.items():
            face[k, ARKIT[name]] = value
    head[0, :3] = 0.1, -0.25, 0.15
    assert len(face) > 20 and (face[:, ARKIT["jawOpen"]] > 0.1).sum() > 5
    return face, head


class Sitter:
    def __init__(self, avatar: Avatar) -> None:
        self.avatar, self.rig = avatar, FaceRig.fit(avatar)
        self.picture = Picture.of(avatar.photo, crop_px_per_face_width(MOUTH_PX), avatar.face_width_px)

    def strokes(self, motion: tuple[Floats, Floats], region: Region) -> Strokes:
        return strokes_of(
            self.rig, self.avatar.landmarks, self.rig.drive(*motion), self.rig.head_transform(motion[1]), region,
            MOUTH_PX,
        )  # fmt: skip


@pytest.fixture(scope="module", params=PEOPLE)
def sitter(request: pytest.FixtureRequest) -> Sitter:
    return Sitter(load_avatar(ROOT / "weights" / "gallery" / str(request.param)))


def disc(points: Floats, iris: tuple[int, ...], size_px: tuple[int, int]) -> Floats:
    centre, right, top, left, bottom = points[list(iris), :2].astype(np.float64)
    axes = np.stack([(right - left) / 2, (bottom - top) / 2], 1)
    y, x = np.mgrid[: size_px[0], : size_px[1]]
    away = np.linalg.norm((np.stack([x, y], -1) - centre) @ np.linalg.inv(axes).T, axis=-1)
    cover: Floats = np.clip((1 - away) * np.sqrt(abs(np.linalg.det(axes))) + 0.5, 0, 1).astype(np.float32)
    return cover


def surface(points: Floats, strokes: Strokes, region: Region) -> dict[str, Floats]:
    """Labels, canonical places, irises and flow of one frame by passes over all of it."""
    mesh = face_triangles()
    number, _ = rasterise(np.ascontiguousarray(points), mesh.triangles, strokes.size_px)
    attributes = np.concatenate([canonical_of(region), strokes.photo], 1)
    place = attribute_map(number, affine_planes(np.ascontiguousarray(points), mesh.triangles, attributes))
    label = np.where(number >= 0, mesh.label[number], -1)
    kinds = {"lips": LIPS, "lids": LIDS, "mouth": MOUTH_OPENING, "eye": EYE_OPENING}
    maps = {name: (label == kind).astype(np.float32)[None] for name, kind in kinds.items()}
    skin = (label >= 0) & (maps["mouth"][0] + maps["eye"][0] == 0)
    maps["shown"] = skin.astype(np.float32)[None]
    maps["canonical"] = (place[..., :2] * skin[..., None]).transpose(2, 0, 1)
    maps["iris"] = sum(disc(points, iris, strokes.size_px) for iris in (topo.LEFT_IRIS, topo.RIGHT_IRIS)) * maps["eye"]
    y, x = np.mgrid[: strokes.size_px[0], : strokes.size_px[1]]
    flow = place[..., 2:] @ strokes.at_rest[:, :2].T + strokes.at_rest[:, 2] - np.stack([x, y], -1)
    maps["flow"] = (flow * skin[..., None]).transpose(2, 0, 1) * (FLOW_UNIT / strokes.size_px[1])
    return maps


def behind_lips(strokes: Strokes, t: int, hole: Floats) -> dict[str, Floats]:
    """Teeth and tongue of one frame, each drawn alone over the whole crop; the nearest shows."""
    model, drawn = face_model(), []
    meshes = (model.teeth_upper, model.teeth_lower, model.tongue)
    for part, points in zip(meshes, (strokes.upper_teeth, strokes.lower_teeth, strokes.tongue), strict=True):
        triangles = part.triangles.astype(np.int32)
        number, depth = rasterise(np.ascontiguousarray(points[t]), triangles, strokes.size_px)
        planes = affine_planes(np.ascontiguousarray(points[t]), triangles, np.ascontiguousarray(part.uv))
        drawn.append((attribute_map(number, planes), np.where(number >= 0, depth, np.inf)))
    nearest = np.minimum.reduce([depth for _, depth in drawn])
    seen = [(uv[..., 1] > 0) & (depth <= nearest) for uv, depth in drawn[:2]]
    teeth = [(0.5 + 0.5 * uv[..., 1].clip(-1, 1)) * there for (uv, _), there in zip(drawn, seen, strict=False)]
    middle = sum((1 - abs(2 * (uv[..., 0] % 1) - 1)) * there for (uv, _), there in zip(drawn, seen, strict=False))
    tongue = (drawn[2][1] <= nearest) & np.isfinite(drawn[2][1])
    return {"teeth": np.stack(teeth) * hole, "tooth_middle": middle[None] * hole, "tongue": tongue[None] * hole}


def in_plain_passes(strokes: Strokes, t: int, region: Region) -> Floats:
    maps = surface(strokes.points[t], strokes, region)
    maps["warped"] = np.zeros((3, *strokes.size_px), np.float32)
    maps["lid_motion"] = np.full((1, *strokes.size_px), strokes.lid_motion[t], np.float32)
    maps |= behind_lips(strokes, t, maps["mouth"])
    out = np.zeros((MAP_CHANNELS, *strokes.size_px), np.float32)
    for name, part in MAPS.items():
        out[part] = maps[name]
    return out


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
def test_a_speaking_face_is_drawn_as_by_plain_passes(
    sitter: Sitter, motion: tuple[Floats, Floats], region: Region
) -> None:
    strokes = sitter.strokes(motion, region)
    drawn = draw_maps(strokes, region)
    plain = np.stack([in_plain_passes(strokes, t, region) for t in range(len(strokes))])
    for name, part in MAPS.items():
        apart = np.abs(drawn[:, part] - plain[:, part])
        # The mouth's opening is drawn as a window of its own: rounding may move single pixels on the edges of teeth.
        loose = 2e-5 if name in ("teeth", "tongue") else 0.0
        assert (apart > ROUNDING).mean() <= loose, name
    seen = np.abs(drawn).max((0, 2, 3)) > 0
    for name in ["mouth", "teeth", "tongue", "lips"] if region is MOUTH else ["eye", "iris", "lids", "lid_motion"]:
        assert seen[MAPS[name]].all(), f"the motion shows {name}, or nothing was compared"


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
def test_the_photo_itself_is_labelled_as_by_plain_passes(
    sitter: Sitter, motion: tuple[Floats, Floats], region: Region
) -> None:
    strokes = sitter.strokes(motion, region)
    drawn = draw_reference(sitter.picture, strokes, region)
    assert drawn.shape == (REFERENCE_CHANNELS, *strokes.size_px) and drawn[REFERENCE_MAPS["photo"]].std() > 0.05
    points = np.zeros((topo.LANDMARK_COUNT, 3), np.float32)
    points[:, :2] = strokes.photo @ strokes.at_rest[:, :2].T + strokes.at_rest[:, 2]
    plain = surface(points, strokes, region)
    for name, part in REFERENCE_MAPS.items():
        if name != "photo":
            assert np.abs(drawn[part] - plain[name]).max() < ROUNDING, name


def test_given_room_is_overwritten_and_handed_back(sitter: Sitter, motion: tuple[Floats, Floats]) -> None:
    strokes = sitter.strokes(motion, MOUTH)
    out = np.full((len(strokes), MAP_CHANNELS, *strokes.size_px), np.nan, np.float32)
    assert draw_maps(strokes, MOUTH, out) is out
    assert np.array_equal(out, draw_maps(strokes, MOUTH))
    within = np.empty((3, *out.shape), np.float32)
    draw_maps(strokes, MOUTH, within[1])
    assert np.array_equal(within[1], out)
    unfit: tuple[Any, ...] = (out[1:], out.astype(np.float64), np.asfortranarray(out), out[..., ::-1])
    for wrong in unfit:
        with pytest.raises(ValueError, match="maps are"):
            draw_maps(strokes, MOUTH, wrong)


@pytest.mark.parametrize("away_px", [(-9000, 0), (9000, 0), (0, -9000), (0, 9000)])
def test_beyond_the_photo_its_edge_goes_on(sitter: Sitter, away_px: tuple[int, int]) -> None:
    rgb = sitter.picture.rgb.copy()
    rgb[[0, -1]] = rgb[:, [0, -1]] = (1, 2, 3)
    y, x = np.mgrid[0:40, 0:50].astype(np.float32)
    read = replace(sitter.picture, rgb=rgb).at(np.stack([x + away_px[0], y + away_px[1]], -1))
    assert np.abs(read - [1, 2, 3]).max() < 1e-5


def test_points_that_are_no_numbers_draw_nothing_and_do_no_harm(sitter: Sitter, motion: tuple[Floats, Floats]) -> None:
    strokes = sitter.strokes((motion[0][:2], motion[1][:2]), MOUTH)
    strokes.points[0] = np.nan
    photo = strokes.photo.copy()
    photo[::3], photo[1::3] = np.nan, 1e30
    maps = draw_maps(replace(strokes, photo=photo), MOUTH)
    assert not maps[0, MAPS["shown"]].any()
    whole = draw_maps(strokes, MOUTH)
    for name in ("shown", "lips", "canonical", "teeth"):
        assert np.array_equal(maps[1, MAPS[name]], whole[1, MAPS[name]])


def test_triangles_elsewhere_are_not_missed(sitter: Sitter, motion: tuple[Floats, Floats]) -> None:
    mesh, strokes = face_triangles(), sitter.strokes(motion, MOUTH)
    for points in strokes.points[:3]:
        seen = seen_through(points, mesh.triangles, mesh.canonical, (40, 50), (30, 20))
        every, _ = rasterise(points, mesh.triangles, (40, 50), (30, 20))
        assert len(seen.rows) < 0.5 * len(mesh.triangles)
        assert np.array_equal(np.where(seen.number < 0, -1, seen.rows[seen.number]), every)


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
def test_crops_are_similarities_that_hold_the_anchors_where_the_region_says(
    sitter: Sitter, motion: tuple[Floats, Floats], region: Region
) -> None:
    rig, head = sitter.rig, sitter.rig.head_transform(motion[1])
    crops = to_crops(region, rig.neutral_points, head, rig.face_width_px, MOUTH_PX).astype(np.float64)
    linear = crops[:, :, :2]
    size = np.sqrt(np.abs(np.linalg.det(linear)))
    even = linear @ linear.transpose(0, 2, 1) / (size**2)[:, None, None]
    assert np.abs(even - np.eye(2)).max() < 1e-5
    assert (np.sign(np.linalg.det(linear)) == (-1 if region.mirrored else 1)).all()
    growth = np.cbrt(np.linalg.det(head[:, :, :3]))
    assert np.allclose(size * rig.face_width_px * growth, crop_px_per_face_width(MOUTH_PX), rtol=1e-5)
    anchors = rig.neutral_points[list(region.anchors)] @ head[:, :, :3].transpose(0, 2, 1) + head[:, None, :, 3]
    held = in_crop(anchors, crops)
    height, width = region.size_px(MOUTH_PX)
    down_px = region.down * crop_px_per_face_width(MOUTH_PX)
    wanted = [(width - 1) / 2, (height - 1) / 2 - down_px]
    assert np.abs(held[..., :2].mean(1) - wanted).max() < 1e-3
    assert (held[:, 1, 0] > held[:, 0, 0]).all() and np.abs(held[:, 1, 1] - held[:, 0, 1]).max() < 1e-3
    assert np.allclose(held[..., 2], anchors[..., 2] * size[:, None], rtol=1e-4, atol=1e-3)
