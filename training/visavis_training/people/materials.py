"""Turns painted people into the surface each pixel shows: colour, fine shape, roughness, wetness and what shades it.

Skin is read from the face chart; eyes and mouths have files of their own. Knows nothing of lamps or of cameras.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.chance import Chance, each, noise, step
from visavis_training.people.eye_surface import with_eyes
from visavis_training.people.eye_textures import EyeTextures
from visavis_training.people.face_chart import FaceChart, Texels, behind_dm, on_chart
from visavis_training.people.fusing import fused
from visavis_training.people.mouth_surface import with_mouth
from visavis_training.people.mouth_textures import MouthTextures
from visavis_training.people.rasteriser import Fragments, interpolate
from visavis_training.people.skin_relief import slopes_of, strengths
from visavis_training.people.skin_textures import Person, SkinTextures
from visavis_training.people.visible import NOBODY, Visible

SKIN = ("skin", "lips", "mouth_inside", "ears", "neck", "body", "lashes")


@dataclass(frozen=True, slots=True)
class Looks:
    """Everything painted for B people."""

    person: Person
    skin: SkinTextures
    eyes: EyeTextures
    mouth: MouthTextures
    chance: Chance

    def skin_depth(self, person: Tensor) -> Tensor:
        """(N,) 0..1 how light the skin of persons (N,) is, for flesh that shares its pigment."""
        return step(self.person.melanin[person].log(), -1.2, -3.6)


@dataclass(frozen=True, slots=True)
class Material:
    """What each pixel's surface is, float32 (N, H, W, ...).

    `albedo` (3) linear; `normal` (3) fine; `smooth` (3) without the fine relief; `roughness`, `gloss`; `wet` 0..1
    how much of it a film of water covers, whose normal is `film` (3); `scatter` 0..1 how far light spreads under
    it as in skin; `open` 0..1 how much of the surroundings reaches it.
    """

    albedo: Tensor
    normal: Tensor
    smooth: Tensor
    roughness: Tensor
    gloss: Tensor
    wet: Tensor
    film: Tensor
    scatter: Tensor
    open: Tensor


@dataclass(frozen=True, slots=True)
class Painted:
    """Hair and clothes that are paint on the skin of N pictures, under what people wear or instead of it.

    `crop` float32 (N, H, W) how much of the scalp's crop grows, or (N, 1, 1); `hair` (N, 3) its colour; `shirt`
    float32 (N, 1, 1).
    """

    crop: Tensor
    hair: Tensor
    shirt: Tensor
    follows_hairline: bool
    """False where `crop` itself says where it grows."""

    @classmethod
    def of(
        cls,
        looks: Looks,
        person: Tensor,
        coats: Mapping[str, Mapping[str, Tensor]] | None,
        shown: Fragments,
        triangles: Tensor,
    ) -> Painted:
        """By the coats (B, ...) of what people wear.

        Under hair it is the coat's `roots` (B, V), how thick hair grows at each vertex of the body, else its `scalp`
        (B,), else as if shorn; in the coat's `scalp_colour` (B, 3), where it has one. Cloth leaves no painted shirt.
        """
        one = torch.ones(len(person), 1, 1, device=person.device)
        hair = looks.person.hair[person]
        if coats is None:
            return cls(one, hair, one, True)
        coat = coats.get("hair", {})
        colour = coat["scalp_colour"][person] if "scalp_colour" in coat else hair
        shirt = torch.zeros_like(one) if "cloth" in coats else one
        if "roots" in coat:
            roots = interpolate(coat["roots"][person][..., None], triangles, shown)[..., 0]
            return cls(roots, colour, shirt, False)
        crop = coat["scalp"][person].reshape(-1, 1, 1) if "scalp" in coat else one
        return cls(crop, colour, shirt, True)


def read_materials(
    visible: Visible,
    chart: FaceChart,
    occlusion: Tensor,
    looks: Looks,
    person: Tensor,
    face: Tensor,
    eye_turns: Tensor,
    painted: Painted,
) -> Material:
    """Materials of N pictures.

    Args:
        visible: the pictures.
        chart: that looks were painted on.
        occlusion: float32 (T, T), share of the surroundings that the resting face lets reach each texel.
        looks: of B people.
        person: int64 (N,), whom each picture shows.
        face: float32 (N, 52), ARKit coefficients.
        eye_turns: float32 (N, 2, 3, 3), how the left and right eye are turned in the camera's axes.
        painted: hair and clothes that are paint.
    """
    chance = Chance(looks.chance.seeds[person])
    canonical = visible.canonical
    drawn = _Drawn(
        noise(chance, "hairline edge", canonical, 14.0, 2) if painted.follows_hairline else None,
        noise(chance, "crop", canonical * canonical.new_tensor([1.0, 0.45, 0.7]), 90.0, 2),
        noise(chance, "weave", canonical, 45.0),
        chance.uniform("hairline", -0.10, 0.04),
        chance.uniform("neckline", 1.18, 1.55),
        chance.uniform("dye", 0.0, 1.0, 3),
    )
    material = _skin(
        visible, person, chart.position, occlusion, looks.skin, looks.mouth.lining, strengths(face), painted, drawn
    )
    material = with_eyes(visible, looks, person, eye_turns, replace(material, smooth=visible.normal))
    return with_mouth(visible, looks, person, material)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Random numbers of N pictures."""

    ragged: Tensor | None
    """(N, H, W), and so the next two."""
    strands: Tensor
    weave: Tensor
    hairline: Tensor
    """(N,), and so the next."""
    neckline: Tensor
    dye: Tensor
    """(N, 3)."""


@fused
def _skin(
    visible: Visible,
    person: Tensor,
    position: Tensor,
    occlusion: Tensor,
    skin: SkinTextures,
    lining: Tensor,
    strength: Tensor,
    painted: Painted,
    drawn: _Drawn,
) -> Material:
    """All but eyes and mouths."""
    texels = Texels.at(on_chart(visible.canonical), person, len(position))
    albedo = texels.read(skin.albedo)
    roughness, gloss = texels.read(skin.roughness[:, None])[..., 0], texels.read(skin.gloss[:, None])[..., 0]
    across, down = slopes_of(texels.read(skin.relief.slopes), strength[:, None, None])
    open_ = replace(texels, person=torch.zeros_like(texels.person)).read((occlusion**1.25)[None, None])[..., 0]
    axis = visible.head_axes()[1][:, None, None]
    sideways = functional.normalize(torch.linalg.cross(visible.normal, axis.expand_as(visible.normal)), dim=-1)
    downwards = torch.linalg.cross(sideways, visible.normal)
    normal = visible.normal - across[..., None] * sideways - down[..., None] * downwards
    is_skin = visible.where(*SKIN)
    scatter = is_skin.to(torch.float32)

    behind = behind_dm(position, visible.canonical)
    x, y, z = visible.canonical[..., 0].abs(), visible.canonical[..., 1], visible.canonical[..., 2]
    # beside the lips themselves only what the mesh calls inside: the chin's underside lies behind the chart too
    mouth_box = visible.where("mouth_inside") | (visible.where("skin", "lips") & (x < 0.34) & (y > 0.28) & (y < 0.66))
    inside = step(behind, 0.022, 0.055) * mouth_box
    moist = step(behind, 0.004, 0.03) * mouth_box
    albedo = albedo + inside[..., None] * (each(lining[person]) - albedo)
    roughness = roughness + moist * (0.25 - roughness)
    nostril = step(behind, 0.03, 0.10) * ((x < 0.24) & (y > -0.05) & (y <= 0.26) & (z < 0.1) & is_skin)
    albedo = albedo * (1 - nostril[..., None] * albedo.new_tensor([0.66, 0.84, 0.86]))
    open_ = open_ * (1 - 0.85 * nostril) + (1 - open_) * inside
    albedo, gloss, roughness = _hair_and_clothes(visible, painted, drawn, albedo, gloss, roughness)
    normal = functional.normalize(normal, dim=-1)
    film = visible.normal.clone()
    return Material(albedo, normal, film, roughness, gloss, 0.65 * moist, film, scatter, open_)


def _hair_and_clothes(
    visible: Visible, painted: Painted, drawn: _Drawn, albedo: Tensor, gloss: Tensor, roughness: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """A close crop over the scalp and a plain shirt."""
    canonical = visible.canonical
    x, y, z = canonical[..., 0].abs(), canonical[..., 1], canonical[..., 2]
    cover = visible.where("skin", "neck") * painted.crop
    if drawn.ragged is not None:
        # the hairline: over the forehead, back at the temples, down before the ears, round behind them
        line = -0.90 + 0.10 * step(x, 0.2, 0.45) + 0.75 * step(z, 0.12, 0.42) + 0.55 * step(z, 0.55, 0.95)
        line = line + each(drawn.hairline) - 0.16 * torch.exp(-(((x - 0.42) / 0.12) ** 2)) * step(z, 0.2, 0.0)
        cover = cover * step(y + 0.03 * drawn.ragged, line + 0.05, line - 0.04)
        # skin shows between shorn hairs, not under hair that grows
        cover = cover * (0.86 + 0.14 * step(drawn.strands, -1.5, 0.8))
    hair = each(painted.hair) * (1 + 0.22 * drawn.strands[..., None]).clamp(0.3, 2.0)
    albedo = albedo + cover[..., None] * (hair - albedo)
    gloss, roughness = gloss * (1 - 0.6 * cover), roughness + cover * (0.5 - roughness)
    neckline = each(drawn.neckline) + 0.25 * step(z, 0.4, 0.0) * torch.exp(-((x / 0.5) ** 2))
    cloth = step(y, neckline - 0.01, neckline + 0.01) * painted.shirt
    dye = drawn.dye**2 * 0.6 + 0.02
    edge = 1 - 0.25 * torch.exp(-(((y - neckline - 0.045) / 0.012) ** 2))
    shirt = each(dye) * ((1 + 0.08 * drawn.weave) * edge)[..., None]
    albedo = albedo + cloth[..., None] * (shirt - albedo)
    return albedo, gloss * (1 - cloth), roughness + cloth * (0.8 - roughness)


def nobody(visible: Visible) -> Tensor:
    """(N, H, W) bool: pixels that show no one."""
    return visible.region == NOBODY
