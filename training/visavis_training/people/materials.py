"""Turns painted people into the surface each pixel shows: colour, fine shape, roughness, wetness and what shades it.

Skin is read from the face chart; eyes, teeth, gums and tongue from their own textures. How much light reaches the
inside of a mouth follows from the opening between the lips. Knows nothing of lamps' colours or of cameras.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from visavis_models.face import topology as topo
from visavis_training.people.chance import Chance, each, noise, step
from visavis_training.people.eye_textures import EyeTextures, cornea_normals
from visavis_training.people.face_chart import HALF_ANGLE, FaceChart
from visavis_training.people.mouth_textures import MouthTextures
from visavis_training.people.rasteriser import Fragments, interpolate
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
    grid = chart.place(visible.canonical)
    height = looks.skin.relief.of_frames(person, face)
    even = chart.evenness()
    down = torch.gradient(height, dim=1)[0] * chart.texels_per_dm * even
    # a texel's width on the cylinder, at a face's usual radius from the axis
    across = torch.gradient(height, dim=2)[0] * (chart.size / (2 * HALF_ANGLE * 0.75)) * even
    maps = torch.cat(
        [
            looks.skin.albedo[person],
            torch.stack([looks.skin.roughness[person], looks.skin.gloss[person], across, down], 1),
            occlusion.expand(len(person), 1, -1, -1) ** 1.25,
        ],
        1,
    )
    read = functional.grid_sample(maps, grid, align_corners=False, padding_mode="border").permute(0, 2, 3, 1)
    axis = visible.head_axes()[1][:, None, None]
    sideways = functional.normalize(torch.linalg.cross(visible.normal, axis.expand_as(visible.normal)), dim=-1)
    downwards = torch.linalg.cross(sideways, visible.normal)
    normal = visible.normal - read[..., 5:6] * sideways - read[..., 6:7] * downwards
    is_skin = visible.where(*SKIN)
    albedo, roughness, gloss = read[..., :3], read[..., 3], read[..., 4]
    wet, scatter, open_ = torch.zeros_like(roughness), is_skin.to(torch.float32), read[..., 7]

    behind = chart.behind_dm(visible.canonical)
    x, y, z = visible.canonical[..., 0].abs(), visible.canonical[..., 1], visible.canonical[..., 2]
    # beside the lips themselves only what the mesh calls inside: the chin's underside lies behind the chart too
    mouth_box = visible.where("mouth_inside") | (visible.where("skin", "lips") & (x < 0.34) & (y > 0.28) & (y < 0.66))
    inside = step(behind, 0.022, 0.055) * mouth_box
    moist = step(behind, 0.004, 0.03) * mouth_box
    lining = each(looks.mouth.lining[person])
    albedo = albedo + inside[..., None] * (lining - albedo)
    roughness = roughness + moist * (0.25 - roughness)
    wet = wet + 0.65 * moist
    nostril = step(behind, 0.03, 0.10) * ((x < 0.24) & (y > -0.05) & (y <= 0.26) & (z < 0.1) & is_skin)
    albedo = albedo * (1 - 0.8 * nostril[..., None])
    open_ = open_ * (1 - 0.85 * nostril) + (1 - open_) * inside
    albedo, gloss, roughness = _hair_and_clothes(visible, looks, person, painted, albedo, gloss, roughness)
    film = visible.normal.clone()
    normal = functional.normalize(normal, dim=-1)
    material = Material(albedo, normal, visible.normal, roughness, gloss, wet, film, scatter, open_)
    material = _with_eyes(visible, looks, person, eye_turns, material)
    return _with_mouth(visible, looks, person, material)


def _hair_and_clothes(
    visible: Visible,
    looks: Looks,
    person: Tensor,
    painted: Painted,
    albedo: Tensor,
    gloss: Tensor,
    roughness: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """A close crop over the scalp and a plain shirt."""
    chance = Chance(looks.chance.seeds[person])
    canonical = visible.canonical
    x, y, z = canonical[..., 0].abs(), canonical[..., 1], canonical[..., 2]
    # the hairline: over the forehead, back at the temples, down before the ears, round behind them
    line = -0.90 + 0.10 * step(x, 0.2, 0.45) + 0.75 * step(z, 0.12, 0.42) + 0.55 * step(z, 0.55, 0.95)
    line = (
        line
        + each(chance.uniform("hairline", -0.10, 0.04))
        - 0.16 * torch.exp(-(((x - 0.42) / 0.12) ** 2)) * step(z, 0.2, 0.0)
    )
    ragged = noise(chance, "hairline edge", canonical, 14.0, 2)
    strands = noise(chance, "crop", canonical * canonical.new_tensor([1.0, 0.45, 0.7]), 90.0, 2)
    grown = visible.where("skin", "neck") * painted.crop
    cover = grown * step(y + 0.03 * ragged, line + 0.05, line - 0.04) if painted.follows_hairline else grown
    cover = cover * (0.86 + 0.14 * step(strands, -1.5, 0.8))
    hair = each(painted.hair) * (1 + 0.22 * strands[..., None]).clamp(0.3, 2.0)
    albedo = albedo + cover[..., None] * (hair - albedo)
    gloss, roughness = gloss * (1 - 0.6 * cover), roughness + cover * (0.5 - roughness)
    neckline = each(chance.uniform("neckline", 1.18, 1.55)) + 0.25 * step(z, 0.4, 0.0) * torch.exp(-((x / 0.5) ** 2))
    cloth = step(y, neckline - 0.01, neckline + 0.01) * painted.shirt
    dye = chance.uniform("dye", 0.0, 1.0, 3) ** 2 * 0.6 + 0.02
    weave = noise(chance, "weave", canonical, 45.0)
    edge = 1 - 0.25 * torch.exp(-(((y - neckline - 0.045) / 0.012) ** 2))
    shirt = each(dye) * ((1 + 0.08 * weave) * edge)[..., None]
    albedo = albedo + cloth[..., None] * (shirt - albedo)
    return albedo, gloss * (1 - cloth), roughness + cloth * (0.8 - roughness)


def _with_eyes(visible: Visible, looks: Looks, person: Tensor, turns: Tensor, material: Material) -> Material:
    albedo, normal, smooth, film = material.albedo, material.normal, material.smooth, material.film
    wet, scatter, open_, gloss = material.wet, material.scatter, material.open, material.gloss
    eye_mask = visible.where("eye_left", "eye_right").to(torch.float32)
    # lids shade the ball: open sky is what a blurred mask, looked at from below, still sees
    shaded = _soft_mask(eye_mask, visible.dm_per_px, 0.030, 0.022)
    for number, name in enumerate(("eye_left", "eye_right")):
        at = visible.where(name).nonzero(as_tuple=True)
        uv = visible.uv[at]
        mirrored = torch.stack([1 - uv[:, 0], uv[:, 1]], -1) if number else uv
        colour, iris = looks.eyes.read(person[at[0]], mirrored)
        # uv's second axis points up on the eye
        flipped = torch.stack([uv[:, 0], 1 - uv[:, 1]], -1)
        ball, front = cornea_normals(flipped, turns[at[0], number])
        lit = step(shaded[at], 0.18, 0.80)
        albedo[at] = colour * (0.55 + 0.45 * lit)[:, None] * (1 - (1 - lit) * 0.35)[:, None]
        # the iris is a bowl behind the cornea: it is lit from the side away from the lamp
        bowl = functional.normalize(ball - 0.6 * iris[:, None] * (front - ball), dim=-1)
        normal[at], smooth[at], film[at] = bowl, bowl, front
        wet[at], open_[at] = 1.0, 0.25 + 0.75 * lit
        scatter[at], gloss[at] = 0.0, 0.0
    return Material(albedo, normal, smooth, material.roughness, gloss, wet, film, scatter, open_)


def _soft_mask(mask: Tensor, dm_per_px: Tensor, blur_dm: float, rise_dm: float) -> Tensor:
    """(N, H, W) the mask blurred over `blur_dm`, read `rise_dm` higher up: what is under an upper edge gets less."""
    people, height, width = mask.shape
    sigma = (blur_dm / dm_per_px).clamp(0.6, 8.0)
    reach = 12
    taps = torch.arange(-reach, reach + 1, device=mask.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (taps / sigma[:, None]) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    lifted = torch.exp(-0.5 * ((taps + (rise_dm / dm_per_px)[:, None]) / sigma[:, None]) ** 2)
    lifted = lifted / lifted.sum(1, keepdim=True)
    rows = functional.conv2d(mask[None], kernel[:, None, None], padding=(0, reach), groups=people)
    return functional.conv2d(rows, lifted[:, None, :, None], padding=(reach, 0), groups=people)[0]


def _with_mouth(visible: Visible, looks: Looks, person: Tensor, material: Material) -> Material:
    albedo, normal, smooth, film = material.albedo, material.normal, material.smooth, material.film
    wet, scatter, open_, gloss, roughness = (
        material.wet, material.scatter, material.open, material.gloss, material.roughness,
    )  # fmt: skip
    at = visible.where("upper_teeth", "lower_teeth", "gums").nonzero(as_tuple=True)
    is_lower = visible.region[at] == visible.names.index("lower_teeth")
    is_gum = visible.region[at] == visible.names.index("gums")
    lower = torch.where(is_gum, visible.canonical[at][:, 1] > 0.475, is_lower).long()
    read = looks.mouth.teeth(person[at[0]], lower, visible.uv[at])
    albedo[at] = read[:, :3]
    enamel = read[:, 3]
    across, down = visible.head_axes()
    ahead = torch.linalg.cross(across, down)
    base = visible.normal[at]
    level = functional.normalize(torch.linalg.cross(base, down[at[0]]), dim=-1)
    nudge = visible.uv.new_tensor([[0.0025, 0.0], [0.0, 0.012]])
    slopes = [looks.mouth.teeth(person[at[0]], lower, visible.uv[at] + n)[:, 4] - read[:, 4] for n in nudge]
    # along the arch a step of u is some 2.2 mm per hundredth; down a crown a step of v is some 1.5 mm per hundredth
    bumpy = base - (slopes[0] / 0.0045)[:, None] * level - (slopes[1] / 0.016)[:, None] * down[at[0]]
    bumpy = functional.normalize(bumpy, dim=-1)
    normal[at], film[at] = bumpy, bumpy
    roughness[at], gloss[at] = 0.22 + 0.1 * (1 - enamel), 0.0
    wet[at], scatter[at] = 0.75 + 0.15 * enamel, 0.32
    at = visible.where("tongue").nonzero(as_tuple=True)
    bumps = looks.mouth.papillae(person[at[0]], visible.canonical[at])
    red = visible.normal.new_tensor([0.05, 0.10, 0.09])
    albedo[at] = looks.mouth.tongue[person[at[0]]] * (1 - bumps[:, 1:] * red)
    delta = 0.012
    canonical = visible.canonical[at]
    slopes = [
        (looks.mouth.papillae(person[at[0]], canonical + canonical.new_tensor(shift))[:, 0] - bumps[:, 0]) / delta
        for shift in ((delta, 0.0, 0.0), (0.0, 0.0, delta))
    ]
    along = ahead[at[0]]
    rough = visible.normal[at] - 0.8 * slopes[0][:, None] * across[at[0]] - 0.8 * slopes[1][:, None] * along
    rough = functional.normalize(rough, dim=-1)
    normal[at], film[at], smooth[at] = rough, rough, visible.normal[at]
    roughness[at], gloss[at], wet[at], scatter[at] = 0.4, 0.0, 0.55, 0.6
    return Material(albedo, normal, smooth, roughness, gloss, wet, film, scatter, open_)


@dataclass(frozen=True, slots=True)
class MouthOpening:
    """The slit between the lips of N faces, in the camera's axes.

    `corner` (N, 3) its middle, `axes` (N, 3, 3) rows right, down and inwards, `edges` (N, 2, 11, 3) upper and
    lower inner lip in those axes.
    """

    corner: Tensor
    axes: Tensor
    edges: Tensor

    @classmethod
    def of(cls, visible: Visible) -> MouthOpening:
        """Measured on the landmarks."""
        rows = torch.tensor((topo.UPPER_LIP[0], topo.LOWER_LIP[0]), device=visible.landmarks.device)
        lips = visible.landmarks[:, rows]
        middle = lips.mean((1, 2))
        right = functional.normalize(lips[:, :, -1].mean(1) - lips[:, :, 0].mean(1), dim=-1)
        down = visible.head_axes()[1]
        down = functional.normalize(down - (down * right).sum(-1, keepdim=True) * right, dim=-1)
        axes = torch.stack([right, down, torch.linalg.cross(right, down)], 1)
        edges = torch.einsum("nrkc,nac->nrka", lips - middle[:, None, None], axes)
        return cls(middle, axes, edges)

    def _edge_at(self, frame: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Y of the upper and lower lip, and their mean z, at x (n,) of frames (n,)."""
        found = []
        for row in (0, 1):
            knots = self.edges[frame, row]  # (n, 11, 3)
            right = (knots[:, :, 0] < x[:, None]).sum(1).clamp(1, 10)
            index = torch.arange(len(x), device=x.device)
            low, high = knots[index, right - 1], knots[index, right]
            share = ((x - low[:, 0]) / (high[:, 0] - low[:, 0]).clamp(min=1e-4)).clamp(0, 1)
            found.append(low[:, 1:] + share[:, None] * (high - low)[:, 1:])
        return found[0][:, 0], found[1][:, 0], (found[0][:, 1] + found[1][:, 1]) / 2

    def light(self, frame: Tensor, position: Tensor, lamps: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        """How much light gets in.

        Args:
            frame: int64 (n,) of each point.
            position: (n, 3) of points behind the lips.
            lamps: (N, L, 3) directions of lamps.
            sizes: (N, L) half angular sizes, radians.

        Returns:
            (n,) share of the surroundings and (n, L) share of each lamp.
        """
        local = torch.einsum("nc,nac->na", position - self.corner[frame], self.axes[frame])
        upper, lower, lips_z = self._edge_at(frame, local[:, 0])
        # lips are thick: light enters before the seam's own depth
        depth = (local[:, 2] - lips_z + 0.035).clamp(min=0.01)
        half = self.edges[frame, 0, -1, 0]

        def seen(a: Tensor, b: Tensor) -> Tensor:
            return ((a / torch.hypot(a, depth) + b / torch.hypot(b, depth)) / 2).clamp(0.0, 1.0)

        around = seen(local[:, 1] - upper, lower - local[:, 1]) * seen(half - local[:, 0], half + local[:, 0])
        turned = torch.einsum("nlc,nac->nla", lamps, self.axes)[frame]  # (n, L, 3)
        way = depth[:, None] / (-turned[..., 2]).clamp(min=0.05)
        x = local[:, None, 0] + turned[..., 0] * way
        y = local[:, None, 1] + turned[..., 1] * way
        soft = 0.012 + way * sizes[frame].tan() * 0.8
        through = []
        for lamp in range(lamps.shape[1]):
            upper, lower, _ = self._edge_at(frame, x[:, lamp])
            clear = step(y[:, lamp] - upper, -soft[:, lamp], soft[:, lamp]) * step(
                lower - y[:, lamp], -soft[:, lamp], soft[:, lamp]
            )
            clear = clear * step(half - x[:, lamp].abs(), -soft[:, lamp], soft[:, lamp]) * (turned[:, lamp, 2] < -0.02)
            through.append(clear)
        return around, torch.stack(through, 1)


def nobody(visible: Visible) -> Tensor:
    """(N, H, W) bool: pixels that show no one."""
    return visible.region == NOBODY
