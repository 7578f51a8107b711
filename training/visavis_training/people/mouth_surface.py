"""What pixels inside mouths are made of: enamel and gums under a film of water, tongue.

Reads painted mouths; how much light gets in is `mouth_opening.py`'s. Knows nothing of lamps or of cameras.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.fusing import fused
from visavis_training.people.mouth_textures import MouthTextures
from visavis_training.people.visible import Visible

if TYPE_CHECKING:
    from visavis_training.people.materials import Looks, Material

TEETH = ("upper_teeth", "lower_teeth")


def with_mouth(visible: Visible, looks: Looks, person: Tensor, material: Material) -> Material:
    """`material` with teeth, gums and tongue in it; the arguments are `materials.read_materials`' own."""
    albedo, normal, smooth, film = material.albedo, material.normal, material.smooth, material.film
    wet, scatter, gloss, roughness = material.wet, material.scatter, material.gloss, material.roughness
    at = visible.where(*TEETH, "gums").nonzero(as_tuple=True)
    albedo[at], normal[at], enamel = _teeth(at, visible, looks.mouth, person)
    film[at] = normal[at]
    roughness[at], gloss[at] = 0.22 + 0.1 * (1 - enamel), 0.0
    # enamel (n = 1.62) under water throws back twice what water alone does
    wet[at], scatter[at] = 0.75 + 0.95 * enamel, 0.45
    at = visible.where("tongue").nonzero(as_tuple=True)
    albedo[at], rough = _tongue(at, visible, looks.mouth, person)
    normal[at], film[at], smooth[at] = rough, rough, visible.normal[at]
    roughness[at], gloss[at], wet[at], scatter[at] = 0.4, 0.0, 0.55, 0.6
    return replace(
        material, albedo=albedo, normal=normal, smooth=smooth, film=film, wet=wet, scatter=scatter,
        gloss=gloss, roughness=roughness,
    )  # fmt: skip


@fused
def _teeth(
    at: tuple[Tensor, Tensor, Tensor], visible: Visible, mouth: MouthTextures, person: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Colour (n, 3), normals (n, 3) and share of enamel (n,) of teeth and gums."""
    frame, region, uv = at[0], visible.region[at], visible.uv[at]
    is_lower = region == visible.names.index("lower_teeth")
    is_gum = region == visible.names.index("gums")
    lower = torch.where(is_gum, visible.canonical[at][:, 1] > 0.475, is_lower).long()
    read = mouth.teeth(person[frame], lower, uv)
    down = visible.head_axes()[1]
    base = visible.normal[at]
    level = functional.normalize(torch.linalg.cross(base, down[frame]), dim=-1)
    slopes = [
        mouth.teeth(person[frame], lower, uv + uv.new_tensor(nudge))[:, 4] - read[:, 4]
        for nudge in ((0.0025, 0.0), (0.0, 0.012))
    ]
    # along the arch a step of u is some 2.2 mm per hundredth; down a crown a step of v is some 1.5 mm per hundredth
    bumpy = base - (slopes[0] / 0.0045)[:, None] * level - (slopes[1] / 0.016)[:, None] * down[frame]
    return read[:, :3], functional.normalize(bumpy, dim=-1), read[:, 3]


@fused
def _tongue(
    at: tuple[Tensor, Tensor, Tensor], visible: Visible, mouth: MouthTextures, person: Tensor
) -> tuple[Tensor, Tensor]:
    """Colour (n, 3) and normals (n, 3) of tongues."""
    frame, canonical, normal = at[0], visible.canonical[at], visible.normal[at]
    across, down = visible.head_axes()
    ahead = torch.linalg.cross(across, down)
    bumps = mouth.papillae(person[frame], canonical)
    red = normal.new_tensor([0.05, 0.10, 0.09])
    delta = 0.012
    slopes = [
        (mouth.papillae(person[frame], canonical + canonical.new_tensor(shift))[:, 0] - bumps[:, 0]) / delta
        for shift in ((delta, 0.0, 0.0), (0.0, 0.0, delta))
    ]
    rough = normal - 0.8 * slopes[0][:, None] * across[frame] - 0.8 * slopes[1][:, None] * ahead[frame]
    return mouth.tongue[person[frame]] * (1 - bumps[:, 1:] * red), functional.normalize(rough, dim=-1)
