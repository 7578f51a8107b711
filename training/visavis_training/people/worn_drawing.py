"""Draws what people wear into pictures of them: solid things with the body, strands by their cover, glass over all.

Works on the same fine samples as the body's picture. Knows nothing of what a kind of thing looks like: its shader does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.camera import Camera
from visavis_training.people.fusing import fused
from visavis_training.people.lighting import Lights, ShadowMap
from visavis_training.people.rasteriser import Fragments, coverage, rasterise, vertex_normals
from visavis_training.people.visible import Visible
from visavis_training.people.worn import KINDS, NOT_DRAWN, THIN, Coat, Worn, kind
from visavis_training.people.worn_shading import Spots, noise_tile, shader

SOLID = tuple(k for k in KINDS if k not in (*THIN, "lens"))
_SHADE_DM = 0.10
"""How far around strands the skin gets less light from everywhere."""
_SHADE = 0.55
_IN_PARTS = ("cloth",)
"""Kinds whose shaders are too much to compile as a whole: they fuse parts of themselves."""
_THINGS_REGION = 200
"""What `Visible.region` says where a thing shows: none of the body's, nor nobody."""


@dataclass(frozen=True, slots=True)
class Dressed:
    """N people and what they wear before their cameras, in the cameras' axes."""

    worn: Worn
    """N rows."""
    person: Tensor
    """int64 (N,): rows of the coats."""
    coats: dict[str, Coat]
    """Of B people."""
    view: Tensor
    """float32 (N, V + W, 3)."""
    points: Tensor
    """float32 (N, V + W, 3): x, y in fine px and depth."""
    carried: Tensor
    """float32 (N, W, 16): place, normal, tangent, texture and canonical of the things' points."""
    head: Tensor
    """float32 (N, 3): the middle of each head."""
    bare: int
    """V."""
    body_triangles: int
    """F."""

    @classmethod
    def of(cls, worn: Worn, person: Tensor, body: Tensor, camera: Camera) -> Dressed:
        """Bodies (N, V, 3) of people `person` (N,) who wear what `worn` (B rows) says."""
        coats = dict(worn.things.coats)
        own = worn.rows(person)
        places, tangents = own.bound.carried(body)
        whole = torch.cat([body, places], 1)
        view = camera.view(whole)
        bare, faces = body.shape[1], len(own.bound.wearer.triangles)
        seen = view[:, bare:].contiguous()
        normals = vertex_normals(seen, own.things.triangles, own.around)
        turned = tangents @ camera.rotation.transpose(1, 2)
        carried = torch.cat([seen, normals, turned, own.things.texture, own.canonical[:, bare:]], -1)
        turn, place = own.bound.wearer.skull(view[:, :bare])
        return cls(own, person, coats, view, camera.place(view), carried, place + 0.15 * turn[..., 0], bare, faces)

    def has(self, kinds: Sequence[str]) -> bool:
        """Whether anybody may wear things of these kinds."""
        return any(k in self.coats for k in kinds)

    def of_kinds(self, kinds: Sequence[str]) -> Tensor:
        """int32 (N, G, 3): things' own triangles, numbered within the things, of these kinds; the rest -1."""
        things = self.worn.things
        wanted = torch.zeros_like(things.kind, dtype=torch.bool)
        for name in kinds:
            wanted |= things.kind == kind(name)
        return torch.where(wanted[..., None], things.triangles, NOT_DRAWN)

    def solid(self) -> Tensor:
        """int32 (N, F + G, 3): the body and solid things."""
        things = self.of_kinds(SOLID)
        numbered = torch.where(things < 0, NOT_DRAWN, things + self.bare)
        return torch.cat([self.worn.triangles[:, : self.body_triangles], numbered], 1)

    def draw(self, kinds: Sequence[str], height: int, width: int) -> Fragments:
        """These things alone, numbered within the things."""
        return rasterise(self.points[:, self.bare :], self.of_kinds(kinds), height, width)


Places = tuple[Tensor, Tensor, Tensor]
"""int64 (n,) each: picture, row, column."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """What things are read and lit from: `Dressed` and `Fragments` without what no sample needs."""

    triangle: Tensor
    """int32 (N, H, W)."""
    weights: Tensor
    """float32 (N, H, W, 3)."""
    corners: Tensor
    """int32 (N, G, 3): the things' triangles."""
    carried: Tensor
    person: Tensor
    head: Tensor
    dm_per_px: Tensor
    """float32 (N,)."""
    lights: Lights
    shadow: ShadowMap | None
    tile: Tensor

    @classmethod
    def of(
        cls, dressed: Dressed, shown: Fragments, lights: Lights, shadow: ShadowMap | None, dm_per_px: Tensor
    ) -> _Scene:
        return cls(
            shown.triangle, shown.weights, dressed.worn.things.triangles, dressed.carried, dressed.person, dressed.head,
            dm_per_px, lights, shadow, noise_tile(dm_per_px.device),
        )  # fmt: skip

    def read(self, at: Places, first: int) -> Tensor:
        """(n, 16) what the things carry at places; `first` is the number of their first triangle in `triangle`."""
        corners = self.corners[at[0], self.triangle[at].long() - first].long()
        return (self.carried[at[0][:, None], corners] * self.weights[at][..., None]).sum(1)


def _facing(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Places (n, 3), unit normals turned to the lens, and unit directions to it, of what `_Scene.read` gave."""
    position = values[:, :3]
    towards = functional.normalize(-position, dim=-1)
    normal = functional.normalize(values[:, 3:6], dim=-1)
    return position, torch.where((normal * towards).sum(-1, keepdim=True) < 0, -normal, normal), towards


@fused
def _surfaces(at: Places, scene: _Scene, first: int) -> tuple[Tensor, Tensor, Tensor]:
    return _facing(scene.read(at, first))


def _spots(at: Places, scene: _Scene, first: int, coat: Coat) -> Spots:
    """What things show at places of pictures."""
    frame, values = at[0], scene.read(at, first)
    position, normal, towards = _facing(values)
    _, _, tangent, texture, canonical = values.split((3, 3, 3, 4, 3), -1)
    reach = torch.ones(len(frame), scene.lights.direction.shape[1], device=position.device)
    if scene.shadow is not None:
        reach = torch.cat([scene.shadow.reach_at(frame, position)[:, None], reach[:, 1:]], 1)
    return Spots(
        frame=frame,
        person=scene.person[frame],
        coat=coat,
        position=position,
        normal=normal,
        out=functional.normalize(position - scene.head[frame], dim=-1),
        tangent=functional.normalize(tangent, dim=-1),
        towards=towards,
        texture=texture,
        canonical=canonical,
        reach=reach,
        open=texture[:, 3].clamp(0.0, 1.0),
        dm_per_px=scene.dm_per_px[frame],
        lights=scene.lights,
        tile=scene.tile,
    )


@cache
def _drawn(name: str) -> Callable[[Places, _Scene, int, Coat], Tensor]:
    """Light (n, 3) of things of one kind at places, read and shaded in one go."""
    shade = shader(name)

    def drawn(at: Places, scene: _Scene, first: int, coat: Coat) -> Tensor:
        light: Tensor = shade(_spots(at, scene, first, coat))
        return light

    if name in _IN_PARTS:
        read = fused(_spots)
        return lambda at, scene, first, coat: shade(read(at, scene, first, coat))
    drawn.__qualname__ = f"_drawn.{name}"
    return fused(drawn)


@cache
def _glazing() -> Callable[[Places, Tensor, _Scene, Coat], Tensor]:
    """Light (n, 3) of lenses at places, before light (n, 3)."""
    shade = shader("lens")

    def glazed(at: Places, behind: Tensor, scene: _Scene, coat: Coat) -> Tensor:
        light: Tensor = shade(_spots(at, scene, 0, coat), behind)
        return light

    glazed.__qualname__ = "_drawn.lens"
    return fused(glazed)


def shaded(dressed: Dressed, scene: _Scene, at: Places, first: int, wanted: Sequence[str]) -> Tensor:
    """Linear light (n, 3) of things at places, each by its kind's shader."""
    kinds = dressed.worn.things.kind[at[0], scene.triangle[at].long() - first]
    light = torch.zeros(len(kinds), 3, device=scene.carried.device)
    names = [name for name in wanted if name in dressed.coats]
    numbers = torch.tensor([kind(name) for name in names], dtype=kinds.dtype, device=kinds.device)
    order = kinds.argsort()
    lower = (kinds[:, None] < numbers).sum(0)
    bounds = torch.stack([lower, lower + (kinds[:, None] == numbers).sum(0)], 1).tolist()
    for name, (start, end) in zip(names, bounds, strict=True):
        if end > start:
            chosen = order[start:end]
            places = (at[0][chosen], at[1][chosen], at[2][chosen])
            light[chosen] = _drawn(name)(places, scene, first, dressed.coats[name])
    return light


@dataclass(frozen=True, slots=True)
class Strands:
    """Hair of N pictures, over what lies behind it."""

    cover: Tensor
    """float32 (N, H, W): share of each sample that hair before everything else covers."""
    shown: Fragments

    @classmethod
    def of(cls, dressed: Dressed, solid: Fragments) -> Strands | None:
        """Of people before whom `solid` is seen; None if nobody has hair."""
        if not dressed.has(THIN):
            return None
        height, width = solid.depth.shape[1:]
        triangles = dressed.of_kinds(THIN)
        points = dressed.points[:, dressed.bare :].contiguous()
        shown = rasterise(points, triangles, height, width)
        return cls(coverage(points, triangles, height, width, before=solid.depth), shown)

    def shade(self, dm_per_px: Tensor) -> Tensor:
        """float32 (N, H, W): how much light from everywhere strands leave to skin beside and under them."""
        taps = torch.arange(-12, 13, device=self.cover.device, dtype=torch.float32)
        sigma = (_SHADE_DM / dm_per_px).clamp(0.5, 8.0)[:, None]
        kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
        kernel = (kernel / kernel.sum(1, keepdim=True))[:, None]
        people = len(kernel)
        soft = functional.conv2d(self.cover[None], kernel[:, :, None], padding=(0, 12), groups=people)
        soft = functional.conv2d(soft, kernel[..., None], padding=(12, 0), groups=people)[0]
        return 1.0 - _SHADE * soft

    def light(
        self, dressed: Dressed, solid: Fragments, lights: Lights, shadow: ShadowMap | None, dm_per_px: Tensor
    ) -> Tensor:
        """Linear light (N, H, W, 3) of the strands, also where they cover a sample but miss its middle."""
        at = ((self.shown.triangle >= 0) & (self.cover > 0)).nonzero(as_tuple=True)
        lit = shaded(dressed, _Scene.of(dressed, self.shown, lights, shadow, dm_per_px), at, 0, THIN)
        own = torch.zeros(*self.cover.shape, 4, device=self.cover.device)
        own[at] = torch.cat([lit, torch.ones_like(lit[:, :1])], -1)
        near = own
        for _ in range(2):
            near = functional.avg_pool2d(near.permute(0, 3, 1, 2), 3, 1, 1).permute(0, 2, 3, 1)
            near = torch.where(own[..., 3:] > 0, own, near / near[..., 3:].clamp(min=1e-6))
            near = torch.where(near[..., 3:] > 0.5, near, torch.zeros_like(near))
        return near[..., :3]


def add_solids(
    dressed: Dressed, shown: Fragments, visible: Visible, lights: Lights, shadow: ShadowMap | None
) -> tuple[Places, Tensor]:
    """Put solid things into what `visible` says; returns where they are and their light (n, 3)."""
    first = dressed.body_triangles
    at = (shown.triangle >= first).nonzero(as_tuple=True)
    scene = _Scene.of(dressed, shown, lights, shadow, visible.dm_per_px)
    visible.position[at], visible.normal[at], visible.towards[at] = _surfaces(at, scene, first)
    visible.region[at] = _THINGS_REGION
    return at, shaded(dressed, scene, at, first, SOLID)


def add_glass(
    dressed: Dressed,
    light: Tensor,
    solid: Fragments,
    strands: tuple[Tensor, Tensor, Strands] | None,
    lights: Lights,
    shadow: ShadowMap | None,
    dm_per_px: Tensor,
) -> Tensor:
    """`light` (N, H, W, 3) with strands (cover, light, and what they are) and lenses over it, in order of depth."""
    cover = None if strands is None else strands[0][..., None]
    if not dressed.has(("lens",)):
        return light if cover is None or strands is None else light + cover * (strands[1] - light)
    glass = dressed.draw(("lens",), *light.shape[1:3])
    before = glass.depth < solid.depth
    if cover is not None and strands is not None:
        behind = (strands[2].shown.depth > glass.depth)[..., None]
        light = torch.where(behind, light + cover * (strands[1] - light), light)
        cover = torch.where(behind, 0.0, cover)
    at = before.nonzero(as_tuple=True)
    scene = _Scene.of(dressed, glass, lights, shadow, dm_per_px)
    light = light.clone()
    light[at] = _glazing()(at, light[at], scene, dressed.coats["lens"])
    return light if cover is None or strands is None else light + cover * (strands[1] - light)
