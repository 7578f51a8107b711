"""Frames put together on a device: plate and person, the face's window, generated crops, marks, and colours for video.

Frames of one avatar are filled together. Knows nothing of networks or sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from visavis_models.device.colours import i420
from visavis_models.device.face_window import FaceWindow
from visavis_models.device.patches import DevicePatch, lay
from visavis_models.device.person import Outline, PersonOnDevice, fill
from visavis_models.device.transfer import uploaded

DeviceFinish = Callable[[Tensor, Sequence[int]], Tensor]
"""What is done to pictures, uint8 (F, H, W, 3), before anybody sees them; the lengths of the runs that follow one
another are given. What it is given may be changed."""


@dataclass(slots=True)
class Drawing:
    """One window of one session, to be put together."""

    person: PersonOnDevice
    size: tuple[int, int]
    """Height and width of the picture."""
    outlines: list[Outline] = field(default_factory=list)
    faces: list[FaceWindow] = field(default_factory=list)
    matte: bool = False
    layers: list[list[DevicePatch]] = field(default_factory=list)
    """Patches of one region each, laid one over the other; `frame` counts from this window's first."""

    def __len__(self) -> int:
        return len(self.outlines)


@dataclass(frozen=True, slots=True)
class Composed:
    """A window put together, on the device."""

    pictures: Tensor
    """uint8 (T, H, W, 3)."""
    planes: Tensor | None
    """uint8 (T, 1.5 H, W)."""
    cover: Tensor | None
    """uint8 (T, H, W)."""

    @property
    def tensors(self) -> list[Tensor]:
        """Those that there are, in this order."""
        return [tensor for tensor in (self.pictures, self.planes, self.cover) if tensor is not None]


def composed(
    drawings: Sequence[Drawing], device: torch.device, finish: DeviceFinish | None, video: bool
) -> list[Composed]:
    """Put windows together; nobody waits for it.

    Args:
        drawings: of any avatars.
        device: where.
        finish: what is done to the pictures; None: nothing.
        video: whether they are converted for video too.
    """
    found: dict[int, Composed] = {}
    kinds: dict[int, list[int]] = {}
    for k, drawing in enumerate(drawings):
        kinds.setdefault(id(drawing.person), []).append(k)
    for alike in kinds.values():
        together = _together([drawings[k] for k in alike], device, finish, video)
        found.update(zip(alike, together, strict=True))
    return [found[k] for k in range(len(drawings))]


def _together(
    drawings: Sequence[Drawing], device: torch.device, finish: DeviceFinish | None, video: bool
) -> list[Composed]:
    (height, width), person = drawings[0].size, drawings[0].person
    lengths = [len(drawing) for drawing in drawings]
    begins = np.cumsum([0, *lengths])
    frames = int(begins[-1])
    flat = torch.empty((frames * height * width + 1, 3), dtype=torch.uint8, device=device)
    whole = flat[:-1].view(frames, height * width, 3)
    wanted = any(drawing.matte for drawing in drawings)
    cover = torch.empty((frames, height * width), dtype=torch.uint8, device=device) if wanted else None
    fill(person, [outline for drawing in drawings for outline in drawing.outlines], whole, cover)
    pictures = whole.view(frames, height, width, 3)
    _put_faces(pictures, [face for drawing in drawings for face in drawing.faces])
    for layer in range(max(len(drawing.layers) for drawing in drawings)):
        patches = [
            patch.moved(int(begin))
            for begin, drawing in zip(begins, drawings, strict=False)
            for patch in (drawing.layers[layer] if layer < len(drawing.layers) else [])
        ]
        lay(flat, (height, width), patches)
    if finish is not None:
        pictures = finish(pictures, lengths)
    planes = i420(pictures) if video else None
    covers = None if cover is None else cover.view(frames, height, width)
    return [
        Composed(
            pictures[begin:end],
            None if planes is None else planes[begin:end],
            covers[begin:end] if covers is not None and drawing.matte else None,
        )
        for drawing, begin, end in zip(drawings, begins, begins[1:], strict=False)
    ]


def _put_faces(pictures: Tensor, faces: Sequence[FaceWindow]) -> None:
    """One copy to the device for all faces, and one there for each."""
    if not faces:
        return
    together = uploaded(np.concatenate([face.picture.reshape(-1) for face in faces]), pictures.device)
    at = 0
    for frame, face in zip(pictures, faces, strict=True):
        height, width = face.picture.shape[:2]
        part = together[at : at + face.picture.size].view(height, width, 3)
        frame[face.top : face.top + height, face.left : face.left + width] = part
        at += face.picture.size
