"""Judges generated crops before anybody sees them: against the portrait's own pixels, and against the frame before.

What the driven photo shows under a crop is the person's own skin and lips: generated ones have its colour and about its
sharpness. Pure functions; what follows from a judgement is decided in `recovery.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from visavis_models.diffusion.maps import MAPS

Floats = NDArray[np.float32]

REASONS = ("engine", "broken", "burnt", "colour", "blurred", "noisy", "jump")
"""Why a crop is refused: no engine could make it; not finite; beyond black and white; unlike the portrait; without or
with too much detail; unlike the frame before."""
_FEWEST_PX = 60
"""Fewer pixels than this tell nothing."""
_GRAIN = 0.008
"""How far pixels differ from their neighbours' sum at least, in what both sides are credited: skin may be smooth."""
FACT_SUMS = 11
_WARPED, _SHOWN = MAPS["warped"].start, MAPS["shown"].start
_MEASURE = "void(f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], f4[:,:,::1], b1, i8, i8, f8[::1])"


@dataclass(frozen=True, slots=True)
class CropFacts:
    """What was measured of one generated crop."""

    sound: bool
    """Every number is finite."""
    burnt: float
    """Share of what is covered that is brighter than white or of a colour no skin has, 0..1."""
    colour: float
    """How far the mean colour of generated skin and lips is from the photo's, -1..1 being black and white."""
    detail: float
    """How much pixels of skin and lips differ from what lies around them, for the photo's; 1 if too few are seen."""
    jump: float
    """Change since the frame before (root mean square) beyond what the driven photo changed; 0 if there is none."""


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """Beyond what a crop is refused. See `CropFacts`."""

    burnt: float = 0.12
    colour: float = 0.22
    least_detail: float = 0.5
    most_detail: float = 3.0
    jump: float = 0.3
    """Of a face that does not move."""
    jump_per_motion: float = 0.08
    """For each whole unit by which the face's coefficients change together in one frame."""
    most_jump: float = 0.7
    most_apart: float = 0.35
    """Between what was shown of a frame and what is made of it from the portrait alone: beyond it, neither is right."""


UNLIMITED = GuardLimits(1e9, 1e9, 0.0, 1e9, 1e9, 0.0, 1e9, 1e9)
"""Refuses only what is not finite: to look at networks that are not trained yet, and to measure."""


@numba.njit(_MEASURE, nogil=True, cache=True)
def _measure(made, maps, made_before, maps_before, has_before, warped, shown, sums):  # type: ignore[no-untyped-def]
    # sums: 0 not finite, 1 covered, 2 burnt, 3 skin, 4..6 differences of colour, 7 detail made, 8 of the photo,
    # 9 pixels compared with the frame before, 10 their change
    height, width = made.shape[1:]
    half = np.float32(0.5)
    for y in range(height):
        for x in range(width):
            cover = made[3, y, x]
            red, green, blue = made[0, y, x], made[1, y, x], made[2, y, x]
            if not (np.isfinite(cover) and np.isfinite(red) and np.isfinite(green) and np.isfinite(blue)):
                sums[0] += 1
                continue
            if cover <= half:
                continue
            sums[1] += 1
            high, low = max(red, max(green, blue)), min(red, min(green, blue))
            on_skin = maps[shown, y, x] > half
            if high > np.float32(0.985) or high - low > np.float32(1.5):
                # Where the photo itself is as bright there is nothing wrong.
                photo = max(maps[warped, y, x], max(maps[warped + 1, y, x], maps[warped + 2, y, x]))
                if not (on_skin and photo > np.float32(0.9)):
                    sums[2] += 1
            if on_skin:
                sums[3] += 1
                for k in range(3):
                    sums[4 + k] += made[k, y, x] - maps[warped + k, y, x]
                inside = y > 0 and x > 0 and y < height - 1 and x < width - 1
                if inside and (
                    min(maps[shown, y - 1, x], maps[shown, y + 1, x]) > half
                    and min(maps[shown, y, x - 1], maps[shown, y, x + 1]) > half
                ):
                    for k in range(3):
                        w = warped + k
                        here, photo = made[k, y, x] * 4, maps[w, y, x] * 4
                        sums[7] += abs(
                            here - made[k, y - 1, x] - made[k, y + 1, x] - made[k, y, x - 1] - made[k, y, x + 1]
                        )
                        sums[8] += abs(
                            photo - maps[w, y - 1, x] - maps[w, y + 1, x] - maps[w, y, x - 1] - maps[w, y, x + 1]
                        )
            if has_before and made_before[3, y, x] > half and on_skin == (maps_before[shown, y, x] > half):
                sums[9] += 1
                for k in range(3):
                    change = made[k, y, x] - made_before[k, y, x]
                    if on_skin:
                        change -= maps[warped + k, y, x] - maps_before[warped + k, y, x]
                    sums[10] += change * change


def measured(made: Floats, maps: Floats, before: tuple[Floats, Floats] | None = None) -> CropFacts:
    """Facts of a crop.

    Args:
        made: float32 (4, H, W): RGB -1..1 and cover, as decoded.
        maps: float32 (MAP_CHANNELS, H, W) of the same frame.
        before: the same two of the frame before.
    """
    sums = np.zeros(FACT_SUMS, np.float64)
    here, there, here_before, there_before = (
        np.ascontiguousarray(x, np.float32) for x in (made, maps, *(before or (made, maps)))
    )
    _measure(here, there, here_before, there_before, before is not None, _WARPED, _SHOWN, sums)
    return facts_of(sums)


def facts_of(sums: NDArray[np.float64]) -> CropFacts:
    """Facts of a crop from its sums over pixels, float64 (FACT_SUMS,): see `_measure`."""
    wrong, covered, burnt, skin, *colour = sums[:7]
    tells = skin >= _FEWEST_PX
    grain = _GRAIN * 3 * skin
    return CropFacts(
        sound=wrong == 0,
        burnt=float(burnt / covered) if covered >= _FEWEST_PX else 0.0,
        colour=float(np.abs(colour).max() / skin) if tells else 0.0,
        detail=float((sums[7] + grain) / (sums[8] + grain)) if tells else 1.0,
        jump=float(np.sqrt(sums[10] / (3 * sums[9]))) if sums[9] >= _FEWEST_PX else 0.0,
    )


def motion_change(motion: Floats) -> float:
    """By how much the face's coefficients changed together in the newest of five motions (5, 58)."""
    return float(np.abs(motion[-1, :52] - motion[-2, :52]).sum())


def refusal(facts: CropFacts, change: float, limits: GuardLimits) -> str | None:
    """Why a crop may not be shown, one of `REASONS`; None if it may.

    Args:
        facts: of the crop.
        change: of the face since the frame before, `motion_change`.
        limits: see there.
    """
    allowed = min(limits.jump + limits.jump_per_motion * change, limits.most_jump)
    found = (
        ("broken", not facts.sound),
        ("burnt", facts.burnt > limits.burnt),
        ("colour", facts.colour > limits.colour),
        ("blurred", facts.detail < limits.least_detail),
        ("noisy", facts.detail > limits.most_detail),
        ("jump", facts.jump > allowed),
    )
    return next((reason for reason, true in found if true), None)


def begin_refusal(
    made: Floats, maps: Floats, motion: Floats, newest: tuple[Floats, Floats] | None, limits: GuardLimits
) -> str | None:
    """Why a window that begins anew may not be shown; None if it may.

    Args:
        made: float32 (N, 4, H, W).
        maps: float32 (N, MAP_CHANNELS, H, W).
        motion: float32 (N, 5, 58).
        newest: if the window's first frame was shown already, its crop as it was then, and its maps.
        limits: see there.
    """
    reason = window_refusal(made, maps, motion, None, limits)
    if reason is None and newest is not None and measured(made[0], maps[0], newest).jump > limits.most_apart:
        return "jump"
    return reason


def window_refusal(
    made: Floats, maps: Floats, motion: Floats, before: tuple[Floats, Floats] | None, limits: GuardLimits
) -> str | None:
    """Why a window of N crops may not be shown; None if it may.

    Args:
        made: float32 (N, 4, H, W).
        maps: float32 (N, MAP_CHANNELS, H, W).
        motion: float32 (N, 5, 58).
        before: crop and maps of the frame before the window.
        limits: see there.
    """
    for k in range(len(made)):
        reason = window_refused([measured(made[k], maps[k], before)], motion[k : k + 1], limits)
        if reason is not None:
            return reason
        before = made[k], maps[k]
    return None


def window_refused(facts: Sequence[CropFacts], motion: Floats, limits: GuardLimits) -> str | None:
    """The same from facts of the window's crops, each beside the one before."""
    reasons = (refusal(each, motion_change(row), limits) for each, row in zip(facts, motion, strict=True))
    return next((reason for reason in reasons if reason is not None), None)
