"""Draws a crop's maps on the CPU: the photo moved by the driven mesh, and what is where.

The same rules hold in training, where a GPU draws. Colours are read between pixels linearly from a photo that was
shrunk to about the crop's scale before. Knows nothing of time or of networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.diffusion.crops import Region
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
from visavis_models.face.model import MouthPart, face_model
from visavis_models.raster import affine_planes, attribute_map, rasterise
from visavis_models.warp.teeth import cut_teeth, visible_teeth

Floats = NDArray[np.float32]
FLOW_UNIT = 10.0
"""The map of flow is in crop widths over this."""
_IRISES = (topo.LEFT_IRIS, topo.RIGHT_IRIS)


@dataclass(frozen=True, slots=True)
class OwnTeeth:
    """The upper teeth as a photo shows them: a flat patch that the skull carries."""

    rgba: Floats
    """float32 (h, w, 4): RGB -1..1 times coverage, and coverage 0..1."""
    corners: Floats
    """float32 (4, 3): where its corners lie in the photo, canvas px and depth, clockwise from the upper left."""

    @classmethod
    def of(cls, avatar: Avatar) -> OwnTeeth | None:
        """Cut out of an avatar's photo; None if it shows too few."""
        cut = cut_teeth(avatar, visible_teeth(avatar))
        if cut is None:
            return None
        cover = cut.cover[..., None]
        rgba = np.concatenate([(cut.colours / 127.5 - 1.0) * cover, cover], 2)
        # Corners are those of an area; pixels' centres lie half a pixel within.
        return cls(rgba.astype(np.float32), cut.corners - np.array([0.5, 0.5, 0.0], np.float32))

    def from_crop(self, corners: Floats) -> Floats:
        """float32 (2, 3): from crop px to the patch's px, its corners lying at (4, 2 or 3) of the crop."""
        height, width = self.rgba.shape[:2]
        ends = np.array([[-0.5, -0.5], [width - 0.5, -0.5], [width - 0.5, height - 0.5]], np.float32)
        there = np.ascontiguousarray(corners[:3, :2], np.float32)
        return np.asarray(cv2.getAffineTransform(there, ends), np.float32)


@dataclass(frozen=True, slots=True)
class Picture:
    """A photo made ready to be read by crops."""

    rgb: Floats
    """float32 (H', W', 3), -1..1, about as fine as the crops."""
    scale: float
    """Its pixels for one of the canvas."""
    teeth: OwnTeeth | None
    """None if the photo shows none."""

    @classmethod
    def of(
        cls, photo: NDArray[np.uint8], px_per_face_width: float, face_width_px: float, teeth: OwnTeeth | None = None
    ) -> Picture:
        """Shrink a photo uint8 (H, W, 3) to the crops' scale; never enlarge it."""
        scale = min(px_per_face_width / face_width_px, 1.0)
        size = max(round(photo.shape[1] * scale), 2), max(round(photo.shape[0] * scale), 2)
        small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA) if scale < 1.0 else photo
        return cls(small.astype(np.float32) / 127.5 - 1.0, size[0] / photo.shape[1], teeth)

    def at(self, place: Floats) -> Floats:
        """float32 (h, w, 3): colours at canvas points (h, w, 2)."""
        there = (place + 0.5) * np.float32(self.scale) - 0.5
        read = cv2.remap(
            self.rgb, there[..., 0], there[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )  # fmt: skip
        return np.asarray(read, np.float32)


def draw_maps(picture: Picture, strokes: Strokes, region: Region) -> Floats:
    """The maps of driven frames.

    Args:
        picture: the portrait's photo.
        strokes: T frames.
        region: whose they are.

    Returns:
        float32 (T, MAP_CHANNELS, h, w), see `maps.MAPS`.
    """
    height, width = strokes.size_px
    out = np.zeros((len(strokes), MAP_CHANNELS, height, width), np.float32)
    for t in range(len(strokes)):
        _draw(picture, strokes, t, region, out[t])
    return out


def draw_reference(picture: Picture, strokes: Strokes, region: Region) -> Floats:
    """The maps of the photo itself, in the crop that stands still: float32 (REFERENCE_CHANNELS, h, w)."""
    linear, shift = strokes.at_rest[:, :2], strokes.at_rest[:, 2]
    points = np.zeros((topo.LANDMARK_COUNT, 3), np.float32)
    points[:, :2] = strokes.photo @ linear.T + shift
    height, width = strokes.size_px
    out = np.zeros((REFERENCE_CHANNELS, height, width), np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    back = np.linalg.inv(linear.astype(np.float64))
    place = (np.stack([x, y], -1) - shift) @ back.T.astype(np.float32)
    out[REFERENCE_MAPS["photo"]] = picture.at(place.astype(np.float32)).transpose(2, 0, 1)
    number = _number(points, strokes.size_px)
    _label_maps(points, number, region, {name: out[part] for name, part in REFERENCE_MAPS.items()})
    return out


def _number(points: Floats, size_px: tuple[int, int]) -> NDArray[np.int32]:
    number, _ = rasterise(np.ascontiguousarray(points, np.float32), face_triangles().triangles, size_px)
    return number


def _label_maps(points: Floats, number: NDArray[np.int32], region: Region, maps: dict[str, Floats]) -> None:
    """Canonical places, lips, openings and irises into views of a crop's maps."""
    mesh = face_triangles()
    planes = affine_planes(np.ascontiguousarray(points, np.float32), mesh.triangles, canonical_of(region))
    label = np.where(number >= 0, mesh.label[number], -1)
    opening = (label == MOUTH_OPENING) | (label == EYE_OPENING)
    place = attribute_map(number, planes)
    maps["canonical"][:] = np.where(opening[..., None], 0.0, place).transpose(2, 0, 1)
    maps["lips"][0] = label == LIPS
    maps["lids"][0] = label == LIDS
    maps["mouth"][0] = label == MOUTH_OPENING
    maps["eye"][0] = label == EYE_OPENING
    for iris in _IRISES:
        maps["iris"][0] += _disc(points[list(iris), :2], number.shape) * maps["eye"][0]


def _disc(iris: Floats, size_px: tuple[int, ...]) -> Floats:
    """float32 (h, w): how much of each pixel an iris covers, from its centre and four points of its rim (5, 2)."""
    centre, (right, top, left, bottom) = iris[0], iris[1:]
    axes = np.stack([(right - left) / 2, (bottom - top) / 2], 1).astype(np.float64)
    if abs(np.linalg.det(axes)) < 1e-3:
        return np.zeros(size_px, np.float32)
    y, x = np.mgrid[0 : size_px[0], 0 : size_px[1]].astype(np.float32)
    at = (np.stack([x, y], -1) - centre) @ np.linalg.inv(axes).T.astype(np.float32)
    radius = np.sqrt(abs(np.linalg.det(axes)))
    return np.asarray(np.clip((1.0 - np.linalg.norm(at, axis=-1)) * radius + 0.5, 0.0, 1.0), np.float32)


def _draw(picture: Picture, strokes: Strokes, t: int, region: Region, out: Floats) -> None:
    points, mesh = np.ascontiguousarray(strokes.points[t]), face_triangles()
    maps = {name: out[part] for name, part in MAPS.items()}
    number = _number(points, strokes.size_px)
    _label_maps(points, number, region, maps)
    skin = (number >= 0) & (maps["mouth"][0] == 0) & (maps["eye"][0] == 0)
    place = attribute_map(number, affine_planes(points, mesh.triangles, strokes.photo))
    maps["warped"][:] = np.where(skin[..., None], picture.at(place), 0.0).transpose(2, 0, 1)
    maps["shown"][0] = skin
    height, width = strokes.size_px
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    before = place @ strokes.at_rest[:, :2].T + strokes.at_rest[:, 2]
    flow = (before - np.stack([x, y], -1)) * np.float32(FLOW_UNIT / width)
    maps["flow"][:] = np.where(skin[..., None], flow, 0.0).transpose(2, 0, 1)
    maps["lid_motion"][:] = strokes.lid_motion[t]
    if maps["mouth"].any():
        _inside(picture, strokes, t, maps)


def _inside(picture: Picture, strokes: Strokes, t: int, maps: dict[str, Floats]) -> None:
    """Teeth and tongue, where the mouth is open."""
    model, hole, nearest = face_model(), maps["mouth"][0], np.full(strokes.size_px, np.inf, np.float32)
    drawn = {}
    parts = (("upper", model.teeth_upper, strokes.upper_teeth), ("lower", model.teeth_lower, strokes.lower_teeth))
    for name, part, points in (*parts, ("tongue", model.tongue, strokes.tongue)):
        drawn[name] = _part(np.ascontiguousarray(points[t]), part, strokes.size_px)
        nearest = np.minimum(nearest, drawn[name][1])
    for k, name in enumerate(("upper", "lower")):
        value, depth = drawn[name]
        maps["teeth"][k] = np.where(depth <= nearest, (0.5 + 0.5 * value) * (value > 0), 0.0) * hole
    value, depth = drawn["tongue"]
    maps["tongue"][0] = np.where((depth <= nearest) & (depth < 1e20), 1.0, 0.0) * hole
    if picture.teeth is not None and strokes.own_teeth.shape[1]:
        maps["own_teeth"][:], maps["own_shown"][0] = _own_teeth(picture.teeth, strokes.own_teeth[t], hole)


def _part(points: Floats, part: MouthPart, size_px: tuple[int, int]) -> tuple[Floats, Floats]:
    """Tooth coordinate (0 for the tongue) and depth of one mesh behind the lips, float32 (h, w) each."""
    triangles = part.triangles.astype(np.int32)
    number, depth = rasterise(points, triangles, size_px)
    value = attribute_map(number, affine_planes(points, triangles, np.ascontiguousarray(part.uv[:, 1:])))
    return np.clip(value[..., 0], -1.0, 1.0), np.where(number >= 0, depth, np.float32(1e30))


def _own_teeth(teeth: OwnTeeth, corners: Floats, hole: Floats) -> tuple[Floats, Floats]:
    """The photo's teeth laid into the mouth's opening: RGB (3, h, w) and coverage (h, w)."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(teeth.rgba, teeth.from_crop(corners), (hole.shape[1], hole.shape[0]), flags=flags)
    laid = laid * hole[..., None]
    return laid[..., :3].transpose(2, 0, 1), laid[..., 3]
