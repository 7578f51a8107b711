"""One held-out clip and what it is judged in: its region, its true flow, and figures of pictures against its truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from held_out_clips import Shot
from numpy.typing import NDArray
from picture_measures import Flow, psnr_db, region_of, residuals, sharpness, true_flow

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Judged:
    """One clip and what it is judged in."""

    shot: Shot
    soft: Floats
    """float32 (N, h, w): how much may be generated."""
    flow: Flow

    @classmethod
    def of(cls, shot: Shot) -> Judged:
        """Work out what does not depend on the model."""
        return cls(shot, region_of(shot.maps), true_flow(shot.points, (shot.maps.shape[2], shot.maps.shape[3])))

    @property
    def region(self) -> NDArray[np.bool_]:
        """Bool (N, h, w)."""
        return self.soft > 0.5

    def psnr_db(self, shown: Floats) -> float:
        """Of pictures (N, 3, h, w) in the region."""
        return psnr_db(shown, self.shot.truth, self.region)

    def sharpness_ratio(self, shown: Floats) -> float:
        """Against the truth's."""
        true = sharpness(self.shot.truth, self.region)
        return sharpness(shown, self.region) / true if true > 0 else float("nan")

    def true_residuals(self) -> NDArray[np.float64]:
        """The truth's, without what its coding adds."""
        return self.residuals(self.shot.truth) / self.shot.clip.coding_flicker

    def residuals(self, shown: Floats) -> NDArray[np.float64]:
        """(N - 1,), see `picture_measures.residuals`."""
        return residuals(shown, self.flow, self.region)[0]
