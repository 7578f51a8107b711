"""What a shader of worn things is given, and which shader draws which kind.

A shader is a function `(Spots) -> linear RGB float32 (n, 3)`; that of lenses is `(Spots, behind (n, 3)) -> (n, 3)`.
Knows nothing of how things are made or drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.lighting import Lights, harmonics, sent
from visavis_training.people.worn import Coat

SHADERS = {
    "hair": "hair_shading:shade_hair",
    "beard": "hair_shading:shade_hair",
    "hat": "hats:shade_hat",
    "frame": "glasses_materials:shade_frame",
    "lens": "glasses_materials:shade_lens",
    "jewel": "jewellery:shade_jewel",
    "cloth": "fabrics:shade_cloth",
}
"""Where the shader of each kind is: module of this package and name in it."""


@dataclass(frozen=True, slots=True)
class Spots:
    """n samples of pictures that show things of one kind; float32 unless said, in the camera's axes, dm."""

    frame: Tensor
    """int64 (n,): which of the N pictures."""
    person: Tensor
    """int64 (n,): row of the coat."""
    coat: Coat
    """Of this kind, (B, ...) each; `own("colour")` reads it at every spot."""
    position: Tensor
    """(n, 3)."""
    normal: Tensor
    """(n, 3) unit, of the smooth surface, turned to the lens."""
    out: Tensor
    """(n, 3) unit, away from the middle of the head."""
    tangent: Tensor
    """(n, 3) unit, the thing's own, posed."""
    towards: Tensor
    """(n, 3) unit, to the lens."""
    texture: Tensor
    """(n, 4) as `Things.texture`: u, v, random number, occlusion."""
    canonical: Tensor
    """(n, 3): where on the nameless head in rest; patterns that stay with the thing may use it."""
    reach: Tensor
    """(n, L): share of each lamp's light that arrives."""
    open: Tensor
    """(n,): share of the surroundings' light that arrives."""
    dm_per_px: Tensor
    """(n,): how much of the thing a sample spans."""
    lights: Lights
    """Of the N pictures."""
    tile: Tensor | None = None
    """(1, 1, m, m): `noise_tile`, for shaders that roughen with it."""

    def __len__(self) -> int:
        return len(self.frame)

    def own(self, name: str) -> Tensor:
        """(n, ...): a number of the coat at every spot."""
        return self.coat[name][self.person]

    def around(self, direction: Tensor) -> Tensor:
        """(n, 3): soft radiance that comes from unit directions (n, 3), as far as it arrives."""
        return sent(harmonics(direction), self.lights.around[self.frame]).clamp(min=0.0) * self.open[:, None]

    def irradiance(self, normal: Tensor) -> Tensor:
        """(n, 3): soft light on surfaces with unit normals (n, 3), as far as it arrives."""
        bands = normal.new_tensor([1.0, 2 / 3, 2 / 3, 2 / 3, 0.25, 0.25, 0.25, 0.25, 0.25])
        around = (self.lights.around * bands[:, None])[self.frame]
        return sent(harmonics(normal), around).clamp(min=0.0) * self.open[:, None]

    def lamps(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """For each lamp: unit direction to it (n, 3), light of it that arrives (n, 3), half its angular size (n,)."""
        for lamp in range(self.lights.direction.shape[1]):
            light = self.lights.colour[self.frame, lamp] * self.reach[:, lamp, None]
            yield self.lights.direction[self.frame, lamp], light, self.lights.size[self.frame, lamp]

    def matte(self, normal: Tensor, wrap: float = 0.0) -> Tensor:
        """(n, 3): all light on a matte surface; times reflectance it is what the lens gets. `wrap` 0..1 softens it."""
        total = self.irradiance(normal)
        for direction, light, _ in self.lamps():
            cosine = (((normal * direction).sum(-1) + wrap) / (1 + wrap)).clamp(min=0.0)
            total = total + cosine[:, None] * light
        return total

    def gloss(self, normal: Tensor, roughness: Tensor, mirror: Tensor) -> Tensor:
        """(n, 3): lamps' highlights by Cook and Torrance's lobe.

        Args:
            normal: (n, 3).
            roughness: (n,), 0..1; alpha is its square.
            mirror: (n, 3) or (n, 1), what the surface reflects when looked at straight.
        """
        facing = (normal * self.towards).sum(-1).clamp(1e-3, 1.0)
        total = torch.zeros_like(self.position)
        for direction, light, size in self.lamps():
            half = functional.normalize(direction + self.towards, dim=-1)
            cosine = (normal * half).sum(-1).clamp(1e-3, 1.0)
            incoming = (normal * direction).sum(-1).clamp(min=0.0)
            fresnel = mirror + (1 - mirror) * ((1 - (direction * half).sum(-1).clamp(0.0, 1.0)) ** 5)[:, None]
            alpha = (roughness**2 + 0.35 * size).clamp(0.02, 1.0)
            spread = alpha**2 / (cosine**2 * (alpha**2 - 1) + 1) ** 2
            rest = alpha / 2
            masking = 0.25 / ((facing * (1 - rest) + rest) * (incoming * (1 - rest) + rest)).clamp(min=0.02)
            total = total + fresnel * (spread * masking * incoming)[:, None] * light
        return total

    def mirrored(self, direction: Tensor, blur: float) -> Tensor:
        """(n, 3): lamps with their shapes and the room that a mirror facing so shows; see `Lights.mirrored`."""
        return self.lights.rows(self.frame).mirrored(direction, blur)

    def bent(self, normal: Tensor) -> Tensor:
        """(n, 3): the unit direction in which a mirror with this normal (n, 3) looks."""
        return functional.normalize(2 * (normal * self.towards).sum(-1, keepdim=True) * normal - self.towards, dim=-1)

    def where(self, chosen: Tensor) -> Spots:
        """Some of the spots; `chosen` is an index or a mask (n,)."""
        names = ("frame", "person", "position", "normal", "out", "tangent", "towards", "texture", "canonical", "reach",
                 "open", "dm_per_px")  # fmt: skip
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})


@cache
def noise_tile(device: torch.device) -> Tensor:
    """(1, 1, m, m) of white noise, 0..1, whose borders agree, so that it tiles."""
    lattice = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(7))
    lattice = torch.cat([lattice, lattice[:, :, :1]], 2)
    return torch.cat([lattice, lattice[..., :1]], 3).to(device)


@cache
def shader(kind: str) -> Callable[..., Tensor]:
    """What draws things of `kind`.

    Raises:
        KeyError: there is no such kind.
    """
    module, name = SHADERS[kind].split(":")
    drawn: Callable[..., Tensor] = getattr(import_module(f"visavis_training.people.{module}"), name)
    return drawn
