"""Kinky hair as a cloud of small coils that stands off the head: broad ones within, fine ones outside.

Knows nothing of other hair.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.chance import Chance, each
from visavis_training.people.hairdo import Hairdo
from visavis_training.people.head_shell import LEAST_OVER_SKIN_DM, HeadShell

_TURNS = 1.15


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
    lumps = torch.sin(outward[..., 0] * 9) * torch.sin(outward[..., 1] * 7 + outward[..., 2] * 8)
    high = length * (1 + 0.06 * lumps) * (0.30 + 0.70 * layer.sqrt())
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
