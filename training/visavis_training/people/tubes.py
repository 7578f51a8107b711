"""Meshes of bent bars, wires and shells: a cross-section swept along lines, for all people at once.

Winding looks outwards as the body's. Knows nothing of what is made of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a thing for B people; float32."""

    points: Tensor
    """(B, n, 3)."""
    triangles: Tensor
    """int64 (t, 3), the same for everybody."""
    u: Tensor
    """(B, n) 0..1 along it."""
    v: Tensor
    """(B, n) 0..1 around or across it."""
    tangent: Tensor
    """(B, n, 3) unit, along it."""

    def moved(self, turn: Tensor, shift: Tensor) -> Piece:
        """Turned by (B, 3, 3), then shifted by (B, 3)."""
        points = self.points @ turn.transpose(1, 2) + shift[:, None]
        return Piece(points, self.triangles, self.u, self.v, self.tangent @ turn.transpose(1, 2))


def sweep(
    line: Tensor,
    across: Tensor,
    half_width: Tensor | float,
    half_depth: Tensor | float,
    *,
    sides: int = 6,
    square: float = 1.0,
    closed: bool = False,
) -> Piece:
    """A bar along lines.

    Args:
        line: (B, n, 3).
        across: (B, n, 3) or (B, 1, 3), the way in which the cross-section is `half_width` wide; made perpendicular.
        half_width: (B, n), (B, 1) or a number, dm.
        half_depth: the same in the third direction.
        sides: corners of the cross-section.
        square: 1 an ellipse, towards 0 a rectangle.
        closed: the line's end meets its start.
    """
    people, count = line.shape[:2]
    device = line.device
    if closed:
        ahead = line.roll(-1, 1) - line.roll(1, 1)
    else:
        ahead = torch.cat([line[:, 1:2] - line[:, :1], line[:, 2:] - line[:, :-2], line[:, -1:] - line[:, -2:-1]], 1)
    ahead = functional.normalize(ahead, dim=-1)
    wide = across - (across * ahead).sum(-1, keepdim=True) * ahead
    wide = functional.normalize(wide, dim=-1)
    deep = torch.linalg.cross(ahead, wide)
    angle = (torch.arange(sides, device=device) + 0.5) * (2 * math.pi / sides)
    x, y = (f.sign() * f.abs() ** square for f in (angle.cos(), angle.sin()))

    def sized(half: Tensor | float) -> Tensor:
        whole = torch.as_tensor(half, device=device, dtype=line.dtype)
        return (whole.expand(people, count) if whole.ndim < 2 else whole.expand(people, count))[..., None, None]

    ring = line[:, :, None] + sized(half_width) * x[:, None] * wide[:, :, None]
    ring = ring + sized(half_depth) * y[:, None] * deep[:, :, None]
    points = ring.reshape(people, count * sides, 3)
    u = torch.linspace(0, 1, count, device=device)[:, None].expand(count, sides).reshape(1, -1)
    v = ((torch.arange(sides, device=device) + 0.5) / sides).expand(count, sides).reshape(1, -1)
    tangent = ahead[:, :, None].expand(-1, -1, sides, -1).reshape(people, -1, 3)
    triangles = tube_triangles(count, sides, closed, device)
    return Piece(points, triangles, u.expand(people, -1), v.expand(people, -1), tangent)


def tube_triangles(count: int, sides: int, closed: bool, device: torch.device) -> Tensor:
    """int64 (t, 3) of `count` rings of `sides` points, with caps where it is open."""
    rows = torch.arange(count if closed else count - 1, device=device)[:, None]
    column = torch.arange(sides, device=device)[None]
    here, beside = rows * sides + column, rows * sides + (column + 1) % sides
    beyond, across = (rows + 1) % count * sides + column, (rows + 1) % count * sides + (column + 1) % sides
    parts = [torch.stack([here, beside, beyond], -1), torch.stack([beside, across, beyond], -1)]
    whole = [part.reshape(-1, 3) for part in parts]
    if not closed:
        fan = torch.stack([torch.zeros(sides - 2), torch.arange(1, sides - 1), torch.arange(2, sides)], -1)
        fan = fan.long().to(device)
        whole += [fan.flip(1), fan + (count - 1) * sides]
    return torch.cat(whole)


def ball(middle: Tensor, radius: Tensor, rings: int = 5, around: int = 8) -> Piece:
    """Balls (B, 3) of radii (B,) or, as ellipsoids, (B, 3) along x, y and z."""
    people = len(middle)
    size = radius[:, None].expand(-1, 3) if radius.ndim == 1 else radius
    polar = torch.linspace(0.08, math.pi - 0.08, rings, device=middle.device)
    line = torch.zeros(people, rings, 3, device=middle.device)
    line[..., 1] = -polar.cos()
    across = torch.tensor([1.0, 0.0, 0.0], device=middle.device).expand(people, 1, 3)
    made = sweep(line, across, polar.sin().expand(people, -1), polar.sin().expand(people, -1), sides=around)
    return Piece(made.points * size[:, None] + middle[:, None], made.triangles, made.u, made.v, made.tangent)


def disc(rim: Tensor, middle: Tensor, rings: int, dome: Tensor | None = None) -> Piece:
    """A sheet within closed lines (B, n, 3) round (B, 3), in `rings` rings; `dome` (B, rings + 1) shifts its z.

    Seen along z it faces the viewer (towards smaller z) where the rim runs clockwise with y down.
    """
    people, count = rim.shape[:2]
    share = torch.linspace(0, 1, rings + 1, device=rim.device)[1:]
    grid = middle[:, None, None] + share[:, None, None] * (rim[:, None] - middle[:, None, None])
    if dome is not None:
        grid = grid + torch.nn.functional.pad(dome[:, 1:, None, None], (2, 0)).expand(-1, -1, count, -1)
        middle = middle + torch.nn.functional.pad(dome[:, :1], (2, 0))
    points = torch.cat([middle[:, None], grid.reshape(people, -1, 3)], 1)
    column = torch.arange(count, device=rim.device)
    first = torch.stack([torch.zeros_like(column), 1 + (column + 1) % count, 1 + column], -1)
    row = torch.arange(rings - 1, device=rim.device)[:, None] * count + 1
    here, beside = row + column, row + (column + 1) % count
    rest = [torch.stack([here, beside, here + count], -1), torch.stack([beside, beside + count, here + count], -1)]
    triangles = torch.cat([first, *(part.reshape(-1, 3) for part in rest)])
    radius = torch.cat([share.new_zeros(1), share.repeat_interleave(count)]).expand(people, -1)
    turn = torch.cat([column.new_zeros(1), column.repeat(rings)]).float().div(count).expand(people, -1)
    tangent = torch.zeros_like(points)
    tangent[..., 0] = 1.0
    return Piece(points, triangles, radius, turn, tangent)


def joined(pieces: Sequence[Piece]) -> Piece:
    """All as one."""
    triangles, before = [], 0
    for piece in pieces:
        triangles.append(piece.triangles + before)
        before += piece.points.shape[1]
    columns = [torch.cat([getattr(p, name) for p in pieces], 1) for name in ("points", "u", "v", "tangent")]
    return Piece(columns[0], torch.cat(triangles), columns[1], columns[2], columns[3])
