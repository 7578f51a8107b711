"""The light people are seen in: a few lamps with size and shape, and the soft light of everything else around.

Directions are in the camera's axes (x right, y down, z into the picture) and point towards the light; a lamp before
the face has negative z. Brightness is normalised: a white card that faces the camera at the head receives 1. Knows
nothing of faces or of what a camera makes of the light.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.chance import Chance
from visavis_training.people.fusing import fused
from visavis_training.people.rasteriser import rasterise

DISC, BOX, RING, WINDOW = range(4)
_SHADOWED_DM = 5.0
"""How much a shadow map covers."""
_TAPS = (
    (0.0, 0.0),
    *(
        (r * math.cos(a + r), r * math.sin(a + r))
        for r, n in ((0.45, 5), (0.9, 8))
        for a in (2 * math.pi * k / n for k in range(n))
    ),
)
"""Where penumbras are sampled, on the unit disc."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A kind of light and how it varies.

    Angles in degrees: `azimuth` to the side (either side), `elevation` upwards. Temperatures in kelvin. `ratio` is
    the main lamp's share of the light on the front of the face.
    """

    name: str
    share: float
    azimuth: tuple[float, float]
    elevation: tuple[float, float]
    ratio: tuple[float, float]
    size: tuple[float, float]
    shape: int
    kelvin: tuple[float, float]
    around_kelvin: tuple[float, float]
    fill: tuple[float, float]
    rim: tuple[float, float]
    contrast: tuple[float, float]
    """How much brighter the surroundings are above than below, as a share."""
    stops: tuple[float, float]
    """Exposure in stops over a grey card's: cameras expose for faces, low light stays darker."""


SCENES = (
    Scene("sun", 0.12, (10, 65), (15, 48), (0.50, 0.78), (1.5, 4), DISC, (5000, 5800), (6500, 9500), (0.0, 0.1),
          (0.0, 0.1), (0.2, 0.7), (0.2, 0.9)),
    Scene("overcast", 0.13, (0, 50), (40, 75), (0.15, 0.40), (35, 60), DISC, (6300, 7200), (6300, 7500), (0.0, 0.1),
          (0.0, 0.1), (0.6, 0.95), (0.2, 0.8)),
    Scene("window", 0.22, (25, 80), (0, 25), (0.45, 0.80), (14, 30), WINDOW, (5600, 7000), (4300, 5800), (0.05, 0.25),
          (0.0, 0.2), (0.1, 0.6), (0.1, 0.8)),
    Scene("ring", 0.08, (0, 6), (0, 10), (0.60, 0.85), (12, 20), RING, (4800, 6200), (4000, 5500), (0.0, 0.1),
          (0.0, 0.2), (0.1, 0.5), (0.3, 0.8)),
    Scene("indoor", 0.22, (0, 60), (35, 70), (0.32, 0.65), (8, 25), BOX, (2900, 4200), (3000, 4200), (0.1, 0.4),
          (0.0, 0.2), (0.3, 0.9), (0.0, 0.7)),
    Scene("low", 0.08, (0, 70), (-15, 40), (0.45, 0.85), (5, 20), BOX, (2600, 6000), (2900, 5500), (0.0, 0.3),
          (0.0, 0.4), (0.1, 0.8), (-1.1, 0.0)),
    Scene("studio", 0.15, (15, 55), (15, 45), (0.50, 0.75), (12, 28), BOX, (5200, 5800), (5200, 5800), (0.15, 0.5),
          (0.2, 0.9), (0.1, 0.5), (0.3, 0.8)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lights:
    """float32 throughout, L lamps for each of B scenes.

    `direction` (B, L, 3) unit; `colour` (B, L, 3) light on a surface that faces the lamp; `size` (B, L) half its
    angular size, radians; `right` (B, L, 3) unit, the lamp's horizontal; `shape` int64 (B, L); `around` (B, 9, 3)
    what comes from everywhere else as radiance in real spherical harmonics of the first three bands; `kelvin` (B,) of
    the mixture on the face; `stops` (B,).
    """

    direction: Tensor
    colour: Tensor
    size: Tensor
    right: Tensor
    shape: Tensor
    around: Tensor
    kelvin: Tensor
    stops: Tensor

    def rows(self, index: Tensor) -> Lights:
        """Scenes `index` (N,), repeated as it says."""
        return Lights(*(getattr(self, name)[index] for name in self.__slots__))

    def turned(self, rotation: Tensor) -> Lights:
        """The same with everything that shines turned by rotations (B, 3, 3)."""
        before = torch.einsum("kx,bxy->bky", _AROUND.to(rotation), rotation)  # each direction turned back
        waves = _OF_AROUND.to(rotation) @ harmonics(before)
        return replace(
            self,
            direction=torch.einsum("bxy,bly->blx", rotation, self.direction),
            right=torch.einsum("bxy,bly->blx", rotation, self.right),
            around=waves @ self.around,
        )

    def irradiance(self, normal: Tensor) -> Tensor:
        """(B, ..., 3) light from around on surfaces with unit normals (B, ..., 3), as a share of a white card's."""
        bands = normal.new_tensor([1.0, 2 / 3, 2 / 3, 2 / 3, 0.25, 0.25, 0.25, 0.25, 0.25])
        return sent(harmonics(normal), self.around * bands[:, None]).clamp(min=0.0)

    def mirrored(self, direction: Tensor, blur: float | Tensor) -> Tensor:
        """(B, ..., 3) light that comes from unit directions (B, ..., 3), lamps with their shapes; what wet things show.

        `blur` (or one for all) is half the angle, in radians, over which the reflection is smeared.
        """
        soft = sent(harmonics(direction), self.around).clamp(min=0.0)
        middle = (1,) * (direction.ndim - 2)
        for lamp in range(self.direction.shape[1]):
            ahead = self.direction[:, lamp].view(-1, *middle, 3)
            right = self.right[:, lamp].view(-1, *middle, 3)
            up = torch.linalg.cross(ahead, right)
            size = self.size[:, lamp].view(-1, *middle)
            shape = self.shape[:, lamp].view(-1, *middle)
            forward = (direction * ahead).sum(-1)
            x = (direction * right).sum(-1) / forward.clamp(min=0.05)
            y = (direction * up).sum(-1) / forward.clamp(min=0.05)
            reach = size.tan()
            edge = blur + 0.04 * reach
            disc = _inside(torch.hypot(x, y), reach, edge)
            box = _inside(x.abs(), reach, edge) * _inside(y.abs(), reach * 0.8, edge)
            hole = 1.0 - _inside(torch.hypot(x, y), reach * 0.72, edge)
            tall = _inside(x.abs(), reach * 0.8, edge) * _inside(y.abs(), reach * 1.2, edge)
            bars = 1.0 - 0.85 * torch.maximum(
                _inside(x.abs(), reach * 0.05, edge), _inside((y - 0.2 * reach).abs(), reach * 0.05, edge)
            )
            seen = torch.where(
                shape == DISC,
                disc,
                torch.where(shape == BOX, box, torch.where(shape == RING, disc * hole, tall * bars)),
            )
            # a lamp's radiance is its light over the solid angle it fills; smearing spreads it further
            solid = math.pi * (size + blur) ** 2 * torch.where(shape == RING, 0.5, 1.0)
            radiance = self.colour[:, lamp].view(-1, *middle, 3) / (solid / math.pi).clamp(min=2e-3)[..., None]
            soft = soft + (seen * (forward > 0))[..., None] * radiance
        return soft


def sent(waves: Tensor, around: Tensor) -> Tensor:
    """(B, ..., 3) light of harmonics (B, ..., 9), by what is around (B, 9, 3)."""
    if not torch.compiler.is_compiling():
        return torch.einsum("b...k,bkc->b...c", waves, around)
    # in one kernel with what comes before and after: as a product of matrices it would stand alone
    each = around.view(len(around), *(1,) * (waves.ndim - 2), 9, 3)
    total = waves[..., :1] * each[..., 0, :]
    for band in range(1, 9):
        total = total + waves[..., band : band + 1] * each[..., band, :]
    return total


def _inside(value: Tensor, limit: Tensor, edge: Tensor) -> Tensor:
    share = ((limit + edge - value) / (2 * edge).clamp(min=1e-4)).clamp(0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def harmonics(direction: Tensor) -> Tensor:
    """(..., 9) polynomials of unit directions (..., 3): 1; x, y, z; xy, yz, 3z^2 - 1, xz, x^2 - y^2, unnormalised."""
    x, y, z = direction.unbind(-1)
    return torch.stack([torch.ones_like(x), x, y, z, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], -1)


_AROUND = functional.normalize(
    torch.tensor([(x, y, z) for x in (-1.0, 0, 1) for y in (-1.0, 0, 1) for z in (-1.0, 0, 1) if x or y or z]), dim=-1
)
"""(26, 3) directions by which functions of the first three bands are known."""
_OF_AROUND = torch.linalg.pinv(harmonics(_AROUND))
"""(9, 26): their harmonics."""


@lru_cache(maxsize=1)
def _white_of_kelvin() -> tuple[np.ndarray, np.ndarray]:
    """Kelvin (n,) and linear sRGB (n, 3) of a black body, luminance 1. Relative to D65, through Wyman's functions."""
    nm = np.arange(380.0, 781.0, 5.0)

    def lobe(peak: float, below: float, above: float) -> np.ndarray:
        return np.exp(-0.5 * ((nm - peak) / np.where(nm < peak, below, above)) ** 2)

    x = 1.056 * lobe(599.8, 37.9, 31.0) + 0.362 * lobe(442.0, 16.0, 26.7) - 0.065 * lobe(501.1, 20.4, 26.2)
    y = 0.821 * lobe(568.8, 46.9, 40.5) + 0.286 * lobe(530.9, 16.3, 31.1)
    z = 1.217 * lobe(437.0, 11.8, 36.0) + 0.681 * lobe(459.0, 26.0, 13.8)
    kelvin = np.geomspace(1800.0, 14000.0, 80)
    power = (nm / 560.0) ** -5 / (np.exp(1.4388e7 / (nm * kelvin[:, None])) - 1.0)
    xyz = power @ np.stack([x, y, z], 1)
    to_rgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    rgb = np.maximum(xyz / xyz[:, 1:2] @ to_rgb.T, 0.02)
    return kelvin, rgb


def white_of_kelvin(kelvin: Tensor) -> Tensor:
    """Linear sRGB float32 (..., 3) of black bodies (...), luminance about 1; 6500 K is about white."""
    table_kelvin, table = _white_of_kelvin()
    place = (
        (kelvin.clamp(1800.0, 14000.0).log() - math.log(1800.0)) / math.log(14000.0 / 1800.0) * (len(table_kelvin) - 1)
    )
    colours = torch.tensor(table, dtype=torch.float32, device=kelvin.device)
    low = place.long().clamp(0, len(table_kelvin) - 2)
    share = (place - low)[..., None]
    return colours[low] * (1 - share) + colours[low + 1] * share


def sample_lights(chance: Chance, scene: Tensor | None = None) -> Lights:
    """Random light for everybody: main lamp, fill, rim light and surroundings.

    Args:
        chance: whose.
        scene: int64 (B,), index into `SCENES`; drawn by their shares if not given.
    """
    kind = chance.pick("scene", tuple(s.share for s in SCENES)) if scene is None else scene
    device = kind.device

    def drawn(name: str) -> Tensor:
        table = torch.tensor([getattr(s, name) for s in SCENES], dtype=torch.float32, device=device)[kind]
        return table[:, 0] + chance.uniform("light " + name) * (table[:, 1] - table[:, 0])

    side = chance.happens("light side", 0.5) * 2 - 1
    azimuth, elevation = torch.deg2rad(drawn("azimuth")) * side, torch.deg2rad(drawn("elevation"))
    fill_azimuth = -side * torch.deg2rad(chance.uniform("fill azimuth", 20.0, 80.0))
    rim_azimuth = -side * torch.deg2rad(chance.uniform("rim azimuth", 115.0, 160.0))
    direction = torch.stack(
        [
            _direction(azimuth, elevation),
            _direction(fill_azimuth, torch.deg2rad(chance.uniform("fill elevation", -10.0, 40.0))),
            _direction(rim_azimuth, torch.deg2rad(chance.uniform("rim elevation", 10.0, 50.0))),
        ],
        1,
    )
    ratio, fill, rim = drawn("ratio"), drawn("fill"), drawn("rim")
    kelvin, around_kelvin = drawn("kelvin"), drawn("around_kelvin")
    main_white, around_white = white_of_kelvin(kelvin), white_of_kelvin(around_kelvin)
    mixed = 1.0 / (ratio / kelvin + (1.0 - ratio) / around_kelvin)  # colours of light mix as the inverse of kelvin
    # how much of each lamp reaches a card that faces the camera
    facing = (-direction[..., 2]).clamp(min=0.25)
    strength = torch.stack([ratio / facing[:, 0], fill * (1 - ratio) / facing[:, 1], rim * 0.6], 1)
    whites = torch.stack([main_white, around_white, main_white], 1)
    colour = strength[..., None] * whites
    around_share = (1 - ratio) * (1 - fill)
    contrast = drawn("contrast")
    turn = chance.normal("around turn", 0.0, 0.25, 3)
    bounce = chance.uniform("bounce", -0.06, 0.06, 3)  # walls, clothes and floors tint what comes from below
    around = torch.zeros(len(chance), 9, 3, device=device)
    around[:, 0] = around_white * around_share[:, None]
    around[:, 1] = around[:, 0] * turn[:, :1]
    around[:, 2] = around[:, 0] * (-0.75 * contrast[:, None] + bounce)
    around[:, 3] = around[:, 0] * (0.3 * turn[:, 2:])
    around[:, 4:] = around[:, :1] * chance.normal("around detail", 0.0, 0.06, 5)[..., None]
    size = torch.stack(
        [drawn("size"), chance.uniform("fill size", 20.0, 40.0), chance.uniform("rim size", 6.0, 20.0)], 1
    )
    shapes = torch.tensor([s.shape for s in SCENES], device=device)[kind]
    shape = torch.stack([shapes, torch.full_like(shapes, BOX), torch.full_like(shapes, BOX)], 1)
    up = torch.tensor([0.0, -1.0, 0.0], device=device).expand_as(direction)
    right = functional.normalize(torch.linalg.cross(up, direction, dim=-1), dim=-1)
    lights = Lights(direction, colour, torch.deg2rad(size), right, shape, around, mixed, drawn("stops"))
    return normalised(lights)


def _direction(azimuth: Tensor, elevation: Tensor) -> Tensor:
    level = elevation.cos()
    return torch.stack([azimuth.sin() * level, -elevation.sin(), -azimuth.cos() * level], -1)


def normalised(lights: Lights) -> Lights:
    """The same light, as bright on a white card that faces the camera as 1 (luminance)."""
    card = torch.zeros(len(lights.kelvin), 1, 3, device=lights.kelvin.device)
    card[..., 2] = -1.0
    luminance = card.new_tensor([0.2126, 0.7152, 0.0722])
    total = ((card_light(lights, card)[:, 0]) * luminance).sum(-1)[:, None, None].clamp(min=1e-3)
    return Lights(
        lights.direction, lights.colour / total, lights.size, lights.right, lights.shape, lights.around / total,
        lights.kelvin, lights.stops,
    )  # fmt: skip


def card_light(lights: Lights, normal: Tensor) -> Tensor:
    """(B, ..., 3) all light on matte surfaces with unit normals (B, ..., 3) that nothing shades."""
    cosine = torch.einsum("b...c,blc->b...l", normal, lights.direction).clamp(min=0.0)
    return lights.irradiance(normal) + torch.einsum("b...l,blc->b...c", cosine, lights.colour)


@dataclass(frozen=True, slots=True)
class ShadowMap:
    """How far the light of one lamp gets, for B pictures."""

    depth: Tensor
    """float32 (B, size, size)."""
    axes: Tensor
    """float32 (B, 3, 3): rows right, down and away of the lamp, in the camera's axes."""
    middle: Tensor
    """float32 (B, 1, 3): where the map's middle lies."""
    spread: Tensor
    """float32 (B,): how wide the penumbra is, texels."""

    @classmethod
    def of(
        cls,
        lights: Lights,
        points: Tensor,
        triangles: Tensor,
        lamp: int = 0,
        size: int = 384,
        middle: Tensor | None = None,
    ) -> ShadowMap:
        """Draw it.

        Args:
            lights: of B pictures.
            points: float32 (B, V, 3) in the camera's axes, dm.
            triangles: int32 (F, 3) or (B, F, 3) of what casts shadows.
            lamp: which.
            size: texels on a side; they cover 5 dm.
            middle: float32 (B, 1, 3) round which; the mean of the points if not given.
        """
        ahead, right = lights.direction[:, lamp], lights.right[:, lamp]
        axes = torch.stack([right, torch.linalg.cross(right, ahead), -ahead], 1)  # depth grows away from the lamp
        middle = points.mean(1, keepdim=True) if middle is None else middle
        scale = size / _SHADOWED_DM
        # the penumbra widens with the lamp: samples spread on a disc, wider for larger lamps
        spread = (lights.size[:, lamp].tan() * 0.22 * scale).clamp(1.2, 9.0)
        map_ = cls(points.new_zeros(len(points), size, size), axes, middle, spread)
        drawn = rasterise(map_.seen(points), triangles, size, size, perspective=False, near=-1e9)
        depth = torch.where(drawn.mask, drawn.depth, torch.full_like(drawn.depth, 50.0))
        depth[:, [0, -1]] = 50.0  # what lies beyond the map's border is lit
        depth[:, :, [0, -1]] = 50.0
        return cls(depth, axes, middle, spread)

    def seen(self, place: Tensor) -> Tensor:
        """(B, n, 3) as the lamp sees places (B, n, 3): texels and depth."""
        turned = (place - self.middle) @ self.axes.transpose(1, 2)
        size = self.depth.shape[-1]
        return torch.cat([turned[..., :2] * (size / _SHADOWED_DM) + size / 2, turned[..., 2:]], -1)

    @fused
    def reach(self, position: Tensor) -> Tensor:
        """float32 (B, H, W): share of the lamp that reaches surfaces at (B, H, W, 3), soft by its size."""
        people, size = len(self.depth), self.depth.shape[-1]
        own = self.seen(position.reshape(people, -1, 3))
        total = torch.zeros(people, own.shape[1], device=position.device)
        # every pixel turns the samples its own way: grain, which pixels' means remove, instead of the map's steps
        pixel = torch.arange(own.shape[1], device=position.device)
        turn = 2 * math.pi * torch.frac(52.98 * torch.frac(0.0671 * (pixel % position.shape[2]) + 0.00584 * pixel))
        cosine, sine = turn.cos() * self.spread[:, None], turn.sin() * self.spread[:, None]
        for dx, dy in _TAPS:
            offset = torch.stack([dx * cosine - dy * sine, dx * sine + dy * cosine], -1)
            grid = ((own[..., :2] + offset) / size * 2 - 1)[:, None]
            nearest = functional.grid_sample(
                self.depth[:, None], grid, mode="nearest", padding_mode="border", align_corners=False
            )
            total = total + _passes(own[..., 2] - nearest[:, 0, 0], dx, dy, self.spread[:, None])
        return (total / len(_TAPS)).reshape(position.shape[:-1])

    def reach_at(self, picture: Tensor, position: Tensor) -> Tensor:
        """float32 (n,): the same for single places (n, 3) of pictures int64 (n,)."""
        size = self.depth.shape[-1]
        turned = ((position - self.middle[picture, 0])[:, None] * self.axes[picture]).sum(-1)
        texel, spread = turned[:, :2] * (size / _SHADOWED_DM) + size / 2, self.spread[picture]
        flat, first = self.depth.flatten(), picture * (size * size)
        total = torch.zeros(len(picture), device=position.device)
        for dx, dy in _TAPS:
            column = (texel[:, 0] + dx * spread).clamp(0, size - 1).long()
            row = (texel[:, 1] + dy * spread).clamp(0, size - 1).long()
            total = total + _passes(turned[:, 2] - flat[first + row * size + column], dx, dy, spread)
        return total / len(_TAPS)


def _passes(gap: Tensor, dx: float, dy: float, spread: Tensor) -> Tensor:
    """How much light passes what lies `gap` dm before a surface, seen past a tap of the penumbra."""
    bias = 0.03 + 0.02 * (dx * dx + dy * dy) ** 0.5 * spread / 3
    return 1.0 - ((gap - bias) / 0.03).clamp(0.0, 1.0)


def cast_shadows(
    lights: Lights, points: Tensor, triangles: Tensor, position: Tensor, lamp: int = 0, size: int = 384
) -> Tensor:
    """How much of one lamp reaches each pixel's surface: float32 (B, H, W), 1 lit, 0 dark.

    `position` is float32 (B, H, W, 3), the surface at each pixel in the camera's axes; see `ShadowMap.of` for the rest.
    """
    return ShadowMap.of(lights, points, triangles, lamp, size).reach(position)
