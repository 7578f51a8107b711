"""Landmarks of many people with many expressions, seen by many cameras: what the landmark regressor learns from.

Faces are posed once, without head turn; turns, cameras and detectors' errors are drawn anew whenever samples are
asked for. Knows nothing of networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from visavis_models.arkit import ARKIT_COUNT, ARKIT_NAMES
from visavis_training.people.anatomy import Anatomy
from visavis_training.people.chance import Chance
from visavis_training.people.expressions import EXPRESSIONS
from visavis_training.people.landmark_errors import PARTS, LandmarkErrors, upright_truth
from visavis_training.people.landmark_faces import random_faces
from visavis_training.people.plausibility import face_of, plausible
from visavis_training.people.sampling import sample

Tensor = Any

_GAZE = [k for k, name in enumerate(ARKIT_NAMES) if name.startswith("eyeLook")]
_ACTED_SHARE = 0.35
_MOST_RAD = (0.45, 0.65, 0.45)
"""Pitch, yaw, roll."""
_DISTANCE_DM = (3.5, 25.0)
_RESTLESS = 0.5
_BETTER_SHARE = 0.3
_STILL_UNITS = 0.18
_HEAD_CENTRE_DM = (0.0, 0.0, 0.9)


@dataclass(frozen=True, slots=True)
class PosedFaces:
    """M people with K expressions each, heads unturned; the first expression is rest."""

    marks: Tensor
    """float32 (M, K, 478, 3), head space dm."""
    face: Tensor
    """float32 (M, K, 52)."""

    @classmethod
    def make(cls, anatomy: Anatomy, first_seed: int, people: int, expressions: int, batch: int = 8) -> PosedFaces:
        """The people of `people` seeds.

        Args:
            anatomy: of everybody; see `landmark_anatomy`.
            first_seed: the others follow it.
            people: M.
            expressions: K, with rest; the second is near rest, as people who believe that they rest are.
            batch: people at once.
        """
        marks, faces = [], []
        for first in range(0, people, batch):
            seeds = torch.arange(first, min(first + batch, people), device=anatomy.device) + first_seed
            made = sample(seeds, anatomy.identity_names).coefficients
            neutral, joints = anatomy.shape(made), anatomy.joints(made)
            person = torch.arange(len(seeds), device=anatomy.device).repeat_interleave(expressions - 1)
            number = torch.arange(1, expressions, device=anatomy.device).repeat(len(seeds))
            face = mixed_faces(Chance(seeds[person] * 4099 + number), number)
            posed = anatomy.marks(anatomy.pose(neutral[person], face, None, None, None, joints[person]))
            still = anatomy.marks(neutral)[:, None]
            marks.append(torch.cat([still, posed.reshape(len(seeds), expressions - 1, -1, 3)], 1).cpu())
            kept = face.reshape(len(seeds), expressions - 1, -1)
            faces.append(torch.cat([torch.zeros_like(kept[:, :1]), kept], 1).cpu())
        return cls(torch.cat(marks), torch.cat(faces))

    def __len__(self) -> int:
        return len(self.face)


def mixed_faces(chance: Chance, number: Tensor) -> Tensor:
    """(B, 52): of random units or acted, some of both; number 1 is near rest."""
    prototypes = torch.stack([face_of(kind.face) for kind in EXPRESSIONS]).to(number.device)
    kind = (chance.uniform("acted") * len(prototypes)).long().clamp(max=len(prototypes) - 1)
    acted = prototypes[kind] * chance.uniform("strength", 0.2, 1.0)[:, None]
    random = random_faces(chance)
    turn = chance.uniform("how")[:, None]
    face = torch.where(turn < _ACTED_SHARE, 1 - (1 - acted) * (1 - 0.5 * random), random)
    face[:, _GAZE] = random[:, _GAZE]
    face = torch.where(number[:, None] == 1, random * _STILL_UNITS, face)
    return plausible(face)


def turned(marks: Tensor, angles: Tensor, distance_dm: Tensor) -> Tensor:
    """Heads (N, 478, 3) turned by pitch, yaw, roll (N, 3) and looked at from a distance (N,), in the camera's axes.

    Turns and signs are those of `head_pose.head_rotation`.
    """
    pitch, yaw, roll = angles[:, 0], -angles[:, 1], angles[:, 2]
    rotation = _about(2, roll) @ _about(1, yaw) @ _about(0, pitch)
    pivot = marks.new_tensor(_HEAD_CENTRE_DM)
    placed = (marks - pivot) @ rotation.transpose(1, 2)
    placed[..., 2] += distance_dm[:, None]
    return placed


def _about(axis: int, angle: Tensor) -> Tensor:
    cosine, sine = angle.cos(), angle.sin()
    matrix = torch.zeros(len(angle), 3, 3)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[:, axis, axis] = 1
    matrix[:, first, first] = matrix[:, second, second] = cosine
    matrix[:, first, second], matrix[:, second, first] = -sine, sine
    return matrix


@dataclass(frozen=True, slots=True)
class Samples:
    """What the network is shown and what it should say; N rows, float32."""

    now: Tensor
    """(N, 478, 3) upright, with a detector's errors."""
    rest: Tensor
    """(N, 478, 3) the same person near rest, in another pose."""
    angles: Tensor
    """(N, 3) as the rigid fit says."""
    face: Tensor
    """(N, 52) truth."""
    turn: Tensor
    """(N, 3) true angles, against a head that looks straight into the lens."""


def draw_samples(
    posed: PosedFaces, count: int, generator: torch.Generator, detector: LandmarkErrors | None, exact_rest: bool = False
) -> Samples:
    """Random people, expressions and views.

    Args:
        posed: of whom.
        count: N.
        generator: of all that is random.
        detector: of the detector; without, landmarks are exact but for the cameras.
        exact_rest: the resting picture shows exact rest, not now and then a face that is only near it.
    """

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    people, expressions = posed.face.shape[:2]
    who = (draw(count) * people).long()
    which = 1 + (draw(count) * (expressions - 1)).long()
    still = torch.zeros_like(which) if exact_rest else (draw(count) < _RESTLESS).long()
    own = torch.randn(count, PARTS + ARKIT_COUNT, generator=generator)
    # rest is mostly seen in the same light, by the same camera, in a pose that is not far
    alike = 1 - draw(count, 1) ** 2
    passing = (0.2 + 0.8 * draw(count, 1)) * torch.randn(count, PARTS, generator=generator)
    other = (0.2 + 0.8 * draw(count, 1)) * torch.randn(count, PARTS, generator=generator)
    other = alike * passing + (1 - alike**2).sqrt() * other
    # and some detectors are better than the one whose errors were learnt
    share = torch.where(draw(count, 1) < _BETTER_SHARE, draw(count, 1), torch.ones(count, 1))
    angles, elsewhere = _angles(draw(count, 3)), _angles(draw(count, 3))
    elsewhere = alike * angles + (1 - alike) * elsewhere
    low, high = (math.log(d) for d in _DISTANCE_DM)
    distance = (low + draw(count) * (high - low)).exp()

    def seen(number: Tensor, turn: Tensor, light: Tensor) -> tuple[Tensor, Tensor]:
        true = upright_truth(turned(posed.marks[who, number], turn, distance))
        points, told = torch.from_numpy(true.points), torch.from_numpy(true.angles)
        if detector is not None:
            points, told = detector.found(points, told, posed.face[who, number], own, light, share, generator)
        return points, told

    now, told = seen(which, angles, passing)
    rest, _ = seen(still, elsewhere, other)
    return Samples(now, rest, told, posed.face[who, which], angles)


def _angles(chance: Tensor) -> Tensor:
    """(N, 3) within the limits, small ones more often, of even numbers 0..1."""
    angles = chance * 2 - 1
    return angles * angles.abs() ** 0.5 * torch.tensor(_MOST_RAD)
