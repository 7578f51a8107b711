"""Keeps avatars on disk: one folder each, written whole or not at all, and refused when damaged or of another version.

The folder holds photo.jpg (the canvas), matte.png, foreground.webp, plate.webp, points.safetensors, thumbnail.jpg and
avatar.json. It knows nothing of how an avatar is made.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load, save

from visavis_models.avatar import ANALYSIS_VERSION, Avatar
from visavis_models.face.person import Person
from visavis_models.portrait.layers import settle_layers

TEMPORARY_PREFIX = ".new-"
_RETIRED_PREFIX = ".old-"
_THUMBNAIL_PX = 256
_THUMBNAIL_FACE_WIDTHS = 2.4
_SHAPES = {"landmarks": (478, 3), "head_pose": (6,), "body_points": (33, 4)}


class DamagedAvatar(Exception):
    """A stored avatar cannot be used as it is: a file is missing, damaged, or of another version of the analysis."""


@dataclass(frozen=True, slots=True)
class AvatarEntry:
    """What a list shows of an avatar, without its pictures."""

    id: str
    name: str
    width_px: int
    height_px: int
    notes: tuple[str, ...]
    builtin: bool
    content_hash: str
    """sha256 of the photo it was made from, hexadecimal."""
    version: int
    """`ANALYSIS_VERSION` when it was made."""


def save_avatar(avatar: Avatar, folder: Path, content_hash: str = "") -> None:
    """Write an avatar; the folder appears at once, or not at all, and replaces what was there.

    Args:
        avatar: what to keep.
        folder: its own folder; its parent is made if need be.
        content_hash: sha256 of the photo's bytes, by which the same photo is known again.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.parent / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    fresh.mkdir()
    try:
        for name, content in _files(avatar, content_hash).items():
            (fresh / name).write_bytes(content)
        _replace_folder(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def load_avatar(folder: Path, builtin: bool = False) -> Avatar:
    """Read an avatar.

    Args:
        folder: its own folder.
        builtin: does it ship with visavis.

    Raises:
        DamagedAvatar: it is not whole, or of another version of the analysis.
    """
    entry = read_entry(folder, builtin)
    if entry.version != ANALYSIS_VERSION:
        raise DamagedAvatar(f"{folder.name} is of analysis version {entry.version}, not {ANALYSIS_VERSION}")
    try:
        photo = read_canvas(folder)
        with Image.open(folder / "matte.png", formats=("PNG",)) as image:
            matte = np.array(image.convert("L"), np.uint8)
        foreground = _read_picture(folder / "foreground.webp", "WEBP")
        plate = _read_picture(folder / "plate.webp", "WEBP")
        arrays = load((folder / "points.safetensors").read_bytes())
    except DamagedAvatar:
        raise
    except Exception as error:  # Pillow and safetensors raise classes of many kinds for damaged files
        raise DamagedAvatar(f"{folder.name}: {error}") from error
    size = (entry.height_px, entry.width_px)
    if any(picture.shape[:2] != size for picture in (photo, matte, foreground, plate)):
        raise DamagedAvatar(f"{folder.name}: its pictures are not {size}")
    for name, shape in _SHAPES.items():
        if name not in arrays or arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise DamagedAvatar(f"{folder.name}: {name} is not {shape}")
    try:
        person = Person.of(arrays)
    except ValueError as error:
        raise DamagedAvatar(f"{folder.name}: {error}") from error
    foreground, plate = settle_layers(photo, matte, foreground, plate)
    return Avatar(
        id=entry.id,
        name=entry.name,
        photo=photo,
        matte=matte,
        foreground=foreground,
        plate=plate,
        landmarks=arrays["landmarks"].astype(np.float32),
        head_pose=arrays["head_pose"].astype(np.float32),
        body_points=arrays["body_points"].astype(np.float32),
        notes=entry.notes,
        builtin=builtin,
        person=person,
    )


def read_entry(folder: Path, builtin: bool = False) -> AvatarEntry:
    """What avatar.json says.

    Raises:
        DamagedAvatar: it is missing or damaged.
    """
    try:
        facts = json.loads((folder / "avatar.json").read_text("utf-8"))
        return AvatarEntry(
            id=folder.name,
            name=str(facts["name"]),
            width_px=int(facts["width_px"]),
            height_px=int(facts["height_px"]),
            notes=tuple(str(note) for note in facts["notes"]),
            builtin=builtin,
            content_hash=str(facts["content_hash"]),
            version=int(facts["version"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedAvatar(f"{folder.name}: {error!r}") from error


def read_canvas(folder: Path) -> NDArray[np.uint8]:
    """The stored canvas, uint8 (H, W, 3) RGB.

    Raises:
        DamagedAvatar: it is missing or damaged.
    """
    return _read_picture(folder / "photo.jpg", "JPEG")


def encode_jpeg(picture: NDArray[np.uint8], quality: int = 90) -> bytes:
    """An RGB picture as JPEG."""
    return _encode(picture, "JPEG", {"quality": quality, "subsampling": 0, "optimize": True})


def make_thumbnail(canvas: NDArray[np.uint8], head: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A square round the face, uint8 (256, 256, 3) RGB; moved, not squeezed, where the picture ends."""
    height, width = canvas.shape[:2]
    side = int(min(height, width, max(48.0, _THUMBNAIL_FACE_WIDTHS * float(head[5]))))
    left = int(np.clip(float(head[3]) - side / 2, 0, width - side))
    top = int(np.clip(float(head[4]) - side / 2, 0, height - side))
    part = canvas[top : top + side, left : left + side]
    how = cv2.INTER_AREA if side > _THUMBNAIL_PX else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (_THUMBNAIL_PX, _THUMBNAIL_PX), interpolation=how), np.uint8)


def _files(avatar: Avatar, content_hash: str) -> dict[str, bytes]:
    facts: dict[str, Any] = {
        "version": ANALYSIS_VERSION,
        "name": avatar.name,
        "width_px": avatar.width_px,
        "height_px": avatar.height_px,
        "notes": list(avatar.notes),
        "content_hash": content_hash,
    }
    arrays = {name: np.ascontiguousarray(getattr(avatar, name)) for name in _SHAPES}
    if avatar.person is not None:
        arrays |= avatar.person.arrays()
    return {
        "photo.jpg": encode_jpeg(avatar.photo, 95),
        "matte.png": _encode(avatar.matte, "PNG", {"optimize": True}),
        "foreground.webp": _encode(avatar.foreground, "WEBP", {"quality": 92, "method": 4}),
        "plate.webp": _encode(avatar.plate, "WEBP", {"quality": 90, "method": 4}),
        "points.safetensors": save(arrays),
        "thumbnail.jpg": encode_jpeg(make_thumbnail(avatar.photo, avatar.head_pose)),
        "avatar.json": json.dumps(facts, indent=2, ensure_ascii=False).encode() + b"\n",
    }


def _encode(picture: NDArray[np.uint8], form: str, options: Mapping[str, object]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, form, **options)
    return out.getvalue()


def _read_picture(path: Path, form: str) -> NDArray[np.uint8]:
    try:
        with Image.open(path, formats=(form,)) as image:
            return np.array(image.convert("RGB"), np.uint8)
    except Exception as error:  # Pillow raises classes of many kinds for damaged files
        raise DamagedAvatar(f"{path.parent.name}/{path.name}: {error}") from error


def _replace_folder(fresh: Path, folder: Path) -> None:
    retired = folder.parent / f"{_RETIRED_PREFIX}{uuid.uuid4().hex}"
    try:
        os.rename(folder, retired)
    except FileNotFoundError:
        pass
    try:
        os.rename(fresh, folder)
    except OSError:
        if retired.exists():
            os.rename(retired, folder)
        raise
    shutil.rmtree(retired, ignore_errors=True)
