"""What a photo says beside its picture (where, when, with what, of whom) is not kept."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from portrait_photos import astronaut
from visavis_models.portrait.library import AvatarLibrary

pytestmark = pytest.mark.weights

SECRETS = (b"Hidden Street 7", b"SecretCamera", b"<x:xmpmeta", b"A comment of mine")


def telling_photo() -> bytes:
    """A JPEG with EXIF, a place, XMP, a comment, and another picture as its thumbnail."""
    image = Image.fromarray(np.asarray(cv2.resize(astronaut(), (420, 420), interpolation=cv2.INTER_AREA), np.uint8))
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.ImageDescription] = "SecretCamera", "Hidden Street 7"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 12.0)
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif, comment=b"A comment of mine", xmp=b"<x:xmpmeta>me</x:xmpmeta>")
    return out.getvalue() + b"Hidden Street 7 behind the end"


def test_only_the_pixels_of_a_photo_are_kept(tmp_path: Path) -> None:
    photo = telling_photo()
    assert all(secret in photo for secret in SECRETS), "the photo does say it"
    library = AvatarLibrary(tmp_path / "avatars")
    made = library.add(photo, "Ada")
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    for content in (*(path.read_bytes() for path in kept), library.image(made.id), library.thumbnail(made.id)):
        assert not any(secret in content for secret in SECRETS)
        if content.startswith((b"\xff\xd8", b"\x89PNG")):
            served = Image.open(io.BytesIO(content))
            assert not served.getexif() and "exif" not in served.info and "comment" not in served.info
