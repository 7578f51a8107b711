"""An avatar: a portrait, analysed and ready to be rendered."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from visavis_models.face.person import Person

ANALYSIS_VERSION = 3
"""Raised whenever the analysis changes what it stores: cached avatars of another version are made anew."""


@dataclass(frozen=True, slots=True)
class Avatar:
    """Everything that a renderer needs to know of a portrait. Positions are pixels of the canvas, y down."""

    id: str
    """Lower-case letters, digits and '-': the name in URLs and on disk."""
    name: str
    """For people."""
    photo: NDArray[np.uint8]
    """uint8 (H, W, 3) RGB: the whole picture, upright, at most 1024 long (1080p: 1920), H and W even. The canvas."""
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
    """What the user should know of this portrait ("2 people found: choose who speaks"), for people."""
    builtin: bool = False
    """Ships with visavis and cannot be removed."""
    person: Person | None = None
    """Whose face it is, as the anatomy explains it; None where it cannot."""
    others: tuple[Avatar, ...] = field(default=())
    """Who else is in the picture, the largest face first; none of them larger than this avatar's own. Canvas and plate
    are the same, the plate is completed behind all of them; matte, foreground and points are each one's own. Laid over
    the plate one after another, the last of them first and this avatar last, they give the photo back."""

    @property
    def people(self) -> tuple[Avatar, ...]:
        """Everybody in the picture by number: 0 is this avatar, who speaks unless somebody else is told to."""
        return (self, *self.others)

    @property
    def faces(self) -> tuple[tuple[float, float, float], ...]:
        """Of everybody by number: centre x and y of the face and its width, px of the canvas."""
        places = [person.head_pose[3:6].tolist() for person in self.people]
        return tuple((x, y, width) for x, y, width in places)

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


def is_of(id: str, avatar_id: str) -> bool:
    """Whether an id is an avatar's, or that of somebody in its picture."""
    return id == avatar_id or id.startswith(f"{avatar_id}/")


def other_id(avatar_id: str, number: int) -> str:
    """What person `number` of a picture is called inside; no avatar of a user's can be called so."""
    return f"{avatar_id}/{number}"
