"""What every pixel of a batch of pictures shows, read once from the rasteriser for everything that paints or lights it.

Positions and normals are in the camera's axes (x right, y down, z into the picture), dm. Knows nothing of colours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.rasteriser import (
    Fragments,
    Neighbours,
    as_triangles,
    interpolate,
    per_triangle,
    vertex_normals,
)

NOBODY = 255


@dataclass(frozen=True, slots=True)
class Mesh:
    """What all people share.

    `triangles`, `uv_triangles` int32 (F, 3); `region` int64 (F,), rows of `names`;
    `canonical` float32 (V, 3); `uv` float32 (U, 2); `landmarks` int64 (478, 3) corners and float32 (478, 3) weights.
    """

    triangles: Tensor
    uv_triangles: Tensor
    region: Tensor
    names: tuple[str, ...]
    canonical: Tensor
    uv: Tensor
    landmarks: tuple[Tensor, Tensor]
    neighbours: Neighbours

    @classmethod
    def make(
        cls,
        triangles: Tensor,
        uv_triangles: Tensor,
        region: Tensor,
        names: tuple[str, ...],
        canonical: Tensor,
        uv: Tensor,
        landmarks: tuple[Tensor, Tensor],
        device: torch.device | str = "cpu",
    ) -> Mesh:
        """From plain tensors of any kind of number."""
        return cls(
            as_triangles(triangles, device),
            as_triangles(uv_triangles, device),
            region.to(device).long(),
            names,
            canonical.to(device).float().contiguous(),
            uv.to(device).float().contiguous(),
            (landmarks[0].to(device).long(), landmarks[1].to(device).float()),
            Neighbours.of(triangles.to(device), len(canonical)),
        )

    def only(self, keep: Tensor) -> Mesh:
        """The same with the triangles `keep` (F,) bool."""
        triangles = as_triangles(self.triangles[keep])
        return Mesh(
            triangles, as_triangles(self.uv_triangles[keep]), self.region[keep], self.names, self.canonical, self.uv,
            self.landmarks, Neighbours.of(triangles, len(self.canonical)),
        )  # fmt: skip

    def landmark_places(self, view: Tensor) -> Tensor:
        """(N, 478, 3) of vertices (N, V, 3)."""
        corners, weights = self.landmarks
        return (view[:, corners] * weights[..., None]).sum(2)


@dataclass(frozen=True, slots=True)
class Visible:
    """N pictures.

    `region` int64 (N, H, W), `NOBODY` where there is nobody; the rest float32: `canonical`, `normal`,
    `position` (N, H, W, 3), `uv` (N, H, W, 2); `landmarks` (N, 478, 3); `towards` (N, H, W, 3) unit, to the lens;
    `dm_per_px` (N,) how much of the face a pixel spans.
    """

    names: tuple[str, ...]
    region: Tensor
    canonical: Tensor
    uv: Tensor
    normal: Tensor
    position: Tensor
    towards: Tensor
    landmarks: Tensor
    dm_per_px: Tensor

    @classmethod
    def of(cls, fragments: Fragments, mesh: Mesh, view: Tensor, focal_px: Tensor) -> Visible:
        """Read what `fragments` of vertices `view` (N, V, 3), camera axes, show; `focal_px` (N,)."""
        normals = vertex_normals(view, mesh.triangles, mesh.neighbours)
        both = interpolate(torch.cat([view, normals], -1).contiguous(), mesh.triangles, fragments)
        position, normal = both[..., :3], functional.normalize(both[..., 3:], dim=-1)
        landmarks = mesh.landmark_places(view)
        depth = landmarks[:, [1, 33, 263, 152]].mean(1)[:, 2]
        return cls(
            mesh.names,
            per_triangle(mesh.region, fragments, NOBODY),
            interpolate(mesh.canonical, mesh.triangles, fragments),
            interpolate(mesh.uv, mesh.uv_triangles, fragments),
            normal,
            position,
            functional.normalize(-position, dim=-1),
            landmarks,
            depth / focal_px,
        )

    def where(self, *regions: str) -> Tensor:
        """(N, H, W) bool: pixels of any of the named regions."""
        found = torch.zeros_like(self.region, dtype=torch.bool)
        for name in regions:
            found |= self.region == self.names.index(name)
        return found

    def head_axes(self) -> tuple[Tensor, Tensor]:
        """(N, 3) each, unit and perpendicular: the head's own right (in the picture) and down."""
        across = functional.normalize(self.landmarks[:, 454] - self.landmarks[:, 234], dim=-1)
        along = self.landmarks[:, 152] - self.landmarks[:, 10]
        down = functional.normalize(along - (along * across).sum(-1, keepdim=True) * across, dim=-1)
        return across, down


def turned_eyes(view: Tensor, canonical: Tensor, vertices: Tensor) -> Tensor:
    """(N, 3, 3) how an eye's vertices (n,) are turned in N poses `view` (N, V, 3) from where `canonical` has them."""
    now, before = view[:, vertices], canonical[vertices]
    now = now - now.mean(1, keepdim=True)
    before = before - before.mean(0)
    u, _, vt = torch.linalg.svd(now.transpose(1, 2) @ before)
    flip = torch.ones(len(view), 3, device=view.device)
    flip[:, 2] = torch.linalg.det(u @ vt).sign()
    return (u * flip[:, None]) @ vt
