"""Lashes as fine strands along the edges of the lids, splatted into the picture; they move with the lids.

Roots follow the landmarks of the lids, strands bend outwards from the eyeball. Knows nothing of light beyond darkening.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from visavis_models.face import topology as topo
from visavis_training.people.camera import Camera
from visavis_training.people.materials import Looks
from visavis_training.people.visible import Visible

UPPER_COUNT, LOWER_COUNT = 56, 34
_STEPS = 14


def _along(line: Tensor, share: Tensor) -> Tensor:
    """(N, n, 3) points at shares (N, n) 0..1 of the way along polylines (N, K, 3), smoothly."""
    place = share * (line.shape[1] - 1)
    low = place.floor().long().clamp(0, line.shape[1] - 2)
    part = (place - low)[..., None]

    def at(index: Tensor) -> Tensor:
        index = index.clamp(0, line.shape[1] - 1)
        return line.gather(1, index[..., None].expand(-1, -1, 3))

    a, b, c, d = at(low - 1), at(low), at(low + 1), at(low + 2)
    return b + 0.5 * part * (c - a + part * (2 * a - 5 * b + 4 * c - d + part * (3 * (b - c) + d - a)))


def draw_lashes(light: Tensor, visible: Visible, looks: Looks, person: Tensor, camera: Camera) -> Tensor:
    """Pictures float32 (N, H, W, 3) with everybody's lashes over them; `camera` is the one they were drawn with."""
    people, height, width, _ = light.shape
    device = light.device
    chance = looks.chance
    right, down = visible.head_axes()
    inward = torch.linalg.cross(right, down)
    made_up = chance.happens("mascara", 0.5 * (1 - looks.person.male))
    length = chance.uniform("lash length", 0.055, 0.085) * (1 - 0.22 * looks.person.male) * (1 + 0.2 * made_up)
    strength = (chance.uniform("lash strength", 0.35, 0.75) + 0.3 * made_up)[person]
    cover = torch.zeros(people, height * width, device=device)
    for side, rows in (("right", (topo.RIGHT_UPPER_LID, topo.RIGHT_LOWER_LID)), ("left", (topo.LEFT_UPPER_LID, topo.LEFT_LOWER_LID))):
        lids = [visible.landmarks[:, torch.tensor(row, device=device)] for row in rows]
        centre = (lids[0].mean(1) + lids[1].mean(1)) / 2 + 0.115 * inward
        outer = functional.normalize(lids[0][:, 0] - lids[0][:, -1], dim=-1)
        for lid, count, scale, lift in ((0, UPPER_COUNT, 1.0, -0.75), (1, LOWER_COUNT, 0.55, 0.45)):
            purpose = f"{side} lashes {lid}"
            even = (torch.arange(count, device=device) + 0.5) / count
            share = (even + chance.uniform(purpose, -0.5, 0.5, count) / count)[person] * 0.92 + 0.02
            root = _along(lids[lid], share)
            out = functional.normalize(root - centre[:, None], dim=-1)
            # longest towards the outer corner, which is where share is small
            grown = length[person][:, None] * scale * (0.55 + 0.55 * torch.sin(torch.pi * (share * 0.85 + 0.02)) + 0.2 * (0.5 - share))
            grown = grown * chance.uniform(purpose + " length", 0.7, 1.15, count)[person]
            fan = (0.75 * (0.45 - share)[..., None] * outer[:, None]) + 0.12 * chance.normal(purpose + " fan", 0, 1, count)[person][..., None] * outer[:, None]
            way = torch.arange(_STEPS, device=device) / (_STEPS - 1)
            bend = way**1.8
            strand = root[:, :, None] + grown[..., None, None] * (
                way[:, None] * (0.75 * out + fan)[:, :, None] + bend[:, None] * (lift * down)[:, None, None]
            )
            thin = strength[:, None, None] * (1.0 - 0.75 * way) * (1.0 if lid == 0 else 0.55)
            _splat(cover, camera.place(strand.reshape(people, -1, 3)), thin.expand(people, count, _STEPS), visible, height, width)
    # a strand is 0.1 mm across: how much of a pixel it hides depends on the picture's scale
    density = (0.010 / visible.dm_per_px).clamp(0.15, 1.6)[:, None]
    hidden = 1.0 - torch.exp(-1.25 * density * cover)
    colour = looks.person.hair[person] * 0.35 * (1 - made_up[person][:, None]) + 0.004
    dark = colour[:, None, None] * light.mean((1, 2), keepdim=True) * 2
    return light + hidden.reshape(people, height, width, 1) * (dark - light)


def _splat(cover: Tensor, points: Tensor, weight: Tensor, visible: Visible, height: int, width: int) -> None:
    """Add weights (N, ...) at points (N, n, 3) to pictures (N, H * W), shared between the four nearest pixels."""
    people = points.shape[0]
    x, y = points[..., 0] - 0.5, points[..., 1] - 0.5
    left, top = x.floor(), y.floor()
    scale = weight.reshape(people, -1)
    # a strand's steps are closer than pixels when small, further apart when large: keep its ink per length
    pieces = points.reshape(people, -1, _STEPS, 3)
    gap = (pieces[:, :, 1:, :2] - pieces[:, :, :-1, :2]).norm(dim=-1).mean(2, keepdim=True).expand(-1, -1, _STEPS)
    scale = scale * gap.reshape(people, -1)
    depth = visible.position[..., 2].reshape(people, -1)
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = left + dx, top + dy
            share = (1 - (x - column).abs()) * (1 - (y - row).abs())
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            index = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long()
            front = depth.gather(1, index)
            shown = inside & ((front <= 0) | (points[..., 2] < front + 0.06))
            cover.scatter_add_(1, index, share * scale * shown)
