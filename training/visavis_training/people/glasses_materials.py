"""What glasses are made of and how that looks: acetate, metal, clear and dark lenses.

Knows nothing of shapes beyond their parts, nor of faces.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from visavis_training.people.chance import Chance, step
from visavis_training.people.glasses_shapes import Shapes
from visavis_training.people.worn_shading import Spots

RIM, TEMPLE, WIRE, PAD, FRONT = range(5)
"""Parts; a part's number plus a half, in eighths, is the third number of its texture."""

_ACETATE = (
    ((0.012, 0.012, 0.013), 0.0, 38), ((0.16, 0.065, 0.022), 1.0, 22), ((0.05, 0.026, 0.014), 0.35, 10),
    ((0.012, 0.018, 0.05), 0.0, 7), ((0.075, 0.010, 0.016), 0.0, 5), ((0.30, 0.30, 0.31), 0.0, 5),
    ((0.42, 0.24, 0.09), 0.55, 5), ((0.62, 0.60, 0.56), 0.0, 5), ((0.02, 0.045, 0.03), 0.0, 3),
)  # fmt: skip
"""Colour, how much it is flecked like tortoiseshell, share."""
_METALS = (
    ((0.78, 0.58, 0.30), 26), ((0.72, 0.71, 0.69), 26), ((0.22, 0.22, 0.23), 22), ((0.03, 0.03, 0.032), 16),
    ((0.74, 0.48, 0.38), 10),
)  # fmt: skip


def coats_of(chance: Chance, shapes: Shapes) -> dict[str, dict[str, Tensor]]:
    """What the frames and lenses of B people are made of."""
    device = shapes.metal.device
    acetate = chance.pick("acetate", tuple(float(share) for *_, share in _ACETATE))
    metals = chance.pick("metal colour", tuple(float(share) for _, share in _METALS))
    colour = torch.tensor([c for c, *_ in _ACETATE], device=device)[acetate]
    colour = colour * (1 + chance.normal("acetate shade", 0.0, 0.12))[:, None].clamp(0.5, 1.5)
    flecks = torch.tensor([f for _, f, _ in _ACETATE], device=device)[acetate]
    metal = torch.tensor([c for c, _ in _METALS], device=device)[metals]
    sun = chance.happens("sunglasses", 0.035)
    tint = torch.tensor([[0.10, 0.10, 0.105], [0.16, 0.095, 0.05], [0.09, 0.115, 0.085]], device=device)
    dark = tint[chance.pick("tint", (0.5, 0.3, 0.2))]
    # clear lenses swallow a few per cent, some a little more in one colour
    clear = 0.965 - 0.03 * chance.uniform("lens tint", 0.0, 1.0, 3) ** 3
    coated = chance.happens("coated lens", 0.82)
    # coatings against reflections leave a green, blue or violet rest
    rest = torch.tensor([[0.35, 0.75, 0.40], [0.30, 0.40, 0.85], [0.55, 0.35, 0.75]], device=device)
    mirror = torch.where(
        coated[:, None] > 0, rest[chance.pick("coating", (0.55, 0.3, 0.15))] * 0.022, torch.full_like(clear, 0.07)
    )
    mirror = torch.where(sun[:, None] > 0, torch.full_like(clear, 0.055), mirror)
    frame = {
        "colour": colour,
        "pattern": torch.stack([flecks, chance.uniform("shell")], 1),
        "metal": shapes.metal,
        "metal_colour": metal,
        "roughness": 0.12 + 0.25 * chance.uniform("frame roughness") ** 2,
        "thin_edge": (shapes.rim_bottom < 0.005).float() * (1 + (shapes.rim_top < 0.005).float()),
        "temple_metal": torch.maximum(shapes.metal, chance.happens("metal temples", 0.12)),
    }
    gradient = chance.happens("gradient", 0.35) * sun
    lens = {"tint": torch.where(sun[:, None] > 0, dark, clear), "mirror": mirror, "gradient": gradient}
    return {"frame": frame, "lens": lens}


def shade_frame(spots: Spots) -> Tensor:
    """Acetate with its flecks, metal, clear pads, and the pale edges of bare lenses."""
    part = (spots.texture[:, 2] * 8).floor().clamp(0, 4)
    colour = spots.own("colour") * (1 - 0.93 * _tortoiseshell(spots.canonical, spots.own("pattern")))[:, None]
    metal = torch.where(part == TEMPLE, spots.own("temple_metal"), spots.own("metal"))
    metal = torch.where(part == WIRE, torch.ones_like(metal), metal)
    thin = spots.own("thin_edge")
    # half rims hang the lower edge on nylon, rimless lenses have none above either
    low = step(torch.sin(spots.texture[:, 0] * 2 * math.pi), -0.05, 0.35)
    bare = (part == RIM) & (((thin > 0.5) & (low > 0.5)) | (thin > 1.5))
    clear = bare | (part == PAD)
    metal = torch.where(clear, torch.zeros_like(metal), metal)
    colour = torch.where(clear[:, None], colour.new_tensor([0.46, 0.49, 0.48]), colour)
    mirror = 0.045 + metal[:, None] * (spots.own("metal_colour") - 0.045)
    rough = spots.own("roughness") + 0.05 * metal
    gleam = spots.gloss(spots.normal, rough, mirror)
    facing = (spots.normal * spots.towards).sum(-1).clamp(0, 1)
    fresnel = mirror + (1 - mirror) * ((1 - facing) ** 5)[:, None]
    gleam = gleam + fresnel * spots.around(spots.bent(spots.normal))
    body = colour * spots.matte(spots.normal, 0.1) * (1 - metal)[:, None]
    return body + gleam


def _tortoiseshell(place: Tensor, pattern: Tensor) -> Tensor:
    """(n,) 0..1, how dark the shell is at places (n, 3) dm; `pattern` (n, 2) how flecked and which."""
    total, scale = torch.zeros_like(place[:, 0]), 1.0
    bend = place * 11.0 + 40.0 * pattern[:, 1:]
    for _ in range(3):  # waves that bend each other have no beat
        bend = bend + 0.9 * torch.sin(bend[:, [1, 2, 0]] * 1.31 + 2.1)
        total = total + scale * torch.sin(bend * 1.7 / scale).sum(-1)
        scale *= 0.55
    return step(total, -0.4, 1.6) * pattern[:, 0]


def shade_lens(spots: Spots, behind: Tensor) -> Tensor:
    """What is behind, tinted, and the lamps mirrored by the outer surface."""
    facing = (spots.normal * spots.towards).sum(-1).clamp(0.05, 1.0)
    mirror = spots.own("mirror")
    fresnel = mirror + (0.9 - mirror) * ((1 - facing) ** 5)[:, None]
    gradient = spots.own("gradient") * step(
        torch.sin(spots.texture[:, 1] * 2 * math.pi) * spots.texture[:, 0], -0.7, 0.9
    )
    tint = spots.own("tint")
    tint = tint + gradient[:, None] * (0.7 - tint)
    way = spots.bent(spots.normal)
    # a room seen in glass is darker than its lamps' light on a white card
    seen = (spots.mirrored(way, 0.012) - 0.6 * spots.around(way)).clamp(0.0, 14.0)
    return behind * tint ** (1 / facing[:, None]).clamp(max=3.0) * (1 - fresnel) + fresnel * seen
