"""Draws what people wear into pictures of them: solid things with the body, strands by their cover, glass over all.

Works on the same fine samples as the body's picture. Knows nothing of what a kind of thing looks like: its shader does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.camera import Camera
from visavis_training.people.lighting import Lights, ShadowMap
from visavis_training.people.rasteriser import Fragments, coverage, rasterise, vertex_normals
from visavis_training.people.visible import Visible
from visavis_training.people.worn import KINDS, NOT_DRAWN, THIN, Coat, Worn, kind
from visavis_training.people.worn_shading import Spots, shader

SOLID = tuple(k for k in KINDS if k not in (*THIN, "lens"))
_SHADE_DM = 0.10
"""How far around strands the skin gets less light from everywhere."""
_SHADE = 0.55
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


def spots(
    dressed: Dressed,
    shown: Fragments,
    at: Places,
    first: int,
    lights: Lights,
    shadow: ShadowMap | None,
    dm_per_px: Tensor,
) -> tuple[Spots, Tensor]:
    """What things show at places of pictures, with no coat yet, and the kind (n,) of each.

    Args:
        dressed: the people.
        shown: pictures.
        at: where things show in them.
        first: number of the things' first triangle in `shown`.
        lights: of N pictures.
        shadow: of the main lamp.
        dm_per_px: float32 (N,).
    """
    frame = at[0]
    triangle = shown.triangle[at].long() - first
    corners = dressed.worn.things.triangles[frame, triangle].long()
    values = (dressed.carried[frame[:, None], corners] * shown.weights[at][..., None]).sum(1)
    position, normal, tangent, texture, canonical = values.split((3, 3, 3, 4, 3), -1)
    towards = functional.normalize(-position, dim=-1)
    normal = functional.normalize(normal, dim=-1)
    normal = torch.where((normal * towards).sum(-1, keepdim=True) < 0, -normal, normal)
    reach = torch.ones(len(frame), lights.direction.shape[1], device=position.device)
    if shadow is not None:
        reach[:, 0] = shadow.reach_at(frame, position)
    found = Spots(
        frame=frame,
        person=dressed.person[frame],
        coat={},
        position=position,
        normal=normal,
        out=functional.normalize(position - dressed.head[frame], dim=-1),
        tangent=functional.normalize(tangent, dim=-1),
        towards=towards,
        texture=texture,
        canonical=canonical,
        reach=reach,
        open=texture[:, 3].clamp(0.0, 1.0),
        dm_per_px=dm_per_px[frame],
        lights=lights,
    )
    return found, dressed.worn.things.kind[frame, triangle]


def shaded(dressed: Dressed, found: Spots, kinds: Tensor, wanted: Sequence[str]) -> Tensor:
    """Linear light (n, 3) of things, each by its kind's shader."""
    light = torch.zeros_like(found.position)
    names = [name for name in wanted if name in dressed.coats]
    numbers = torch.tensor([kind(name) for name in names], dtype=kinds.dtype, device=kinds.device)
    order = kinds.argsort()
    lower = (kinds[:, None] < numbers).sum(0)
    bounds = torch.stack([lower, lower + (kinds[:, None] == numbers).sum(0)], 1).tolist()
    for name, (start, end) in zip(names, bounds, strict=True):
        chosen = order[start:end]
        light[chosen] = shader(name)(replace(found.where(chosen), coat=dressed.coats[name]))
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
        found, kinds = spots(dressed, self.shown, at, 0, lights, shadow, dm_per_px)
        own = torch.zeros(*self.cover.shape, 4, device=self.cover.device)
        lit = shaded(dressed, found, kinds, THIN)
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
    at = (shown.triangle >= dressed.body_triangles).nonzero(as_tuple=True)
    found, kinds = spots(dressed, shown, at, dressed.body_triangles, lights, shadow, visible.dm_per_px)
    visible.position[at], visible.normal[at], visible.towards[at] = found.position, found.normal, found.towards
    visible.region[at] = _THINGS_REGION
    return at, shaded(dressed, found, kinds, SOLID)


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
    found, _ = spots(dressed, glass, at, 0, lights, shadow, dm_per_px)
    light = light.clone()
    light[at] = shader("lens")(replace(found, coat=dressed.coats["lens"]), light[at])
    return light if cover is None or strands is None else light + cover * (strands[1] - light)
