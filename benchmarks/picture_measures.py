"""What can be said of a picture beside the truth: error, sharpness, flicker, seams, drift; pure functions of arrays.

Pictures are float32 (N, 3, h, w), -1..1, frames of one clip in order; regions bool (N, h, w). Knows nothing of where
pictures or truth come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.diffusion.maps import MAPS
from visavis_models.diffusion.strokes import EYE_OPENING, MOUTH_OPENING, face_triangles
from visavis_models.raster import affine_planes, attribute_map, rasterise

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
REACH, EDGE = 0.07, 0.05
"""Of `synthesis_region`: how far it goes beyond lips, and how wide its edge is, in crop widths."""
_LIDS_FROM, _LIDS_FULL = 0.04, 0.25
_FINE_PX, _COARSE_PX = 0.7, 1.7
_LEVELS = 127.5
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def region_of(maps: Floats) -> Floats:
    """How much of every pixel may be generated: `synthesis_region` of the networks, without torch.

    Args:
        maps: float32 (N, MAP_CHANNELS, h, w).

    Returns:
        float32 (N, h, w), 0..1.
    """
    mouth = maps[:, MAPS["lips"]].max(1) + maps[:, MAPS["mouth"]].max(1)
    eye = maps[:, MAPS["lids"]].max(1) + maps[:, MAPS["eye"]].max(1)
    moved = np.clip((maps[:, MAPS["lid_motion"]].max((1, 2, 3)) - _LIDS_FROM) / (_LIDS_FULL - _LIDS_FROM), 0, 1)
    moved = moved * moved * (3 - 2 * moved)
    height, width = maps.shape[2:]
    y, x = np.mgrid[0:height, 0:width]
    within = np.clip(np.minimum(np.minimum(y, height - 1 - y), np.minimum(x, width - 1 - x)) / (EDGE * width), 0, 1)
    within = within * within * (3 - 2 * within)
    grown = [
        np.maximum(_grown(m.clip(0, 1), REACH), _grown(e.clip(0, 1), 0.5 * REACH) * share)
        for m, e, share in zip(mouth, eye, moved, strict=True)
    ]
    return np.asarray(np.stack(grown) * within, np.float32)


def _grown(mask: Floats, reach: float) -> Floats:
    width = mask.shape[1]
    far, soft = max(round(reach * width), 1), max(round(EDGE * width) // 2, 1)
    wide = cv2.dilate(mask.astype(np.float32), np.ones((2 * far + 1, 2 * far + 1), np.uint8))
    for _ in range(2):
        wide = cv2.blur(wide, (2 * soft + 1, 2 * soft + 1), borderType=cv2.BORDER_CONSTANT)
    return np.asarray(wide, np.float32)


def psnr_db(shown: Floats, truth: Floats, region: Mask) -> float:
    """Peak signal to noise ratio of a clip within a region; nan where there is no region."""
    if not region.any():
        return float("nan")
    error = np.square(shown - truth, dtype=np.float64).sum(1)[region]
    return float(10 * np.log10(4.0 / max(error.sum() / (3 * max(region.sum(), 1)), 1e-7)))


def bands(pictures: Floats) -> Floats:
    """float32 (N, h, w): what is finer than about four pixels and coarser than about one and a half, of brightness."""
    found = []
    for picture in pictures:
        luma = np.tensordot(_LUMA, picture, 1)
        found.append(cv2.GaussianBlur(luma, (0, 0), _FINE_PX) - cv2.GaussianBlur(luma, (0, 0), _COARSE_PX))
    return np.asarray(np.stack(found), np.float32)


def sharpness(pictures: Floats, region: Mask) -> float:
    """Mean strength of fine detail within a region, in levels of 255; 0 for a region without pixels."""
    return float(_LEVELS * np.abs(bands(pictures))[region].mean()) if region.any() else 0.0


@dataclass(frozen=True, slots=True)
class Flow:
    """Where each pixel of frames 1 .. N - 1 was one frame earlier."""

    before: Floats
    """float32 (N - 1, h, w, 2): x, y px in the frame before."""
    known: Mask
    """Bool (N - 1, h, w): the same surface is seen in both frames."""


def true_flow(points: Floats, size_px: tuple[int, int]) -> Flow:
    """The motion of skin and of what fills openings, by the true places of landmarks (N, 478, 3) in crops."""
    mesh = face_triangles()
    drawn = [rasterise(np.ascontiguousarray(p, np.float32), mesh.triangles, size_px)[0] for p in points]
    label = np.array([*mesh.label, -1])
    before, known = [], []
    for t in range(1, len(points)):
        place = np.ascontiguousarray(points[t - 1, :, :2], np.float32)
        planes = affine_planes(np.ascontiguousarray(points[t], np.float32), mesh.triangles, place)
        there = attribute_map(drawn[t], planes)
        column, row = (np.rint(there[..., k]).astype(int) for k in (0, 1))
        inside = (column >= 0) & (row >= 0) & (column < size_px[1]) & (row < size_px[0]) & (drawn[t] >= 0)
        kind = _kind(label[drawn[t]])
        was = _kind(label[drawn[t - 1][row.clip(0, size_px[0] - 1), column.clip(0, size_px[1] - 1)]])
        before.append(np.where(inside[..., None], there, -9.0).astype(np.float32))
        known.append(inside & (kind == was))
    return Flow(np.stack(before), np.stack(known))


def _kind(label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Skin of any kind is one, each kind of opening another."""
    return np.where(label == MOUTH_OPENING, 1, np.where(label == EYE_OPENING, 2, np.where(label < 0, -1, 0)))


def residuals(pictures: Floats, flow: Flow, region: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What moves besides the true motion: of each pair of frames, the sum of differences in levels, and the pixels.

    Args:
        pictures: of N frames.
        flow: of the same.
        region: bool (N, h, w).

    Returns:
        Two float64 (N - 1,): sums over pixels of the mean over colours, and how many pixels there are.
    """
    sums, counts = [], []
    for t in range(1, len(pictures)):
        before = np.ascontiguousarray(pictures[t - 1].transpose(1, 2, 0))
        moved = cv2.remap(
            before, flow.before[t - 1, ..., 0], flow.before[t - 1, ..., 1], cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        apart = _LEVELS * np.abs(pictures[t].transpose(1, 2, 0) - moved).mean(2)
        counted = flow.known[t - 1] & region[t] & region[t - 1]
        sums.append(float(apart[counted].sum()))
        counts.append(float(counted.sum()))
    return np.array(sums), np.array(counts)


def flicker_ratio(shown: Sequence[NDArray[np.float64]], truth: Sequence[NDArray[np.float64]]) -> float:
    """Residuals of clips against those of the truth, all pairs together."""
    return float(np.concatenate(shown).sum() / max(np.concatenate(truth).sum(), 1e-9))


def borders(frames: int, new: int, first: int) -> NDArray[np.bool_]:
    """Bool (frames - 1,): whether a window ends between frames t and t + 1, the first one having `first` frames."""
    t = np.arange(frames - 1)
    return np.asarray((t + 1 >= first) & ((t + 1 - first) % new == 0))


def seam_ratio(runs: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_]]]) -> float:
    """Residuals at windows' borders against those of the very same pairs of frames when no border lies there.

    Args:
        runs: of each, residuals (pairs,) and where its borders are (pairs,); all of the same frames, with windows that
            begin elsewhere.

    Returns:
        1 where borders cannot be told; nan if no pair is both.
    """
    values = np.stack([residual for residual, _ in runs])
    there = np.stack([border for _, border in runs])
    both = there.any(0) & ~there.all(0)
    at = np.where(there, values, 0).sum(0)[both] / there.sum(0)[both]
    inside = np.where(there, 0, values).sum(0)[both] / (~there).sum(0)[both]
    return float(at.sum() / inside.sum()) if both.any() and inside.sum() > 0 else float("nan")


def farthest_from_one(ratios: Sequence[float]) -> float:
    """The ratio that is farthest from 1, as factors count; nan for none."""
    known = [r for r in ratios if np.isfinite(r) and r > 0]
    return max(known, key=lambda ratio: abs(np.log(ratio))) if known else float("nan")


def drift(first: NDArray[np.floating], last: NDArray[np.floating]) -> float:
    """How much a figure's mean has changed, as a share of what it was."""
    before = float(np.mean(first))
    return abs(float(np.mean(last)) - before) / max(abs(before), 1e-9)
