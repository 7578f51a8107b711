"""What hangs loosely on a person: the ends of hair, found by their colour, and the collar. Knows nothing of motion."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.face import topology as topo
from visavis_models.warp.filling import polygon_mask

_CHIN, _TOP, _BROW = 152, 10, 9
_CHEEKS = (50, 280, 205, 425)
_LOOKED_AT_PX = 160
"""Height at which the head is looked at."""
_UNLIKE = 8.0
"""Least distance of the colours of hair and skin, in CIE Lab: a bald head has no loose hair."""
_LEAST_PIXELS = 30
_COLLAR_FOLLOWS = 0.30

Array = NDArray[np.float64]


def loose_hair(avatar: Avatar, points: NDArray[np.float32], head_weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far each point trails behind the head: 0 fixed to skull or body, 1 the free ends of long hair.

    Args:
        avatar: the portrait.
        points: float32 (N, 2) px; the first 478 are the face's, which is fixed to the skull.
        head_weight: float32 (N,), 1 where a point moves with the head.
    """
    width = avatar.face_width_px
    chin, brow = (avatar.landmarks[k, :2].astype(np.float64) for k in (_CHIN, _BROW))
    # Hair is held at the scalp; the further below the brow, the looser it is.
    hangs = np.clip((points[:, 1].astype(np.float64) - brow[1]) / max(1.3 * float(chin[1] - brow[1]), 1.0), 0.0, 1.0)
    loose = _read(hair_share(avatar), points) * hangs**1.5
    # Where head and body meet, cloth is neither skin nor shoulder.
    low = np.clip((points[:, 1] - chin[1]) / (0.25 * width), 0.0, 1.0)
    rim = 16.0 * head_weight.astype(np.float64) ** 2 * (1.0 - head_weight) ** 2
    collar = _COLLAR_FOLLOWS * rim * low * (np.abs(points[:, 0] - chin[0]) < 0.8 * width)
    loose = np.maximum(loose, collar)
    loose[: topo.LANDMARK_COUNT] = 0.0
    return np.asarray(loose, np.float32)


def hair_share(avatar: Avatar) -> NDArray[np.float32]:
    """Where the picture shows the person's hair: float32 (H, W), 0..1, soft; zeros where there is none to be told."""
    face = avatar.landmarks[:, :2].astype(np.float64)
    width = avatar.face_width_px
    low = np.maximum(np.floor(face[_TOP] - [1.3 * width, 1.0 * width]), 0).astype(int)
    high = np.ceil(np.array([face[_TOP, 0] + 1.3 * width, face[_CHIN, 1] + 1.6 * width])).astype(int)
    high = np.minimum(high, [avatar.width_px, avatar.height_px])
    box = np.s_[low[1] : high[1], low[0] : high[0]]
    scale = min(_LOOKED_AT_PX / max(high[1] - low[1], 1), 1.0)
    size = tuple(max(int(round(side * scale)), 1) for side in (high - low))
    colours = cv2.resize(np.ascontiguousarray(avatar.foreground[box]), size, interpolation=cv2.INTER_AREA)
    person = cv2.resize(np.ascontiguousarray(avatar.matte[box]), size, interpolation=cv2.INTER_AREA) > 128
    lab = np.asarray(cv2.cvtColor(colours.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2Lab), np.float32)
    share = _share(lab, person, (face - low) * scale, width * scale)
    found = np.zeros(avatar.matte.shape, np.float32)
    found[box] = cv2.resize(share, (int(high[0] - low[0]), int(high[1] - low[1])), interpolation=cv2.INTER_LINEAR)
    return found


def _share(lab: NDArray[np.float32], person: NDArray[np.bool_], face: Array, width: float) -> NDArray[np.float32]:
    """See `hair_share`, on a small picture: float32 (h, w)."""
    nothing = np.zeros(person.shape, np.float32)
    rows, columns = np.indices(person.shape)
    oval = polygon_mask(face[list(topo.FACE_OVAL)], (person.shape[0], person.shape[1]))
    above = person & ~oval & (rows < face[_TOP, 1] + 0.15 * width)
    above &= np.hypot(columns - face[_TOP, 0], rows - face[_TOP, 1]) < 0.6 * width
    cheeks = np.minimum.reduce([np.hypot(columns - x, rows - y) for x, y in face[list(_CHEEKS)]]) < 0.1 * width
    below = person & (rows > face[_CHIN, 1] + 0.75 * width)
    if above.sum() < _LEAST_PIXELS or cheeks.sum() < _LEAST_PIXELS:
        return nothing
    hair, skin = np.median(lab[above], 0), np.median(lab[cheeks & oval], 0)
    # Light falls differently on all of it: shade counts for less than hue.
    stretch = np.array([0.6, 1.0, 1.0], np.float32)
    if float(np.linalg.norm((hair - skin) * stretch)) < _UNLIKE:
        return nothing
    to_hair, to_skin = (np.linalg.norm((lab - colour) * stretch, axis=2) for colour in (hair, skin))
    like = person & ~oval & (to_hair < 0.8 * to_skin)
    if below.sum() >= _LEAST_PIXELS:
        cloth = np.median(lab[below], 0)
        like &= to_hair < np.linalg.norm((lab - cloth) * stretch, axis=2)
    # A throat is no hair, whatever light falls on it.
    like &= (rows < face[_CHIN, 1] - 0.1 * width) | (np.abs(columns - face[_CHIN, 0]) > 0.36 * width)
    # Only what hangs together with the hair above the forehead, which a parting may divide.
    open_ = cv2.morphologyEx(like.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, numbers = cv2.connectedComponents(open_)
    seen = np.bincount(numbers[above & like], minlength=count) > 0.05 * above.sum()
    seen[0] = False
    hair_pixels = seen[numbers].astype(np.float32)
    # Soft, so that neighbours on cloth and skin come along by a part and nothing folds.
    return np.asarray(cv2.GaussianBlur(hair_pixels, (0, 0), 0.07 * width), np.float32)


def _read(layer: NDArray[np.float32], points: NDArray[np.float32]) -> Array:
    """A layer at points beyond whose edges it goes on: float64 (N,)."""
    at = [np.ascontiguousarray(points[:, k : k + 1], np.float32) for k in (0, 1)]
    return cv2.remap(layer, at[0], at[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0].astype(np.float64)
