"""Crops over pictures: where they lie, how they mix, and what of the picture shows through."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_models.diffusion.compositing import Patch
from visavis_models.diffusion.maps import MAP_CHANNELS, MAPS

pytestmark = pytest.mark.unit
Floats = NDArray[np.float32]
HEIGHT, WIDTH = 24, 32
GREY = 100
PLAIN = np.zeros((MAP_CHANNELS, HEIGHT, WIDTH), np.float32)
PLAIN[MAPS["warped"]] = GREY / 127.5 - 1
PLAIN[MAPS["shown"]] = 1
"""Of a picture that is grey all over, and all face."""


def crop(cover: float = 1.0) -> Floats:
    """A ramp of red to the right, of green downwards; no blue."""
    made = np.zeros((4, HEIGHT, WIDTH), np.float32)
    made[0] = np.linspace(-0.8, 0.8, WIDTH)
    made[1] = np.linspace(-0.8, 0.8, HEIGHT)[:, None]
    made[3, 4:-4, 4:-4] = cover
    return made


def place(scale: float = 1.0, x: float = 0.0, y: float = 0.0, mirrored: bool = False) -> NDArray[np.float64]:
    sign = -1.0 if mirrored else 1.0
    return np.array([[sign * scale, 0, x], [0, scale, y]], np.float64)


def laid(
    made: Floats, to_crop: NDArray[np.float64], size: tuple[int, int], maps: Floats = PLAIN, share: float = 1.0
) -> NDArray[np.uint8]:
    frame = np.full((*size, 3), GREY, np.uint8)
    patch = Patch.of(made, maps, to_crop, size)
    if patch is not None:
        patch.lay(frame, share)
    return frame


def test_a_crop_of_the_pictures_own_scale_is_copied_to_its_place() -> None:
    frame = laid(crop(), place(x=-10, y=-5), (60, 80))
    expected = (crop()[:3].transpose(1, 2, 0) + 1) * 127.5
    inside = np.s_[5:-5, 5:-5]
    there = frame[5 : 5 + HEIGHT, 10 : 10 + WIDTH].astype(float)
    assert np.abs(there[inside] - expected[inside]).max() <= 0.51
    frame[5 + 3 : 5 + HEIGHT - 3, 10 + 3 : 10 + WIDTH - 3] = 100
    assert (frame == 100).all(), "nothing else changes"


@pytest.mark.parametrize("cover", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_cover_and_share_mix(cover: float, share: float) -> None:
    frame = laid(crop(cover), place(x=-10, y=-5), (60, 80), share=share)
    expected = 100 + cover * share * ((crop()[0, 12, 16] + 1) * 127.5 - 100)
    assert abs(float(frame[17, 26, 0]) - expected) <= 0.6
    if share == 0:
        assert (frame == 100).all()


def test_a_mirrored_crop_is_turned_back() -> None:
    frame = laid(crop(), place(x=WIDTH - 1, mirrored=True), (HEIGHT, WIDTH))
    straight = laid(crop(), place(), (HEIGHT, WIDTH))
    assert np.array_equal(frame[:, ::-1], straight)


@pytest.mark.parametrize("scale", [2.0, 3.0, 4.0])
def test_fine_crops_are_averaged_not_sampled(scale: float) -> None:
    made = crop()
    made[:3] = np.where((np.indices((HEIGHT, WIDTH)).sum(0) % 2) > 0, 0.9, -0.9)
    frame = laid(made, place(scale, x=(scale - 1) / 2, y=(scale - 1) / 2), (12, 16))
    inside = frame[int(6 / scale) + 1 : int(17 / scale), int(6 / scale) + 1 : int(25 / scale)]
    assert inside.size and np.abs(inside.astype(int) - 128).max() < 14, "a fine chequer is grey"


def test_crops_beyond_the_picture_do_no_harm() -> None:
    whole = laid(crop(), place(), (HEIGHT, WIDTH))
    for x, y in ((20, 0), (-20, 0), (0, 15), (0, -15), (500, 500), (-500, 0)):
        part = laid(crop(), place(x=x, y=y), (HEIGHT, WIDTH))
        shifted = np.full_like(part, 100)
        rows, columns = np.arange(HEIGHT), np.arange(WIDTH)
        rows, columns = rows[(rows + y >= 0) & (rows + y < HEIGHT)], columns[(columns + x >= 0) & (columns + x < WIDTH)]
        shifted[np.ix_(rows, columns)] = whole[np.ix_(rows + y, columns + x)]
        assert np.array_equal(part, shifted)


def test_the_pictures_grain_stays_under_what_is_changed() -> None:
    dice = np.random.default_rng(1)
    frame = dice.integers(60, 190, (HEIGHT * 2, WIDTH * 2, 3), np.uint8)
    maps = PLAIN.copy()
    maps[MAPS["warped"]] = -0.1
    made = crop()
    made[:3, :, : WIDTH // 2] = -0.1
    made[:3, :, WIDTH // 2 :] = 0.1
    patch = Patch.of(made, maps, place(0.5), (HEIGHT * 2, WIDTH * 2))
    assert patch is not None
    shown = frame.copy()
    patch.lay(shown)
    alike, lighter = np.s_[12:-12, 12:28], np.s_[12:-12, 36:-12]
    assert np.array_equal(shown[alike], frame[alike]), "what networks leave alone is the picture's own, to the bit"
    change = shown[lighter].astype(float) - frame[lighter]
    assert np.abs(change - 0.2 * 127.5).max() <= 1, "light is added to every grain alike"


def test_beyond_the_face_nothing_changes() -> None:
    maps = PLAIN.copy()
    maps[MAPS["shown"], :, WIDTH // 2 :] = 0
    maps[MAPS["warped"], :, WIDTH // 2 :] = 0
    frame = laid(crop(), place(), (HEIGHT, WIDTH), maps)
    assert (frame[:, WIDTH // 2 + 1 :] == GREY).all() and not (frame[:, : WIDTH // 2] == GREY).all()


def test_nothing_to_show_is_no_patch() -> None:
    assert Patch.of(crop(0.0), PLAIN, place(), (HEIGHT, WIDTH)) is None
    made = crop()
    made[3] = np.nan
    assert Patch.of(made, PLAIN, place(), (HEIGHT, WIDTH)) is None
