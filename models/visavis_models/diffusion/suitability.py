"""Which parts of a portrait may be generated at all: where a photo is beyond what the networks know, `warp` draws.

Pure functions of an avatar. Knows nothing of networks.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.diffusion.crops import MOUTH, RIGHT_EYE, Region
from visavis_models.face import topology as topo
from visavis_models.warp.filling import grown, polygon_mask
from visavis_models.warp.teeth import lip_hole, skin_colour

LEAST_FACE_PX = 64.0
"""Faces narrower than this (canvas px) are left to `warp`: a mouth of some twenty pixels is all guesswork."""
_LEAST_EYE_GAP = 0.12
"""Of the eye's width; eyes of the portraits that ship are three times as open."""
_LIP_LIGHT = 0.45, 1.3
"""Lightness of lips for that of the cheeks: 0.78 to 0.87 in the portraits that ship."""
_LESS_RED = 4.0
"""Lips are redder than cheeks, by 6 to 14 levels in those portraits; what is less red than cheeks by this is no lip."""
_BLUER = 25.0
"""Bluer than cheeks by this is no lip either, whatever its paint."""
_GREY_BELOW = 2.5
"""Mean distance from grey (levels of Lab) of a face in a black-and-white photo, compression's tints included."""


def unsuitable(avatar: Avatar, region: Region) -> str | None:
    """Why a region of this portrait is not generated; None if it is."""
    if avatar.face_width_px < LEAST_FACE_PX:
        return f"the face is {avatar.face_width_px:.0f} px wide"
    if region is MOUTH:
        return None if _lips_seen(avatar) else "the mouth does not look like lips: something covers it"
    gap = _eye_gap(avatar, right=region is RIGHT_EYE)
    return f"the eye is shut in the photo (gap {gap:.2f} of its width)" if gap < _LEAST_EYE_GAP else None


def is_grey(avatar: Avatar) -> bool:
    """Whether the portrait is a black-and-white photo."""
    points = avatar.landmarks[:, :2]
    left, top = np.maximum(points.min(0), 0).astype(int)
    right, bottom = points.max(0).astype(int) + 1
    lab = _lab(avatar.photo[top:bottom, left:right])
    return lab.size > 0 and float(np.hypot(lab[..., 1] - 128.0, lab[..., 2] - 128.0).mean()) < _GREY_BELOW


def _lips_seen(avatar: Avatar) -> bool:
    ring = [*topo.UPPER_LIP[3], *topo.LOWER_LIP[3][-2:0:-1]]
    lips = polygon_mask(avatar.landmarks[ring, :2], avatar.matte.shape[:2])
    lips &= ~grown(lip_hole(avatar), 0.01 * avatar.face_width_px)
    if not lips.any():
        return False
    lip = np.median(_lab(avatar.photo[lips][None])[0], 0)
    skin = _lab(np.rint(skin_colour(avatar)).astype(np.uint8)[None, None])[0, 0]
    light = lip[0] / max(skin[0], 1.0)
    red = lip[1] >= skin[1] - _LESS_RED and lip[2] >= skin[2] - _BLUER
    return bool(red and _LIP_LIGHT[0] <= light <= _LIP_LIGHT[1])


def _lab(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 (h, w, 3) RGB as float32 Lab, all three 0..255 and grey at 128."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2LAB), np.float32)


def _eye_gap(avatar: Avatar, right: bool) -> float:
    """How far the lids are apart in the photo, for the width of the eye."""
    upper, lower = (topo.RIGHT_UPPER_LID, topo.RIGHT_LOWER_LID) if right else (topo.LEFT_UPPER_LID, topo.LEFT_LOWER_LID)
    points = avatar.landmarks[:, :2]
    middle = len(upper) // 2
    gap, across = points[lower[middle]] - points[upper[middle]], points[upper[-1]] - points[upper[0]]
    return float(np.hypot(*gap) / max(float(np.hypot(*across)), 1e-3))
