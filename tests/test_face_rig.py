"""The face rig: what each coefficient does to a real portrait, and what it must never do."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_photos import astronaut, encoded
from visavis_models.arkit import ARKIT, ARKIT_COUNT, ARKIT_NAMES
from visavis_models.avatar import Avatar
from visavis_models.face import topology as topo
from visavis_models.face.mouth import lip_gap
from visavis_models.face.rig import DrivenFace, FaceRig
from visavis_models.motion import HEAD_NAMES
from visavis_models.portrait.analysis import analyse

pytestmark = pytest.mark.weights

Floats = NDArray[np.float32]

UPPER_FACE = [10, 151, 9, 8, 168, 6, 70, 63, 105, 66, 107, 300, 293, 334, 296, 336, 27, 257, 23, 253, *range(468, 478)]
FOLD_DEPTH = 0.005
"""A triangle counts as folded when it is turned over by more than this share of the face's width."""


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return analyse(encoded(astronaut()), "Astronaut")


@pytest.fixture(scope="module")
def rig(avatar: Avatar) -> FaceRig:
    return FaceRig.fit(avatar)


def face(**values: float) -> Floats:
    """Coefficients by name; a name without its side sets both sides."""
    result = np.zeros(ARKIT_COUNT, np.float32)
    for name, value in values.items():
        for full in [name] if name in ARKIT else [f"{name}Left", f"{name}Right"]:
            result[ARKIT[full]] = value
    return result


def head(**values: float) -> Floats:
    return np.array([values.get(name, 0.0) for name in HEAD_NAMES], np.float32)


def pose(rig: FaceRig, coefficients: Floats, **motion: float) -> DrivenFace:
    return rig.drive(coefficients, head(**motion))


def mouth_width(points: Floats) -> float:
    return float(np.linalg.norm(points[308, :2] - points[78, :2]))


def test_a_toothy_smile_shuts_at_zeros(avatar: Avatar, rig: FaceRig) -> None:
    assert lip_gap(avatar.landmarks).max() > 4.0  # the photo shows teeth
    shut = pose(rig, face())
    assert abs(lip_gap(shut.points)).max() <= 0.5
    assert shut.lip_gap_px <= 0.5


@pytest.mark.parametrize(
    "coefficients",
    [
        face(mouthPress=0.6, mouthRollLower=0.4, mouthRollUpper=0.4),
        face(mouthSmile=1.0),
        face(mouthFrown=1.0),
        face(jawOpen=0.6, mouthClose=0.6),
        face(cheekPuff=1.0, mouthPucker=0.5),
    ],
)
def test_shapes_with_shut_lips_are_shut(rig: FaceRig, coefficients: Floats) -> None:
    assert lip_gap(pose(rig, coefficients).points).max() <= 0.5


def test_lips_never_pass_through_each_other(rig: FaceRig) -> None:
    rng = np.random.default_rng(1)
    many = (rng.random((400, ARKIT_COUNT)) * (rng.random((400, ARKIT_COUNT)) < 0.3)).astype(np.float32)
    points = rig.drive(many, np.zeros((400, 6), np.float32)).points
    upright = rig.fit_result.to_head(points.astype(np.float64))
    assert lip_gap(upright).min() >= -1e-4


def test_the_lip_gap_grows_with_the_jaw(rig: FaceRig) -> None:
    gaps = [float(pose(rig, face(jawOpen=jaw)).lip_gap_px) for jaw in (0.0, 0.05, 0.15, 0.3, 0.7, 1.0)]
    assert all(b > a for a, b in zip(gaps, gaps[1:], strict=False))
    assert gaps[-1] > 0.2 * rig.face_width_px


def test_jaw_open_moves_the_chin_down_and_not_the_brows(rig: FaceRig) -> None:
    rest, opened = pose(rig, face()).points, pose(rig, face(jawOpen=1.0)).points
    assert opened[152, 1] - rest[152, 1] > 0.1 * rig.face_width_px
    brows = [*topo.LEFT_BROW, *topo.RIGHT_BROW]
    assert np.abs(opened[brows] - rest[brows]).max() < 0.1


def test_rounded_lips_are_narrow_and_spread_lips_wide(rig: FaceRig) -> None:
    rest = mouth_width(pose(rig, face()).points)
    assert mouth_width(pose(rig, face(mouthPucker=0.9, jawOpen=0.1)).points) < 0.8 * rest
    spread = pose(rig, face(mouthStretch=0.6, mouthUpperUp=0.5, mouthLowerDown=0.5)).points
    assert mouth_width(spread) > 1.05 * rest
    assert lip_gap(spread).max() > 1.5


def test_pressed_lips_are_thinner(rig: FaceRig) -> None:
    rest = pose(rig, face()).points
    pressed = pose(rig, face(mouthPress=0.6, mouthRollLower=0.5, mouthRollUpper=0.5)).points
    assert pressed[17, 1] - pressed[0, 1] < 0.88 * (rest[17, 1] - rest[0, 1])


def test_a_smile_raises_and_a_frown_lowers_the_corners(rig: FaceRig) -> None:
    corners = [61, 291]
    rest = pose(rig, face()).points[corners, 1]
    assert (pose(rig, face(mouthSmile=1.0)).points[corners, 1] < rest - 1.0).all()
    assert (pose(rig, face(mouthFrown=1.0)).points[corners, 1] > rest + 1.0).all()


def test_half_of_the_smile_of_the_photo_stays(avatar: Avatar, rig: FaceRig) -> None:
    smile = ARKIT["mouthSmileLeft"]
    assert rig.fit_result.expression[smile] > 0.3
    quiet = pose(rig, face()).points
    same = pose(rig, face(mouthSmile=0.1)).points  # less than what is kept: nothing to add
    np.testing.assert_allclose(same, quiet, atol=0.02)


def test_a_blink_shuts_the_eye_of_its_side_only(rig: FaceRig) -> None:
    shut = pose(rig, face(eyeBlinkLeft=1.0))
    left = shut.points[list(topo.LEFT_LOWER_LID)] - shut.points[list(topo.LEFT_UPPER_LID)]
    right = shut.points[list(topo.RIGHT_LOWER_LID)] - shut.points[list(topo.RIGHT_UPPER_LID)]
    assert np.abs(left).max() < 0.05
    assert right[:, 1].max() > 0.04 * rig.face_width_px
    np.testing.assert_allclose(shut.lid_gap, [0.0, 1.0], atol=1e-6)
    assert (
        shut.points[topo.LEFT_IRIS[0], 0] > shut.points[topo.RIGHT_IRIS[0], 0]
    )  # the person's left is the picture's right


def test_half_a_blink_leaves_half_of_the_gap(avatar: Avatar, rig: FaceRig) -> None:
    lids = pose(rig, face(eyeBlink=0.5)).points
    for upper, lower in ((386, 374), (159, 145)):
        photo = avatar.landmarks[lower, 1] - avatar.landmarks[upper, 1]
        assert lids[lower, 1] - lids[upper, 1] == pytest.approx(photo / 2, rel=0.03)


def test_the_iris_goes_where_the_person_looks_and_stays_in_the_eye(rig: FaceRig) -> None:
    rest = pose(rig, face()).points
    their_left = pose(rig, face(eyeLookOutLeft=1.0, eyeLookInRight=1.0)).points
    up = pose(rig, face(eyeLookUp=1.0)).points
    for iris, corners in ((topo.LEFT_IRIS[0], (362, 263)), (topo.RIGHT_IRIS[0], (33, 133))):
        assert their_left[iris, 0] > rest[iris, 0] + 1.0
        assert rest[corners[0], 0] < their_left[iris, 0] < rest[corners[1], 0]
        assert up[iris, 1] < rest[iris, 1] - 0.5


def test_brows_cheeks_nose_and_jaw_follow_their_coefficients(rig: FaceRig) -> None:
    rest = pose(rig, face()).points
    assert (pose(rig, face(browInnerUp=1.0)).points[[107, 336], 1] < rest[[107, 336], 1] - 1.0).all()
    assert (pose(rig, face(browDown=1.0)).points[[105, 334], 1] > rest[[105, 334], 1] + 0.5).all()
    assert (pose(rig, face(noseSneer=1.0)).points[[64, 294], 1] < rest[[64, 294], 1] - 0.3).all()
    assert pose(rig, face(jawLeft=1.0)).points[152, 0] > rest[152, 0] + 1.0
    assert (pose(rig, face(cheekPuff=1.0)).points[[50, 280, 205, 425], 2] < rest[[50, 280, 205, 425], 2]).all()


def test_zeros_show_the_upper_face_of_the_photo(avatar: Avatar, rig: FaceRig) -> None:
    points = pose(rig, face()).points
    lids = {*topo.LEFT_UPPER_LID, *topo.LEFT_LOWER_LID, *topo.RIGHT_UPPER_LID, *topo.RIGHT_LOWER_LID}
    still = [*UPPER_FACE, *lids]
    assert np.abs(points[still] - avatar.landmarks[still]).max() < 0.1


def folded(avatar: Avatar, rig: FaceRig, points: Floats) -> list[list[int]]:
    """Triangles that face the viewer in the photo and are turned over in `points`."""
    triangles = rig.triangles

    def depth(corners: NDArray[np.floating]) -> NDArray[np.floating]:
        a, b, c = (corners[..., triangles[:, k], :2] for k in range(3))
        longest = np.maximum.reduce([np.linalg.norm(e, axis=-1) for e in (b - a, c - a, c - b)])
        area = (b - a)[..., 0] * (c - a)[..., 1] - (b - a)[..., 1] * (c - a)[..., 0]
        return np.asarray(area / longest / avatar.face_width_px)

    turned = (depth(avatar.landmarks) < -0.002) & (depth(points) > FOLD_DEPTH)
    return [triangles[k].tolist() for k in np.flatnonzero(turned)]


EXTREMES = {
    **{name: face(**{name: 1.0}) for name in ARKIT_NAMES},
    "oo": face(jawOpen=0.3, mouthFunnel=0.8, mouthPucker=1.0),
    "ee": face(jawOpen=0.1, mouthStretch=0.8, mouthSmile=0.8, mouthUpperUp=0.6, mouthLowerDown=0.6),
    "aa": face(jawOpen=1.0, mouthLowerDown=0.5, mouthUpperUp=0.5),
    "ff": face(jawOpen=0.08, mouthRollLower=0.6, mouthUpperUp=0.35),
    "mm": face(mouthPress=0.8, mouthRollLower=0.6, mouthRollUpper=0.6),
    "laugh": face(jawOpen=0.6, mouthSmile=1.0, cheekSquint=1.0, noseSneer=0.6),
    "squeezed eyes": face(eyeBlink=1.0, cheekSquint=0.5, browDown=0.8),
    "surprise": face(eyeWide=1.0, browInnerUp=1.0, browOuterUp=1.0, jawOpen=0.5),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_no_triangle_folds_over(avatar: Avatar, rig: FaceRig, name: str) -> None:
    assert folded(avatar, rig, pose(rig, EXTREMES[name]).points) == []


@pytest.mark.parametrize("motion", [{"yaw": 0.26}, {"yaw": -0.26}, {"pitch": 0.26}, {"pitch": -0.26}, {"roll": 0.26}])
def test_a_head_turned_by_15_degrees_hides_only_skin_that_the_photo_hardly_shows(
    rig: FaceRig, motion: dict[str, float]
) -> None:
    triangles = rig.triangles

    def areas(points: Floats) -> Floats:
        a, b, c = (points[triangles[:, k], :2] for k in range(3))
        return np.asarray((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])

    rest = areas(pose(rig, face(jawOpen=0.3)).points)
    turned = areas(pose(rig, face(jawOpen=0.3), **motion).points)
    hidden = (rest < 0) & (turned > 0)
    assert np.abs(rest[hidden]).sum() < 0.025 * np.abs(rest).sum()


def test_the_head_turns_as_one_rigid_body(rig: FaceRig) -> None:
    rest = pose(rig, face())
    turned = pose(rig, face(), yaw=0.2, pitch=-0.1, roll=0.15, x=0.1)
    some = [10, 152, 234, 454, 1, 13, 468]

    def distances(points: Floats) -> Floats:
        return np.asarray(np.linalg.norm(points[some][:, None] - points[some][None], axis=-1))

    np.testing.assert_allclose(distances(turned.points), distances(rest.points), rtol=1e-4, atol=0.02)
    transform = rig.head_transform(head(yaw=0.2, pitch=-0.1, roll=0.15, x=0.1))
    by_hand = rest.points @ transform[:, :3].T + transform[:, 3]
    np.testing.assert_allclose(turned.points, by_hand, atol=0.02)
    teeth = rest.teeth_upper @ transform[:, :3].T + transform[:, 3]
    np.testing.assert_allclose(turned.teeth_upper, teeth, atol=0.02)


def test_the_head_turns_to_the_side_that_its_sign_says(rig: FaceRig) -> None:
    rest = pose(rig, face()).points
    nose, top = 1, 10
    assert pose(rig, face(), yaw=0.2).points[nose, 0] > rest[nose, 0] + 1.0
    assert pose(rig, face(), pitch=0.2).points[nose, 1] > rest[nose, 1] + 1.0
    assert pose(rig, face(), roll=0.2).points[top, 0] > rest[top, 0] + 1.0
    moved = pose(rig, face(), x=0.1, y=0.2).points - rest
    np.testing.assert_allclose(moved[:, :2], np.tile([[0.1, 0.2]], (478, 1)) * rig.face_width_px, atol=0.01)
    nearer = pose(rig, face(), z=0.5).points
    assert np.ptp(nearer[:468, 0]) > 1.02 * np.ptp(rest[:468, 0])


def test_a_run_of_frames_equals_its_single_frames(rig: FaceRig) -> None:
    rng = np.random.default_rng(3)
    faces = (rng.random((6, ARKIT_COUNT)) * 0.6).astype(np.float32)
    heads = (rng.standard_normal((6, 6)) * 0.05).astype(np.float32)
    run = rig.drive(faces, heads)
    assert run.points.shape == (6, 478, 3) and run.points.dtype == np.float32 and run.lid_gap.shape == (6, 2)
    for k in range(6):
        one = rig.drive(faces[k], heads[k])
        for name in ("points", "teeth_upper", "teeth_lower", "tongue", "lip_gap_px", "lid_gap"):
            np.testing.assert_allclose(getattr(run, name)[k], getattr(one, name), atol=2e-3, err_msg=name)


def test_upper_teeth_show_below_the_lip_and_lower_ones_follow_the_jaw(rig: FaceRig) -> None:
    rest, opened = pose(rig, face()), pose(rig, face(jawOpen=0.3))
    edge = rig.model.teeth_upper.uv[:, 1] == 1.0
    front = edge & (np.abs(rig.model.teeth_upper.vertices[:, 0]) < 0.05)
    shown = (opened.teeth_upper[front, 1].mean() - opened.points[13, 1]) / rig.fit_result.scale
    assert 0.025 < shown < 0.075
    np.testing.assert_allclose(opened.teeth_upper, rest.teeth_upper, atol=1e-4)
    dropped = (opened.teeth_lower - rest.teeth_lower)[:, 1].mean()
    assert dropped > 0.5 * (opened.points[152, 1] - rest.points[152, 1])


def test_the_depth_shell_meets_the_outline_and_falls_back_behind_it(avatar: Avatar, rig: FaceRig) -> None:
    outline = avatar.landmarks[list(topo.FACE_OVAL)]
    np.testing.assert_allclose(rig.depth_shell(outline[:, :2]), outline[:, 2], atol=0.5)
    ear = avatar.landmarks[454, :2] + [0.15 * avatar.face_width_px, 0.0]
    assert rig.depth_shell(ear[None])[0] > avatar.landmarks[1, 2] + 0.3 * avatar.face_width_px
    far = rig.depth_shell(np.array([[0.0, 0.0], [511.0, 511.0]], np.float32))
    assert np.isfinite(far).all()
