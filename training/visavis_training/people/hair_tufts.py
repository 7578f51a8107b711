"""Kinky hair: a dense body that stands off the head, and a cloud of small coils on and over its surface.

Knows nothing of other hair.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.chance import Chance, each, noise, step
from visavis_training.people.hairdo import Hairdo
from visavis_training.people.hairline import Hairline
from visavis_training.people.head_shell import LEAST_OVER_SKIN_DM, HeadShell
from visavis_training.people.scalp import part_shares

_TURNS = 1.15
_RINGS, _RAYS = 22, 48
_LOWEST_RAD = 0.74 * math.pi
_BODY_SHARE = 0.80
"""How far out the dense body reaches, as a share of the hair's length."""
BODY_POINTS, BODY_TRIANGLES = (_RINGS + 1) * _RAYS, 2 * _RINGS * _RAYS


def tufts(
    do: Hairdo,
    shell: HeadShell,
    root: Tensor,
    outward: Tensor,
    length: Tensor,
    layer: Tensor,
    chance: Chance,
    points: int,
) -> Tensor:
    """Coils over the roots.

    Args:
        do: haircuts; `curl` and `wave` are the coils' radius and length.
        shell: of B people.
        root: (B, S, 3).
        outward: (B, S, 3) unit, out of the head at each root.
        length: (B, S) how far from the skin the outermost lie.
        layer: (B, S) 0..1, how deep each lies.
        chance: theirs.
        points: on each coil, K.

    Returns:
        (B, S, K, 3).
    """
    people, count = root.shape[:2]
    high = length * (0.72 + 0.18 * layer)
    spread = chance.normal("tuft place", 0.0, 1.0, count * 3).reshape(people, count, 3) * 0.04
    middle = root + outward * high[..., None] + spread
    along = torch.linspace(0, 1, points, device=root.device)
    first = functional.normalize(chance.normal("tuft way", 0.0, 1.0, count * 3).reshape(people, count, 3), dim=-1)
    # within, coils lie across the way out and close the view; the outermost point anywhere
    lying = functional.normalize(first - (first * outward).sum(-1, keepdim=True) * outward, dim=-1)
    first = functional.normalize(lying + (layer.square()[..., None]) * (0.8 * outward + first - lying), dim=-1)
    second = functional.normalize(torch.linalg.cross(first, outward + 1e-3), dim=-1)
    third = torch.linalg.cross(first, second)
    turn = 6.2832 * (chance.uniform("tuft turn", 0.0, 1.0, count)[..., None] + _TURNS * along)
    size = each(do.curl, 1) * chance.uniform("tuft size", 0.6, 1.4, count) * layer
    reach = each(do.wave, 1) * chance.uniform("tuft reach", 0.7, 1.3, count) * (1.4 - 0.6 * layer)
    coil = (
        (reach[..., None] * (along - 0.5))[..., None] * first[:, :, None]
        + (size[..., None] * turn.cos())[..., None] * second[:, :, None]
        + (size[..., None] * turn.sin())[..., None] * third[:, :, None]
    )
    line = middle[:, :, None] + coil
    least = torch.full((people, count * points), LEAST_OVER_SKIN_DM, device=root.device)
    return shell.kept_out(line.reshape(people, -1, 3), least).reshape(line.shape)


def dense_body(do: Hairdo, line: Hairline, shell: HeadShell, chance: Chance) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The part of the cloud that nothing is seen through.

    Returns:
        points (B, P, 3), int32 triangles (B, T, 3) with -1 where nothing grows, texture (B, P, 4), tangents (B, P, 3).
    """
    device = do.curl.device
    people = len(do.curl)
    polar = torch.linspace(0.0, 1.0, _RINGS + 1, device=device)[:, None] * _LOWEST_RAD
    turn = torch.arange(_RAYS, device=device)[None] * (2 * math.pi / _RAYS)
    level = polar.sin() * torch.ones_like(turn)
    way = torch.stack([level * turn.sin(), -polar.cos() * torch.ones_like(turn), level * turn.cos()], -1).reshape(-1, 3)
    far = shell.middle[:, None] + 3.0 * way
    skin = shell.skin_radius(far)[0]
    on_skin = shell.middle[:, None] + way * skin[..., None]
    canonical = shell.canonical(on_skin)
    inside = line.inside(canonical)
    length = (do.length[:, None] * part_shares(canonical)).sum(-1)
    low = step(canonical[..., 1], each(do.fade_top, 1), each(do.fade_top, 1) + 0.55)
    length = length * (1 - each(do.fade, 1) * low)
    lumps = noise(chance, "hair body", way[None] * skin[..., None], 4.0, 2)
    high = length * _BODY_SHARE * (1 + 0.07 * lumps) * step(inside, 0.0, 0.20) ** 0.7
    # its rim lies under the skin: where it comes out the edge is smooth, whatever the triangles
    high = high + LEAST_OVER_SKIN_DM - 0.06 * step(inside, 0.06, 0.0)
    points = on_skin + way * high[..., None]
    triangles = _grid(device)
    hidden = (inside < -0.12)[:, triangles.long()].any(-1) | (do.puff < 0.5)[:, None]
    shown = torch.where(hidden[..., None], -1, triangles)
    flat = torch.zeros(people, len(way), device=device)
    open_ = 0.45 + 0.35 * step(-way[:, 1], -0.4, 0.8).expand(people, -1)
    texture = torch.stack([flat + 0.5, flat + 0.5, flat + 0.5, open_], -1)
    return points, shown, texture, way.expand(people, -1, -1)


@lru_cache(maxsize=4)
def _grid(device: torch.device) -> Tensor:
    """int32 (T, 3) of rings round the crown, wound to look outwards."""
    ring, ray = torch.meshgrid(torch.arange(_RINGS), torch.arange(_RAYS), indexing="ij")
    a = ring * _RAYS + ray
    b = ring * _RAYS + (ray + 1) % _RAYS
    quads = torch.stack([a, a + _RAYS, b, b, a + _RAYS, b + _RAYS], -1)
    return quads.reshape(-1, 3).int().to(device)
