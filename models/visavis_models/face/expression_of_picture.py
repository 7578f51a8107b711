"""Reads a face's expression off a photo: what eyes, brows and mouth look like, beside their landmarks.

Landmark networks smooth brows and squints away; pixels still show them. One linear map, which also says how far off it
usually is. Knows nothing of who the person is, of time, or of how landmarks were found.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from visavis_models.arkit import ARKIT_COUNT, ARKIT_NAMES
from visavis_models.errors import WeightsError
from visavis_models.face.face_crops import DESCRIPTOR_COUNT, FaceCrops, Floats, Pixels
from visavis_models.face.model import face_model
from visavis_models.weights import weight_file

WEIGHTS = "expression_of_picture"


def _other_side(name: str) -> str:
    for side, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(side):
            return name.removesuffix(side) + other
    return name


MIRRORED = np.array([ARKIT_NAMES.index(_other_side(name)) for name in ARKIT_NAMES])
"""(52,) the unit on the other side of the face."""


@dataclass(frozen=True, slots=True)
class ToldExpression:
    """What a picture tells of an expression."""

    face: Floats
    """float32 (52,), `ARKIT_NAMES` order, 0..1."""
    spread: Floats
    """float32 (52,): how far off each usually is, root mean square over people who took no part in training."""


@dataclass(frozen=True, slots=True)
class PictureReader:
    """The map from descriptors to coefficients, of low rank."""

    mean: Floats
    """float32 (D,): usual descriptor."""
    down: Floats
    """float32 (D, R)"""
    up: Floats
    """float32 (R, 52)"""
    usual: Floats
    """float32 (52,): usual coefficients."""
    spread: Floats
    """float32 (52,) of `ToldExpression`."""

    def read(self, picture: Pixels, landmarks: NDArray[np.floating]) -> ToldExpression:
        """The expression of one face in uint8 (H, W, 3) RGB with landmarks (478, 3) in px."""
        crops = FaceCrops.of(picture, landmarks)
        mirrored = crops.mirrored(face_model().mirror)
        face = (self._of(crops) + self._of(mirrored)[MIRRORED]) / 2
        return ToldExpression(np.asarray(face, np.float32), self.spread)

    def _of(self, crops: FaceCrops) -> Floats:
        told = (crops.described() - self.mean) @ self.down @ self.up + self.usual
        return np.clip(told, 0.0, 1.0)


@cache
def picture_reader() -> PictureReader:
    """The reader that ships.

    Raises:
        WeightsError: it is missing or altered.
    """
    path = weight_file(WEIGHTS)
    try:
        arrays = {name: np.asarray(array, np.float32) for name, array in load_file(path).items()}
        reader = PictureReader(**arrays)
        rank = reader.down.shape[-1]
        wanted = ((DESCRIPTOR_COUNT,), (DESCRIPTOR_COUNT, rank), (rank, ARKIT_COUNT), (ARKIT_COUNT,), (ARKIT_COUNT,))
        shapes = tuple(getattr(reader, name).shape for name in PictureReader.__slots__)
        if shapes != wanted:
            raise ValueError(f"arrays are {shapes}, not {wanted}")
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        raise WeightsError(
            "weights_shape", f"{path.name} is no reader of expressions: {error}.", "Reinstall visavis."
        ) from error
    return reader
