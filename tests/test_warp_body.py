"""Bodies of shipped portraits in motion, measured on drawn frames: what moves, what stays, and that nothing tears."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.motion import BODY_NAMES, HEAD_NAMES, MotionWindow, rest_motion
from visavis_models.portrait.storage import load_avatar
from visavis_models.warp import WarpRenderer, WarpState
from visavis_models.warp.figure import figure_of
from visavis_models.warp.hair import hair_share, loose_hair
from visavis_models.warp.renderer import pose, prepare

pytestmark = pytest.mark.weights

GALLERY = Path(__file__).parent.parent / "weights" / "gallery"
DEGREE = float(np.pi / 180)
HALF, FULL, LONG_HAIR = "priya", "mateo", "maya"


@cache
def renderer() -> WarpRenderer:
    return WarpRenderer()


@cache
def opened(name: str) -> WarpState:
    return renderer().open(load_avatar(GALLERY / name))


def avatar(name: str) -> Avatar:
    return opened(name).still.avatar


def motions(*rows: dict[str, float]) -> MotionWindow:
    window = rest_motion(len(rows))
    for t, row in enumerate(rows):
        for name, value in row.items():
            part, names = (window.head, HEAD_NAMES) if name in HEAD_NAMES else (window.body, BODY_NAMES)
            part[t, names.index(name)] = value
    return window


def drawn(name: str, *rows: dict[str, float]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Frames (T, H, W, 3) and mattes (T, H, W)."""
    state = opened(name)
    mattes = np.zeros((len(rows), *state.still.avatar.matte.shape), np.uint8)
    return renderer().render_with_mattes([state], [motions(*rows)], [mattes])[0], mattes


def top_of(matte: NDArray[np.uint8], column: int) -> float:
    """Height at which the person begins in a column of a matte, below the pixel: px."""
    cover = matte[:, column].astype(float) / 255
    first = int(np.flatnonzero(cover > 0.5)[0])
    return float(first - (cover[first] - 0.5) / max(cover[first] - cover[first - 1], 1e-6))


def middle_of(matte: NDArray[np.uint8], y: float) -> float:
    """Where the person's middle is in the rows about a height: px."""
    rows = matte[int(y) - 2 : int(y) + 3].astype(float)
    return float((rows * np.arange(rows.shape[1])).sum() / rows.sum())


def psnr_db(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    error = float(((a.astype(float) - b) ** 2).mean())
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def still_part(*mattes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where none of them has the person, nor a soft edge."""
    edge = np.ones((21, 21), np.uint8)
    return np.asarray(np.logical_and.reduce([cv2.dilate(matte, edge) == 0 for matte in mattes]))


def test_a_breath_lifts_the_shoulders_before_a_still_background() -> None:
    frames, mattes = drawn(HALF, {}, {"breath": 1.0})
    figure, width = figure_of(avatar(HALF)), avatar(HALF).face_width_px
    for shoulder in (figure.left, figure.right):
        risen = top_of(mattes[0], int(shoulder[0])) - top_of(mattes[1], int(shoulder[0]))
        assert 0.012 * width < risen < 0.04 * width
    background = still_part(avatar(HALF).matte, *mattes)
    assert background.mean() > 0.2
    for frame in frames:
        assert psnr_db(frame[background], avatar(HALF).photo[background]) >= 45


@pytest.mark.parametrize("name", [HALF, FULL, LONG_HAIR])
def test_the_background_stays_whatever_the_body_does(name: str) -> None:
    rows = [{"weight": 1.0, "turn": -1.0}, {"weight": -1.0, "sway_x": -0.8}, {"lean": 1.0, "trail_x": 1.0}]
    frames, mattes = drawn(name, *rows)
    for frame, matte in zip(frames, mattes, strict=True):
        background = still_part(avatar(name).matte, matte)
        assert background.mean() > 0.1
        assert psnr_db(frame[background], avatar(name).photo[background]) >= 45


def test_a_torso_turns_below_a_head_that_stays() -> None:
    still = opened(HALF).still
    rest, turned = pose(still, motions({}, {"turn": 1.0})).mesh[:, :, :2]
    figure = figure_of(still.avatar)
    chest = figure.neck + (figure.hips - figure.neck) * 0.5
    aside = (turned - rest)[:, 0] / still.avatar.face_width_px
    near_chest = np.hypot(*(rest - chest).T) < 0.3 * figure.width_px
    beside = np.abs(rest[:, 0] - chest[0]) > figure.half_px * 1.05
    assert aside[near_chest].min() > 0.05, "what is in front goes to the person's own left"
    assert np.abs(aside[:478]).max() < 0.03, "the head holds on"
    assert np.abs(aside[beside]).max() < 0.02, "the outline hardly changes"


def test_a_head_turns_over_a_torso_that_stays() -> None:
    frames, _ = drawn(HALF, {}, {"yaw": 10 * DEGREE})
    shoulders = int(figure_of(avatar(HALF)).left[1])
    changed = np.abs(frames[0].astype(int) - frames[1]).max(-1)
    assert changed[shoulders:].max() <= 3
    assert (changed[: int(avatar(HALF).landmarks[152, 1])] > 12).mean() > 0.02


EXTREMES: tuple[dict[str, float], ...] = (
    {"yaw": 12 * DEGREE, "turn": -1.0, "weight": 1.0, "sway_x": -0.8, "trail_x": 0.8},
    {"yaw": -12 * DEGREE, "turn": 1.0, "weight": -1.0, "sway_x": 0.8, "trail_x": -0.8},
    {"roll": 10 * DEGREE, "pitch": 10 * DEGREE, "lean": -1.0, "weight": 1.0, "trail_y": 0.8},
    {"roll": -10 * DEGREE, "pitch": -8 * DEGREE, "lean": 1.0, "breath": 1.0, "shoulder_left": 1.0, "trail_y": -0.8},
)


@pytest.mark.parametrize("name", [HALF, FULL, LONG_HAIR, "samuel", "farid"])
def test_nothing_folds_or_gapes_between_head_and_torso(name: str) -> None:
    """From the chin down, no triangle that shows the person turns over, shrinks to a fifth or grows to three times."""
    still = opened(name).still
    posed = pose(still, motions({}, *EXTREMES)).mesh[:, :, :2].astype(float)
    corners = posed[:, still.mesh.triangles]
    along, down = corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0]
    areas = along[..., 0] * down[..., 1] - along[..., 1] * down[..., 0]
    rest = posed[0, still.mesh.triangles].mean(1)
    chin, width = still.avatar.landmarks[152], still.avatar.face_width_px
    outside_face = (still.mesh.triangles >= 478).any(1)
    seen = outside_face & (still.evenly != 0) & (rest[:, 1] > chin[1]) & (rest[:, 1] < still.avatar.height_px)
    large = np.abs(areas[0]) > 0.0005 * width**2
    ratios = areas[1:, seen & large] / areas[0, seen & large]
    assert seen.sum() > 50
    assert ratios.min() > 0.2, f"at {rest[seen & large][int(ratios.min(0).argmin())]}"
    assert ratios.max() < 3.0


@pytest.mark.parametrize("name", [HALF, FULL])
def test_no_hole_opens_in_the_person(name: str) -> None:
    """Well inside of where the photo has the person, carried along, the matte stays shut."""
    _, mattes = drawn(name, *EXTREMES)
    inside = cv2.erode((avatar(name).matte > 250).astype(np.uint8), np.ones((3, 3), np.uint8))
    still = opened(name).still
    posed = pose(still, motions(*EXTREMES)).mesh[:, :, :2]
    places = np.rint(still.mesh.points).astype(int)
    within = (places >= 0).all(1) & (places < inside.shape[::-1]).all(1)
    reach = round(0.1 * still.avatar.face_width_px)
    deep = cv2.erode(inside, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    within[within] = deep[places[within, 1], places[within, 0]]
    assert within.sum() > 300
    for points, matte in zip(posed, mattes, strict=True):
        x, y = np.rint(points[within]).astype(int).T
        shown = (x >= 0) & (y >= 0) & (x < matte.shape[1]) & (y < matte.shape[0])
        assert matte[y[shown], x[shown]].min() == 255


def test_weight_goes_from_leg_to_leg_over_feet_that_stand() -> None:
    _, (rest, left, right) = drawn(FULL, {}, {"weight": 1.0}, {"weight": -1.0})
    figure, width = figure_of(avatar(FULL)), avatar(FULL).face_width_px
    assert figure.legs is not None and figure.side == 1.0
    soles = float(figure.legs.ankles[:, 1].max()) + 0.2 * width
    for matte, way in ((left, 1), (right, -1)):
        hips, shoulders, feet = (
            way * (middle_of(matte, y) - middle_of(rest, y)) / width for y in (figure.hips[1], figure.left[1], soles)
        )
        assert 0.25 < hips < 0.45
        assert 0.1 < shoulders < hips, "the torso comes back over the feet"
        assert abs(feet) < 0.01


def test_weight_passes_from_leg_to_leg_without_a_corner() -> None:
    rows = [{"weight": float(weight)} for weight in np.linspace(-0.2, 0.2, 41)]
    points = pose(opened(FULL).still, motions(*rows)).mesh[:, :, :2]
    speeds = np.diff(points, axis=0)
    assert np.abs(np.diff(speeds, axis=0)).max() < 0.05 * np.abs(speeds).max()


def test_who_sits_keeps_hips_and_legs_where_they_are() -> None:
    """The standing man with knees as high as his hips, as far as his points tell."""
    him = avatar(FULL)
    points = him.body_points.copy()
    points[[25, 26], 1] = points[[23, 24], 1] + 0.2 * him.face_width_px
    still = prepare(replace(him, body_points=points))
    figure = figure_of(still.avatar)
    assert figure.legs is None and figure.rests
    rest, left = pose(still, motions({}, {"weight": 1.0})).mesh[:, :, :2]
    aside = np.abs((left - rest)[:, 0]) / figure.width_px
    assert aside[rest[:, 1] >= figure.hips[1]].max() < 0.001
    assert aside[1] > 0.05


def test_who_shows_no_legs_does_not_stand() -> None:
    assert figure_of(avatar(HALF)).legs is None
    _, (rest, left) = drawn(HALF, {}, {"weight": 1.0})
    width = avatar(HALF).face_width_px
    moved = middle_of(left, avatar(HALF).height_px - 3) - middle_of(rest, avatar(HALF).height_px - 3)
    assert 0.05 * width < moved < 0.2 * width, "what the picture cuts goes aside with the hips below it"


def test_long_hair_is_found_and_swings_at_its_ends_only() -> None:
    her = avatar(LONG_HAIR)
    share = hair_share(her)
    face, width = her.landmarks[:, :2], her.face_width_px

    def at(x: float, y: float) -> float:
        return float(share[int(y), int(x)])

    chin, crown, nose = face[152], face[10], face[1]
    assert at(crown[0] - 0.2 * width, crown[1] - 0.32 * width) > 0.8
    assert at(chin[0] - 0.55 * width, chin[1] - 0.1 * width) > 0.6 and at(nose[0], nose[1]) < 0.1
    assert at(chin[0], chin[1] + 0.2 * width) < 0.1 and at(chin[0], chin[1] + 1.3 * width) < 0.1
    rest, swung = pose(opened(LONG_HAIR).still, motions({}, {"trail_x": 0.7})).mesh[:, :, :2]
    aside = (swung - rest)[:, 0] / width
    ends = np.hypot(*(rest - (chin - [0.55 * width, 0.1 * width])).T) < 0.12 * width
    above = rest[:, 1] < crown[1]
    assert aside[ends].mean() > 0.03
    assert np.abs(aside[:478]).max() == 0 and np.abs(aside[above]).max() < 0.005


def test_a_head_without_hair_to_be_told_has_none_that_swings() -> None:
    still = opened(LONG_HAIR).still
    her = still.avatar
    grey = np.full_like(her.foreground, 128)
    bald = replace(her, foreground=grey)
    assert hair_share(bald).max() == 0
    weight = np.concatenate([np.ones(478, np.float32), still.mesh.head_weight])
    loose = loose_hair(bald, still.mesh.points, weight)
    assert 0.1 < loose.max() <= 0.31, "a collar is left"
    assert loose[still.mesh.points[:, 1] < her.landmarks[152, 1]].max() == 0
