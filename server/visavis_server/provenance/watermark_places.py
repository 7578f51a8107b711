"""Looks for the watermark in a few places of a video file, or in a picture. Knows nothing of what is done with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from visavis_models.errors import BadInput
from visavis_server.provenance.watermark_detection import Evidence, Finding

PLACE_S = 4.0
MOST_PLACES = 8
_MOST_FRAMES = 400
"""Of one place, whatever the file says of its frames' times."""
_LEAST_SIDE_PX = 32
_MOST_PIXELS = 64_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """What was found in some seconds of a video."""

    at_s: float
    frames: int
    finding: Finding


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a file."""

    width_px: int
    height_px: int
    seconds: float | None
    """None: one picture, or a video that does not tell."""
    places: tuple[Place, ...]

    @property
    def marked_places(self) -> int:
        """In how many places the watermark is."""
        return sum(place.finding.found for place in self.places)


def look_at(path: Path) -> Pictures:
    """Look for the watermark in up to eight places, evenly apart.

    Raises:
        BadInput: `no_pictures`, there is nothing in the file to look at.
    """
    try:
        with av.open(str(path), metadata_errors="replace") as box:
            if not box.streams.video:
                raise BadInput("no_pictures", f"{path.name} has no pictures in it.", "Give a video or a picture.")
            stream = box.streams.video[0]
            if stream.codec_context is None:  # FFmpeg has no decoder for what the file says it is
                raise BadInput("no_pictures", f"The pictures in {path.name} cannot be decoded.", "Is the file whole?")
            width_px, height_px = stream.codec_context.width, stream.codec_context.height
            if min(width_px, height_px) < _LEAST_SIDE_PX or width_px * height_px > _MOST_PIXELS:
                size = f"{width_px}×{height_px}"
                raise BadInput("no_pictures", f"{path.name} is {size}: too small or too large.", "Scale it first.")
            seconds = _seconds(box, stream)
            places = tuple(_place(box, stream, start_s) for start_s in _starts_s(seconds))
    except (FFmpegError, OSError) as error:
        problem = f"{path.name} cannot be read as a video or picture: {error.strerror}."
        raise BadInput("no_pictures", problem, "Is the file whole?") from error
    found = tuple(place for place in places if place.frames)
    if not found:
        raise BadInput("no_pictures", f"Nothing in {path.name} can be decoded.", "Is the file whole?")
    return Pictures(width_px, height_px, seconds, found)


def _seconds(box: Any, stream: Any) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return box.duration / av.time_base if box.duration else None


def _starts_s(seconds: float | None) -> list[float]:
    last_s = max(0.0, (seconds or 0.0) - PLACE_S)
    count = min(MOST_PLACES, 1 + int(last_s // PLACE_S))
    return [float(start_s) for start_s in np.linspace(0.0, last_s, count)]


def _place(box: Any, stream: Any, start_s: float) -> Place:
    if start_s > 0:
        box.seek(int(start_s / stream.time_base), stream=stream)
    evidence = Evidence()
    for luma in _lumas(box, start_s):
        evidence.add(luma)
    return Place(start_s, evidence.frames, evidence.finding())


def _lumas(box: Any, start_s: float) -> Iterator[NDArray[np.uint8]]:
    """Pictures of one size from `start_s` on: uint8 (H, W). A file that is damaged ends there."""
    shape: tuple[int, ...] | None = None
    begun_s, count = start_s, 0
    try:
        for frame in box.decode(video=0):
            at_s = frame.time if frame.time is not None else start_s
            at_s -= float(box.streams.video[0].start_time or 0) * float(box.streams.video[0].time_base)
            if at_s < start_s - 1e-3:
                continue
            luma = np.asarray(frame.to_ndarray(format="gray"), np.uint8)
            if (shape := shape or luma.shape) != luma.shape or at_s > begun_s + PLACE_S or count == _MOST_FRAMES:
                return
            count += 1
            yield luma
    except FFmpegError:
        return
