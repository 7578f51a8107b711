"""A picture taken apart along a matte, and put together again."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_photos import astronaut
from visavis_models.portrait.layers import fill_hole, settle_layers, split_layers
from visavis_models.portrait.matting import colour_guided_filter

pytestmark = pytest.mark.unit


def composed(matte: NDArray[np.uint8], front: NDArray[np.uint8], back: NDArray[np.uint8]) -> NDArray[np.float64]:
    alpha = matte[..., None] / 255
    return np.asarray(alpha * front + (1 - alpha) * back)


def ball() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A red ball with a soft edge before a wall that runs from dark to light blue: picture and matte."""
    y, x = np.mgrid[:240, :320].astype(np.float32)
    alpha = np.clip((70 - np.hypot(x - 160, y - 120)) / 6 + 0.5, 0, 1)[..., None]
    wall = np.stack([0 * x + 40, x / 4 + 60, x / 3 + 100], axis=-1)
    picture = alpha * np.array([220, 30, 30]) + (1 - alpha) * wall
    return np.rint(picture).astype(np.uint8), np.rint(alpha[..., 0] * 255).astype(np.uint8)


def test_matte_over_plate_gives_the_picture_back() -> None:
    picture, matte = ball()
    assert np.abs(composed(matte, *split_layers(picture, matte)) - picture).max() <= 1


def test_a_wrong_matte_gives_the_picture_back_too() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (512, 512), dtype=np.uint8)
    assert np.abs(composed(noise, *split_layers(astronaut(), noise)) - astronaut()).max() <= 1


def test_the_plate_holds_nothing_of_the_person() -> None:
    picture, matte = ball()
    _, plate = split_layers(picture, matte)
    red = plate[..., 0].astype(int)
    assert red.max() <= 60, "the red ball shines through"
    wall_green = np.mgrid[:240, :320][1] / 4 + 60
    assert np.abs(plate[..., 1] - wall_green)[matte > 0].mean() < 12, "the wall does not run on behind the ball"


def test_the_person_holds_nothing_of_the_background() -> None:
    picture, matte = ball()
    foreground, _ = split_layers(picture, matte)
    edge = (matte > 25) & (matte < 230)
    assert np.abs(foreground[edge].astype(int) - [220, 30, 30]).mean() < 12


def test_a_moved_person_has_no_halo() -> None:
    picture, matte = ball()
    foreground, plate = split_layers(picture, matte)
    shift = np.array([[1, 0, 12], [0, 1, 0]], np.float32)
    moved = composed(
        np.asarray(cv2.warpAffine(matte, shift, (320, 240)), np.uint8),
        np.asarray(cv2.warpAffine(foreground, shift, (320, 240)), np.uint8),
        plate,
    )
    alpha = cv2.warpAffine(matte, shift, (320, 240))[..., None] / 255
    x = np.mgrid[:240, :320][1]
    wall = np.stack([0 * x + 40, x / 4 + 60, x / 3 + 100], axis=-1)
    truth = alpha * np.array([220, 30, 30]) + (1 - alpha) * wall
    assert np.percentile(np.abs(moved - truth).max(axis=-1), 99.5) < 30


def test_settling_keeps_what_already_fits() -> None:
    picture, matte = ball()
    foreground, plate = split_layers(picture, matte)
    again = settle_layers(picture, matte, foreground, plate)
    assert np.abs(again[1].astype(int) - plate).max() <= 2


def test_a_hole_is_filled_from_its_rim_and_the_rest_is_kept() -> None:
    picture = np.tile(np.linspace(0, 200, 128, dtype=np.float32)[None, :, None], (96, 1, 3))
    known = np.ones((96, 128), np.float32)
    known[20:70, 40:90] = 0
    spoilt = picture.copy()
    spoilt[known == 0] = 999
    filled = fill_hole(spoilt, known)
    np.testing.assert_array_equal(filled[known == 1], picture[known == 1])
    assert np.abs(filled - picture).mean() < 4 and filled.max() <= 210


@pytest.mark.parametrize("known", [0.0, 1.0])
def test_filling_copes_with_nothing_and_everything_known(known: float) -> None:
    picture = np.full((33, 57, 3), 80, np.float32)
    filled = fill_hole(picture, np.full((33, 57), known, np.float32))
    assert filled.shape == picture.shape and np.isfinite(filled).all()


def test_the_guided_filter_pulls_a_blurred_mask_onto_the_edge() -> None:
    guide = np.zeros((80, 80, 3), np.float32)
    guide[:, 40:] = (0.2, 0.7, 0.4)
    sharp = (guide[..., 1] > 0.1).astype(np.float32)
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 6), np.float32)
    found = colour_guided_filter(guide, blurred, 12, 1e-4)
    assert np.abs(blurred - sharp).max() > 0.4
    assert found[:, :39].max() < 0.35 and found[:, 41:].min() > 0.65
