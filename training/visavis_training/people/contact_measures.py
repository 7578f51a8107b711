"""Measures contact on finished meshes by drawing them: slits between shut lips, crossing lips, bare eyeballs.

Independent of how contact is solved: it sees triangles only. Uses the product's rasteriser, person by person. Knows
nothing of expressions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visavis_models.raster import rasterise
from visavis_training.people.anatomy import REGIONS, Anatomy

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_PX_PER_MOUTH = 100
_MARGIN = 0.04
"""Share of the mouth's width next to each corner that is not judged: the corner itself is a fold."""
_EYE_PX = 160
_EYE_BOX_DM = 0.62
_TOO_FAR = 1e8


def _near(points: Floats, triangles: Ints, low: Floats, high: Floats) -> NDArray[np.bool_]:
    corners = points[triangles]
    return np.asarray(((corners.max(1) > low) & (corners.min(1) < high)).all(1))


class ContactMeasures:
    """Measures of one anatomy's people."""

    def __init__(self, anatomy: Anatomy) -> None:
        self._triangles: Ints = anatomy.triangles.cpu().numpy()
        self._region = anatomy.region.cpu().numpy()
        self._flesh = np.isin(
            self._region, [REGIONS.index(n) for n in ("skin", "lips", "ears", "neck", "body", "lashes")]
        )
        side = np.zeros(anatomy.vertex_count, np.int8)
        lips = anatomy.lips
        zone = lips.zone.cpu().numpy()
        side[zone[(lips.upper_pull > 0).cpu().numpy()]] = 1
        side[zone[(lips.lower_pull > 0).cpu().numpy()]] = 2
        of_lips = self._region == REGIONS.index("lips")
        self._upper = of_lips & (side[self._triangles] == 1).all(1)
        self._lower = of_lips & (side[self._triangles] == 2).all(1)
        self._lashes = self._region == REGIONS.index("lashes")
        self._ball = {s: self._region == REGIONS.index(f"eye_{s}") for s in ("left", "right")}

    def slit(self, points: Floats, corners: Floats) -> float:
        """The tallest opening between closed lips seen from the front, in mouth widths.

        Args:
            points: (V, 3), head not turned.
            corners: (2, 3) of the mouth.
        """
        width = float(abs(corners[1, 0] - corners[0, 0]))
        scale = _PX_PER_MOUTH / width
        left, top = corners[:, 0].min(), corners[:, 1].mean() - 0.5 * width
        chosen = np.flatnonzero(
            _near(points, self._triangles, np.array([left, top, -9], np.float32),
                  np.array([left + width, top + width, float(corners[0, 2]) + 0.5], np.float32)) & ~self._lashes
        )  # fmt: skip
        pixels = np.stack([(points[:, 0] - left) * scale, (points[:, 1] - top) * scale, points[:, 2] + 9], 1)
        number, _ = rasterise(
            np.ascontiguousarray(pixels, np.float32), self._triangles[chosen].astype(np.int32),
            (_PX_PER_MOUTH, _PX_PER_MOUTH),
        )  # fmt: skip
        bare = (number >= 0) & ~self._flesh[chosen[np.maximum(number, 0)]]
        margin = int(_MARGIN * _PX_PER_MOUTH)
        bare = bare[:, margin:-margin]
        run = np.zeros(bare.shape[1], int)
        longest = 0
        for row in bare:
            run = (run + 1) * row
            longest = max(longest, int(run.max()))
        return longest / _PX_PER_MOUTH

    def crossing(self, points: Floats, corners: Floats) -> float:
        """How deep the upper lip lies inside the lower one, seen along the vertical, in mouth widths; 0 for none."""
        width = float(abs(corners[1, 0] - corners[0, 0]))
        scale = _PX_PER_MOUTH / width
        left, front = corners[:, 0].min(), float(points[self._triangles[self._upper]][..., 2].min()) - 0.02
        size = (int(0.6 * _PX_PER_MOUTH), _PX_PER_MOUTH)
        heights = []
        for mask, sign in ((self._upper, -1.0), (self._lower, 1.0)):
            pixels = np.stack(
                [(points[:, 0] - left) * scale, (points[:, 2] - front) * scale, sign * points[:, 1] + 9], 1
            )
            _, depth = rasterise(np.ascontiguousarray(pixels, np.float32), self._triangles[mask].astype(np.int32), size)
            heights.append(np.where(depth < _TOO_FAR, sign * (depth - 9), np.nan))
        margin = int(_MARGIN * _PX_PER_MOUTH)
        overlap = (heights[0] - heights[1])[:, margin:-margin]
        return float(max(np.nanmax(overlap, initial=0.0), 0.0)) / width

    def bare_eyeball(self, points: Floats, centre: Floats, side: str) -> int:
        """Pixels, of a front view with `160 / 0.62` px to the dm, in which the eyeball of a side is seen."""
        scale = _EYE_PX / _EYE_BOX_DM
        corner = centre[:2] - _EYE_BOX_DM / 2
        low = np.array([*corner, -9], np.float32)
        high = np.array([*(corner + _EYE_BOX_DM), 9], np.float32)
        chosen = np.flatnonzero(_near(points, self._triangles, low, high) & ~self._lashes)
        pixels = np.concatenate([(points[:, :2] - corner) * scale, points[:, 2:] + 9], 1)
        number, _ = rasterise(
            np.ascontiguousarray(pixels, np.float32), self._triangles[chosen].astype(np.int32), (_EYE_PX, _EYE_PX)
        )
        return int(((number >= 0) & self._ball[side][chosen[np.maximum(number, 0)]]).sum())
