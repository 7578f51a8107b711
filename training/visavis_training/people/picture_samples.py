"""Known photos as the picture regressor sees them: described once where the product's own detector finds faces.

A set may still grow while it is read. Knows nothing of what is learnt from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visavis_models.face.face_crops import FaceCrops
from visavis_models.face.model import face_model
from visavis_training.people.detector_habits import detected
from visavis_training.people.known_photos import GROUPS

Floats = NDArray[np.float32]

VERSIONS = 3
"""Of each photo: crops where they should be, then a little beside."""
_KEPT = "described"


@dataclass(frozen=True, slots=True)
class PictureSamples:
    """N photos in which a face was found."""

    described: Floats
    """float32 (N, VERSIONS, 2, D): as they are and mirrored, see `FaceCrops.described`."""
    face: Floats
    """float32 (N, 52) truth."""
    seeds: NDArray[np.int64]
    """(N,) of the people."""
    look: NDArray[np.int64]
    """(N,)"""

    def __len__(self) -> int:
        return len(self.face)

    def rows(self, which: NDArray[np.generic]) -> PictureSamples:
        """Some of them, by mask or index."""
        return PictureSamples(*(getattr(self, name)[which] for name in PictureSamples.__slots__))

    @classmethod
    def read(cls, photos: list[Path]) -> PictureSamples:
        """All that are drawn by now; what is found is kept in `described/` beside them.

        Args:
            photos: folders of `known_photos --pictures`.
        """
        parts: dict[str, list[NDArray[np.generic]]] = {name: [] for name in cls.__slots__}
        for folder in photos:
            (folder / _KEPT).mkdir(exist_ok=True)
            for group in sorted((folder / GROUPS).glob("??????.npz")):
                kept = folder / _KEPT / group.name
                if not kept.exists():
                    partial = kept.with_suffix(".part.npz")
                    np.savez(partial, **_described(folder, group))  # type: ignore[arg-type]
                    partial.replace(kept)
                with np.load(kept) as stored:
                    for name, rows in parts.items():
                        rows.append(stored[name])
        return cls(*(np.concatenate(rows) for rows in parts.values()))


def _described(folder: Path, group: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of one group of people; photos in which no face is found are left out."""
    with np.load(group) as stored:
        known = {name: stored[name] for name in ("face", "seeds", "look")}
    rows, found = [], np.zeros(len(known["seeds"]), np.bool_)
    for k, (seed, look) in enumerate(zip(known["seeds"], known["look"], strict=True)):
        file = folder / f"{seed}-{look}.png"
        landmarks = detected(file)
        if landmarks is not None:
            picture = np.ascontiguousarray(np.asarray(Image.open(file).convert("RGB"), np.uint8))
            rows.append(versions(picture, landmarks, np.random.default_rng(int(seed) * 64 + int(look))))
            found[k] = True
    nothing = np.zeros((0, VERSIONS, 2, 0), np.float32)
    return {"described": np.stack(rows) if rows else nothing} | {name: value[found] for name, value in known.items()}


def versions(picture: NDArray[np.uint8], landmarks: Floats, chance: np.random.Generator) -> Floats:
    """(VERSIONS, 2, D) of one photo."""
    crops = [FaceCrops.of(picture, landmarks, chance if number else None) for number in range(VERSIONS)]
    mirror = face_model().mirror
    return np.stack([np.stack([crop.described(), crop.mirrored(mirror).described()]) for crop in crops])
