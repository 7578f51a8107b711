"""An avatar: a portrait, analysed and ready to be rendered."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from visavis_models.face.person import Person

ANALYSIS_VERSION = 2
"""Raised whenever the analysis changes what it stores: cached avatars of another version are made anew."""


@dataclass(frozen=True, slots=True)
class Avatar:
    """Everything that a renderer needs to know of a portrait. Positions are pixels of the canvas, y down."""

    id: str
    """Lower-case letters, digits and '-': the name in URLs and on disk."""
    name: str
    """For people."""
    photo: NDArray[np.uint8]
    """uint8 (H, W, 3) RGB: the whole picture, upright, long side at most 1024, H and W even. The canvas."""
    matte: NDArray[np.uint8]
    """uint8 (H, W): 255 where the picture shows the person, soft at hair and edges."""
    foreground: NDArray[np.uint8]
    """uint8 (H, W, 3) RGB: the person's own colours, also under soft matte pixels (no background bleeds in)."""
    plate: NDArray[np.uint8]
    """uint8 (H, W, 3) RGB: the background, completed behind the person. `matte` over `plate` gives the photo back."""
    landmarks: NDArray[np.float32]
    """float32 (478, 3): MediaPipe's face mesh with irises; x, y, z in px of the same scale, negative z = nearer.
    Where a person was found, z is their own face's; else the network's guess."""
    head_pose: NDArray[np.float32]
    """float32 (6,): the head in the photo itself: pitch, yaw, roll in radians (signs as in `HEAD_NAMES`), then the face
    centre x, y in px and the face width in px."""
    body_points: NDArray[np.float32]
    """float32 (33, 4): MediaPipe's pose landmarks; x, y, z in px and visibility 0..1."""
    notes: tuple[str, ...] = field(default=())
    """What the user should know of this portrait ("3 faces found: the largest was taken"), for people."""
    builtin: bool = False
    """Ships with visavis and cannot be removed."""
    person: Person | None = None
    """Whose face it is, as the anatomy explains it; None where it cannot."""

    @property
    def width_px(self) -> int:
        """Width of the canvas."""
        return int(self.photo.shape[1])

    @property
    def height_px(self) -> int:
        """Height of the canvas."""
        return int(self.photo.shape[0])

    @property
    def face_width_px(self) -> float:
        """Width of the face: the unit of head offsets."""
        return float(self.head_pose[5])
