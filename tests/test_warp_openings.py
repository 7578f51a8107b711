"""What is laid into an opening: all of it in the middle, shade and a line between the lips towards the corners."""

import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_models.warp.openings import NO_LINE, Line, lay_in, make_opening

pytestmark = pytest.mark.unit

SKIN, INSIDE = 150, 240
MIDDLE_Y = 30


def lens(line: Line, shade: float) -> NDArray[np.int64]:
    """An opening 80 px long and 16 px high, its inside uniformly bright."""
    x = np.linspace(20, 100, 11)
    bow = 8 * np.sin(np.linspace(0, np.pi, 11)) ** 2
    upper = np.stack([x, MIDDLE_Y - bow], 1).astype(np.float32)
    lower = np.stack([x, MIDDLE_Y + bow], 1).astype(np.float32)
    frame = np.full((60, 120, 3), SKIN, np.uint8)
    skin, inside = frame.copy(), np.full_like(frame, INSIDE)
    lay_in(
        frame, skin, inside, (0, 0), make_opening(upper, lower),
        skin_share=1.0, inside_share=1.0, soft_px=0.3, shade=shade, depth_px=4.0, line=line,
    )  # fmt: skip
    return frame[..., 1].astype(np.int64)


def test_the_inside_shows_between_the_edges_only() -> None:
    picture = lens(NO_LINE, 0.0)
    assert picture[MIDDLE_Y, 40:80].min() == INSIDE
    assert (picture[:20] == SKIN).all() and (picture[41:] == SKIN).all() and (picture[:, :19] == SKIN).all()


def test_a_line_runs_only_where_lips_touch() -> None:
    dark = Line(0.9, 0.5, 1.5, (20.0, 10.0, 10.0), until_px=4.0)
    picture, plain = lens(dark, 0.0), lens(NO_LINE, 0.0)
    assert picture[MIDDLE_Y, 40:80].min() == INSIDE
    for corner in (slice(22, 26), slice(95, 99)):
        assert (plain - picture)[MIDDLE_Y, corner].min() > 15
    everywhere = lens(Line(0.9, 0.5, 1.5, (20.0, 10.0, 10.0)), 0.0)
    assert everywhere[MIDDLE_Y, 40:80].max() < 60


def test_corners_lie_in_the_shade() -> None:
    picture = lens(NO_LINE, 0.6)
    rising = picture[MIDDLE_Y + 1, 32:60]
    assert rising[0] < rising[-1] - 20
    assert (np.diff(rising) >= -1).all()
