"""Damaged pictures and motion files, against what reads them: refused with a reason of ours, or read, within bounds."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mutations import brief, damaged
from visavis_models.arkit import ARKIT_COUNT
from visavis_models.errors import BadMotion, BadPhoto
from visavis_models.motion import rest_motion
from visavis_models.portrait.photo import decode_photo
from visavis_server.motion_file import read_motion, write_motion
from visavis_server.motion_recording import Recording

pytestmark = pytest.mark.unit

LONG_SIDE_PX = 1024
"""Of the canvas that a photo becomes."""
SECRET = b"Hidden Street 7, 52.5200 N"


def picture(form: str, mode: str = "RGB", **options: Any) -> bytes:
    rng = np.random.default_rng(3)
    image = Image.fromarray(rng.integers(0, 255, (90, 120, 3), np.uint8)).convert(mode)
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def sixteen_bits() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.arange(90 * 120, dtype=np.uint16).reshape(90, 120)).save(out, "PNG")
    return out.getvalue()


def pictures() -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, SECRET.decode()
    text = PngInfo()
    text.add_text("Comment", SECRET.decode(), zip=True)
    return [
        picture("JPEG", exif=exif, comment=SECRET),
        picture("JPEG", "CMYK", progressive=True),
        picture("PNG", pnginfo=text, exif=exif),
        picture("PNG", "P"),
        picture("PNG", "LA"),
        sixteen_bits(),
        picture("GIF", "P"),
        picture("WEBP", exif=exif),
        picture("BMP"),
        picture("TIFF", compression="tiff_lzw"),
    ]


PICTURES = pictures()


def check_photo(content: bytes) -> None:
    try:
        photo = decode_photo(content)
    except BadPhoto as error:
        assert error.message and error.remedy
        return
    height, width = photo.canvas.shape[:2]
    assert max(height, width) <= LONG_SIDE_PX and height % 2 == width % 2 == 0
    assert photo.canvas.dtype == np.uint8 and 0 < photo.scale <= 1


@brief
@given(damaged(PICTURES))
@example(b"")
@example(b"\x89PNG\r\n\x1a\n" + bytes(100))
def test_pictures(content: bytes) -> None:
    check_photo(content)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_bombs_are_refused_before_they_are_unpacked() -> None:
    """A few kilobytes that would unpack to gigabytes."""
    head = struct.pack(">IIBBBBB", 50_000, 50_000, 16, 6, 0, 0, 0)
    pixels = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**7)))
    small = struct.pack(">IIBBBBB", 100, 100, 8, 2, 0, 0, 0)
    words = zlib.compress(bytes(2 * 10**8), 9)
    text = chunk(b"zTXt", b"Comment\0\0" + words) + chunk(b"iCCP", b"profile\0\0" + words)
    plain = zlib.compress(b"".join(b"\0" + bytes(300) for _ in range(100)))
    metadata = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", small) + text + chunk(b"IDAT", plain) + chunk(b"IEND", b"")
    gif = b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\0\0" + bytes(6) + b","
    gif += struct.pack("<HHHH", 0, 0, 65535, 65535) + b"\0\x08\x02\x4c\x01\0;"
    for bomb in (pixels, metadata, gif):
        with pytest.raises(BadPhoto):
            decode_photo(bomb)


def test_a_picture_of_a_thousand_layers_is_one_picture() -> None:
    out = io.BytesIO()
    frames = [Image.new("P", (64, 64), n % 256) for n in range(300)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    assert decode_photo(out.getvalue()).canvas.shape == (64, 64, 3)


def motion_files(folder: Path) -> list[tuple[str, bytes]]:
    window = rest_motion(12)
    window.face[:] = np.linspace(0, 1, 12 * ARKIT_COUNT, dtype=np.float32).reshape(12, ARKIT_COUNT)
    found = []
    for kind in ("csv", "json", "parquet"):
        path = folder / f"motion.{kind}"
        write_motion(path, Recording.of_session(window, "zoe", 0))
        found.append((kind, path.read_bytes()))
    return found


def check_motion(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        motion = read_motion(path)
    except BadMotion as error:
        assert error.message and error.remedy
        return
    assert np.isfinite(motion.window.face).all() and 0 <= motion.window.face.min() and motion.window.face.max() <= 1


@pytest.fixture(scope="module")
def motions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return dict(motion_files(tmp_path_factory.mktemp("motions")))


@brief
@given(seed=damaged([bytes(range(256))]))
def test_motion_files(seed: bytes, motions: dict[str, bytes], tmp_path: Path) -> None:
    """The damage is drawn once and done to a file of each kind: places are shares of its length."""
    rng = np.random.default_rng(list(seed[:64]) or [0])
    for kind, whole in motions.items():
        content = bytearray(whole)
        for _ in range(int(rng.integers(1, 8))):
            at = int(rng.integers(0, max(1, len(content))))
            size = int(rng.integers(0, 20))
            match int(rng.integers(0, 4)):
                case 0:
                    content[at : at + size] = rng.bytes(size)
                case 1:
                    del content[at : at + size]
                case 2:
                    content[at:at] = content[at : at + size] * 3
                case _:
                    del content[at:]
        check_motion(tmp_path / f"damaged.{kind}", bytes(content))


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 1000, b"[" * 100_000, b"PAR1" * 4, b"\xff\xfe" * 50, b'{"frames": 1e999}', b"time_s\n" + b"9" * 5000,
     b"time_s," + b"x," * 50_000 + b"\n", b'{"version": 1, "frames": [{"time_s": NaN}]}',
     b"PAR1" + b"\xff" * 40 + b"PAR1"],
)  # fmt: skip
def test_files_that_are_no_motion(tmp_path: Path, kind: str, content: bytes) -> None:
    path = tmp_path / f"no.{kind}"
    path.write_bytes(content)
    with pytest.raises(BadMotion):
        read_motion(path)
