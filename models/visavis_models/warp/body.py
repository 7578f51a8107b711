"""How neck, shoulders, torso and legs move: displacements of the body's points for one motion.

Amplitudes are those of a person who sits or stands and speaks, in face widths (about 14 cm). Everything hangs on the
hips, and who stands on their feet; the neck carries the head along. Knows nothing of the mesh or of pictures' colours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.motion import BODY_COUNT, BODY_NAMES
from visavis_models.warp.figure import Figure, figure_of

Array = NDArray[np.float64]

_BREATH_RISE = 0.024
_BREATH_WIDEN = 0.010
_SHRUG_RISE = 0.10
_SWAY = 0.055
_LEAN_SCALE = 0.028
_TURN = math.sin(math.radians(8.0))
_CHEST_DEPTH = 0.62
"""Face widths from the axis on which a torso turns to the front of the chest."""
_NEARER = 0.020
"""By how much the shoulder that comes forward sinks: the camera is at the height of the eyes."""
_SEATED_HIPS, _SEATED_NECK = 0.10, 0.09
_STANDING_HIPS, _STANDING_NECK = 0.34, 0.22
"""How far hips and neck go aside when all weight is on one leg."""
_TILTS = 0.035
"""The line of the shoulders sinks on the side that carries, the line of the hips rises there."""
_KNEE_YIELDS, _HIP_SINKS = 0.07, 0.05
"""The other leg is bent: its knee comes inwards, its hip lies lower."""
_WEIGHT = BODY_NAMES.index("weight")
_FREE_RIGHT, _FREE_LEFT = BODY_COUNT, BODY_COUNT + 1
_TRAIL_X, _TRAIL_Y = BODY_NAMES.index("trail_x"), BODY_NAMES.index("trail_y")
_TRAIL = 0.1


@dataclass(frozen=True, slots=True)
class BodyField:
    """Displacement of every point for each unit of the body controls."""

    basis: NDArray[np.float32]
    """float32 (11, N, 2): px for 1.0 of each of `BODY_NAMES`, of a right leg without weight, and of a left one."""

    def displacement(self, body: NDArray[np.float32]) -> NDArray[np.float32]:
        """Px by which the points move: float32 (N, 2).

        Args:
            body: float32 (9,), see `BODY_NAMES`.
        """
        weight = float(body[_WEIGHT])
        square, signed = weight * weight, weight * abs(weight)  # who goes from leg to leg passes without a corner
        controls = np.append(body, ((square + signed) / 2.0, (square - signed) / 2.0)).astype(np.float32)
        return np.tensordot(controls, self.basis, 1)


def _ease(x: Array) -> Array:
    clipped = np.clip(x, 0.0, 1.0)
    return clipped * clipped * (3.0 - 2.0 * clipped)


def body_field(
    avatar: Avatar,
    points: NDArray[np.float32],
    head_weight: NDArray[np.float32],
    loose: NDArray[np.float32],
) -> BodyField:
    """Prepare the body's motion for the points of a mesh.

    Args:
        avatar: the portrait.
        points: float32 (N, 2), px at rest.
        head_weight: float32 (N,): points of the head are carried by what the base of the neck does.
        loose: float32 (N,): how far points trail behind; see `loose_hair`.
    """
    figure = figure_of(avatar)
    width, neck = figure.width_px, figure.neck
    head = head_weight.astype(np.float64)[:, None]
    place = points.astype(np.float64) * (1.0 - head) + neck * head
    x, y = place[:, 0], place[:, 1]
    u = (x - neck[0]) / figure.half_px
    rooted = _ease((figure.hips[1] - y) / (figure.hips[1] - neck[1]))
    basis = np.zeros((BODY_COUNT + 2, len(points), 2), np.float64)
    # Breath lifts shoulders and chest, less the neck, and widens the chest.
    lift = 0.45 + 0.55 * _ease(np.abs(x - neck[0]) / width / 0.9)
    basis[0, :, 1] = -_BREATH_RISE * width * lift * rooted
    chest = np.exp(-(((y - neck[1]) / width - 0.8) ** 2) / 0.4)
    basis[0, :, 0] = _BREATH_WIDEN * width * chest * np.tanh((x - neck[0]) / (0.8 * width)) * rooted
    hangs = 0.25 + 0.75 * _ease(1.0 - (y - neck[1]) / (2.2 * width))  # chest and sleeves come along, by less
    for row, shoulder in ((1, figure.left), (2, figure.right)):
        side = (x - neck[0]) * np.sign(shoulder[0] - neck[0])
        reach = max(abs(float(shoulder[0] - neck[0])), 0.5 * width)
        basis[row, :, 1] = -_SHRUG_RISE * width * _ease(side / reach) * rooted * hangs
    basis[3, :, 0] = _SWAY * width * _upright(figure, y)
    from_hips = np.stack([x - neck[0], y - figure.hips[1]], -1)
    head_from_neck = (points.astype(np.float64) - neck) * head
    basis[4] = _LEAN_SCALE * (from_hips * rooted[:, None] * [1.0, 0.5] + head_from_neck * 1.3)
    basis[5] = _turned(figure, u, y)
    basis[_WEIGHT] = _weight(figure, u, y)
    if figure.legs is not None:
        basis[_FREE_LEFT], basis[_FREE_RIGHT] = (_free_leg(figure, x, y, own) for own in (1.0, -1.0))
    trails = _TRAIL * width * loose.astype(np.float64)
    basis[_TRAIL_X, :, 0] = basis[_TRAIL_Y, :, 1] = trails
    return BodyField((basis * _held_at_borders(avatar, points)).astype(np.float32))


def roaming(avatar: Avatar, points: Array) -> Array:
    """How much of a body leaves its place, for points of it, float64 (n, 2) px: 0 not at all .. 1, float64 (n,)."""
    figure = figure_of(avatar)
    u, y = (points[:, 0] - figure.neck[0]) / figure.half_px, points[:, 1]
    aside = np.abs(_weight(figure, u, y)[:, 0]) / figure.width_px + _SWAY * _upright(figure, y)
    return np.asarray(np.clip(aside / 0.08, 0.0, 1.0))


def _upright(figure: Figure, y: Array) -> Array:
    """1 at the neck, 0 where the person has hold: a body that sways as a whole."""
    if figure.legs is None:
        return _ease((figure.hips[1] - y) / (figure.hips[1] - figure.neck[1]))
    foot = float(figure.legs.ankles[:, 1].min())
    return np.asarray(np.clip((foot - y) / (foot - figure.neck[1]), 0.0, 1.0))


def _grounded(figure: Figure, y: Array) -> Array:
    """1 at the hips and above, 0 at the ankles and below; where no legs are seen, 1."""
    if figure.legs is None:
        return np.ones_like(y)
    foot, hip = float(figure.legs.ankles[:, 1].min()), float(figure.hips[1])
    share = np.clip((foot - y) / (foot - hip), 0.0, 1.0)
    return share * (1.0 - 0.35 * (1.0 - share) ** 2)  # ankles bend softly: shoes do not smear over the floor


def _turned(figure: Figure, u: Array, y: Array) -> Array:
    """The torso about its own axis: what is in front goes aside, the shoulder that comes nearer sinks a little."""
    down = (y - figure.neck[1]) / (figure.hips[1] - figure.neck[1])
    depth = np.interp(down, [0.0, 0.22, 0.6, 1.0, 1.5], [0.15, 0.85, 1.0, 0.55, 0.0])
    front = np.sqrt(np.maximum(1.0 - np.minimum(np.abs(u), 1.0) ** 2, 0.0))
    aside = _TURN * _CHEST_DEPTH * figure.width_px * depth * front
    sinks = -_NEARER * figure.width_px * np.clip(u, -1.2, 1.2) * _ease(1.0 - down)
    return figure.side * np.stack([aside, sinks], -1)


def _weight(figure: Figure, u: Array, y: Array) -> Array:
    """All weight on the person's left leg: hips and, less, the neck go there; both lines tilt against each other."""
    standing = figure.legs is not None
    hips, neck = (_STANDING_HIPS, _STANDING_NECK) if standing else (_SEATED_HIPS, _SEATED_NECK)
    if figure.rests:
        hips = 0.0
    up = _ease((figure.hips[1] - y) / (figure.hips[1] - figure.neck[1]))
    ground = _grounded(figure, y)
    aside = (hips + (neck - hips) * up) * ground
    tilt = _TILTS * np.clip(u, -1.0, 1.0) * (up - (1.0 - up) * ground * standing)
    return figure.side * figure.width_px * np.stack([aside, tilt], -1)


def _free_leg(figure: Figure, x: Array, y: Array, own: float) -> Array:
    """The leg that carries nothing: bent at the knee, its hip lower. `own`: 1 the person's left one, -1 the right."""
    assert figure.legs is not None
    middle, half = figure.legs.middle(y)
    half = figure.side * np.maximum(figure.side * half, 0.25 * figure.width_px)
    share = _ease(0.5 + 0.5 * own * (x - middle) / half)
    ground, below = _grounded(figure, y), y > figure.hips[1]
    sinks = np.where(below, ground, _ease(1.0 - (figure.hips[1] - y) / (1.2 * figure.width_px)))
    inwards = np.where(below, np.sin(np.pi * ground) ** 2, 0.0)
    way = np.stack([-own * figure.side * _KNEE_YIELDS * inwards, _HIP_SINKS * sinks], -1)
    return way * share[:, None] * figure.width_px


def _held_at_borders(avatar: Avatar, points: NDArray[np.float32]) -> Array:
    """1, falling to 0 towards the side edges that cut the body: float64 (N, 1)."""
    reach = 0.35 * avatar.face_width_px
    hold = np.ones(len(points))
    x = points[:, 0].astype(np.float64)
    lower = avatar.matte[avatar.height_px // 3 :]
    for edge, column in ((x, 0), (avatar.width_px - 1 - x, -1)):
        if float((lower[:, column] > 128).mean()) > 0.02:
            hold *= 0.15 + 0.85 * _ease(edge / reach)
    return hold[:, None]
