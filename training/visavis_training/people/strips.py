"""Makes thin strips of strands: narrow ribbons with pointed tips, facing outwards, turned a little at random.

Knows nothing of how strands grew or of their colours.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.hair_growth import Strands

_WIDTH_ALONG = ((0.0, 0.75), (0.15, 1.0), (0.6, 0.95), (0.85, 0.65), (1.0, 0.0))


def strip_triangles(points: int) -> int:
    """Triangles of one strip of `points` points."""
    return 2 * points - 3


@lru_cache(maxsize=16)
def _triangles(count: int, points: int, device: torch.device) -> Tensor:
    """int32 (count * (2K - 3), 3) of strips whose points lie as (count, K, 2)."""
    rows = []
    for k in range(points - 1):
        a, b, c, d = 2 * k, 2 * k + 1, 2 * k + 2, 2 * k + 3
        rows.append((a, b, c))
        if k < points - 2:  # at the tip both sides meet
            rows.append((b, d, c))
    one = torch.tensor(rows, device=device)
    start = torch.arange(count, device=device)[:, None, None] * (2 * points)
    return (one + start).reshape(-1, 3).int()


def _profile(along: Tensor, blunt: Tensor) -> Tensor:
    """(B, 1, K) width along a strip as a share of its greatest; `blunt` (B,) tips stay wide."""
    knots = along.new_tensor(_WIDTH_ALONG)
    right = torch.searchsorted(knots[:, 0].contiguous(), along).clamp(1, len(knots) - 1)
    share = (along - knots[right - 1, 0]) / (knots[right, 0] - knots[right - 1, 0])
    tapered = knots[right - 1, 1] + share * (knots[right, 1] - knots[right - 1, 1])
    ends = along.clamp(min=0) < 0.999
    return tapered + blunt[:, None, None] * (0.85 * ends - tapered).clamp(min=0)


def strips(
    strands: Strands, width: Tensor, roll: Tensor, roll_spread: float, occlusion: Tensor, blunt: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points, triangles, texture and tangents of `worn.Things`.

    Args:
        strands: S of K points for B people.
        width: (B, S) dm.
        roll: (B, S) -1..1, how each strip is turned about its length.
        roll_spread: radians at roll 1.
        occlusion: (B, S, K) share of the sky that is seen.
        blunt: (B,) 0..1, how little strips narrow towards their tips.

    Returns:
        (B, S * K * 2, 3), int32 (B, S * (2K - 3), 3), (B, S * K * 2, 4) and (B, S * K * 2, 3).
    """
    points, out = strands.points, strands.out
    people, count, steps = points.shape[:3]
    inner = points[:, :, 2:] - points[:, :, :-2]
    way = torch.cat([points[:, :, 1:2] - points[:, :, :1], inner, points[:, :, -1:] - points[:, :, -2:-1]], 2)
    way = functional.normalize(way + 1e-6 * out, dim=-1)
    across = functional.normalize(torch.linalg.cross(way, out), dim=-1)
    lifted = torch.linalg.cross(across, way)
    turn = (roll * roll_spread)[..., None, None]
    sideways = across * turn.cos() + lifted * turn.sin()
    along = torch.linspace(0, 1, steps, device=points.device)
    half = 0.5 * width[..., None] * _profile(along, blunt)
    edge = sideways * half[..., None]
    both = torch.stack([points - edge, points + edge], 3).reshape(people, -1, 3)
    triangles = _triangles(count, steps, points.device)
    drawn = strands.grows.repeat_interleave(strip_triangles(steps), 1)
    shown = torch.where(drawn[..., None], triangles, -1)
    shape = (people, count, steps, 2)
    v = along.new_tensor([0.0, 1.0])
    texture = torch.stack(
        [
            along[:, None].expand(shape), v.expand(shape), strands.random[..., None, None].expand(shape),
            occlusion[..., None].expand(shape),
        ], -1,
    ).reshape(people, -1, 4)  # fmt: skip
    tangent = way[:, :, :, None].expand(*shape, 3).reshape(people, -1, 3)
    return both, shown, texture, tangent
