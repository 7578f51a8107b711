"""What pixels of eyes and of the lids' edges are made of: iris and white under a wet front, flesh in the corner.

Lids shade the ball under them. Reads painted eyes; knows nothing of lamps' colours or of cameras.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.blurring import along_columns, along_rows
from visavis_training.people.chance import step
from visavis_training.people.eye_textures import EyeTextures, cornea_normals
from visavis_training.people.fusing import fused
from visavis_training.people.visible import Visible

if TYPE_CHECKING:
    from visavis_training.people.materials import Looks, Material

EYES = ("eye_left", "eye_right")
_INNER_CORNER = {"eye_right": 133, "eye_left": 362}
_LID_SHADE_DM, _LID_SHADE_RISE_DM = 0.042, 0.032
"""How soft the lids' shade on the ball is, and how much more of it comes from above."""
_MARGIN_DM = 0.010
"""How broad a lid's edge is."""
_CARUNCLE_DM = 0.070
"""How far from the inner corner its flesh reaches."""


def with_eyes(visible: Visible, looks: Looks, person: Tensor, turns: Tensor, material: Material) -> Material:
    """`material` with eyes and lids' edges in it; the arguments are `materials.read_materials`' own."""
    albedo, normal, smooth, film = material.albedo, material.normal, material.smooth, material.film
    wet, scatter, open_, gloss = material.wet, material.scatter, material.open, material.gloss
    softened = _softened(visible)
    at = visible.where(*EYES).nonzero(as_tuple=True)
    eyes = _eyeballs(at, visible, looks.eyes, person, looks.skin_depth(person), turns, softened)
    albedo[at], normal[at], smooth[at], film[at] = eyes.albedo, eyes.normal, eyes.normal, eyes.film
    wet[at], open_[at], scatter[at], gloss[at] = eyes.wet, eyes.open, eyes.scatter, 0.0
    albedo, wet, gloss = _lid_edges(visible, softened, albedo, wet, gloss)
    return replace(
        material, albedo=albedo, normal=normal, smooth=smooth, film=film, wet=wet, scatter=scatter, open=open_,
        gloss=gloss,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Eyeballs:
    """What n samples of eyes are, as `Material` says."""

    albedo: Tensor
    normal: Tensor
    film: Tensor
    wet: Tensor
    open: Tensor
    scatter: Tensor


@fused
def _softened(visible: Visible) -> tuple[Tensor, Tensor]:
    """(N, H, W) each: how much open sky reaches the ball there; and positive towards the lower edge of the opening."""
    mask = visible.where(*EYES).to(torch.float32)
    # open sky is what a blurred mask, looked at from below, still sees
    shaded = soft_mask(mask, visible.dm_per_px, _LID_SHADE_DM, (_LID_SHADE_RISE_DM,))[0]
    over, under = soft_mask(mask, visible.dm_per_px, 0.8 * _MARGIN_DM, (-_MARGIN_DM, _MARGIN_DM))
    return shaded, under - over


@fused
def _eyeballs(
    at: tuple[Tensor, Tensor, Tensor],
    visible: Visible,
    textures: EyeTextures,
    person: Tensor,
    skin_depth: Tensor,
    turns: Tensor,
    softened: tuple[Tensor, Tensor],
) -> _Eyeballs:
    frame = at[0]
    number = (visible.region[at] == visible.names.index(EYES[1])).long()
    uv = visible.uv[at]
    mirrored = torch.stack([torch.where(number > 0, 1 - uv[:, 0], uv[:, 0]), uv[:, 1]], -1)
    colour, iris = textures.read(person[frame], mirrored)
    # uv's second axis points up on the eye
    flipped = torch.stack([uv[:, 0], 1 - uv[:, 1]], -1)
    ball, front = cornea_normals(flipped, turns[frame, number])
    lit = step(softened[0][at], 0.22, 0.92)
    inner = torch.where(number > 0, _INNER_CORNER[EYES[1]], _INNER_CORNER[EYES[0]])
    away = (visible.position[at] - visible.landmarks[frame, inner]).norm(dim=-1)
    flesh = step(away, _CARUNCLE_DM, 0.72 * _CARUNCLE_DM)[:, None]
    fold = 0.45 * step(away, 1.5 * _CARUNCLE_DM, 0.85 * _CARUNCLE_DM)[:, None] * (1 - iris[:, None])
    colour = colour * (1 - fold * colour.new_tensor([0.16, 0.48, 0.44]))
    flesh_pink = colour.new_tensor([0.40, 0.205, 0.185])
    colour = colour + 0.85 * flesh * (flesh_pink * (0.4 + 1.2 * skin_depth[frame, None]) - colour)
    # the iris is a bowl behind the cornea: it is lit from the side away from the lamp
    bowl = functional.normalize(ball - 0.6 * iris[:, None] * (front - ball), dim=-1)
    # tears stand along the lower lid as a hollow line that mirrors what is above
    tears = step(softened[1][at], 0.25, 0.60)[:, None]
    down = visible.head_axes()[1]
    return _Eyeballs(
        colour * (0.42 + 0.58 * lit)[:, None],
        bowl,
        functional.normalize(front - 0.35 * tears * down[frame], dim=-1),
        (1.0 + 0.3 * tears[:, 0]) * (1 - 0.55 * flesh[:, 0]),
        0.18 + 0.82 * lit,
        0.6 * flesh[:, 0],
    )


@fused
def _lid_edges(
    visible: Visible, softened: tuple[Tensor, Tensor], albedo: Tensor, wet: Tensor, gloss: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Albedo, wetness and gloss with the lids' edges in them."""
    to_lower, is_eye = softened[1], visible.where(*EYES)
    lower = step(to_lower, 0.18, 0.46) * ~is_eye
    upper = step(to_lower, -0.14, -0.42) * ~is_eye
    albedo = albedo * (1 - lower[..., None] * albedo.new_tensor([0.04, 0.20, 0.18]))
    # the upper edge lies in its own shade and is set with the roots of lashes
    albedo = albedo * (1 - upper[..., None] * albedo.new_tensor([0.50, 0.58, 0.58]))
    return albedo, torch.maximum(wet, 0.45 * lower), gloss * (1 - upper)


def soft_mask(mask: Tensor, dm_per_px: Tensor, blur_dm: float, rises_dm: tuple[float, ...]) -> Tensor:
    """(R, N, H, W) masks (N, H, W) blurred over `blur_dm` and read so much higher up, for each of R rises."""
    sigma = (blur_dm / dm_per_px).clamp(0.6, 8.0)
    reach = 12
    taps = torch.arange(-reach, reach + 1, device=mask.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (taps / sigma[:, None]) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    rows = along_rows(functional.pad(mask[:, None], (reach,) * 4), kernel[:, None])
    rise = mask.new_tensor(rises_dm)[None] / dm_per_px[:, None]  # (N, R)
    lifted = torch.exp(-0.5 * ((taps + rise.clamp(-10.0, 10.0)[..., None]) / sigma[:, None, None]) ** 2)
    lifted = lifted / lifted.sum(-1, keepdim=True)
    return along_columns(rows.expand(-1, len(rises_dm), -1, -1), lifted).transpose(0, 1)
