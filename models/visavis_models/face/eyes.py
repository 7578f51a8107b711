"""Lids that meet and irises that look: both relative to the person's own eyes in the photo.

Works in head space (dm). Knows nothing of the mouth, head turns or pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT, ARKIT_COUNT, ARKIT_NAMES
from visavis_models.face import topology as topo
from visavis_models.face.model import FaceModel

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

BLINK_UPPER_SHARE = 0.85
"""How much of the way to a shut eye the upper lid goes; the lower lid goes the rest."""
_WIDEST = 0.16
"""How much wider than in the photo an eye opens at most, as a share of its own gap."""
_LID_UNITS = ("eyeBlink", "eyeSquint", "eyeWide", "eyeLookUp", "eyeLookDown", "cheekSquint")
_GAZE_MARGIN = 0.5
"""The centre of the iris stays this many iris radii away from the corners of the eye."""
_GAZE_HEIGHT = 0.5
"""The iris rises and sinks at most by this share of the lid gap."""


class Eye:
    """One eye of one person."""

    def __init__(self, model: FaceModel, rest: Array, side: str) -> None:
        upper, lower, iris = (
            (topo.LEFT_UPPER_LID, topo.LEFT_LOWER_LID, topo.LEFT_IRIS)
            if side == "Left"
            else (topo.RIGHT_UPPER_LID, topo.RIGHT_LOWER_LID, topo.RIGHT_IRIS)
        )
        self._upper, self._lower = np.array(upper[1:-1]), np.array(lower[1:-1])
        self.corners = np.array([upper[0], upper[-1]])
        self._iris = np.array(iris)
        gap = rest[self._lower] - rest[self._upper]
        gap[:, 1] = np.maximum(gap[:, 1], 0.0)
        self._gap = gap.astype(np.float32)
        generic = (model.mean[self._lower, 1] - model.mean[self._upper, 1]).sum()
        self.size = float(np.clip(gap[:, 1].sum() / generic, 0.1, 1.6))
        """Opening of this eye compared with the generic one."""
        self._shares = self._closing_shares(model, float(generic), side)
        self._gaze = self._gaze_shifts(model, side)
        self._gaze_low, self._gaze_high = self._gaze_limits(rest, gap)

    def landmarks(self) -> NDArray[np.int64]:
        """Indices of what this class moves: lid edges between the corners, and the iris."""
        return np.concatenate([self._upper, self._lower, self._iris])

    def _closing_shares(self, model: FaceModel, generic: float, side: str) -> Floats:
        """(52, 2): the share of the lid gap that upper and lower lid take away per coefficient."""
        shares = np.zeros((ARKIT_COUNT, 2), np.float32)
        for unit in _LID_UNITS:
            index = ARKIT[unit + side]
            delta = model.expression[index]
            shares[index] = delta[self._upper, 1].sum() / generic, -delta[self._lower, 1].sum() / generic
        shares[ARKIT["eyeBlink" + side]] = BLINK_UPPER_SHARE, 1.0 - BLINK_UPPER_SHARE
        return shares

    def _gaze_shifts(self, model: FaceModel, side: str) -> Floats:
        """(52, 2): how far the iris moves in x and y per coefficient."""
        shifts = np.zeros((ARKIT_COUNT, 2), np.float32)
        for index, name in enumerate(ARKIT_NAMES):
            if name.startswith("eyeLook") and name.endswith(side):
                shifts[index] = model.expression[index, self._iris, :2].mean(0)
        return shifts

    def _gaze_limits(self, rest: Array, gap: Array) -> tuple[Floats, Floats]:
        """The least and the greatest shift (2,) of the iris that keeps it in the eye."""
        centre, rim = rest[self._iris[0], :2], rest[self._iris[1:], :2]
        radius = float(np.linalg.norm(rim - centre, axis=1).mean())
        left, right = np.sort(rest[self.corners, 0])
        height = _GAZE_HEIGHT * float(gap[:, 1].max())
        margin = _GAZE_MARGIN * radius
        low = np.array([min(left + margin - centre[0], 0.0), -height])
        high = np.array([max(right - margin - centre[0], 0.0), height])
        return low.astype(np.float32), high.astype(np.float32)

    def drive(self, points: Floats, face: Floats) -> Floats:
        """Move lids and iris of (T, 478, 3) in place by coefficients (T, 52).

        Returns:
            float32 (T,): the lid gap as a share of the photo's own, at most 1.
        """
        closing = face @ self._shares  # (T, 2)
        total = closing.sum(1)
        limited = np.minimum(np.maximum(total, -_WIDEST), 1.0)
        closing *= (limited / np.where(np.abs(total) < 1e-6, 1.0, total))[:, None]
        points[:, self._upper] += closing[:, 0, None, None] * self._gap
        points[:, self._lower] -= closing[:, 1, None, None] * self._gap
        shift = np.minimum(np.maximum(face @ self._gaze, self._gaze_low), self._gaze_high)
        points[:, self._iris, :2] += shift[:, None]
        return np.asarray(np.minimum(1.0 - limited, 1.0), np.float32)
