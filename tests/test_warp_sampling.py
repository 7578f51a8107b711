"""Textures read between pixels: exact at rest, crisp when shifted, clean over what lies beneath."""

import numpy as np
import pytest

from visavis_models.raster import affine_planes, rasterise
from visavis_models.warp.sampling import draw, make_texture

pytestmark = pytest.mark.unit

_TRIANGLES = np.array([[0, 1, 2], [1, 3, 2]], np.int32)


def _square(size: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and planes of a square of `size` px moved to the right by `shift`."""
    rest = np.array([[-9, -9], [size + 9, -9], [-9, size + 9], [size + 9, size + 9]], np.float32)
    points = np.concatenate([rest + np.array([shift, 0.0]), np.zeros((4, 1))], 1).astype(np.float32)
    number, _ = rasterise(points, _TRIANGLES, (size, size))
    return number, affine_planes(points, _TRIANGLES, rest)


def test_an_unmoved_texture_is_drawn_without_any_change() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    out = np.zeros_like(picture)
    draw(*_square(40, 0.0), make_texture(picture), out)
    assert np.array_equal(out, picture)


@pytest.mark.parametrize("shift", [0.25, 0.5, 0.75])
def test_a_shifted_texture_keeps_its_contrast(shift: float) -> None:
    x = np.arange(64)
    wave = 128 + 100 * np.sin(2 * np.pi * x / 4.0)
    picture = np.repeat(np.broadcast_to(wave, (64, 64))[..., None], 3, 2).astype(np.uint8)
    out = np.zeros_like(picture)
    draw(*_square(64, shift), make_texture(picture), out)
    expected = 128 + 100 * np.sin(2 * np.pi * (x - shift) / 4.0)
    kept = float(np.dot(out[32, 8:-8, 0] - 128.0, expected[8:-8] - 128.0) / np.sum((expected[8:-8] - 128.0) ** 2))
    assert 0.88 < kept < 1.08


def test_half_covered_pixels_mix_with_what_is_beneath() -> None:
    picture = np.full((20, 20, 3), 200, np.uint8)
    out = np.full((20, 20, 3), 100, np.uint8)
    draw(*_square(20, 0.0), make_texture(picture, np.full((20, 20), 128, np.uint8)), out)
    assert np.abs(out.astype(int) - 150).max() <= 1


def test_uncovered_pixels_are_left_alone() -> None:
    out = np.full((20, 20, 3), 77, np.uint8)
    draw(*_square(20, 0.0), make_texture(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.uint8)), out)
    assert (out == 77).all()
