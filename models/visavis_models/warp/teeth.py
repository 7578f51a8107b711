"""Teeth to look at: a drawn row in the portrait's own shade, and the teeth that the photo itself shows.

Texture coordinates are those of the face model (u counts teeth, v runs from the gum to the biting edge).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from visavis_models.avatar import Avatar
from visavis_models.face import topology as topo
from visavis_models.warp.filling import fill_from_around, grown, polygon_mask
from visavis_models.warp.sampling import Texture, make_texture

TEETH_IN_ROW = 12
GUM_SPAN, TOOTH_SPAN = 1.0, 1.0
_CHEEKS = (50, 280, 205, 425, 101, 330)
_DRAWN_PX = 48
_IVORY = np.array([1.0, 0.955, 0.875])
_OWN_MIN_PX = 12
"""Fewer visible tooth pixels than this are not worth keeping."""


@dataclass(frozen=True, slots=True)
class MouthColours:
    """RGB 0..255 as the portrait's light would show them."""

    tooth: NDArray[np.float64]
    gum: NDArray[np.float64]
    tongue: NDArray[np.float64]
    cavity: NDArray[np.float64]
    seam: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OwnTeeth:
    """The upper teeth as the photo shows them, fixed to the skull."""

    texture: Texture
    corners: NDArray[np.float32]
    """float32 (4, 3): the corners of a flat patch in canvas px, with depth."""


def skin_colour(avatar: Avatar) -> NDArray[np.float64]:
    """The cheeks' colour: RGB 0..255."""
    blurred = cv2.GaussianBlur(avatar.photo, (0, 0), max(0.03 * avatar.face_width_px, 0.8))
    spots = np.rint(avatar.landmarks[list(_CHEEKS), :2]).astype(int)
    x = np.clip(spots[:, 0], 0, avatar.width_px - 1)
    y = np.clip(spots[:, 1], 0, avatar.height_px - 1)
    return np.asarray(np.median(blurred[y, x].astype(np.float64), 0))


def lip_hole(avatar: Avatar) -> NDArray[np.bool_]:
    """Pixels between the photo's own lips: bool (H, W)."""
    ring = [*topo.UPPER_LIP[0], *topo.LOWER_LIP[0][-2:0:-1]]
    return polygon_mask(avatar.landmarks[ring, :2], avatar.matte.shape[:2])


def visible_teeth(avatar: Avatar) -> NDArray[np.bool_]:
    """Pixels of the photo that are teeth: bright and hardly red, between or close to the lips' inner edges."""
    hole = lip_hole(avatar)
    if hole.sum() < _OWN_MIN_PX:
        return np.zeros_like(hole)
    picture = avatar.photo.astype(np.float64)
    light = picture @ [0.299, 0.587, 0.114]
    redness = (picture[..., 0] - picture[..., 1]) / np.maximum(light, 1.0)
    lips = polygon_mask(avatar.landmarks[[*topo.UPPER_LIP[3], *topo.LOWER_LIP[3][-2:0:-1]], :2], hole.shape) & ~grown(
        hole, 0.02 * avatar.face_width_px
    )
    lip_red = float(np.median(redness[lips])) if lips.any() else 0.35
    lip_light = float(np.median(light[lips])) if lips.any() else 120.0
    like_teeth = (redness < 0.62 * lip_red) & (light > 0.85 * lip_light)
    teeth = like_teeth & grown(hole, 0.012 * avatar.face_width_px)
    return teeth if int(teeth.sum()) >= _OWN_MIN_PX else np.zeros_like(hole)


def mouth_colours(avatar: Avatar, teeth: NDArray[np.bool_]) -> MouthColours:
    """Colours for what is behind the lips, under the light that falls on this face."""
    skin = skin_colour(avatar)
    light = float(skin @ [0.299, 0.587, 0.114])
    if teeth.any():
        seen = avatar.photo[teeth].astype(np.float64)
        tooth = np.percentile(seen, 60, axis=0)
    else:
        tint = skin / max(light, 1.0)
        tooth = (0.52 * light + 104.0) * _IVORY * (0.75 + 0.25 * tint)
    scale = float(np.clip(light / 170.0, 0.45, 1.15))
    return MouthColours(
        tooth=np.clip(tooth, 0, 238),
        gum=np.array([176.0, 98.0, 96.0]) * scale,
        tongue=np.array([168.0, 86.0, 84.0]) * scale,
        cavity=np.array([46.0, 17.0, 15.0]) * scale,
        seam=np.clip(skin * [0.36, 0.2, 0.19], 8, 255),
    )


def teeth_texture(colours: MouthColours, face_width_px: float, *, lower: bool) -> Texture:
    """Twelve teeth in their gum; mesh coordinates are u * `TOOTH_UNIT` and v as the model gives them.

    Args:
        colours: of the portrait.
        face_width_px: decides the detail that is worth drawing.
        lower: lower teeth are narrower, flatter and set deeper in the shade.
    """
    size = _DRAWN_PX
    u = (np.arange(TEETH_IN_ROW * size) + 0.5) / size
    v = np.linspace(-GUM_SPAN, TOOTH_SPAN + 0.25, int(2.25 * size))[:, None]
    across = 2.0 * (u % 1.0) - 1.0
    middle = np.abs(u - TEETH_IN_ROW / 2)[None]
    gum_edge = 0.02 + 0.16 * across**2
    biting_edge = 1.0 - (0.03 if lower else 0.06) * np.abs(across) ** 4 - 0.02 * (np.floor(u) % 2)
    is_tooth = np.clip((v - gum_edge) * 9.0, 0.0, 1.0)[..., None]
    bulge = 1.0 - 0.14 * np.abs(across) ** 5 - 0.05 * across**2
    between = 1.0 - 0.2 * np.exp(-(((1.0 - np.abs(across)) / 0.07) ** 2)) * np.clip(v + 0.2, 0.3, 1.0)
    back = 1.0 - 0.055 * middle - 0.006 * middle**2
    length = 0.88 + 0.12 * np.clip(v / 0.5, 0, 1) - 0.06 * np.clip((v - 0.75) / 0.25, 0, 1)
    shade = bulge[None] * between * back * length * (0.9 if lower else 1.0)
    picture = colours.gum * (0.92 - 0.05 * middle[..., None]) * (1 - is_tooth)
    picture = picture + colours.tooth * shade[..., None] * is_tooth
    cover = np.clip((biting_edge[None] - v) * 12.0 + 0.5, 0.0, 1.0)
    cover = cover * np.clip((v + GUM_SPAN) * 4.0, 0.0, 1.0)
    detail_px = int(np.clip(round(0.09 * face_width_px), 4, size))
    across_px, down_px = TEETH_IN_ROW * detail_px, int(2.25 * detail_px)
    scaled = [
        cv2.resize(np.clip(layer, 0, 255).astype(np.float32), (across_px, down_px), interpolation=cv2.INTER_AREA)
        for layer in (picture, cover * 255.0)
    ]
    return make_texture(np.rint(scaled[0]).astype(np.uint8), np.rint(scaled[1]).astype(np.uint8), 0.0, 0.0, detail_px)


def texture_places(uv: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where a tooth mesh's vertices lie in `teeth_texture`: float32 (n, 2), in teeth."""
    return np.ascontiguousarray(np.stack([uv[:, 0], uv[:, 1] + GUM_SPAN], -1), np.float32) - np.float32(0.01)


def _arc(x: NDArray[np.intp], y: NDArray[np.float64], at: NDArray[np.intp]) -> NDArray[np.float64]:
    """A parabola through (x, y) that does not mind outliers, such as shine on the lip below, evaluated at `at`."""
    middle, reach = float(x.mean()), max(float(np.ptp(x)) / 2, 1.0)
    keep = np.ones(len(x), np.bool_)
    line = np.array([0.0, 0.0, float(np.median(y))])
    for _ in range(4):
        if keep.sum() < 4:
            break
        line = np.polyfit((x[keep] - middle) / reach, y[keep], 2)
        off = y - np.polyval(line, (x - middle) / reach)
        keep = off < max(0.8, 0.8 * float(np.median(np.abs(off))))
    return np.asarray(np.polyval(line, (at - middle) / reach))


@dataclass(frozen=True, slots=True)
class CutTeeth:
    """The upper teeth cut out of a photo."""

    colours: NDArray[np.uint8]
    """uint8 (h, w, 3) RGB."""
    cover: NDArray[np.float64]
    """float64 (h, w), 0..1."""
    corners: NDArray[np.float32]
    """float32 (4, 3): of the patch in canvas px, with depth, clockwise from the upper left."""


def own_teeth(avatar: Avatar, teeth: NDArray[np.bool_]) -> OwnTeeth | None:
    """The photo's own upper teeth as a texture; None if it shows too few."""
    cut = cut_teeth(avatar, teeth)
    if cut is None:
        return None
    left, top = cut.corners[0, :2]
    return OwnTeeth(
        make_texture(cut.colours, np.rint(cut.cover * 255).astype(np.uint8), float(left), float(top)), cut.corners
    )


def cut_teeth(avatar: Avatar, teeth: NDArray[np.bool_]) -> CutTeeth | None:
    """Cut the photo's own upper teeth out; None if it shows too few."""
    width = avatar.face_width_px
    hole = lip_hole(avatar)
    if int(teeth.sum()) < max(_OWN_MIN_PX, 0.0022 * width * width):
        return None
    rows, columns = np.nonzero(grown(hole, 0.06 * width))
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    part = np.s_[top:bottom, left:right]
    mouth = hole[part] | teeth[part]
    picture = avatar.photo[part]
    seen = teeth[part]
    # The row from its first to its last column, its lower edge smoothed: single pixels of lip or dark would look torn.
    count = seen.sum(0)
    inside_row = np.flatnonzero(count >= max(2.0, 0.3 * float(np.median(count[count > 0]))))
    first, last = int(inside_row[0]), int(inside_row[-1])
    at = np.arange(right - left)
    lowest = np.array([float(np.flatnonzero(seen[:, c])[-1]) + 1.0 for c in inside_row])
    highest = np.array([float(np.flatnonzero(mouth[:, c])[0]) for c in inside_row])
    lowest = np.minimum(lowest, highest + 0.085 * width)
    edge = np.minimum(_arc(inside_row, lowest, at) + 0.006 * width, np.interp(at, inside_row, lowest) + 1.0)
    edge = ndimage.gaussian_filter1d(edge, 0.02 * width, mode="nearest")
    start = ndimage.gaussian_filter1d(np.interp(at, inside_row, highest), 0.012 * width, mode="nearest")
    row = np.arange(bottom - top)[:, None]
    # Behind the upper lip the row goes on (gum): drawn on upwards from what is seen.
    cover = np.clip(edge - row, 0.0, 1.0) * np.clip(row - start + 0.05 * width, 0.0, 1.0)
    ends = np.minimum(at - first + 1.0, last - at + 1.0) / (0.02 * width)
    cover = cover * np.clip(ends, 0.0, 1.0)
    body = (seen | grown(seen, 0.015 * width)) & hole[part] & (row < edge) & (row >= start)
    filled = fill_from_around(picture, ~(body | seen), max(0.008 * width, 0.7))
    depth = float(avatar.landmarks[list(topo.UPPER_LIP[0][3:8]), 2].mean()) + 0.06 * width
    corners = [[left, top, depth], [right, top, depth], [right, bottom, depth], [left, bottom, depth]]
    return CutTeeth(filled, np.asarray(cover, np.float64), np.array(corners, np.float32))
