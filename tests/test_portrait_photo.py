"""What people send as a photo, decoded or refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from portrait_photos import astronaut, encoded, png_header
from visavis_models.errors import BadPhoto
from visavis_models.portrait.photo import decode_photo

pytestmark = pytest.mark.unit


def refusal(content: bytes) -> str:
    with pytest.raises(BadPhoto) as caught:
        decode_photo(content)
    assert caught.value.message and caught.value.remedy
    return caught.value.code


def far_from_astronaut(canvas: np.ndarray) -> float:
    return float(np.abs(canvas.astype(np.float32) - astronaut().astype(np.float32)).mean())


def test_a_small_photo_is_the_canvas_pixel_for_pixel() -> None:
    photo = decode_photo(encoded(astronaut()))
    np.testing.assert_array_equal(photo.canvas, astronaut())
    assert photo.scale == 1.0


@pytest.mark.parametrize(("width", "height", "expected"), [(3000, 2000, (682, 1024)), (1500, 2500, (1024, 614))])
def test_a_large_photo_is_scaled_whole_to_1024_with_even_sides(
    width: int, height: int, expected: tuple[int, int]
) -> None:
    large = cv2.resize(astronaut(), (width, height), interpolation=cv2.INTER_LINEAR)
    photo = decode_photo(encoded(np.asarray(large, np.uint8), "JPEG"))
    assert photo.canvas.shape == (*expected, 3)
    assert photo.scale == pytest.approx(1024 / max(width, height))
    back = cv2.resize(photo.canvas, (512, 512), interpolation=cv2.INTER_AREA)
    assert far_from_astronaut(back) < 4


def test_odd_sides_lose_one_pixel_at_most() -> None:
    photo = decode_photo(encoded(np.ascontiguousarray(astronaut()[:511, :509])))
    assert photo.canvas.shape == (510, 508, 3)
    np.testing.assert_array_equal(photo.canvas, astronaut()[:510, :508])


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (3, np.rot90(astronaut(), 2)),
        (6, np.rot90(astronaut(), 1)),
        (8, np.rot90(astronaut(), 3)),
        (2, astronaut()[:, ::-1]),
    ],
)
def test_exif_orientation_is_applied(orientation: int, stored: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(np.ascontiguousarray(stored), "JPEG", exif=exif, quality=95)
    assert far_from_astronaut(decode_photo(content).canvas) < 3


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of the metadata
def test_damaged_exif_does_not_matter() -> None:
    content = encoded(astronaut(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\x7f" * 40, quality=95)
    assert far_from_astronaut(decode_photo(content).canvas) < 3


@pytest.mark.parametrize(
    ("content", "tolerance"),
    [
        (encoded(Image.fromarray(astronaut()).convert("CMYK"), "JPEG"), 6),
        (encoded(Image.fromarray(astronaut()).convert("P")), 14),
        (encoded(Image.fromarray(astronaut()).convert("P"), "GIF"), 14),
        (encoded(astronaut(), "WEBP", lossless=True), 0.1),
        (encoded(astronaut(), "TIFF"), 0.1),
        (encoded(astronaut(), "BMP"), 0.1),
        (encoded(Image.fromarray(astronaut()).convert("RGBA")), 0.1),
    ],
    ids=["CMYK", "palette", "GIF", "WebP", "TIFF", "BMP", "RGBA"],
)
def test_every_kind_of_picture_becomes_rgb(content: bytes, tolerance: float) -> None:
    assert far_from_astronaut(decode_photo(content).canvas) < tolerance


def test_sixteen_bit_grey_keeps_its_range() -> None:
    grey = astronaut()[..., 1]
    canvas = decode_photo(encoded(Image.fromarray(grey.astype(np.uint16) * 257))).canvas
    assert np.abs(canvas.astype(int) - grey[..., None]).max() <= 1


def test_what_is_transparent_becomes_white() -> None:
    alpha = np.full((512, 512), 255, np.uint8)
    alpha[:100] = 0
    canvas = decode_photo(encoded(np.dstack([astronaut(), alpha]))).canvas
    assert (canvas[:100] == 255).all()
    np.testing.assert_array_equal(canvas[100:], astronaut()[100:])


def test_of_an_animation_the_first_picture_is_taken() -> None:
    first, second = (Image.fromarray(picture) for picture in (astronaut(), 255 - astronaut()))
    content = encoded(first, "WEBP", save_all=True, append_images=[second], lossless=True)
    assert far_from_astronaut(decode_photo(content).canvas) < 0.5


def test_a_huge_picture_is_refused_by_its_header() -> None:
    assert refusal(png_header(20_000, 100)) == "image_too_large"
    assert refusal(png_header(9_000, 9_000)) == "image_too_large"
    assert refusal(png_header(60_000, 60_000)) == "image_too_large"


def test_pictures_of_the_largest_cameras_pass_and_the_limit_is_told() -> None:
    assert refusal(png_header(9_504, 6_336)) == "not_an_image", "61 megapixels: only the rest of the file is missing"
    with pytest.raises(BadPhoto, match=r"9000 x 9000 pixels.*64 megapixels"):
        decode_photo(png_header(9_000, 9_000))


def test_a_real_picture_of_20000_pixels_is_refused() -> None:
    assert refusal(encoded(np.zeros((80, 20_000, 3), np.uint8))) == "image_too_large"


def test_a_huge_file_is_refused() -> None:
    assert refusal(encoded(astronaut()) + bytes(30_000_001)) == "image_too_large"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        encoded(astronaut(), "JPEG")[:9000],
        encoded(astronaut())[:9000],
        png_header(300, 300),
        b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8,
    ],
    ids=["empty", "text", "SVG", "PDF", "JPEG cut short", "PNG cut short", "PNG without pixels", "rubbish"],
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    assert refusal(content) == "not_an_image"


def test_heic_is_refused_with_what_to_do() -> None:
    with pytest.raises(BadPhoto, match="Save it as JPEG") as caught:
        decode_photo(b"\0\0\0\x18ftypheic" + bytes(100))
    assert caught.value.code == "not_an_image"


def test_a_picture_with_too_few_pixels_is_refused() -> None:
    assert refusal(encoded(np.ascontiguousarray(astronaut()[:40, :40]))) == "image_too_small"


@pytest.mark.parametrize(
    ("size", "standard", "hd"),
    [
        ((4000, 2250), (1024, 576), (1920, 1080)),
        ((2250, 4000), (576, 1024), (1080, 1920)),
        ((3000, 3000), (1024, 1024), (1080, 1080)),
        ((800, 600), (800, 600), (800, 600)),
    ],
)
def test_canvases_hold_every_shape_and_nothing_is_made_larger(
    size: tuple[int, int], standard: tuple[int, int], hd: tuple[int, int]
) -> None:
    photo = encoded(Image.new("RGB", size, (90, 120, 150)), "JPEG")
    for canvas, wanted in (("standard", standard), ("1080p", hd)):
        assert decode_photo(photo, canvas).canvas.shape == (wanted[1], wanted[0], 3)
