"""Keeps avatars on disk: one folder each, written whole or not at all, and refused when damaged or of another version.

The folder holds photo.jpg (the canvas), matte.png, foreground.webp, plate.webp, points.safetensors, thumbnail.jpg and
avatar.json; of everybody else in the picture matte-1.png, foreground-1.webp, points-1.safetensors and so on. It knows
nothing of how an avatar is made.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load, save

from visavis_models.avatar import ANALYSIS_VERSION, Avatar, other_id
from visavis_models.face.person import Person
from visavis_models.portrait.consent import keep_consents
from visavis_models.portrait.layers import settle_layers
from visavis_models.portrait.people import settle_people
from visavis_models.portrait.photo import STANDARD

TEMPORARY_PREFIX = ".new-"
RETIRED_PREFIX = ".old-"
_REPLACED_PREFIX = ".was-"
"""Followed by 32 digits and the name that it had: it comes back if what was to replace it never came."""
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
    faces: tuple[tuple[float, float, float], ...] = ()
    """Of everybody who can speak, by number: the face's centre x and y and its width, px of the canvas."""
    canvas: str = STANDARD
    """How large its picture was allowed to be, one of `CANVASES`."""


def save_avatar(avatar: Avatar, folder: Path, content_hash: str = "", canvas: str = STANDARD) -> None:
    """Write an avatar; the folder appears at once, or not at all, and replaces what was there.

    Args:
        avatar: what to keep.
        folder: its own folder; its parent is made if need be.
        content_hash: sha256 of the photo's bytes, by which the same photo is known again.
        canvas: how large its picture was allowed to be, one of `CANVASES`.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.parent / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    fresh.mkdir()
    try:
        for name, content in _files(avatar, content_hash, canvas).items():
            (fresh / name).write_bytes(content)
        keep_consents(folder, fresh)
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
    photo = read_canvas(folder)
    plate = _read_picture(folder / "plate.webp", "WEBP")
    size = (entry.height_px, entry.width_px)
    people = [_Layer.read(folder, _suffix(number), size) for number in range(max(1, len(entry.faces)))]
    if any(picture.shape[:2] != size for picture in (photo, plate)):
        raise DamagedAvatar(f"{folder.name}: its pictures are not {size}")
    foregrounds, plate = _settled(photo, plate, people)
    avatars = [
        Avatar(
            id=entry.id if number == 0 else other_id(entry.id, number),
            name=entry.name,
            photo=photo,
            matte=layer.matte,
            foreground=foreground,
            plate=plate,
            landmarks=layer.arrays["landmarks"].astype(np.float32),
            head_pose=layer.arrays["head_pose"].astype(np.float32),
            body_points=layer.arrays["body_points"].astype(np.float32),
            notes=entry.notes if number == 0 else (),
            builtin=builtin,
            person=layer.person,
        )
        for number, (layer, foreground) in enumerate(zip(people, foregrounds, strict=True))
    ]
    return replace(avatars[0], others=tuple(avatars[1:]))


@dataclass(frozen=True, slots=True)
class _Layer:
    """What is stored of one person."""

    matte: NDArray[np.uint8]
    foreground: NDArray[np.uint8]
    arrays: dict[str, NDArray[Any]]
    person: Person | None

    @classmethod
    def read(cls, folder: Path, suffix: str, size: tuple[int, int]) -> _Layer:
        try:
            with Image.open(folder / f"matte{suffix}.png", formats=("PNG",)) as image:
                matte = np.array(image.convert("L"), np.uint8)
            arrays = load((folder / f"points{suffix}.safetensors").read_bytes())
            person = Person.of(arrays)
        except Exception as error:  # Pillow and safetensors raise classes of many kinds for damaged files
            raise DamagedAvatar(f"{folder.name}: {error}") from error
        foreground = _read_picture(folder / f"foreground{suffix}.webp", "WEBP")
        if any(picture.shape[:2] != size for picture in (matte, foreground)):
            raise DamagedAvatar(f"{folder.name}: its pictures are not {size}")
        for name, shape in _SHAPES.items():
            if name not in arrays or arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
                raise DamagedAvatar(f"{folder.name}: {name} is not {shape}")
        return cls(matte, foreground, arrays, person)


def _suffix(number: int) -> str:
    return f"-{number}" if number else ""


def _settled(
    photo: NDArray[np.uint8], plate: NDArray[np.uint8], people: Sequence[_Layer]
) -> tuple[list[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Foregrounds and plate, mended after lossy compression so that together they give the photo again."""
    if len(people) == 1:
        foreground, plate = settle_layers(photo, people[0].matte, people[0].foreground, plate)
        return [foreground], plate
    return settle_people(photo, [layer.matte for layer in people], [layer.foreground for layer in people], plate)


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
            faces=tuple((float(x), float(y), float(width)) for x, y, width in facts.get("faces", ())),
            canvas=str(facts.get("canvas", STANDARD)),
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


def _files(avatar: Avatar, content_hash: str, canvas: str) -> dict[str, bytes]:
    facts: dict[str, Any] = {
        "version": ANALYSIS_VERSION,
        "name": avatar.name,
        "width_px": avatar.width_px,
        "height_px": avatar.height_px,
        "notes": list(avatar.notes),
        "content_hash": content_hash,
        "canvas": canvas,
        "faces": [[round(float(value), 1) for value in person.head_pose[3:6]] for person in avatar.people],
    }
    files = {
        "photo.jpg": encode_jpeg(avatar.photo, 95),
        "plate.webp": _encode(avatar.plate, "WEBP", {"quality": 90, "method": 4}),
        "thumbnail.jpg": encode_jpeg(make_thumbnail(avatar.photo, avatar.head_pose)),
        "avatar.json": json.dumps(facts, indent=2, ensure_ascii=False).encode() + b"\n",
    }
    for number, person in enumerate(avatar.people):
        suffix = _suffix(number)
        arrays = {name: np.ascontiguousarray(getattr(person, name)) for name in _SHAPES}
        if person.person is not None:
            arrays |= person.person.arrays()
        files |= {
            f"matte{suffix}.png": _encode(person.matte, "PNG", {"optimize": True}),
            f"foreground{suffix}.webp": _encode(person.foreground, "WEBP", {"quality": 92, "method": 4}),
            f"points{suffix}.safetensors": save(arrays),
        }
    return files


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
    replaced = folder.parent / f"{_REPLACED_PREFIX}{uuid.uuid4().hex}{folder.name}"
    try:
        os.rename(folder, replaced)
    except FileNotFoundError:
        pass
    try:
        os.rename(fresh, folder)
    except OSError:
        if replaced.exists():
            os.rename(replaced, folder)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def _name_before(replaced: Path) -> str:
    return replaced.name[len(_REPLACED_PREFIX) + 32 :]


def forget_replaced(folder: Path) -> None:
    """Remove what this folder held before and was replaced by: an avatar that was removed must not come back."""
    for replaced in folder.parent.glob(f"{_REPLACED_PREFIX}*"):
        if _name_before(replaced) == folder.name:
            shutil.rmtree(replaced, ignore_errors=True)


def restore_replaced(root: Path) -> None:
    """Bring back avatars whose replacement was cut off between its two steps by the end of the process."""
    for replaced in root.glob(f"{_REPLACED_PREFIX}*"):
        folder = root / _name_before(replaced)
        if folder.exists():  # it was replaced; only the tidying up was cut off
            shutil.rmtree(replaced, ignore_errors=True)
        elif (replaced / "avatar.json").is_file():
            with suppress(OSError):
                os.rename(replaced, folder)
