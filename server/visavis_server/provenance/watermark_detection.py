"""Finds the watermark in pictures, however they were cut, scaled and coded since.

What a picture has of its own is taken away as far as it goes: slopes of light and fine grain by a band-pass, edges by
weighing every place by how busy it is. What is left is laid over the pattern in every scale and at every offset; how
far the best place stands out from all others is the score. Knows nothing of files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from visavis_server.provenance.watermark import PATCHES, patches

THRESHOLD = 7.5
"""The highest of 10,000 unmarked clips and how far beyond it this lies: see docs/provenance.md."""
_TOGETHER = 10
"""Frames whose mean is looked at as one: codecs' noise goes, the mark stays."""
_PER_PATCH = 2
"""Samples per patch in the search."""
_PERIOD = PATCHES * _PER_PATCH
_SCALE_STEP = 0.008
"""Of neighbouring scales, as a logarithm: half of it moves the picture's edge by an eighth of a patch."""
_RANGES = ((512, 0.85, 2.0, 1.25), (768, 0.35, 0.85, 1.2))
"""Long side in px at which scales from, to are searched (patches are 4 to 16 px there), and the low-pass in px."""
_HIGH_PASS, _BUSY = 2.4, 3.2
"""As wide as the low-pass, so many times."""
_NOISE = 0.2
"""Variance that every place has at least: levels of 255, squared."""
_MOST_DEVIATIONS = 1.5
_BLANK = 0.01
"""A residual that is weaker is what rounding leaves of a blank picture."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found in some pictures."""

    score: float
    """By how many standard deviations the best place stands out."""
    scale: float
    """Side of a square as large as the picture that was marked, there, as a share of these pictures' long side."""

    @property
    def found(self) -> bool:
        """The pictures carry the mark."""
        return self.score >= THRESHOLD


@dataclass(slots=True)
class Evidence:
    """Gathers what frames have beside their own content; all of one size, in order."""

    frames: int = 0
    _group: NDArray[np.float32] | None = None
    _grouped: int = 0
    _residuals: list[NDArray[np.float32]] = field(default_factory=list)

    def add(self, luma: NDArray[np.uint8]) -> None:
        """Take one frame: uint8 (H, W)."""
        if self._group is None:
            self._group = np.zeros(luma.shape, np.float32)
        cv2.accumulate(luma, self._group)
        self._grouped += 1
        self.frames += 1
        if self._grouped == _TOGETHER:
            self._settle()

    def finding(self) -> Finding:
        """Search for the pattern; without a frame nothing is found."""
        if self._grouped:
            self._settle()
        found = [
            _best(_halved(residual), _scales(low, high))
            for residual, (_, low, high, _) in zip(self._residuals, _RANGES, strict=False)
            if float(np.std(residual)) > _BLANK
        ]
        return max(found, key=lambda finding: finding.score, default=Finding(0.0, 1.0))

    def _settle(self) -> None:
        assert self._group is not None
        mean = self._group / np.float32(self._grouped)
        fresh = [whitened(_sized(mean, side), low_pass_px) for side, _, _, low_pass_px in _RANGES]
        self._residuals = [a + b for a, b in zip(self._residuals, fresh, strict=True)] if self._residuals else fresh
        self._group, self._grouped = None, 0


@lru_cache(4)
def _scales(low: float, high: float) -> tuple[float, ...]:
    """Scales with equal steps between them; pictures that nobody scaled are among them exactly."""
    steps = np.arange(math.ceil(math.log(low) / _SCALE_STEP), math.ceil(math.log(high) / _SCALE_STEP))
    return tuple(np.exp(steps * _SCALE_STEP).tolist())


def _sized(luma: NDArray[np.float32], long_side_px: int) -> NDArray[np.float32]:
    scale = long_side_px / max(luma.shape)
    size = max(8, round(luma.shape[1] * scale)), max(8, round(luma.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(luma, size, interpolation=how), np.float32)


def whitened(luma: NDArray[np.float32], low_pass_px: float) -> NDArray[np.float32]:
    """A picture without slopes and grain, its busy places made faint: float32 (H, W)."""
    fine, coarse = (cv2.GaussianBlur(luma, (0, 0), low_pass_px * times) for times in (1.0, _HIGH_PASS))
    band = fine - coarse
    busy = cv2.GaussianBlur(band * band, (0, 0), low_pass_px * _BUSY) + np.float32(_NOISE)
    most = _MOST_DEVIATIONS / np.sqrt(busy)
    return np.asarray(np.clip(band / busy, -most, most), np.float32)


def _halved(residual: NDArray[np.float32]) -> NDArray[np.float32]:
    """Half as large: the band-pass has left nothing finer, and the search is four times as quick."""
    size = max(8, residual.shape[1] // 2), max(8, residual.shape[0] // 2)
    return np.asarray(cv2.resize(residual, size, interpolation=cv2.INTER_AREA), np.float32)


@lru_cache(1)
def _spectrum() -> NDArray[np.complex64]:
    wide = np.kron(patches(), np.ones((_PER_PATCH, _PER_PATCH), np.float32))
    return np.asarray(np.conj(fft.rfft2(wide)), np.complex64)


def _best(residual: NDArray[np.float32], scales: tuple[float, ...]) -> Finding:
    """The best offset of all scales."""
    folded = np.stack([_folded(_resampled(residual, scale)) for scale in scales])
    likeness = fft.irfft2(fft.rfft2(folded) * _spectrum(), s=(_PERIOD, _PERIOD)).reshape(len(scales), -1)
    spread = likeness.std(1)
    scores = np.divide(likeness.max(1), spread, out=np.zeros_like(spread), where=spread > 0)
    best = int(scores.argmax())
    return Finding(float(scores[best]), scales[best])


def _resampled(residual: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """With two samples to a patch, if the pattern has this scale."""
    samples = _PERIOD / scale / max(residual.shape)
    size = max(4, round(residual.shape[1] * samples)), max(4, round(residual.shape[0] * samples))
    how = cv2.INTER_AREA if samples < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(residual, size, interpolation=how), np.float32)


def _folded(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum of all periods of the pattern: float32 (128, 128)."""
    out = np.zeros((_PERIOD, _PERIOD), np.float32)
    for y in range(0, small.shape[0], _PERIOD):
        for x in range(0, small.shape[1], _PERIOD):
            part = small[y : y + _PERIOD, x : x + _PERIOD]
            out[: part.shape[0], : part.shape[1]] += part
    return out
