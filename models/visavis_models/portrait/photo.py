"""Turns the bytes of a photo that anybody may have sent into an upright RGB picture, or says why it cannot.

The header is judged before any pixel is decoded. It knows nothing of faces.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from visavis_models.errors import BadPhoto
from visavis_models.portrait.jpeg_scans import jpeg_scans

MAX_FILE_BYTES = 30_000_000
MAX_SIDE_PX = 12_000
MAX_PIXELS = 64_000_000
MIN_SIDE_PX = 64
MAX_SCANS = 50
"""Of a JPEG; programs write 1 to a dozen."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """How large a picture may be; larger photos are made smaller, and none is made larger."""

    long_side_px: int
    short_side_px: int

    def scale(self, width_px: int, height_px: int) -> float:
        """By how much a photo of this size is made smaller, at most 1."""
        long_side, short_side = max(width_px, height_px), min(width_px, height_px)
        return min(1.0, self.long_side_px / long_side, self.short_side_px / short_side)


CANVASES: Mapping[str, Canvas] = MappingProxyType({"standard": Canvas(1024, 1024), "1080p": Canvas(1920, 1080)})
"""By the name that settings and options use."""
STANDARD = "standard"

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
_PAPER = (255, 255, 255)
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis")


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo."""

    canvas: NDArray[np.uint8]
    """uint8 (H, W, 3) RGB, upright: the whole picture, no larger than the canvas asked for, both sides even."""
    scale: float
    """Canvas pixels per pixel of the original, at most 1."""


def decode_photo(content: bytes, canvas: str = STANDARD) -> Photo:
    """Decode a photo.

    EXIF orientation and embedded colour profiles are applied, transparency is laid on white, of an animation the first
    picture is taken.

    Args:
        content: the bytes of the file.
        canvas: one of `CANVASES`.

    Raises:
        BadPhoto: `not_an_image` (also HEIC, and files that are cut short), `image_too_large`, `image_too_small`.
    """
    if len(content) > MAX_FILE_BYTES:
        raise BadPhoto(
            "image_too_large",
            f"The file has {len(content) / 1e6:.0f} MB.",
            f"Send a file of at most {MAX_FILE_BYTES // 10**6} MB.",
        )
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS:
        raise BadPhoto("not_an_image", "This is a HEIC photo, which cannot be read here.", "Save it as JPEG or PNG.")
    if jpeg_scans(content, MAX_SCANS) > MAX_SCANS:
        problem = f"This JPEG has more than {MAX_SCANS} scans, each of which would take as long as a picture."
        raise BadPhoto("image_too_large", problem, "Save it again with a program for photos.")
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            return _decode_opened(image, CANVASES[canvas])
    except BadPhoto:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large("The picture has far too many pixels.") from error
    except Exception as error:  # decoders raise classes of every kind for damaged files
        raise BadPhoto(
            "not_an_image",
            "This file is not a picture that can be read, or it is damaged.",
            "Send a JPEG, PNG or WebP photo.",
        ) from error


def _decode_opened(image: Image.Image, canvas: Canvas) -> Photo:
    width, height = image.size
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise _too_large(f"The picture has {width} x {height} pixels.")
    if min(width, height) < MIN_SIDE_PX:
        raise BadPhoto(
            "image_too_small",
            f"The picture has only {width} x {height} pixels.",
            "Send a photo in which the face is at least 64 pixels wide.",
        )
    # JPEG can decode at a fraction of its size; twice the canvas keeps the later reduction clean.
    image.draft(None, (2 * canvas.long_side_px, 2 * canvas.long_side_px))
    image.load()
    turned = _turned_by_exif(image)
    upright = _as_srgb(_reduced(turned, max(turned.size) // (2 * canvas.long_side_px)))
    pixels = np.asarray(upright, np.uint8)
    scale = canvas.scale(width, height)
    return Photo(_fit(pixels, max(width, height) * scale), scale)


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """Smaller by a whole factor, before its colours are converted: that takes several copies, which may be huge."""
    if factor < 2:
        return image
    if image.mode.startswith("I;16"):
        size = (image.width // factor, image.height // factor)
        small = cv2.resize(np.asarray(image, np.uint16), size, interpolation=cv2.INTER_AREA)
        return Image.fromarray(np.asarray(small, np.uint16))
    if image.mode in ("1", "P", "PA"):
        image = image.convert("RGBA" if image.mode == "PA" or "transparency" in image.info else "RGB")
    return image.reduce(factor)


def _fit(pixels: NDArray[np.uint8], long_side_px: float) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    ratio = long_side_px / max(height, width)
    target_w, target_h = max(2, round(width * ratio)), max(2, round(height * ratio))
    if (target_w, target_h) != (width, height):
        pixels = np.asarray(cv2.resize(pixels, (target_w, target_h), interpolation=cv2.INTER_AREA), np.uint8)
    return np.ascontiguousarray(pixels[: target_h // 2 * 2, : target_w // 2 * 2])


def _turned_by_exif(image: Image.Image) -> Image.Image:
    with suppress(Exception):  # damaged metadata, which may be anything, is no reason to refuse the photo
        ImageOps.exif_transpose(image, in_place=True)  # without a copy of what stands upright already
    return image


def _as_srgb(image: Image.Image) -> Image.Image:
    """Any mode of Pillow as 8-bit sRGB."""
    if image.mode.startswith(("I", "F")):
        image = _sixteen_bits_to_eight(image)
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            image = converted if converted is not None else image
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile is no reason to refuse the photo: its plain numbers are close enough
    if "A" in image.getbands() or "transparency" in image.info:
        layered = image.convert("RGBA")
        paper = Image.new("RGBA", layered.size, (*_PAPER, 255))
        return Image.alpha_composite(paper, layered).convert("RGB")
    return image.convert("RGB")


def _sixteen_bits_to_eight(image: Image.Image) -> Image.Image:
    values = np.asarray(image, np.float32)
    values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    top = float(values.max(initial=1.0))
    full = 1.0 if top <= 1.0 else 255.0 if top <= 255.0 else 65535.0 if top <= 65535.0 else top
    return Image.fromarray(np.clip(values * (255.0 / full), 0, 255).astype(np.uint8))


def _too_large(message: str) -> BadPhoto:
    return BadPhoto(
        "image_too_large",
        message,
        f"Send a photo of at most {MAX_SIDE_PX} pixels a side and {MAX_PIXELS // 10**6} megapixels.",
    )
