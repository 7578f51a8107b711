"""One clip of a set on disk: a folder with reference, driven frames and all labels, written whole or not at all.

Pictures are PNG or JPEG, sequences FFV1 in Matroska (lossless); labels are one npz. Knows nothing of how people are
made.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visavis_models.errors import StorageError

FRAMES_PER_S = 25
RECORD = "item.json"
LABELS = "labels.npz"
VIDEO = "driven.mkv"
FORMATS = ("png", "jpeg")
_JPEG_QUALITY = 95

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class SetItem:
    """A clip as read from disk."""

    reference: Picture
    """uint8 (H, W, 3)"""
    driven: Picture
    """uint8 (N, H, W, 3)"""
    labels: dict[str, NDArray[Any]]
    """Of K = 1 + N frames each, the reference first; see `make_set` for names."""
    record: dict[str, Any]
    """What `item.json` says."""


def write_picture(path: Path, picture: Picture) -> None:
    """Write a picture; the suffix says how."""
    options: dict[str, Any] = {"compress_level": 4} if path.suffix == ".png" else {"quality": _JPEG_QUALITY}
    Image.fromarray(picture).save(path, **options)


def write_video(path: Path, frames: Picture) -> None:
    """Write frames (N, H, W, 3) losslessly; the same frames give the same bytes."""
    with av.open(str(path), "w", format="matroska", options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream("ffv1", rate=FRAMES_PER_S)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "bgr0"
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"flags": "+bitexact", "level": "3", "slicecrc": "1"}
        for frame in frames:
            shown = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24").reformat(format="bgr0")
            container.mux(stream.encode(shown))
        container.mux(stream.encode(None))


def read_video(path: Path) -> Picture:
    """uint8 (N, H, W, 3)."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(np.uint8)


def write_item(
    folder: Path, rgb: Picture, labels: dict[str, NDArray[Any]], record: dict[str, Any], video: bool, format_: str
) -> None:
    """Write one clip.

    Args:
        folder: to be made; what a killed run left of it is replaced.
        rgb: uint8 (K, H, W, 3), the reference first.
        labels: arrays by name.
        record: JSON of what is known; `files` with hashes is added.
        video: driven frames become one FFV1 video; else a picture each.
        format_: of `FORMATS`, of the pictures.
    """
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    suffix = "png" if format_ == "png" else "jpg"
    write_picture(partial / f"reference.{suffix}", rgb[0])
    if video:
        write_video(partial / VIDEO, rgb[1:])
    else:
        for number, picture in enumerate(rgb[1:]):
            write_picture(partial / f"driven_{number:03d}.{suffix}", picture)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **labels)  # type: ignore[arg-type]
    (partial / LABELS).write_bytes(buffer.getvalue())
    files = {path.name: hash_of(path) for path in sorted(partial.iterdir())}
    (partial / RECORD).write_text(json.dumps({**record, "files": files}, indent=1) + "\n", "utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def hash_of(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def record_of(folder: Path) -> dict[str, Any] | None:
    """What `item.json` says, or None where the clip is not there or lacks a file."""
    path = folder / RECORD
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return record if all((folder / name).is_file() for name in record["files"]) else None


def read_item(folder: Path) -> SetItem:
    """Read one clip.

    Raises:
        StorageError: it is not there.
    """
    record = record_of(folder)
    if record is None:
        raise StorageError("item_missing", f"{folder} does not hold a whole clip.", "Run make_set again.")
    reference = next(name for name in record["files"] if name.startswith("reference."))
    if VIDEO in record["files"]:
        driven = read_video(folder / VIDEO)
    else:
        names = sorted(name for name in record["files"] if name.startswith("driven_"))
        driven = np.stack([_read_picture(folder / name) for name in names])
    with np.load(folder / LABELS) as stored:
        labels = {name: stored[name] for name in stored.files}
    return SetItem(_read_picture(folder / reference), driven, labels, record)


def _read_picture(path: Path) -> Picture:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), np.uint8).copy()
