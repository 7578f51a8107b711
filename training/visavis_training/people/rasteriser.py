"""A z-buffer for many pictures at once: which triangle each pixel shows, with exact weights and depth, on CPU or CUDA.

Pixel (row, column) has its centre at x = column + 0.5, y = row + 0.5; a picture spans 0..width and 0..height. Adjacent
triangles leave no hole and never share a pixel; of equal depths the lower triangle wins; the same input gives the same
bits every time. Knows nothing of cameras, faces or labels, and has no gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from visavis_training.people.compiled_kernels import Kernels, kernels

SOURCE = Path(__file__).with_name("rasteriser.cu")
NEAR = 0.1
"""Triangles with a corner nearer than this (dm) are left out whole: nobody stands at the lens."""
MOST_PIXELS = 16384
"""Longest side of a picture. Corners may lie 65 536 px away from its origin; triangles that reach farther are left
out."""
LARGE_BLOCKS = 2048
_ALL_SAMPLES = 0xFFFF

Facing = Literal["both", "front", "back"]
_FACING: dict[str, int] = {"both": 0, "front": 1, "back": 2}

NO_SURFACE, SEEN, HIDDEN, OUTSIDE = range(4)
"""What `sight` answers: no point was asked for; it shows; something lies before it; it is not in the picture."""


@dataclass(frozen=True, slots=True)
class Fragments:
    """What B pictures show at each pixel."""

    triangle: Tensor
    """int32 (B, H, W): index of the nearest triangle, -1 where there is none."""
    weights: Tensor
    """float32 (B, H, W, 3): shares of its corners at the point shown, summing to 1; zeros where there is none."""
    depth: Tensor
    """float32 (B, H, W): depth of that point, infinite where there is none."""

    @property
    def mask(self) -> Tensor:
        """(B, H, W) bool: where anything is shown."""
        return self.triangle >= 0


def as_triangles(triangles: Tensor, device: torch.device | str | None = None) -> Tensor:
    """Corner indices as the kernels read them: int32, contiguous, on `device`. Keep it: converting costs time."""
    return triangles.to(device=device or triangles.device, dtype=torch.int32).contiguous()


def _checked(points: Tensor, triangles: Tensor, height: int, width: int) -> tuple[Kernels, Tensor, Tensor, bool]:
    if points.ndim != 3 or points.shape[-1] != 3 or not points.dtype.is_floating_point:
        raise ValueError(f"points are {points.dtype} {tuple(points.shape)}, expected float (B, V, 3)")
    own = triangles.ndim == 3
    if triangles.shape[-1] != 3 or triangles.ndim not in (2, 3) or (own and triangles.shape[0] != points.shape[0]):
        raise ValueError(f"triangles have shape {tuple(triangles.shape)}, expected (F, 3) or (B, F, 3)")
    if triangles.device != points.device:
        raise ValueError(f"triangles are on {triangles.device}, points on {points.device}")
    if not (0 < height <= MOST_PIXELS and 0 < width <= MOST_PIXELS):
        raise ValueError(f"a picture of {height} x {width} px cannot be drawn, at most {MOST_PIXELS} a side")
    if points.shape[0] * max(triangles.shape[-2], points.shape[1]) >= 2**31:
        raise ValueError("too many triangles in one call: split the batch")
    indices = as_triangles(triangles)
    if points.device.type == "cpu" and indices.numel() and int(indices.max()) >= points.shape[1]:
        raise ValueError(f"a triangle names vertex {int(indices.max())} of {points.shape[1]}")
    return kernels(SOURCE, points.device), points.detach().float().contiguous(), indices, own


def rasterise(
    points: Tensor,
    triangles: Tensor,
    height: int,
    width: int,
    *,
    facing: Facing = "both",
    near: float = NEAR,
    perspective: bool = True,
) -> Fragments:
    """Draw one mesh in B poses (or B meshes) into B pictures.

    Args:
        points: float (B, V, 3): x, y in px, depth growing away from the viewer.
        triangles: (F, 3) for all, or (B, F, 3); converted to int32 if it is not. Rows with an index that is no vertex
            (-1, as padding) are left out; on the CPU an index that is too high raises.
        height: of the pictures in px.
        width: of the pictures in px.
        facing: "front" draws only triangles whose corners run counter-clockwise on the picture (MakeHuman's outside).
        near: triangles with a corner nearer than this, or not finite, are left out.
        perspective: depth is the distance along a pinhole camera's axis, so weights are corrected for it; otherwise
            x, y and depth are taken as they are (a parallel projection, or a texture's own space).

    Raises:
        ValueError: wrong shapes, or `near` is not positive in perspective.
        EngineError: there is no compiler for this device.
    """
    ready, points, triangles, own = _checked(points, triangles, height, width)
    if perspective and not near > 0:
        raise ValueError(f"near is {near}: in perspective it must lie before the lens")
    people, vertices, faces = points.shape[0], points.shape[1], triangles.shape[-2]
    device = points.device
    keys = torch.full((people, height, width), -1, dtype=torch.int64, device=device)
    mesh = (points, triangles, own)
    limits = (vertices, faces, height, width, float(near))
    large, large_count = _large_list(people * faces, device)
    rest = (keys, large, large_count, *limits, _FACING[facing], perspective)
    ready.launch("nearest_small", people * faces, *mesh, *rest)
    ready.launch("nearest_large", 0, *mesh, *rest, blocks=min(people * faces, LARGE_BLOCKS))
    triangle = torch.empty((people, height, width), dtype=torch.int32, device=device)
    weights = torch.empty((people, height, width, 3), device=device)
    depth = torch.empty((people, height, width), device=device)
    shown = (triangle, weights, depth)
    ready.launch("resolve", keys.numel(), *mesh, keys, *shown, *limits, perspective, float("inf"))
    return Fragments(*shown)


def coverage(
    points: Tensor,
    triangles: Tensor,
    height: int,
    width: int,
    *,
    facing: Facing = "both",
    near: float = NEAR,
    drawn: Fragments | None = None,
    before: Tensor | None = None,
) -> Tensor:
    """float32 (B, H, W), 0..1: the share of each pixel that any triangle covers, in sixteenths.

    Arguments and errors as for `rasterise`. Sixteen places are looked at in each pixel, none in line with another.
    With `drawn`, what `rasterise` made of the same, pixels within the surface (covered, as are the eight around them)
    count as whole and cost little: blind only to holes that no pixel's centre falls into. With `before`, float32
    (B, H, W), only triangles nearer than this depth count.
    """
    ready, points, triangles, own = _checked(points, triangles, height, width)
    people, vertices, faces = points.shape[0], points.shape[1], triangles.shape[-2]
    if drawn is None:
        samples = torch.zeros((people, height, width), dtype=torch.int32, device=points.device)
    else:
        open_near = torch.nn.functional.max_pool2d((~drawn.mask).float(), 3, 1, 1)
        samples = torch.where(open_near > 0, 0, _ALL_SAMPLES).int().contiguous()
    large, large_count = _large_list(people * faces, points.device)
    limit = None if before is None else before.float().contiguous()
    rest = (samples, limit, large, large_count, vertices, faces, height, width, float(near), _FACING[facing])
    ready.launch("cover_small", people * faces, points, triangles, own, *rest)
    ready.launch("cover_large", 0, points, triangles, own, *rest, blocks=min(people * faces, LARGE_BLOCKS))
    share = torch.empty((people, height, width), device=points.device)
    ready.launch("share_covered", samples.numel(), samples, share)
    return share


def _large_list(count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Room for the triangles that one thread would be too slow for, and how many there are."""
    return torch.empty(max(count, 1), dtype=torch.int32, device=device), torch.zeros(
        1, dtype=torch.int32, device=device
    )


def interpolate(values: Tensor, triangles: Tensor, fragments: Fragments) -> Tensor:
    """What the surface carries, at every pixel: float32 (B, H, W, C), zeros where nothing is shown.

    Args:
        values: float (B, V, C), or (V, C) for all.
        triangles: those that were drawn, or others of the same count (a texture's own corners, say).
        fragments: of `rasterise`.

    Raises:
        ValueError: wrong shapes.
    """
    people, height, width = fragments.triangle.shape
    own_values, own_triangles = values.ndim == 3, triangles.ndim == 3
    if values.ndim not in (2, 3) or (own_values and values.shape[0] != people):
        raise ValueError(f"values have shape {tuple(values.shape)}, expected (V, C) or ({people}, V, C)")
    values, triangles = values.detach().float().contiguous(), as_triangles(triangles)
    vertices, channels = values.shape[-2:]
    result = torch.empty((people, height, width, channels), device=values.device)
    drawn = (fragments.triangle.contiguous(), fragments.weights.contiguous())
    sizes = (vertices, triangles.shape[-2], channels, height * width)
    ready = kernels(SOURCE, values.device)
    ready.launch("gather", result.numel(), values, own_values, triangles, own_triangles, *drawn, result, *sizes)
    return result


def per_triangle(values: Tensor, fragments: Fragments, nothing: int | float = 0) -> Tensor:
    """(B, H, W): a property of each triangle (F,) at every pixel; `nothing` where none is shown."""
    found = values[fragments.triangle.clamp(min=0).long()]
    return torch.where(fragments.mask, found, nothing).to(values.dtype)


def vote(shares: Tensor, triangles: Tensor, fragments: Fragments, nothing: int) -> Tensor:
    """The class with the greatest interpolated share at every pixel: uint8 (B, H, W).

    Borders between classes run smoothly through triangles, where `per_triangle` would follow their edges.

    Args:
        shares: float (V, K) of each class at each vertex.
        triangles: that were drawn.
        fragments: of `rasterise`.
        nothing: the answer where nothing is shown.
    """
    height, width = fragments.triangle.shape[1:]
    shares, triangles = shares.detach().float().contiguous(), as_triangles(triangles)
    result = torch.empty(fragments.triangle.shape, dtype=torch.uint8, device=shares.device)
    drawn = (fragments.triangle.contiguous(), fragments.weights.contiguous())
    sizes = (triangles.shape[-2], shares.shape[1], height * width, nothing)
    ready = kernels(SOURCE, shares.device)
    ready.launch("vote", result.numel(), shares, triangles, triangles.ndim == 3, *drawn, result, *sizes)
    return result


def sight(
    queries: Tensor,
    points: Tensor,
    triangles: Tensor,
    fragments: Fragments,
    *,
    own_triangle: Tensor | None = None,
    own_points: Tensor | None = None,
    picture_of: Tensor | None = None,
    tolerance: float = 0.004,
    near: float = NEAR,
    perspective: bool = True,
    closed: int | None = None,
) -> Tensor:
    """Whether points of a surface show in pictures that have been drawn: uint8 (B, N), `SEEN`, `HIDDEN`, `OUTSIDE`.

    A point is hidden if the surface that its pixel shows lies before it by more than `tolerance` there. Borders of what
    hides are true to one pixel.

    Args:
        queries: float (B, N, 3): x, y in px of the picture, and depth.
        points: float (R, V, 3) that were drawn into `fragments`.
        triangles: that were drawn.
        fragments: R pictures.
        own_triangle: int32 (B, N): the triangle that each point lies on, which never hides it; at -1 the answer is
            `NO_SURFACE`.
        own_points: float (B, V, 3) of the pictures that the queries come from: a triangle that turned its other side
            to `fragments` than to these is hidden. Without, points just behind an outline count as seen.
        picture_of: (B,) which of the R pictures each row asks about; its own if not given.
        tolerance: in units of depth (dm: 0.004 is 0.4 mm, less than a lid is thick).
        near: nearest depth that can be seen.
        perspective: as drawn.
        closed: how many of the triangles, the first ones, belong to closed surfaces; the others (strands, cloth) are
            seen from both sides. All if not given.

    Raises:
        ValueError: wrong shapes.
    """
    people, count = queries.shape[:2]
    _, height, width = fragments.triangle.shape
    if own_triangle is not None and own_triangle.shape != (people, count):
        raise ValueError(f"own_triangle has shape {tuple(own_triangle.shape)}, expected {(people, count)}")
    if own_points is not None and own_points.shape != (people, *points.shape[1:]):
        raise ValueError(f"own_points have shape {tuple(own_points.shape)}, expected {(people, *points.shape[1:])}")
    if picture_of is None:
        if people != points.shape[0]:
            raise ValueError(f"{people} rows ask about {points.shape[0]} pictures: say which")
        picture_of = torch.arange(people, device=queries.device)
    ready, points, triangles, own = _checked(points, triangles, height, width)
    result = torch.empty((people, count), dtype=torch.uint8, device=queries.device)
    asked = (
        queries.detach().float().contiguous(),
        None if own_triangle is None else own_triangle.to(torch.int32).contiguous(),
        None if own_points is None else own_points.detach().float().contiguous(),
        picture_of.to(device=queries.device, dtype=torch.int32).contiguous(),
    )
    drawn = (points, triangles, own, fragments.triangle.contiguous(), fragments.depth.contiguous())
    faces = triangles.shape[-2]
    sizes = (count, points.shape[1], faces, height, width, float(near), float(tolerance), perspective)
    ready.launch("look_for", people * count, *asked, *drawn, result, *sizes, faces if closed is None else closed)
    return result


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Which triangles meet at each vertex; made once for a mesh."""

    starts: Tensor
    """int32 (V + 1,): where each vertex's triangles begin in `around`; (B, V + 1) where every mesh has its own."""
    around: Tensor
    """int32 (3 F,): triangle indices, vertex after vertex; or (B, 3 F)."""

    @classmethod
    def of(cls, triangles: Tensor, vertices: int) -> Neighbours:
        """Of triangles (F, 3) over `vertices` vertices; rows of -1 meet nowhere."""
        own = cls.own(triangles[None], vertices)
        return cls(own.starts[0], own.around[0])

    @classmethod
    def own(cls, triangles: Tensor, vertices: int) -> Neighbours:
        """Of B meshes' own triangles (B, F, 3) over `vertices` vertices each; rows of -1 meet nowhere. Never waits."""
        people, faces = triangles.shape[:2]
        corners = triangles.reshape(people, -1).long()
        corners = torch.where(corners < 0, vertices, corners)
        order = torch.argsort(corners, dim=1, stable=True)
        counts = torch.zeros(people, vertices + 1, dtype=torch.int64, device=triangles.device)
        counts.scatter_add_(1, corners, torch.ones_like(corners))
        starts = torch.cat([counts.new_zeros(people, 1), counts.cumsum(1)[:, :-1]], 1)
        return cls(starts.int().contiguous(), (order // 3).int().contiguous())


def vertex_normals(points: Tensor, triangles: Tensor, neighbours: Neighbours) -> Tensor:
    """float32 (B, V, 3): unit normals, each the sum of the areas around it; zeros at vertices without area.

    They point to the side from which corners run counter-clockwise (right-handed axes; with y down and z away from the
    viewer too): outwards on MakeHuman's body. Triangles are (F, 3) with `Neighbours.of`, or each mesh's own (B, F, 3)
    with `Neighbours.own`.

    Raises:
        ValueError: triangles and neighbours do not belong together.
    """
    own = triangles.ndim == 3
    expected = ((points.shape[0],) if own else ()) + (points.shape[1] + 1,)
    if neighbours.starts.shape != expected:
        raise ValueError(f"neighbours of shape {tuple(neighbours.starts.shape)} where {expected} was expected")
    points = points.detach().float().contiguous()
    normals = torch.empty_like(points)
    mesh = (as_triangles(triangles), own, neighbours.starts, neighbours.around)
    ready = kernels(SOURCE, points.device)
    sizes = (points.shape[1], triangles.shape[-2])
    ready.launch("turn_outwards", points.shape[0] * points.shape[1], points, *mesh, normals, *sizes)
    return normals


def downsample(picture: Tensor, factor: int) -> Tensor:
    """(B, H / factor, W / factor, C): the mean of each square of `factor` x `factor` pixels; for pictures, not labels.

    Raises:
        ValueError: `factor` does not divide the sides.
    """
    people, height, width, channels = picture.shape
    if height % factor or width % factor:
        raise ValueError(f"{height} x {width} px cannot be divided by {factor}")
    return picture.reshape(people, height // factor, factor, width // factor, factor, channels).mean((2, 4))
