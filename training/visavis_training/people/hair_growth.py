"""Grows strands over skulls: combed at the root, pulled by gravity, held off skin and ears, cut to length, then curled.

All strands of all people grow together, step by step, in batched torch. What a haircut is comes in as numbers
(`Hairdo`); which strands there are, from `Scalp`. Knows nothing of colours or of which cuts people wear.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.chance import Chance, each, step
from visavis_training.people.fusing import fused
from visavis_training.people.hair_tufts import tufts
from visavis_training.people.hairdo import Hairdo
from visavis_training.people.hairline import Hairline, azimuth
from visavis_training.people.head_shell import LEAST_OVER_SKIN_DM, MIDDLE, HeadShell
from visavis_training.people.scalp import Scalp

_STEPS = 22
_WHORL = (0.10, -1.32, 1.05)


@dataclass(frozen=True, slots=True)
class Strands:
    """S strands of K points for each of B people.

    `points` (B, S, K, 3); `grows` bool (B, S); `layer` (B, S) 0 innermost to 1; `random` (B, S); `out` (B, S, K, 3)
    unit, away from the head.
    """

    points: Tensor
    grows: Tensor
    layer: Tensor
    random: Tensor
    out: Tensor


def grow(
    scalp: Scalp, shell: HeadShell, neutral: Tensor, chance: Chance, line: Hairline, do: Hairdo, count: int, points: int
) -> Strands:
    """Hair of B people.

    Args:
        scalp: where roots can be.
        shell: of these people.
        neutral: float32 (B, V, 3).
        chance: theirs.
        line: their hairlines.
        do: their haircuts.
        count: strands a person, S; those outside the hairline do not grow.
        points: points a strand, K.
    """
    place = scalp.canonical[:count]
    root = (neutral[:, scalp.corners[:count]] * scalp.weights[:count, :, None]).sum(2)
    spacing = (scalp.area / count) ** 0.5
    nudge = chance.uniform("root", -0.5, 0.5, count * 3).reshape(len(chance), count, 3) * spacing
    outward = shell.outwards(root)
    nudge = nudge - (nudge * outward).sum(-1, keepdim=True) * outward
    root = root + nudge
    # after the nudge a root is put back on the skin
    skin, own = shell.skin_radius(root)
    root = shell.middle[:, None] + (root - shell.middle[:, None]) * (skin / own.clamp(min=1e-3))[..., None]
    canonical = place + nudge / shell.scale[:, None]
    random = chance.uniform("strand", 0.0, 1.0, count)
    grows = random < line.density(canonical)
    parts = scalp.parts[:count]

    length = _lengths(do, parts, canonical, chance, count)
    start = _combed(do, parts, canonical, root, outward, chance, count)
    height = ((-canonical[..., 1] + 0.4) / 1.8).clamp(0, 1)
    layer = (0.55 * height + 0.45 * chance.uniform("layer", 0.0, 1.0, count)).clamp(0, 1)
    deep = chance.uniform("tuft depth", 0.0, 1.0, count)
    layer = torch.where(each(do.puff, 1) > 0, deep, layer)
    path = _paths(do, shell, root, start, canonical, parts, length, layer, chance)
    strands, total = _resampled(path, points)
    strands = _gathered(do, strands, scalp.near[:count], total)
    strands = _styled(do, shell, strands, total, scalp.near[:count], chance)
    cloud = tufts(do, shell, root, outward, length, layer, chance, points)
    strands = torch.where(each(do.puff, 3) > 0, cloud, strands)
    return Strands(strands, grows & (total > 0.015), layer, random, shell_out(shell, strands))


def shell_out(shell: HeadShell, strands: Tensor) -> Tensor:
    """(B, S, K, 3) unit ways out of the head at points of strands (B, S, K, 3)."""
    people, count, points = strands.shape[:3]
    return shell.outwards(strands.reshape(people, -1, 3)).reshape(people, count, points, 3)


def _lengths(do: Hairdo, parts: Tensor, canonical: Tensor, chance: Chance, count: int) -> Tensor:
    length = do.length @ parts.T
    low = step(canonical[..., 1], each(do.fade_top, 1), each(do.fade_top, 1) + 0.55)
    beside = parts[:, 2] + parts[:, 3]
    length = length * (1 - each(do.fade, 1) * low * beside)
    spread = each(do.uneven, 1) * (chance.uniform("length", -1.0, 0.6, count))
    return length * (1 + spread)


def _combed(
    do: Hairdo, parts: Tensor, canonical: Tensor, root: Tensor, outward: Tensor, chance: Chance, count: int
) -> Tensor:
    """(B, S, 3) unit directions at the roots."""
    weights = torch.einsum("bpc,sp->bsc", do.comb, parts)
    x = canonical[..., 0] - each(do.parting, 1)
    behind = step(canonical[..., 2], 0.75, 1.15)
    side = torch.tanh(x / 0.04) * (1 - behind) + torch.tanh(canonical[..., 0] / 0.25) * behind
    spin = canonical - canonical.new_tensor(_WHORL)
    turned = torch.stack([-spin[..., 2], torch.zeros_like(x), spin[..., 0]], -1)
    axis = torch.zeros_like(root)

    def flat(way: Tensor) -> Tensor:
        along = way - (way * outward).sum(-1, keepdim=True) * outward
        return functional.normalize(along, dim=-1)

    ahead, down, across = axis.clone(), axis.clone(), axis.clone()
    ahead[..., 2], down[..., 1], across[..., 0] = -1.0, 1.0, 1.0
    ways = (
        flat(ahead), flat(across) * side[..., None], flat(down), outward, flat(flat(spin) + 0.5 * flat(turned)),
    )  # fmt: skip
    total = torch.zeros_like(root)
    for number, way in enumerate(ways):
        total = total + weights[..., number : number + 1] * way
    rough = chance.normal("comb", 0.0, 1.0, count * 3).reshape(root.shape)
    return functional.normalize(total + (0.05 + each(do.stray, 2)) * rough, dim=-1)


def _paths(
    do: Hairdo,
    shell: HeadShell,
    root: Tensor,
    start: Tensor,
    canonical: Tensor,
    parts: Tensor,
    length: Tensor,
    layer: Tensor,
    chance: Chance,
) -> Tensor:
    """(B, S, N, 3) lines that stop where they are cut: the rest of their points stay on the last one."""
    count = root.shape[1]
    place, way = root, start
    stride = (length / (_STEPS - 1))[..., None]
    alive = torch.ones_like(length)
    fringe = parts[:, 0] * each(do.fringe, 1)
    side = torch.where(
        canonical[..., 2] < 0.75, torch.sign(canonical[..., 0] - each(do.parting, 1)), torch.sign(canonical[..., 0])
    )
    side = torch.where(side == 0, torch.ones_like(side), side)
    ragged = chance.uniform("cut", -1.0, 1.0, count)
    forehead = shell.canonical(torch.stack([shell.brow_y * 0, shell.brow_y, shell.brow_y * 0], -1)[:, None])[..., 1]
    edge = forehead - each(do.fringe_over, 1) * (1 + 0.3 * ragged) - 0.04
    level = each(do.level, 1) + each(do.uneven, 1) * 0.35 * ragged
    # short hair has no volume, whatever the rest has
    rest = each(do.volume, 1) * layer * (length / 0.6).clamp(0.12, 1.0)
    over_ears = length > 0.75
    tie = shell.over_base(do.tie[:, None])
    tied = each(do.tied, 1)[..., None]
    rises = (3.0 * torch.arange(_STEPS, device=root.device) / (_STEPS - 1)).clamp(max=1.0)
    fixed = _Limits(root, stride, fringe, side, edge, level, rest, over_ears, tie, tied)
    line = [root]
    for number in range(1, _STEPS):
        place, way, alive = _onward(place, way, alive, do, shell, fixed, length, rises[number])
        line.append(place)
    return torch.stack(line, 2)


@dataclass(frozen=True, slots=True)
class _Limits:
    """What does not change as strands (B, S) grow: (B, S) unless said."""

    root: Tensor
    """(B, S, 3)"""
    stride: Tensor
    """(B, S, 1)"""
    fringe: Tensor
    side: Tensor
    edge: Tensor
    level: Tensor
    rest: Tensor
    over_ears: Tensor
    tie: Tensor
    """(B, 1, 3)"""
    tied: Tensor
    """(B, 1, 1)"""


@partial(fused, least=1)
def _onward(
    place: Tensor,
    way: Tensor,
    alive: Tensor,
    do: Hairdo,
    shell: HeadShell,
    fixed: _Limits,
    length: Tensor,
    rise: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Places and ways (B, S, 3) of strands one stride on, and (B, S) which go on; `rise` () as `_led` takes it."""
    to_tie = fixed.tie - place
    near = to_tie.norm(dim=-1, keepdim=True)
    down = place.new_tensor([0.0, 1.0, 0.0])
    pulled = functional.normalize(way + each(do.gravity, 2) * fixed.stride * down, dim=-1)
    drawn = functional.normalize(way * 0.35 + to_tie / near.clamp(min=1e-3), dim=-1)
    way = pulled + fixed.tied * (drawn - pulled)
    ahead = place + way * fixed.stride * alive[..., None]
    ahead = _led(do, shell, ahead, fixed.rest, rise, length)
    guarded = _beside_face(do, shell, ahead, fixed.side, fixed.fringe)
    ahead = torch.where((alive > 0)[..., None], guarded, place)
    moved = ahead - place
    way = torch.where(alive[..., None] > 0, functional.normalize(moved, dim=-1), way)
    place = ahead
    over = shell.canonical(place)
    angle = azimuth(over)
    cut = (over[..., 1] > fixed.level) | ((over[..., 1] > fixed.edge) & (fixed.fringe > 0.3) & (angle < 1.0))
    cut |= (angle > 1.33) & (angle < 1.93) & (over[..., 1] > -0.36) & (over[..., 1] < 0.25) & ~fixed.over_ears
    cut |= (fixed.tied[..., 0] > 0) & ((fixed.tie - place).norm(dim=-1) < 0.10)
    return place, way, alive * (~cut)


def _led(do: Hairdo, shell: HeadShell, place: Tensor, rest: Tensor, rise: Tensor, length: Tensor) -> Tensor:
    """Points kept off the skin, and drawn to the height at which their layer lies, by `rise` 0..1."""
    # short hair cannot lie higher than it is long
    aim = torch.minimum(rest, 0.8 * length) * rise
    least = torch.minimum(torch.full_like(aim, LEAST_OVER_SKIN_DM), 0.3 * length) + 0.35 * aim
    place = shell.kept_out(place, least)
    skin, own = shell.skin_radius(place)
    level = shell.canonical(place)[..., 1]
    hold = each(do.cling, 1) * step(level, 0.25, -0.35)
    wanted = own - hold * (own - skin - aim).clamp(min=0)
    away = place - shell.middle[:, None]
    return shell.middle[:, None] + away * (wanted / own.clamp(min=1e-3))[..., None]


def _beside_face(do: Hairdo, shell: HeadShell, place: Tensor, side: Tensor, fringe: Tensor) -> Tensor:
    """Points turned about the head's upright axis until they leave the face free."""
    over = shell.canonical(place)
    x, z = over[..., 0], over[..., 2] - MIDDLE[2]
    angle = torch.atan2(x * side, -z)
    least = each(do.open, 1) * step(over[..., 1], -1.06, -0.62) * (1 - fringe)
    # on the far side of the back nothing is in the way
    short = (least - angle).clamp(min=0) * ((angle > -1.9) & (least > 0))
    turned = angle + short
    far = (x.square() + z.square()).sqrt()
    out = torch.stack([far * turned.sin() * side, over[..., 1], MIDDLE[2] - far * turned.cos()], -1)
    moved: Tensor = shell.over_base(out)
    return torch.where((short > 0)[..., None], moved, place)


def _resampled(path: Tensor, points: int) -> tuple[Tensor, Tensor]:
    """(B, S, K, 3) evenly spaced points along lines (B, S, N, 3), and the lines' lengths (B, S)."""
    people, count, steps = path.shape[:3]
    piece = (path[:, :, 1:] - path[:, :, :-1]).norm(dim=-1)
    along = functional.pad(piece.cumsum(-1), (1, 0))
    total = along[..., -1]
    wanted = total[..., None] * torch.linspace(0, 1, points, device=path.device)
    right = torch.searchsorted(along, wanted.contiguous()).clamp(1, steps - 1)
    low, high = along.gather(2, right - 1), along.gather(2, right)
    share = ((wanted - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)[..., None]
    before = path.gather(2, (right - 1)[..., None].expand(-1, -1, -1, 3))
    after = path.gather(2, right[..., None].expand(-1, -1, -1, 3))
    return before + share * (after - before), total


def _gathered(do: Hairdo, strands: Tensor, near: Tensor, total: Tensor) -> Tensor:
    """Strands drawn towards the leaders of their clumps, more so to the tips."""
    people, count, points = strands.shape[:3]
    leader = near.T[do.clump_size.long()][:, :count].clamp(max=count - 1)  # (B, S)
    led = strands.gather(1, leader[..., None, None].expand(-1, -1, points, 3))
    along = torch.linspace(0, 1, points, device=strands.device)
    pull = each(do.clump, 2) * along**1.2
    # leaders that fall to another side of a parting, or end elsewhere, are not followed
    apart = (led[:, :, -1] - strands[:, :, -1]).norm(dim=-1)
    root_apart = (led[:, :, 0] - strands[:, :, 0]).norm(dim=-1)
    follows = step(apart - root_apart, 0.35, 0.12) * step(apart, 0.9, 0.5)
    alike = (total / total.gather(1, leader).clamp(min=1e-3)).clamp(0, 1)
    pull = pull * (follows * alike)[..., None]
    return strands + pull[..., None] * (led - strands)


def _styled(do: Hairdo, shell: HeadShell, strands: Tensor, total: Tensor, near: Tensor, chance: Chance) -> Tensor:
    """Strands with curls and stray tips, kept off the skin."""
    people, count, points = strands.shape[:3]
    along = torch.linspace(0, 1, points, device=strands.device)
    way = functional.normalize(
        torch.cat([strands[:, :, 1:] - strands[:, :, :-1], strands[:, :, -1:] - strands[:, :, -2:-1]], 2), dim=-1
    )
    out = shell_out(shell, strands)
    across = functional.normalize(torch.linalg.cross(way, out), dim=-1)
    lifted = torch.linalg.cross(across, way)
    leader = near.T[do.clump_size.long()][:, :count]
    phase = chance.uniform("curl phase", 0.0, 6.2832, count)
    led = phase.gather(1, leader.clamp(max=count - 1))
    mixed = led + each(do.curl, 1).clamp(max=0.1) * 8 * chance.uniform("curl own", -1.0, 1.0, count)
    hand = torch.sign(chance.uniform("curl hand", -1.0, 1.0, count).gather(1, leader.clamp(max=count - 1)))
    lengths = each(do.wave, 1) * (1 + 0.25 * chance.normal("wave", 0.0, 1.0, count).gather(1, leader))
    turn = mixed[..., None] + hand[..., None] * 6.2832 * along * (total / lengths.clamp(min=0.03))[..., None]
    full = (along / each(do.ramp, 2).clamp(min=0.02)).clamp(0, 1)
    radius = (each(do.curl, 1) * (0.7 + 0.6 * chance.uniform("curl size", 0.0, 1.0, count)))[..., None] * full
    radius = torch.minimum(radius, 0.35 * total[..., None])
    curled = strands + radius[..., None] * (turn.sin()[..., None] * across + 0.7 * turn.cos()[..., None] * lifted)
    reach = torch.minimum(total, torch.ones_like(total))[..., None] * along**1.6
    wild = 1.0 + 2.5 * (chance.uniform("wild", 0.0, 1.0, count) > 0.93)
    drift = each(do.stray, 1) * wild
    aside = (drift * chance.normal("stray", 0.0, 1.0, count))[..., None] * reach
    upwards = (drift * chance.normal("stray up", 0.2, 0.7, count))[..., None] * reach
    curled = curled + aside[..., None] * across + upwards[..., None] * lifted
    least = torch.minimum(along * total[..., None] * 0.3, torch.full_like(reach, LEAST_OVER_SKIN_DM))
    flat = shell.kept_out(curled.reshape(people, -1, 3), least.reshape(people, -1)).reshape(curled.shape)
    return torch.cat([strands[:, :, :1], flat[:, :, 1:]], 2)
