"""Reads the motion off a video of a person: opens the file, shows its pictures 25 times a second to the reader.

Knows nothing of how motion is read off pictures, nor of motion files' formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from visavis_models.chunk import FRAME_RATE_HZ
from visavis_models.errors import BadInput, BadPhoto
from visavis_models.face.motion_of_pictures import FaceFollower, motion_of_landmarks
from visavis_server.motion_recording import MOST_FRAMES, Origin, Recording, sha256_of

_REMEDY = "Use an mp4, mov, webm or mkv file that shows one person's face."
_LONG_SIDE_PX = 960
"""Larger pictures are made smaller first: a face needs no more."""
_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


def record_video(
    path: Path, *, smooth: bool = True, on_progress: Callable[[int, int], None] | None = None
) -> tuple[Recording, list[str]]:
    """The motion of the face in a video, and what its user should know.

    Args:
        path: any video that FFmpeg can read.
        smooth: take out trembling.
        on_progress: called with (frames done, frames expected).

    Raises:
        BadInput: `video_unreadable`, `no_video` or `video_too_long`.
        BadPhoto: `no_face`.
    """
    expected = expected_frames(path)
    follower = FaceFollower()
    found = []
    for done, picture in enumerate(pictures(path), 1):
        found.append(follower.push(picture))
        if on_progress is not None and done % FRAME_RATE_HZ == 0:
            on_progress(done, max(done, expected))
    try:
        read = motion_of_landmarks(found, smooth=smooth)
    except BadPhoto as error:
        raise BadInput(error.code, error.message, error.remedy) from error
    notes = []
    missing = int((~read.seen).sum())
    if missing:
        notes.append(f"{missing} of {len(found)} pictures show no face: the motion there is that between the others.")
    origin = Origin(path.name, sha256_of(path), lookahead_ms=0, seed=0, mouth_only=False)
    return Recording(read.window, {"face_seen": read.seen.astype(np.float32)}, origin), notes


def expected_frames(path: Path) -> int:
    """How many frames there will be, as far as the file's header tells.

    Raises:
        BadInput: `video_unreadable` or `no_video`.
    """
    if not path.is_file():
        raise BadInput("video_unreadable", f"There is no file {path}.", "Check the path.")
    with _opened(path) as box:
        stream = box.streams.video[0]
        ticks, base = stream.duration, stream.time_base
        seconds = float(ticks * base) if ticks and base else (box.duration or 0) / av.time_base
    return max(1, round(seconds * FRAME_RATE_HZ))


def pictures(path: Path) -> Iterator[NDArray[np.uint8]]:
    """The picture that is shown at each 40 ms from the first on: uint8 (H, W, 3) RGB, upright.

    Raises:
        BadInput: `video_unreadable`, `no_video` or `video_too_long`.
    """
    shown: NDArray[np.uint8] | None = None
    given, start, last_s = 0, None, 0.0
    with _opened(path) as box:
        for image in _decoded(box, path):
            if image.time is None:
                continue
            start = image.time if start is None else start
            last_s = image.time - start
            while shown is not None and given / FRAME_RATE_HZ < last_s - 1e-6:
                yield shown
                given += 1
            if given > MOST_FRAMES:
                hours = MOST_FRAMES // FRAME_RATE_HZ // 3600
                raise BadInput("video_too_long", f"{path.name} is longer than {hours} hours.", "Cut it into parts.")
            shown = _picture(image)
    if shown is None:
        raise BadInput("no_video", f"{path.name} holds no pictures.", _REMEDY)
    if given / FRAME_RATE_HZ <= last_s + 1e-6:
        yield shown


def _opened(path: Path) -> Any:
    try:
        box = av.open(str(path), metadata_errors="replace")
    except (FFmpegError, OSError) as error:
        raise BadInput(
            "video_unreadable", f"{path.name} cannot be read as a video: {error.strerror}.", _REMEDY
        ) from error
    if not box.streams.video:
        box.close()
        raise BadInput("no_video", f"{path.name} has no pictures in it.", _REMEDY)
    return box


def _decoded(box: Any, path: Path) -> Iterator[Any]:
    """Its pictures; one that cannot be decoded ends the video where it stands, as players do."""
    try:
        yield from box.decode(video=0)
    except FFmpegError as error:
        raise BadInput(
            "video_unreadable", f"{path.name} is damaged: {error.strerror}.", "Export it again, or use another file."
        ) from error


def _picture(image: Any) -> NDArray[np.uint8]:
    picture = image.to_ndarray(format="rgb24")
    turn = round(getattr(image, "rotation", 0) or 0) % 360
    if turn in _TURNS:
        picture = cv2.rotate(picture, _TURNS[turn])
    scale = _LONG_SIDE_PX / max(picture.shape[:2])
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture, np.uint8)
