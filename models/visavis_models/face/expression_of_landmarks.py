"""Reads a face's expression and pose off its 478 landmarks: ARKit's 52 coefficients and how the head is held.

The reverse of the rig, for tests, metrics and motion from video. One small network; what a person looks like at rest
makes it better. Knows nothing of pictures, time or how landmarks were found.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT_COUNT
from visavis_models.engine import Engine
from visavis_models.engines import open_engine
from visavis_models.face.topology import LANDMARK_COUNT, MESH_COUNT
from visavis_models.portrait.head_pose import canonical_face, head_angles
from visavis_models.weights import weight_file

Floats = NDArray[np.float32]

NETWORK = "expression_of_landmarks"
_BLOCK = 512
_MOST_HABIT = 0.15


@dataclass(frozen=True, slots=True)
class UprightFaces:
    """Landmarks without the head's place, size and turn, as far as a rigid fit of the mean face tells them."""

    points: Floats
    """float32 (N, 478, 3): x to the picture's right, y down, z away, in cm of MediaPipe's canonical face."""
    angles: Floats
    """float32 (N, 3): pitch, yaw, roll in radians, signs as in `HEAD_NAMES`."""
    centre: Floats
    """float32 (N, 3): where the rigid landmarks' mean lies, in the units of the landmarks given."""
    scale: Floats
    """float32 (N,): those units per cm of the canonical face."""


def upright(points: NDArray[np.floating]) -> UprightFaces:
    """Take the pose out of landmarks.

    Args:
        points: (N, 478, 3): x, y, z in any one unit, z negative = nearer, as `FaceMesh.points`.
    """
    face = canonical_face()
    weights = face.rigid_weights[:, None].astype(np.float64) / float(face.rigid_weights.sum())
    model = face.vertices_cm.astype(np.float64)
    model = model - (weights * model).sum(0)
    seen = np.asarray(points, np.float64)
    centre = (weights * seen[:, :MESH_COUNT]).sum(1)
    centred = seen - centre[:, None]
    cross = np.einsum("v,nvi,vj->nij", weights[:, 0], centred[:, :MESH_COUNT], model)
    left, size, right = np.linalg.svd(cross)  # the rotation that maps model onto seen (Kabsch)
    sign = np.ones_like(size)
    sign[:, 2] = np.sign(np.linalg.det(left @ right))
    rotation = (left * sign[:, None]) @ right
    scale = (size * sign).sum(1) / float((weights * model**2).sum())
    turned = centred @ rotation / scale[:, None, None]
    angles = np.array([head_angles(matrix) for matrix in rotation]).reshape(-1, 3)
    return UprightFaces(*(np.asarray(part, np.float32) for part in (turned, angles, centre, scale)))


@dataclass(frozen=True, slots=True)
class Expressions:
    """What N faces show."""

    face: Floats
    """float32 (N, 52), `ARKIT_NAMES` order, 0..1."""
    angles: Floats
    """float32 (N, 3): pitch, yaw, roll in radians against a head that looks straight into the lens."""
    upright: UprightFaces


class ExpressionReader:
    """Runs the network. Used by one thread at a time."""

    def __init__(self, engine: Engine | None = None) -> None:
        """With the network that ships, or another engine of the same inputs and outputs.

        Raises:
            EngineError, WeightsError: it cannot be run here.
        """
        self._engine = engine or open_engine(weight_file(NETWORK))

    def read(self, points: NDArray[np.floating], rest: NDArray[np.floating] | None = None) -> Expressions:
        """Expressions of landmarks (N, 478, 3), x, y, z in px.

        Args:
            points: as a detector finds them, z negative = nearer.
            rest: (478, 3) the same person's landmarks while the face is relaxed, lips shut and eyes open, in any pose
                and size; or (N, 478, 3), one for each. Need not be exact; without, people are taken for average ones.
        """
        if points.ndim != 3 or points.shape[1:] != (LANDMARK_COUNT, 3):
            raise ValueError(f"landmarks have shape {points.shape}, expected (N, {LANDMARK_COUNT}, 3)")
        now = upright(points)
        if rest is None:
            face, turn = self._run(now.points, now.points, now.angles, 0.0)
            return Expressions(np.clip(face, 0.0, 1.0), turn, now)
        still = upright(rest.reshape(-1, LANDMARK_COUNT, 3))
        everywhere = np.broadcast_to(still.points, now.points.shape)
        face, turn = self._run(now.points, everywhere, now.angles, 1.0)
        # the little that it sees in a face at rest is a habit of the network; more may be a lasting smile
        habit = np.clip(self._run(still.points, still.points, still.angles, 1.0)[0], 0.0, _MOST_HABIT)
        return Expressions(np.clip((face - habit) / (1.0 - habit), 0.0, 1.0), turn, now)

    def _run(self, now: Floats, rest: Floats, angles: Floats, known: float) -> tuple[Floats, Floats]:
        """(N, 52) and (N, 3) as the network says them."""
        faces, turns = [np.zeros((0, ARKIT_COUNT), np.float32)], [np.zeros((0, 3), np.float32)]
        for start in range(0, len(now), _BLOCK):
            rows = slice(start, start + _BLOCK)
            outputs = self._engine.run(
                {
                    "now": np.ascontiguousarray(now[rows]),
                    "rest": np.ascontiguousarray(rest[rows]),
                    "known": np.full((len(now[rows]), 1), known, np.float32),
                    "angles": np.ascontiguousarray(angles[rows]),
                }
            )
            faces.append(outputs["face"])
            turns.append(outputs["turn"])
        return np.concatenate(faces), np.concatenate(turns)


@cache
def expression_reader() -> ExpressionReader:
    """The reader with the network that ships, opened once."""
    return ExpressionReader()
