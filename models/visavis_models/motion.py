"""Motion: what face, head and body do, frame by frame. The public hinge between voice and picture.

A window can be recorded, edited, made by somebody else's face tracker, or taken out to drive a 3D character.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT_COUNT

HEAD_NAMES: tuple[str, ...] = ("pitch", "yaw", "roll", "x", "y", "z")
"""Radians (pitch: nod down positive; yaw: turn to the person's own left positive; roll: tilt to the person's own left
shoulder positive), then the offset from the portrait's rest position in face widths (x to the picture's right, y down,
z towards the viewer). All are relative to the head as it is in the portrait: zeros show the photo's own pose."""

BODY_NAMES: tuple[str, ...] = (
    "breath", "shoulder_left", "shoulder_right", "sway_x", "lean", "turn", "weight", "trail_x", "trail_y"
)  # fmt: skip
"""breath 0..1 (chest filled), shoulder_left/right -1..1 (the person's own; 1 = a clear shrug), sway_x -1..1 (torso
to the picture's right), lean -1..1 (towards the viewer), turn -1..1 (torso turned to the person's own left; 1 = 8
degrees), weight -1..1 (rests on the person's own left leg, or the right one; hips and shoulders go with it), trail_x
and trail_y -1..1 (how far the ends of loose hair, and by a part a collar, are away from where the head would carry
them, to the picture's right and down; 1 = a tenth of a face width)."""

BODY_COUNT = len(BODY_NAMES)


@dataclass(frozen=True, slots=True)
class MotionWindow:
    """Consecutive motions of one avatar, 25 per second."""

    first_frame: int
    """Index on the media clock of row 0."""
    face: NDArray[np.float32]
    """float32 (T, 52), ARKit coefficients in `ARKIT_NAMES` order, 0..1. Absolute: zeros are a relaxed face with shut
    lips and open eyes, whatever the portrait shows."""
    head: NDArray[np.float32]
    """float32 (T, 6), see `HEAD_NAMES`."""
    body: NDArray[np.float32]
    """float32 (T, B), see `BODY_NAMES`."""
    speaking: NDArray[np.bool_]
    """bool (T,): is there speech in this frame."""
    others: tuple[MotionWindow, ...] = ()
    """What the others in the picture do in the same frames, by `Avatar.others`; whoever lacks is at rest."""

    def __post_init__(self) -> None:
        frames = self.face.shape[0]
        for name, array, shape in (
            ("face", self.face, (frames, ARKIT_COUNT)),
            ("head", self.head, (frames, len(HEAD_NAMES))),
            ("body", self.body, (frames, BODY_COUNT)),
            ("speaking", self.speaking, (frames,)),
        ):
            if array.shape != shape:
                raise ValueError(f"MotionWindow.{name} has shape {array.shape}, expected {shape}")
        for other in self.others:
            if (other.first_frame, len(other)) != (self.first_frame, frames) or other.others:
                raise ValueError("MotionWindow.others are not windows of the same frames")

    def __len__(self) -> int:
        return int(self.face.shape[0])

    def rows(self, start: int, stop: int) -> MotionWindow:
        """The part `[start, stop)` of this window, rows counted from its own first."""
        part = slice(start, stop)
        first = self.first_frame + start
        others = tuple(other.rows(start, stop) for other in self.others)
        return MotionWindow(first, self.face[part], self.head[part], self.body[part], self.speaking[part], others)

    @property
    def people(self) -> tuple[MotionWindow, ...]:
        """What everybody does, by number; each window with nobody else in it."""
        return (replace(self, others=()) if self.others else self, *self.others)

    @property
    def anyone_speaks(self) -> NDArray[np.bool_]:
        """Is there speech of anybody in this frame: bool (T,)."""
        spoken = np.stack([window.speaking for window in (self, *self.others)])
        return np.asarray(spoken.any(axis=0))


def rest_motion(frames: int, first_frame: int = 0) -> MotionWindow:
    """A still, silent face in the portrait's own pose."""
    return MotionWindow(
        first_frame,
        np.zeros((frames, ARKIT_COUNT), np.float32),
        np.zeros((frames, len(HEAD_NAMES)), np.float32),
        np.zeros((frames, BODY_COUNT), np.float32),
        np.zeros(frames, np.bool_),
    )


def join_people(windows: Sequence[MotionWindow]) -> MotionWindow:
    """The windows of everybody in a picture, by number, all of the same frames, as one.

    Raises:
        ValueError: they are not of the same frames.
    """
    return replace(windows[0], others=tuple(windows[1:]))


def join_windows(windows: Sequence[MotionWindow]) -> MotionWindow:
    """Consecutive windows as one.

    Raises:
        ValueError: there is none, or a gap or an overlap lies between two of them, or they are not of the same people.
    """
    if not windows:
        raise ValueError("join_windows needs at least one window")
    expected = windows[0].first_frame
    for window in windows:
        if window.first_frame != expected:
            raise ValueError(f"window starts at frame {window.first_frame}, expected {expected}")
        expected += len(window)
    others = [join_windows(of_one) for of_one in zip(*(window.others for window in windows), strict=True)]
    return MotionWindow(
        windows[0].first_frame,
        np.concatenate([w.face for w in windows]),
        np.concatenate([w.head for w in windows]),
        np.concatenate([w.body for w in windows]),
        np.concatenate([w.speaking for w in windows]),
        tuple(others),
    )
