"""The face model made a person's own: motions as this face makes them, as its lens shows them, and its pose.

Takes the generic model's tuned motions, adds how this person's differ, and folds the lens's foreshortening into both,
so that the rig can go on as if the lens were far away. Knows nothing of time or pixels' colours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from visavis_models.face.basis import FaceBasis
from visavis_models.face.fitting import FaceFit, similarity
from visavis_models.face.model import FaceModel
from visavis_models.face.person import Person
from visavis_models.face.topology import MESH_COUNT, RIGID

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OwnFace:
    """One person's model in one photo."""

    model: FaceModel
    """Its expression is the person's own as the photo's lens shows it."""
    fit: FaceFit


def _middle(basis: FaceBasis) -> Array:
    return np.asarray(basis.mean[list(RIGID)].mean(0))


def _scale_px(seen: Array, landmarks: Array) -> float:
    """Pixels per dm in the plane of the head's middle."""
    x, y = seen[:MESH_COUNT, :2], landmarks[:MESH_COUNT, :2]
    x, y = x - x.mean(0), y - y.mean(0)
    return float((x * y).sum() / (x * x).sum())


def own_depth(basis: FaceBasis, person: Person, landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Landmarks (478, 3) in px with the depth of the person's own face instead of the network's guess.

    As a whole they lie as deep as before.
    """
    seen = person.seen(basis.face(person.identity, person.expression) - _middle(basis))
    depth = _scale_px(seen, landmarks.astype(np.float64)) * seen[:, 2]
    rigid = list(RIGID)
    result = landmarks.copy()
    result[:, 2] = depth + (landmarks[rigid, 2].mean() - depth[rigid].mean())
    return result


def own_face(model: FaceModel, basis: FaceBasis, person: Person, landmarks: NDArray[np.float32]) -> OwnFace:
    """The model as this person's.

    Args:
        model: the generic one.
        basis: of which the person is one.
        person: as found in the photo.
        landmarks: float32 (478, 3) px with the person's `own_depth`.
    """
    goal = landmarks.astype(np.float64)
    rigid, mean = list(RIGID), model.mean.astype(np.float64)
    size, turn, shift = similarity(basis.neutral(person.identity)[:MESH_COUNT], mean[:MESH_COUNT])
    shown = basis.face(person.identity, person.expression)
    shape = size * shown @ turn.T + shift
    scale, rotation, place = similarity(shape[rigid], goal[rigid])
    around = shown - _middle(basis)
    seen = person.seen(around)
    differ = basis.motion(person.identity) - basis.motion(np.zeros_like(person.identity))
    motion = person.seen_motion(around, model.expression.astype(np.float64) @ turn + differ)
    own = (_scale_px(seen, goal) / scale) * motion @ rotation
    off = ((goal - place) @ rotation / scale - shape)[:MESH_COUNT, :2]
    fit = FaceFit(scale, rotation, place, person.identity, person.expression, float(np.sqrt((off**2).sum(1).mean())))
    return OwnFace(replace(model, expression=own.astype(np.float32)), fit)
