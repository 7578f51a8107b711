"""What pixels around eyes and mouth look like, as numbers that light and place change little.

Crops where landmarks say, then how strongly edges run each way in their cells, as histograms of gradients, and the
crops themselves, coarse and evened. Knows nothing of expressions.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.face.expression_of_landmarks import upright
from visavis_models.face.topology import LANDMARK_COUNT
from visavis_models.portrait.crops import Crop

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

EYE_PX, MOUTH_PX = 56, 64
_EYE_CM, _MOUTH_CM = 6.6, 9.4
_ABOVE_EYE_CM = 0.9
"""The eyes' crops reach from the cheekbone to above the brow."""
_EYE_CORNERS = ((33, 133), (362, 263))
"""Of the person's right and left eye."""
_LIPS = (61, 291, 0, 17)
_SHIFT, _SIZE, _TURN_RAD = 0.02, 0.05, 0.04
_CELLS, _WAYS = 8, 8
_COARSE = 4
_DARK = 8.0
"""Contrast below which a crop counts as even, of 255."""
_PIXELS_COUNT, _MARKS_COUNT = 10.0, 0.5
_MIRROR_ANGLES = np.array([1.0, -1.0, -1.0], np.float32)

DESCRIPTOR_COUNT = (
    3 * _CELLS * _CELLS * _WAYS + 2 * (EYE_PX // _COARSE) ** 2 + (MOUTH_PX // _COARSE) ** 2 + 2 * LANDMARK_COUNT + 6
)


@dataclass(frozen=True, slots=True)
class FaceCrops:
    """What is looked at of one face."""

    eyes: Pixels
    """uint8 (2, 56, 56) grey: the person's right eye with its brow, and the left one mirrored."""
    mouth: Pixels
    """uint8 (64, 64) grey: from the nose to the chin."""
    points: Floats
    """float32 (478, 2): `upright` landmarks, across and down."""
    angles: Floats
    """float32 (3,) of `upright`."""

    @classmethod
    def of(
        cls, picture: Pixels, landmarks: NDArray[np.floating], chance: np.random.Generator | None = None
    ) -> FaceCrops:
        """Cut them out.

        Args:
            picture: uint8 (H, W, 3) RGB.
            landmarks: (478, 3) px as a detector finds them, z negative = nearer.
            chance: moves the crops a little, as training wants; without, they lie where they should.
        """
        found = upright(landmarks[None])
        cm, roll = float(found.scale[0]), float(found.angles[0, 2])
        flat = np.asarray(landmarks[:, :2], np.float64)
        up = cm * _ABOVE_EYE_CM * np.array([np.sin(roll), -np.cos(roll)])
        places = [(flat[list(corners)].mean(0) + up, _EYE_CM * cm, EYE_PX) for corners in _EYE_CORNERS]
        places.append((flat[list(_LIPS)].mean(0), _MOUTH_CM * cm, MOUTH_PX))
        cut = []
        for place, side, size in places:
            x, y = place if chance is None else place + chance.normal(0.0, _SHIFT, 2) * side
            wide, turn = (1.0, roll) if chance is None else (chance.normal(1, _SIZE), chance.normal(roll, _TURN_RAD))
            crop = Crop(float(x), float(y), float(side * wide), float(turn)).take(picture, size)
            cut.append(cv2.cvtColor(crop.round().astype(np.uint8), cv2.COLOR_RGB2GRAY))
        eyes = np.asarray(np.stack([cut[0], cut[1][:, ::-1]]), np.uint8)
        points = np.ascontiguousarray(found.points[0, :, :2])
        return cls(eyes, np.asarray(cut[2], np.uint8), points, found.angles[0])

    def mirrored(self, mirror: NDArray[np.int64]) -> FaceCrops:
        """Of the mirrored picture; `mirror` (478,) is the landmark on the other side for each."""
        points = self.points[mirror] * np.array([-1.0, 1.0], np.float32)
        return FaceCrops(self.eyes[::-1], self.mouth[:, ::-1], points, self.angles * _MIRROR_ANGLES)

    def described(self) -> Floats:
        """What `PictureReader` is told, float32 (DESCRIPTOR_COUNT,)."""
        seen = [part for crop in (*self.eyes, self.mouth) for part in (_edges(crop), _coarse(crop))]
        rest = [self.points.ravel() * (_MARKS_COUNT), self.angles, self.angles**2]
        return np.concatenate([_PIXELS_COUNT * np.concatenate(seen), *rest]).astype(np.float32)


def _edges(crop: Pixels) -> Floats:
    """(8 * 8 * 8,) by cell and direction, of length 1: roots, so that a few strong edges do not count for all."""
    grey, cell = crop.astype(np.float32), len(crop) // _CELLS
    across, down = np.zeros_like(grey), np.zeros_like(grey)
    across[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    down[1:-1] = grey[2:] - grey[:-2]
    way = np.arctan2(down, across) * np.float32(_WAYS / (2 * np.pi))
    apart = np.abs((way[..., None] - np.arange(_WAYS, dtype=np.float32) + _WAYS / 2) % _WAYS - _WAYS / 2)
    strength = np.hypot(across, down)[..., None] * np.maximum(0.0, 1.0 - apart)
    smooth = cv2.blur(strength.astype(np.float32), (cell, cell))
    cells = smooth.reshape(_CELLS, cell, _CELLS, cell, _WAYS).mean((1, 3))
    found = np.sqrt(np.maximum(cells, 0.0)).ravel()  # running sums may end just below zero
    return np.asarray(found / (np.linalg.norm(found) + 1e-3), np.float32)


def _coarse(crop: Pixels) -> Floats:
    """A quarter as wide and high, evened."""
    size = len(crop) // _COARSE
    small = cv2.resize(crop.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    small = small - small.mean()
    return np.asarray(small.ravel() / ((small.std() + _DARK) * size), np.float32)
