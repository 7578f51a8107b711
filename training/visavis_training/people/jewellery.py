"""Earrings (studs, hoops and drops) and fine necklaces of gold, silver, pearl and stone.

Earrings hang from the lobes, chains lie on the neck of whoever wears them. Knows nothing of lights or of pictures.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.anatomy import Anatomy
from visavis_training.people.binding import OUTER, closest_weights
from visavis_training.people.chance import Chance
from visavis_training.people.rasteriser import Neighbours, vertex_normals
from visavis_training.people.sampling import Identity
from visavis_training.people.skin_textures import Person
from visavis_training.people.tubes import Piece, ball, joined, sweep
from visavis_training.people.worn import REGIONS, Things, kind
from visavis_training.people.worn_shading import Spots

STUD, HOOP, DROP = range(3)
METAL, STONE = range(2)
"""Parts; a part's number plus a half, in eighths, is the third number of its texture."""
_LOBE_DM = (0.745, 0.145, 0.645)
"""Where ears are pierced on the base head's left."""
_RINGS, _LINKS = 20, 64
_METALS = ((0.80, 0.60, 0.31), (0.75, 0.75, 0.74), (0.76, 0.50, 0.40))
_STONES = (
    ((0.70, 0.66, 0.60), 0.0), ((0.78, 0.80, 0.84), 1.0), ((0.02, 0.09, 0.30), 1.0), ((0.01, 0.16, 0.07), 1.0),
    ((0.28, 0.01, 0.03), 1.0), ((0.012, 0.012, 0.012), 0.3),
)  # fmt: skip
"""Pearl, clear stone, sapphire, emerald, ruby, onyx: colour and how much they glitter."""


@lru_cache(maxsize=2)
def _lobes(anatomy: Anatomy) -> Tensor:
    """int64 (2,): the vertices nearest to where the right and left ear are pierced."""
    ears = anatomy.triangles[anatomy.region == REGIONS.index("ears")].unique()
    aims = anatomy.canonical.new_tensor([[-_LOBE_DM[0], *_LOBE_DM[1:]], _LOBE_DM])
    nearest: Tensor = ears[torch.cdist(aims, anatomy.canonical[ears]).argmin(1)]
    return nearest


@lru_cache(maxsize=2)
def _chains(anatomy: Anatomy) -> tuple[Tensor, Tensor]:
    """Corners int64 (3, n, 3) and weights (3, n, 3) of three lines round the neck, each lower in front."""
    device = anatomy.canonical.device
    angle = torch.arange(_LINKS, device=device) * (2 * math.pi / _LINKS)
    front = (1 + angle.cos()) / 2
    lines = []
    for drop in (0.45, 0.62, 0.85):
        x = 0.60 * angle.sin() * (1 - 0.12 * front)
        z = 0.95 - 0.62 * angle.cos()
        lines.append(torch.stack([x, 1.06 + drop * front**1.6, z], -1))
    aims = torch.stack(lines)
    wanted = torch.tensor([REGIONS.index(name) for name in OUTER], device=device, dtype=torch.uint8)
    rows = torch.isin(anatomy.region, wanted)
    corners = anatomy.triangles[rows]
    near = anatomy.canonical[corners].mean(1)
    corners = corners[(near[:, 1] > 0.7) & (near[:, 1] < 2.6)]
    triangles = anatomy.canonical[corners]
    for _ in range(3):  # lay it down, even it out
        weights = closest_weights(aims[:, :, None], triangles)
        away = ((triangles * weights[..., None]).sum(-2) - aims[:, :, None]).norm(dim=-1)
        best = away.argmin(2)
        chosen = weights.gather(2, best[..., None, None].expand(-1, -1, 1, 3))[:, :, 0]
        laid = (triangles[best] * chosen[..., None]).sum(-2)
        aims = (laid.roll(1, 1) + 2 * laid + laid.roll(-1, 1)) / 4
    return corners[best], chosen


def make_jewellery(
    anatomy: Anatomy, neutral: Tensor, identity: Identity, person: Person, style: Tensor | None = None
) -> Things:
    """What B people wear on ears and neck.

    Args:
        anatomy: of everybody.
        neutral: float32 (B, V, 3) of `Anatomy.shape`.
        identity: who they are.
        person: how they look.
        style: int64 (B,) `STUD`, `HOOP` or `DROP`, to have all wear these and a chain; by chance if not given.
    """
    chance = Chance(identity.seeds)
    device, people = neutral.device, len(neutral)
    kinds = chance.pick("earring", (0.45, 0.27, 0.28)) if style is None else style
    normals = vertex_normals(neutral, anatomy.triangles.int(), Neighbours.of(anatomy.triangles, neutral.shape[1]))
    pieces: list[Piece] = []
    parts: list[int] = []
    shown: list[Tensor] = []
    soft: list[bool] = []
    every = torch.ones(people, dtype=torch.bool, device=device)
    male = identity.male
    ears = every if style is not None else chance.uniform("earrings") < 0.52 - 0.46 * male
    single = (chance.uniform("one earring") < 0.5) & (male > 0.5) if style is None else ~every
    for row, vertex in enumerate(_lobes(anatomy).unbind()):
        ring, bead = _earring(neutral[:, vertex], normals[:, vertex], kinds, chance)
        worn = ears & ~(single & (row == 0))
        pieces += [ring, bead]
        parts += [METAL, STONE]
        shown += [worn & (kinds != STUD), worn & (kinds != HOOP)]
        soft += [False, False]
    chain, pendant = _necklace(anatomy, neutral, normals, chance)
    around = every if style is not None else chance.uniform("necklace") < 0.26 - 0.20 * male
    pieces += [chain, pendant]
    parts += [METAL, STONE]
    shown += [around, around & (chance.uniform("pendant") < 0.6)]
    soft += [True, True]
    whole = joined(pieces)
    counts = [piece.points.shape[1] for piece in pieces]
    part = torch.cat([torch.full((n,), (p + 0.5) / 8, device=device) for n, p in zip(counts, parts, strict=True)])
    rigid = torch.cat([torch.full((n,), 0.0 if s else 1.0, device=device) for n, s in zip(counts, soft, strict=True)])
    kept = torch.cat([s[:, None].expand(-1, len(p.triangles)) for s, p in zip(shown, pieces, strict=True)], 1)
    triangles = torch.where(kept[..., None], whole.triangles.expand(people, -1, -1), -1).int().contiguous()
    texture = torch.stack([whole.u, whole.v, part.expand(people, -1), torch.full_like(whole.u, 0.8)], -1)
    jewels = torch.full(triangles.shape[:2], kind("jewel"), dtype=torch.uint8, device=device)
    return Things(
        whole.points, triangles, jewels, texture, whole.tangent, rigid.expand(people, -1).contiguous(),
        {"jewel": _coat(chance)},
    )  # fmt: skip


def _earring(lobe: Tensor, normal: Tensor, kinds: Tensor, chance: Chance) -> tuple[Piece, Piece]:
    """A hoop or the wire of a drop, and a stud's or a drop's bead, on one ear."""
    device = lobe.device
    down = torch.tensor([0.0, 1.0, 0.0], device=device).expand_as(lobe)
    out = functional.normalize(normal * normal.new_tensor([1.0, 0.0, 1.0]), dim=-1)
    along = torch.linalg.cross(out, down)
    hoop = (kinds == HOOP)[:, None]
    radius = torch.where(kinds == HOOP, 0.05 + 0.13 * chance.uniform("hoop") ** 1.5, torch.full_like(lobe[:, 0], 0.025))
    thick = torch.where(kinds == HOOP, chance.uniform("hoop wire", 0.005, 0.013), torch.full_like(lobe[:, 0], 0.0045))
    angle = torch.linspace(0, 2 * math.pi, _RINGS + 1, device=device)[:_RINGS]
    # a hoop goes through the lobe and hangs under it; most of it is seen outside
    middle = lobe + radius[:, None] * (0.92 * down + 0.12 * out) - 0.004 * out
    ring = middle[:, None] + radius[:, None, None] * (
        angle.sin()[:, None] * out[:, None] - angle.cos()[:, None] * down[:, None]
    )
    length = chance.uniform("drop", 0.05, 0.24)[:, None]
    share = torch.linspace(0, 1, _RINGS, device=device)
    curl = 0.022 * torch.sin(math.pi * (share / 0.25).clamp(max=1))
    wire = lobe[:, None] + (0.010 + curl[:, None]) * out[:, None] + ((share - 0.08) * length)[..., None] * down[:, None]
    line = torch.where(hoop[..., None], ring, wire)
    bar = sweep(line, along[:, None].expand(-1, _RINGS, -1), thick[:, None], thick[:, None], sides=5, closed=False)
    size = torch.where(kinds == STUD, chance.uniform("stud", 0.016, 0.034), chance.uniform("bead", 0.018, 0.042))
    tall = torch.where(kinds == STUD, torch.ones_like(size), 1 + 0.9 * chance.uniform("tear") ** 2)
    centre = torch.where(
        (kinds == STUD)[:, None], lobe + 0.75 * size[:, None] * out, wire[:, -1] + (size * tall * 0.85)[:, None] * down
    )
    bead = ball(centre, torch.stack([size, size * tall, size], -1))
    return bar, bead


def _necklace(anatomy: Anatomy, neutral: Tensor, normals: Tensor, chance: Chance) -> tuple[Piece, Piece]:
    corners, weights = _chains(anatomy)
    which = chance.pick("chain length", (0.35, 0.4, 0.25))
    person = torch.arange(len(neutral), device=neutral.device)[:, None, None]
    at, share = corners[which], weights[which][..., None]
    line = (neutral[person, at] * share).sum(2)
    out = functional.normalize((normals[person, at] * share).sum(2), dim=-1)
    thick = chance.uniform("chain", 0.005, 0.010)[:, None]
    line = line + (1.1 * thick)[..., None] * out
    chain = sweep(line, out, thick, thick, sides=4, closed=True)
    size = chance.uniform("pendant size", 0.022, 0.05)
    front = line[:, 0] + out[:, 0] * (0.5 * size)[:, None]
    front = front + (size * 0.9)[:, None] * torch.tensor([0.0, 1.0, 0.0], device=line.device)
    return chain, ball(front, torch.stack([size * 0.8, size, size * 0.4], -1))


def _coat(chance: Chance) -> dict[str, Tensor]:
    device = chance.seeds.device
    metal = torch.tensor(_METALS, device=device)[chance.pick("jewel metal", (0.5, 0.38, 0.12))]
    chosen = chance.pick("stone", (0.30, 0.22, 0.07, 0.06, 0.07, 0.08))
    stone = torch.tensor([c for c, _ in _STONES], device=device)[chosen]
    glitter = torch.tensor([g for _, g in _STONES], device=device)[chosen]
    plain = chance.happens("metal bead", 0.35)
    return {"metal": metal, "stone": stone, "glitter": glitter, "plain": plain}


def shade_jewel(spots: Spots) -> Tensor:
    """Polished metal that mirrors the room and the lamps, pearls, stones with facets."""
    part = (spots.texture[:, 2] * 8).floor()
    stone = (part == STONE).float() * (1 - spots.own("plain"))
    glitter = spots.own("glitter") * stone
    # facets: the smooth normal is rounded to a few directions
    cut = functional.normalize((spots.normal * 2.6).round() / 2.6 + 0.15 * spots.normal, dim=-1)
    normal = functional.normalize(spots.normal + glitter[:, None] * (cut - spots.normal), dim=-1)
    mirror = spots.own("metal") + stone[:, None] * (0.06 + 0.16 * glitter[:, None] - spots.own("metal"))
    rough = 0.16 + 0.06 * stone - 0.05 * glitter
    facing = (normal * spots.towards).sum(-1).clamp(0, 1)
    fresnel = mirror + (1 - mirror) * ((1 - facing) ** 5)[:, None]
    gleam = spots.gloss(normal, rough, mirror) + fresnel * spots.around(spots.bent(normal))
    depth = spots.own("stone") * (1 - 0.4 * glitter * (1 - facing))[:, None]
    body = stone[:, None] * depth * spots.matte(normal, 0.25)
    return body + gleam
