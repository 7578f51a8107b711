"""The part of the face that speech moves: its channels, how they become ARKit coefficients, and how far the lips part.

Left and right move alike in speech, so a pair is one channel. Knows nothing of voices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT, ARKIT_COUNT

MOUTH_CHANNELS: tuple[str, ...] = (
    "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthSmile", "mouthStretch", "mouthRollLower",
    "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPress", "mouthLowerDown", "mouthUpperUp", "tongueOut",
    "jawForward",
)  # fmt: skip
MOUTH_COUNT = len(MOUTH_CHANNELS)
CHANNEL = {name: i for i, name in enumerate(MOUTH_CHANNELS)}

_SPREAD = np.zeros((MOUTH_COUNT, ARKIT_COUNT), np.float32)
for _i, _name in enumerate(MOUTH_CHANNELS):
    for _coefficient in (_name, f"{_name}Left", f"{_name}Right"):
        if _coefficient in ARKIT:
            _SPREAD[_i, ARKIT[_coefficient]] = 1.0
MOUTH_COEFFICIENTS: tuple[int, ...] = tuple(int(i) for i in np.flatnonzero(_SPREAD.any(axis=0)))
"""Indices of the ARKit coefficients that a voice moves; the others stay 0."""

# How far one unit of a channel parts the lips, in units of jawOpen. mouthClose undoes the jaw: ARKit's meaning of it.
_PARTING = {"mouthClose": -1.0, "mouthLowerDown": 0.3, "mouthUpperUp": 0.25, "mouthFunnel": 0.12}
_PARTING |= {"jawOpen": 1.0, "mouthPress": -0.1, "mouthRollLower": -0.1, "mouthRollUpper": -0.05, "mouthPucker": -0.05}
LIP_PARTING = np.array([_PARTING.get(name, 0.0) for name in MOUTH_CHANNELS], np.float32)
"""float32 (15,): the linear form behind `lip_gap`."""


def face_of_mouth(mouth: NDArray[np.float32]) -> NDArray[np.float32]:
    """ARKit coefficients (..., 52) of mouth channels (..., 15); both float32."""
    return np.asarray(mouth @ _SPREAD, np.float32)


def mouth_of_face(face: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mouth channels (..., 15) of ARKit coefficients (..., 52), left and right averaged."""
    return np.asarray(face @ (_SPREAD / _SPREAD.sum(axis=1, keepdims=True)).T, np.float32)


def lip_gap(mouth: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far the lips are parted, (...), of mouth channels (..., 15): 0 is shut, 0.5 an open vowel."""
    return np.asarray(np.maximum(mouth @ LIP_PARTING, 0.0), np.float32)
