"""The maker of hair: gives B people the hair of their heads as things to wear, and colours it.

Ties hairlines, cuts, growth, strips and colours together. Knows nothing of how hair is lit.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import torch
from torch import Tensor

from visavis_training.people.anatomy import Anatomy
from visavis_training.people.chance import Chance, step
from visavis_training.people.hair_colour import HairColour, white_hair
from visavis_training.people.hair_cuts import CUT_NAMES, CUTS, LAYOUTS, choose, hairdo
from visavis_training.people.hair_growth import grow
from visavis_training.people.hair_tails import grow_tails
from visavis_training.people.hairdo import Hairdo
from visavis_training.people.hairline import Hairline
from visavis_training.people.head_shell import HeadShell, Topology
from visavis_training.people.sampling import Identity
from visavis_training.people.scalp import Scalp
from visavis_training.people.skin_textures import Person
from visavis_training.people.strips import strip_triangles, strips
from visavis_training.people.worn import Things, kind

TAIL_STRANDS = 240
_STANDING = ("shaven", "buzz", "afro short", "afro", "crop")
_MATTE = {"afro short": 0.35, "afro": 0.3, "twists": 0.45, "locs": 0.4, "braids": 0.5, "curly top": 0.7}
_LAYOUT_NAMES = tuple(LAYOUTS)


@dataclass(frozen=True, slots=True)
class Salon:
    """What making hair needs to know of everybody's mesh."""

    anatomy: Anatomy
    topology: Topology
    scalp: Scalp

    @classmethod
    def of(cls, anatomy: Anatomy) -> Salon:
        """Kept for as long as the anatomy is; the first call takes some seconds."""
        found = _salons.get(anatomy)
        if found is None:
            found = cls(anatomy, Topology.of(anatomy), Scalp.of(anatomy))
            _salons[anatomy] = found
        return found


_salons: weakref.WeakKeyDictionary[Anatomy, Salon] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Heads:
    """How the heads of B people are to look: `line`, `cut` int64 rows of `CUTS`, `do`, `colour`, `chance` theirs."""

    chance: Chance
    line: Hairline
    cut: Tensor
    do: Hairdo
    colour: HairColour

    @classmethod
    def of(cls, seeds: Tensor, age_years: Tensor, male: Tensor, origins: Tensor, melanin: Tensor) -> Heads:
        """Of people with these seeds (B,), ages (B,), sexes (B,), origins (B, 3) and skins (B,), `Person.melanin`."""
        chance = Chance(seeds)
        line = Hairline.of(chance, age_years, male, origins)
        cut = choose(chance, age_years, male, origins)
        cut = _bald_wear_short(chance, line, cut)
        return cls(chance, line, cut, hairdo(chance, cut), HairColour.of(chance, age_years, male, origins, melanin))

    def rows(self, index: Tensor) -> Heads:
        """People `index` (N,)."""
        return Heads(
            Chance(self.chance.seeds[index]), self.line.rows(index), self.cut[index], self.do.rows(index),
            self.colour.rows(index),
        )  # fmt: skip

    def coat(self) -> dict[str, Tensor]:
        """For `hair_shading.shade_hair`."""
        device, chance = self.cut.device, self.chance
        standing = torch.tensor([0.85 * (name in _STANDING) for name in CUT_NAMES], device=device)[self.cut]
        matte = torch.tensor([_MATTE.get(name, 1.0) for name in CUT_NAMES], device=device)[self.cut]
        gloss = matte * chance.uniform("hair gloss", 0.55, 1.25) * (1 - 0.35 * self.colour.white)
        colour = self.colour
        return {
            "pigment": colour.pigment, "root": colour.root, "tip": colour.tip, "white": colour.white,
            "roughness": chance.uniform("hair rough", 0.10, 0.17), "gloss": gloss, "standing": standing,
            "kinky": self.do.puff,
        }  # fmt: skip


def _bald_wear_short(chance: Chance, line: Hairline, cut: Tensor) -> Tensor:
    """Who lost much hair wears the rest short, or shaves it off."""
    lost = torch.maximum(line.bare, step(line.crown, 0.15, 0.5))
    short = torch.tensor(
        [CUT_NAMES.index(name) for name in ("shaven", "buzz", "crop")], device=cut.device
    )[chance.pick("bald cut", (0.4, 0.35, 0.25))]  # fmt: skip
    return torch.where(chance.uniform("bald short") < 1.1 * lost, short, cut)


def make_hair(salon: Salon, neutral: Tensor, heads: Heads, shell: HeadShell, layout: str) -> Things:
    """Hair of B people whose cuts all have the layout."""
    count, points = LAYOUTS[layout]
    tails = bool(layout == "long")
    do = heads.do
    strands = grow(salon.scalp, shell, neutral, heads.chance, heads.line, do, count, points)
    if tails:
        strands = grow_tails(strands, shell, heads.chance, do, TAIL_STRANDS)
    chance = heads.chance
    number = strands.points.shape[1]
    width = do.width[:, None] * chance.uniform("strip width", 0.65, 1.35, number)
    # wide strips within close the gaps, fine ones lie over them
    within = torch.where(do.puff > 0, 5.0, torch.full_like(do.puff, 2.4 if layout == "long" else 1.5))[:, None]
    finest = torch.where(do.puff > 0, 0.5, 0.72)[:, None]
    width = width * (within + (finest - within) * strands.layer.clamp(0, 1) ** 0.7)
    roll = chance.uniform("roll", -1.0, 1.0, number)
    along = torch.linspace(0, 1, points, device=neutral.device)
    rooted = 0.55 + 0.45 * step(along, 0.0, 0.25)
    deep = 0.22 + 0.78 * strands.layer**0.8
    occlusion = deep[..., None] * rooted
    spread = 1.4 if layout in ("short", "mid") else 0.55
    blunt = (do.level < 5.0).to(torch.float32) * 0.8
    place, triangles, texture, tangent = strips(strands, width, roll, spread, occlusion, blunt)
    rigid = 1.0 - step(place[..., 1] - shell.chin_y[:, None], -0.1, 0.55)
    kinds = torch.full(triangles.shape[:2], kind("hair"), dtype=torch.uint8, device=neutral.device)
    return Things(place, triangles, kinds, texture, tangent, rigid)


def wear_hair(anatomy: Anatomy, neutral: Tensor, identity: Identity, person: Person) -> Things:
    """The hair of B people's heads.

    Args:
        anatomy: of everybody.
        neutral: float32 (B, V, 3) of `Anatomy.shape`.
        identity: who they are.
        person: how they look; brows and beards have the same pigment.
    """
    salon = Salon.of(anatomy)
    heads = Heads.of(identity.seeds, identity.age_years, identity.male, identity.origins, person.melanin)
    shell = HeadShell.of(anatomy, salon.topology, neutral)
    return dress_heads(salon, neutral, heads, shell)


def dress_heads(salon: Salon, neutral: Tensor, heads: Heads, shell: HeadShell) -> Things:
    """Hair of B people with any cuts: those of one layout are grown together."""
    people, device = len(heads.cut), neutral.device
    layout_of = torch.tensor([_LAYOUT_NAMES.index(cut.layout) for cut in CUTS], device=device)[heads.cut]
    most_points = max(2 * count * points for count, points in LAYOUTS.values())
    most_triangles = max(count * strip_triangles(points) for count, points in LAYOUTS.values())
    whole = Things(
        torch.zeros(people, most_points, 3, device=device),
        torch.full((people, most_triangles, 3), -1, dtype=torch.int32, device=device),
        torch.full((people, most_triangles), kind("hair"), dtype=torch.uint8, device=device),
        torch.zeros(people, most_points, 4, device=device),
        torch.zeros(people, most_points, 3, device=device),
        torch.ones(people, most_points, device=device),
        {"hair": heads.coat() | scalp_paint(salon, heads)},
    )
    whole.points[:] = neutral[:, salon.topology.skull[:1]]  # unused rows lie on the head: they cost nothing to bind
    for number, layout in enumerate(LAYOUTS):
        rows = (layout_of == number).nonzero()[:, 0]
        if not len(rows):
            continue
        own = make_hair(salon, neutral[rows], heads.rows(rows), shell.rows(rows), layout)
        points, triangles = own.points.shape[1], own.triangles.shape[1]
        for name in ("points", "texture", "tangent", "rigid"):
            getattr(whole, name)[rows, :points] = getattr(own, name)
        whole.triangles[rows, :triangles] = own.triangles
    return whole


def scalp_paint(salon: Salon, heads: Heads) -> dict[str, Tensor]:
    """`roots` (B, V): how thick hair grows at each vertex of the body; `scalp_colour` (B, 3) of what shows there."""
    base = salon.anatomy.base
    skin = base.new_zeros(len(base))
    skin[salon.topology.head.long().unique()] = 1.0
    roots = heads.line.density(base[None]) * skin
    shorn = torch.tensor([0.55 if name == "shaven" else 1.0 for name in CUT_NAMES], device=base.device)[heads.cut]
    colour = heads.colour
    mixed = colour.root + colour.white[:, None] * 0.7 * (white_hair(colour.root) - colour.root)
    # deep in hair little light is left
    return {"roots": roots * 0.9 * shorn[:, None], "scalp_colour": 0.55 * mixed}
