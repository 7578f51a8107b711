"""One layer of clothing on a batch of people: how it hangs off the skin, where it is cut, and the sheet that is left.

Cloth is a height over the skin along smoothed normals, never less than its ease, so that it cannot pass through the
body. Batched torch. Knows nothing of collars, fabrics or who wears what.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from visavis_training.people.chance import Chance, each, noise, step
from visavis_training.people.fusing import fused
from visavis_training.people.pattern import Pattern, Raster, mean
from visavis_training.people.rasteriser import vertex_normals

NECK_RADIUS_DM = 0.62
"""Of the neck's ring: turns angles into lengths."""
_VEE_SIDE_RAD = 1.25
_HANG_ROUNDS = 22
_FALL_ROUNDS = 18
_COVER_MARGIN_DM = 0.15
_LEAST_DM = 0.016


@dataclass(frozen=True, slots=True)
class Cut:
    """How a layer is cut, float32 (B,) each, dm on the base mesh unless said."""

    back: Tensor
    """How far below the neck's ring the neckline lies at the nape,"""
    side: Tensor
    """on the shoulders"""
    front: Tensor
    """and in front."""
    vee: Tensor
    """0 a round neckline, 1 a pointed one."""
    open_top: Tensor
    """Half the width of an opening down the front at the height of the collar bones; below -1 there is none."""
    open_slope: Tensor
    """How much wider the opening gets each dm farther down; negative ones close."""
    sleeve: Tensor
    """Length of the sleeves from the armhole; negative: the armhole is cut out by this much."""
    waist: Tensor
    """Height y of its upper end, for what is worn on the legs; far above the head for the rest."""
    hem: Tensor
    """Height y at which it ends."""
    ease: Tensor
    """How far off the skin it lies at least."""
    loose: Tensor
    """How much farther off waist and arms."""
    folds: Tensor
    """Height of folds."""

    def rows(self, index: Tensor) -> Cut:
        """Of people `index` (N,)."""
        return Cut(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def neckline(self, angle: Tensor) -> Tensor:
        """(B, ...) dm below the neck's ring at angles (B, ...) or (...) around it."""
        like = angle.ndim - 1 if angle.shape[0] == len(self.back) else angle.ndim
        back, side, front, vee = (each(v, like) for v in (self.back, self.side, self.front, self.vee))
        cosine = angle.cos()
        round_ = side + torch.where(cosine > 0, front - side, back - side) * cosine.square()
        turn = torch.atan2(angle.sin(), cosine).abs()
        inner = (_VEE_SIDE_RAD - turn).clamp(min=0.0)
        start, end = side + NECK_RADIUS_DM, front + NECK_RADIUS_DM
        straight = start * end * math.sin(_VEE_SIDE_RAD)
        line = straight / (start * inner.sin() + end * turn.clamp(max=_VEE_SIDE_RAD).sin()) - NECK_RADIUS_DM
        pointed = torch.where(turn < _VEE_SIDE_RAD, line, side + (back - side) * cosine.square() * (cosine < 0))
        return round_ + vee * (pointed - round_)

    def half_opening(self, height: Tensor) -> Tensor:
        """(B, ...) half the width of the front's opening at heights y (B, ...) or (...) of the base mesh."""
        like = height.ndim - 1 if height.shape[0] == len(self.back) else height.ndim
        return each(self.open_top, like) + each(self.open_slope, like) * (height - 1.4)


@dataclass(frozen=True, slots=True)
class Body:
    """B people's skin where it may be dressed."""

    pattern: Pattern
    skin: Tensor
    """(B, S, 3): what cloth lies on, the skin but for small bumps of the chest, which clothes flatten."""
    normal: Tensor
    """(B, S, 3) unit, of the smoothed skin, outwards."""
    uneven: Tensor
    """(B, S, 3) dm: how much farther than its surroundings a place has moved from the base mesh."""

    @classmethod
    def of(cls, pattern: Pattern, neutral: Tensor) -> Body:
        """Of people with vertices (B, V, 3)."""
        skin = _supported(pattern, _evened(pattern, neutral[:, pattern.vertices]))
        sharp = vertex_normals(skin, pattern.skin_triangles, pattern.neighbours)
        soft = pattern.smoothed(torch.nn.functional.normalize(sharp, dim=-1), 8)
        grown = skin - pattern.base
        uneven = grown - pattern.smoothed(grown, 40)
        return cls(pattern, skin, torch.nn.functional.normalize(soft, dim=-1), uneven)


@dataclass(frozen=True, slots=True)
class Layer:
    """A hung layer; it can be asked for places in its charts."""

    body: Body
    cut: Cut
    height: Tensor
    """(B, S) dm over the skin."""
    removed: Tensor
    """(B, S): > 0 where there is no cloth, < 0 where there is, about dm from the edge."""
    valley: Tensor
    """(B, S) 0..1: how open to the sky it lies among its own folds."""

    @classmethod
    def hang(cls, body: Body, cut: Cut, chance: Chance, name: str, over: Tensor | None = None) -> Layer:
        """Drape cloth over bodies, and over a layer of height `over` (B, S), below 0 where there is none."""
        pattern = body.pattern
        ease = _fallen(body, _bridged(body, _ease(pattern, cut)), cut)
        if over is not None:
            ease = torch.maximum(ease, over + 0.035)
        height = ease
        for _ in range(_HANG_ROUNDS):
            height = _hung(height, ease, body.skin, body.normal, pattern.beside, pattern.beside_weights)
        height = torch.maximum(ease * 0.8, pattern.smoothed(height[..., None], 3)[..., 0])
        # on shoulders cloth lies, it does not stand off
        lies = 0.8 * step(-body.normal[..., 1], 0.2, 0.7) * step(pattern.neck[:, 0], 0.0, 0.25)
        height = height - lies * (height - ease * 0.8).clamp(min=0.0)
        if over is not None:
            height = torch.maximum(height, over + 0.03)
        fold = fold_field(pattern, chance, name) * cut.folds[:, None]
        height = torch.maximum(
            height + fold, ease * 0.55 if over is None else torch.maximum(ease * 0.55, over + 0.02)
        ).clamp(min=_LEAST_DM)
        deeper = pattern.smoothed(height[..., None], 3)[..., 0] - height
        valley = 1 - (deeper * 9).clamp(0, 0.55)
        return cls(body, cut, height, _removed(pattern, cut), valley)

    @property
    def points(self) -> Tensor:
        """(B, S, 3) the uncut cloth."""
        return self.body.skin + self.height[..., None] * self.body.normal

    def on(self, chart: Raster) -> Draped:
        """The layer as a chart shows it."""
        both = torch.cat([self.points, self.body.normal], -1)
        return Draped(chart, chart.read(both))

    def sheet(self) -> tuple[Tensor, Tensor]:
        """(B, S, 3) vertices with those past an edge drawn onto it, and (B, T) bool: which triangles are cloth."""
        pattern = self.body.pattern
        to, way = pattern.slide_to, pattern.slide
        points, removed = self.points, self.removed
        points = points + way[:, None] * (points[:, to] - points)
        removed = removed + way * (removed[:, to] - removed)
        moved, weight = torch.zeros_like(points), torch.zeros_like(removed)
        for column in range(pattern.cloth_beside.shape[1]):
            beside = pattern.cloth_beside[:, column]
            theirs = removed[:, beside]
            crosses = (theirs <= 0) & (removed > 0)
            share = torch.where(crosses, removed / (removed - theirs).clamp(min=1e-6), torch.zeros_like(removed))
            strength = crosses / (share + 0.05)
            moved += strength[..., None] * (share[..., None] * (points[:, beside] - points))
            weight += strength
        points = points + moved / weight.clamp(min=1e-6)[..., None]
        kept = (removed[:, pattern.triangles.long()] <= 0).any(-1)
        return points, kept

    def covers(self) -> Tensor:
        """(B, F) bool: triangles of the anatomy that lie well under this layer."""
        under = self.removed < -_COVER_MARGIN_DM
        corners = self.body.pattern.body_triangles
        return under[:, corners.clamp(min=0)].all(-1) & (corners >= 0).all(-1)


@dataclass(frozen=True, slots=True)
class Draped:
    """Places on a layer by the coordinates of a chart."""

    chart: Raster
    picture: Tensor

    def ground(self, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        """(B, ..., 3) points of the layer at coordinates (B, ...), and its normals."""
        found = self.chart.at(self.picture, row, column)
        return found[..., :3], torch.nn.functional.normalize(found[..., 3:], dim=-1)

    def at(self, row: Tensor, column: Tensor, lift: Tensor) -> Tensor:
        """(B, ..., 3) points `lift` dm over the layer at coordinates (B, ...)."""
        points, normal = self.ground(row, column)
        return points + lift[..., None] * normal


@fused
def _hung(height: Tensor, ease: Tensor, skin: Tensor, normal: Tensor, beside: Tensor, weights: Tensor) -> Tensor:
    """(B, S) heights drawn halfway to where the neighbours' mean lies, not below `ease`."""
    cloth = skin + height[..., None] * normal
    pull = ((mean(cloth, beside, weights) - cloth) * normal).sum(-1)
    return torch.maximum(ease, height + 0.5 * pull)


@fused
def _reached(reach: Tensor, beside: Tensor, drop: Tensor, above: Tensor) -> Tensor:
    """(B, S) how far out cloth lies that falls from what stands out at the neighbours above."""
    return torch.maximum(reach, ((reach[:, beside] - drop) * above).amax(-1))


def _ease(pattern: Pattern, cut: Cut) -> Tensor:
    """(B, S): least height; more at the waist and down the sleeves, less by the neck."""
    height = pattern.base[:, 1]
    waist = step(height, 2.4, 4.6) * (pattern.arms[:, :, 0].amin(0) > 0)
    down = (-pattern.arms[:, :, 0].amin(0)).clamp(min=0.0)
    sleeve = step(down, 0.1, 1.5)
    near_neck = step(pattern.neck[:, 0], -0.15, 0.5)
    more = (0.9 * waist + 0.75 * sleeve)[None] * cut.loose[:, None]
    return cut.ease[:, None] * (0.65 + 0.35 * near_neck) + more


def _evened(pattern: Pattern, skin: Tensor) -> Tensor:
    """(B, S, 3): skin slid along itself until the mesh is as even as the base's, so that stripes run straight."""
    grown = skin - pattern.base
    uneven = grown - pattern.smoothed(grown, 12)
    outward = torch.nn.functional.normalize(vertex_normals(skin, pattern.skin_triangles, pattern.neighbours), dim=-1)
    along = uneven - (uneven * outward).sum(-1, keepdim=True) * outward
    return skin - along.clamp(-0.12, 0.12)


def _supported(pattern: Pattern, skin: Tensor) -> Tensor:
    """(B, S, 3): the chest's front rounded as by what is worn below."""
    base = pattern.base
    chest = step(base[:, 1], 2.2, 2.5) * step(base[:, 1], 4.1, 3.7) * step(base[:, 2], 0.75, 0.45)
    chest = chest * step(base[:, 0].abs(), 1.35, 1.15)
    round_ = pattern.smoothed(skin, 14)
    # smoothing shrinks what bulges: what it takes from the whole breast is given back
    lost = ((skin - round_) * chest[:, None]).clamp(-0.4, 0.4)
    for _ in range(16):
        lost = 0.5 * lost + 0.5 * pattern.mean(lost)
    return skin + chest[:, None] * (round_ + lost - skin)


def _bridged(body: Body, ease: Tensor) -> Tensor:
    """(B, S): ease over small bumps of the body, held as high around them as on them."""
    pattern = body.pattern
    bump = ((body.skin - pattern.smoothed(body.skin, 10)) * body.normal).sum(-1)
    high = bump.clamp(min=0.0)
    for _ in range(4):
        high = torch.maximum(high, 0.97 * high[:, pattern.beside].amax(-1))
    high = pattern.smoothed(high[..., None], 4)[..., 0]
    return ease + (high - bump).clamp(min=0.0)


def _fallen(body: Body, ease: Tensor, cut: Cut) -> Tensor:
    """(B, S): height of cloth that falls from what stands out above, instead of following the body back in."""
    pattern = body.pattern
    axis = body.skin[..., 2].mean(1)[:, None]
    across = torch.stack([body.skin[..., 0], body.skin[..., 2] - axis], -1)
    radius = across.norm(dim=-1)
    outward = (body.normal[..., [0, 2]] * across / radius[..., None].clamp(min=1e-3)).sum(-1)
    trunk = step(pattern.arms[:, :, 0].amin(0), 0.0, 0.25) * step(pattern.base[:, 1], 1.9, 2.4)
    share = trunk * step(outward, 0.25, 0.6)
    inwards = (0.5 - 3.0 * cut.loose[:, None]).clamp(0.06, 0.5)
    height = pattern.base[:, 1]
    reach = radius + ease
    drop = inwards[..., None] * (height[:, None] - height[pattern.beside]).clamp(min=0.0)
    for _ in range(_FALL_ROUNDS):
        reach = _reached(reach, pattern.beside, drop, pattern.above)
    fallen = ((reach - radius) / outward.clamp(min=0.35)).clamp(max=1.2)
    fallen = pattern.smoothed(torch.maximum(fallen, ease)[..., None], 8)[..., 0]
    return ease + share * (fallen - ease).clamp(min=0.0)


def _removed(pattern: Pattern, cut: Cut) -> Tensor:
    away, angle = pattern.neck.unbind(-1)
    gone = cut.neckline(angle) - away
    front = 1 - step(pattern.base[:, 2], 0.85, 1.1)
    opening = (cut.half_opening(pattern.base[:, 1]) - pattern.base[:, 0].abs()) * front - 2.0 * (1 - front)
    gone = torch.maximum(gone, opening)
    trunk = (pattern.arms[:, :, 0].amin(0) > 0).float()
    for arm in pattern.arms:
        turn = 0.55 - 0.45 * arm[:, 1].sin()
        length = torch.where(cut.sleeve[:, None] < 0, cut.sleeve[:, None] * turn, cut.sleeve[:, None])
        gone = torch.maximum(gone, -arm[:, 0] - length)
    gone = torch.maximum(gone, cut.waist[:, None] - pattern.base[:, 1])
    return torch.maximum(gone, pattern.base[:, 1] - cut.hem[:, None] - 20.0 * (1 - trunk))


def fold_field(pattern: Pattern, chance: Chance, name: str) -> Tensor:
    """(B, S) about -1..1: folds that pull from armpits and shoulders, rings on sleeves, slack at the waist."""
    base = pattern.base
    ridge = noise(chance, name + " slack", (base * base.new_tensor([0.8, 1.6, 0.8]))[None], 0.9, 2)
    slack = ridge * step(base[:, 1], 2.6, 4.6)
    total = 0.25 * noise(chance, name + " soft", base[None], 0.8, 2) + 0.45 * slack
    for row, sign in ((0, 1.0), (1, -1.0)):
        pit = base.new_tensor([sign * 1.22, 2.55, 0.75])
        offset = base - pit
        distance = offset.norm(dim=-1)
        angle = torch.atan2(offset[:, 1], sign * offset[:, 0])
        rays = torch.stack([angle * 2.2, distance * 0.35, base[:, 2] * 0.5], -1)
        near = (1 - step(distance, 0.25, 1.25)) * step(distance, 0.02, 0.3) * (base[:, 2] < 1.25)
        pulls = noise(chance, f"{name} pulls {row}", rays[None], 0.9)
        total = total + 0.75 * near * pulls
        down = -pattern.arms[row, :, 0]
        turn = pattern.arms[row, :, 1]
        rings = torch.stack([down * 1.5 + 0.35 * turn.cos(), turn.cos() * 0.5, turn.sin() * 0.5], -1)
        sleeve = step(down, 0.25, 0.9)
        total = total + sleeve * 0.5 * noise(chance, f"{name} rings {row}", rings[None], 1.1, 2)
    return total.clamp(-1.6, 1.6)
