"""Hair that is tied: what hangs behind the tie, or is wound into a knot on it.

Knows nothing of how hair gets to the tie.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.chance import Chance, each, step
from visavis_training.people.hair_growth import Strands, shell_out
from visavis_training.people.hairdo import Hairdo
from visavis_training.people.head_shell import HeadShell


def grow_tails(shell: HeadShell, chance: Chance, do: Hairdo, count: int, points: int) -> Strands:
    """`count` strands behind each tie; none grow where nothing is tied."""
    tie = shell.over_base(do.tie[:, None])[:, 0]
    out = shell.outwards(tie[:, None])[:, 0]
    along = torch.linspace(0, 1, points, device=tie.device)
    knotted = each(do.bun > 0, 3)
    line = torch.where(
        knotted, _knot(tie, out, chance, do, count, along), _tail(shell, tie, out, chance, do, count, along)
    )
    # strands of a knot face away from its middle
    middle = tie + out * do.bun[:, None] * 0.75
    away = functional.normalize(line - middle[:, None, None], dim=-1)
    outside = torch.where(knotted, away, shell_out(shell, line))
    layer = chance.uniform("tail layer", 0.0, 1.0, count)
    grows = (do.tied > 0)[:, None].expand(-1, count)
    return Strands(line, grows, layer, chance.uniform("tail strand", 0.0, 1.0, count), outside)


def _knot(tie: Tensor, out: Tensor, chance: Chance, do: Hairdo, count: int, along: Tensor) -> Tensor:
    """(B, count, K, 3) coils round a ball, flattened towards the head."""
    people = len(tie)
    across = functional.normalize(torch.linalg.cross(out, out.new_tensor([0.0, 1.0, 0.0]).expand_as(out)), dim=-1)
    upwards = torch.linalg.cross(across, out)
    start = chance.uniform("knot start", 0.0, 2 * math.pi, count)
    tilt = chance.uniform("knot tilt", -0.85, 1.35, count)
    turn = start[..., None] + along * (2.4 + 0.8 * chance.uniform("knot turn", 0.0, 1.0, count))[..., None]
    rise = tilt[..., None] + 0.5 * (along - 0.5) * chance.uniform("knot slope", -1.0, 1.0, count)[..., None]
    radius = each(do.bun, 2) * (0.85 + 0.15 * chance.uniform("knot size", 0.0, 1.0, count))[..., None]
    flat = radius * rise.cos()
    middle = tie + out * do.bun[:, None] * 0.75
    coil = (
        flat[..., None]
        * (turn.cos()[..., None] * across[:, None, None] + turn.sin()[..., None] * upwards[:, None, None])
        + (0.8 * radius * rise.sin())[..., None] * out[:, None, None]
    )
    return middle.view(people, 1, 1, 3) + coil


def _tail(shell: HeadShell, tie: Tensor, out: Tensor, chance: Chance, do: Hairdo, count: int, along: Tensor) -> Tensor:
    """(B, count, K, 3) a tail that leaves outwards and falls, thick in the middle."""
    people = len(tie)
    down = out.new_tensor([0.0, 1.0, 0.0])
    leave = 0.26 * (1 - torch.exp(-along * 5.0)) - 0.10 * along
    fall = along - 0.22 * (1 - torch.exp(-along * 6.0))
    length = do.tail[:, None] * (1 + 0.25 * chance.uniform("tail length", -1.0, 0.4, count))
    angle = chance.uniform("tail side", 0.0, 2 * math.pi, count)
    off = chance.uniform("tail off", 0.0, 1.0, count).sqrt() * 0.16
    thick = (0.18 + 0.82 * step(along, 0.0, 0.35)) * (1 - 0.45 * along)
    around = torch.stack([angle.cos(), angle.sin() * 0.25, angle.sin()], -1) * off[..., None]
    line = (
        tie[:, None, None]
        + (leave * (0.5 + 0.5 * each(do.tail, 1) / 2))[:, None, :, None] * out[:, None, None]
        + (length[..., None] * fall)[..., None] * down
        + thick[:, None] * around[:, :, None]
    )
    least = torch.full((people, count * len(along)), 0.02, device=tie.device)
    return shell.kept_out(line.reshape(people, -1, 3), least).reshape(line.shape)
