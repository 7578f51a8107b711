"""What is to be drawn in a crop: points of skin, openings, irises, teeth and tongue, in crop pixels.

Made on the CPU from the rig, for a live frame and for training alike, so that both draw the same things; how they are
drawn is another file's business (`drawing.py`; in training on a GPU). Knows no pixels' colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from visavis_models.diffusion.crops import MOUTH, MOUTH_WIDTH, Region, in_crop, to_crops
from visavis_models.face import topology as topo
from visavis_models.face.model import face_model
from visavis_models.face.rig import DrivenFace, FaceRig

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

SKIN, LIPS, LIDS, MOUTH_OPENING, EYE_OPENING = range(5)
"""Labels of triangles."""


@dataclass(frozen=True, slots=True)
class FaceTriangles:
    """The face as it is drawn: skin, then what closes its openings."""

    triangles: Ints
    """int32 (M, 3), rows of the 478 landmarks."""
    label: Ints
    """int32 (M,): `SKIN`, `LIPS`, `LIDS`, `MOUTH_OPENING` or `EYE_OPENING`."""
    canonical: Floats
    """float32 (478, 2): x, y of the mean face, about -1..1."""


@cache
def face_triangles() -> FaceTriangles:
    """Of the face model that ships; the same for everybody.

    Raises:
        WeightsError: it is missing or altered.
    """
    model = face_model()
    lips = _among(topo.UPPER_LIP + topo.LOWER_LIP)
    right = _among((topo.RIGHT_UPPER_LID, topo.RIGHT_LOWER_LID, topo.RIGHT_LID_SKIN))
    left = _among((topo.LEFT_UPPER_LID, topo.LEFT_LOWER_LID, topo.LEFT_LID_SKIN))
    lids = right[model.triangles].all(1) | left[model.triangles].all(1)
    mouth = topo.strip(topo.UPPER_LIP[0], topo.LOWER_LIP[0])
    eyes = topo.strip(topo.LEFT_UPPER_LID, topo.LEFT_LOWER_LID) + topo.strip(topo.RIGHT_UPPER_LID, topo.RIGHT_LOWER_LID)
    triangles = np.concatenate([model.triangles, mouth, eyes]).astype(np.int32)
    label = np.where(lips[model.triangles].all(1), LIPS, np.where(lids, LIDS, SKIN))
    label = np.concatenate([label, np.full(len(mouth), MOUTH_OPENING), np.full(len(eyes), EYE_OPENING)])
    place = model.mean[:, :2].astype(np.float64)
    outline = place[list(topo.FACE_OVAL)]
    half = np.ptp(outline, axis=0).max() / 2
    canonical = (place - (outline.max(0) + outline.min(0)) / 2) / half
    return FaceTriangles(np.ascontiguousarray(triangles), label.astype(np.int32), canonical.astype(np.float32))


def _among(rows: tuple[tuple[int, ...], ...]) -> NDArray[np.bool_]:
    found = np.zeros(topo.LANDMARK_COUNT, np.bool_)
    found[[point for row in rows for point in row]] = True
    return found


@dataclass(frozen=True, slots=True)
class Strokes:
    """T frames of one region. Points are x, y in crop px and depth in the same scale, smaller is nearer."""

    points: Floats
    """float32 (T, 478, 3)."""
    upper_teeth: Floats
    """float32 (T, n, 3); triangles and tooth coordinates are the face model's."""
    lower_teeth: Floats
    tongue: Floats
    photo: Floats
    """float32 (478, 2): where each point lies in the photo, canvas px."""
    at_rest: Floats
    """float32 (2, 3): from the canvas to the crop that the reference is seen in."""
    lid_motion: Floats
    """float32 (T,): how far the lids of this eye are from where the photo has them, 0..1; 0 for the mouth."""
    size_px: tuple[int, int]
    """Height and width of the crop."""

    def __len__(self) -> int:
        return len(self.points)


def strokes_of(
    rig: FaceRig,
    photo: Floats,
    driven: DrivenFace,
    head: NDArray[np.floating],
    region: Region,
    mouth_px: tuple[int, int],
) -> Strokes:
    """What is to be drawn of T driven frames.

    Args:
        rig: of the person.
        photo: (478, 3) landmarks of the photo, canvas px.
        driven: T frames; the rig is driven once for all regions.
        head: (T, 3, 4) the skull's rigid motion, with whatever carries the head besides.
        region: which crop.
        mouth_px: height and width of the mouth's crop.
    """
    rest = rig.neutral_points
    crop = to_crops(region, rest, head, rig.face_width_px, mouth_px)
    at_rest = to_crops(region, rest, np.eye(3, 4)[None], rig.face_width_px, mouth_px)[0]
    frames = len(crop)
    lid_motion = np.zeros(frames, np.float32)
    if region is not MOUTH:
        lid_motion = np.abs(1.0 - driven.lid_gap[:, 1 if region.mirrored else 0]).clip(0, 1).astype(np.float32)
    upper, lower, tongue = (in_crop(p, crop) for p in (driven.teeth_upper, driven.teeth_lower, driven.tongue))
    return Strokes(
        in_crop(driven.points, crop), upper, lower, tongue, np.ascontiguousarray(photo[:, :2], np.float32), at_rest,
        lid_motion, region.size_px(mouth_px),
    )  # fmt: skip


def canonical_of(region: Region) -> Floats:
    """float32 (478, 2): canonical places as a region's crop sees them; mirrored for a mirrored eye."""
    place = face_triangles().canonical
    return place * np.array([-1, 1], np.float32) if region.mirrored else place


def crop_px_per_face_width(mouth_px: tuple[int, int]) -> float:
    """How many pixels of a crop a face width takes: what a photo is shrunk to before it is read."""
    return mouth_px[1] / MOUTH_WIDTH
