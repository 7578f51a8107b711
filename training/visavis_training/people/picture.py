"""From posed people to linear light: rasterise finer than asked, read materials, shade, add a background.

Ties the parts of the factory's looks together. Knows nothing of how people are shaped or posed, nor of sensors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from visavis_training.people.camera import Camera
from visavis_training.people.chance import Chance
from visavis_training.people.eye_textures import paint_eyes
from visavis_training.people.face_chart import FaceChart
from visavis_training.people.lashes import draw_lashes
from visavis_training.people.lighting import DISC, Lights, ShadowMap, cast_shadows
from visavis_training.people.materials import Looks, Painted, nobody, read_materials
from visavis_training.people.mouth_textures import paint_mouth
from visavis_training.people.rasteriser import as_triangles, coverage, downsample, rasterise
from visavis_training.people.shading import shade
from visavis_training.people.skin_textures import Person, paint_skin
from visavis_training.people.visible import Mesh, Visible, turned_eyes
from visavis_training.people.worn import Worn
from visavis_training.people.worn_drawing import Dressed, Strands, add_glass, add_solids

OUTER_SKIN = ("skin", "lips", "mouth_inside", "ears", "neck")


@dataclass(frozen=True, slots=True)
class Painter:
    """What is needed to draw anybody: mesh, chart, how much sky the resting face lets in, the eyes' vertices."""

    mesh: Mesh
    chart: FaceChart
    occlusion: Tensor
    eyes: tuple[Tensor, Tensor]
    drawn: Mesh
    """The mesh less the lashes, which are strands of their own."""

    @classmethod
    def of(cls, mesh: Mesh, size: int = 512) -> Painter:
        """Lay out the chart (`size` texels a side) and measure its occlusion; some seconds."""
        device = mesh.canonical.device
        wanted = [mesh.names.index(n) for n in OUTER_SKIN]
        skin = mesh.triangles[torch.isin(mesh.region, torch.tensor(wanted, device=device))]
        places = mesh.landmark_places(mesh.canonical[None])[0]
        chart = FaceChart.of(
            mesh.canonical.cpu().numpy().astype(np.float64), skin.cpu().numpy(), places.cpu().numpy(), size, device
        )
        eyes = [
            torch.unique(mesh.triangles[mesh.region == mesh.names.index(name)]).long()
            for name in ("eye_left", "eye_right")
        ]
        keep = mesh.region != mesh.names.index("lashes")
        return cls(
            mesh,
            chart,
            sky_seen(chart, mesh.canonical, skin),
            (eyes[0], eyes[1]),
            mesh.only(keep),
        )

    def looks(self, seeds: Tensor, age_years: Tensor, male: Tensor, ancestry: Tensor) -> Looks:
        """Paint B people; see `Person.of`."""
        chance = Chance(seeds)
        person = Person.of(chance, age_years, male, ancestry)
        return Looks(
            person,
            paint_skin(self.chart, chance, person),
            paint_eyes(chance, (ancestry[:, 2] * 1.1 - 0.05).clamp(0, 1), age_years),
            paint_mouth(chance, age_years, person.melanin),
            chance,
        )

    def draw(
        self,
        looks: Looks,
        person: Tensor,
        vertices: Tensor,
        face: Tensor,
        lights: Lights,
        camera: Camera,
        background: Tensor,
        finer: int = 2,
        shadows: bool = True,
        worn: Worn | None = None,
    ) -> tuple[Tensor, Tensor]:
        """N pictures in linear light.

        Args:
            looks: of B people.
            person: int64 (N,), whom each shows.
            vertices: float32 (N, V, 3), head space.
            face: float32 (N, 52), ARKit coefficients (they wrinkle the skin).
            lights: of N scenes.
            camera: N cameras.
            background: float32 (N, H, W, 3), linear.
            finer: pixels are the mean of this many squared.
            shadows: cast them.
            worn: what the B people wear, tied to their neutral shapes; naked in a painted shirt if not given.

        Returns:
            float32 (N, H, W, 3) and the matte (N, H, W), 0..1.
        """
        fine = camera.finer(finer)
        height, width = camera.height * finer, camera.width * finer
        if worn is None:
            dressed, view = None, fine.view(vertices)
            triangles = self.drawn.triangles
            shown = bare = rasterise(fine.place(view), triangles, height, width)
            casts, caster = triangles, view
        else:
            dressed = Dressed.of(worn, person, vertices, fine)
            view = dressed.view[:, : dressed.bare].contiguous()
            triangles, casts, caster = dressed.solid(), dressed.worn.triangles, dressed.view
            shown = rasterise(dressed.points, triangles, height, width)
            on_body = shown.triangle < dressed.body_triangles
            bare = replace(shown, triangle=torch.where(on_body, shown.triangle, -1))
        # the body's own triangles in `triangles` have their places in the mesh with lashes
        visible = Visible.of(bare, self.drawn if dressed is None else self.mesh, view, fine.focal_px)
        middle = view.mean(1, keepdim=True)
        shadow = ShadowMap.of(lights, caster, casts, middle=middle) if shadows else None
        solids, strands = None, None
        if dressed is not None:
            solids = add_solids(dressed, shown, visible, lights, shadow)
            strands = Strands.of(dressed, shown)
        turns = torch.stack([turned_eyes(view, self.mesh.canonical, eye) for eye in self.eyes], 1)
        painted = Painted.of(looks, person, None if worn is None else worn.things.coats, bare, self.mesh.triangles)
        material = read_materials(visible, self.chart, self.occlusion, looks, person, face, turns, painted)
        if strands is not None:
            material = replace(material, open=material.open * strands.shade(visible.dm_per_px))
        reach = None if shadow is None else shadow.reach(visible.position)
        light = shade(visible, material, lights, reach)
        if solids is not None:
            light[solids[0]] = solids[1]
        light = draw_lashes(light, visible, looks, person, fine)
        empty = nobody(visible)[..., None]
        behind = background.repeat_interleave(finer, 1).repeat_interleave(finer, 2)
        light = torch.where(empty, behind, light)
        if dressed is not None:
            hair = None
            if strands is not None:
                hair = (strands.cover, strands.light(dressed, shown, lights, shadow, visible.dm_per_px), strands)
            light = add_glass(dressed, light, shown, hair, lights, shadow, visible.dm_per_px)
        whole = view if dressed is None else dressed.view
        matte = coverage(camera.place(whole), casts, camera.height, camera.width)
        return downsample(light.contiguous(), finer), matte


def sky_seen(chart: FaceChart, canonical: Tensor, triangles: Tensor, directions: int = 48) -> Tensor:
    """(T, T) share of the surroundings, weighted as a matte surface does, that reaches each texel at rest."""
    device = canonical.device
    index = torch.arange(directions, device=device) + 0.5
    z = 1 - 2 * index / directions
    turn = index * 2.39996323
    level = (1 - z * z).sqrt()
    toward = torch.stack([level * turn.cos(), level * turn.sin(), z], -1)
    # normals of the chart's own surface, from its neighbours
    across = torch.gradient(chart.position, dim=1)[0]
    down = torch.gradient(chart.position, dim=0)[0]
    normal = torch.nn.functional.normalize(torch.linalg.cross(down, across), dim=-1)
    total = torch.zeros(chart.size, chart.size, device=device)
    weight = torch.zeros_like(total)
    for way in toward:
        right = torch.linalg.cross(torch.tensor([0.01, -1.0, 0.02], device=device), way)
        lamp = Lights(
            way.view(1, 1, 3), torch.ones(1, 1, 3, device=device), torch.full((1, 1), 0.12, device=device),
            torch.nn.functional.normalize(right, dim=-1).view(1, 1, 3), torch.full((1, 1), DISC, device=device),
            torch.zeros(1, 9, 3, device=device), torch.ones(1, device=device), torch.zeros(1, device=device),
        )  # fmt: skip
        cosine = (normal * way).sum(-1).clamp(min=0.0)
        reached = cast_shadows(lamp, canonical[None], as_triangles(triangles), chart.position[None])[0]
        total, weight = total + cosine * reached, weight + cosine
    share = (total / weight.clamp(min=1e-3)).clamp(0.05, 1.0)
    # where the chart folds its normals mean nothing: neighbours' values, weighted by how flat they lie, stand in
    even = chart.evenness() + 1e-3
    both = torch.stack([share * even, even])[None]
    for _ in range(6):
        both = torch.nn.functional.avg_pool2d(both, 5, 1, 2, count_include_pad=False)
    return even * share + (1 - even).clamp(0, 1) * (both[0, 0] / both[0, 1])
