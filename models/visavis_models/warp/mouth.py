"""The mouth of one portrait: lips mended where the photo shows teeth, and everything that parted lips reveal.

While the lips are as in the photo, the photo's own pixels stay; as soon as they part differently, mended lips and a
drawn inside take over. Knows nothing of heads, bodies or time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.face import topology as topo
from visavis_models.face.model import FaceModel
from visavis_models.face.rig import DrivenFace
from visavis_models.raster import affine_planes, rasterise
from visavis_models.warp import teeth as dentist
from visavis_models.warp.filling import distance_px, fill_from_around, grown, polygon_mask, soft_mask
from visavis_models.warp.openings import Line, Opening, lay_in, make_opening
from visavis_models.warp.sampling import Texture, draw, make_texture

_UPPER, _LOWER = np.array(topo.UPPER_LIP[0]), np.array(topo.LOWER_LIP[0])
_OTHER_GAP = 0.014
"""From this change of the lip gap (face widths) on nothing of the photo's own mouth opening is left."""
_CORNERS = np.array(topo.UPPER_LIP[3])[[0, -1]]
_CORNER_SHARE = 0.7
"""How far the opening goes from the inner towards the outer corners of the lips."""
_SEAM_PX = 0.0065
_SHADE_DEPTH = 0.06


@dataclass(frozen=True, slots=True)
class Scene:
    """One frame in the making."""

    frame: NDArray[np.uint8]
    """uint8 (H, W, 3) RGB, changed in place."""
    number: NDArray[np.int32]
    """int32 (H, W): triangle of the person's mesh at each pixel."""
    planes: NDArray[np.float32]
    """float32 (M, 2, 5): the photo's coordinates on these triangles."""


def smoothstep(x: float) -> float:
    """0 below 0, 1 above 1, smooth between."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3.0 - 2.0 * x)


def _to_the_corners(points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Inner edges of both lips, float32 (11, 2) each, led on to where lips really meet.

    Landmarks end inside the mouth; a visible opening that ended there would leave dark dots beside it.
    """
    upper, lower = points[_UPPER, :2].copy(), points[_LOWER, :2].copy()
    corner = points[_CORNERS, :2]
    upper[[0, -1]] += _CORNER_SHARE * (corner - upper[[0, -1]])
    lower[[0, -1]] = upper[[0, -1]]
    return upper, lower


def _face_only(avatar: Avatar) -> tuple[Avatar, int, int]:
    """The part of a portrait round the face's points, and where its left upper corner lies: a tenth of the work."""
    reach = 0.15 * avatar.face_width_px
    points = avatar.landmarks[:, :2]
    left, top = (max(int(low - reach), 0) for low in points.min(0))
    right, bottom = (int(high + reach) + 2 for high in points.max(0))
    part = np.s_[top:bottom, left:right]
    if avatar.matte[part].size == 0:
        return avatar, 0, 0
    layers = {name: getattr(avatar, name)[part] for name in ("photo", "matte", "foreground", "plate")}
    landmarks = avatar.landmarks - np.array([left, top, 0], np.float32)
    return replace(avatar, landmarks=landmarks, **layers), left, top


def _moved(texture: Texture, left: int, top: int) -> Texture:
    return replace(texture, left=texture.left + left, top=texture.top + top)


class Mouth:
    """Draws one portrait's mouth. Immutable once made."""

    def __init__(self, avatar: Avatar, model: FaceModel) -> None:
        avatar, left, top = _face_only(avatar)
        self._width = avatar.face_width_px
        lips = avatar.landmarks[:, :2]
        self._own_gap = lips[_LOWER] - lips[_UPPER]
        corners = _to_the_corners(lips)[0][[0, -1]]
        self._own_length_px = max(float(np.hypot(*(corners[1] - corners[0]))), 1.0)
        visible = dentist.visible_teeth(avatar)
        self._colours = dentist.mouth_colours(avatar, visible)
        self._lips = _moved(self._mended_lips(avatar, visible), left, top)
        own = dentist.own_teeth(avatar, visible)
        shift = np.array([left, top, 0.0], np.float32)
        self._own_teeth = own and dentist.OwnTeeth(_moved(own.texture, left, top), own.corners + shift)
        self._model = model
        self._parts = (
            (model.teeth_lower, dentist.teeth_texture(self._colours, self._width, lower=True)),
            (model.teeth_upper, dentist.teeth_texture(self._colours, self._width, lower=False)),
        )
        self._tongue_places, self._tongue = self._tongue_texture()

    def _mended_lips(self, avatar: Avatar, visible: NDArray[np.bool_]) -> Texture:
        """The photo around the mouth with the opening filled by the colours of the lips."""
        width = self._width
        hole = dentist.lip_hole(avatar)
        points = avatar.landmarks[_UPPER, :2], avatar.landmarks[_LOWER, :2]
        reach = int(0.2 * width)
        low = np.floor(np.minimum(points[0].min(0), points[1].min(0))).astype(int) - reach
        high = np.ceil(np.maximum(points[0].max(0), points[1].max(0))).astype(int) + reach
        left, top = np.maximum(low, 0)
        right, bottom = min(high[0], avatar.width_px), min(high[1], avatar.height_px)
        part = np.s_[top:bottom, left:right]
        seam = hole.copy()
        for k in range(len(_UPPER)):
            for row in points:
                x, y = np.rint(row[k]).astype(int)
                if 0 <= x < avatar.width_px and 0 <= y < avatar.height_px:
                    seam[y, x] = True
        is_open = float(self._own_gap[1:-1, 1].max()) > 0.02 * width
        replaced = grown(seam, (0.018 if is_open else 0.01) * width) | grown(visible, 0.012 * width)
        # The dark line between shut lips lies beside the landmarks as often as on them.
        light = avatar.photo.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        ring = grown(seam, 0.05 * width) & ~grown(seam, 0.02 * width)
        dark = light < 0.85 * float(np.median(light[ring]))
        if is_open:
            # The dark of the corners reaches out between the lips.
            dark = light < 0.62 * float(np.median(light[ring]))
            hole = grown(hole, max(0.007 * width, 1.0)) | (dark & grown(hole, 0.035 * width))
            hole = grown(hole, max(0.008 * width, 1.0))
        else:
            replaced |= grown(dark & grown(seam, 0.03 * width), 0.008 * width)
        # Never more than the inner part of a lip, or thin lips would be painted over with skin.
        outline = [*topo.UPPER_LIP[3], *topo.LOWER_LIP[3][-2:0:-1]]
        to_skin = distance_px(~polygon_mask(avatar.landmarks[outline, :2], hole.shape))
        replaced &= (distance_px(seam) <= 0.45 * to_skin) | grown(visible, 1.0)
        replaced |= hole
        mended = fill_from_around(avatar.photo[part], replaced[part], max(0.012 * width, 0.8))
        cover = soft_mask(grown(replaced, 0.01 * width)[part], 0.016 * width)
        return make_texture(mended, cover, float(left), float(top))

    def _tongue_texture(self) -> tuple[NDArray[np.float32], Texture]:
        """Shaded by place on the tongue: brighter on its back's middle and tip, dark towards the throat."""
        vertices = self._model.tongue.vertices
        low, high = vertices.min(0), vertices.max(0)
        relative = (vertices - low) / np.maximum(high - low, 1e-6)
        places = np.ascontiguousarray(relative[:, [0, 2]], np.float32) * np.float32(0.98)
        x = np.linspace(-1, 1, 48)[None, :, None]
        z = np.linspace(0, 1, 48)[:, None, None]
        shade = 1.0 - 0.25 * np.abs(x) ** 2 - 0.07 * np.exp(-((x / 0.12) ** 2))
        # Towards the throat it sinks into the dark: its far edge must not show.
        lit = 1.0 - np.clip(z * 1.9, 0, 1) ** 0.8
        cavity = self._colours.cavity
        picture = np.clip(cavity + (self._colours.tongue * shade - cavity) * lit, 0, 255).astype(np.uint8)
        return places, make_texture(picture, None, 0.0, 0.0, 48.0)

    def _change(self, points: NDArray[np.float32]) -> float:
        """0 while the lips part as in the photo, 1 once they clearly do not."""
        gap = points[_LOWER, :2] - points[_UPPER, :2]
        scale = self._width
        most = float(np.abs(np.hypot(*gap.T) - np.hypot(*self._own_gap.T)).max()) / scale
        return smoothstep((most - 0.002) / _OTHER_GAP)

    def paint(
        self,
        scene: Scene,
        points: NDArray[np.float32],
        driven: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]],
        skull: NDArray[np.float32],
        tongue_out: float,
    ) -> None:
        """Draw the mouth into a frame.

        Args:
            scene: the frame with the skin already in it.
            points: float32 (478, 3): where the landmarks are in it.
            driven: lower teeth, upper teeth and tongue, float32 (n, 3) each, in px of the frame.
            skull: float32 (3, 4): where the head's rigid motion carries the photo's points.
            tongue_out: 0..1.
        """
        change = self._change(points)
        if change <= 0.0:
            return
        opening = make_opening(*_to_the_corners(points))
        height, width = scene.frame.shape[:2]
        left, top, right, bottom = opening.box(0.07 * self._width, width, height)
        if right - left < 2 or bottom - top < 2:
            return
        part = np.s_[top:bottom, left:right]
        skin = scene.frame[part].copy()
        draw(np.ascontiguousarray(scene.number[part]), scene.planes, self._lips, skin, (left, top))
        inside = self._inside((left, top), skin.shape[:2], driven, skull, tongue_out)
        # Where lips touch there is a line between them, at the corners even while the mouth is open.
        seam = Line(
            0.72 * change, 0.5, max(_SEAM_PX * self._width, 0.55),
            tuple(float(c) for c in self._colours.seam), 0.03 * self._width,  # type: ignore[arg-type]
        )  # fmt: skip
        # Pursed lips stand out in front of the teeth and leave them in the dark.
        pursed = smoothstep(1.25 * (1.0 - opening.length_px / self._own_length_px))
        lay_in(
            scene.frame, skin, inside, (left, top), opening,
            skin_share=change, inside_share=change, soft_px=0.15 + 0.0035 * self._width,
            shade=0.62 + 0.25 * pursed, depth_px=(_SHADE_DEPTH + 0.12 * pursed) * self._width, line=seam,
        )  # fmt: skip

    def _inside(
        self,
        origin: tuple[int, int],
        size: tuple[int, int],
        driven: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]],
        skull: NDArray[np.float32],
        tongue_out: float,
    ) -> NDArray[np.uint8]:
        """Cavity, tongue and teeth: uint8 (h, w, 3)."""
        inside = np.empty((*size, 3), np.uint8)
        inside[:] = self._colours.cavity.astype(np.uint8)
        lower, upper, tongue = driven

        def lay(
            points: NDArray[np.float32], triangles: NDArray[np.integer], places: NDArray[np.float32], texture: Texture
        ) -> None:
            rows = np.ascontiguousarray(triangles, np.int32)
            points = np.ascontiguousarray(points, np.float32)
            number, _ = rasterise(points, rows, size, origin)
            draw(number, affine_planes(points, rows, places), texture, inside, origin)

        model = self._model
        if tongue_out < 0.5:
            lay(tongue, model.tongue.triangles, self._tongue_places, self._tongue)
        lay(lower, model.teeth_lower.triangles, dentist.texture_places(model.teeth_lower.uv), self._parts[0][1])
        if tongue_out >= 0.5:
            lay(tongue, model.tongue.triangles, self._tongue_places, self._tongue)
        if self._own_teeth is None:
            lay(upper, model.teeth_upper.triangles, dentist.texture_places(model.teeth_upper.uv), self._parts[1][1])
        else:
            rest = self._own_teeth.corners
            moved = rest @ skull[:, :3].T + skull[:, 3]
            lay(moved, np.array([[0, 1, 2], [0, 2, 3]]), np.ascontiguousarray(rest[:, :2]), self._own_teeth.texture)
        return inside


__all__ = ["DrivenFace", "Mouth", "Opening", "Scene", "smoothstep"]
