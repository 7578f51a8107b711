"""Draws a crop's maps on the CPU: what is where on the driven mesh, and what the photo shows.

The same rules hold in training, where a GPU draws. The photo's colours are read between pixels linearly, after it was
shrunk to about the crop's scale. Knows nothing of time or of networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.diffusion.crops import Region
from visavis_models.diffusion.drawing_kernels import (
    Ints,
    paint_behind_lips,
    paint_iris,
    paint_skin,
    seen_through,
)
from visavis_models.diffusion.maps import MAP_CHANNELS, MAPS, REFERENCE_CHANNELS, REFERENCE_MAPS
from visavis_models.diffusion.strokes import (
    EYE_OPENING,
    LIDS,
    LIPS,
    MOUTH_OPENING,
    Strokes,
    canonical_of,
    face_triangles,
)
from visavis_models.face import topology as topo
from visavis_models.face.model import face_model

Floats = NDArray[np.float32]
FLOW_UNIT = 10.0
"""The map of flow is in crop widths over this."""
_IRISES = tuple(np.array(iris, np.int32) for iris in (topo.LEFT_IRIS, topo.RIGHT_IRIS))
_CHANNEL_OF_LABEL = {LIPS: "lips", LIDS: "lids", MOUTH_OPENING: "mouth", EYE_OPENING: "eye"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A photo made ready to be read by crops."""

    rgb: Floats
    """float32 (H', W', 3), -1..1, about as fine as the crops."""
    scale: float
    """Its pixels for one of the canvas."""

    @classmethod
    def of(cls, photo: NDArray[np.uint8], px_per_face_width: float, face_width_px: float) -> Picture:
        """Shrink a photo uint8 (H, W, 3) to the crops' scale; never enlarge it."""
        scale = min(px_per_face_width / face_width_px, 1.0)
        size = max(round(photo.shape[1] * scale), 2), max(round(photo.shape[0] * scale), 2)
        small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA) if scale < 1.0 else photo
        return cls(small.astype(np.float32) / 127.5 - 1.0, size[0] / photo.shape[1])

    def at(self, place: Floats) -> Floats:
        """float32 (h, w, 3): colours at canvas points (h, w, 2)."""
        there = (place + 0.5) * np.float32(self.scale) - 0.5
        read = cv2.remap(
            self.rgb, there[..., 0], there[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )  # fmt: skip
        return np.asarray(read, np.float32)


def draw_maps(strokes: Strokes, region: Region, out: Floats | None = None) -> Floats:
    """The maps of driven frames; `warped` is left empty, see `warped_crops`.

    Args:
        strokes: T frames.
        region: whose they are.
        out: float32 (T, MAP_CHANNELS, h, w) to be overwritten, every frame of it C-contiguous; None makes new ones.

    Returns:
        float32 (T, MAP_CHANNELS, h, w), see `maps.MAPS`; `out` if it was given.

    Raises:
        ValueError: `out` cannot hold them.
    """
    shape = len(strokes), MAP_CHANNELS, *strokes.size_px
    if out is None:
        out = np.zeros(shape, np.float32)
    elif out.shape != shape or out.dtype != np.float32 or not all(frame.flags.c_contiguous for frame in out):
        raise ValueError(f"maps are float32 {shape} of contiguous frames, not {out.dtype} {out.shape}")
    else:
        out.fill(0.0)
    places = np.concatenate([canonical_of(region), strokes.photo], 1)
    for t in range(len(strokes)):
        points = np.ascontiguousarray(strokes.points[t])
        mouth_box = _face(points, places, strokes, out[t])
        out[t, MAPS["lid_motion"]] = strokes.lid_motion[t]
        if mouth_box[2] > mouth_box[0]:
            _inside(strokes, t, mouth_box, out[t])
    return out


def draw_reference(picture: Picture, strokes: Strokes, region: Region) -> Floats:
    """The maps of the photo itself, in the crop that stands still: float32 (REFERENCE_CHANNELS, h, w)."""
    linear, shift = strokes.at_rest[:, :2], strokes.at_rest[:, 2]
    points = np.zeros((topo.LANDMARK_COUNT, 3), np.float32)
    points[:, :2] = strokes.photo @ linear.T + shift
    height, width = strokes.size_px
    drawn = np.zeros((MAP_CHANNELS, height, width), np.float32)
    _face(points, np.concatenate([canonical_of(region), strokes.photo], 1), strokes, drawn)
    out = np.empty((REFERENCE_CHANNELS, height, width), np.float32)
    for name, part in REFERENCE_MAPS.items():
        if name != "photo":
            out[part] = drawn[MAPS[name]]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    back = np.linalg.inv(linear.astype(np.float64))
    place = (np.stack([x, y], -1) - shift) @ back.T.astype(np.float32)
    out[REFERENCE_MAPS["photo"]] = picture.at(place.astype(np.float32)).transpose(2, 0, 1)
    return out


@cache
def _channels() -> Ints:
    """int32 (M,): the map that is 1 where a triangle of the face is seen; -1 for plain skin."""
    names = [_CHANNEL_OF_LABEL.get(int(label)) for label in face_triangles().label]
    return np.array([-1 if name is None else MAPS[name].start for name in names], np.int32)


def _face(points: Floats, places: Floats, strokes: Strokes, out: Floats) -> Ints:
    """All that lies on the skin's surface, into a frame's empty maps; returns the box of the mouth's opening.

    Args:
        points: float32 (478, 3), crop px.
        places: float32 (478, 4): their canonical places and those in the photo.
        strokes: whose frame it is.
        out: float32 (MAP_CHANNELS, h, w).
    """
    seen = seen_through(points, face_triangles().triangles, places, strokes.size_px)
    mouth_box, eye_box = paint_skin(seen, _channels(), strokes.at_rest, FLOW_UNIT, out)
    if eye_box[2] > eye_box[0]:
        for iris in _IRISES:
            paint_iris(points, iris, eye_box, out[MAPS["eye"]], out[MAPS["iris"]])
    return mouth_box


@dataclass(frozen=True, slots=True)
class _BehindLips:
    """Upper teeth, lower teeth and tongue as one mesh, points in this order."""

    triangles: Ints
    """int32 (M, 3)."""
    part: Ints
    """int32 (M,): 0, 1, 2 in the same order."""
    tooth: Floats
    """float32 (n, 2): from the gum line (0) to the biting edge (1), and along the row, in teeth; 0 on the tongue."""


@cache
def _behind_lips() -> _BehindLips:
    model = face_model()
    parts = (model.teeth_upper, model.teeth_lower, model.tongue)
    first = np.cumsum([0, *(len(part.vertices) for part in parts)])
    triangles = np.concatenate([part.triangles + start for part, start in zip(parts, first, strict=False)])
    return _BehindLips(
        np.ascontiguousarray(triangles, np.int32),
        np.repeat(np.arange(3, dtype=np.int32), [len(part.triangles) for part in parts]),
        np.concatenate([np.ascontiguousarray(part.uv[:, ::-1]) for part in parts]),
    )


def _inside(strokes: Strokes, t: int, box: Ints, out: Floats) -> None:
    """Teeth and tongue, where the mouth is open."""
    mesh, maps = _behind_lips(), {name: out[part] for name, part in MAPS.items()}
    left, top, right, bottom = (int(edge) for edge in box)
    points = np.concatenate([strokes.upper_teeth[t], strokes.lower_teeth[t], strokes.tongue[t]])
    seen = seen_through(points, mesh.triangles, mesh.tooth, (bottom - top, right - left), (left, top))
    paint_behind_lips(seen, mesh.part, (left, top), maps["mouth"], maps["teeth"], maps["tooth_middle"], maps["tongue"])
