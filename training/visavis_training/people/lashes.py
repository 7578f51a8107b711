"""Lashes and the hairs of brows as fine strands splatted into the picture; they move with lids and brows.

Roots follow the landmarks. Knows nothing of light beyond darkening, nor of the hair of the head.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from visavis_models.face import topology as topo
from visavis_training.people.brow_textures import Brows
from visavis_training.people.camera import Camera
from visavis_training.people.chance import Chance, step
from visavis_training.people.face_chart import BROW_PAIRS
from visavis_training.people.fusing import fused
from visavis_training.people.materials import Looks
from visavis_training.people.skin_textures import Person
from visavis_training.people.visible import Visible

UPPER_COUNT, LOWER_COUNT, BROW_COUNT = 84, 40, 420
_STEPS = 16
_OTHER_SIDE = {107: 336, 55: 285, 66: 296, 65: 295, 105: 334, 52: 282, 63: 293, 53: 283, 70: 300, 46: 276}


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
    shape = Brows.of(looks.chance, looks.person.male, looks.person.age_years)
    return _inked(
        light, visible, person, camera, shape, looks.person.male, looks.person.hair, _drawn(looks.chance, looks.person)
    )


def _drawn(chance: Chance, person: Person) -> dict[str, Tensor]:
    """Random numbers of everybody's lashes and brows, by name."""
    found = {
        "made up": chance.happens("mascara", 0.5 * (1 - person.male)),
        "length": chance.uniform("lash length", 0.040, 0.062),
        "strength": chance.uniform("lash strength", 0.42, 0.72),
    }
    for side in ("right", "left"):
        for lid, count in ((0, UPPER_COUNT), (1, LOWER_COUNT)):
            purpose = f"{side} lashes {lid}"
            found[purpose] = chance.uniform(purpose, -0.5, 0.5, count)
            found[purpose + " length"] = chance.uniform(purpose + " length", 0.7, 1.15, count)
            found[purpose + " fan"] = chance.normal(purpose + " fan", 0, 1, count)
    for number in (0, 1):
        purpose = f"brow hairs {number}"
        found[purpose] = chance.uniform(purpose, 0.0, 1.0, BROW_COUNT)
        found[purpose + " off"] = chance.normal(purpose + " off", 0.0, 0.50, BROW_COUNT)
        found[purpose + " lean"] = chance.normal(purpose + " lean", 0, 1, BROW_COUNT)
        found[purpose + " length"] = chance.uniform(purpose + " length", 0.6, 1.2, BROW_COUNT)
        found[purpose + " kept"] = chance.uniform(purpose + " kept", 0.0, 1.0, BROW_COUNT)
        found[purpose + " fineness"] = chance.uniform(purpose + " fineness", 0.45, 1.15, BROW_COUNT)
    return found


@fused
def _inked(
    light: Tensor,
    visible: Visible,
    person: Tensor,
    camera: Camera,
    shape: Brows,
    male: Tensor,
    colour: Tensor,
    drawn: dict[str, Tensor],
) -> Tensor:
    """`draw_lashes` of people with brows of these shapes, sexes (B,), hair colours (B, 3) and random numbers."""
    people, height, width, _ = light.shape
    device = light.device
    right, down = visible.head_axes()
    inward = torch.linalg.cross(right, down)
    made_up = drawn["made up"]
    length = drawn["length"] * (1 - 0.22 * male) * (1 + 0.1 * made_up)
    strength = (drawn["strength"] + 0.15 * made_up)[person]
    cover = torch.zeros(people, height * width, device=device)
    for side, rows in (
        ("right", (topo.RIGHT_UPPER_LID, topo.RIGHT_LOWER_LID)),
        ("left", (topo.LEFT_UPPER_LID, topo.LEFT_LOWER_LID)),
    ):
        lids = [visible.landmarks[:, torch.tensor(row, device=device)] for row in rows]
        centre = (lids[0].mean(1) + lids[1].mean(1)) / 2 + 0.115 * inward
        outer = functional.normalize(lids[0][:, 0] - lids[0][:, -1], dim=-1)
        for lid, count, scale, lift in ((0, UPPER_COUNT, 1.0, -0.55), (1, LOWER_COUNT, 0.42, 0.4)):
            purpose = f"{side} lashes {lid}"
            even = (torch.arange(count, device=device) + 0.5) / count
            # neighbours lean together in tufts
            tuft = 0.35 * torch.sin(even * 2 * torch.pi * (9 if lid == 0 else 6)) / count * 3
            share = (even + tuft + drawn[purpose] / count)[person] * 0.93 + 0.02
            root = _along(lids[lid], share)
            out = functional.normalize(root - centre[:, None], dim=-1)
            # longest towards the outer corner, which is where share is small
            grown = (
                length[person][:, None]
                * scale
                * (0.55 + 0.55 * torch.sin(torch.pi * (share * 0.85 + 0.02)) + 0.2 * (0.5 - share))
            )
            grown = grown * drawn[purpose + " length"][person]
            fan = (0.75 * (0.45 - share)[..., None] * outer[:, None]) + 0.12 * drawn[purpose + " fan"][person][
                ..., None
            ] * outer[:, None]
            way = torch.arange(_STEPS, device=device) / (_STEPS - 1)
            bend = way**1.8
            strand = root[:, :, None] + grown[..., None, None] * (
                way[:, None] * (0.75 * out + fan)[:, :, None] + bend[:, None] * (lift * down)[:, None, None]
            )
            thin = strength[:, None, None] * (1.15 - 0.95 * way) * (1.0 if lid == 0 else 0.5)
            _splat(
                cover,
                camera.place(strand.reshape(people, -1, 3)),
                thin.expand(people, count, _STEPS),
                visible,
                height,
                width,
            )
    brow = torch.zeros_like(cover)
    _brow_hairs(brow, visible, male, person, camera, shape, drawn)
    # a strand is 0.1 mm across: how much of a pixel it hides depends on the picture's scale
    density = (0.010 / visible.dm_per_px).clamp(0.15, 1.6)[:, None]
    level = light.mean((1, 2), keepdim=True) * 2
    hair = colour[person]
    for ink, tint in ((brow, hair * 0.5 + 0.003), (cover, hair * 0.3 * (1 - made_up[person][:, None]) + 0.004)):
        hidden = (1.0 - torch.exp(-1.25 * density * ink)).reshape(people, height, width, 1)
        light = light + hidden * (tint[:, None, None] * level - light)
    return light


def _brow_hairs(
    cover: Tensor,
    visible: Visible,
    male: Tensor,
    person: Tensor,
    camera: Camera,
    shape: Brows,
    drawn: dict[str, Tensor],
) -> None:
    right, down = visible.head_axes()
    inward = torch.linalg.cross(right, down)
    for side in (0, 1):
        flipped = [[_OTHER_SIDE[i] for i in pair] for pair in BROW_PAIRS] if side else BROW_PAIRS
        rows = visible.landmarks[:, torch.tensor(flipped, device=cover.device)]  # (N, 5, 2, 3) from the nose outwards
        line = rows.mean(2)
        outer = functional.normalize(line[:, 4] - line[:, 1], dim=-1)
        purpose = f"brow hairs {side}"
        along, off = drawn[purpose][person], drawn[purpose + " off"][person]
        reach = ((shape.inner_x - 0.125)[person][:, None], (shape.outer_x - 0.56)[person][:, None])
        taper = (0.72 + 0.5 * step(along, 0.0, 0.28)) * (1.0 - 0.72 * step(along, 0.40, 1.02))
        root = _along(line, along * 0.96 + 0.02)
        root = root + (reach[0] * (1 - along) + reach[1] * along)[..., None] * outer[:, None]
        arch = shape.arch[person][:, None] * torch.exp(-(((along - 0.62) / 0.26) ** 2))
        rise = shape.lift[person][:, None] - arch + off * taper * shape.thickness[person][:, None]
        root = root + rise[..., None] * down[:, None] - 0.012 * inward[:, None]
        lean = 1.25 * (1.0 - step(along, 0.0, 0.42)) + 0.18 - 0.30 * step(along, 0.4, 1.0) - 0.45 * off
        lean = lean + 0.18 * drawn[purpose + " lean"][person]
        grown = 0.058 * (0.80 + 0.30 * male[person][:, None]) * (1.0 - 0.30 * along)
        grown = grown * drawn[purpose + " length"][person]
        way = torch.arange(_STEPS, device=cover.device) / (_STEPS - 1)
        turn = lean[..., None] * (1.0 - 0.35 * way)
        strand = root[:, :, None] + (grown[..., None] * way)[..., None] * (
            turn.cos()[..., None] * outer[:, None, None] - turn.sin()[..., None] * down[:, None, None]
        )
        kept = (drawn[purpose + " kept"] < _density(shape)[:, None])[person]
        # some hairs are finer; all are thickest a third of the way up and end in a point
        fine = drawn[purpose + " fineness"][person]
        ink = (0.52 * (kept * fine)[..., None] * (0.75 + 0.9 * way - 1.45 * way * way)).contiguous()
        _splat(cover, camera.place(strand.reshape(len(person), -1, 3)), ink, visible, *visible.region.shape[1:])


def _density(shape: Brows) -> Tensor:
    """(B,) share of the hairs that grow."""
    return shape.density.clamp(0.25, 1.0)


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
