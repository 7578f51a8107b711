"""The background made ready to be uncovered: without leftovers of the person, and as grainy where a head was as beside.

Knows nothing of motion or drawing.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.warp.body import roaming
from visavis_models.warp.filling import distance_px, fill_from_around, grown
from visavis_models.warp.hair import hair_share
from visavis_models.warp.mesh import head_weights

_SEEN = 20
"""From this coverage (of 255) on a pixel is the person's; fainter ones are mostly the matte's uncertainty."""
_RING, _RING_LEAST_PX = 0.042, 4.0
"""How far outside the person (face widths) the matte's leftovers are looked for; further, lamps would go."""


_SLEEVE = 60.0
"""Grey levels by which no outline stands out from the background."""


def clean_plate(avatar: Avatar) -> NDArray[np.uint8]:
    """The background without what a matte leaves behind: stray hair and a thin outline along the person.

    As long as the person stands still they are nearly invisible; a head that turns away would leave them hanging.
    """
    width = avatar.face_width_px
    person = avatar.matte > _SEEN
    if person.all() or not person.any():
        return avatar.plate
    away = distance_px(person) - distance_px(~person)  # px, negative inside
    ring = max(_RING * width, _RING_LEAST_PX)
    near = _box(away < 0.2 * width, 2)
    if near is None:
        return avatar.plate
    away, plate = away[near], avatar.plate[near].astype(np.float32)
    faint = grown(avatar.matte[near] > 0, 0.3 * ring + 1.0) & (away > 0)
    known = (away >= ring) & ~faint
    if not known.any():
        return avatar.plate
    # Outside the person only what stands out from its surroundings goes, and more so than these do by themselves.
    smooth = fill_from_around(avatar.plate[near], ~known, max(0.02 * width, 1.0)).astype(np.float32)
    odd = cv2.GaussianBlur(np.abs(plate - smooth).max(2), (0, 0), max(0.006 * width, 0.6))
    odd -= _busyness(plate, known, width) * np.clip(away / (0.5 * ring) - 0.5, 0.0, 1.0)
    fades = np.clip((ring - away) / (0.8 * ring), 0.0, 1.0)
    stray = np.clip((odd - 6.0) / 8.0, 0.0, 1.0)
    # Along a head the plate is a guess even where the matte is hardly there: a thin line of it would hang in the air.
    guessed = np.maximum(grown(avatar.matte[near] > 0, 1.0), np.clip((odd - 1.5) / 3.0, 0.0, 1.0) * faint) * fades
    by_head = np.maximum(stray * np.maximum(fades, faint), guessed)
    inside = np.clip((away / width + 0.4) / 0.1, 0.0, 1.0)
    # A body is cut out less surely: what stands out by far or shines through is a sleeve's, and stays where it is.
    sure = np.clip((avatar.matte[near] - 200.0) / 50.0, 0.0, 1.0)
    rim = np.clip((odd - 3.0) / 5.0, 0.0, 1.0) * np.clip((0.5 * ring - away) / (0.25 * ring), 0.0, 1.0)
    stray = np.maximum(stray * fades, rim) * np.clip((_SLEEVE - odd) / (0.5 * _SLEEVE), 0.0, 1.0)
    by_body = np.where(away > 0, stray, inside * sure)
    by_head = np.where(away > 0, by_head, inside)
    # Feet and whatever else hardly leaves its place: there the photo's own pixels are worth more.
    rows, columns = np.nonzero(~known & ((inside > 0) | (away > 0)))
    places = np.stack([columns + near[1].start, rows + near[0].start], 1).astype(np.float64)
    share = np.zeros(away.shape, np.float32)
    of_hair = np.clip(4.0 * hair_share(avatar)[near][rows, columns], 0.0, 1.0)
    of_head = np.maximum(head_weights(avatar, places), of_hair)
    for wanted, follow in ((by_body, roaming(avatar, places)), (by_head, of_head)):
        share[rows, columns] = np.maximum(share[rows, columns], wanted[rows, columns] * follow)
    plate += (smooth - plate) * share[..., None]
    result = avatar.plate.copy()
    result[near] = np.clip(plate + 0.5, 0, 255)
    return result


def _box(mask: NDArray[np.bool_], margin: int) -> tuple[slice, slice] | None:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = mask.shape
    if not len(rows):
        return None
    return (
        slice(max(0, int(rows[0]) - margin), min(height, int(rows[-1]) + margin + 1)),
        slice(max(0, int(columns[0]) - margin), min(width, int(columns[-1]) + margin + 1)),
    )


def _busyness(plate: NDArray[np.float32], known: NDArray[np.bool_], width: float) -> NDArray[np.float32]:
    """How much the background nearby varies by itself, in grey levels: float32 (h, w)."""
    reach = max(0.1 * width, 2.0)
    weight = known.astype(np.float32)
    scale = max(int(reach / 6.0), 1)
    small = max(plate.shape[1] // scale, 1), max(plate.shape[0] // scale, 1)
    rough = np.abs(plate - cv2.blur(plate, (2 * int(0.05 * width) + 3,) * 2)).max(2) * weight
    sums = [
        cv2.GaussianBlur(cv2.resize(layer, small, interpolation=cv2.INTER_AREA), (0, 0), reach / scale)
        for layer in (rough, weight)
    ]
    mean = sums[0] / np.maximum(sums[1], 1e-3)
    return np.asarray(cv2.resize(mean, plate.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
