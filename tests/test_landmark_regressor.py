"""Expressions read off landmarks that the face model makes: known coefficients in, the same ones out."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT, ARKIT_COUNT
from visavis_models.errors import BadPhoto
from visavis_models.face.expression_of_landmarks import NETWORK, expression_reader, upright
from visavis_models.face.model import face_model
from visavis_models.face.motion_of_pictures import motion_of_landmarks
from visavis_models.portrait.head_pose import head_rotation
from visavis_models.weights import weight_file

pytestmark = pytest.mark.weights

Floats = NDArray[np.float32]
PX_PER_DM = 120.0


def both(name: str, value: float) -> dict[str, float]:
    return {name + "Left": value, name + "Right": value}


@cache
def neutral() -> NDArray[np.float64]:
    return face_model().mean.astype(np.float64)


def landmarks(units: dict[str, float] | None = None, pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0) -> Floats:
    """(478, 3) px of the generic face, as a detector that sees everything would find them."""
    face = np.zeros(ARKIT_COUNT)
    for name, value in (units or {}).items():
        face[ARKIT[name]] = value
    points = neutral() + np.einsum("k,kvc->vc", face, face_model().expression.astype(np.float64))
    turned = points @ head_rotation(pitch, yaw, roll).T
    return np.asarray(turned * PX_PER_DM + [320.0, 240.0, 0.0], np.float32)


def test_pose_size_and_place_are_taken_out() -> None:
    plain = upright(landmarks()[None])
    turned = landmarks(pitch=0.2, yaw=-0.3, roll=0.25)
    found = upright((turned * 1.7 + [50.0, -20.0, 3.0])[None])
    assert np.abs(found.points - plain.points).max() < 1e-3
    assert np.allclose(found.angles - plain.angles, [0.2, -0.3, 0.25], atol=0.02)
    assert found.scale[0] == pytest.approx(1.7 * plain.scale[0], rel=1e-4)


def test_the_network_is_small() -> None:
    assert weight_file(NETWORK).stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("units", "least"),
    [
        ({"jawOpen": 0.8}, 0.5),
        (both("eyeBlink", 1.0), 0.6),
        (both("mouthSmile", 0.8), 0.4),
        ({"mouthPucker": 0.9}, 0.3),
        (both("browDown", 0.9), 0.3),
        (both("browOuterUp", 0.9), 0.3),
    ],
)
def test_a_unit_is_read_and_its_opposite_is_not(units: dict[str, float], least: float) -> None:
    frames = np.stack([landmarks(), landmarks(units)])
    read = expression_reader().read(frames, landmarks(yaw=0.1)).face
    for name in units:
        column = read[:, ARKIT[name]]
        assert column[1] > least, f"{name} is read as {column[1]:.2f}"
        assert column[0] < 0.15, f"{name} is read as {column[0]:.2f} at rest"
    assert read[0].sum() < 1.0
    opposite = {"jawOpen": "eyeBlinkLeft", "browDownLeft": "browOuterUpLeft", "browOuterUpLeft": "browDownLeft"}
    for name in opposite.keys() & units.keys():
        assert read[1, ARKIT[opposite[name]]] < 0.2


def test_left_is_left() -> None:
    read = expression_reader().read(landmarks({"eyeBlinkLeft": 1.0, "mouthSmileRight": 0.9})[None], landmarks()).face[0]
    assert read[ARKIT["eyeBlinkLeft"]] > read[ARKIT["eyeBlinkRight"]] + 0.3
    assert read[ARKIT["mouthSmileRight"]] > read[ARKIT["mouthSmileLeft"]] + 0.2


@pytest.mark.parametrize("yaw", [-0.35, 0.0, 0.35])
def test_a_turned_head_reads_alike(yaw: float) -> None:
    units = {"jawOpen": 0.6} | both("eyeBlink", 0.7)
    ahead = expression_reader().read(landmarks(units)[None], landmarks()).face[0]
    turned = expression_reader().read(landmarks(units, yaw=yaw, pitch=0.15)[None], landmarks())
    assert abs(turned.face[0, ARKIT["jawOpen"]] - ahead[ARKIT["jawOpen"]]) < 0.2
    assert turned.angles[0, 1] == pytest.approx(yaw, abs=0.15)


def test_rows_do_not_depend_on_their_neighbours() -> None:
    frames = np.stack([landmarks({"jawOpen": k / 10}) for k in range(10)])
    together = expression_reader().read(frames).face
    alone = np.concatenate([expression_reader().read(frame[None]).face for frame in frames])
    assert np.abs(together - alone).max() < 1e-4
    assert expression_reader().read(frames[:0]).face.shape == (0, ARKIT_COUNT)


def test_landmarks_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="landmarks have shape"):
        expression_reader().read(np.zeros((4, 468, 3), np.float32))


def clip(seconds: float = 2.0) -> tuple[NDArray[np.float64], NDArray[np.float64], list[Floats | None]]:
    """Jaw and yaw of a clip, and its landmarks."""
    t = np.arange(int(seconds * 25)) / 25
    jaw, yaw = 0.35 - 0.35 * np.cos(2 * np.pi * t * 1.5), 0.15 * np.sin(2 * np.pi * t * 0.7)
    frames: list[Floats | None] = [landmarks({"jawOpen": j}, yaw=y) for j, y in zip(jaw, yaw, strict=True)]
    return jaw, yaw, frames


def test_curves_come_out_of_a_clip_as_they_went_in() -> None:
    jaw, yaw, frames = clip()
    window = motion_of_landmarks(frames).window
    assert np.corrcoef(window.face[:, ARKIT["jawOpen"]], jaw)[0, 1] > 0.9
    assert np.corrcoef(window.head[:, 1], yaw)[0, 1] > 0.97
    assert window.face.max() <= 1.0
    assert np.abs(window.head[:, 3:5]).max() < 0.12
    assert np.abs(window.head[:, 5]).max() < 0.25
    assert window.speaking.mean() > 0.5


def test_pictures_without_a_face_are_bridged() -> None:
    jaw, _, frames = clip()
    for lost in (10, 11, 12, len(frames) - 1):
        frames[lost] = None
    read = motion_of_landmarks(frames)
    assert (~read.seen).sum() == 4
    assert np.isfinite(read.window.face).all()
    assert np.corrcoef(read.window.face[:, ARKIT["jawOpen"]], jaw)[0, 1] > 0.9


def test_a_still_face_is_read_as_still() -> None:
    rng = np.random.default_rng(3)
    frames: list[Floats | None] = [
        np.asarray(landmarks() + rng.normal(0, 0.3, (478, 3)), np.float32) for _ in range(30)
    ]
    window = motion_of_landmarks(frames).window
    assert np.median(window.face, 0).mean() < 0.04
    assert np.median(window.face, 0).max() < 0.25
    assert np.abs(window.head[:, :3]).max() < 0.05
    assert not window.speaking.any()


@pytest.mark.parametrize("frames", [[], [None, None, None]])
def test_nobody_is_said(frames: list[Floats | None]) -> None:
    with pytest.raises(BadPhoto, match="face"):
        motion_of_landmarks(frames)
