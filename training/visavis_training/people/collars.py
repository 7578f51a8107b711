"""Pieces sewn onto a layer: bands, collars, hoods, lapels, button bands, ties, cuffs and buttons, as grids of points.

Each piece is drawn in the coordinates of a chart (around the neck, around an arm, or on the front) with a lift over the
cloth, so that one drawing fits everybody. Batched torch. Knows nothing of fabrics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from visavis_training.people.chance import each, step
from visavis_training.people.cloth_layers import NECK_RADIUS_DM, Layer

NECKPIECES = ("none", "band", "shirt", "turtle", "lapel_collar", "hood")
NECK_COLUMNS = 47
BUTTONS = 6
_BUTTON_CORNERS = 8


@dataclass(frozen=True, slots=True)
class Piece:
    """A grid of points on each of B people."""

    points: Tensor
    """(B, R, C, 3)"""
    across: Tensor
    """(B, R, C) dm along the piece's columns, or whatever its pattern runs along."""
    down: Tensor
    """(B, R, C) dm across it."""
    worn: Tensor
    """bool (B,): who has it."""
    shade: Tensor
    """(B, R, C) 0..1: how open to the sky it lies."""
    turned: Tensor
    """bool (B,): whose outside is the other side of the grid."""

    def triangles(self) -> Tensor:
        """int64 (B, T, 3) into the flattened grid; counter-clockwise seen from outside, -1 where it is not worn."""
        return self.wound(grid_triangles(self.points.shape[1], self.points.shape[2], self.points.device))

    def wound(self, triangles: Tensor) -> Tensor:
        """int64 (B, T, 3) of triangles (T, 3) in the grid."""
        drawn = torch.where(self.turned[:, None, None], triangles.flip(1), triangles)
        return torch.where(self.worn[:, None, None], drawn, -1)

    def for_whom(self, worn: Tensor) -> Piece:
        """The same on fewer people."""
        return replace(self, worn=self.worn & worn)


def grid_triangles(rows: int, columns: int, device: torch.device) -> Tensor:
    """int64 ((rows - 1) (columns - 1) 2, 3)."""
    number = torch.arange(rows * columns, device=device).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    return torch.stack([torch.stack([a, b, c], -1), torch.stack([a, c, d], -1)]).reshape(-1, 3)


@dataclass(frozen=True, slots=True)
class NeckStyle:
    """How a neckpiece is made, (B,) each."""

    kind: Tensor
    """int64, index into `NECKPIECES`."""
    height: Tensor
    """How far it rises up the neck, dm: a band's width, a stand's or a roll's height."""
    leaf: Tensor
    """How far a collar's leaf falls over the cloth behind, dm."""
    point: Tensor
    """How far it falls at its front corners, dm."""
    spread: Tensor
    """How far its corners point aside, radians around the neck."""
    gap: Tensor
    """Half the angle left open in front, radians."""
    thick: Tensor
    """Of the piece, dm."""


def neckpiece(layer: Layer, style: NeckStyle, crumple: Tensor, over: Tensor) -> Piece:
    """What is sewn to the neckline.

    Args:
        layer: it is sewn to.
        style: how it is made.
        crumple: (B, 8) small numbers that make no two alike.
        over: (B,) dm that a collar below needs.
    """
    draped = layer.on(layer.body.pattern.neck_chart)
    share = torch.linspace(0, 1, NECK_COLUMNS, device=crumple.device)
    share = 0.5 - 0.5 * torch.sin(math.pi * (0.5 - share)) * 0.55 - 0.45 * (0.5 - share)  # closer in front
    closed = (style.kind == NECKPIECES.index("band")) & (style.gap == 0) | (style.kind == NECKPIECES.index("turtle"))
    gap = torch.where(closed, torch.zeros_like(style.gap), style.gap)
    # closed pieces begin and end behind, where nobody sees the seam
    even = torch.linspace(0, 1, NECK_COLUMNS, device=crumple.device) + 0.5
    turn = each(gap, 1) + (2 * math.pi - 2 * each(gap, 1)) * torch.where(each(closed, 1), even, share)
    angle, rise, lift = _profiles(layer, style, turn, gap)
    phase = crumple[:, :4].cumsum(1)
    wave = sum(
        (crumple[:, k + 4, None, None] * torch.sin((k + 1) * angle + 9 * phase[:, k, None, None]) for k in range(4)),
        torch.zeros_like(angle),
    )
    start = torch.linspace(0, 1, lift.shape[1], device=lift.device)[:, None]
    soft = torch.where(style.kind == NECKPIECES.index("hood"), 2.5, 1.0) * style.thick
    lift = lift + wave * each(soft) * start + each(over) * torch.minimum(6 * start, torch.ones_like(start))
    points = draped.at(rise, angle, lift)
    steps = (points[:, 1:] - points[:, :-1]).norm(dim=-1).mean(2, keepdim=True)
    down = torch.cat([torch.zeros_like(steps[:, :1]), steps.cumsum(1)], 1).expand_as(rise)
    across = (angle - 2 * math.pi * each(closed)) * NECK_RADIUS_DM
    inside = torch.linspace(0, 1, rise.shape[1], device=rise.device)[None, :, None]
    shade = torch.where(
        each(closed), 1 - 0.35 * step(inside, 0.75, 1.0), 0.55 + 0.45 * step(inside, 0.3, 0.5)
    ).expand_as(rise)
    return Piece(points, across, down, style.kind > 0, shade, style.kind > 1)


def _profiles(layer: Layer, style: NeckStyle, turn: Tensor, gap: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Angle, place below the neck's ring and lift, (B, rows, columns) each, of each person's kind of neckpiece."""
    people = len(gap)
    height, leaf, point, spread, thick = (
        each(v, 1) for v in (style.height, style.leaf, style.point, style.spread, style.thick)
    )
    line = layer.cut.neckline(turn)
    front = (0.5 + 0.5 * turn.cos()).clamp(0, 1)
    found: list[tuple[list[Tensor], list[Tensor], list[Tensor]]] = []
    nil = torch.zeros_like(line)

    def add(rows: Sequence[tuple[Tensor | float, Tensor | float]], lean: Sequence[float] = (0.0,) * 9) -> None:
        side = torch.where(turn > math.pi, -1.0, 1.0)
        edge = step((turn - each(gap, 1)).abs().minimum((2 * math.pi - each(gap, 1) - turn).abs()), 1.3, 0.0)
        angles = [turn + side * spread * edge * k for k in lean]
        found.append((angles, [line + r for r, _ in rows], [nil + h for _, h in rows]))

    add([(0.0, 0.0)] * 9)
    w, t = height, thick
    add([(0.045, -0.02), (0.04, t), (0.0, 1.6 * t), (-0.3 * w, 1.9 * t), (-0.65 * w, 1.9 * t), (-0.9 * w, 1.6 * t),
         (-w, 0.8 * t), (-w + 0.01, -0.3 * t), (-0.6 * w, -0.6 * t)])  # fmt: skip
    hem = leaf + (point - leaf) * step(front, 0.55, 1.0) ** 2
    s = height * (1 - 0.25 * front)
    add([(0.05, -0.02), (-0.03, 0.5 * t), (-0.5 * s, t), (-s, t), (-s - 0.4 * t, 2.6 * t), (-0.65 * s, 4.2 * t),
         (0.3 * hem, 4.0 * t), (hem, 2.6 * t), (hem - 0.01, 1.2 * t)],
        (0, 0, 0, 0, 0.02, 0.15, 0.55, 1.0, 1.0))  # fmt: skip
    h = height * (1 - 0.3 * front)
    add([(0.07, -0.02), (0.0, t), (-0.5 * h, 1.4 * t), (-0.96 * h, 1.2 * t), (-h - 0.6 * t, 2.4 * t),
         (-0.9 * h, 3.6 * t), (-0.5 * h, 3.9 * t), (-0.14 * h, 3.4 * t), (-0.11 * h, 1.8 * t)])  # fmt: skip
    add([(0.05, -0.02), (-0.03, 0.5 * t), (-0.5 * height, t), (-height, 1.2 * t), (-height - 0.4 * t, 2.8 * t),
         (-0.4 * height, 4.0 * t), (0.5 * leaf, 3.4 * t), (leaf, 2.4 * t), (leaf - 0.01, t)],
        (0, 0, 0, 0, 0.0, 0.05, 0.15, 0.25, 0.25))  # fmt: skip
    b = 0.16 + 0.84 * step(1 - front, 0.3, 0.95)
    add([(0.10, -0.02), (-0.12, 0.06), (-0.30 * b - 0.06, 0.08 + 0.10 * b), (-0.28 * b - 0.04, 0.13 + 0.26 * b),
         (0.05 * b, 0.15 + 0.36 * b), (0.42 * b, 0.13 + 0.36 * b), (0.80 * b, 0.10 + 0.26 * b),
         (1.0 * b + 0.05, 0.06 + 0.08 * b), (0.97 * b + 0.03, 0.0)])  # fmt: skip
    choose = style.kind.clamp(min=0)
    person = torch.arange(people, device=gap.device)
    stacked = [torch.stack([torch.stack(kind[k], 1) for kind in found]) for k in range(3)]
    angle, rise, lift = (block[choose, person] for block in stacked)
    return angle, rise, lift


@dataclass(frozen=True, slots=True)
class FrontStyle:
    """What is sewn along an opening down the front, (B,) each."""

    lapel: Tensor
    """0 a straight button band, else the lapel's width, dm."""
    bottom: Tensor
    """Height where the opening closes, or the hem."""
    band: Tensor
    """Width of a button band, dm."""
    thick: Tensor
    worn: Tensor
    """bool."""


def front_edges(layer: Layer, style: FrontStyle) -> list[Piece]:
    """Lapels or button bands on either side of an opening: two pieces."""
    draped = layer.on(layer.body.pattern.front_chart)
    rows, device = 18, style.lapel.device
    along = torch.linspace(0, 1, rows, device=device)
    top = 1.44 + 0.33 * (style.lapel > 0)
    y = top[:, None] + (style.bottom - top)[:, None] * along
    roll = layer.cut.half_opening(y)
    is_lapel = (style.lapel > 0)[:, None]
    width = torch.where(is_lapel, style.lapel[:, None] * (1 - along).clamp(min=0.0) ** 0.65, style.band[:, None])
    thick = style.thick[:, None]
    table = [(-0.02, -0.03), (0.0, 1.6), (0.45, 2.6), (1.0, 2.2), (1.0, 0.2)]
    plain = [(-0.05, -0.9), (-0.03, 1.2), (0.45, 2.1), (1.0, 1.7), (1.0, -0.4)]
    columns_x, columns_y, lifts = [], [], []
    for (out, up), (out_band, up_band) in zip(table, plain, strict=True):
        columns_x.append(roll + width * torch.where(is_lapel, out, out_band))
        columns_y.append(y - torch.where(is_lapel, 0.12 * out * (1 - along), 0.0) * style.lapel[:, None])
        lifts.append(thick * torch.where(is_lapel, up, up_band))
    x, y2, lift = (torch.stack(v, 2) for v in (columns_x, columns_y, lifts))
    shade = torch.ones_like(x)
    found = []
    for sign in (1.0, -1.0):
        points = _stiff(draped.at(y2, sign * x, lift + (0.012 if sign > 0 else 0.0)), 3)
        turned = torch.full_like(style.worn, sign > 0)
        found.append(Piece(points, sign * (x - roll[..., None]), y2, style.worn, shade, turned))
    return found


def _stiff(points: Tensor, rounds: int) -> Tensor:
    """Points (B, R, C, 3) evened along their rows: sewn edges do not follow every dent."""
    for _ in range(rounds):
        middle = 0.5 * points[:, 1:-1] + 0.25 * (points[:, 2:] + points[:, :-2])
        points = torch.cat([points[:, :1], middle, points[:, -1:]], 1)
    return points


def placket(layer: Layer, width: Tensor, bottom: Tensor, worn: Tensor) -> Piece:
    """The band that buttons sit on, `width` (B,) dm to either side, from the neckline to the height `bottom` (B,)."""
    draped = layer.on(layer.body.pattern.front_chart)
    along = torch.linspace(0, 1, 20, device=width.device)
    top = front_height(layer) - 0.03
    y = (top[:, None] + (bottom - top)[:, None] * along)[..., None].expand(-1, -1, 4)
    out = width.new_tensor([-1.0, -1.0, 1.0, 1.0])
    lift = width.new_tensor([-0.02, 0.026, 0.026, -0.02])
    x = (width[:, None, None] * out).expand(-1, 20, -1)
    points = draped.at(y, x, lift.expand_as(x))
    return Piece(points, x, y, worn, torch.ones_like(x), torch.ones_like(worn))


def front_height(layer: Layer) -> Tensor:
    """(B,) height y on the base mesh where the neckline crosses the middle in front."""
    line = layer.cut.neckline(torch.zeros_like(layer.cut.front)[:, None])[:, 0]
    return 1.60 + 0.93 * line


def tie(layer: Layer, width: Tensor, worn: Tensor) -> Piece:
    """A knot and a blade, `width` (B,) dm to either side where it is widest."""
    draped = layer.on(layer.body.pattern.front_chart)
    down = width.new_tensor([-0.06, 0.0, 0.08, 0.2, 0.31, 0.36, 0.42, 0.6, 0.9, 1.3, 1.8, 2.4, 3.1, 3.9])
    half = width.new_tensor([0.15, 0.175, 0.175, 0.15, 0.115, 0.10, 0.105, 0.12, 0.15, 0.19, 0.23, 0.28, 0.33, 0.38])
    body = width.new_tensor([0.04, 0.15, 0.19, 0.20, 0.17, 0.10, 0.095, 0.095, 0.09, 0.085, 0.08, 0.075, 0.07, 0.07])
    out = width.new_tensor([-1.0, -0.97, -0.5, 0.0, 0.5, 0.97, 1.0])
    over = width.new_tensor([-0.3, 0.62, 0.92, 1.0, 0.92, 0.62, -0.3])
    scale = (width / 0.38)[:, None, None]
    y = (front_height(layer)[:, None] + down)[..., None].expand(-1, -1, len(out))
    x = scale * (half[:, None] * out)[None]
    lift = (body[:, None] * over)[None].expand(len(width), -1, -1)
    points = draped.at(y, x, lift)
    shade = torch.where(down < 0.05, 0.6, 1.0)[None, :, None].expand_as(x)
    return Piece(points, x, y, worn, shade, torch.ones_like(worn))


def cords(layer: Layer, apart: Tensor, length: Tensor, worn: Tensor) -> list[Piece]:
    """The two ends of a hood's cord, hanging `apart` (B,) dm to either side of the middle, `length` (B,) dm long."""
    draped = layer.on(layer.body.pattern.front_chart)
    along = torch.linspace(0, 1, 9, device=apart.device)
    top = front_height(layer) - 0.02
    found = []
    for sign, longer in ((1.0, 1.0), (-1.0, 0.88)):
        y = (top[:, None] + (longer * length)[:, None] * along)[..., None].expand(-1, -1, 4)
        knot = torch.where((along > 0.86) & (along < 0.99), 1.5, 1.0)[:, None]
        out = apart.new_tensor([-0.028, -0.012, 0.012, 0.028]) * knot
        lift = (apart.new_tensor([0.0, 0.05, 0.05, 0.0]) * knot).expand_as(y)
        sway = 0.05 * torch.sin(2.6 * along + 3 * apart[:, None])
        x = sign * apart[:, None, None] + sway[..., None] + out
        points = draped.at(y, x, lift + 0.01)
        found.append(Piece(points, x, y, worn, torch.ones_like(x), torch.ones_like(worn)))
    return found


def cuffs(layer: Layer, width: Tensor, worn: Tensor) -> list[Piece]:
    """Hems of both sleeves, `width` (B,) dm wide."""
    found = []
    for arm, chart in enumerate(layer.body.pattern.arm_charts):
        draped = layer.on(chart)
        columns = 19
        turn = torch.linspace(-math.pi, math.pi, columns, device=width.device)
        rise = torch.stack([width, width, 0.01 + 0 * width, -0.012 + 0 * width, 0 * width + 0.01], 1)
        lift = width.new_tensor([-0.015, 0.014, 0.024, 0.0, -0.05])
        row = (-layer.cut.sleeve[:, None] + rise)[..., None].expand(-1, -1, columns)
        angle = turn.expand_as(row)
        points = draped.at(row, angle, lift[None, :, None].expand_as(row))
        turned = torch.full_like(worn, arm == 1)
        across, down = 0.48 * angle, row + layer.cut.sleeve[:, None, None]
        found.append(Piece(points, across, down, worn, torch.ones_like(row), turned))
    return found


def buttons(layer: Layer, side: Tensor, first: Tensor, apart: Tensor, count: Tensor, radius: Tensor) -> Piece:
    """Buttons one below the other: as one grid of `BUTTONS` x (rings of corners), rows of nobody's buttons collapsed.

    Args:
        layer: they sit on.
        side: (B,) x of the row.
        first: (B,) height of the uppermost.
        apart: (B,) dm between two.
        count: (B,) how many; a float.
        radius: (B,) dm.
    """
    draped = layer.on(layer.body.pattern.front_chart)
    device = side.device
    turn = torch.linspace(0, 2 * math.pi, _BUTTON_CORNERS + 1, device=device)
    ring = torch.tensor([0.0, 0.8, 1.0, 1.0], device=device)
    lift = torch.tensor([0.056, 0.062, 0.052, -0.01], device=device)
    number = torch.arange(BUTTONS, device=device)
    there = (number < count[:, None]).float() * radius[:, None]
    middle, normal = draped.ground(first[:, None] + apart[:, None] * number, side[:, None].expand_as(there))
    level = torch.zeros_like(normal)
    level[..., 0] = 1.0
    right = torch.nn.functional.normalize(level - normal[..., :1] * normal, dim=-1)
    low = torch.linalg.cross(right, normal)
    out = there[..., None, None] * ring[:, None]
    x, y = out * turn.cos(), out * turn.sin()
    flat = x[..., None] * right[:, :, None, None] + y[..., None] * low[:, :, None, None]
    points = middle[:, :, None, None] + flat + lift[:, None, None] * normal[:, :, None, None]
    across = (ring[:, None] * turn.cos()).expand_as(x)
    down = (ring[:, None] * turn.sin()).expand_as(x)
    shape = (len(side), BUTTONS * 4, _BUTTON_CORNERS + 1)
    shade = torch.ones(shape, device=device)
    return Piece(
        points.reshape(*shape, 3),
        across.reshape(shape),
        down.reshape(shape),
        count > 0,
        shade,
        torch.zeros_like(count > 0),
    )


def button_triangles(device: torch.device) -> Tensor:
    """int64 (T, 3) of the grid of `buttons`."""
    one = grid_triangles(4, _BUTTON_CORNERS + 1, device)
    size = 4 * (_BUTTON_CORNERS + 1)
    inner = torch.arange(_BUTTON_CORNERS, device=device)
    first = (one < _BUTTON_CORNERS + 1).sum(1) >= 2  # the fan's flat triangles of the middle row
    one = one[~first]
    fan = torch.stack([torch.zeros_like(inner), inner + 9 + 1, inner + 9], 1)
    one = torch.cat([fan, one])
    return (one[None] + size * torch.arange(BUTTONS, device=device)[:, None, None]).reshape(-1, 3)
