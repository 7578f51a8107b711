"""The maker of hair: gives B people the hair of their heads as things to wear, and colours it.

Ties hairlines, cuts, growth, strips and colours together. Knows nothing of how hair is lit.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from visavis_training.people.anatomy import Anatomy
from visavis_training.people.beard_styles import Beard
from visavis_training.people.chance import Chance, step
from visavis_training.people.hair_colour import HairColour, white_hair
from visavis_training.people.hair_cuts import CUT_NAMES, CUTS, LAYOUTS, TAIL_STRANDS, choose, hairdo
from visavis_training.people.hair_growth import Strands, grow
from visavis_training.people.hair_tails import grow_tails
from visavis_training.people.hair_tufts import BODY_POINTS, BODY_TRIANGLES, dense_body
from visavis_training.people.hairdo import Hairdo
from visavis_training.people.hairline import Hairline
from visavis_training.people.hat_styles import Hat
from visavis_training.people.head_shell import HeadShell, Topology
from visavis_training.people.sampling import Identity
from visavis_training.people.scalp import Scalp
from visavis_training.people.skin_textures import Person
from visavis_training.people.strips import strip_triangles, strips
from visavis_training.people.worn import Things, kind

TAIL_POINTS = 11
_STANDING = ("shaven", "buzz", "afro short", "afro", "crop")
_MATTE = {"afro short": 0.35, "afro": 0.35, "twists": 0.35, "locs": 0.3, "braids": 0.4, "curly top": 0.7}
_KINKY = {"afro short": 1.0, "afro": 1.0, "twists": 0.7, "locs": 0.7, "braids": 0.6}
_BEARDED = 0.7
_WITHIN = {"long": 2.4, "tied": 2.4, "curly": 1.9}
"""How much wider than usual the innermost strips are."""
_LAYOUT_NAMES = tuple(LAYOUTS)


@dataclass(frozen=True, slots=True)
class Salon:
    """What making hair needs to know of everybody's mesh."""

    anatomy: Anatomy
    topology: Topology
    scalps: dict[str, Scalp]
    """"all" of the roots, those of the "upper" and the "lower" part."""

    @classmethod
    def of(cls, anatomy: Anatomy) -> Salon:
        """Kept for as long as the anatomy is; the first call takes some seconds."""
        found = _salons.get(anatomy)
        if found is None:
            scalp = Scalp.of(anatomy)
            parts = {"all": scalp, "upper": scalp.only(True), "lower": scalp.only(False)}
            found = cls(anatomy, Topology.of(anatomy), parts)
            _salons[anatomy] = found
        return found


_salons: weakref.WeakKeyDictionary[Anatomy, Salon] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Heads:
    """How the heads of B people are to look; `cut` int64 (B,) rows of `CUTS`, `chance` theirs."""

    chance: Chance
    line: Hairline
    cut: Tensor
    do: Hairdo
    colour: HairColour
    beard: Beard
    hat: Hat

    @classmethod
    def of(cls, seeds: Tensor, age_years: Tensor, male: Tensor, origins: Tensor, melanin: Tensor) -> Heads:
        """Of people with these seeds (B,), ages (B,), sexes (B,), origins (B, 3) and skins (B,), `Person.melanin`."""
        chance = Chance(seeds)
        line = Hairline.of(chance, age_years, male, origins)
        cut = choose(chance, age_years, male, origins)
        cut = _bald_wear_short(chance, line, cut)
        colour = HairColour.of(chance, age_years, male, origins, melanin)
        high = torch.tensor([c.layout in ("puff", "tied") or c.volume > 0.4 for c in CUTS], device=cut.device)[cut]
        hat, beard = Hat.of(chance, male, ~high), Beard.of(chance, age_years, male, origins)
        return cls(chance, line, cut, hairdo(chance, cut), colour, beard, hat)

    def rows(self, index: Tensor) -> Heads:
        """People `index` (N,)."""
        return Heads(
            Chance(self.chance.seeds[index]), self.line.rows(index), self.cut[index], self.do.rows(index),
            self.colour.rows(index), self.beard.rows(index),
            self.hat.rows(index),
        )  # fmt: skip

    def coat(self) -> dict[str, Tensor]:
        """For `hair_shading.shade_hair`."""
        device, chance = self.cut.device, self.chance
        standing = torch.tensor([0.85 * (name in _STANDING) for name in CUT_NAMES], device=device)[self.cut]
        matte = torch.tensor([_MATTE.get(name, 1.0) for name in CUT_NAMES], device=device)[self.cut]
        gloss = matte * chance.uniform("hair gloss", 0.55, 1.25) * (1 - 0.35 * self.colour.white)
        kinky = torch.tensor([_KINKY.get(name, 0.0) for name in CUT_NAMES], device=device)[self.cut]
        colour = self.colour
        return {
            "pigment": colour.pigment, "root": colour.root, "tip": colour.tip, "white": colour.white,
            "roughness": chance.uniform("hair rough", 0.10, 0.17) * (1 + 1.5 * kinky), "gloss": gloss,
            "standing": standing, "kinky": kinky,
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
    do, chance = heads.do, heads.chance
    made = []
    for group in LAYOUTS[layout]:
        scalp = salon.scalps[group.where]
        strands = grow(
            scalp, shell, neutral, chance, heads.line, do, min(group.count, len(scalp.canonical)), group.points
        )
        # who has a beard has as many strips in all
        most = torch.where(heads.beard.worn, int(_BEARDED * group.count), group.count)
        points, shows = heads.hat.pressed(shell, strands.points)
        grows = strands.grows & shows
        strands = replace(strands, points=points, grows=grows & (grows.cumsum(1) <= most[:, None]))
        made.append(_strip_things(strands, chance, do, shell, layout))
    if layout == "tied":
        tail = grow_tails(shell, chance, do, TAIL_STRANDS, TAIL_POINTS)
        tail = replace(tail, grows=tail.grows & ~heads.hat.scarf[:, None])
        made.append(_strip_things(tail, chance, do, shell, layout))
    if layout == "puff":
        points_of, triangles, texture, tangent = dense_body(do, heads.line, shell, chance)
        triangles = torch.where(heads.hat.scarf[:, None, None], -1, triangles)
        made.append(_things((points_of, triangles, texture, tangent), shell))
    return Things.together(made)


def _strip_things(strands: Strands, chance: Chance, do: Hairdo, shell: HeadShell, layout: str) -> Things:
    number, points = strands.points.shape[1:3]
    width = do.width[:, None] * chance.uniform("strip width", 0.65, 1.35, number)
    # wide strips within close the gaps, fine ones lie over them
    within = torch.where(do.puff > 0, 2.6, _WITHIN.get(layout, 1.5))[:, None]
    finest = torch.where(do.puff > 0, 0.5, 0.72)[:, None]
    width = width * (within + (finest - within) * strands.layer.clamp(0, 1) ** 0.7)
    roll = chance.uniform("roll", -1.0, 1.0, number)
    along = torch.linspace(0, 1, points, device=do.width.device)
    rooted = 0.55 + 0.45 * step(along, 0.0, 0.25)
    deep = 0.22 + 0.78 * strands.layer**0.8
    spread = 0.55 if layout in ("long", "curly", "tied") else 1.3
    blunt = (do.level < 5.0).to(torch.float32) * 0.8
    return _things(strips(strands, width, roll, spread, deep[..., None] * rooted, blunt), shell)


def _things(mesh: tuple[Tensor, Tensor, Tensor, Tensor], shell: HeadShell) -> Things:
    points, triangles, texture, tangent = mesh
    # what lies on the shoulders goes with them
    rigid = 1.0 - step(points[..., 1] - shell.chin_y[:, None], -0.1, 0.55)
    kinds = torch.full(triangles.shape[:2], kind("hair"), dtype=torch.uint8, device=points.device)
    return Things(points, triangles, kinds, texture, tangent, rigid)


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


def _points_of(layout: str) -> int:
    groups = sum(2 * group.count * group.points for group in LAYOUTS[layout])
    return groups + BODY_POINTS * (layout == "puff") + 2 * TAIL_STRANDS * TAIL_POINTS * (layout == "tied")


def triangles_of(layout: str) -> int:
    """The most that a head with such hair has."""
    groups = sum(group.count * strip_triangles(group.points) for group in LAYOUTS[layout])
    tail = TAIL_STRANDS * strip_triangles(TAIL_POINTS)
    return groups + BODY_TRIANGLES * (layout == "puff") + tail * (layout == "tied")


def dress_heads(salon: Salon, neutral: Tensor, heads: Heads, shell: HeadShell) -> Things:
    """Hair of B people with any cuts: those of one layout are grown together."""
    people, device = len(heads.cut), neutral.device
    layout_of = torch.tensor([_LAYOUT_NAMES.index(cut.layout) for cut in CUTS], device=device)[heads.cut]
    most_points = max(_points_of(layout) for layout in LAYOUTS)
    most_triangles = max(triangles_of(layout) for layout in LAYOUTS)
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
    roots = torch.maximum(heads.line.density(base[None]), 0.8 * heads.beard.density(base[None])) * skin
    shorn = torch.tensor([0.55 if name == "shaven" else 1.0 for name in CUT_NAMES], device=base.device)[heads.cut]
    colour = heads.colour
    mixed = colour.root + colour.white[:, None] * 0.7 * (white_hair(colour.root) - colour.root)
    # deep in hair little light is left
    return {"roots": (1.15 * roots).clamp(max=1.0) * shorn[:, None], "scalp_colour": 0.55 * mixed}
