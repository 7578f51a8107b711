"""Lights people: skin that light enters and leaves again, oily and wet gloss, eyes that mirror the lamps, dark mouths.

Materials and lamps go in, linear light comes out. Reflectances enter once, as they were painted. Knows nothing of where
looks come from or of cameras' faults.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.blurring import along_columns, along_rows
from visavis_training.people.chance import step
from visavis_training.people.fusing import fused
from visavis_training.people.lighting import Lights, card_light, cast_shadows
from visavis_training.people.materials import Material
from visavis_training.people.mouth_opening import MouthOpening
from visavis_training.people.mouth_surface import TEETH
from visavis_training.people.visible import Visible

_WRAP = (0.26, 0.10, 0.06)
"""How far past the terminator red, green and blue light reach in skin."""
_FINE_SHARE = (0.45, 0.8, 0.92)
"""How much of the fine relief each colour of the light under skin still shows: red has spread the farthest."""
_SPREAD_DM = (0.022, 0.011, 0.007)
"""Standard deviation of how far light travels under skin: some 2 mm for red."""
_THROUGH_EARS = (0.30, 0.05, 0.025)
"""Share of the light behind an ear that comes through its shell."""
_SKIN_F0 = 0.028
INSIDE = ("mouth_inside", "gums", "upper_teeth", "lower_teeth", "tongue")


def shade(visible: Visible, material: Material, lights: Lights, shadow: Tensor | None = None) -> Tensor:
    """Linear RGB float32 (N, H, W, 3) of N pictures, 0 where nobody is.

    Args:
        visible: the pictures.
        material: their surfaces.
        lights: of N scenes, see `Lights.rows`.
        shadow: float32 (N, H, W), share of the main lamp that reaches each surface (`cast_shadows`); all if not given.
    """
    if shadow is None:
        shadow = torch.ones_like(material.open)
    at = _behind_lips(visible, material).nonzero(as_tuple=True)
    inside = (at, *_through_lips(at, visible, lights))
    wet = (material.wet > 0.02).nonzero(as_tuple=True)
    return _lit(visible, material, lights, shadow, inside, wet)


Places = tuple[Tensor, Tensor, Tensor]
"""int64 (n,) each: picture, row, column."""


@fused
def _through_lips(at: Places, visible: Visible, lights: Lights) -> tuple[Tensor, Tensor, Tensor]:
    """Behind lips: (n,) share of the surroundings, (n, L) of each lamp, and (n, 3) light that bounces about."""
    sky, through = MouthOpening.of(visible).light(at[0], visible.position[at], lights.direction, lights.size)
    # light bounces about in a mouth and comes out red; teeth near the lips get it from each other, less coloured
    teeth = visible.where(*TEETH)[at][:, None]
    tint = torch.where(teeth, sky.new_tensor([0.22, 0.18, 0.165]), sky.new_tensor([0.24, 0.12, 0.105]))
    card = functional.pad(torch.full_like(lights.kelvin[:, None, None], -1.0), (2, 0))
    return sky, through, (sky**0.7)[:, None] * tint * card_light(lights, card)[at[0], 0]


@fused
def _lit(
    visible: Visible,
    material: Material,
    lights: Lights,
    shadow: Tensor,
    inside: tuple[Places, Tensor, Tensor, Tensor],
    wet: Places,
) -> Tensor:
    """`shade`, with what is behind lips, how much light gets there, and where films of water are."""
    at, sky, through, bounced = inside
    around = material.open.clone()
    around[at] = sky
    bounce = torch.zeros_like(material.albedo)
    bounce[at] = bounced
    lamps = lights.direction.shape[1]
    reach = torch.stack([shadow] + [torch.ones_like(shadow)] * (lamps - 1), -1)
    reach[at] = through

    light = lights.irradiance(material.smooth * 0.5 + material.normal * 0.5) * around[..., None] + bounce
    gleam = torch.zeros_like(light)
    skin = material.scatter[..., None]
    towards = visible.towards
    facing = (material.normal * towards).sum(-1).clamp(1e-3, 1.0)
    ears = visible.where("ears")[..., None] * light.new_tensor(_THROUGH_EARS)
    for lamp in range(lamps):
        direction = lights.direction[:, lamp, None, None]
        fine = (material.normal * direction).sum(-1)
        plain = (material.smooth * direction).sum(-1)
        visible_share = reach[..., lamp]
        channels = []
        for wrap, share in zip(_WRAP, _FINE_SHARE, strict=True):
            mixed = plain + share * (fine - plain)
            under = ((mixed + wrap) / (1 + wrap)).clamp(min=0.0)
            hard = fine.clamp(min=0.0)
            lit = hard + skin[..., 0] * (under - hard)
            # shadows on skin are rimmed with red
            power = 1.0 - 0.55 * wrap * 2 * skin[..., 0]
            channels.append(lit * visible_share.clamp(min=0.0) ** power)
        colour = lights.colour[:, lamp, None, None]
        light = light + (torch.stack(channels, -1) + ears * (-plain).clamp(min=0.0)[..., None]) * colour
        half = functional.normalize(direction + towards, dim=-1)
        gloss = _gloss(material, half, direction, facing, lights.size[:, lamp, None, None])
        gleam = gleam + (gloss * fine.clamp(min=0.0) * visible_share)[..., None] * colour
    light = _under_skin(light, material.scatter, visible.dm_per_px)
    out = material.albedo * light + gleam

    grazing = (1.0 - facing) ** 5
    bent = 2 * (material.normal * towards).sum(-1, keepdim=True) * material.normal - towards
    sheen = (_SKIN_F0 + 0.10 * grazing * (1 - material.roughness)) * (0.3 + 0.7 * material.gloss) * (1 - material.wet)
    out = out + (sheen * around)[..., None] * lights.irradiance(functional.normalize(bent, dim=-1))
    film = torch.zeros_like(out)
    film[wet] = _film(wet, visible, material, lights, around[wet], reach[wet][:, 0])
    out = out + film
    return torch.where((visible.region < len(visible.names))[..., None], out, torch.zeros_like(out))


def _behind_lips(visible: Visible, material: Material) -> Tensor:
    """(N, H, W) bool: what only gets light through the mouth."""
    lining = (material.wet > 0.52) & visible.where("skin", "lips", "mouth_inside")
    return visible.where("gums", "upper_teeth", "lower_teeth", "tongue") | lining


def _gloss(material: Material, half: Tensor, direction: Tensor, facing: Tensor, size: Tensor) -> Tensor:
    """Two lobes of Cook and Torrance over pi, of the oily surface of skin; lamps' sizes widen them."""
    cosine = (material.normal * half).sum(-1).clamp(1e-3, 1.0)
    with_light = (direction * half).sum(-1).clamp(0.05, 1.0)
    fresnel = _SKIN_F0 + (1 - _SKIN_F0) * (1 - with_light) ** 5
    total = torch.zeros_like(cosine)
    for scale, weight in ((1.0, 0.75), (0.55, 0.25)):
        alpha = ((material.roughness * scale) ** 2 + 0.35 * size).clamp(0.02, 1.0)
        spread = alpha**2 / ((cosine**2 * (alpha**2 - 1) + 1) ** 2)
        masking = 0.25 / ((1 - alpha / 2) * facing * 0.5 + alpha / 2).clamp(min=0.05) / 2
        total = total + weight * spread * masking
    return total * fresnel * material.gloss * (1 - material.wet)


def _film(at: Places, visible: Visible, material: Material, lights: Lights, around: Tensor, reach: Tensor) -> Tensor:
    """(n, 3): what films of water mirror: lamps with their shapes on eyes, teeth, tongue and moist lips."""
    film, towards = material.film[at], visible.towards[at]
    eyes = visible.where("eye_left", "eye_right")[at]
    teeth = visible.where(*TEETH)[at]
    # fine roughness keeps all but eyes from turning into mirrors where they are seen at a glance
    least = torch.where(eyes, 0.0, 0.42)
    cosine = torch.maximum((film * towards).sum(-1), least).clamp(max=1.0)
    fresnel = 0.021 + 0.979 * (1 - cosine) ** 5
    bent = functional.normalize(2 * (film * towards).sum(-1, keepdim=True) * film - towards, dim=-1)
    blur = torch.where(eyes, 0.03, torch.where(teeth, 0.07, 0.11))
    seen = lights.rows(at[0]).mirrored(bent, blur)
    let_through = torch.where(eyes, step(around, 0.2, 0.7), (0.35 * around + 0.65 * reach).clamp(0, 1))
    # what a mirror shows beside the lamps is a room, darker than a white card in it
    return (fresnel * material.wet[at] * let_through)[:, None] * seen


def _under_skin(light: Tensor, scatter: Tensor, dm_per_px: Tensor) -> Tensor:
    """Light spread under the skin: each colour blurred by its own length, only from skin to skin."""
    sigma = (light.new_tensor(_SPREAD_DM)[None] / dm_per_px[:, None]).clamp(0.25, 5.0)  # (N, 3)
    reach = 9
    taps = torch.arange(-reach, reach + 1, device=light.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (taps / sigma[..., None]) ** 2)
    kernel = kernel / kernel.sum(-1, keepdim=True)
    weight = (scatter.clamp(0, 1) > 0.3).to(torch.float32)[..., None].expand_as(light)
    both = torch.cat([light * weight, weight], -1).permute(0, 3, 1, 2)
    both = functional.pad(both, (reach,) * 4)
    kernel = torch.cat([kernel, kernel], 1)
    both = along_columns(along_rows(both, kernel), kernel).permute(0, 2, 3, 1)
    spread = both[..., :3] / both[..., 3:].clamp(min=1e-3)
    return light + (weight * scatter[..., None]) * (spread - light)


__all__ = ["cast_shadows", "shade"]
