"""The part of a frame that holds mouth and eyes, drawn by the processor: what lies around it a card can fill.

Teeth, tongue, lids and lashes are many small things in few pixels, and networks are told of what `warp` makes of them.
Knows nothing of devices.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.diffusion.crops import REGIONS, to_crops
from visavis_models.face import topology as topo
from visavis_models.raster import affine_planes, rasterise
from visavis_models.warp.mouth import Scene
from visavis_models.warp.renderer import Posed, Still, paint_openings
from visavis_models.warp.sampling import draw

_OPENINGS = np.unique(
    [*topo.UPPER_LIP[3], *topo.LOWER_LIP[3], *topo.LEFT_UPPER_LID, *topo.LEFT_LOWER_LID]
    + [*topo.RIGHT_UPPER_LID, *topo.RIGHT_LOWER_LID]
)
_REACH = 0.2
"""How far mouth and eyes are painted beyond their outlines at most, in face widths."""
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class FaceWindow:
    """A part of one frame."""

    left: int
    top: int
    picture: NDArray[np.uint8]
    """uint8 (h, w, 3)."""


class Sheets(threading.local):
    """Empty frames to draw upon, kept by each thread. Outside of what was drawn last they show anything."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, ...], tuple[NDArray[np.uint8], NDArray[np.int32]]] = {}

    def of(self, frames: int, height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """uint8 (T, H, W, 3) and int32 (H, W), not to be kept."""
        known = self._kept.get((height, width))
        if known is None or len(known[0]) < frames:
            if len(self._kept) >= 4:
                self._kept.clear()
            known = np.zeros((frames, height, width, 3), np.uint8), np.full((height, width), -1, np.int32)
            self._kept[height, width] = known
        return known[0][:frames], known[1]


def face_box(still: Still, posed: Posed, t: int, mouth_px: tuple[int, int]) -> Box:
    """Left, top, right, bottom of all that mouth, eyes and the networks' crops may touch in frame `t`."""
    rig = still.rig
    face = posed.driven.points[t, _OPENINGS, :2].astype(np.float64)
    skull = posed.skull[t : t + 1]
    reach = _REACH * rig.face_width_px * max(float(np.sqrt(abs(np.linalg.det(skull[0, :2, :2])))), 1.0)
    low, high = face.min(0) - reach, face.max(0) + reach
    for region in REGIONS:
        to_crop = to_crops(region, rig.neutral_points, skull, rig.face_width_px, mouth_px)[0].astype(np.float64)
        height, width = region.size_px(mouth_px)
        ends = np.array([[x, y] for x in (-2, width + 1) for y in (-2, height + 1)], np.float64)
        corners = (ends - to_crop[:, 2]) @ np.linalg.inv(to_crop[:, :2]).T
        low, high = np.minimum(low, corners.min(0) - 2), np.maximum(high, corners.max(0) + 2)
    shape = np.array(still.avatar.plate.shape[1::-1])
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return 0, 0, int(shape[0]), int(shape[1])
    left, top = (int(k) for k in np.clip(np.floor(low), 0, shape - 1))
    right, bottom = (int(k) for k in np.clip(np.ceil(high) + 1, (left + 1, top + 1), shape))
    return left, top, right, bottom


def draw_window(
    still: Still, posed: Posed, t: int, box: Box, frame: NDArray[np.uint8], number: NDArray[np.int32]
) -> None:
    """Draw a frame as `warp` does, but nothing of it outside a box.

    Args:
        still: the prepared avatar.
        posed: by `pose`.
        t: which frame.
        box: see `face_box`.
        frame: uint8 (H, W, 3), overwritten within the box.
        number: int32 (H, W), overwritten within the box.
    """
    left, top, right, bottom = box
    part = np.s_[top:bottom, left:right]
    points, mesh = posed.mesh[t], still.mesh
    seen, _ = rasterise(points, mesh.triangles, (bottom - top, right - left), (left, top))
    planes = affine_planes(points, mesh.triangles, mesh.points)
    picture = still.avatar.plate[part].copy()
    draw(seen, planes, still.person, picture, (left, top))
    frame[part], number[part] = picture, seen
    paint_openings(still, posed, t, Scene(frame, number, planes))


def window_of(frame: NDArray[np.uint8], box: Box) -> FaceWindow:
    """The box of a frame, to be kept."""
    left, top, right, bottom = box
    return FaceWindow(left, top, frame[top:bottom, left:right].copy())
