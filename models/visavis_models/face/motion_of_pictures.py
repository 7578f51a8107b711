"""Reads the motion of one person off pictures in order: finds the face, follows it, reads expressions and pose.

The reverse of rendering: for motion from video, and to measure what a rendered video shows. Works on whole clips, since
what a face looks like at rest is found from all of it. Knows nothing of video files or voices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from visavis_models.arkit import ARKIT, ARKIT_NAMES
from visavis_models.errors import BadPhoto
from visavis_models.face.expression_of_landmarks import ExpressionReader, Expressions, expression_reader, upright
from visavis_models.face.head import CAMERA_DISTANCE_FACES, PIVOT
from visavis_models.face.model import face_model
from visavis_models.motion import BODY_COUNT, MotionWindow
from visavis_models.portrait.face_detection import find_faces
from visavis_models.portrait.face_mesh import crop_round, fit_mesh
from visavis_models.portrait.head_pose import head_rotation

Floats = NDArray[np.float32]

_MIN_SCORE = 0.5
_RIGHT_CHEEK, _LEFT_CHEEK = 234, 454
_REST_SHARE = 0.12
_LEAST_REST_FRAMES = 5
_OPEN_EYES = 0.35
_SMOOTH_FRAMES = 5
_LEAST_FRAMES = 5
_SPEECH_FRAMES = 13
_SPEECH_CHANGE = 0.012
"""Mean change of the mouth's opening from frame to frame while someone speaks; at rest it is a third of this."""
_STILL = [k for k, name in enumerate(ARKIT_NAMES) if not name.startswith("eyeLook")]
_BLINKS = [ARKIT["eyeBlinkLeft"], ARKIT["eyeBlinkRight"]]


@dataclass(frozen=True, slots=True)
class ReadMotion:
    """What pictures showed."""

    window: MotionWindow
    """Frame by frame; the head against how it was held at rest, no body."""
    seen: NDArray[np.bool_]
    """bool (T,): a face was found; where not, the motion between the neighbours stands."""
    rest: Floats
    """float32 (478, 3): what the person was taken to look like at rest; `upright` landmarks."""


class FaceFollower:
    """Finds the landmarks of one face picture after picture, and looks for it anew where it is lost."""

    def __init__(self) -> None:
        self._last: Floats | None = None

    def push(self, picture: NDArray[np.uint8]) -> Floats | None:
        """float32 (478, 3) px of uint8 (H, W, 3) RGB, or None where no face is."""
        if self._last is not None:
            mesh = fit_mesh(picture, crop_round(self._last), rounds=1)
            if mesh.score >= _MIN_SCORE:
                self._last = mesh.points
                return mesh.points
        self._last = None
        for box in find_faces(picture):
            mesh = fit_mesh(picture, box.crop(), rounds=3)
            if mesh.score >= _MIN_SCORE:
                self._last = mesh.points
                break
        return self._last


def motion_of_pictures(
    pictures: Iterable[NDArray[np.uint8]],
    rest: Floats | None = None,
    reader: ExpressionReader | None = None,
    smooth: bool = True,
) -> ReadMotion:
    """Read the motion of the largest face.

    Args:
        pictures: uint8 (H, W, 3) RGB, 25 a second.
        rest: float32 (478, 3) landmarks of the person with a relaxed face; found in the clip if not given.
        reader: of expressions; the one that ships if not given.
        smooth: take out the landmarks' trembling, over five frames.

    Raises:
        BadPhoto: `no_face`: there is no face in most of the pictures.
    """
    follower = FaceFollower()
    found = [follower.push(picture) for picture in pictures]
    return motion_of_landmarks(found, rest, reader, smooth)


def motion_of_landmarks(
    found: list[Floats | None],
    rest: Floats | None = None,
    reader: ExpressionReader | None = None,
    smooth: bool = True,
) -> ReadMotion:
    """The same of landmarks (478, 3) px, None where there was no face; see `motion_of_pictures`."""
    seen = np.array([points is not None for points in found], np.bool_)
    if not len(found) or seen.mean() < 0.5:
        raise BadPhoto(
            "no_face",
            f"A face was found in {int(seen.sum())} of {len(found)} pictures.",
            "Use a video of one person who faces the camera, well lit and not covered.",
        )
    points = _gaps_filled(found, seen)
    reader = reader or expression_reader()
    still = _rest(reader.read(points), seen) if rest is None else upright(rest[None]).points[0]
    read = reader.read(points, still)
    face: Floats = read.face
    head = _head_motion(read, still)
    if smooth and len(face) >= _LEAST_FRAMES:
        face = np.clip(savgol_filter(face, _SMOOTH_FRAMES, 2, axis=0), 0.0, 1.0)
        head = savgol_filter(head, _SMOOTH_FRAMES, 1, axis=0)
    face = np.ascontiguousarray(face, np.float32)
    body = np.zeros((len(face), BODY_COUNT), np.float32)
    window = MotionWindow(0, face, np.ascontiguousarray(head, np.float32), body, _speaking(face))
    return ReadMotion(window, seen, still)


def _gaps_filled(found: list[Floats | None], seen: NDArray[np.bool_]) -> Floats:
    """(T, 478, 3) with straight lines over pictures without a face."""
    known = np.flatnonzero(seen)
    rows = np.stack([points for points in found if points is not None])
    place = np.interp(np.arange(len(found)), known, np.arange(len(known)))
    before = np.floor(place).astype(int)
    after = np.minimum(before + 1, len(known) - 1)
    share = (place - before)[:, None, None]
    return np.asarray(rows[before] * (1 - share) + rows[after] * share, np.float32)


def _rest(read: Expressions, seen: NDArray[np.bool_]) -> Floats:
    """(478, 3) upright: the mean over the frames in which the face does least, with open eyes."""
    does = read.face[:, _STILL].sum(1)
    usable = seen & (read.face[:, _BLINKS].max(1) < _OPEN_EYES)
    if not usable.any():
        usable = seen
    rows = np.flatnonzero(usable)
    count = min(len(rows), max(_LEAST_REST_FRAMES, round(_REST_SHARE * len(rows))))
    calm = rows[np.argsort(does[rows])[:count]]
    return np.asarray(read.upright.points[calm].mean(0), np.float32)


def _head_motion(read: Expressions, rest: Floats) -> NDArray[np.float64]:
    """(T, 6) of `HEAD_NAMES`, against the middle of all poses; `rest` (478, 3) upright tells the face's width."""
    middle = np.median(read.angles, 0)
    turns = np.array([head_rotation(*(float(angle) for angle in row)) for row in read.angles])
    start = head_rotation(*(float(angle) for angle in middle))
    turned = start.T @ turns
    pitch = np.arcsin(np.clip(-turned[:, 1, 2], -1, 1))
    yaw, roll = np.arctan2(-turned[:, 0, 2], turned[:, 2, 2]), np.arctan2(turned[:, 1, 0], turned[:, 1, 1])
    model = upright(face_model().mean[None])
    arm = (PIVOT - model.centre[0]) / model.scale[0]  # cm of the canonical face, from the face's middle to the neck
    size = read.upright.scale.astype(np.float64)
    pivot = read.upright.centre + size[:, None] * (turns @ arm)
    width_px = float(np.linalg.norm(rest[_LEFT_CHEEK] - rest[_RIGHT_CHEEK])) * float(np.median(size))
    travel = (pivot - np.median(pivot, 0))[:, :2] / width_px
    nearer = CAMERA_DISTANCE_FACES * (1.0 - np.median(size) / size)
    return np.stack([pitch, yaw, roll, travel[:, 0], travel[:, 1], nearer], 1)


def _speaking(face: Floats) -> NDArray[np.bool_]:
    """(T,): the mouth moves as speech moves it."""
    opening = face[:, ARKIT["jawOpen"]] - face[:, ARKIT["mouthClose"]] + 0.5 * face[:, ARKIT["mouthFunnel"]]
    change = np.abs(np.diff(opening, prepend=opening[:1]))
    width = min(_SPEECH_FRAMES, len(change))
    return np.asarray(np.convolve(change, np.full(width, 1 / width), "same")[: len(change)] > _SPEECH_CHANGE)
