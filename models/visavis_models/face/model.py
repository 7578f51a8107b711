"""The generic face: mean, identities, ARKit expressions and the inside of the mouth, as loaded from the weights.

Head space is in decimetres with the axes of a picture: x to its right, y down, z away from the viewer. Knows nothing of
portraits or pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from visavis_models.arkit import ARKIT_COUNT
from visavis_models.errors import WeightsError
from visavis_models.face.topology import LANDMARK_COUNT
from visavis_models.weights import weight_file

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MouthPart:
    """A small mesh behind the lips: an arch of teeth or the tongue."""

    vertices: Floats
    """float32 (n, 3) head space, mouth shut."""
    triangles: Indices
    """int64 (m, 3)."""
    deltas: Floats
    """float32 (52, n, 3): what each coefficient moves; zeros for the upper arch, which is fixed to the skull."""
    uv: Floats
    """float32 (n, 2): for teeth u = number of the tooth (0..11 from the person's right) + place across it, v = 1 at the
    biting edge, 0 at the gum line, -1 far up the gum. Zeros for the tongue."""


@dataclass(frozen=True, slots=True)
class FaceModel:
    """The shapes that every face is made of."""

    mean: Floats
    """float32 (478, 3)."""
    identity: Floats
    """float32 (40, 478, 3): principal components, one standard deviation each."""
    expression: Floats
    """float32 (52, 478, 3): displacement at coefficient 1, `ARKIT_NAMES` order."""
    triangles: Indices
    """int64 (852, 3): the skin, with holes at mouth and eyes."""
    mirror: Indices
    """int64 (478,): the landmark on the other side of the face."""
    teeth_upper: MouthPart
    teeth_lower: MouthPart
    tongue: MouthPart


@cache
def face_model() -> FaceModel:
    """The face model that ships.

    Raises:
        WeightsError: the file is missing, altered or does not fit this code.
    """
    path = weight_file("face_model")
    arrays = load_file(path)

    def take(name: str, *shape: int) -> NDArray[np.generic]:
        array = arrays.pop(name, None)
        if (
            array is None
            or array.ndim != len(shape)
            or any(n not in (-1, m) for n, m in zip(shape, array.shape, strict=True))
        ):
            raise WeightsError("weights_shape", f"{path.name} has no usable array {name}.", "Reinstall visavis.")
        return array

    def floats(name: str, *shape: int) -> Floats:
        return np.ascontiguousarray(take(name, *shape), np.float32)

    def indices(name: str, *shape: int) -> Indices:
        return np.ascontiguousarray(take(name, *shape), np.int64)

    def part(name: str, *, has_uv: bool) -> MouthPart:
        vertices = floats(name, -1, 3)
        count = len(vertices)
        uv = floats(f"{name}_uv", count, 2) if has_uv else np.zeros((count, 2), np.float32)
        deltas = floats(f"{name}_deltas", ARKIT_COUNT, count, 3)
        return MouthPart(vertices, indices(f"{name}_triangles", -1, 3), deltas, uv)

    model = FaceModel(
        mean=floats("mean", LANDMARK_COUNT, 3),
        identity=floats("identity", -1, LANDMARK_COUNT, 3),
        expression=floats("expression", ARKIT_COUNT, LANDMARK_COUNT, 3),
        triangles=indices("triangles", -1, 3),
        mirror=indices("mirror", LANDMARK_COUNT),
        teeth_upper=part("teeth_upper", has_uv=True),
        teeth_lower=part("teeth_lower", has_uv=True),
        tongue=part("tongue", has_uv=False),
    )
    if arrays:
        raise WeightsError("weights_shape", f"{path.name} has unknown arrays: {sorted(arrays)}.", "Reinstall visavis.")
    return model
