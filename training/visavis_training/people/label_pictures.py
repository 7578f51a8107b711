"""Paints labels in colours, to be looked at: a row of pictures for every frame. Knows nothing of how they were made."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from visavis_training.people.frame_labels import BACKGROUND, HIDDEN, OUTSIDE, SEEN, FrameLabels

PICTURES = ("region", "canonical", "normals", "depth", "flow", "sight", "matte", "landmarks")
_LEAST_FLOW_PX = 0.5
"""Where nothing flows farther, rounding is not to be blown up into colours."""


def _hues(share: Tensor) -> Tensor:
    """(...,) turns 0..1 → RGB 0..1 around the colour wheel."""
    third = torch.tensor([0.0, 1 / 3, 2 / 3], device=share.device)
    return (2 - 6 * ((share[..., None] - third + 0.5) % 1 - 0.5).abs()).clamp(0, 1)


def flow_colours(flow: Tensor, most_px: float | None = None) -> Tensor:
    """(..., H, W, 2) px → (..., H, W, 3): hue says whereto (red right, then clockwise), paleness how little.

    Full colour is `most_px`, or the longest flow of each picture.
    """
    length = flow.norm(dim=-1)
    most = length.amax((-2, -1), keepdim=True).clamp(min=_LEAST_FLOW_PX) if most_px is None else most_px
    turn = torch.atan2(flow[..., 1], flow[..., 0]) / (2 * math.pi)
    strength = (length / most).clamp(max=1)[..., None]
    return 1 - strength + strength * _hues(turn % 1)


def _regions(region: Tensor) -> Tensor:
    colours = _hues(torch.arange(256) * 0.381966) * (0.55 + 0.45 * (torch.arange(256) % 3)[:, None] / 2)
    colours[0], colours[BACKGROUND] = torch.tensor([0.85, 0.7, 0.6]), 0.0
    return colours.to(region.device)[region.long()]


def _stretched(values: Tensor, mask: Tensor) -> Tensor:
    """(B, H, W, C) so that what `mask` holds spans 0..1 in each picture; 0 elsewhere."""
    shown = mask[..., None]
    low = torch.where(shown, values, torch.inf).amin((1, 2), keepdim=True)
    high = torch.where(shown, values, -torch.inf).amax((1, 2), keepdim=True)
    return torch.where(shown, (values - low) / (high - low).clamp(min=1e-6), 0.0)


def _marked(picture: Tensor, places: Tensor, seen: Tensor) -> Tensor:
    """Landmarks as dots: green where they show, red where they are hidden."""
    people, height, width, _ = picture.shape
    result = picture.clone()
    for colour, chosen in (((0.95, 0.2, 0.2), ~seen), ((0.2, 0.9, 0.3), seen)):
        person, number = chosen.nonzero(as_tuple=True)
        column, row = places[person, number].floor().long().unbind(-1)
        inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        result[person[inside], row[inside], column[inside]] = torch.tensor(colour, device=picture.device)
    return result


def label_pictures(labels: FrameLabels) -> dict[str, Tensor]:
    """Uint8 (B, H, W, 3) RGB for each of `PICTURES`; depth, flow and names span each picture's own range."""
    mask = labels.region != BACKGROUND
    sight = torch.zeros(256, 3, device=mask.device)
    sight[SEEN], sight[HIDDEN], sight[OUTSIDE] = (
        torch.tensor(colour, device=mask.device) for colour in ((0.8, 0.8, 0.8), (0.9, 0.2, 0.2), (0.2, 0.4, 0.9))
    )
    nearness = torch.where(mask, 1 / labels.depth, 0.0)[..., None]
    grey = _stretched(nearness, mask).expand(*mask.shape, 3)
    lit = torch.where(mask, (-labels.normals[..., 2]).clamp(min=0) * 0.7 + 0.1, 0.0)[..., None].expand_as(grey)
    painted = {
        "region": _regions(labels.region) * (0.4 + 0.6 * lit / 0.8),
        "canonical": _stretched(labels.canonical, mask),
        "normals": torch.where(
            mask[..., None], labels.normals * torch.tensor([0.5, -0.5, -0.5]).to(mask.device) + 0.5, 0
        ),
        "depth": grey,
        "flow": torch.where(mask[..., None], flow_colours(labels.flow), 0.0),
        "sight": sight[labels.sight.long()] * (0.4 + 0.6 * lit / 0.8),
        "matte": labels.matte[..., None].expand_as(grey),
        "landmarks": _marked(lit, labels.landmarks, labels.landmark_seen),
    }
    return {name: (painted[name].clamp(0, 1) * 255).round().to(torch.uint8) for name in PICTURES}


def sheet(labels: FrameLabels) -> Tensor:
    """Uint8 (B * H, 8 * W, 3): a row for each frame, a column for each of `PICTURES`."""
    people, height, width = labels.region.shape
    columns = torch.stack(list(label_pictures(labels).values()), 2)  # (B, H, 8, W, 3)
    return columns.reshape(people * height, len(PICTURES) * width, 3)
