"""Lips that shut: the neutral face of a portrait with its mouth closed, and lips that never pass through each other.

Works in head space (dm). Knows nothing of eyes, head turns or pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT, ARKIT_COUNT
from visavis_models.face.fitting import FaceFit
from visavis_models.face.model import FaceModel
from visavis_models.face.topology import (
    FACE_OVAL,
    LANDMARK_COUNT,
    LOWER_LIP,
    LOWER_LIP_SKIN,
    MESH_COUNT,
    UPPER_LIP,
    UPPER_LIP_SKIN,
)

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

KEPT_SMILE = 0.5
"""Share of the photo's smile that stays in the face at rest: it is part of the person's look."""
MOST_RELAXED = 0.3
"""But no more of it than this is taken away: how a mouth looks without it is a guess, the worse the further it goes."""
SMILE_UNITS = (
    "mouthSmileLeft", "mouthSmileRight", "mouthDimpleLeft", "mouthDimpleRight", "cheekSquintLeft", "cheekSquintRight",
)  # fmt: skip
OPENING_UNITS = (
    "jawOpen", "mouthFunnel", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "mouthLowerDownLeft", "mouthLowerDownRight",
)  # fmt: skip
"""Taken out of the photo wholly where its mouth is open: what remains is the person's own shape of the lips."""

_UPPER_CLOSES = 0.15
"""The share of what still parts the lips that the upper one closes: a mouth is shut by its jaw."""
_OPEN_GAP = 0.05
"""Lip gap (dm) from which on a photo's mouth counts as fully open."""
_CALM_ABOVE, _MOVED_BELOW = 0.0, 0.2
"""Heights (dm) in the mean face between which the photo's own shape goes over into the closed one."""
_ROW_FOLLOWS = (1.0, 0.92, 0.82, 0.72)
"""How much each row of the lips, inner to outer, follows when the inner edges are brought together."""
_TOUCH_FROM = 0.03
"""Below this gap (dm) the two edges are drawn onto each other sideways and in depth too."""

_CORNER_STAYS = np.array([3.0, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.5, 3.0])
"""Next to the corners the outer rows follow less, by this factor of what they lag."""
_THINNEST = np.array([[0.35, 0.35, 0.35, 0.9], [0.35, 0.35, 0.35, 1.0]], np.float32)[:, :, None]
"""Neither lip, upper and lower, nor the skin beside it becomes thinner, row by row, than this share of its own."""

_UPPER = np.array([row[1:-1] for row in UPPER_LIP])
_LOWER = np.array([row[1:-1] for row in LOWER_LIP])
_FOLLOWS = 1.0 - (1.0 - np.array(_ROW_FOLLOWS)[:, None]) * _CORNER_STAYS  # (4, 9)
_UPPER_ROWS = np.concatenate([_UPPER, [UPPER_LIP_SKIN[1:-1]]])  # (5, 9), the skin last
_LOWER_ROWS = np.concatenate([_LOWER, [LOWER_LIP_SKIN[1:-1]]])
_LIP_ROWS = np.stack([_UPPER_ROWS, _LOWER_ROWS])  # (2, 5, 9)
_UPWARDS = np.array([1, -1], np.float32)[:, None, None]


def calm_share(model: FaceModel) -> Array:
    """(478, 1): 0 where the upper face keeps the photo's own shape exactly, 1 around the mouth."""
    height = (model.mean[:, 1].astype(np.float64) - _CALM_ABOVE) / (_MOVED_BELOW - _CALM_ABOVE)
    share = np.clip(height, 0.0, 1.0)
    return np.asarray((share**2 * (3 - 2 * share))[:, None])


def lip_gap(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """(..., 9) openings of the inner lip pairs between the corners, along y."""
    return np.asarray(points[..., _LOWER[0], 1] - points[..., _UPPER[0], 1])


def kept_expression(fit: FaceFit) -> Array:
    """(52,) what of the photo's expression stays in the neutral face and can be taken over by the motion's own."""
    kept = np.zeros(ARKIT_COUNT)
    for name in SMILE_UNITS:
        shown = float(fit.expression[ARKIT[name]])
        kept[ARKIT[name]] = max(KEPT_SMILE * shown, shown - MOST_RELAXED)
    return kept


def neutral_face(model: FaceModel, fit: FaceFit, points: Array) -> Array:
    """(478, 3) the portrait's own face with a relaxed, shut mouth, from its landmarks in head space."""
    openness = np.clip(lip_gap(points).mean() / _OPEN_GAP, 0.0, 1.0)
    removed, kept = np.zeros(ARKIT_COUNT), kept_expression(fit)
    for name in SMILE_UNITS:
        removed[ARKIT[name]] = fit.expression[ARKIT[name]] - kept[ARKIT[name]]
    for name in OPENING_UNITS:
        removed[ARKIT[name]] = openness * fit.expression[ARKIT[name]]
    calm = points - calm_share(model) * np.tensordot(removed, model.expression.astype(np.float64), 1)
    upper, lower = _UPPER[0], _LOWER[0]
    between = calm[lower] - calm[upper]
    seam = calm[upper] + np.where(between[:, 1:2] > 0, _UPPER_CLOSES, 0.5) * between
    return calm + _follow(model, seam - calm[upper], seam - calm[lower])


def _follow(model: FaceModel, upper: Array, lower: Array) -> Array:
    """(478, 3) how the whole face follows given displacements (9, 3) of both inner lip edges.

    The rows of the lips follow nearly as one piece, the upper face and the outline stay, the skin between is stretched
    evenly (each landmark moves as the mean of its neighbours).
    """
    neighbours = np.zeros((LANDMARK_COUNT, LANDMARK_COUNT))
    for a, b in ((0, 1), (1, 2), (2, 0)):
        first, second = model.triangles[:, a], model.triangles[:, b]
        neighbours[first, second] = neighbours[second, first] = 1.0
    known = np.zeros(LANDMARK_COUNT, np.bool_)
    moved = np.zeros((LANDMARK_COUNT, 3))
    known[calm_share(model)[:, 0] < 0.5] = True
    known[list(FACE_OVAL)] = True
    known[MESH_COUNT:] = True
    for row, share in enumerate(_FOLLOWS[:, :, None]):
        known[_UPPER[row]] = known[_LOWER[row]] = True
        moved[_UPPER[row]] = share * upper
        moved[_LOWER[row]] = share * lower
    for rows in (UPPER_LIP, LOWER_LIP):
        known[[row[end] for row in rows for end in (0, -1)]] = True
    free = ~known
    laplace = np.diag(neighbours.sum(1)) - neighbours
    moved[free] = np.linalg.solve(laplace[np.ix_(free, free)], -laplace[np.ix_(free, known)] @ moved[known])
    return moved


def lip_thickness(points: NDArray[np.floating]) -> Floats:
    """float32 (2, 4, 9) heights of the rows of upper and lower lip, inner to outer and skin, in one face (478, 3)."""
    upper, lower = points[_UPPER_ROWS, 1], points[_LOWER_ROWS, 1]
    return np.stack([upper[:-1] - upper[1:], lower[1:] - lower[:-1]]).astype(np.float32)


def settle_lips(points: Floats, thickness: Floats) -> None:
    """Make the lips of (T, 478, 3) whole again, in place.

    No lower edge stands above its upper one, edges that touch coincide, and the rows of each lip keep their order.

    Args:
        points: driven landmarks in head space.
        thickness: `lip_thickness` of the neutral face.
    """
    upper, lower = points[:, _UPPER[0]], points[:, _LOWER[0]]
    gap = lower - upper
    opening = np.maximum(gap[..., 1], 0.0)
    share = np.minimum(opening * np.float32(1.0 / _TOUCH_FROM), 1.0)
    share = share * share * (3.0 - 2.0 * share)
    wanted = gap * share[..., None]
    wanted[..., 1] = opening
    shift = (gap - wanted) / 2
    spread = _FOLLOWS[:, :, None].astype(np.float32) * shift[:, None]  # (T, 4, 9, 3)
    points[:, _UPPER] += spread
    points[:, _LOWER] -= spread
    least = np.maximum(_THINNEST * thickness, 0.0)
    # Both lips at once, the lower one upside down: from the inner edge on, every row lies above the one before.
    height = points[:, _LIP_ROWS, 1] * _UPWARDS
    for row in range(1, height.shape[2]):
        np.minimum(height[:, :, row], height[:, :, row - 1] - least[:, row - 1], out=height[:, :, row])
    points[:, _LIP_ROWS[:, 1:], 1] = height[:, :, 1:] * _UPWARDS
