"""Finds the line between shut lips in the photo.

Landmarks miss it by a few pixels, and lips that part beside it would carry a stripe of each other along. Knows nothing
of motion or drawing.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from visavis_models.avatar import Avatar
from visavis_models.face import topology as topo

_SHUT_BELOW = 0.03
"""Lip gap (face widths) up to which a mouth counts as shut."""
_REACH = 0.036
"""How far from the landmarks (face widths) the line is looked for."""
_CONTRAST = 0.06
"""How much darker than the lips (share) the line must be to be believed."""
_ROW_FOLLOWS = (1.0, 0.6, 0.25)


def on_the_seam(avatar: Avatar) -> Avatar:
    """The avatar with the inner edges of its lips moved onto the dark line between them, if its mouth is shut."""
    upper, lower = (np.array(rows[0]) for rows in (topo.UPPER_LIP, topo.LOWER_LIP))
    points = avatar.landmarks[:, :2].astype(np.float64)
    width = avatar.face_width_px
    if float(np.hypot(*(points[lower] - points[upper]).T).max()) > _SHUT_BELOW * width:
        return avatar
    along = points[upper[-1]] - points[upper[0]]
    length = float(np.hypot(*along))
    if length < 4.0:
        return avatar
    down = np.array([-along[1], along[0]]) / length
    offset = _offsets(avatar.photo, (points[upper] + points[lower]) / 2.0, down, _REACH * width)
    landmarks = avatar.landmarks.copy()
    moved = np.zeros(len(landmarks), np.bool_)
    for row, follows in enumerate(_ROW_FOLLOWS):
        for contour in (topo.UPPER_LIP[row], topo.LOWER_LIP[row]):
            for k, index in enumerate(contour):
                if not moved[index]:
                    landmarks[index, :2] += (follows * offset[k] * down).astype(np.float32)
                    moved[index] = True
    return replace(avatar, landmarks=landmarks)


def _offsets(
    photo: NDArray[np.uint8], middle: NDArray[np.float64], down: NDArray[np.float64], reach_px: float
) -> NDArray[np.float64]:
    """How far the dark line lies below each point of the lip line: float64 (11,) px."""
    steps = np.arange(-reach_px, reach_px + 0.125, 0.25)
    places = middle[:, None] + steps[None, :, None] * down
    light = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    light = np.asarray(cv2.GaussianBlur(light, (0, 0), max(0.1 * reach_px, 0.5)), np.float32)
    seen = ndimage.map_coordinates(light, [places[..., 1], places[..., 0]], order=1, mode="nearest")  # (11, steps)
    usual = np.median(seen, axis=1, keepdims=True)
    # Between equally dark lines the nearer one is meant.
    cost = seen / np.maximum(usual, 1.0) + 0.05 * (steps / reach_px) ** 2
    best = cost.argmin(1)
    contrast = 1.0 - seen[np.arange(len(best)), best] / np.maximum(usual[:, 0], 1.0)
    trusted = contrast > _CONTRAST
    if trusted[1:-1].sum() < 5:
        return np.zeros(len(middle))
    rows = np.flatnonzero(trusted)
    found = np.interp(np.arange(len(middle)), rows, steps[best[rows]])
    return np.asarray(ndimage.gaussian_filter1d(ndimage.median_filter(found, 3, mode="nearest"), 0.8, mode="nearest"))
