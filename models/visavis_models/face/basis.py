"""The basis of faces, as loaded from the weights: identities, each one's own ARKit motions, and how landmarks err.

Made from the sampled people of the training's anatomy. Head space as in `model`: decimetres, x to the picture's right,
y down, z away from the viewer. Knows nothing of photos or cameras.
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

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FaceBasis:
    """People as points of a linear space; K identity components, C places along the lips, R personal modes, M errors.

    Arrays are float64, lengths in dm.
    """

    mean: Array
    """(478, 3): the mean person, relaxed."""
    identity: Array
    """(K, 478, 3): principal components of people, one standard deviation each."""
    expression: Array
    """(52, 478, 3): the mean person's displacement at coefficient 1."""
    parting: Array
    """(C, 52): how far each coefficient parts the lips at C places; lips that would cross stop at each other."""
    contact: Array
    """(C, 478, 3): what stopping adds for each dm that the lips would cross there."""
    personal: Array
    """(R, 52, 478, 3): modes in which people's motions differ from the mean person's."""
    personal_of: Array
    """(R, K): how much of each mode a person has."""
    offset: Array
    """(478, 3): how far from the anatomy's own places the landmark network sees them."""
    response: Array
    """(52, 478, 3): how much more than the anatomy the network's landmarks move with each coefficient."""
    errors: Array
    """(M, 478, 3): the ways in which the network's landmarks err together, one standard deviation each."""
    noise: Array
    """(478, 2): what is left of their error across and along the line of sight: one standard deviation."""

    def motion(self, identity: Array) -> Array:
        """(52, 478, 3) displacement of this person's landmarks at coefficient 1, (K,) in standard deviations."""
        return np.asarray(self.expression + np.tensordot(self.personal_of @ identity, self.personal, 1))

    def neutral(self, identity: Array) -> Array:
        """(478, 3) of a person (K,), relaxed."""
        return np.asarray(self.mean + np.tensordot(identity, self.identity, 1))

    def stopped(self, expression: Array) -> Array:
        """(478, 3) what lips that stop at each other add at coefficients (52,)."""
        return np.asarray(np.tensordot(np.maximum(0.0, -self.parting @ expression), self.contact, 1))

    def face(self, identity: Array, expression: Array) -> Array:
        """(478, 3) of a person (K,) with an expression (52,)."""
        moved = np.tensordot(expression, self.motion(identity), 1)
        return np.asarray(self.neutral(identity) + moved + self.stopped(expression))


@cache
def face_basis() -> FaceBasis:
    """The basis that ships.

    Raises:
        WeightsError: the file is missing, altered or does not fit this code.
    """
    path = weight_file("face_basis")
    arrays = {name: value.astype(np.float64) for name, value in load_file(path).items()}
    try:
        moving = arrays.pop("personal_landmarks").astype(np.int64)
        sparse = arrays.pop("personal")
        arrays["personal"] = np.zeros((*sparse.shape[:2], LANDMARK_COUNT, 3))
        arrays["personal"][:, :, moving] = sparse
        basis = FaceBasis(**arrays)
        counts = len(basis.identity), len(basis.parting), len(basis.personal), len(basis.errors)
        _check(basis, *counts)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise WeightsError(
            "weights_shape", f"{path.name} is not a face basis: {error}.", "Reinstall visavis."
        ) from error
    return basis


def _check(basis: FaceBasis, people: int, places: int, modes: int, errors: int) -> None:
    marks, units = (LANDMARK_COUNT, 3), (ARKIT_COUNT, LANDMARK_COUNT, 3)
    wanted: dict[str, tuple[int, ...]] = {
        "mean": marks, "identity": (people, *marks), "expression": units, "parting": (places, ARKIT_COUNT),
        "contact": (places, *marks), "personal": (modes, *units), "personal_of": (modes, people), "offset": marks,
        "response": units, "errors": (errors, *marks), "noise": (LANDMARK_COUNT, 2),
    }  # fmt: skip
    for name, shape in wanted.items():
        found = getattr(basis, name).shape
        if found != shape:
            raise ValueError(f"{name} is {found}, not {shape}")
