"""The background behind a head: no outline is left in it, it is as grainy as what lies beside, and the rest stays."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.portrait.storage import load_avatar
from visavis_models.warp.backdrop import clean_plate

pytestmark = pytest.mark.weights


@cache
def astronaut() -> Avatar:
    return load_avatar(Path(__file__).parent.parent / "weights" / "gallery" / "astronaut")


@cache
def rings() -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Beside, along and just behind the upper outline of the head."""
    person = (astronaut().matte > 0).astype(np.uint8)
    distance = cv2.distanceTransform(1 - person, cv2.DIST_L2, 5) - cv2.distanceTransform(person, cv2.DIST_L2, 5)
    head = np.arange(person.shape[0])[:, None] < astronaut().landmarks[13, 1]
    return (
        head & (distance > 8) & (distance < 20),
        head & (distance > 0) & (distance <= 2),
        head & (distance < 0) & (distance > -10),
    )


def wall(grain: float) -> NDArray[np.uint8]:
    """A grey wall, grainy where it is seen and smooth where the person hides it."""
    noise = np.random.default_rng(3).normal(0, grain, astronaut().plate.shape)
    seen = (astronaut().matte == 0)[..., None]
    return np.asarray(np.clip(140 + noise * seen, 0, 255), np.uint8)


def test_an_outline_of_the_person_is_taken_away() -> None:
    _, along, _ = rings()
    plate = wall(0.0)
    plate[along] = 90
    cleaned = clean_plate(replace(astronaut(), plate=plate)).astype(int)
    assert np.abs(cleaned[along] - 140).max() <= 6


def test_what_a_head_uncovers_is_as_grainy_as_what_lies_beside() -> None:
    beside, _, behind = rings()
    cleaned = clean_plate(replace(astronaut(), plate=wall(5.0))).astype(float).mean(2)
    fine = cleaned - cv2.GaussianBlur(cleaned, (0, 0), 1.5)
    assert 0.6 < fine[behind].std() / fine[beside].std() < 1.6


def test_a_busy_background_beside_the_head_stays() -> None:
    plate = wall(0.0)
    plate[:, ::8] = plate[:, 1::8] = 70
    beside, _, _ = rings()
    cleaned = clean_plate(replace(astronaut(), plate=plate))
    assert np.array_equal(cleaned[beside], plate[beside])
    changed = np.abs(cleaned.astype(int) - plate)[_just_outside()].max(-1)
    assert changed.mean() < 9


def _just_outside() -> NDArray[np.bool_]:
    person = (astronaut().matte > 0).astype(np.uint8)
    distance = cv2.distanceTransform(1 - person, cv2.DIST_L2, 5)
    head = np.arange(person.shape[0])[:, None] < astronaut().landmarks[13, 1]
    return np.asarray((distance > 2.5) & (distance < 5) & head)
