"""Figures of people who do not exist: here truth is known. Mouths and eyes, drawn window after window as in a call.

Knows nothing of portraits of real people, nor of how pictures are made: a model is a function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from held_out_clips import Shot
from numpy.typing import NDArray
from picture_features import feature_distance
from picture_judging import Judged
from picture_measures import (
    borders,
    farthest_from_one,
    flicker_ratio,
    seam_ratio,
)
from picture_networks import Way, streamed

from visavis_models.diffusion.crops import MOUTH
from visavis_models.diffusion.window_networks import WindowNetworks

Floats = NDArray[np.float32]
Drawer = Callable[[Sequence[Shot], Way], Floats]
"""Clips of equal length and crops as they are shown, float32 (Q, N, 3, h, w)."""
_AT_ONCE = 8
_STEPS = (1, 2, 4)
_NEW = (2, 4, 8)


def by_networks(networks: WindowNetworks) -> Drawer:
    """The renderer."""
    return lambda shots, way: streamed(networks, shots, way)


def by_warp(shots: Sequence[Shot], way: Way) -> Floats:
    """What `warp` shows: the figures' lower end."""
    return np.stack([shot.warp for shot in shots])


def by_truth(shots: Sequence[Shot], way: Way) -> Floats:
    """A faultless renderer: what the measures say of truth itself."""
    return np.stack([shot.truth for shot in shots])


def _drawn(draw: Drawer, judged: Sequence[Judged], way: Way) -> list[Floats]:
    """Each clip's pictures; clips of one shape at once."""
    found: dict[int, Floats] = {}
    shapes = sorted({item.shot.maps.shape for item in judged})
    for shape in shapes:
        rows = [k for k, item in enumerate(judged) if item.shot.maps.shape == shape]
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            found.update(zip(part, draw([judged[k].shot for k in part], way), strict=True))
    return [found[k] for k in range(len(judged))]


def _median(values: Sequence[float]) -> float:
    known = [v for v in values if np.isfinite(v)]
    return float(np.median(known)) if known else float("nan")


def _seams(judged: Sequence[Judged], runs: Mapping[tuple[int, int], Sequence[Floats]], new: int) -> float:
    """Of windows of `new` frames, by the runs whose first windows are as long and half as long."""
    parts = []
    for first in (new, new // 2):
        values = np.concatenate([item.residuals(x) for item, x in zip(judged, runs[new, first], strict=True)])
        border = np.concatenate([borders(len(item.shot.truth), new, first) for item in judged])
        parts.append((values, border))
    return seam_ratio(parts)


def _kind(
    draw: Drawer, judged: Sequence[Judged], way: Way, of_seams: Sequence[int]
) -> tuple[dict[str, Any], dict[str, list[Floats]]]:
    """All figures of mouths, or of eyes; and the pictures by the name of the way they were made."""
    steps = {n: _drawn(draw, judged, replace(way, steps=n)) for n in _STEPS}
    runs = {
        (new, first): steps[way.steps]
        if (new, first) == (way.new, way.new) and way.steps in steps
        else _drawn(draw, judged, replace(way, new=new, first=first))
        for new in _NEW
        for first in ((new, new // 2) if new in of_seams else (new,))
    }
    shown = runs[way.new, way.new] if (way.new, way.new) in runs else _drawn(draw, judged, way)
    warp = [item.shot.warp for item in judged]

    def db(pictures: Sequence[Floats]) -> list[float]:
        return [item.psnr_db(x) for item, x in zip(judged, pictures, strict=True)]

    def features(pictures: Sequence[Floats]) -> list[float]:
        return [feature_distance(x, item.shot.truth, item.soft) for item, x in zip(judged, pictures, strict=True)]

    def unrest(pictures: Sequence[Floats]) -> list[NDArray[np.float64]]:
        return [item.residuals(x) for item, x in zip(judged, pictures, strict=True)]

    of_steps = {n: _median(db(x)) for n, x in steps.items()}
    of_new = {n: _median(db(runs[n, n])) for n in _NEW}
    of_warp, of_shown, far_shown, far_warp = db(warp), db(shown), features(shown), features(warp)
    true_unrest = [item.true_residuals() for item in judged]
    figures: dict[str, Any] = {
        "clips": len(judged),
        "psnr_db": _median(of_shown),
        "psnr_warp_db": _median(of_warp),
        "psnr_gain_db": _median([a - b for a, b in zip(of_shown, of_warp, strict=True)]),
        "feature_distance": float(np.nanmean(far_shown)),
        "feature_distance_warp": float(np.nanmean(far_warp)),
        "feature_ratio": float(np.nanmean(far_shown)) / max(float(np.nanmean(far_warp)), 1e-9),
        "psnr_db_by_steps": {str(n): value for n, value in of_steps.items()},
        "psnr_db_by_new_frames": {str(n): value for n, value in of_new.items()},
        "sharpness_ratio": _median([i.sharpness_ratio(x) for i, x in zip(judged, shown, strict=True)]),
        "sharpness_ratio_warp": _median([i.sharpness_ratio(x) for i, x in zip(judged, warp, strict=True)]),
        "flicker_ratio": flicker_ratio(unrest(shown), true_unrest),
        "flicker_ratio_warp": flicker_ratio(unrest(warp), true_unrest),
        "seam_ratio_by_new_frames": {str(n): _seams(judged, runs, n) for n in of_seams},
    }
    for name, true_places in (("true_places", True), ("driven", False)):
        rows = [k for k, item in enumerate(judged) if item.shot.clip.true_places == true_places]
        figures[name] = {
            "clips": len(rows),
            "psnr_db": _median([of_shown[k] for k in rows]),
            "psnr_warp_db": _median([of_warp[k] for k in rows]),
            "psnr_gain_db": _median([of_shown[k] - of_warp[k] for k in rows]),
        }
    return figures, {"warp": warp} | {f"{n} step{'s' * (n > 1)}": x for n, x in steps.items()}


@dataclass(frozen=True, slots=True)
class PeopleFigures:
    """What is said of a model."""

    keys: dict[str, float]
    """By the names that the record has for them."""
    beside: dict[str, Any]
    """All figures of mouths and of eyes."""
    pictures: dict[str, dict[str, list[Floats]]]
    """For sheets: by kind of crop and way, each clip's pictures (N, 3, h, w)."""
    judged: dict[str, list[Judged]]


def people_figures(draw: Drawer, shots: Sequence[Shot], way: Way, of_seams: Sequence[int] = _NEW) -> PeopleFigures:
    """Judge a model by held-out clips.

    Args:
        draw: the model.
        shots: mouths, and eyes if there are any.
        way: how windows are drawn unless a figure asks for another.
        of_seams: new frames of the windows whose borders are looked at; of 2, 4 and 8.
    """
    judged = {
        "mouth": [Judged.of(shot) for shot in shots if shot.clip.region is MOUTH],
        "eyes": [Judged.of(shot) for shot in shots if shot.clip.region is not MOUTH],
    }
    beside, pictures = {}, {}
    for kind, items in judged.items():
        if items:
            beside[kind], pictures[kind] = _kind(draw, items, way, of_seams)
    mouth, every = beside["mouth"], list(beside.values())
    by_new = mouth["psnr_db_by_new_frames"].values()
    keys = {
        "mouth_psnr_db": mouth["psnr_db"],
        "mouth_psnr_gain_db": mouth["psnr_gain_db"],
        "mouth_feature_ratio": mouth["feature_ratio"],
        "step1_gap_db": mouth["psnr_db_by_steps"]["4"] - mouth["psnr_db_by_steps"]["1"],
        "new_frames_difference_db": max(by_new) - min(by_new),
        "sharpness_ratio": farthest_from_one([figures["sharpness_ratio"] for figures in every]),
        "flicker_ratio": max(figures["flicker_ratio"] for figures in every),
        "seam_ratio": float(np.nanmax([v for f in every for v in f["seam_ratio_by_new_frames"].values()])),
    }
    return PeopleFigures(keys, beside, pictures, judged)
