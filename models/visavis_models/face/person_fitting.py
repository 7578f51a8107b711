"""Finds the person behind a photo's landmarks: identity, expression, and pose before a lens of unknown distance.

Regularised Gauss-Newton within bounds. What landmarks get wrong together is explained too and thrown away, and their
depth counts as little as its own errors say. What was told of the expression beforehand is believed as far as it is
exact. Knows nothing of pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT, ARKIT_COUNT, ARKIT_NAMES
from visavis_models.face.basis import FaceBasis, face_basis
from visavis_models.face.box_steps import box_step
from visavis_models.face.expression_of_picture import ToldExpression, picture_reader
from visavis_models.face.face_crops import Pixels
from visavis_models.face.person import Person
from visavis_models.face.topology import RIGID

Array = NDArray[np.float64]

MOST_RESIDUAL = 0.05
"""Of the face's width; beyond it the landmarks are not taken for a face of the anatomy."""
_ROUNDS = 14
_ENOUGH = 1e-4
_USUAL_NEARNESS, _NEARNESS_SPREAD, _NEAREST = 0.09, 0.06, 0.34
"""Per dm: a lens is some 11 dm away, never nearer than 3."""
_CENTRE_SPREAD_DM = 6.0
_STEADY = 1e-6
_PULL = 1.2
"""What using a coefficient costs at all: most are zero in most faces."""
_SPREAD = 0.45
_RARE_PULL = 4.0
_RARE = ("jawForward", "cheekPuff", "mouthClose", "tongueOut", "jawLeft", "jawRight", "mouthLeft", "mouthRight")
_UNSEEN = ("tongueOut",)
_OPPOSITE = 0.65
"""Coefficients that move the same thing two ways exclude each other: how strongly, 1 being as much as both cost."""
_UNEVEN, _SQUINT = 0.15, 0.08
"""How far the two halves of a face usually differ, and the directions of two eyes."""
_TRUST = 0.5
"""Landmarks err together in more ways than are known: all of them count only this much."""
_DISBELIEF, _LEAST_SPREAD = 0.5, 0.02
"""How far the fit may go from what pixels tell of the expression, in its own spreads: landmarks err together, too."""
_POSE = 8
"""Variables before the identity: turn 3, place 2, log of scale, nearness, zero of depth."""


@dataclass(slots=True)
class _State:
    """Where the search is."""

    rotation: Array
    place: Array
    scale: float
    nearness: float
    depth_zero: float
    identity: Array
    expression: Array
    errors: Array


def _start(basis: FaceBasis, landmarks: Array, middle_px: Array) -> _State:
    """The mean face laid over the landmarks as if the lens were far away."""
    rigid = list(RIGID)
    source, goal = basis.mean[rigid] + basis.offset[rigid], landmarks[rigid]
    x, y = source - source.mean(0), goal - goal.mean(0)
    u, s, vt = np.linalg.svd(x.T @ y)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    scale = float((s * sign).sum() / (x**2).sum())
    place = (goal.mean(0)[:2] - middle_px) / scale
    zero = float(goal[:, 2].mean() / scale)
    counts = len(basis.identity), ARKIT_COUNT, len(basis.errors)
    return _State(((u * sign) @ vt).T, place, scale, 0.0, zero, *(np.zeros(n) for n in counts))


def _ties() -> Array:
    """(52, 52) what is known of coefficients in pairs: opposites, and the two halves of a face."""
    opposites = [("jawLeft", "jawRight"), ("mouthLeft", "mouthRight")]
    alike = [("eyeLookInLeft", "eyeLookOutRight"), ("eyeLookOutLeft", "eyeLookInRight")]
    for side in ("Left", "Right"):
        opposites += [(f"eyeLookIn{side}", f"eyeLookOut{side}"), (f"eyeLookUp{side}", f"eyeLookDown{side}")]
        opposites += [(f"eyeWide{side}", f"eyeSquint{side}"), (f"eyeWide{side}", f"eyeBlink{side}")]
        opposites += [(f"browDown{side}", f"browOuterUp{side}"), (f"mouthFrown{side}", f"mouthSmile{side}")]
    for name in ARKIT_NAMES:
        if name.endswith("Left") and not name.startswith(("jaw", "eyeLookIn", "eyeLookOut")) and name != "mouthLeft":
            alike.append((name, f"{name[:-4]}Right"))
    result = np.zeros((ARKIT_COUNT, ARKIT_COUNT))
    for pair in opposites:
        first, second = (ARKIT[name] for name in pair)
        result[first, second] = result[second, first] = _OPPOSITE / _SPREAD**2
    for pair in alike:
        first, second = (ARKIT[name] for name in pair)
        spread = _SQUINT if pair[0].startswith("eyeLook") else _UNEVEN
        result[np.ix_((first, second), (first, second))] += np.array([[1.0, -1.0], [-1.0, 1.0]]) / spread**2
    return result


class PersonFitter:
    """Fits people of one basis.

    Args:
        basis: of whom.
        habits: do the landmarks come from the network, with its habits, rather than from the anatomy itself.
    """

    def __init__(self, basis: FaceBasis, habits: bool = True) -> None:
        self._basis = basis
        self._rigid_middle = basis.mean[list(RIGID)].mean(0)
        self._offset = basis.offset if habits else np.zeros_like(basis.offset)
        self._response = basis.response if habits else np.zeros_like(basis.response)
        self._weight = _TRUST / basis.noise[:, [0, 0, 1]]
        pull = np.array([_PULL * (_RARE_PULL if name.startswith(_RARE) else 1.0) for name in ARKIT_NAMES])
        self._pull = pull
        self._ties = _ties()
        self._most = np.ones(ARKIT_COUNT)
        self._most[[ARKIT[name] for name in _UNSEEN]] = 0.0

    def fit(
        self, landmarks: NDArray[np.floating], size_px: tuple[int, int], told: ToldExpression | None = None
    ) -> Person:
        """The person whom landmarks show.

        Args:
            landmarks: (478, 3) px, x right, y down, z away from the viewer in the same scale.
            size_px: width and height of the picture, whose middle the lens looks at.
            told: the expression as the picture's pixels tell it; without, it is found with the rest.
        """
        goal = np.asarray(landmarks, np.float64)
        middle_px = np.array(size_px, np.float64) / 2
        state = _start(self._basis, goal, middle_px)
        for _ in range(_ROUNDS):
            if self._improve(state, goal, middle_px, told) < _ENOUGH:
                break
        facts = np.array([*state.place, state.nearness, 0.0])
        person = Person(state.identity, state.expression, state.rotation, facts)
        drawn = person.seen(self.points(person))[:, :2] * state.scale + middle_px
        off = np.sqrt(((drawn - goal[:, :2]) ** 2).sum(1).mean())
        facts[3] = off / np.linalg.norm(goal[454] - goal[234])
        return person

    def points(self, person: Person) -> Array:
        """(478, 3) relative to the head's middle, dm: where the landmarks' source sees this person's."""
        seen = self._basis.face(person.identity, person.expression) + self._offset - self._rigid_middle
        return np.asarray(seen + np.tensordot(person.expression, self._response, 1))

    def _surface(self, state: _State) -> tuple[Array, Array]:
        """Points (478, 3) and how each variable of shape moves them (n, 478, 3), head space."""
        basis = self._basis
        motion = basis.motion(state.identity) + self._response
        crossing = basis.parting @ state.expression
        points = basis.neutral(state.identity) + np.tensordot(state.expression, motion, 1) + self._offset
        points += np.tensordot(np.maximum(0.0, -crossing), basis.contact, 1)
        points += np.tensordot(state.errors, basis.errors, 1) - self._rigid_middle
        stops = np.where(crossing < 0, -1.0, 0.0)[:, None] * basis.parting
        motion = motion + np.tensordot(stops.T, basis.contact, 1)
        own = np.tensordot(state.expression, basis.personal, ([0], [1]))  # (R, 478, 3)
        people = basis.identity + np.tensordot(basis.personal_of.T, own, 1)
        return points, np.concatenate([people, motion, basis.errors])

    def _improve(self, state: _State, goal: Array, middle_px: Array, told: ToldExpression | None) -> float:
        """One step; returns how far the shape's variables went at most."""
        points, moves = self._surface(state)
        view = points @ state.rotation.T
        turned = moves @ state.rotation.T
        near = 1.0 + state.nearness * view[:, 2]
        flat = (view[:, :2] + state.place) / near[:, None]
        scale = state.scale
        off = np.empty_like(goal)
        off[:, :2] = flat - (goal[:, :2] - middle_px) / scale
        off[:, 2] = view[:, 2] + state.depth_zero - goal[:, 2] / scale

        spin = np.cross(np.eye(3)[:, None], view[None])  # (3, 478, 3)
        spatial = np.concatenate([spin, turned])
        slopes = np.zeros((_POSE + len(moves), *goal.shape))
        rows = np.r_[0:3, _POSE : len(slopes)]
        slopes[rows, :, :2] = spatial[..., :2] / near[:, None] - spatial[..., 2:] * (
            flat * (state.nearness / near)[:, None]
        )
        slopes[rows, :, 2] = spatial[..., 2]
        slopes[3, :, 0] = slopes[4, :, 1] = 1.0 / near
        slopes[5, :, :2], slopes[5, :, 2] = flat, view[:, 2] + state.depth_zero
        slopes[6, :, :2] = -flat * (view[:, 2] / near)[:, None]
        slopes[7, :, 2] = 1.0

        design = (slopes * self._weight).reshape(len(slopes), -1)
        normal = design @ design.T
        gradient = design @ (off * self._weight).ravel()
        low, high = self._priors(state, normal, gradient, told)
        step = box_step(normal, gradient, low, high)
        self._go(state, step)
        return float(np.abs(step[_POSE : _POSE + len(state.identity) + ARKIT_COUNT]).max())

    def _priors(
        self, state: _State, normal: Array, gradient: Array, told: ToldExpression | None
    ) -> tuple[Array, Array]:
        """Add what is usual to the normal equations, in place; how far the variables may go down and up."""
        people, errors = len(state.identity), len(state.errors)
        pose = np.array([0, 0, 0, *state.place, 0, state.nearness, 0])
        now = np.concatenate([pose, state.identity, state.expression, state.errors])
        usual, tight = np.zeros(len(now)), np.full(len(now), _STEADY)
        tight[3:5] = _CENTRE_SPREAD_DM**-2.0
        usual[6], tight[6] = _USUAL_NEARNESS, _NEARNESS_SPREAD**-2.0
        face = slice(_POSE + people, _POSE + people + ARKIT_COUNT)
        tight[_POSE : _POSE + people] = 1.0
        if told is None:
            tight[face] = _SPREAD**-2.0
            normal[face, face] += self._ties
            gradient[face] += self._pull + self._ties @ state.expression
        else:
            usual[face] = told.face
            tight[face] = (_DISBELIEF * np.maximum(told.spread, _LEAST_SPREAD)) ** -2.0
        tight[len(now) - errors :] = 1.0
        normal[np.diag_indices(len(now))] += tight
        gradient += tight * (now - usual)
        low, high = np.full(len(now), -np.inf), np.full(len(now), np.inf)
        low[6], high[6] = -state.nearness, _NEAREST - state.nearness
        low[face], high[face] = -state.expression, self._most - state.expression
        return low, high

    @staticmethod
    def _go(state: _State, step: Array) -> None:
        people = len(state.identity)
        angle = float(np.linalg.norm(step[:3]))
        if angle > 0:
            axis = step[:3] / angle
            cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
            turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
            state.rotation = turn @ state.rotation
        state.place = state.place + step[3:5]
        state.scale *= float(np.exp(np.clip(step[5], -0.3, 0.3)))
        state.nearness += float(step[6])
        state.depth_zero += float(step[7])
        state.identity = state.identity + step[_POSE : _POSE + people]
        state.expression = state.expression + step[_POSE + people : _POSE + people + ARKIT_COUNT]
        state.errors = state.errors + step[_POSE + people + ARKIT_COUNT :]


@cache
def _fitter() -> PersonFitter:
    return PersonFitter(face_basis())


def find_person(
    landmarks: NDArray[np.float32], size_px: tuple[int, int], picture: Pixels | None = None
) -> Person | None:
    """The person whom the network's landmarks (478, 3) in px show, with the basis that ships.

    Args:
        landmarks: as portrait analysis finds them.
        size_px: width and height of the canvas.
        picture: uint8 (H, W, 3) RGB, the canvas: its pixels tell the expression better than landmarks alone.

    Returns:
        None where no face of the anatomy comes near the landmarks, as with drawings.

    Raises:
        WeightsError: the basis or the reader of expressions is missing or altered.
    """
    told = None if picture is None else picture_reader().read(picture, landmarks)
    person = _fitter().fit(landmarks, size_px, told)
    return person if person.residual <= MOST_RESIDUAL else None
