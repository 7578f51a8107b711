"""Cuts the person out of the picture: a soft matte at full resolution from two coarse networks, colours and edges.

The colour-guided filter is that of He, Sun and Tang (Guided Image Filtering, 2010), on box filters. It does not know
what will be put behind the person.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.portrait.crops import Crop
from visavis_models.portrait.layers import fill_hole
from visavis_models.portrait.networks import input_size_px, run_network

_HEAD_CROP_WIDTHS = 4.0
_BAND_FACE_WIDTHS = 0.15
"""Half width of the zone round the coarse outline in which the true one is looked for."""
_NOISE_VARIANCE = 6e-4
_DECISION = 1.7
"""How much surer the networks' mask is taken to be than it says: hair is rarely half there."""
_EVIDENCE_FOR, _EVIDENCE_AGAINST = 2.0, 0.4
"""Log odds. A colour that the background does not have speaks for the person; one that it has proves little, since
dark hair before dark shelves is common."""


def person_matte(
    canvas: NDArray[np.uint8],
    head: NDArray[np.float32],
    body_mask: NDArray[np.float32],
    own: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """The matte of the person whose face is given.

    Args:
        canvas: uint8 (H, W, 3) RGB.
        head: `Avatar.head_pose` of the face.
        body_mask: float32 (H, W), 0..1, of `find_body`.
        own: bool (H, W): where another person would be somebody else; None: there is nobody else.

    Returns:
        uint8 (H, W), 255 = the person.
    """
    coarse = _coarse_mask(canvas, head, body_mask)
    if own is not None:
        coarse = np.where(own, coarse, np.float32(0))
    coarse = _one_person(coarse, head)
    band_px = _BAND_FACE_WIDTHS * float(head[5])
    matte = _without_specks(_refine(canvas, coarse, band_px), coarse, band_px)
    return np.asarray(np.rint(matte * 255), np.uint8)


def _coarse_mask(
    canvas: NDArray[np.uint8], head: NDArray[np.float32], body_mask: NDArray[np.float32]
) -> NDArray[np.float32]:
    """float32 (H, W), 0..1: the whole picture coarsely, the head's surroundings again at a finer grain."""
    height, width = canvas.shape[:2]
    size = input_size_px("person_mask")
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255)
    whole = cv2.resize(_segment(small), (width, height), interpolation=cv2.INTER_LINEAR)
    whole = 0.7 * whole + 0.3 * body_mask
    side = _HEAD_CROP_WIDTHS * float(head[5])
    if side > 0.85 * max(height, width):
        return np.asarray(whole, np.float32)
    crop = Crop(float(head[3]), float(head[4]) + 0.15 * side, side)
    near = crop.mask_to_canvas(_segment(crop.take(canvas, size) / np.float32(255)), width, height)
    line = np.clip(4 * np.minimum(np.arange(size) + 0.5, size - np.arange(size) - 0.5) / size, 0, 1)
    trust = crop.mask_to_canvas(np.minimum.outer(line, line).astype(np.float32), width, height)
    return np.asarray(whole + trust * (near - whole), np.float32)


def _segment(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The person mask of a picture and of its mirror image, averaged."""
    straight = run_network("person_mask", picture)["mask"][0, :, :, 0]
    mirrored = run_network("person_mask", picture[:, ::-1])["mask"][0, :, ::-1, 0]
    return np.asarray((straight + mirrored) / 2, np.float32)


def _one_person(coarse: NDArray[np.float32], head: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mask of what hangs together with the face, without other people and specks; small holes are shut."""
    inside = (coarse > 0.5).astype(np.uint8)
    _, labels = cv2.connectedComponents(inside)
    x, y = (int(np.clip(head[3 + axis], 0, coarse.shape[1 - axis] - 1)) for axis in (0, 1))
    person = (labels == labels[y, x]).astype(np.uint8) if inside[y, x] else inside
    count, holes, facts, _ = cv2.connectedComponentsWithStats(1 - person)
    largest_hole_px = (0.35 * float(head[5])) ** 2
    for index in range(1, count):
        if facts[index, cv2.CC_STAT_AREA] < largest_hole_px:
            person[holes == index] = 1
    others = (inside == 1) & (person == 0)
    mask = np.where(person == 1, np.maximum(coarse, 0.5), np.minimum(coarse, 0.5))
    return np.where(others, np.float32(0), mask).astype(np.float32)


def _refine(canvas: NDArray[np.uint8], coarse: NDArray[np.float32], band_px: float) -> NDArray[np.float32]:
    """Decide the band round the coarse outline by colour, then fit it to the picture's edges; the rest is sure."""
    guide = canvas.astype(np.float32) / np.float32(255)
    inside = (coarse > 0.5).astype(np.uint8)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    distance = np.asarray(distance, np.float32)
    sure = np.clip(0.5 + 0.5 * distance / band_px, 0, 1)
    low, high = np.clip(sure * 3 - 2, 0, 1), np.clip(sure * 3, 0, 1)
    matte = np.clip(coarse, low, high).astype(np.float32)
    matte = colour_guided_filter(guide, matte, max(2, round(band_px * 0.8)), 3e-4)
    matte = np.clip(matte, low, high).astype(np.float32)
    belief = np.clip(matte, 0.03, 0.97)
    belief = _DECISION * np.log(belief / (1 - belief)) + _colour_evidence(guide, distance, band_px)
    matte = np.clip(1 / (1 + np.exp(-belief)), low, high).astype(np.float32)
    matte = colour_guided_filter(guide, matte, max(2, round(band_px * 0.15)), 1e-4)
    matte = np.clip(matte, low, high)
    return np.asarray(np.clip((matte - 0.06) / 0.88, 0, 1), np.float32)


def _without_specks(matte: NDArray[np.float32], coarse: NDArray[np.float32], band_px: float) -> NDArray[np.float32]:
    """Take away what does not hang together with the person, and shut pinholes."""
    count, labels = cv2.connectedComponents((matte > 0.25).astype(np.uint8))
    person = np.zeros(count, np.uint8)
    person[labels[coarse > 0.9]] = 1
    person[0] = 0
    kept = person[labels]
    reach = max(2, round(band_px * 0.4))
    near = cv2.dilate(kept, np.ones((2 * reach + 1,) * 2, np.uint8))
    stray = cv2.dilate((labels > 0).astype(np.uint8) - kept, np.ones((7, 7), np.uint8))
    matte = np.where((near == 1) & ((stray == 0) | (kept == 1)), matte, np.float32(0))
    _, labels, facts, _ = cv2.connectedComponentsWithStats((matte < 0.75).astype(np.uint8))
    pinhole = facts[:, cv2.CC_STAT_AREA] < (0.5 * band_px) ** 2
    pinhole[0] = False
    return np.where(pinhole[labels], np.float32(1), matte).astype(np.float32)


def _colour_evidence(guide: NDArray[np.float32], distance: NDArray[np.float32], band_px: float) -> NDArray[np.float32]:
    """How much more a pixel's colour resembles the person beside it than the background there: log odds, clamped."""
    height, width = distance.shape
    half = (max(1, width // 2), max(1, height // 2))  # what is looked for is smooth: half the resolution will do
    small = np.asarray(cv2.resize(guide, half, interpolation=cv2.INTER_AREA), np.float32)
    radius = max(2, round(band_px * 0.25))
    logs = []
    for known in (distance > band_px * 0.7, distance < -band_px * 0.85):
        weight = np.asarray(cv2.resize(known.astype(np.float32), half, interpolation=cv2.INTER_AREA) > 0.99, np.float32)
        share = cv2.blur(weight, (2 * radius + 1,) * 2)[..., None]
        local = cv2.blur(small * weight[..., None], (2 * radius + 1,) * 2) / np.maximum(share, 1e-3)
        spread = ((small - local) ** 2).mean(axis=-1) * weight
        facts = fill_hole(np.dstack([small, spread]).astype(np.float32), weight)
        facts = np.asarray(cv2.resize(facts, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        variance = np.maximum(facts[..., 3], 0) + np.float32(_NOISE_VARIANCE)
        logs.append(-0.5 * ((guide - facts[..., :3]) ** 2).sum(axis=-1) / variance - 1.5 * np.log(variance))
    evidence = np.clip(0.5 * (logs[0] - logs[1]), -_EVIDENCE_AGAINST, _EVIDENCE_FOR)
    return np.asarray(evidence, np.float32)


def colour_guided_filter(
    guide: NDArray[np.float32], values: NDArray[np.float32], radius_px: int, smoothness: float
) -> NDArray[np.float32]:
    """Fit `values` locally as a linear function of the guide's colour.

    Args:
        guide: float32 (H, W, 3), 0..1.
        values: float32 (H, W).
        radius_px: half side of the windows.
        smoothness: variance of colour below which a window counts as flat.
    """

    def mean(array: NDArray[np.float32]) -> NDArray[np.float32]:
        side = 2 * radius_px + 1
        return np.asarray(cv2.boxFilter(array, -1, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)

    centre = mean(guide)
    variance = {
        (i, j): mean(guide[..., i] * guide[..., j]) - centre[..., i] * centre[..., j]
        for i in range(3)
        for j in range(i, 3)
    }
    for i in range(3):
        variance[i, i] = variance[i, i] + np.float32(smoothness)
    average = mean(values)
    together = [mean(guide[..., i] * values) - centre[..., i] * average for i in range(3)]
    rr, rg, rb, gg, gb, bb = (variance[key] for key in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))
    # The inverse of the symmetric 3 by 3 matrix, by cofactors.
    c00, c01, c02 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c11, c12, c22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    determinant = rr * c00 + rg * c01 + rb * c02
    slope = np.stack(
        [
            (c00 * together[0] + c01 * together[1] + c02 * together[2]) / determinant,
            (c01 * together[0] + c11 * together[1] + c12 * together[2]) / determinant,
            (c02 * together[0] + c12 * together[1] + c22 * together[2]) / determinant,
        ],
        axis=-1,
    )
    offset = average - (slope * centre).sum(axis=-1)
    return np.asarray((mean(slope) * guide).sum(axis=-1) + mean(offset), np.float32)
