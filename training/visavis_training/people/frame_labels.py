"""Exact labels of driven frames against their reference frames: what was where, what was seen, and what is what.

All of it is computed from the surface itself, nothing is estimated from pictures. Labels are hard (taken at pixel
centres); only the matte is soft. Knows nothing of looks, light or how a face is posed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from visavis_models.face.topology import MESH_COUNT
from visavis_training.people.camera import Camera
from visavis_training.people.rasteriser import (
    HIDDEN,
    NO_SURFACE,
    OUTSIDE,
    SEEN,
    Facing,
    Fragments,
    Neighbours,
    as_triangles,
    coverage,
    interpolate,
    rasterise,
    sight,
    vertex_normals,
    vote,
)
from visavis_training.people.worn import Worn

__all__ = [
    "BACKGROUND",
    "HIDDEN",
    "NO_SURFACE",
    "OUTSIDE",
    "SEEN",
    "FrameLabels",
    "Points",
    "Shot",
    "Surface",
    "pixel_centres",
]

BACKGROUND = 255
"""Region where nobody is."""
SURFACE_TOLERANCE_DM = 0.004
FOLD_DM = 0.02
"""Landmarks of lips and lids lie in folds: one that is this little under the surface still counts as seen."""
CLOTHED_DM = 0.4
"""Points of the body count as seen under clothes: this little under what shows."""
LEAST_COSINE = -0.05
"""Points whose surface is turned farther away from the lens than this show only if something next to them does."""


@dataclass(frozen=True, slots=True)
class Points:
    """Points that lie on triangles of the surface."""

    corners: Tensor
    """int64 (N, 3) vertex indices."""
    weights: Tensor
    """float32 (N, 3)."""
    fold_dm: Tensor
    """float32 (N,): how far under what shows a point may lie and still count as seen."""

    @classmethod
    def on(cls, corners: Tensor, weights: Tensor, device: torch.device | str) -> Points:
        """Points on `device`; from number 468 on (irises, under thin lids) without folds."""
        fold_dm = torch.full((len(corners),), FOLD_DM)
        fold_dm[MESH_COUNT:] = SURFACE_TOLERANCE_DM
        return cls(corners.long().to(device), weights.float().to(device), fold_dm.to(device))

    def of(self, values: Tensor) -> Tensor:
        """(B, V, C) → (B, N, C) at the points."""
        return (values[:, self.corners] * self.weights[..., None]).sum(2)


@dataclass(frozen=True, slots=True)
class Surface:
    """What does not change when a person moves, on one device."""

    triangles: Tensor
    """int32 (F, 3); rows of -1 are not drawn."""
    region: Tensor
    """uint8 (F,): index into the anatomy's names of regions."""
    region_shares: Tensor
    """float32 (V, K): how much of each region lies around each vertex, so that borders need not follow triangles."""
    canonical: Tensor
    """float32 (V, 3): coordinates that name a place on everybody's surface."""
    landmarks: Points
    """478 points, MediaPipe's topology."""
    body: Points
    """Points of the body; may be none."""
    neighbours: Neighbours
    """Of the triangles that are drawn."""

    @classmethod
    def make(
        cls,
        triangles: Tensor,
        region: Tensor,
        canonical: Tensor,
        landmarks: tuple[Tensor, Tensor],
        body: tuple[Tensor, Tensor] | None = None,
        device: torch.device | str = "cpu",
        *,
        without: Sequence[int] = (),
    ) -> Surface:
        """From plain tensors; `landmarks` and `body` are (N, 3) vertex indices with (N, 3) weights.

        Triangles of regions `without` (lashes, say, which are mostly air) are not drawn; the others keep their numbers.
        """
        nobody = (torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, 3))
        marks, parts = (Points.on(*points, device) for points in (landmarks, body or nobody))
        parts = replace(parts, fold_dm=torch.full_like(parts.fold_dm, CLOTHED_DM))
        whole = as_triangles(triangles, device).clone()
        if len(region) != len(triangles):
            raise ValueError(f"{len(region)} regions for {len(triangles)} triangles")
        for left_out in without:
            whole[region.to(device) == left_out] = -1
        shares = _shares(whole, region.to(device), len(canonical))
        neighbours = Neighbours.of(whole, len(canonical))  # of what is drawn: nothing meets at rows of -1
        return cls(
            whole, region.to(device, torch.uint8), shares, canonical.float().to(device), marks, parts, neighbours
        )

    @classmethod
    def of(cls, anatomy: Any, device: torch.device | str = "cpu", *, without: Sequence[int] = ()) -> Surface:
        """Of an `Anatomy`; its `body_points` (corners, weights), where it has some, are carried along."""
        triangles, region, canonical = map(torch.as_tensor, (anatomy.triangles, anatomy.region, anatomy.canonical))
        marks, weights = (torch.as_tensor(x) for x in anatomy.landmarks)
        body = getattr(anatomy, "body_points", None)
        parts = None if body is None else (torch.as_tensor(body[0]), torch.as_tensor(body[1]))
        return cls.make(triangles, region, canonical, (marks, weights), parts, device, without=without)


@dataclass(frozen=True, slots=True)
class Shot:
    """B people before their cameras, drawn."""

    camera: Camera
    view: Tensor
    """float32 (B, V, 3): vertices as the camera sees them, dm."""
    points: Tensor
    """float32 (B, V, 3): x, y in px and depth in dm."""
    fragments: Fragments
    triangles: Tensor
    """int32 (F, 3) or (B, F, 3) that were drawn."""
    worn: Worn | None = None
    """What the people of each row wear; then V counts the things' points too, and F their triangles."""

    @classmethod
    def take(
        cls, vertices: Tensor, surface: Surface, camera: Camera, facing: Facing = "both", *, worn: Worn | None = None
    ) -> Shot:
        """Of people whose vertices (B, V, 3) are in head space, and who wear `worn` (B rows)."""
        if worn is not None:
            vertices = worn.vertices(vertices)
        triangles = surface.triangles if worn is None else worn.triangles
        view = camera.view(vertices)
        points = camera.place(view)
        drawn = rasterise(points, triangles, camera.height, camera.width, facing=facing)
        return cls(camera, view, points, drawn, triangles, worn)

    def normals(self, surface: Surface) -> Tensor:
        """(B, V, 3) unit normals of the smooth surface in the camera's axes."""
        bare = len(surface.canonical)
        body = vertex_normals(self.view[:, :bare], surface.triangles, surface.neighbours)
        if self.worn is None:
            return body
        things = vertex_normals(self.view[:, bare:], self.worn.things.triangles, self.worn.around)
        return torch.cat([body, things], 1)


@dataclass(frozen=True, slots=True)
class FrameLabels:
    """Everything that is known of B driven frames. Maps are (B, H, W, ...) and 0 where nobody is, unless said."""

    flow: Tensor
    """float32 (..., 2) px: from each pixel's centre to where the point it shows lies in the reference frame, so that
    the reference sampled at centre + flow is the reference's own picture of this point. True also where hidden."""
    sight: Tensor
    """uint8: was this point seen in the reference frame? `NO_SURFACE`, `SEEN`, `HIDDEN`, `OUTSIDE` (of its borders)."""
    canonical: Tensor
    """float32 (..., 3)."""
    region: Tensor
    """uint8: region of the anatomy or, after those, of things (`worn.REGIONS`); `BACKGROUND` where nobody is. Glass is
    looked through: lenses count as what lies behind them."""
    depth: Tensor
    """float32 dm along the camera's axis, infinite where nobody is."""
    normals: Tensor
    """float32 (..., 3): unit normals of the smooth surface in the camera's axes; outwards, so z < 0 faces the lens.
    Things, which may be thin as hair, always face it."""
    matte: Tensor
    """float32 0..1: the share of each pixel that the person covers, in sixteenths."""
    landmarks: Tensor
    """float32 (B, 478, 2) px."""
    landmark_seen: Tensor
    """bool (B, 478): in the picture and not behind anything; where it hides in a fold less than 2 mm deep it shows."""
    body: Tensor
    """float32 (B, P, 2) px."""
    body_seen: Tensor
    """bool (B, P)."""
    face: Tensor | None
    """float32 (B, 52): ARKit coefficients that posed the face, as given."""
    head: Tensor | None
    """float32 (B, 6): head pose, as given."""

    @property
    def seen(self) -> Tensor:
        """(B, H, W) bool: pixels whose content the reference frame shows."""
        return self.sight == SEEN

    @property
    def occluded(self) -> Tensor:
        """(B, H, W) bool: pixels of a person that the reference frame does not show."""
        return (self.sight == HIDDEN) | (self.sight == OUTSIDE)

    @classmethod
    def of(
        cls,
        driven: Shot,
        reference: Shot,
        surface: Surface,
        *,
        reference_of: Tensor | None = None,
        face: Tensor | None = None,
        head: Tensor | None = None,
        tolerance_dm: float = SURFACE_TOLERANCE_DM,
    ) -> FrameLabels:
        """Label every frame of `driven`.

        Args:
            driven: B frames.
            reference: R frames of the same people.
            surface: of both bodies; what people wear is in the shots, of both or of neither.
            reference_of: int64 (B,) the reference of each driven frame; the one of its own row if not given.
            face: (B, 52) passed on.
            head: (B, 6) passed on.
            tolerance_dm: how far under the seen surface a point still counts as on it.
        """
        fragments, triangles = driven.fragments, driven.triangles
        people, height, width = fragments.triangle.shape
        mask = fragments.mask[..., None]
        there, camera = reference.view, reference.camera
        if reference_of is not None:
            there, camera = there[reference_of], camera.rows(reference_of)
        # The point itself is interpolated, then seen by the reference's camera: exact, where a blend of pixels is not.
        before = camera.place(interpolate(there, triangles, fragments))
        seen = sight(
            before.reshape(people, -1, 3),
            reference.points,
            reference.triangles,
            reference.fragments,
            own_triangle=fragments.triangle.reshape(people, -1),
            own_points=driven.points,
            picture_of=reference_of,
            tolerance=tolerance_dm,
            closed=len(surface.triangles),
        )
        pixels = pixel_centres(height, width, before.device)
        flow = torch.where(mask, before[..., :2] - pixels, 0.0)
        outwards = driven.normals(surface)
        normals = torch.nn.functional.normalize(interpolate(outwards, triangles, fragments), dim=-1)
        if driven.worn is None:
            canonical = interpolate(surface.canonical, triangles, fragments)
            region = vote(surface.region_shares, triangles, fragments, BACKGROUND)
        else:
            canonical = interpolate(driven.worn.canonical, triangles, fragments)
            region, on_things = _regions(driven.worn, surface, fragments)
            middle, focal = driven.camera.centre_px[:, None, None], driven.camera.focal_px[:, None, None, None]
            away = (normals[..., :2] * (pixels - middle) / focal).sum(-1) + normals[..., 2] > 0
            normals = torch.where((away & on_things)[..., None], -normals, normals)
        marks, marks_seen = _points(driven, surface, surface.landmarks, outwards)
        body, body_seen = _points(driven, surface, surface.body, outwards)
        return cls(
            flow=flow,
            sight=seen.reshape(people, height, width),
            canonical=canonical,
            region=region,
            depth=fragments.depth,
            normals=normals,
            matte=coverage(driven.points, triangles, height, width, drawn=fragments),
            landmarks=marks,
            landmark_seen=marks_seen,
            body=body,
            body_seen=body_seen,
            face=face,
            head=head,
        )


def _shares(triangles: Tensor, region: Tensor, vertices: int) -> Tensor:
    """(V, K): of the drawn triangles around each vertex, how many belong to each region."""
    drawn = triangles[:, 0] >= 0
    corners, kinds = triangles[drawn].long().reshape(-1), region[drawn].long().repeat_interleave(3)
    count = int(region.max()) + 1 if len(region) else 1
    votes = torch.bincount(corners * count + kinds, minlength=vertices * count).reshape(vertices, count).float()
    return votes / votes.sum(1, keepdim=True).clamp(min=1)


def pixel_centres(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """float32 (H, W, 2): x, y of every pixel's centre."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device) + 0.5, torch.arange(width, device=device) + 0.5, indexing="ij"
    )
    return torch.stack([x, y], -1)


def _regions(worn: Worn, surface: Surface, fragments: Fragments) -> tuple[Tensor, Tensor]:
    """(B, H, W) uint8 regions of people and things, and where things show."""
    on_things = fragments.triangle >= len(surface.triangles)
    bare = replace(fragments, triangle=torch.where(on_things, -1, fragments.triangle))
    of_body = vote(surface.region_shares, surface.triangles, bare, BACKGROUND)
    index = fragments.triangle.flatten(1).clamp(min=0).long()
    of_things = worn.region.gather(1, index).reshape(of_body.shape)
    return torch.where(on_things, of_things, of_body), on_things


def _points(shot: Shot, surface: Surface, points: Points, outwards: Tensor) -> tuple[Tensor, Tensor]:
    """Where points of the surface lie in the picture (B, N, 2), and whether they show (B, N)."""
    view = points.of(shot.view)
    at = shot.camera.place(view)
    lifted = torch.cat([at[..., :2], at[..., 2:] - points.fold_dm[:, None]], -1)
    shown = sight(lifted, shot.points, shot.triangles, shot.fragments, tolerance=0.0) == SEEN
    if shot.worn is not None:  # things hide even what lies close under them
        slack = (points.fold_dm - FOLD_DM).clamp(min=0.0)
        shown &= ~_under_things(shot, len(surface.triangles), at - slack[:, None] * at.new_tensor([0.0, 0.0, 1.0]))
    # Just behind an outline nothing lies before a point's pixel, so it must also look at the lens; rims of lids look
    # elsewhere, but lie next to what shows.
    looks = torch.nn.functional.cosine_similarity(points.of(outwards), -view, dim=-1) > LEAST_COSINE
    return at[..., :2], shown & (looks | _is_near(shot, view, at))


def _under_things(shot: Shot, body_triangles: int, at: Tensor) -> Tensor:
    """(B, N) bool: whether the pixel of each place in the picture (B, N, 3) shows a thing that lies before it."""
    triangle, depth = shot.fragments.triangle, shot.fragments.depth
    people, height, width = triangle.shape
    column, row = at[..., 0].long().clamp(0, width - 1), at[..., 1].long().clamp(0, height - 1)
    person = torch.arange(people, device=at.device)[:, None]
    nearer = depth[person, row, column] < at[..., 2] - SURFACE_TOLERANCE_DM / 2
    return (triangle[person, row, column] >= body_triangles) & nearer


def _is_near(shot: Shot, view: Tensor, at: Tensor) -> Tensor:
    """(B, N) bool: whether one of the nine pixels around a point shows the surface within a pixel and a half of it."""
    depth, camera = shot.fragments.depth, shot.camera
    people, height, width = depth.shape
    person = torch.arange(people, device=depth.device)[:, None]
    focal, middle = camera.focal_px[:, None], camera.centre_px[:, None]
    reach = FOLD_DM + 1.5 * at[..., 2] / focal
    near = torch.zeros_like(reach, dtype=torch.bool)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            column = (at[..., 0].clamp(-1, width).floor().long() + right).clamp(0, width - 1)
            row = (at[..., 1].clamp(-1, height).floor().long() + down).clamp(0, height - 1)
            deep = depth[person, row, column]
            pixel = torch.stack([column, row], -1) + 0.5
            place = torch.cat([(pixel - middle) / focal[..., None], torch.ones_like(deep)[..., None]], -1)
            near |= (place * deep[..., None] - view).norm(dim=-1) < reach  # where nothing shows, deep is infinite
    return near
