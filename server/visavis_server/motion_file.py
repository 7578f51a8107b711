"""Motion files: written whole or not at all, and read with every mistake of a stranger's file told in plain words.

`.parquet`, `.json` and `.csv`; docs/motion_format.md is the format's description. Knows nothing of voices or pictures.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT_COUNT
from visavis_models.chunk import FRAME_RATE_HZ
from visavis_models.errors import BadMotion, BadRequest
from visavis_models.motion import BODY_COUNT, HEAD_NAMES, MotionWindow
from visavis_server.motion_columns import MOTION_COLUMNS, TIME, Given
from visavis_server.motion_csv import read_csv, write_csv
from visavis_server.motion_json import read_json, write_json
from visavis_server.motion_parquet import read_parquet, write_parquet
from visavis_server.motion_recording import MOST_FRAMES, Recording
from visavis_server.motion_times import on_grid, rising, timecode_times_s

SUFFIXES = (".parquet", ".json", ".csv")
MOST_ROWS = 2 * MOST_FRAMES
MOST_BYTES = 512 << 20
_READERS: dict[str, Callable[[Path, int], Given]] = {".parquet": read_parquet, ".json": read_json, ".csv": read_csv}
_HEAD = slice(ARKIT_COUNT, ARKIT_COUNT + len(HEAD_NAMES))
_BODY = slice(_HEAD.stop, _HEAD.stop + BODY_COUNT)
# Beyond these a value is not a strong motion but another unit: percent, degrees, centimetres.
_LOWEST = np.array([-2.0] * ARKIT_COUNT + [-math.pi] * 3 + [-5.0] * 3 + [-5.0] * BODY_COUNT + [-5.0])
_HIGHEST = np.array([3.0] * ARKIT_COUNT + [math.pi] * 3 + [5.0] * 3 + [5.0] * BODY_COUNT + [5.0])
# What a photo can show of a head (20 degrees, a fifth of a face's width), so that a tracker's 60 do not tear it.
_HEAD_REACH = np.array([0.35, 0.35, 0.35, 0.2, 0.2, 0.3])
# float32, as the values are written: a limit must not be beyond itself.
_LEAST = np.array([0.0] * ARKIT_COUNT + [*-_HEAD_REACH] + [0.0] + [-1.0] * (BODY_COUNT - 1) + [0.0], np.float32)
_MOST = np.array([1.0] * ARKIT_COUNT + [*_HEAD_REACH] + [1.0] * BODY_COUNT + [1.0], np.float32)


@dataclass(frozen=True, slots=True)
class RecordedMotion:
    """What a motion file shows."""

    window: MotionWindow
    """At 25 frames a second, on the voice's clock: its first frame may be later or earlier than 0."""
    notes: tuple[str, ...]
    """What its user should know."""
    audio_sha256: str | None
    """Of the voice that it was made of, if the file tells."""


def metadata_path(path: Path) -> Path:
    """Where the metadata of a CSV file stand: CSV has no place for them."""
    return path.with_name(f"{path.name}.meta.json")


def check_output(path: Path, overwrite: bool) -> None:
    """Refuse, before any work, an output that cannot be written or must not be replaced.

    Raises:
        BadRequest: `bad_output` or `output_exists`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise BadRequest(
            "bad_output", f"{path.name} is no motion file.", "Give it a name that ends in .parquet, .json or .csv."
        )
    if not path.parent.is_dir():
        raise BadRequest("bad_output", f"There is no folder {path.parent}.", "Make the folder first.")
    for taken in (path, metadata_path(path))[: 2 if path.suffix.lower() == ".csv" else 1]:
        if taken.exists() and not overwrite:
            raise BadRequest("output_exists", f"{taken} exists.", "Give another name, or --overwrite.")


def write_motion(path: Path, recording: Recording, offset_s: float = 0.0) -> None:
    """Write a recording; the suffix says the format. What stood there is replaced only when all is written.

    Raises:
        BadRequest: `bad_output`: the file cannot be written.
    """
    columns, metadata = recording.columns(offset_s), recording.metadata(offset_s)
    kind = path.suffix.lower()
    with ExitStack() as stack:

        def part_of(whole: Path) -> Path:
            part = whole.with_name(f".{whole.name}.{os.getpid()}.part")
            stack.callback(part.unlink, missing_ok=True)
            return part

        try:
            part = part_of(path)
            if kind == ".parquet":
                write_parquet(part, columns, metadata)
            elif kind == ".json":
                write_json(part, columns, metadata)
            else:
                write_csv(part, columns)
                beside = part_of(metadata_path(path))
                beside.write_text(json.dumps(metadata, ensure_ascii=False, indent=1) + "\n", "utf-8")
                os.replace(beside, metadata_path(path))
            os.replace(part, path)
        except OSError as error:
            raise BadRequest(
                "bad_output",
                f"{path} cannot be written: {error.strerror}.",
                "Make room or allow writing there, or choose another folder.",
            ) from error


def read_motion(path: Path, fps: float | None = None, offset_s: float = 0.0) -> RecordedMotion:
    """Read a motion file of ours or of a face tracker.

    Args:
        path: `.parquet`, `.json` or `.csv`.
        fps: frames per second of a file without times, or of its timecode.
        offset_s: shows it that much later.

    Raises:
        BadMotion: `motion_unreadable`, `motion_empty`, `motion_columns`, `motion_value`, `motion_times`,
            `motion_too_large` or `motion_too_long`.
    """
    given = _read(path)
    notes = []
    if given.unused:
        shown = ", ".join(name[:40] for name in given.unused[:12])
        more = f" and {len(given.unused) - 12} more" if len(given.unused) > 12 else ""
        notes.append(f"Columns of {path.name} that mean nothing here were left out: {shown}{more}.")
    times_s = _times_s(given, fps, path.name, notes) + offset_s
    rows = np.zeros((given.rows, len(MOTION_COLUMNS)))
    for i, name in enumerate(MOTION_COLUMNS):
        if name in given.columns:
            rows[:, i] = given.columns[name]
    _check_values(rows, path.name)
    kept = rising(times_s, path.name)
    if len(kept) < len(rows):
        notes.append(f"{len(rows) - len(kept)} rows of {path.name} are not later than those before and were left out.")
    first, rows = on_grid(times_s[kept], rows[kept], MOST_FRAMES, path.name)
    within = np.clip(rows, _LEAST, _MOST)
    beyond = (within != rows).any(axis=0)
    if beyond.any():
        names = ", ".join(name for name, out in zip(MOTION_COLUMNS, beyond, strict=True) if out)
        notes.append(f"Values beyond what can be shown were limited, in: {names}.")
    shown_rows = within.astype(np.float32)
    window = MotionWindow(
        first,
        np.ascontiguousarray(shown_rows[:, :ARKIT_COUNT]),
        np.ascontiguousarray(shown_rows[:, _HEAD]),
        np.ascontiguousarray(shown_rows[:, _BODY]),
        within[:, -1] >= 0.5,
    )
    return RecordedMotion(window, tuple(notes), given.audio_sha256)


def _read(path: Path) -> Given:
    reader = _READERS.get(path.suffix.lower())
    if not path.is_file():
        raise BadMotion("motion_unreadable", f"There is no file {path}.", "Check the path.")
    if reader is None:
        raise BadMotion(
            "motion_unreadable", f"{path.name} is not a motion file.", "Use a .parquet, .json or .csv file."
        )
    size_bytes = path.stat().st_size
    if size_bytes == 0:
        raise BadMotion("motion_empty", f"{path.name} is empty.", "Export it again.")
    if size_bytes > MOST_BYTES:
        raise BadMotion(
            "motion_too_large",
            f"{path.name} is larger than {MOST_BYTES >> 20} MB.",
            "Cut it into parts, or use Parquet.",
        )
    try:
        given = reader(path, MOST_ROWS)
    except OSError as error:
        raise BadMotion(
            "motion_unreadable", f"{path} cannot be read: {error.strerror}.", "Check that you may read it."
        ) from error
    if given.rows == 0:
        raise BadMotion("motion_empty", f"{path.name} has no frames.", "Export it again.")
    return given


def _times_s(given: Given, fps: float | None, file: str, notes: list[str]) -> NDArray[np.float64]:
    rate_hz = given.fps if fps is None else fps
    if rate_hz is not None and not (math.isfinite(rate_hz) and 1.0 <= rate_hz <= 1000.0):
        raise BadMotion("motion_times", f"{file} cannot be shown at {rate_hz:g} frames per second.", "Give 1 to 1000.")
    if TIME in given.columns:
        return given.columns[TIME]
    if given.timecodes is not None:
        return timecode_times_s(given.timecodes, rate_hz, file)
    if rate_hz is None:
        rate_hz = float(FRAME_RATE_HZ)
        notes.append(f"{file} holds no times: it is taken as {FRAME_RATE_HZ} frames per second; --fps says otherwise.")
    return np.arange(given.rows) / rate_hz


def _check_values(rows: NDArray[np.float64], file: str) -> None:
    for i, name in enumerate(MOTION_COLUMNS):
        column = rows[:, i]
        if not np.isfinite(column).all():
            row = int(np.flatnonzero(~np.isfinite(column))[0]) + 1
            raise BadMotion(
                "motion_value",
                f"{name} in row {row} of {file} is not a number.",
                "Fill it in or remove the row: what lacks is bridged by its time.",
            )
        wrong = np.flatnonzero((column < _LOWEST[i]) | (column > _HIGHEST[i]))
        if wrong.size:
            raise BadMotion(
                "motion_value",
                f"{name} in row {int(wrong[0]) + 1} of {file} is {column[wrong[0]]:g}, far beyond what it may be.",
                "Coefficients go from 0 to 1 (not percent), head turns are in radians, head offsets in face widths.",
            )
