"""What is measured of a presence: blinks, gaze, head, lips and jumps, on the driven face of one portrait.

Everything is read off the rig's landmarks, as a viewer would see it, not off the numbers of whoever moved it; angles of
the head are the motion's own. Pure functions of runs that are over. Knows nothing of how motion comes about.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import detrend, welch

from visavis_models.chunk import FRAME_RATE_HZ
from visavis_models.face import topology as topo
from visavis_models.face.rig import FaceRig
from visavis_models.motion import MotionWindow

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
_BLOCK = 500
_IRIS_DM = 0.105
"""The iris is so far from the eye's centre of rotation: 13.5 mm behind the cornea (Fry and Hill 1962), less 3 mm."""
VIEWER_DEG = 4.5
"""Looks within so much of the camera are felt as looking at oneself (Gamer and Hecht 2007: a cone of 9 degrees)."""
_FOREHEAD, _CHIN = 10, 152
_LIDS = [*topo.LEFT_UPPER_LID, *topo.LEFT_LOWER_LID, *topo.RIGHT_UPPER_LID, *topo.RIGHT_LOWER_LID]
_IRISES = [*topo.LEFT_IRIS, *topo.RIGHT_IRIS]


@dataclass(frozen=True, slots=True)
class Seen:
    """A run as one portrait shows it."""

    closure: Array
    """(T,): how far the lids are shut, 0 as usual .. 1."""
    gaze_deg: Array
    """(T, 2): where the eyes look, to the picture's right and up of the viewer."""
    head_deg: Array
    """(T, 3): pitch, yaw, roll."""
    lip_gap: Array
    """(T,): between the lips, of the face's height."""
    jump: Array
    """(T,): the longest way that any point of the face went since the frame before, of the face's height."""
    jump_skin: Array
    """The same without lids and irises, which jump by nature."""


def seen(rig: FaceRig, motion: MotionWindow) -> Seen:
    """Drive the portrait by the motion."""
    height_px = float(np.linalg.norm(rig.neutral_points[_FOREHEAD] - rig.neutral_points[_CHIN]))
    rest = rig.drive(np.zeros((1, motion.face.shape[1]), np.float32), np.zeros((1, 6), np.float32)).points[0]
    per_px = rig.fit_result.scale * _IRIS_DM
    skin = np.setdiff1d(np.arange(topo.LANDMARK_COUNT), [*_LIDS, *_IRISES])
    gaps, irises, lips, jumps, skins = [], [], [], [], []
    last = None
    for start in range(0, len(motion), _BLOCK):
        part = motion.rows(start, min(start + _BLOCK, len(motion)))
        shown = rig.drive(part.face, part.head)
        still = rig.drive(part.face, np.zeros_like(part.head))
        gaps.append(shown.lid_gap.mean(1))
        centres = [topo.LEFT_IRIS[0], topo.RIGHT_IRIS[0]]
        irises.append(((still.points[:, centres] - rest[centres]).mean(1) / per_px)[:, :2])
        lips.append(shown.lip_gap_px / height_px)
        points = shown.points if last is None else np.concatenate([last, shown.points])
        way = np.linalg.norm(np.diff(points[:, :, :2], axis=0), axis=2) / height_px
        jumps.append(way.max(1))
        skins.append(way[:, skin].max(1))
        last = shown.points[-1:]
    gap = np.concatenate(gaps).astype(np.float64)
    head_deg = np.degrees(motion.head[:, :3].astype(np.float64))
    eyes_deg = np.degrees(np.arcsin(np.clip(np.concatenate(irises), -1.0, 1.0)))
    gaze_deg = np.stack([eyes_deg[:, 0] + head_deg[:, 1], -eyes_deg[:, 1] - head_deg[:, 0]], 1)
    none = np.zeros(1)
    return Seen(
        np.clip(1.0 - gap / float(np.median(gap)), 0.0, 1.0),
        gaze_deg,
        head_deg,
        np.concatenate(lips).astype(np.float64),
        np.concatenate([none, *jumps]),
        np.concatenate([none, *skins]),
    )


def blinks_ms(closure: Array) -> list[float]:
    """How long each blink lasts, from the first narrowing of the lids to the last (15 %) of those that shut (half)."""
    shut = np.concatenate([[False], closure > 0.15, [False]])
    edges = np.flatnonzero(np.diff(shut.astype(np.int8)))
    spans = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if closure[a:b].max() > 0.5]
    return [float(b - a) * 1000 / FRAME_RATE_HZ for a, b in spans]


def gaze_share(seen: Seen) -> float:
    """Share of the frames with open eyes in which they are with the viewer."""
    open_eyes = seen.closure < 0.3
    return float((np.hypot(*seen.gaze_deg[open_eyes].T) < VIEWER_DEG).mean())


def energy_above(curve: Array, hz: float) -> float:
    """Share of a curve's variance at frequencies above `hz`."""
    at, power = welch(detrend(curve, type="constant"), FRAME_RATE_HZ, nperseg=min(len(curve), 1024))
    return float(power[at > hz].sum() / power.sum())


def speed(head_deg: Array) -> Array:
    """(T,): how fast the head turns, degrees a second, all axes together."""
    return np.asarray(np.linalg.norm(np.gradient(head_deg, axis=0), axis=1) * FRAME_RATE_HZ)


def best_correlation(heard: Array, moved: Array, most_lag_frames: int) -> tuple[float, int]:
    """The greatest correlation of two curves with the second 0 to so many frames later, and its lag."""
    found = []
    for lag in range(most_lag_frames + 1):
        a, b = heard[: len(heard) - lag], moved[lag:]
        found.append((float(np.corrcoef(a, b)[0, 1]), lag))
    return max(found)


def repetition(curve: Array, from_s: float = 10.0) -> float:
    """The greatest autocorrelation of a curve with itself at least so much later (of sums over its whole length)."""
    curve = curve - curve.mean()
    size = 2 ** math.ceil(math.log2(2 * len(curve)))
    power = np.abs(np.fft.rfft(curve, size)) ** 2
    auto = np.fft.irfft(power)[: len(curve)]
    return float((auto / auto[0])[int(from_s * FRAME_RATE_HZ) :].max())


def around(turns: list[int], frames: int, before: int = 3, after: int = 3) -> Flags:
    """Which frames lie within 120 ms of a change of state: later ones are ordinary speech, or rest."""
    flags = np.zeros(frames, np.bool_)
    for turn in turns:
        flags[max(0, turn - before) : turn + after + 1] = True
    return flags
