"""Clothes as things: outfits hung on neutral bodies, cut, sewn together from their pieces and given their cloth.

Batched torch; a person's outfit follows from the seed. Knows nothing of light, pictures or poses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from visavis_training.people import collars, fabrics
from visavis_training.people.chance import Chance
from visavis_training.people.cloth_layers import Body, Layer
from visavis_training.people.collars import Piece
from visavis_training.people.pattern import Pattern
from visavis_training.people.sampling import Identity
from visavis_training.people.wardrobe import Outfit, choose, trousers
from visavis_training.people.worn import Things, kind

_PATTERNS: WeakKeyDictionary[Any, Pattern] = WeakKeyDictionary()
_HIDDEN_DM = -0.32
"""Cloth of an inner layer this far under an outer one is not drawn."""


def pattern_of(anatomy: Any) -> Pattern:
    """The anatomy's pattern, laid out once."""
    if anatomy not in _PATTERNS:
        _PATTERNS[anatomy] = Pattern.of(anatomy)
    return _PATTERNS[anatomy]


@dataclass(frozen=True, slots=True)
class _Mesh:
    """A part of the things: (B, n, ...) points and (B, t, 3) triangles that count from its own first point."""

    points: Tensor
    texture: Tensor
    triangles: Tensor


def clothe(anatomy: Any, neutral: Tensor, identity: Identity, person: Any = None) -> Things:
    """What B people wear over their bodies.

    Args:
        anatomy: of level "half_body" or "whole".
        neutral: float32 (B, V, 3) of `Anatomy.shape`.
        identity: who they are; seeds, ages and sexes decide.
        person: not looked at; makers of things share one signature.
    """
    del person
    chance = Chance(identity.seeds)
    outfit = choose(chance, identity.age_years, identity.male)
    return put_on(pattern_of(anatomy), neutral, outfit, chance)


def put_on(pattern: Pattern, neutral: Tensor, outfit: Outfit, chance: Chance) -> Things:
    """A given outfit on people with vertices (B, V, 3)."""
    body = Body.of(pattern, neutral)
    inner = Layer.hang(body, outfit.inner.cut, chance, "inner")
    bare = torch.where(outfit.layered[:, None], inner.height, torch.full_like(inner.height, -1.0))
    outer = Layer.hang(body, outfit.outer.cut, chance, "outer", bare)
    meshes = [_sheet(outer, fabrics.OUTER), _sheet(inner, fabrics.INNER, outfit.layered, outer.removed)]
    for piece, slot in _pieces(outfit, outer, inner, chance):
        button = slot == fabrics.BUTTON
        triangles = piece.wound(collars.button_triangles(neutral.device)) if button else piece.triangles()
        meshes.append(_grid(piece, slot, triangles))
    covers = outer.covers() | (inner.covers() & outfit.layered[:, None])
    if pattern.has_legs:
        legs = Layer.hang(body, trousers(chance), chance, "legs")
        meshes.append(_sheet(legs, fabrics.LEGS))
        covers = covers | legs.covers()
    return _things(meshes, fabrics.sample_coat(outfit, chance), covers)


def _pieces(outfit: Outfit, outer: Layer, inner: Layer, chance: Chance) -> list[tuple[Piece, int]]:
    found: list[tuple[Piece, int]] = []
    people = torch.ones_like(outfit.layered)
    for garment, layer, name, worn, slot in (
        (outfit.outer, outer, "outer", people, fabrics.OUTER_TRIM),
        (outfit.inner, inner, "inner", outfit.layered, fabrics.INNER_TRIM),
    ):
        collared = outfit.layered & (outfit.inner.neck.kind > 1) & (slot == fabrics.OUTER_TRIM)
        over = torch.where(collared, 0.055, 0.0)
        crumple = chance.normal(f"{name} collar", 0.0, 0.22, 8)
        found.append((collars.neckpiece(layer, garment.neck, crumple, over).for_whom(worn), slot))
        m = garment.measures
        has_placket = (m["placket"] > 0) & worn
        found.append((collars.placket(layer, m["placket"], m["placket_bottom"], has_placket), slot))
        first = collars.front_height(layer) + m["first"]
        radius = chance.uniform(f"{name} button size", 0.045, 0.06)
        count = m["buttons"].round() * worn
        nil = torch.zeros_like(radius)
        found.append((collars.buttons(layer, nil, first, m["apart"], count, radius), fabrics.BUTTON))
    sleeved = outfit.outer.cut.sleeve > 0
    found += [(cuff, fabrics.OUTER_TRIM) for cuff in collars.cuffs(outer, outfit.outer.measures["cuff"], sleeved)]
    found += [(edge, fabrics.OUTER_TRIM) for edge in collars.front_edges(outer, outfit.outer.front)]
    apart, length = chance.uniform("cords", 0.14, 0.24), chance.uniform("cord length", 0.7, 1.5)
    found += [(cord, fabrics.OUTER_TRIM) for cord in collars.cords(outer, apart, length, outfit.strings)]
    width = chance.uniform("tie width", 0.28, 0.42)
    found.append((collars.tie(inner, width, outfit.tie), fabrics.TIE))
    return found


def _sheet(layer: Layer, slot: int, worn: Tensor | None = None, hidden: Tensor | None = None) -> _Mesh:
    """The layer's cloth; of one under another, what may show."""
    pattern = layer.body.pattern
    panels = pattern.panels if worn is None else pattern.inner_panels
    points, kept = layer.sheet()
    if worn is not None:
        kept = kept & worn[:, None]
    if hidden is not None:
        kept = kept & (hidden[:, pattern.triangles.long()] > _HIDDEN_DM).any(-1)
    drawn = torch.where(kept[:, panels.of, None], panels.triangles, -1)
    # where a body bulges more than the base does, more cloth goes round it: patterns stay level
    uv = panels.uv + panels.turned * layer.body.uneven[:, panels.vertices, :2]
    texture = torch.cat([uv, _slot(uv, slot), layer.valley[:, panels.vertices, None]], -1)
    return _Mesh(points[:, panels.vertices], texture, drawn)


def _grid(piece: Piece, slot: int, triangles: Tensor) -> _Mesh:
    people = len(piece.points)
    points = piece.points.reshape(people, -1, 3)
    across, down, shade = (v.reshape(people, -1, 1) for v in (piece.across, piece.down, piece.shade))
    return _Mesh(points, torch.cat([across, down, _slot(points, slot), shade], -1), triangles)


def _slot(like: Tensor, slot: int) -> Tensor:
    return torch.full_like(like[..., :1], (slot + 0.5) / fabrics.SLOTS)


def _things(meshes: Sequence[_Mesh], coat: dict[str, Tensor], covers: Tensor) -> Things:
    triangles, before = [], 0
    for mesh in meshes:
        triangles.append(torch.where(mesh.triangles < 0, -1, mesh.triangles + before))
        before += mesh.points.shape[1]
    points = torch.cat([m.points for m in meshes], 1)
    faces = torch.cat(triangles, 1).int()
    tangent = torch.zeros_like(points)
    tangent[..., 0] = 1.0
    return Things(
        points,
        faces,
        torch.full(faces.shape[:2], kind("cloth"), dtype=torch.uint8, device=points.device),
        torch.cat([m.texture for m in meshes], 1),
        tangent,
        torch.zeros_like(points[..., 0]),
        {"cloth": coat},
        covers,
    )
