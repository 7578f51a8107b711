"""The eyes of one portrait: gaze moves the photo's own iris under the lids, lids close over it with clean skin.

While an eye is as in the photo, its pixels stay the photo's. Knows nothing of heads, mouths or time.
"""

from __future__ import annotations

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.face import topology as topo
from visavis_models.warp.filling import distance_px, fill_from_around, grown, polygon_mask, soft_mask
from visavis_models.warp.lashes import Lashes, draw_lashes, find_lashes
from visavis_models.warp.mouth import Scene, smoothstep
from visavis_models.warp.openings import Line, lay_in, make_opening
from visavis_models.warp.sampling import Texture, draw, make_texture

_LOOK = "void(u4[:,::1], f4, f4, i4, i4, f4, f4, f4, f4, f4, f4, f4, f4, f4, u1[:,:,::1])"


@numba.njit(_LOOK, nogil=True, cache=True, fastmath=True)
def _look(words, shift_x, shift_y, left, top, a, b, tx, ty, iris_x, iris_y, radius, gaze_x, gaze_y, out):  # type: ignore[no-untyped-def]
    # Every pixel is carried back into the photo's eye; the iris is carried as a disc, the white around it gives way.
    last_x, last_y = words.shape[1] - 2, words.shape[0] - 2
    one = np.float32(1)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            px, py = np.float32(x + left), np.float32(y + top)
            u, v = a * px - b * py + tx, b * px + a * py + ty
            dx, dy = u - iris_x - gaze_x, v - iris_y - gaze_y
            away = np.sqrt(dx * dx + dy * dy) / radius
            t = min(max((away - np.float32(1.2)) / np.float32(1.8), np.float32(0)), one)
            hold = one - t * t * (np.float32(3) - t - t)
            u = (u - gaze_x * hold) * np.float32(2) + shift_x
            v = (v - gaze_y * hold) * np.float32(2) + shift_y
            column = min(max(int(np.floor(u)), 0), last_x)
            row = min(max(int(np.floor(v)), 0), last_y)
            fx = min(max(u - np.float32(column), np.float32(0)), one)
            fy = min(max(v - np.float32(row), np.float32(0)), one)
            p00, p01 = words[row, column], words[row, column + 1]
            p10, p11 = words[row + 1, column], words[row + 1, column + 1]
            for c in range(3):
                s = np.uint32(8 * c)
                v00, v01 = np.float32((p00 >> s) & 255), np.float32((p01 >> s) & 255)
                v10, v11 = np.float32((p10 >> s) & 255), np.float32((p11 >> s) & 255)
                upper = v00 + (v01 - v00) * fx
                lower = v10 + (v11 - v10) * fx
                out[y, x, c] = np.uint8(upper + (lower - upper) * fy + np.float32(0.5))


class Eye:
    """Draws one eye of one portrait. Immutable once made."""

    def __init__(self, avatar: Avatar, upper: tuple[int, ...], lower: tuple[int, ...], iris: tuple[int, ...]) -> None:
        self._face_width = avatar.face_width_px
        self._upper, self._lower, self._iris = np.array(upper), np.array(lower), np.array(iris)
        if avatar.landmarks[upper[0], 0] > avatar.landmarks[upper[-1], 0]:
            self._upper, self._lower = self._upper[::-1].copy(), self._lower[::-1].copy()
        rest = avatar.landmarks[:, :2].astype(np.float64)
        self._rest = rest
        self._rest_corners = rest[self._upper[[0, -1]]]
        self._width = float(np.hypot(*(self._rest_corners[1] - self._rest_corners[0])))
        self._rest_gap = np.hypot(*(rest[self._lower] - rest[self._upper]).T)
        self._centre = rest[self._iris[0]]
        self._radius = float(np.hypot(*(rest[self._iris[1:]] - self._centre).T).mean())
        ring = np.concatenate([rest[self._upper], rest[self._lower][-2:0:-1]])
        reach = 0.6 * self._width
        low = np.maximum(np.floor(ring.min(0) - reach).astype(int), 0)
        high = np.ceil(ring.max(0) + reach).astype(int)
        part = np.s_[low[1] : min(high[1], avatar.height_px), low[0] : min(high[0], avatar.width_px)]
        picture = avatar.photo[part]
        hole = polygon_mask(ring - low, picture.shape[:2])
        self._lids, self._lashes = self._clean_lids(picture, hole, low)
        self._ball = self._whole_ball(picture, hole, low)

    def _clean_lids(
        self, picture: NDArray[np.uint8], hole: NDArray[np.bool_], low: NDArray[np.int64]
    ) -> tuple[Texture, Lashes]:
        """Lids without lashes and eye, and the lashes."""
        wide = 0.25 * self._width
        replaced = grown(hole, wide)
        light = picture.astype(np.float64) @ [0.299, 0.587, 0.114]
        # Lashes stick out, most of all at the outer corner: what is darker than the skin around it goes too.
        skin = cv2.GaussianBlur(np.where(replaced, np.median(light[~replaced]), light), (0, 0), 0.2 * self._width)
        sticking_out = grown(hole, 0.32 * self._width) & (light < 0.86 * skin)
        replaced |= grown(sticking_out, max(0.09 * self._width, 2.0))
        rim = replaced & ~grown(hole, -1.0)
        dark = picture[rim & (light <= np.percentile(light[rim], 25))].astype(np.float64).mean(0)
        mended = fill_from_around(picture, replaced, max(0.05 * self._width, 0.8))
        # Laid over softly from its rim inwards: no outline shows where the mending begins.
        cover = soft_mask(grown(replaced, -0.06 * self._width), 0.09 * self._width)
        texture = make_texture(mended, cover, float(low[0]), float(low[1]))
        red, green, blue = (float(c) for c in dark * 0.6)
        opening = make_opening(*((self._rest[row] - low).astype(np.float32) for row in (self._upper, self._lower)))
        return texture, find_lashes(picture, mended, opening, (red, green, blue))

    def _whole_ball(self, picture: NDArray[np.uint8], hole: NDArray[np.bool_], low: NDArray[np.int64]) -> Texture:
        """The eyeball as if there were no lids: white filled in from what is seen of it, the iris made a whole disc."""
        seen = grown(hole, -max(0.03 * self._width, 0.7))
        if seen.sum() < 6:
            seen = hole
        yy, xx = np.mgrid[: picture.shape[0], : picture.shape[1]]
        dx, dy = xx - (self._centre[0] - low[0]), yy - (self._centre[1] - low[1])
        away = np.hypot(dx, dy) / self._radius
        in_iris = away < 1.12
        white = seen & ~in_iris
        result = (
            fill_from_around(picture, ~white, max(0.06 * self._width, 0.8), grain=False)
            if white.any()
            else picture.copy()
        )
        # Lids shade what lies close to them.
        under_lid = np.clip(distance_px(seen) / (0.04 * self._width), 0.0, 1.0)[..., None]
        result = np.where(white[..., None], picture, result * (1.0 - 0.1 * under_lid))
        # The iris: its own pixels where seen, else the pixel opposite, else the mean of its ring.
        disc = picture.astype(np.float64)
        iris_seen = seen & (away < 1.25)
        rings = np.clip((away * 8).astype(int), 0, 9)
        for ring in range(10):
            known = iris_seen & (rings == ring)
            mean = picture[known].astype(np.float64).mean(0) if known.any() else None
            hidden = (rings == ring) & ~iris_seen
            if mean is not None:
                disc[hidden] = mean
        opposite_y = np.clip(np.rint(yy - 2 * dy).astype(int), 0, picture.shape[0] - 1)
        mirrored = ~iris_seen & iris_seen[opposite_y, xx] & (away < 1.25)
        disc[mirrored] = 0.5 * disc[mirrored] + 0.5 * picture[opposite_y, xx][mirrored]
        share = np.clip((1.15 - away) / 0.2, 0.0, 1.0)[..., None]
        blended = result * (1 - share) + disc * share
        blended = np.where(seen[..., None], picture, np.clip(blended, 0, 255))
        return make_texture(np.rint(blended).astype(np.uint8), None, float(low[0]), float(low[1]))

    def paint(self, scene: Scene, points: NDArray[np.float32], closed: float) -> None:
        """Draw the eye into a frame.

        Args:
            scene: the frame with the skin already in it.
            points: float32 (478, 3): where the landmarks are in it.
            closed: 0 open as in the photo, 1 shut.
        """
        corners = points[self._upper[[0, -1]], :2].astype(np.float64)
        back = complex(*(self._rest_corners[1] - self._rest_corners[0])) / complex(*(corners[1] - corners[0]))
        shift = complex(*self._rest_corners[0]) - back * complex(*corners[0])
        looked = back * complex(*points[self._iris[0], :2].astype(np.float64)) + shift
        gaze = looked - complex(*self._centre)
        gap = np.hypot(*(points[self._lower, :2] - points[self._upper, :2]).T) * abs(back)
        lids_moved = float(np.abs(gap - self._rest_gap).max()) / self._width
        inside_share = max(smoothstep(abs(gaze) / (0.05 * self._width)), smoothstep((lids_moved - 0.01) / 0.05))
        skin_share = smoothstep((closed - 0.12) / 0.45)
        if inside_share <= 0.0 and skin_share <= 0.0:
            return
        opening = make_opening(points[self._upper, :2], points[self._lower, :2])
        height, width = scene.frame.shape[:2]
        left, top, right, bottom = opening.box(0.5 * self._width / abs(back), width, height)
        if right - left < 2 or bottom - top < 2:
            return
        part = np.s_[top:bottom, left:right]
        skin = scene.frame[part].copy()
        if skin_share > 0.0:
            draw(np.ascontiguousarray(scene.number[part]), scene.planes, self._lids, skin, (left, top))
        ball = np.empty_like(skin)
        texture = self._ball
        _look(
            texture.words, -2.0 * texture.left, -2.0 * texture.top, left, top, back.real, back.imag, shift.real,
            shift.imag, self._centre[0], self._centre[1], self._radius, gaze.real, gaze.imag, ball,
        )  # fmt: skip
        lash = Line(
            0.9 * smoothstep((closed - 0.08) / 0.4), 0.0, max(0.045 * self._width / abs(back), 0.7), self._lashes.colour
        )
        # A lid that rises above where the photo shows it uncovers what it shaded.
        risen = max(float(gap.mean()) / max(float(self._rest_gap.mean()), 0.5) - 1.0, 0.0)
        lay_in(
            scene.frame, skin, ball, (left, top), opening,
            skin_share=skin_share, inside_share=inside_share, soft_px=0.15 + 0.003 * self._face_width,
            shade=min(0.6 * risen, 0.15), depth_px=0.14 * self._width / abs(back), line=lash,
        )  # fmt: skip
        if skin_share > 0.0:
            draw_lashes(
                scene.frame, (left, top, right, bottom), self._lashes, opening,
                strength=skin_share, down=smoothstep((closed - 0.3) / 0.6),
            )  # fmt: skip


def make_eyes(avatar: Avatar) -> tuple[Eye, Eye]:
    """The person's left and right eye."""
    return (
        Eye(avatar, topo.LEFT_UPPER_LID, topo.LEFT_LOWER_LID, topo.LEFT_IRIS),
        Eye(avatar, topo.RIGHT_UPPER_LID, topo.RIGHT_LOWER_LID, topo.RIGHT_IRIS),
    )
