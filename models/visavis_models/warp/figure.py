"""How a person stands in a picture: where neck, shoulders, hips and legs are, and which of them can be seen.

What the picture hides is guessed from an adult's proportions. Knows nothing of motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar

Point = NDArray[np.float64]

_CHIN = 152
_SHOULDERS, _HIPS, _KNEES, _ANKLES = (11, 12), (23, 24), (25, 26), (27, 28)
_GUESSED = 0.3
"""Less visible than this, a point is guessed."""
_SEEN = 0.5
_CUT = 0.02
"""Share of the lower edge from which on it cuts the person."""
_NECK_ABOVE = 0.12
_HIPS_BELOW = 3.4
"""Face widths, of the neck above the shoulders and of the hips below it."""


@dataclass(frozen=True, slots=True)
class Legs:
    """Two legs on the ground. float64 (2, 2) px each: the person's left one, then the right one."""

    hips: Point
    knees: Point
    ankles: Point

    def middle(self, y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """At heights float64 (n,): x half-way between the legs, and half the way from it to the left one."""
        joints = np.stack([self.hips, self.knees, self.ankles])  # (3, 2, 2)
        heights = joints[..., 1].mean(1)
        left, right = (np.interp(y, heights, joints[:, k, 0]) for k in (0, 1))
        return (left + right) / 2.0, (left - right) / 2.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A body in a picture; px, y down."""

    width_px: float
    """Of the face."""
    neck: Point
    """float64 (2,): where it meets the shoulders."""
    left: Point
    """float64 (2,): the person's own left shoulder."""
    right: Point
    hips: Point
    """float64 (2,): between them; may lie below the picture."""
    legs: Legs | None
    """Of somebody who stands, feet in the picture."""
    rests: bool
    """Hips and all below them are in the picture but do not stand: they rest on something."""

    @property
    def side(self) -> float:
        """1 where the person's own left is at the picture's right, else -1."""
        return 1.0 if self.left[0] >= self.right[0] else -1.0

    @property
    def half_px(self) -> float:
        """From the neck to the outside of a shoulder."""
        return max(abs(float(self.left[0] - self.right[0])) / 2.0, 0.5 * self.width_px) + 0.25 * self.width_px


def figure_of(avatar: Avatar) -> Figure:
    """Find a body's joints in an avatar's points."""
    width = avatar.face_width_px
    points = avatar.body_points.astype(np.float64)
    left, right = _shoulders(avatar)
    neck = (left + right) / 2.0 - np.array([0.0, _NECK_ABOVE * width])
    hips = points[list(_HIPS)]
    seen = float(hips[:, 3].min()) > _SEEN and float(hips[:, 1].min()) > neck[1] + width
    middle = hips[:, :2].mean(0) if seen else neck + np.array([0.0, _HIPS_BELOW * width])
    legs = _legs(avatar, points) if seen else None
    cut = float((avatar.matte[-1] > 128).mean()) > _CUT
    return Figure(width, neck, left, right, middle, legs, seen and legs is None and not cut)


def _shoulders(avatar: Avatar) -> tuple[Point, Point]:
    """The person's left and right shoulder, guessed below the chin when the picture hides them: (2,) px each."""
    width = avatar.face_width_px
    left, right = (avatar.body_points[k].astype(np.float64) for k in _SHOULDERS)
    chin = avatar.landmarks[_CHIN, :2].astype(np.float64)
    if left[3] < _GUESSED or left[0] - chin[0] < 0.3 * width:
        left = np.array([chin[0] + 1.05 * width, chin[1] + 0.75 * width])
    if right[3] < _GUESSED or chin[0] - right[0] < 0.3 * width:
        right = np.array([chin[0] - 1.05 * width, chin[1] + 0.75 * width])
    return left[:2], right[:2]


def _legs(avatar: Avatar, points: Point) -> Legs | None:
    """Of somebody upright whose ankles are seen; who sits has knees about as high as hips."""
    joints = [points[list(pair)] for pair in (_HIPS, _KNEES, _ANKLES)]
    if min(float(joint[:, 3].min()) for joint in joints) < _SEEN:
        return None
    hips, knees, ankles = (joint[:, :2] for joint in joints)
    leg = float(ankles[:, 1].min() - hips[:, 1].max())
    upright = leg > 2.0 * avatar.face_width_px
    upright &= min(float((lower - upper)[:, 1].min()) for upper, lower in ((hips, knees), (knees, ankles))) > 0.25 * leg
    return Legs(hips, knees, ankles) if upright and float(ankles[:, 1].max()) < avatar.height_px else None
