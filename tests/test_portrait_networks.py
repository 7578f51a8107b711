"""The converted networks against MediaPipe 0.10.21 itself, whose output on the astronaut lies in data/."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_photos import astronaut
from visavis_models.engines import open_engine
from visavis_models.portrait.body import find_body
from visavis_models.portrait.crops import Crop
from visavis_models.portrait.face_detection import find_faces
from visavis_models.portrait.face_mesh import fit_mesh
from visavis_models.portrait.head_pose import head_angles, head_pose, head_rotation
from visavis_models.portrait.networks import input_size_px
from visavis_models.weights import weight_file

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def mediapipe() -> dict[str, NDArray[np.float32]]:
    """Mesh (478, 3) px; face_box (8, 2) px: corner, size, six points; pose (33, 4)."""
    with np.load(Path(__file__).parent / "data" / "astronaut_mediapipe.npz") as arrays:
        return dict(arrays)


def test_the_mesh_is_that_of_mediapipe(mediapipe: dict[str, NDArray[np.float32]]) -> None:
    box = mediapipe["face_box"]
    (x, y), across = box[0] + box[1] / 2, box[3] - box[2]
    crop = Crop(float(x), float(y), 1.5 * float(box[1].max()), math.atan2(float(across[1]), float(across[0])))
    error = fit_mesh(astronaut(), crop, rounds=1).points - mediapipe["mesh"]
    # MediaPipe samples half a crop pixel off, which is 0.18 px of the photo.
    assert np.hypot(error[:, 0], error[:, 1]).mean() < 0.25
    assert np.hypot(error[:, 0], error[:, 1]).max() < 0.4
    assert np.abs(error[:, 2]).max() < 0.1


def test_our_own_way_to_the_mesh_ends_at_the_same_face(mediapipe: dict[str, NDArray[np.float32]]) -> None:
    (face,) = find_faces(astronaut())
    error = fit_mesh(astronaut(), face.crop(), rounds=3).points - mediapipe["mesh"]
    assert np.hypot(error[:, 0], error[:, 1]).mean() < 1.5


def test_the_body_found_from_the_face_is_that_of_mediapipe(mediapipe: dict[str, NDArray[np.float32]]) -> None:
    pose = mediapipe["pose"]
    body = find_body(astronaut(), head_pose(mediapipe["mesh"]))
    error = np.hypot(*(body.points[:, :2] - pose[:, :2]).T)
    assert error[[0, 11, 12]].max() < 10, "nose and shoulders, in px: a tenth of the face's width"
    assert error[[7, 8]].max() < 18, "ears"
    assert (body.points[[0, 7, 8, 11, 12], 3] > 0.9).all()


@pytest.mark.parametrize(
    "name", ["face_detection_near", "face_detection_far", "face_mesh", "body_points", "person_mask"]
)
def test_every_network_gives_the_same_on_every_engine(name: str) -> None:
    size = input_size_px(name)  # type: ignore[arg-type]
    picture = Crop(226, 150, 300).take(astronaut(), size)[None] / np.float32(255)
    first, second = (
        open_engine(weight_file(name), kind).run({"image": picture}) for kind in ("openvino", "onnxruntime")
    )
    for output, values in first.items():
        scale = max(1.0, float(np.abs(second[output]).max()))
        assert np.abs(values - second[output]).max() / scale < 2e-3, output


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (0.2, -0.5, 0.1), (-0.4, 0.6, -0.9)])
def test_angles_and_rotations_are_inverse(angles: tuple[float, float, float]) -> None:
    assert head_angles(head_rotation(*angles)) == pytest.approx(angles)


def test_crops_and_their_points_agree() -> None:
    spot = np.zeros((200, 300, 3), np.uint8)
    spot[79:82, 149:152] = 255
    crop = Crop(140, 90, 120, 0.4)
    taken = crop.take(spot, 96)[..., 0]
    y, x = np.unravel_index(int(taken.argmax()), taken.shape)
    back = crop.points_to_canvas(np.array([[x + 0.5, y + 0.5]], np.float32), 96)
    assert np.abs(back - [150.5, 80.5]).max() < 1.5
