"""When the rows of a motion file are shown: times from columns, timecodes or a rate, and rows put on the 25 Hz grid.

Pure functions. Knows nothing of faces or files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import FRAME_RATE_HZ
from visavis_models.errors import BadMotion

_TIMECODE = re.compile(r"\s*(\d{1,4}):(\d{1,2}):(\d{1,2})(?:([:;.,])(\d{1,9}(?:\.\d{0,9})?))?\s*")
_USUAL_RATES_HZ = (24, 25, 30, 48, 50, 60, 120)
_DAY_S = 86_400.0
_ON_GRID = 1e-3
"""A time this near to a frame's (in frames) is that frame's: nothing is interpolated."""
_MOST_IDLE_SHARE = 0.1


def timecode_times_s(timecodes: Sequence[str], fps: float | None, file: str) -> NDArray[np.float64]:
    """Seconds since the first timecode, float64 (rows,).

    Args:
        timecodes: `HH:MM:SS:FF`, with decimals of a frame or without, or `HH:MM:SS.sss`; may pass midnight.
        fps: frames in a second of the timecode; None finds it from the highest frame number.
        file: for messages.

    Raises:
        BadMotion: `motion_times`: this is no timecode.
    """
    whole = np.empty(len(timecodes))
    frames = np.zeros(len(timecodes))
    for i, text in enumerate(timecodes):
        found = _TIMECODE.fullmatch(text)
        if found is None:
            raise BadMotion(
                "motion_times",
                f"The timecode {text.strip()[:40]!r} in row {i + 1} of {file} is not HH:MM:SS:FF.",
                "Correct it, or remove the column and give --fps.",
            )
        hours, minutes, seconds, sign, rest = found.groups()
        whole[i] = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
        if sign in (".", ","):
            whole[i] += float(f"0.{rest.replace('.', '')}")
        elif sign is not None:
            frames[i] = float(rest)
    times_s = whole + frames / (fps or _timecode_rate_hz(whole, frames))
    times_s += _DAY_S * np.cumsum(np.diff(times_s, prepend=times_s[:1]) < -_DAY_S / 2)
    return np.asarray(times_s - times_s[0], np.float64)


def _timecode_rate_hz(whole: NDArray[np.float64], frames: NDArray[np.float64]) -> float:
    """The smallest usual rate above the highest frame number; 60, a phone's default, where no whole second is seen."""
    if np.count_nonzero(np.diff(np.floor(whole))) < 2:
        return 60.0
    return float(next((rate for rate in _USUAL_RATES_HZ if rate > np.floor(frames.max())), np.floor(frames.max()) + 1))


def rising(times_s: NDArray[np.float64], file: str) -> NDArray[np.intp]:
    """The rows whose time is later than that of all before.

    Raises:
        BadMotion: `motion_times`: times that are not numbers, or more than one row in ten stands still or goes back.
    """
    if not np.isfinite(times_s).all():
        row = int(np.flatnonzero(~np.isfinite(times_s))[0]) + 1
        raise BadMotion("motion_times", f"The time of row {row} in {file} is not a number.", "Correct or remove it.")
    before = np.maximum.accumulate(np.concatenate([[-np.inf], times_s[:-1]]))
    kept = np.flatnonzero(times_s > before)
    if len(times_s) - len(kept) > _MOST_IDLE_SHARE * len(times_s):
        row = int(np.flatnonzero(times_s <= before)[0]) + 1
        raise BadMotion(
            "motion_times",
            f"The times in {file} do not rise: row {row} is not later than those before it.",
            "Sort the rows by time, or remove the column and give --fps.",
        )
    return kept


def on_grid(
    times_s: NDArray[np.float64], rows: NDArray[np.float64], most_frames: int, file: str
) -> tuple[int, NDArray[np.float64]]:
    """The rows at 25 frames a second.

    Args:
        times_s: float64 (R,), rising.
        rows: float64 (R, C).
        most_frames: a longer result is refused.
        file: for messages.

    Returns:
        The index of the first frame, and float64 (T, C): the very rows where their times are those of consecutive
        frames, else interpolated linearly between neighbours.

    Raises:
        BadMotion: `motion_too_long`.
    """
    places = times_s * FRAME_RATE_HZ
    if places[-1] - places[0] >= most_frames or abs(places).max() > 1e9:
        hours = most_frames / FRAME_RATE_HZ / 3600
        raise BadMotion(
            "motion_too_long",
            f"{file} lasts {(times_s[-1] - times_s[0]) / 3600:.1f} hours by its times, from {times_s[0]:.0f} s on.",
            f"At most {hours:.0f} hours can be shown; times are in seconds from the beginning of the voice.",
        )
    nearest = np.rint(places)
    if abs(places - nearest).max() < _ON_GRID and (np.diff(nearest) == 1).all():
        return int(nearest[0]), rows
    first, last = int(np.ceil(places[0] - _ON_GRID)), int(np.floor(places[-1] + _ON_GRID))
    if last < first:  # shorter than a frame, and between two
        first = last = int(nearest[0])
    grid = np.arange(first, last + 1)
    return first, np.stack([np.interp(grid, places, column) for column in rows.T], axis=1)
