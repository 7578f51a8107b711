"""What pixels of eyes and of the lids' edges are made of: iris and white under a wet front, flesh in the corner.

Lids shade the ball under them. Reads painted eyes; knows nothing of lamps' colours or of cameras.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.chance import step
from visavis_training.people.eye_textures import cornea_normals
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
    is_eye = visible.where(*EYES)
    mask = is_eye.to(torch.float32)
    # open sky is what a blurred mask, looked at from below, still sees
    shaded = soft_mask(mask, visible.dm_per_px, _LID_SHADE_DM, (_LID_SHADE_RISE_DM,))[0]
    over, under = soft_mask(mask, visible.dm_per_px, 0.8 * _MARGIN_DM, (-_MARGIN_DM, _MARGIN_DM))
    to_lower = under - over  # positive towards the lower edge of the opening, on either side of it
    down = visible.head_axes()[1]
    flesh_pink = albedo.new_tensor([0.40, 0.205, 0.185])
    for number, name in enumerate(EYES):
        at = visible.where(name).nonzero(as_tuple=True)
        uv = visible.uv[at]
        mirrored = torch.stack([1 - uv[:, 0], uv[:, 1]], -1) if number else uv
        colour, iris = looks.eyes.read(person[at[0]], mirrored)
        # uv's second axis points up on the eye
        flipped = torch.stack([uv[:, 0], 1 - uv[:, 1]], -1)
        ball, front = cornea_normals(flipped, turns[at[0], number])
        lit = step(shaded[at], 0.22, 0.92)
        away = (visible.position[at] - visible.landmarks[at[0], _INNER_CORNER[name]]).norm(dim=-1)
        flesh = step(away, _CARUNCLE_DM, 0.72 * _CARUNCLE_DM)[:, None]
        fold = 0.45 * step(away, 1.5 * _CARUNCLE_DM, 0.85 * _CARUNCLE_DM)[:, None] * (1 - iris[:, None])
        colour = colour * (1 - fold * colour.new_tensor([0.16, 0.48, 0.44]))
        colour = colour + 0.85 * flesh * (flesh_pink * (0.4 + 1.2 * looks.skin_depth(person)[at[0], None]) - colour)
        albedo[at] = colour * (0.42 + 0.58 * lit)[:, None]
        # the iris is a bowl behind the cornea: it is lit from the side away from the lamp
        bowl = functional.normalize(ball - 0.6 * iris[:, None] * (front - ball), dim=-1)
        # tears stand along the lower lid as a hollow line that mirrors what is above
        tears = step(to_lower[at], 0.25, 0.60)[:, None]
        normal[at], smooth[at] = bowl, bowl
        film[at] = functional.normalize(front - 0.35 * tears * down[at[0]], dim=-1)
        wet[at], open_[at] = (1.0 + 0.3 * tears[:, 0]) * (1 - 0.55 * flesh[:, 0]), 0.18 + 0.82 * lit
        scatter[at], gloss[at] = 0.6 * flesh[:, 0], 0.0
    lower = step(to_lower, 0.18, 0.46) * ~is_eye
    upper = step(to_lower, -0.14, -0.42) * ~is_eye
    albedo = albedo * (1 - lower[..., None] * albedo.new_tensor([0.04, 0.20, 0.18]))
    # the upper edge lies in its own shade and is set with the roots of lashes
    albedo = albedo * (1 - upper[..., None] * albedo.new_tensor([0.50, 0.58, 0.58]))
    wet = torch.maximum(wet, 0.45 * lower)
    return replace(
        material, albedo=albedo, normal=normal, smooth=smooth, film=film, wet=wet, scatter=scatter, open=open_,
        gloss=gloss * (1 - upper),
    )  # fmt: skip


def soft_mask(mask: Tensor, dm_per_px: Tensor, blur_dm: float, rises_dm: tuple[float, ...]) -> Tensor:
    """(R, N, H, W) masks (N, H, W) blurred over `blur_dm` and read so much higher up, for each of R rises."""
    people, height, width = mask.shape
    sigma = (blur_dm / dm_per_px).clamp(0.6, 8.0)
    reach = 12
    taps = torch.arange(-reach, reach + 1, device=mask.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (taps / sigma[:, None]) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    rows = functional.conv2d(mask[None], kernel[:, None, None], padding=(0, reach), groups=people)
    rise = mask.new_tensor(rises_dm)[None] / dm_per_px[:, None]  # (N, R)
    lifted = torch.exp(-0.5 * ((taps + rise.clamp(-10.0, 10.0)[..., None]) / sigma[:, None, None]) ** 2)
    lifted = lifted / lifted.sum(-1, keepdim=True)
    blurred = functional.conv2d(
        rows, lifted.reshape(-1, 1, 2 * reach + 1, 1), padding=(reach, 0), groups=people
    )  # (1, N * R, H, W)
    return blurred.reshape(people, len(rises_dm), height, width).transpose(0, 1)
