"""The warp renderer on the shipped portrait of an astronaut, who smiles with her teeth."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT
from visavis_models.avatar import Avatar
from visavis_models.face import topology as topo
from visavis_models.motion import BODY_NAMES, HEAD_NAMES, MotionWindow, rest_motion
from visavis_models.portrait.storage import load_avatar
from visavis_models.warp import WarpRenderer, WarpState
from visavis_models.warp.renderer import driven_mesh, prepare

pytestmark = pytest.mark.weights

GALLERY = Path(__file__).parent.parent / "weights" / "gallery"
DEGREE = float(np.pi / 180)


@cache
def astronaut() -> Avatar:
    return load_avatar(GALLERY / "astronaut")


@cache
def renderer() -> WarpRenderer:
    return WarpRenderer()


def motions(*rows: dict[str, float]) -> MotionWindow:
    window = rest_motion(len(rows))
    for t, row in enumerate(rows):
        for name, value in row.items():
            if name in ARKIT:
                window.face[t, ARKIT[name]] = value
            elif name in HEAD_NAMES:
                window.head[t, HEAD_NAMES.index(name)] = value
            else:
                window.body[t, BODY_NAMES.index(name)] = value
    return window


def both(name: str, value: float) -> dict[str, float]:
    return {name + "Left": value, name + "Right": value}


def frames(*rows: dict[str, float]) -> NDArray[np.uint8]:
    state = renderer().open(astronaut())
    return renderer().render([state], [motions(*rows)])[0]


def mouth_box(avatar: Avatar) -> tuple[slice, slice]:
    lips = avatar.landmarks[list(topo.UPPER_LIP[3] + topo.LOWER_LIP[3]), :2]
    low, high = lips.min(0).astype(int) - 2, lips.max(0).astype(int) + 3
    return slice(low[1], high[1]), slice(low[0], high[0])


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.asarray(np.abs(a.astype(int) - b.astype(int)).max(-1))


EXTREMES: tuple[dict[str, float], ...] = (
    {"pitch": 15 * DEGREE, "yaw": 15 * DEGREE, "jawOpen": 1.0},
    {"pitch": -15 * DEGREE, "yaw": -15 * DEGREE, "roll": 15 * DEGREE},
    {"roll": -15 * DEGREE, "x": 0.1, "y": -0.1, "z": 0.3, "breath": 1.0},
    {"shoulder_left": 1.0, "shoulder_right": -1.0, "sway_x": 1.0, "lean": 1.0, **both("eyeBlink", 1.0)},
    {"sway_x": -1.0, "lean": -1.0, "mouthPucker": 1.0, "mouthFunnel": 1.0, "jawOpen": 0.5},
)


def test_rest_is_the_photo_outside_the_lower_face() -> None:
    avatar = astronaut()
    rest = frames({})[0]
    away = np.ones(avatar.matte.shape, bool)
    nose = int(avatar.landmarks[6, 1])
    chin = int(avatar.landmarks[152, 1] + 0.5 * avatar.face_width_px)
    middle, reach = int(avatar.landmarks[1, 0]), int(0.9 * avatar.face_width_px)
    away[nose:chin, middle - reach : middle + reach] = False
    assert float((difference(rest, avatar.photo)[away] > 3).mean()) < 0.005


def test_rest_keeps_the_eyes_of_the_photo() -> None:
    avatar = astronaut()
    rest = frames({})[0]
    for rows in (topo.LEFT_IRIS, topo.RIGHT_IRIS):
        x, y = np.rint(avatar.landmarks[rows[0], :2]).astype(int)
        assert difference(rest, avatar.photo)[y - 3 : y + 4, x - 5 : x + 6].max() <= 3


def test_the_background_never_changes() -> None:
    avatar = astronaut()
    near = cv2.dilate(avatar.matte, np.ones((3, 3), np.uint8)) > 0
    reach = int(0.6 * avatar.face_width_px)
    far = cv2.dilate(near.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) == 0
    assert far.sum() > 1000
    for frame in frames(*EXTREMES):
        assert np.array_equal(frame[far], avatar.plate[far])


def test_shut_lips_show_no_teeth() -> None:
    avatar = astronaut()
    box = mouth_box(avatar)

    def tooth_pixels(frame: NDArray[np.uint8]) -> int:
        part = frame[box].astype(float)
        light = part @ [0.299, 0.587, 0.114]
        return int(((light > 205) & (part[..., 0] - part[..., 1] < 22)).sum())

    shut = frames({}, {"mouthPucker": 0.5}, {**both("mouthPress", 0.6)})
    shown = tooth_pixels(avatar.photo)
    assert shown > 40
    assert max(tooth_pixels(frame) for frame in shut) <= 0.06 * shown


def test_an_open_mouth_is_dark_inside() -> None:
    avatar = astronaut()
    state = renderer().open(avatar)
    face = motions({"jawOpen": 0.9})
    points = state.still.rig.drive(face.face, face.head).points[0]
    shut, wide = frames({}, {"jawOpen": 0.9})
    middle = (points[13, :2] + points[14, :2]) / 2
    x, y = np.rint(middle).astype(int)
    assert int(wide[y - 2 : y + 3, x - 4 : x + 5].max()) < 150
    below_lip = int(points[17, 1]) + 2
    assert wide[below_lip, x].astype(int).sum() > 330, "skin below the lower lip must stay skin"
    above = slice(0, int(avatar.landmarks[168, 1]) - 8)
    assert float(difference(shut, wide)[above].mean()) < 0.05, "forehead and hair must not move"


def test_a_blink_covers_the_iris() -> None:
    avatar = astronaut()
    still, blink = frames({}, both("eyeBlink", 1.0))
    for rows in (topo.LEFT_IRIS, topo.RIGHT_IRIS):
        x, y = np.rint(avatar.landmarks[rows[0], :2]).astype(int)
        before = still[y - 1 : y + 2, x - 2 : x + 3].astype(float).mean()
        after = blink[y - 2 : y + 1, x - 2 : x + 3].astype(float).mean()
        assert after > before + 40


def test_gaze_moves_the_iris_within_the_eye_only() -> None:
    avatar = astronaut()
    still, aside = frames({}, {"eyeLookOutLeft": 0.8, "eyeLookInRight": 0.8})
    changed = difference(still, aside) > 8
    eyes = np.zeros_like(changed)
    for upper, lower in (
        (topo.LEFT_UPPER_LID, topo.LEFT_LOWER_LID),
        (topo.RIGHT_UPPER_LID, topo.RIGHT_LOWER_LID),
    ):
        ring = avatar.landmarks[[*upper, *lower[-2:0:-1]], :2]
        mask = np.zeros(changed.shape, np.uint8)
        cv2.fillPoly(mask, [np.rint(ring).astype(np.int32)], 1)
        eyes |= cv2.dilate(mask, np.ones((7, 7), np.uint8)) > 0
    assert changed[eyes].sum() > 20
    assert changed[~eyes].sum() == 0


def test_a_turning_head_moves_its_nose_more_than_its_ears() -> None:
    state = renderer().open(astronaut())
    still = state.still
    turn = motions({}, {"yaw": 12 * DEGREE})
    driven = still.rig.drive(turn.face, turn.head)
    assert driven.points[1, 1, 0] - driven.points[0, 1, 0] > 0.03 * still.avatar.face_width_px
    skull = still.rig.head_transform(turn.head).astype(np.float32)
    meshes = []
    for t in range(2):
        part = type(driven)(
            *(getattr(driven, name)[t] for name in (
                "points", "teeth_upper", "teeth_lower", "tongue", "lip_gap_px", "lid_gap")))  # fmt: skip
        meshes.append(driven_mesh(still, part, skull[t], turn.body[t]))
    shift = meshes[1][:, 0] - meshes[0][:, 0]
    assert shift[1] > shift[234] + 0.02 * still.avatar.face_width_px
    assert shift[1] > shift[454] + 0.02 * still.avatar.face_width_px


def test_no_motion_tears_a_hole_into_the_person() -> None:
    """On a plate in a colour that no photo has, none of it shows through the head or up to the picture's edge."""
    avatar = astronaut()
    magenta = np.zeros_like(avatar.plate)
    magenta[...] = (255, 0, 255)
    still = prepare(replace(avatar, plate=magenta, matte=np.full_like(avatar.matte, 255), foreground=avatar.photo))
    out = WarpRenderer().render([WarpState(still)], [motions(*EXTREMES)])[0]
    leaked = difference(out, np.broadcast_to(magenta, out.shape)) < 60
    middle, reach = int(avatar.landmarks[1, 0]), int(1.6 * avatar.face_width_px)
    assert int(leaked[:, :, middle - reach : middle + reach].sum()) == 0


def test_the_same_motion_gives_the_same_picture() -> None:
    assert np.array_equal(frames(*EXTREMES), frames(*EXTREMES))


def test_sessions_in_one_batch_are_as_if_alone() -> None:
    avatar = astronaut()
    big, small = renderer().open(avatar), renderer().open(avatar, 320)
    first, second = motions({"jawOpen": 0.4}, {"yaw": 0.1}, {}), motions({**both("eyeBlink", 1.0)})
    together = renderer().render([big, small], [first, second])
    assert np.array_equal(together[0], renderer().render([big], [first])[0])
    assert np.array_equal(together[1], renderer().render([small], [second])[0])
    assert together[0].shape[0] == 3 and together[1].shape[0] == 1


@pytest.mark.parametrize("count", [1, 3, 7])
def test_frames_do_not_depend_on_how_they_are_cut_into_windows(count: int) -> None:
    rows = [{"jawOpen": 0.1 * k, "yaw": 0.02 * k, "breath": 0.1 * k} for k in range(count)]
    window = motions(*rows)
    state = renderer().open(astronaut())
    whole = renderer().render([state], [window])[0]
    assert whole.shape[0] == count and whole.dtype == np.uint8
    for t in range(count):
        alone = renderer().render([state], [window.rows(t, t + 1)])[0][0]
        # The rig's products over more or fewer rows may round differently: less than anyone can see.
        assert float((difference(whole[t], alone) > 2).mean()) < 1e-4


@pytest.mark.parametrize("long_side", [200, 333, 511])
def test_smaller_pictures_have_even_sides_and_look_alike(long_side: int) -> None:
    avatar = astronaut()
    state = renderer().open(avatar, long_side)
    frame = renderer().render([state], [motions({})])[0][0]
    assert frame.shape[0] % 2 == 0 and frame.shape[1] % 2 == 0
    assert state.size == (frame.shape[1], frame.shape[0])
    reference = cv2.resize(frames({})[0], (frame.shape[1], frame.shape[0]), interpolation=cv2.INTER_AREA)
    assert float(difference(frame, reference).mean()) < 4.0


def test_a_larger_size_than_the_canvas_keeps_the_canvas() -> None:
    assert renderer().open(astronaut(), 4000).size == (512, 512)


def test_an_avatar_is_prepared_once() -> None:
    assert renderer().open(astronaut()).still is renderer().open(astronaut()).still


def test_an_id_that_got_another_photo_is_prepared_anew() -> None:
    own = WarpRenderer()
    first = own.open(astronaut(), 256)
    darker = replace(astronaut(), photo=astronaut().photo // 2)
    assert own.open(darker, 256).still is not first.still


SMALL = 0.01


@pytest.mark.parametrize("name", ["jawOpen", "mouthClose", "mouthPucker", "mouthFunnel", "mouthSmileLeft",
                                  "mouthUpperUpLeft", "mouthLowerDownRight", "eyeBlinkLeft", "eyeLookUpLeft",
                                  "eyeWideLeft", "browInnerUp", "tongueOut", "cheekPuff"])  # fmt: skip
def test_a_small_change_of_a_coefficient_never_pops(name: str) -> None:
    base = {"jawOpen": 0.15} if name in ("mouthClose", "tongueOut") else {}
    steps = np.arange(0.0, 1.0 + SMALL, SMALL)
    rows = [{**base, name: float(value)} for value in steps]
    state = renderer().open(astronaut(), 384)
    run = renderer().render([state], [motions(*rows)])[0]
    jumps = np.abs(np.diff(run.astype(np.int16), axis=0)).max((1, 2, 3))
    assert int(jumps.max()) <= 48, f"{name} pops at {steps[int(jumps.argmax())]:.2f} by {int(jumps.max())} levels"
