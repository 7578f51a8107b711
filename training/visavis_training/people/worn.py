"""What people wear: hair, beards, hats, glasses, jewels and clothes as meshes of their own, and how they move along.

A maker of things gives `Things` on neutral shapes; `bind` finds once what skin each point belongs to, `Bound.posed`
carries the points with a pose, `Worn` joins body and things into one surface. Knows nothing of what things look like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from visavis_training.people.anatomy_building import REGIONS as BODY_REGIONS
from visavis_training.people.binding import Binding, Wearer
from visavis_training.people.rasteriser import Neighbours, as_triangles

__all__ = [
    "KINDS",
    "REGIONS",
    "REGION_OF_KIND",
    "WORN_REGIONS",
    "Bound",
    "Coat",
    "Things",
    "Wearer",
    "Worn",
    "bind",
    "kind",
]

KINDS = ("hair", "beard", "hat", "frame", "lens", "jewel", "cloth")
"""What a triangle of a thing is; makers use `kind("hair")`."""
THIN = ("hair", "beard")
"""Strands: narrower than pixels, so pictures soften them by how much they cover."""
WORN_REGIONS = ("hair", "hat", "glasses", "jewel", "clothes")
REGIONS = (*BODY_REGIONS, *WORN_REGIONS)
"""The anatomy's regions, then those of things."""
REGION_OF_KIND = {
    "hair": "hair", "beard": "hair", "hat": "hat", "frame": "glasses", "lens": "glasses", "jewel": "jewel",
    "cloth": "clothes",
}  # fmt: skip
NOT_DRAWN = -1

Coat = Mapping[str, Tensor]
"""What one kind of thing is made of: numbers of each person by name, each (B, ...), for that kind's shader."""


def kind(name: str) -> int:
    """The number of a kind.

    Raises:
        ValueError: there is none of this name.
    """
    return KINDS.index(name)


@dataclass(frozen=True, slots=True)
class Things:
    """What B people wear, on their neutral shapes, torch float32 on one device unless said; head space, dm."""

    points: Tensor
    """(B, W, 3); rows beyond a person's own are unused."""
    triangles: Tensor
    """int32 (B, G, 3) into 0..W-1, counter-clockwise seen from outside (as the body's); rows of -1 are not drawn."""
    kind: Tensor
    """uint8 (B, G), index into `KINDS`."""
    texture: Tensor
    """(B, W, 4): u along and v across the thing, a random number 0..1 of its strand or piece, and occlusion 0..1
    (1 = open to the sky)."""
    tangent: Tensor
    """(B, W, 3): unit direction of strands (hair) or of the thread or u axis (others)."""
    rigid: Tensor
    """(B, W): 1 moves with the skull (hats, glasses, hair near the scalp), 0 follows the skin under it (beards, cloth);
    between blends (long hair on shoulders)."""
    coats: Mapping[str, Coat] = field(default_factory=dict)
    """By name of kind. A kind without a coat is not worn by anybody."""
    covers: Tensor | None = None
    """bool (B, F): triangles of the body that lie wholly under things and are not drawn (skin under cloth would poke
    through in some pose); none if None."""
    seats: Tensor | None = None
    """(B, W, 3): each point belongs to the skin nearest to its seat, as a long beard's strands to where they grow; to
    the skin nearest to the point itself if None."""

    def __post_init__(self) -> None:
        people, points = self.points.shape[:2]
        faces = self.triangles.shape[1]
        expected = {
            "points": (people, points, 3), "triangles": (people, faces, 3), "kind": (people, faces),
            "texture": (people, points, 4), "tangent": (people, points, 3), "rigid": (people, points),
        }  # fmt: skip
        for name, shape in expected.items():
            found = tuple(getattr(self, name).shape)
            if found != shape:
                raise ValueError(f"Things.{name} has shape {found}, expected {shape}")
        if self.triangles.dtype != torch.int32 or self.kind.dtype != torch.uint8:
            raise ValueError(f"triangles are {self.triangles.dtype} and kinds {self.kind.dtype}, not int32 and uint8")
        unknown = set(self.coats) - set(KINDS)
        if unknown:
            raise ValueError(f"coats of {sorted(unknown)}, which are no kinds")

    def __len__(self) -> int:
        return len(self.points)

    def rows(self, index: Tensor) -> Things:
        """What people `index` (N,) wear, repeated as it says."""
        coats = {name: {part: value[index] for part, value in coat.items()} for name, coat in self.coats.items()}
        covers = None if self.covers is None else self.covers[index]
        seats = None if self.seats is None else self.seats[index]
        return Things(
            self.points[index], self.triangles[index], self.kind[index], self.texture[index], self.tangent[index],
            self.rigid[index], coats, covers, seats,
        )  # fmt: skip

    def only(self, worn: Tensor) -> Things:
        """The same, but people with False in `worn` (B,) wear none of it."""
        covers = None if self.covers is None else self.covers & worn[:, None]
        triangles = torch.where(worn[:, None, None], self.triangles, NOT_DRAWN)
        return replace(self, triangles=triangles, covers=covers)

    @classmethod
    def nothing(cls, people: int, device: torch.device | str = "cpu") -> Things:
        """Of people who wear nothing."""
        whole = torch.zeros(people, 0, 3, dtype=torch.int32, device=device)
        empty = torch.zeros(people, 0, 4, device=device)
        return cls(empty[..., :3], whole, whole[..., 0].byte(), empty, empty[..., :3], empty[..., 0])

    @classmethod
    def together(cls, parts: Sequence[Things]) -> Things:
        """Several things of the same people as one.

        Raises:
            ValueError: no parts, or two of them have a coat of one kind.
        """
        if not parts:
            raise ValueError("there are no things to put together")
        triangles, before = [], 0
        coats: dict[str, Coat] = {}
        for part in parts:
            shared = set(coats) & set(part.coats)
            if shared:
                raise ValueError(f"two makers give coats of {sorted(shared)}")
            coats |= dict(part.coats)
            triangles.append(torch.where(part.triangles < 0, NOT_DRAWN, part.triangles + before))
            before += part.points.shape[1]
        covering = [part.covers for part in parts if part.covers is not None]
        joined = [torch.cat([getattr(p, name) for p in parts], 1) for name in ("points", "kind", "texture", "tangent")]
        points, kinds, texture, tangent = joined
        covers = torch.stack(covering).any(0) if covering else None
        rigid = torch.cat([part.rigid for part in parts], 1)
        seats = None
        if any(part.seats is not None for part in parts):
            seats = torch.cat([part.points if part.seats is None else part.seats for part in parts], 1)
        return cls(points, torch.cat(triangles, 1), kinds, texture, tangent, rigid, coats, covers, seats)


@dataclass(frozen=True, slots=True)
class Bound:
    """Points of things tied to B people, so that a pose moves them with gathers alone."""

    wearer: Wearer
    binding: Binding
    rigid: Tensor
    """(B, W)."""
    in_skin: Tensor
    """(B, W, 3): offset from the place on the skin, in that place's frame."""
    in_skull: Tensor
    """(B, W, 3): place in the skull's frame."""
    tangent_in_skin: Tensor
    """(B, W, 3)."""
    tangent_in_skull: Tensor
    """(B, W, 3)."""

    def rows(self, index: Tensor) -> Bound:
        """Of people `index` (N,)."""
        return Bound(
            self.wearer, self.binding.rows(index), self.rigid[index], self.in_skin[index], self.in_skull[index],
            self.tangent_in_skin[index], self.tangent_in_skull[index],
        )  # fmt: skip

    def posed(self, body: Tensor) -> Tensor:
        """(B, W, 3): where things are when the body's vertices are `body` (B, V, 3)."""
        return self.carried(body)[0]

    def carried(self, body: Tensor) -> tuple[Tensor, Tensor]:
        """(B, W, 3) places and (B, W, 3) unit tangents for body vertices (B, V, 3), in the body's axes."""
        place, turn = self.binding.ground(body, self.wearer)
        skull_turn, skull_place = self.wearer.skull(body)
        rigid = self.rigid[..., None]
        with_skin = place + _turned(turn, self.in_skin)
        with_skull = self.in_skull @ skull_turn.transpose(1, 2) + skull_place[:, None]
        along_skin = _turned(turn, self.tangent_in_skin)
        along_skull = self.tangent_in_skull @ skull_turn.transpose(1, 2)
        points = with_skin + rigid * (with_skull - with_skin)
        tangents = along_skin + rigid * (along_skull - along_skin)
        return points, torch.nn.functional.normalize(tangents, dim=-1)


def bind(neutral: Tensor, wearer: Wearer, things: Things) -> Bound:
    """Tie things to the people they were made for.

    Args:
        neutral: (B, V, 3) of `Anatomy.shape`.
        wearer: of the body's topology, `Wearer.of(anatomy)`.
        things: on these shapes.
    """
    binding = wearer.nearest(neutral, things.points if things.seats is None else things.seats)
    place, turn = binding.ground(neutral, wearer)
    skull_turn, skull_place = wearer.skull(neutral)
    return Bound(
        wearer,
        binding,
        things.rigid,
        _turned(turn.transpose(-1, -2), things.points - place),
        (things.points - skull_place[:, None]) @ skull_turn,
        _turned(turn.transpose(-1, -2), things.tangent),
        things.tangent @ skull_turn,
    )


def _turned(turn: Tensor, ways: Tensor) -> Tensor:
    # millions of products of 3 x 3: as sums they are one pass, as matrices a queue of tiny ones
    return (turn * ways[..., None, :]).sum(-1)


@dataclass(frozen=True, slots=True)
class Worn:
    """Body and things of B people as one surface: V body vertices, then W of things; F body triangles, then G."""

    things: Things
    bound: Bound
    triangles: Tensor
    """int32 (B, F + G, 3): what is drawn opaque; lenses and what things cover are rows of -1."""
    region: Tensor
    """uint8 (B, F + G), index into `REGIONS`."""
    canonical: Tensor
    """(B, V + W, 3): names of points, a thing's lie as far off the nameless head as the thing off its wearer's skin."""
    around: Neighbours
    """(B, W + 1) and (B, 3 G): triangles of things at each of their points."""

    @classmethod
    def of(cls, neutral: Tensor, wearer: Wearer, things: Things) -> Worn:
        """What people with neutral shapes (B, V, 3) wear; once for each person."""
        bound = bind(neutral, wearer, things)
        people, vertices = neutral.shape[:2]
        numbered = torch.where(things.triangles < 0, NOT_DRAWN, things.triangles + vertices)
        lens = (things.kind == kind("lens"))[..., None]
        body = wearer.drawn.expand(people, -1, -1)
        if things.covers is not None:
            body = torch.where(things.covers[..., None], NOT_DRAWN, body)
        opaque = torch.cat([body, torch.where(lens, NOT_DRAWN, numbered)], 1)
        table = torch.tensor([REGIONS.index(REGION_OF_KIND[k]) for k in KINDS], dtype=torch.uint8)
        region = torch.cat([wearer.region.expand(people, -1), table.to(neutral.device)[things.kind.long()]], 1)
        on_head = bound.binding.on(wearer.canonical.expand(people, -1, -1))
        offset = things.points - bound.binding.on(neutral)
        canonical = torch.cat([wearer.canonical.expand(people, -1, -1), on_head + offset], 1)
        around = Neighbours.own(things.triangles, things.points.shape[1])
        return cls(things, bound, as_triangles(opaque), region, canonical, around)

    def rows(self, index: Tensor) -> Worn:
        """Of people `index` (N,)."""
        around = Neighbours(self.around.starts[index], self.around.around[index])
        return Worn(
            self.things.rows(index), self.bound.rows(index), self.triangles[index],
            self.region[index], self.canonical[index], around,
        )  # fmt: skip

    def vertices(self, body: Tensor) -> Tensor:
        """(B, V + W, 3) of posed bodies (B, V, 3)."""
        return torch.cat([body, self.bound.posed(body)], 1)
