"""The columns of a motion file: their names, the order in which they are written, how a stranger's are recognised.

Knows nothing of files or of what the values mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT_NAMES
from visavis_models.errors import BadMotion
from visavis_models.motion import BODY_NAMES, HEAD_NAMES

TIME = "time_s"
SPEAKING = "speaking"
HEAD_COLUMNS: tuple[str, ...] = tuple(f"head_{name}" for name in HEAD_NAMES)
BODY_COLUMNS: tuple[str, ...] = tuple(f"body_{name}" for name in BODY_NAMES)
MOTION_COLUMNS: tuple[str, ...] = (*ARKIT_NAMES, *HEAD_COLUMNS, *BODY_COLUMNS, SPEAKING)
"""What a renderer needs, in the order of the file; `frame` and `time_s` stand before, what was heard after."""

Column = NDArray[np.float64]
Written = Mapping[str, NDArray[np.generic]]
"""Columns to write: int64, float64, float32, bool or text, all of one length."""

_MOST_COLUMNS = 4096
_TIMECODE = "timecode"
_READ = MappingProxyType({name.lower(): name for name in (TIME, *MOTION_COLUMNS)})
_FOR_OTHERS = ("frame", "phone", "face_seen", "blendshapecount")
_FOR_OTHERS_FROM = ("voice_", "viseme_")


@dataclass(frozen=True, slots=True)
class Header:
    """Which column of a file is what."""

    places: Mapping[str, int]
    """Where each column that is read stands; keys are `time_s` and of `MOTION_COLUMNS`."""
    timecode: int | None
    """Where the timecodes of a face tracker stand."""
    unused: tuple[str, ...]
    """Names that mean nothing here."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a file holds, before it is judged."""

    columns: Mapping[str, Column]
    """float64 (rows,) by name; names as in `Header.places`; may hold what is not a number."""
    rows: int
    timecodes: Sequence[str] | None = None
    unused: tuple[str, ...] = ()
    fps: float | None = None
    audio_sha256: str | None = None
    """Of the voice that the motion was made of."""


def recognised(names: Sequence[str], file: str) -> Header:
    """Find the known columns in any order, in upper or lower case; `_L` and `_R` mean Left and Right.

    Raises:
        BadMotion: `motion_columns`: a known column stands there twice, or not one ARKit column is there.
    """
    if len(names) > _MOST_COLUMNS:
        raise BadMotion(
            "motion_columns", f"{file} has {len(names)} columns.", f"Keep at most {_MOST_COLUMNS}, named as ARKit does."
        )
    places: dict[str, int] = {}
    timecode: int | None = None
    unused = []
    for place, name in enumerate(names):
        plain = name.strip().lower()
        known = _READ.get(plain) or _READ.get(_whole_side(plain))
        if known in places or (plain == _TIMECODE and timecode is not None):
            raise BadMotion("motion_columns", f"{file} has the column {name.strip()} twice.", "Remove one of them.")
        if known is not None:
            places[known] = place
        elif plain == _TIMECODE:
            timecode = place
        elif plain and plain not in _FOR_OTHERS and not plain.startswith(_FOR_OTHERS_FROM):
            unused.append(name.strip())
    if not places.keys() & set(ARKIT_NAMES):
        raise BadMotion(
            "motion_columns",
            f"{file} has no column with the name of an ARKit coefficient.",
            "Name the columns as ARKit does: jawOpen, mouthClose, eyeBlinkLeft, ...",
        )
    return Header(MappingProxyType(places), timecode, tuple(unused))


def _whole_side(name: str) -> str:
    return f"{name[:-2]}left" if name.endswith("_l") else f"{name[:-2]}right" if name.endswith("_r") else name
