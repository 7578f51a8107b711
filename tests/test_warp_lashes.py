"""Lashes of a drawn eye: found above the lid, standing while it is open, lying below the lid once it is shut."""

import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_models.warp.lashes import draw_lashes, find_lashes
from visavis_models.warp.openings import Opening, make_opening

pytestmark = pytest.mark.unit

SKIN, HAIR = 200, 40
EDGE_Y = 40


def eye() -> Opening:
    x = np.linspace(30, 110, 9)
    bow = np.sin(np.linspace(0, np.pi, 9))
    upper = np.stack([x, EDGE_Y - 0 * bow], 1).astype(np.float32)
    lower = np.stack([x, EDGE_Y + 12 * bow], 1).astype(np.float32)
    return make_opening(upper, lower)


def drawn(down: float, strength: float = 1.0) -> NDArray[np.int64]:
    """How much darker than skin each pixel of a bare lid became."""
    bare = np.full((90, 140, 3), SKIN, np.uint8)
    photo = bare.copy()
    photo[EDGE_Y - 10 : EDGE_Y, 40:100:6] = HAIR
    lashes = find_lashes(photo, bare, eye(), (HAIR, HAIR, HAIR))
    frame = bare.copy()
    draw_lashes(frame, (0, 0, 140, 90), lashes, eye(), strength=strength, down=down)
    return SKIN - frame[..., 1].astype(np.int64)


def test_lashes_of_an_open_eye_are_those_of_the_photo() -> None:
    dark = drawn(0.0)
    assert dark[EDGE_Y - 7 : EDGE_Y - 2, 40:100:6].mean() > 70
    assert dark[EDGE_Y - 7 : EDGE_Y - 2, 43:100:6].mean() < 15
    assert dark[EDGE_Y + 2 :].max() <= 1


def test_lashes_of_a_shut_eye_hang_below_the_lid() -> None:
    dark = drawn(1.0)
    assert dark[EDGE_Y + 1 : EDGE_Y + 5, 40:100:6].mean() > 80
    assert dark[: EDGE_Y - 2].max() <= 1


def test_lashes_turn_without_a_jump() -> None:
    steps = [drawn(down, strength) for down, strength in zip(np.linspace(0, 1, 21), np.linspace(0, 1, 21), strict=True)]
    assert steps[0].max() == 0
    changes = [float(np.abs(b - a).mean()) for a, b in zip(steps, steps[1:], strict=False)]
    assert max(changes) < 4 * np.mean(changes)
