"""Damaged pictures and motion files, against what reads them: refused with a reason of ours, or read, within bounds."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from PIL import Image

from fuzz_seeds import motion_files, picture, pictures
from fuzz_targets import MOTION_KINDS, check_motion, check_photo
from mutations import brief, damaged
from visavis_models.errors import BadMotion, BadPhoto
from visavis_models.portrait.jpeg_scans import jpeg_scans
from visavis_models.portrait.photo import decode_photo
from visavis_server.motion_file import read_motion

pytestmark = pytest.mark.unit

PICTURES = pictures()


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


def scans_of(side_px: int, more: int) -> bytes:
    """A progressive JPEG whose last scan, which changes nothing, comes so many times more."""
    out = io.BytesIO()
    Image.new("RGB", (side_px, side_px), (90, 90, 90)).save(out, "JPEG", progressive=True)
    whole = out.getvalue()
    return whole[:-2] + whole[whole.rindex(b"\xff\xda") : -2] * more + whole[-2:]


def test_a_picture_that_is_gone_over_thousands_of_times_is_refused_before_the_first() -> None:
    """Two megabytes that would keep the only decoder busy for a quarter of an hour."""
    with pytest.raises(BadPhoto) as refused:
        decode_photo(scans_of(8000, 20_000))
    assert refused.value.code == "image_too_large" and "scans" in refused.value.message


def test_scans_are_counted_as_decoders_find_them() -> None:
    exif = Image.Exif()
    exif[0x010E] = "\xff\xda".encode("latin-1") * 5000  # a preview or a profile may hold what looks like scans
    for content in (
        scans_of(64, 0), scans_of(64, 30), picture("JPEG", exif=exif), picture("JPEG", comment=b"\xff\xda" * 9000),
        picture("JPEG", "CMYK", progressive=True), picture("JPEG", restart_marker_blocks=1),
    ):  # fmt: skip
        assert 1 <= jpeg_scans(content, 1000) <= 45
        assert decode_photo(content).canvas.size
    assert [jpeg_scans(scans_of(64, more), 1000) - jpeg_scans(scans_of(64, 0), 1000) for more in (1, 30)] == [1, 30]
    for content in (b"", b"\xff\xd8", b"\xff\xd8" + b"\xff" * 20_000_000, b"\xff\xd8\xff\xda", picture("PNG")):
        assert jpeg_scans(content, 1000) <= 1


def test_a_picture_of_a_thousand_layers_is_one_picture() -> None:
    out = io.BytesIO()
    frames = [Image.new("P", (64, 64), n % 256) for n in range(300)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    assert decode_photo(out.getvalue()).canvas.shape == (64, 64, 3)


@pytest.fixture(scope="module")
def motions() -> dict[str, bytes]:
    return motion_files()


@brief
@given(seed=damaged([bytes(range(256))]))
def test_motion_files(seed: bytes, motions: dict[str, bytes]) -> None:
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
        check_motion(bytes([MOTION_KINDS.index(kind)]) + content)


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
