"""What pixels inside mouths are made of: enamel and gums under a film of water, tongue.

Reads painted mouths; how much light gets in is `mouth_opening.py`'s. Knows nothing of lamps or of cameras.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.visible import Visible

if TYPE_CHECKING:
    from visavis_training.people.materials import Looks, Material

TEETH = ("upper_teeth", "lower_teeth")


def with_mouth(visible: Visible, looks: Looks, person: Tensor, material: Material) -> Material:
    """`material` with teeth, gums and tongue in it; the arguments are `materials.read_materials`' own."""
    albedo, normal, smooth, film = material.albedo, material.normal, material.smooth, material.film
    wet, scatter, gloss, roughness = material.wet, material.scatter, material.gloss, material.roughness
    at = visible.where(*TEETH, "gums").nonzero(as_tuple=True)
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
    # enamel (n = 1.62) under water throws back twice what water alone does
    wet[at], scatter[at] = 0.75 + 0.95 * enamel, 0.45
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
    return replace(
        material, albedo=albedo, normal=normal, smooth=smooth, film=film, wet=wet, scatter=scatter,
        gloss=gloss, roughness=roughness,
    )  # fmt: skip
