"""Where the rig's meshes of teeth and tongue truly lie in made people.

The rig draws average teeth. Networks that learn from average teeth and other people's true ones learn to blur; so in
training the same meshes are laid along the person's own rows of teeth and tongue. Knows nothing of cameras or crops.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from visavis_models.face.model import face_model
from visavis_training.people.anatomy import Anatomy
from visavis_training.people.dentition import FRONT_ROWS, SPANS_PER_TOOTH, TEETH_PER_ARCH


def arch_weights(uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which vertices of an anatomy's arch carry tooth coordinates.

    Args:
        uv: (n, 2): teeth from the person's right, and height from gum (-1) to biting edge (1).

    Returns:
        int64 (n, 8) vertices of the arch and float32 (n, 8) weights that sum to 1; a border between two teeth lies
        between the borders of both.
    """
    columns = TEETH_PER_ARCH * (SPANS_PER_TOOTH + 1)
    rows = np.interp(uv[:, 1], FRONT_ROWS, np.arange(len(FRONT_ROWS)))
    low = np.minimum(rows.astype(np.int64), len(FRONT_ROWS) - 2)
    down = rows - low
    tooth = np.minimum(uv[:, 0].astype(np.int64), TEETH_PER_ARCH - 1)
    across = (uv[:, 0] - tooth) * SPANS_PER_TOOTH
    left = np.minimum(across.astype(np.int64), SPANS_PER_TOOTH - 1)
    right = across - left
    here = tooth * (SPANS_PER_TOOTH + 1) + left
    before = np.where((across == 0) & (tooth > 0), here - 1, here)
    places, weights = [], []
    for row, of_row in ((low, 1 - down), (low + 1, down)):
        for column, share in ((here, (1 - right) / 2), (before, (1 - right) / 2), (here + 1, right), (here, 0 * right)):
            places.append(row * columns + column)
            weights.append(of_row * share)
    return np.stack(places, 1), np.stack(weights, 1).astype(np.float32)


class TrueMouths:
    """Teeth and tongue of an anatomy's people, as points of the rig's meshes.

    Args:
        anatomy: of everybody.
    """

    def __init__(self, anatomy: Anatomy) -> None:
        model = face_model()
        found, shares = [], []
        for part, arch in ((model.teeth_upper, "upper_arch"), (model.teeth_lower, "lower_arch")):
            places, weights = arch_weights(part.uv)
            found.append(places + anatomy.parts[arch].start)
            shares.append(weights)
        # The anatomy's tongue is the rig's, refined once: its first points are the rig's own.
        count = len(model.tongue.vertices)
        own = anatomy.parts["tongue"].start + np.arange(count)
        found.append(np.repeat(own[:, None], 8, 1))
        shares.append(np.full((count, 8), 1 / 8, np.float32))
        self.counts = tuple(len(rows) for rows in found)
        """Points of upper teeth, lower teeth and tongue."""
        self._places = torch.from_numpy(np.concatenate(found)).to(anatomy.device)
        self._weights = torch.from_numpy(np.concatenate(shares)).to(anatomy.device)

    def __call__(self, vertices: Tensor) -> Tensor:
        """(B, n, 3) points, upper teeth first, then lower teeth and tongue, of posed people (B, V, 3)."""
        return torch.einsum("bnkc,nk->bnc", vertices[:, self._places], self._weights)
