"""Glasses that sit on the nose and ears of anybody: frames of metal and acetate, lenses that mirror the lamps.

They are fitted as an optician fits them: the bridge to the nose, the front to the face's width, the lenses a finger's
breadth before the eyes, the temples round the skull to the ears. Knows nothing of lights or of pictures.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.anatomy import Anatomy
from visavis_training.people.chance import Chance, step
from visavis_training.people.face_fit import FaceFit
from visavis_training.people.glasses_materials import FRONT, PAD, RIM, TEMPLE, WIRE, coats_of
from visavis_training.people.glasses_shapes import Shapes
from visavis_training.people.sampling import Identity
from visavis_training.people.skin_textures import Person
from visavis_training.people.tubes import Piece, disc, joined, sweep
from visavis_training.people.worn import Things, kind

AROUND = 32
_BASE_CURVE_DM = 0.95
_WRAP = 0.075
_TILT = 0.13
"""How far the lenses' lower edges lean to the cheeks, radians."""
_BEFORE_EYE_DM = 0.115
"""From cornea to lens at least."""
_CLEAR_DM = 0.014
_BRIDGES = (0.78, 0.88, 1.0, 1.14, 1.3)
_BRIDGE_DM = 0.185


def make_glasses(
    anatomy: Anatomy, neutral: Tensor, identity: Identity, person: Person, style: Tensor | None = None
) -> Things:
    """The glasses of B people; about a third, more of the old, wear some.

    Args:
        anatomy: of everybody.
        neutral: float32 (B, V, 3) of `Anatomy.shape`.
        identity: who they are.
        person: how they look.
        style: int64 (B,) of `glasses_shapes.STYLES`, to have all wear these; chosen by sex and age if not given.
    """
    chance = Chance(identity.seeds)
    shapes = Shapes.of(chance, identity.male, identity.age_years) if style is None else Shapes.like(chance, style)
    fit = FaceFit.of(anatomy, neutral)
    pieces, parts, lens = _pieces(shapes, fit, chance)
    whole = joined(pieces)
    people, device = len(neutral), neutral.device
    counts = [piece.points.shape[1] for piece in pieces]
    part = torch.cat([torch.full((n,), (p + 0.5) / 8, device=device) for n, p in zip(counts, parts, strict=True)])
    texture = torch.stack([whole.u, whole.v, part.expand(people, -1), torch.full_like(whole.u, 0.85)], -1)
    kinds = torch.cat(
        [
            torch.full((len(piece.triangles),), kind("lens" if glass else "frame"), dtype=torch.uint8, device=device)
            for piece, glass in zip(pieces, lens, strict=True)
        ]
    )
    absent = _absent(pieces, parts, shapes)[..., None]
    things = Things(
        whole.points,
        torch.where(absent, -1, whole.triangles.expand(people, -1, -1)).int().contiguous(),
        kinds.expand(people, -1).contiguous(),
        texture,
        whole.tangent,
        torch.ones_like(whole.u),
        coats_of(chance, shapes),
    )
    if style is not None:
        return things
    share = 0.25 + 0.30 * step(identity.age_years, 35.0, 65.0)
    return things.only(chance.uniform("wears glasses") < share)


def _absent(pieces: list[Piece], parts: list[int], shapes: Shapes) -> Tensor:
    """(B, t) bool: triangles of pads and second bars that these glasses lack."""
    result = []
    for number, (piece, part) in enumerate(zip(pieces, parts, strict=True)):
        has = torch.ones_like(shapes.pads)
        if part in (PAD, WIRE):
            has = shapes.pads
        elif number == len(pieces) - 1:
            has = shapes.bar
        result.append((has < 0.5)[:, None].expand(-1, len(piece.triangles)))
    return torch.cat(result, 1)


class _Front:
    """Where the front's places come to lie: local x right, y down from the lenses' middles, z backwards."""

    def __init__(self, shapes: Shapes, fit: FaceFit, bridge: Tensor, half: Tensor) -> None:
        self.shapes, self.fit, self.half = shapes, fit, half
        self.aside = bridge / 2 + half + shapes.rim_bottom
        eyes = fit.eyes
        self.middle = eyes.mean(1)
        across = eyes[:, 1] - eyes[:, 0]
        self.roll = 0.7 * torch.atan2(across[:, 1], across[:, 0])
        self.back = torch.zeros_like(half)

    def outline(self, angle: Tensor, side: int, share: float = 1.0) -> Tensor:
        """(B, m, 3) local places on a lens's edge, or that share of the way to it; side -1 or 1 of the picture."""
        flat = self.shapes.outline(angle, self.half) * share
        x = side * (self.aside[:, None] + flat[..., 0])
        return torch.stack([x, flat[..., 1], self.bulge(flat)], -1)

    def bulge(self, flat: Tensor) -> Tensor:
        """(B, m): how far back the front's surface lies at (B, m, 2) from a lens's middle, x outwards."""
        return flat.square().sum(-1) / (2 * _BASE_CURVE_DM) + _WRAP * flat[..., 0]

    def placed(self, local: Tensor) -> Tensor:
        """(B, m, 3) in head space."""
        x, y, z = local.unbind(-1)
        y, z = y * math.cos(_TILT) - z * math.sin(_TILT), y * math.sin(_TILT) + z * math.cos(_TILT)
        c, s = self.roll.cos()[:, None], self.roll.sin()[:, None]
        x, y = x * c - y * s, x * s + y * c
        place = torch.stack([x, y + self.shapes.low[:, None], z + self.back[:, None]], -1)
        return place + torch.cat([self.middle[:, :2], torch.zeros_like(self.middle[:, :1])], 1)[:, None]

    def ways(self, local: Tensor) -> Tensor:
        """(B, m, 3) directions in head space."""
        nothing = torch.zeros_like(local[:, :1])
        return self.placed(local) - self.placed(nothing)

    def settle(self) -> Tensor:
        """Push the front back until it touches; returns how far the lenses then stand before the eyes (B,)."""
        angle = torch.arange(24, device=self.half.device) * (2 * math.pi / 24)
        spread = self.shapes.rim(angle)[..., None]
        room = []
        for side in (-1, 1):
            edge = self.outline(angle, side)
            middle = self.outline(angle, side, 0.0)
            out = functional.normalize(edge - middle, dim=-1)
            for place in (edge + spread * out, edge - spread * out, self.outline(angle, side, 0.6)):
                there = self.placed(place)
                skin = self.fit.face_z(there[..., 0], there[..., 1])
                room.append(skin - there[..., 2] - self.shapes.rim_depth[:, None] - _CLEAR_DM)
        eyes, radius = self.fit.eyes, self.fit.eye_radius
        lens = self.placed(self.outline(angle[:1], 1, 0.0))[:, 0, 2]
        cornea = eyes[..., 2].amin(1) - radius * 1.06
        room.append((cornea - _BEFORE_EYE_DM - lens)[:, None])
        self.back = self.back + torch.cat(room, 1).amin(1)
        return cornea - lens - self.back


def _settled(shapes: Shapes, fit: FaceFit, chance: Chance) -> _Front:
    """The front whose bridge fits the nose best."""
    wished = _BRIDGE_DM * (1 + chance.normal("glasses bridge", 0.0, 0.05))
    outer = shapes.width * fit.half_width
    # all bridges are tried at once, as if by so many times as many people
    factor = torch.tensor(_BRIDGES, device=wished.device)
    everybody = torch.arange(len(wished), device=wished.device).repeat(len(factor))
    bridge = (factor[:, None] * wished).flatten()
    tried = shapes.rows(everybody)
    front = _Front(tried, fit.rows(everybody), bridge, _half_of(tried, outer[everybody], bridge))
    cost = (front.settle() - 0.13).clamp(min=0).view(len(factor), -1) * 6 + (factor - 1).abs()[:, None]
    bridge = factor[cost.argmin(0)] * wished
    front = _Front(shapes, fit, bridge, _half_of(shapes, outer, bridge))
    front.settle()
    return front


def _half_of(shapes: Shapes, outer: Tensor, bridge: Tensor) -> Tensor:
    """(B,) half a lens's width."""
    return (outer - bridge / 2 - 2 * shapes.rim_bottom) / 2


def _pieces(shapes: Shapes, fit: FaceFit, chance: Chance) -> tuple[list[Piece], list[int], list[bool]]:
    front = _settled(shapes, fit, chance)
    device = front.half.device
    angle = torch.arange(AROUND, device=device) * (2 * math.pi / AROUND)
    ahead = front.ways(torch.tensor([0.0, 0.0, 1.0], device=device).expand(len(front.half), 1, 3))
    pieces: list[Piece] = []
    parts: list[int] = []
    lens: list[bool] = []

    def add(piece: Piece, part: int, glass: bool = False) -> None:
        pieces.append(piece)
        parts.append(part)
        lens.append(glass)

    for side in (-1, 1):
        order = angle if side > 0 else angle.flip(0)
        edge = front.placed(front.outline(order, side))
        middle = front.placed(front.outline(order[:1], side, 0.0))
        width, depth = shapes.rim(order), shapes.rim_depth[:, None].expand(-1, AROUND)
        # rims are flat bars; the nylon of half rims and the edges of rimless lenses are part of this tube too
        rim = sweep(edge, edge - middle, width, depth, sides=6, square=0.6, closed=True)
        u = (order / (2 * math.pi)).repeat_interleave(6).expand(len(edge), -1)
        add(Piece(rim.points, rim.triangles, u, rim.v, rim.tangent), RIM)
        inner = front.placed(front.outline(order, side, 0.985))
        rings = 3
        share = torch.linspace(0, 1, rings + 1, device=device)
        dome = (share.square() - share)[None] * (front.half.square() / (2 * _BASE_CURVE_DM))[:, None]
        add(disc(inner, middle[:, 0], rings, dome), RIM, True)
    pieces_of_temples = [_temple(front, shapes, fit, side) for side in (-1, 1)]
    for end, temple in pieces_of_temples:
        add(end, FRONT)
        add(temple, TEMPLE)
    add(_bridge(front, shapes, 0.42, 0.35, ahead), FRONT)
    for side in (-1, 1):
        pad, arm = _pad(front, fit, side)
        add(pad, PAD)
        add(arm, WIRE)
    add(_bridge(front, shapes, 1.05, 0.0, ahead), FRONT)
    return pieces, parts, lens


def _bridge(front: _Front, shapes: Shapes, up: float, rise: float, ahead: Tensor) -> Piece:
    """A bar between the lenses that leaves them at the angle `up` over the nose's side."""
    device = front.half.device
    at = torch.tensor([math.pi + up], device=device)
    left, right = (front.outline(at, side)[:, 0] for side in (-1, 1))
    share = torch.linspace(0, 1, 9, device=device)
    arch = 1 - (2 * share - 1).square()
    local = left[:, None] + share[:, None] * (right - left)[:, None]
    length = (right - left).norm(dim=-1)[:, None]
    local[..., 1] = local[..., 1] - rise * 0.5 * length * arch
    local[..., 2] = local[..., 2] - 0.10 * length * arch
    line = front.placed(local)
    skin = front.fit.face_z(line[..., 0], line[..., 1]) - shapes.rim_depth[:, None] - 0.006
    line = torch.cat([line[..., :2], torch.minimum(line[..., 2], skin)[..., None]], -1)
    half = shapes.bridge[:, None].expand(-1, 9)
    depth = shapes.rim_depth[:, None].clamp(max=0.016).expand(-1, 9)
    return sweep(line, torch.linalg.cross(line[:, -1:] - line[:, :1], ahead), half, depth, sides=6, square=0.7)


def _temple(front: _Front, shapes: Shapes, fit: FaceFit, side: int) -> tuple[Piece, Piece]:
    """The end piece from the rim to the hinge, and the temple from there to behind the ear."""
    device = front.half.device
    at = torch.tensor([-0.50], device=device)
    rim = front.placed(front.outline(at, side))[:, 0]
    row = (side + 1) // 2
    roots = fit.ear_roots[:, row]
    outwards = torch.tensor([float(side), 0.0, 0.0], device=device)
    thick = 0.5 * shapes.temple.clamp(min=0.014, max=0.022)
    rest = roots[:, 0] + outwards * (thick[:, None] + 0.012) - torch.tensor([0.0, 0.016, 0.0], device=device)
    hinge = rim + outwards * (0.022 + shapes.rim_top[:, None]) + torch.tensor([0.0, 0.0, 0.035], device=device)
    share = torch.linspace(0, 1, 15, device=device)[:, None]
    line = hinge[:, None] + share * (rest - hinge)[:, None]
    skull = side * fit.skull_x(row, line[..., 2], line[..., 1])
    lower = side * fit.skull_x(row, line[..., 2], line[..., 1] + shapes.temple[:, None])
    upper = side * fit.skull_x(row, line[..., 2], line[..., 1] - shapes.temple[:, None])
    skull = torch.stack([skull, lower, upper]).amax(0)
    over = (skull + thick[:, None] + 0.010 - side * line[..., 0]).clamp(min=0)
    over = functional.max_pool1d(over[:, None], 3, 1, 1)
    over = functional.avg_pool1d(functional.pad(over, (1, 1), mode="replicate"), 3, 1)[:, 0]
    line = line + over[..., None] * outwards
    hinge = line[:, 0]
    behind = roots[:, 1:] + outwards * 0.008 + torch.tensor([0.0, 0.0, 0.014], device=device)
    hook = torch.stack(
        [(behind[:, 0] + line[:, -1]) / 2 + outwards * 0.004, behind[:, 0], behind[:, 1],
         behind[:, 2] + torch.tensor([0.0, 0.02, 0.0], device=device)], 1
    )  # fmt: skip
    line = torch.cat([line, hook], 1)
    count = line.shape[1]
    way = torch.arange(count, device=device) / (count - 1)
    front_share = (1 - way / 0.5).clamp(0, 1)
    hooked = step(way, 0.76, 0.86)  # thin behind the ear
    tall = shapes.temple[:, None] * (0.62 + 0.38 * front_share)
    tall = tall + hooked * (0.009 - tall)
    down = torch.tensor([0.0, 1.0, 0.0], device=device).expand(len(line), 1, 3)
    bar = sweep(line, down, tall, thick[:, None] + hooked * (0.007 - thick[:, None]), sides=6, square=0.6)
    # the end piece bends from the rim round to the hinge
    bend = torch.linspace(0, 1, 5, device=device)[:, None]
    corner = torch.cat([hinge[:, :1], rim[:, 1:2], rim[:, 2:]], 1)
    path = (1 - bend).square() * rim[:, None] + 2 * bend * (1 - bend) * corner[:, None] + bend.square() * hinge[:, None]
    path = torch.cat([path, (hinge + 0.02 * functional.normalize(line[:, 1] - hinge, dim=-1))[:, None]], 1)
    size = shapes.rim_top.clamp(min=0.007, max=0.018)[:, None]
    fade = torch.cat([bend[:, 0], bend[-1:, 0]])[None]
    tall_end = size + fade * (tall[:, :1] - size)
    deep_end = shapes.rim_depth[:, None] + fade * (thick[:, None] - shapes.rim_depth[:, None])
    return sweep(path, down, tall_end, deep_end, sides=6, square=0.6), bar


def _pad(front: _Front, fit: FaceFit, side: int) -> tuple[Piece, Piece]:
    """A nose pad on the skin and the wire that carries it."""
    device = front.half.device
    at = torch.tensor([math.pi + 0.12], device=device)
    rim = front.placed(front.outline(at, side))[:, 0]
    inner = (rim[:, 0] - front.middle[:, 0]).abs()
    middle = front.middle
    # up and down the nose's side, at the height of the rim's innermost place
    down = torch.linspace(-0.045, 0.045, 5, device=device)
    x = (middle[:, 0] + side * 0.82 * inner)[:, None] + side * 0.18 * down
    y = rim[:, 1:2] + 0.055 + down
    z = fit.face_z(x, y)
    nudge = 0.012
    slope = (fit.face_z(x + side * nudge, y) - fit.face_z(x - side * nudge, y)) / (2 * nudge)
    slope = slope.clamp(0.3, 4.0)
    out = functional.normalize(
        torch.stack([side * slope, torch.zeros_like(slope), -torch.ones_like(slope)], -1), dim=-1
    )
    line = torch.stack([x, y, z], -1) + 0.011 * out
    wide = torch.linalg.cross(out, torch.tensor([0.0, 1.0, 0.0], device=device).expand_as(out))
    size = torch.tensor([0.010, 0.021, 0.024, 0.021, 0.010], device=device)
    pad = sweep(line, wide, size, 0.35 * size, sides=6)
    share = torch.linspace(0, 1, 5, device=device)[:, None]
    start = front.placed(front.outline(at + 0.1, side))[:, 0]
    end = line[:, 2] + 0.008 * out[:, 2]
    knee = torch.cat([start[:, :2] * 0.7 + end[:, :2] * 0.3, torch.maximum(start[:, 2:], end[:, 2:]) + 0.02], 1)
    path = (
        (1 - share).square() * start[:, None] + 2 * share * (1 - share) * knee[:, None] + share.square() * end[:, None]
    )
    skin = fit.face_z(path[..., 0], path[..., 1]) - 0.012
    path = torch.cat([path[..., :2], torch.minimum(path[..., 2], skin)[..., None]], -1)
    across = torch.tensor([0.0, 1.0, 0.0], device=device).expand(len(path), 1, 3)
    return pad, sweep(path, across, 0.0045, 0.0045, sides=4)
