"""Beards and moustaches as strips that grow out of the skin and stay with it: jaw and lips carry them along.

Stubble is paint (`skin_textures`); this is what is longer. Knows nothing of which beards are worn.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.anatomy import REGIONS, Anatomy
from visavis_training.people.beard_styles import Beard, part_shares
from visavis_training.people.chance import Chance, each, step
from visavis_training.people.hair_colour import HairColour
from visavis_training.people.hair_growth import Strands
from visavis_training.people.head_shell import HeadShell, Topology
from visavis_training.people.sampling import Identity
from visavis_training.people.scalp import spread
from visavis_training.people.skin_textures import Person
from visavis_training.people.strips import strip_triangles, strips
from visavis_training.people.worn import Things, kind

STRANDS, POINTS = 980, 4
TRIANGLES = STRANDS * strip_triangles(POINTS)
_LEAST_OVER_SKIN_DM = 0.006


@dataclass(frozen=True, slots=True)
class FaceRoots:
    """Places where beards can grow, most spread out first: `corners` int64 (R, 3), `weights` and `canonical` (R, 3)."""

    corners: Tensor
    weights: Tensor
    canonical: Tensor
    topology: Topology

    @classmethod
    def of(cls, anatomy: Anatomy) -> FaceRoots:
        """Kept for as long as the anatomy is; the first call takes a second."""
        if anatomy not in _roots:
            _roots[anatomy] = cls._made(anatomy)
        return _roots[anatomy]

    @classmethod
    def _made(cls, anatomy: Anatomy) -> FaceRoots:
        wanted = anatomy.region.new_tensor([REGIONS.index("skin"), REGIONS.index("neck")])
        triangles = anatomy.triangles[torch.isin(anatomy.region, wanted)]
        corner = anatomy.base[triangles]
        middle = corner.mean(1)
        normal = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        # inside of cheeks and the backs of lips face the other way
        outward = (normal * (middle - middle.new_tensor([0.0, 0.30, 0.45]))).sum(-1) > 0
        grows = (part_shares(middle).amax(-1) > 0.05) & outward
        rows, area = triangles[grows], normal[grows].norm(dim=-1)
        # the front is seen most, and moustaches are small
        weight = area * (1.0 + 1.6 * part_shares(middle[grows])[:, 0] + 0.5 * step(middle[grows][:, 2], 0.2, -0.1))
        chance = np.random.default_rng(9)
        share = weight.double().cpu().numpy()
        many = STRANDS * 8
        chosen = torch.from_numpy(chance.choice(len(rows), many, p=share / share.sum())).to(rows.device)
        u, v = chance.random((2, many))
        u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
        weights = torch.from_numpy(np.stack([1 - u - v, u, v], 1)).float().to(rows.device)
        canonical = (anatomy.base[rows[chosen]] * weights[..., None]).sum(1)
        near = (weight / area)[chosen].sqrt().cpu().numpy()
        order = torch.from_numpy(spread(canonical.cpu().numpy(), near, STRANDS * 3)).to(rows.device)
        return cls(rows[chosen][order], weights[order], canonical[order], Topology.of(anatomy))


_roots: weakref.WeakKeyDictionary[Anatomy, FaceRoots] = weakref.WeakKeyDictionary()


def wear_beard(anatomy: Anatomy, neutral: Tensor, identity: Identity, person: Person) -> Things:
    """The beards of B people.

    Args:
        anatomy: of everybody.
        neutral: float32 (B, V, 3) of `Anatomy.shape`.
        identity: who they are.
        person: how they look.
    """
    chance = Chance(identity.seeds)
    beard = Beard.of(chance, identity.age_years, identity.male, identity.origins)
    roots = FaceRoots.of(anatomy)
    shell = HeadShell.of(anatomy, roots.topology, neutral)
    colour = HairColour.of(chance, identity.age_years, identity.male, identity.origins, person.melanin)
    return grow_beard(roots, neutral, shell, beard, colour)


def grow_beard(roots: FaceRoots, neutral: Tensor, shell: HeadShell, beard: Beard, colour: HairColour) -> Things:
    """Beards of B people as things to wear."""
    chance = beard.chance
    chosen = _chosen(roots, beard)
    canonical = roots.canonical[chosen]
    corners = roots.corners[chosen]
    person = torch.arange(len(neutral), device=neutral.device)[:, None, None]
    corner = neutral[person, corners]
    root = (corner * roots.weights[chosen][..., None]).sum(2)
    normal = torch.linalg.cross(corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0])
    normal = functional.normalize(normal, dim=-1)
    shares = part_shares(canonical)
    length = _own_lengths(beard, shares, canonical) * (1 + 0.35 * chance.uniform("beard hair", -1.0, 0.6, STRANDS))
    way = _combed(canonical, shares, normal, chance)
    along = torch.linspace(0, 1, POINTS, device=root.device)
    down = root.new_tensor([0.0, 1.0, 0.0])
    heavy = (length / 0.5).clamp(0, 1)[..., None, None] * 0.9
    bend = along[:, None] ** 2
    step_out = (along[:, None] - 0.35 * bend) * normal[:, :, None] * 0.62
    line = root[:, :, None] + length[..., None, None] * (
        step_out + way[:, :, None] * (0.55 * along[:, None] + 0.35 * bend) + heavy * bend * down
    )
    # longer beards taper to a point below the chin
    below = step(line[..., 1] - shell.chin_y[:, None, None], -0.1, 0.6)
    gather = each(step(beard.length[:, 2], 0.15, 0.6), 2) * 0.4 * below
    line = torch.cat([line[..., :1] * (1 - gather)[..., None], line[..., 1:]], -1)
    turn = chance.uniform("beard wave", 0.0, 6.2832, STRANDS)[..., None] + 7.0 * along
    wave = 0.09 * length[..., None] * along
    line = line + torch.stack([wave * turn.sin(), 0 * wave, wave * turn.cos()], -1)
    rough = chance.normal("beard stray", 0.0, 1.0, STRANDS * 3).reshape(*length.shape, 1, 3)
    line = line + 0.16 * length[..., None, None] * rough * (along**1.4)[:, None]
    flat = line[:, :, 1:].reshape(len(line), -1, 3)
    flat = shell.kept_out(flat, torch.full(flat.shape[:2], _LEAST_OVER_SKIN_DM, device=flat.device))
    line = torch.cat([line[:, :, :1], flat.reshape(*length.shape, POINTS - 1, 3)], 2)
    grows = beard.worn[:, None] & (length > 0.004)
    random = chance.uniform("beard strand", 0.0, 1.0, STRANDS)
    layer = chance.uniform("beard layer", 0.0, 1.0, STRANDS)
    out = normal[:, :, None].expand_as(line)
    width = 0.0105 * (1 + 1.2 * (length / 0.4).clamp(0, 1)) * chance.uniform("beard width", 0.7, 1.4, STRANDS)
    open_ = (0.40 + 0.60 * layer)[..., None] * (0.55 + 0.45 * along)
    roll = chance.uniform("beard roll", -1.0, 1.0, STRANDS)
    soft = torch.zeros(len(line), device=line.device)
    points, triangles, texture, tangent = strips(
        Strands(line, grows, layer, random, out), width, roll, 1.4, open_, soft
    )
    seats = root[:, :, None].expand(-1, -1, 2 * POINTS, -1).reshape(points.shape)
    kinds = torch.full(triangles.shape[:2], kind("beard"), dtype=torch.uint8, device=points.device)
    coat = {"beard": beard_coat(colour, chance)}
    return Things(points, triangles, kinds, texture, tangent, torch.zeros_like(points[..., 0]), coat, None, seats)


def _chosen(roots: FaceRoots, beard: Beard) -> Tensor:
    """int64 (B, STRANDS) roots that grow, taken in order of spreading: small beards get as many strips as large."""
    canonical = roots.canonical[None]
    wanted = beard.chance.uniform("beard grows", 0.02, 1.0, len(roots.canonical)) < beard.density(canonical)
    rank = torch.where(wanted, 0, len(roots.canonical)) + torch.arange(len(roots.canonical), device=wanted.device)
    return rank.argsort(1)[:, :STRANDS]


def _own_lengths(beard: Beard, shares: Tensor, canonical: Tensor) -> Tensor:
    """(B, S) dm of roots (B, S, 3) with shares (B, S, 5) of the beard's parts."""
    left = shares * (beard.length[:, None] > 0)
    total = left.sum(-1)
    mean = (left * beard.length[:, None]).sum(-1) / total.clamp(min=1e-3)
    # sideburns are kept short, whatever hangs below
    high = 0.25 + 0.75 * step(canonical[..., 1], 0.0, 0.55)
    mean = torch.where(mean > 0.06, 0.06 + (mean - 0.06) * high, mean)
    return mean * step(total, 0.0, 0.5) * (total > 0.02)


def _combed(canonical: Tensor, shares: Tensor, normal: Tensor, chance: Chance) -> Tensor:
    """(B, S, 3) unit, along the skin: moustaches part in the middle, cheeks run down and forwards, the rest down."""
    x = canonical[..., 0]
    lip = shares[..., 0]
    aside = torch.tanh(x / 0.05)
    sideways = 0.9 * lip * aside - 0.10 * (1 - lip) * torch.tanh(x / 0.2)
    down = 0.45 + 0.55 * (1 - lip)
    forwards = -0.35 * shares[..., 3] - 0.2 * shares[..., 4]
    way = torch.stack([sideways, down, forwards], -1)
    way = way + 0.22 * chance.normal("beard comb", 0.0, 1.0, way.shape[1] * 3).reshape(way.shape)
    way = way - (way * normal).sum(-1, keepdim=True) * normal
    return functional.normalize(way, dim=-1)


def beard_coat(colour: HairColour, chance: Chance) -> dict[str, Tensor]:
    """For `hair_shading.shade_hair`: beards are a little redder than hair, and whiten first at the chin."""
    red = colour.root * colour.root.new_tensor([1.12, 0.98, 0.86])
    nil = torch.zeros_like(colour.white)
    white = (colour.white * 1.2 + 0.1 * step(colour.white, 0.05, 0.3)).clamp(max=0.95)
    return {
        "pigment": red, "root": red, "tip": red, "white": white,
        "roughness": chance.uniform("beard rough", 0.16, 0.24), "gloss": nil + 0.5, "standing": nil + 0.6,
        "kinky": nil,
    }  # fmt: skip
