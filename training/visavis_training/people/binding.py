"""Which place of the skin a point near it belongs to, and how that place moves and turns.

Found once for a person through clusters of the skin's vertices; afterwards gathers alone. Knows nothing of what the
points are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from visavis_training.people.anatomy_building import REGIONS
from visavis_training.people.rasteriser import Neighbours, as_triangles, vertex_normals

OUTER = ("skin", "lips", "ears", "neck", "body")
_CLUSTERS = 512
_NEAR_CLUSTERS = 8
_NEAR_SITES = 2
_SITES_APART_DM = 0.16
_CANDIDATES_AT_ONCE = {"cpu": 1 << 20, "cuda": 1 << 25}
"""Distances computed in one go: what fits a cache, or little of a GPU."""
_SKULL_DM = ((0.72, -0.30, 0.62), (-0.72, -0.30, 0.62), (0.0, -1.25, 0.30))
"""Near these places of the base head lie the vertices that tell how the skull moves: over the ears, on the crown."""


def frames(normal: Tensor, edge: Tensor) -> Tensor:
    """(..., 3, 3) right-handed axes as columns: along `normal` (..., 3), along `edge` across it, and the third."""
    up = torch.nn.functional.normalize(normal, dim=-1)
    along = torch.nn.functional.normalize(edge - (edge * up).sum(-1, keepdim=True) * up, dim=-1)
    return torch.stack([up, along, torch.linalg.cross(up, along)], -1)


@dataclass(frozen=True, slots=True)
class Binding:
    """Places on the skin, W for each of B people."""

    corners: Tensor
    """int64 (B, W, 3) vertices."""
    weights: Tensor
    """float32 (B, W, 3)."""

    def rows(self, index: Tensor) -> Binding:
        """Of people `index` (N,)."""
        return Binding(self.corners[index], self.weights[index])

    def on(self, values: Tensor) -> Tensor:
        """(B, V, C) → (B, W, C) at the places."""
        person = torch.arange(len(values), device=values.device)[:, None, None]
        return (values[person, self.corners] * self.weights[..., None]).sum(2)

    def ground(self, body: Tensor, wearer: Wearer) -> tuple[Tensor, Tensor]:
        """(B, W, 3) the places on bodies (B, V, 3), and (B, W, 3, 3) their frames."""
        outwards = vertex_normals(body, wearer.triangles, wearer.neighbours)
        person = torch.arange(len(body), device=body.device)[:, None, None]
        corners = body[person, self.corners]
        place = (corners * self.weights[..., None]).sum(2)
        normal = (outwards[person, self.corners] * self.weights[..., None]).sum(2)
        return place, frames(normal, corners[:, :, 1] - corners[:, :, 0])


@dataclass(frozen=True, slots=True)
class Wearer:
    """What binding needs to know of the body's topology."""

    triangles: Tensor
    """int32 (F, 3)."""
    drawn: Tensor
    """int32 (F, 3): the same less lashes, which pictures draw as strands."""
    region: Tensor
    """uint8 (F,)."""
    canonical: Tensor
    """float32 (V, 3)."""
    neighbours: Neighbours
    sites: Binding
    """One row of S places on the outer skin, nowhere far apart: its vertices, and more within large triangles."""
    middles: Tensor
    """int64 (C,): a site in the middle of each cluster."""
    members: Tensor
    """int64 (C, M): sites of each cluster; short ones repeat their first."""
    fans: Tensor
    """int64 (S, R): triangles that a place near each site may lie on; short ones repeat their first."""
    anchors: Tensor
    """int64 (3,): vertices that only move as the skull does."""

    @classmethod
    def of(cls, anatomy: Any, *, without: tuple[str, ...] = ("lashes",)) -> Wearer:
        """Of an `Anatomy`, on its device; triangles of regions `without` are not drawn."""
        still = anatomy.still_vertices()
        aims = anatomy.canonical.new_tensor(_SKULL_DM)
        anchors = still[torch.cdist(aims, anatomy.canonical[still]).argmin(1)]
        return cls.make(anatomy.triangles, anatomy.region, anatomy.canonical, anchors, without=without)

    @classmethod
    def make(
        cls,
        triangles: Tensor,
        region: Tensor,
        canonical: Tensor,
        anchors: Tensor,
        names: tuple[str, ...] = REGIONS,
        without: tuple[str, ...] = (),
    ) -> Wearer:
        """From plain tensors on one device; things are bound to triangles of the regions `OUTER`."""
        device, count = canonical.device, len(canonical)
        region = region.to(device, torch.uint8)
        drawn = as_triangles(triangles, device).clone()
        for left_out in without:
            drawn[region == names.index(left_out)] = -1
        outer = torch.isin(region, torch.tensor([names.index(n) for n in OUTER], device=device, dtype=torch.uint8))
        rows = outer.nonzero()[:, 0]
        corners = triangles.to(device).long()[rows]
        vertices, place = corners.reshape(-1).unique(return_inverse=True)
        order = place.argsort(stable=True)
        counts = torch.bincount(place, minlength=len(vertices))
        starts = counts.cumsum(0) - counts
        slot = torch.arange(int(counts.max()), device=device)
        slot = torch.where(slot < counts[:, None], slot, 0)
        fans = rows[order // 3][starts[:, None] + slot]
        inner, weights = _within(canonical, corners)
        at = torch.cat([vertices[:, None].expand(-1, 3), corners[inner]])
        alone = torch.tensor([[1.0, 0.0, 0.0]], device=device).expand(len(vertices), 3)
        sites = Binding(at[None], torch.cat([alone, weights])[None])
        fans = torch.cat([fans, rows[inner][:, None].expand(-1, fans.shape[1])])
        middles, members = _clusters(sites.on(canonical[None].float())[0])
        whole = as_triangles(triangles, device)
        return cls(
            whole, drawn, region, canonical.float(), Neighbours.of(whole, count), sites, middles, members, fans,
            anchors.to(device).long(),
        )  # fmt: skip

    def skull(self, body: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 3) turn and (B, 3) place of the skull of bodies (B, V, 3), from its own frame to theirs."""
        left, right, crown = body[:, self.anchors].unbind(1)
        return frames(crown - (left + right) / 2, left - right), (left + right) / 2

    def nearest(self, body: Tensor, points: Tensor) -> Binding:
        """The nearest place on the outer skin of bodies (B, V, 3) to each of points (B, W, 3)."""
        people, count = points.shape[:2]
        everybody = Binding(*(x.expand(people, -1, -1) for x in (self.sites.corners, self.sites.weights)))
        sites = everybody.on(body)
        corners = torch.zeros(people, count, 3, dtype=torch.int64, device=points.device)
        weights = torch.zeros(people, count, 3, device=points.device)
        step = max(
            1, _CANDIDATES_AT_ONCE.get(points.device.type, 1 << 20) // (people * _NEAR_CLUSTERS * self.members.shape[1])
        )
        for first in range(0, count, step):
            part = slice(first, first + step)
            corners[:, part], weights[:, part] = self._nearest(body, sites, points[:, part])
        return Binding(corners, weights)

    def _nearest(self, body: Tensor, sites: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        person = torch.arange(len(body), device=body.device)[:, None, None]
        near = torch.cdist(points, sites[:, self.middles]).topk(_NEAR_CLUSTERS, largest=False).indices
        candidates = self.members[near].flatten(2)  # (B, n, near M)
        away = (sites[person, candidates] - points[:, :, None]).square().sum(-1)
        site = candidates.gather(2, away.topk(_NEAR_SITES, largest=False).indices)
        fan = self.triangles.long()[self.fans[site].flatten(2)]  # (B, n, near R, 3)
        triangle = body[person[..., None], fan]
        weights = closest_weights(points[:, :, None], triangle)
        away = ((triangle * weights[..., None]).sum(-2) - points[:, :, None]).square().sum(-1)
        best = away.argmin(2)[:, :, None, None].expand(-1, -1, 1, 3)
        return fan.gather(2, best)[:, :, 0], weights.gather(2, best)[:, :, 0]


def _within(canonical: Tensor, corners: Tensor) -> tuple[Tensor, Tensor]:
    """Places within large triangles (T, 3): which triangle int64 (n,), and weights (n, 3)."""
    places = canonical[corners]
    longest = (places - places.roll(1, 1)).norm(dim=-1).amax(1)
    parts = (longest / _SITES_APART_DM).ceil().long()
    found, weights = [], []
    for number in range(2, int(parts.max()) + 1):
        rows = (parts == number).nonzero()[:, 0]
        grid = [((i + 1 / 3) / number, (j + 1 / 3) / number) for i in range(number) for j in range(number - i)]
        share = torch.tensor([(1 - u - v, u, v) for u, v in grid], device=canonical.device)
        found.append(rows.repeat_interleave(len(grid)))
        weights.append(share.repeat(len(rows), 1))
    if not found:
        return corners.new_zeros(0), canonical.new_zeros(0, 3)
    return torch.cat(found), torch.cat(weights).to(canonical.dtype)


def _clusters(sites: Tensor) -> tuple[Tensor, Tensor]:
    """Middles (C,) and members (C, M) of equally large clusters of sites (S, 3), by halving along the longest way."""
    groups = [torch.arange(len(sites), device=sites.device)]
    while len(groups) < _CLUSTERS and len(groups[0]) > 4:
        halves = []
        for group in groups:
            places = sites[group]
            order = places[:, int((places.amax(0) - places.amin(0)).argmax())].argsort()
            halves += [group[order[: len(order) // 2]], group[order[len(order) // 2 :]]]
        groups = halves
    size = max(map(len, groups))
    middles, members = [], []
    for group in groups:
        places = sites[group]
        middles.append(group[(places - places.mean(0)).norm(dim=-1).argmin()])
        members.append(torch.cat([group, group[:1].expand(size - len(group))]))
    return torch.stack(middles), torch.stack(members)


def closest_weights(points: Tensor, triangles: Tensor) -> Tensor:
    """(..., 3) weights of the corners at the place of triangles (..., 3, 3) closest to points (..., 3)."""
    shape = torch.broadcast_shapes(points.shape[:-1], triangles.shape[:-2])
    points, triangles = points.expand(*shape, 3), triangles.expand(*shape, 3, 3)
    a, b, c = triangles.unbind(-2)
    ab, ac, bc = b - a, c - a, c - b

    def dot(p: Tensor, q: Tensor) -> Tensor:
        return (p * q).sum(-1)

    def share(way: Tensor, start: Tensor) -> Tensor:
        return (dot(points - start, way) / dot(way, way).clamp(min=1e-12)).clamp(0, 1)

    normal = torch.linalg.cross(ab, ac)
    square = dot(normal, normal).clamp(min=1e-18)
    away = points - a
    v = dot(torch.linalg.cross(away, ac), normal) / square
    w = dot(torch.linalg.cross(ab, away), normal) / square
    inner = torch.stack([1 - v - w, v, w], -1)
    on_ab, on_ac, on_bc = share(ab, a), share(ac, a), share(bc, b)
    nil = torch.zeros_like(on_ab)
    edges = torch.stack(
        [
            torch.stack([1 - on_ab, on_ab, nil], -1),
            torch.stack([1 - on_ac, nil, on_ac], -1),
            torch.stack([nil, 1 - on_bc, on_bc], -1),
        ],
        -2,
    )
    place = (edges[..., None] * triangles[..., None, :, :]).sum(-2)
    best = (place - points[..., None, :]).square().sum(-1).argmin(-1)
    edge = edges.gather(-2, best[..., None, None].expand(*best.shape, 1, 3))[..., 0, :]
    return torch.where((inner.amin(-1) >= 0)[..., None], inner, edge)
