"""Fewer pixels and fewer pictures on narrow links, without wavering."""

from __future__ import annotations

import numpy as np
import pytest

from visavis_models.matte import Matte
from visavis_server.media import Published
from visavis_server.rtc.fitting import FittedFrames
from visavis_server.rtc.layouts import frames_of
from visavis_server.rtc.picture_steps import LADDER, PictureSteps

pytestmark = pytest.mark.unit


def test_a_dip_costs_no_step_and_a_narrow_link_does() -> None:
    steps = PictureSteps((640, 640))
    assert steps.at(70_000, 10.0) == LADDER[0]
    assert steps.at(200_000, 10.9) == LADDER[0]
    assert steps.at(70_000, 11.0) == LADDER[0]
    assert steps.at(70_000, 12.1) == LADDER[1]
    assert steps.at(40_000, 12.2) == LADDER[1]
    assert steps.at(40_000, 13.3) == LADDER[3]


def test_it_climbs_one_step_at_a_time_after_ample_seconds() -> None:
    steps = PictureSteps((640, 640))
    steps.at(40_000, 0.0)
    seen = [steps.at(40_000, 1.0)]
    for n in range(60):
        step = steps.at(500_000, 2.0 + n / 4)
        if step != seen[-1]:
            seen.append(step)
    assert seen == [LADDER[3], LADDER[2], LADDER[1], LADDER[0]]
    steps = PictureSteps((640, 640))
    steps.at(70_000, 0.0)
    steps.at(70_000, 1.0)
    assert {steps.at(bps, 2.0 + n) for n, bps in enumerate((85_000, 95_000, 85_000, 100_000))} == {LADDER[1]}


def test_large_canvases_shrink_sooner() -> None:
    small, large = PictureSteps((512, 512)), PictureSteps((1024, 1024))
    for now_s in (0.0, 2.0):
        steps = small.at(140_000, now_s), large.at(140_000, now_s)
    assert (steps[0].scale, steps[1].scale) == (1.0, 0.75)


def test_a_smaller_frame_shows_the_same_and_keeps_its_time() -> None:
    picture = np.zeros((96, 128, 3), np.uint8)
    picture[:48, :64, 0], picture[48:, 64:, 2] = 255, 255
    frames = FittedFrames(frames_of("plain"))
    whole, half = (frames.frame(_item(picture), scale) for scale in (1.0, 0.5))
    assert whole is not None and half is not None
    assert (half.width, half.height, half.pts, half.time_base) == (64, 48, whole.pts, whole.time_base)
    difference = whole.to_ndarray(format="rgb24")[::2, ::2].astype(int) - half.to_ndarray(format="rgb24")
    assert np.median(np.abs(difference)) < 3
    again = frames.frame(_item(picture), 0.5)
    assert again is not None and np.array_equal(again.to_ndarray(), half.to_ndarray())


def test_person_and_matte_stay_halves() -> None:
    picture = np.full((96, 100, 3), 90, np.uint8)
    cover = np.zeros((96, 100), np.uint8)
    cover[:, :50] = 255
    frame = FittedFrames(frames_of("side-by-side")).frame(_item(picture, cover), 0.75)
    assert frame is not None and frame.width % 4 == 0
    luma = frame.to_ndarray()[: frame.height]
    middle = frame.width // 2
    assert luma[5, middle + 5] > 220 and luma[5, -5] < 30


def _item(picture: np.ndarray, cover: np.ndarray | None = None) -> Published:
    matte = None if cover is None else Matte(cover, np.zeros_like(picture))
    return Published(7, picture, np.zeros(1920, np.int16), False, 0, matte)
