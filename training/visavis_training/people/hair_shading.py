"""Lights strands: two shifted highlights round a hair, light that comes through it, and the glow of much hair.

Lobes along a hair follow Marschner et al., "Light Scattering from Human Hair Fibers" (2003): a white one off the
surface, tilted to the root; a coloured one that has passed through twice, tilted to the tip; one that goes through,
seen against the light. What a strip shows of single hairs is painted. Knows nothing of how strands grew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.chance import step
from visavis_training.people.hair_colour import white_hair
from visavis_training.people.worn_shading import Spots

_F0 = 0.0465
"""Reflection of a surface of index 1.55 seen straight on."""
_TILT_RAD = math.radians(-5.0)
"""Scales of a hair tilt its surface; highlights shift by this, minus half and minus three halves of it."""
_THROUGH_RAD = 0.7
_INNER = 0.085
"""Strength of the inner lobe: what enters, is thrown back once inside and comes out."""
COAT = ("pigment", "root", "tip", "white", "roughness", "gloss", "standing", "kinky")


def _fibres(texture: Tensor) -> tuple[Tensor, Tensor]:
    """Two patterns (n,), -1..1, of the hairs in a strip: they run along it and drift across."""
    u, v, random = texture[:, 0], texture[:, 1], texture[:, 2]
    drift = 0.9 * torch.sin(5.0 * u + 40.0 * random)
    first = torch.sin(13.0 * v + drift + 97.0 * random) * 0.6 + torch.sin(23.0 * v - drift + 31.0 * random) * 0.4
    second = torch.sin(17.0 * v + 1.7 * drift + 53.0 * random)
    return first, second


def _coils(place: Tensor) -> Tensor:
    """(n,) -1..1, bright and dark spots of small coils at places (n, 3)."""
    x, y, z = (place * 95.0).unbind(-1)
    bent = x + 1.9 * torch.sin(0.55 * y + 0.8 * z), y + 1.9 * torch.sin(0.6 * z + 0.7 * x), z + 1.9 * torch.sin(0.5 * x)
    coarse = torch.sin(0.45 * x + 2 * torch.sin(0.3 * z)) * torch.sin(0.4 * y + 0.3 * z)
    return 0.75 * torch.sin(bent[0]) * torch.sin(bent[1] + 0.5 * bent[2]) + 0.45 * coarse


def strand_colour(texture: Tensor, coat: Mapping[str, Tensor]) -> Tensor:
    """(n, 3) what hair reflects at each pixel, before light."""
    u, random = texture[:, 0], texture[:, 2]
    first, _ = _fibres(texture)
    colour = coat["root"] + step(u, 0.0, 0.10)[:, None] * (coat["pigment"] - coat["root"])
    colour = colour + (step(u, 0.30, 0.95) * (0.6 + 0.4 * torch.sin(random * 71.0)))[:, None] * (coat["tip"] - colour)
    own = torch.exp(0.20 * torch.sin(random * 113.0) + 0.22 * first)
    # each strip holds some tens of hairs; white ones come in locks, but not so that a strip has all or none
    threshold = torch.remainder(random * 17.31, 1.0)
    share = coat["white"]
    uneven = share * (1 - share) * (1 - 0.6 * coat["kinky"])
    white = (share + uneven * (1.5 * (threshold - 0.5) + 0.8 * first)).clamp(0.0, 1.0)
    colour = colour * own[:, None]
    return colour + white[:, None] * (white_hair(colour) * (0.9 + 0.12 * first)[:, None] - colour)


def shade_hair(spots: Spots) -> Tensor:
    """(n, 3) linear light off hair of heads and faces.

    The coat has linear RGB (B, 3) `pigment`, `root` and `tip`; (B,) `white`, share of hairs without pigment;
    `roughness`, radians along a hair; `gloss`, 1 for sleek hair; `standing` 0..1, whether strands stand on the skin, so
    that they are lit as the head's surface is, or lie along it and are lit as strips; `kinky` 0..1, how much strips
    show small coils instead of hairs.
    """
    texture, towards, tangent = spots.texture, spots.towards, spots.tangent
    coat = {name: spots.own(name) for name in COAT}
    first, second = _fibres(texture)
    coils = coat["kinky"] * _coils(spots.canonical)
    colour = strand_colour(texture, coat) * torch.exp(0.55 * coils)[:, None]
    open_ = texture[:, 3] * (1 + 0.35 * coils)
    out = functional.normalize(spots.normal + coat["standing"][:, None] * (spots.out - spots.normal), dim=-1)
    # hairs in a strip do not lie quite alike
    tangent = functional.normalize(tangent + 0.10 * second[:, None] * spots.normal, dim=-1)
    sin_view = (tangent * towards).sum(-1).clamp(-0.999, 0.999)
    across_view = functional.normalize(towards - sin_view[:, None] * tangent, dim=-1)
    total = torch.zeros_like(colour)
    for way, light, size in spots.lamps():
        sin_light = (tangent * way).sum(-1).clamp(-0.999, 0.999)
        cos_light = (1 - sin_light.square()).sqrt()
        across = functional.normalize(way - sin_light[:, None] * tangent, dim=-1)
        turn = torch.acos((across * across_view).sum(-1).clamp(-0.9999, 0.9999))
        half = (torch.asin(sin_light) + torch.asin(sin_view)) / 2
        wide = coat["roughness"] + 0.35 * size
        grazing = (0.5 * turn).cos()
        fresnel = _F0 + (1 - _F0) * (1 - grazing) ** 5
        surface = _lobe(half - _TILT_RAD, wide) * 0.25 * grazing * fresnel
        inner = _lobe(half + 1.5 * _TILT_RAD, 2.0 * wide) * 0.25 * grazing * _INNER * (1 + 0.7 * first)
        through = _lobe(half + 0.5 * _TILT_RAD, 1.3 * wide) * torch.exp(-(((math.pi - turn) / _THROUGH_RAD) ** 2))
        # much hair: light goes round in it and comes out where it went in
        glow = (((out * way).sum(-1) + 0.35) / 1.35).clamp(min=0.0) * (0.35 + 0.65 * cos_light)
        lit = 0.35 + 0.65 * open_
        shine = math.pi * cos_light * lit * coat["gloss"]
        passed = colour * (glow * lit + 0.10 * math.pi * through * cos_light * open_)[:, None]
        mirrored = (surface * shine)[:, None] + (inner * shine)[:, None] * colour.sqrt()
        total = total + light * (passed + mirrored)
    ambient = spots.irradiance(functional.normalize(out + 0.3 * towards, dim=-1))
    sheen = (_F0 * 0.45 * coat["gloss"])[:, None] * spots.irradiance(spots.bent(out))
    return total + ambient * colour + sheen


def _lobe(angle: Tensor, width: Tensor) -> Tensor:
    return torch.exp(-0.5 * (angle / width).square()) / (width * math.sqrt(2 * math.pi))
