"""Motion as one JSON object: metadata, names of the columns, one array a frame. Reads also an array of objects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from visavis_models.errors import BadMotion
from visavis_server.motion_columns import Given, Written, recognised
from visavis_server.motion_csv import text_rows

_SHAPE = 'It needs "names", an array of column names, and "frames", an array of as many numbers for each frame.'


def write_json(path: Path, columns: Written, metadata: Mapping[str, Any]) -> None:
    """Write the object with one frame a line, so that two files can be compared."""
    with path.open("w", encoding="utf-8") as file:
        head = json.dumps({"metadata": dict(metadata), "names": list(columns)}, ensure_ascii=False, indent=1)
        file.write(head.rstrip("}\n") + ',\n "frames": [\n')
        for index, row in enumerate(text_rows(columns, quoted=True)):
            # The shortest text of a number is a JSON number as it stands.
            file.write(f"{',' if index else ''}[{','.join(row)}]\n")
        file.write("]}\n")


def read_json(path: Path, most_rows: int) -> Given:
    """Read the columns that are known.

    Raises:
        BadMotion: `motion_unreadable`, `motion_columns`, `motion_value` or `motion_too_long`.
    """
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError, too
        why = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "it is no JSON text"
        raise BadMotion(
            "motion_unreadable", f"{path.name} cannot be read as JSON: {why}.", "Is the file whole? Export it again."
        ) from error
    names, frames, about = _parts(content, path.name)
    if len(frames) > most_rows:
        raise BadMotion("motion_too_long", f"{path.name} has more than {most_rows} frames.", "Cut it into parts.")
    header = recognised(names, path.name)
    table = np.empty((len(frames), len(header.places)), np.float64)
    timecodes: list[str] = []
    for index, frame in enumerate(frames):
        if not isinstance(frame, list) or len(frame) != len(names):
            has = f"{len(frame)} values" if isinstance(frame, list) else "no array"
            raise BadMotion("motion_columns", f"Frame {index} of {path.name} has {has}, not {len(names)}.", _SHAPE)
        for i, (name, place) in enumerate(header.places.items()):
            table[index, i] = _number(frame[place], name, index, path.name)
        if header.timecode is not None:
            timecodes.append(str(frame[header.timecode]))
    audio = about.get("audio")
    sha256 = audio.get("sha256") if isinstance(audio, dict) else None
    return Given(
        {name: table[:, i] for i, name in enumerate(header.places)},
        len(frames),
        timecodes if header.timecode is not None else None,
        header.unused,
        _fps(about, path.name),
        sha256 if isinstance(sha256, str) else None,
    )


def _parts(content: Any, file: str) -> tuple[Sequence[str], Sequence[Any], Mapping[str, Any]]:
    """Names, frames and metadata."""
    if isinstance(content, list) and content and all(isinstance(frame, dict) for frame in content):
        first = list(content[0])
        try:
            return first, [[frame[name] for name in first] for frame in content], {}
        except KeyError as error:
            raise BadMotion("motion_columns", f"A frame of {file} has no {error}.", _SHAPE) from error
    if not isinstance(content, dict):
        raise BadMotion("motion_unreadable", f"{file} is not a motion file.", _SHAPE)
    names, frames = content.get("names"), content.get("frames")
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names) or not isinstance(frames, list):
        raise BadMotion("motion_unreadable", f"{file} is not a motion file.", _SHAPE)
    metadata = content.get("metadata")
    return names, frames, metadata if isinstance(metadata, dict) else content


def _number(value: Any, name: str, index: int, file: str) -> float:
    if isinstance(value, int | float):  # true and false are 1 and 0
        try:
            return float(value)
        except OverflowError:
            pass
    raise BadMotion(
        "motion_value", f"{name} of frame {index} in {file} is not a number.", "Remove the frame or fill in a number."
    )


def _fps(about: Mapping[str, Any], file: str) -> float | None:
    fps = about.get("fps")
    return None if fps is None else _number(fps, "fps", 0, file)
