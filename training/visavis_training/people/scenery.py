"""Backgrounds behind people, in linear light: walls, rooms out of focus, bokeh, open air, and free photographs.

Everything is drawn from simple shapes for many people at once and blurred as a lens would. Photographs are those that
scikit-image carries without people in them. Knows nothing of who stands in front.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.chance import Chance, each, noise, step
from visavis_training.people.fusing import fused

KINDS = ("wall", "gradient", "room", "bokeh", "outdoors", "photograph")
SHARES = (0.24, 0.12, 0.30, 0.10, 0.12, 0.12)
PHOTOGRAPHS = ("coffee", "chelsea", "rocket", "brick", "grass", "gravel")
"""Free pictures of scikit-image without people: CC0 or public domain, as its data's README says."""
_BOXES, _DISCS = 14, 22


def photographs(size_px: int = 256) -> Tensor:
    """float32 (P, size, size, 3) linear light; needs scikit-image."""
    import skimage.data

    found = []
    for name in PHOTOGRAPHS:
        picture = np.asarray(getattr(skimage.data, name)(), np.float32) / 255.0
        if picture.ndim == 2:
            picture = np.repeat(picture[..., None], 3, 2)
        side = min(picture.shape[:2])
        square = torch.tensor(picture[:side, :side]).permute(2, 0, 1)[None]
        found.append(functional.interpolate(square, size=(size_px, size_px), mode="bilinear", antialias=True)[0])
    return torch.stack(found).permute(0, 2, 3, 1) ** 2.2


def backgrounds(chance: Chance, size_px: int, white: Tensor, photos: Tensor | None = None) -> Tensor:
    """float32 (B, size, size, 3), linear light, about as bright as a grey wall in the light of the face.

    Args:
        chance: whose.
        size_px: side of the picture.
        white: float32 (B, 3), colour of the light on the scene.
        photos: of `photographs`; without them their share goes to rooms.
    """
    device = white.device
    kind = chance.pick("background", SHARES)
    if photos is None:
        kind = torch.where(kind == KINDS.index("photograph"), KINDS.index("room"), kind)
    share = (torch.arange(size_px, device=device) + 0.5) / size_px
    y, x = torch.meshgrid(share, share, indexing="ij")
    points = torch.stack([x, y, torch.zeros_like(x)], -1)[None]
    base = _paint(chance, "wall")
    falling = (
        1.0
        + each(chance.normal("fall across", 0, 0.28)) * (x - 0.5)
        + each(chance.normal("fall down", 0.1, 0.25)) * (0.5 - y)
    )
    plaster = 1.0 + each(chance.uniform("plaster", 0.0, 0.03)) * noise(chance, "plaster", points, 30.0, 3)
    wall = each(base) * (falling * plaster)[..., None]
    top, bottom = each(_paint(chance, "top")), each(_paint(chance, "bottom"))
    slope = step(y + 0.4 * each(chance.normal("tilt", 0, 0.5)) * (x - 0.5), 0.1, 0.9)[..., None]
    gradient = top * (1 - slope) + bottom * slope
    room = _room(chance, x, y, wall)
    dark = each(_paint(chance, "dark")) * 0.18
    lamps = _discs(chance, x, y)
    bokeh = dark + lamps
    sky = y.new_tensor([0.55, 0.75, 1.05]) * (1.2 - 0.5 * y)[None, ..., None]
    leaves = noise(chance, "leaves", points, 9.0, 4)
    trees = y.new_tensor([0.10, 0.16, 0.05]) * (1 + 0.9 * leaves).clamp(0.15, 3.0)[..., None]
    horizon = each(chance.uniform("horizon", 0.0, 0.7)) + 0.10 * noise(chance, "tree tops", points, 3.0, 3)
    ground = each(_paint(chance, "ground")) * 0.8 * (1 + 0.15 * leaves)[..., None]
    outdoors = torch.where((y < horizon)[..., None], sky, trees)
    outdoors = torch.where((y > 0.85 + 0.1 * horizon)[..., None], ground, outdoors)
    stack = torch.stack([wall, gradient, room, bokeh, outdoors], 1)
    chosen = stack[torch.arange(len(chance), device=device), kind.clamp(max=4)]
    blur = torch.where(kind >= 2, chance.uniform("defocus") ** 1.5 * 0.035, torch.full_like(white[:, 0], 0.003))
    if photos is not None:
        index = chance.pick("photograph", (1.0,) * len(photos))
        zoom = chance.uniform("zoom", 0.4, 1.0)[:, None, None]
        corner = (
            torch.stack([chance.uniform("left"), chance.uniform("above")], -1)[:, None, None] * (1 - zoom)[..., None]
        )
        grid = (points[..., :2] * zoom[..., None] + corner) * 2 - 1
        crop = functional.grid_sample(photos[index].permute(0, 3, 1, 2).to(device), grid, align_corners=False)
        is_photo = (kind == KINDS.index("photograph"))[:, None, None, None]
        chosen = torch.where(is_photo, crop.permute(0, 2, 3, 1), chosen)
    chosen = defocused(chosen.clamp(0.0, 12.0), blur * size_px)
    return chosen * each(white) * each(chance.uniform("background light", 0.4, 1.15))[..., None]


def _paint(chance: Chance, purpose: str) -> Tensor:
    """(B, 3) reflectance of something painted: mostly greyish, sometimes strong."""
    level = chance.uniform(purpose + " level", 0.12, 0.75)[:, None]
    strong = (chance.uniform(purpose + " strength") ** 3)[:, None]
    return (level * (1 + (0.10 + 0.6 * strong) * chance.normal(purpose + " hue", 0, 0.5, 3))).clamp(0.02, 0.9)


def _room(chance: Chance, x: Tensor, y: Tensor, wall: Tensor) -> Tensor:
    """Furniture, pictures, a shelf and perhaps a window as boxes of many sizes, one over the other."""

    def drawn(what: str, low: float = 0.0, high: float = 1.0) -> Tensor:
        return chance.uniforms(tuple(f"box {box} {what}" for box in range(_BOXES)), low, high)

    big = 0.5 ** (torch.arange(_BOXES, device=x.device) / 5.0)
    wide, high = drawn("w", 0.05, 0.55) * big + 0.02, drawn("h", 0.05, 0.7) * big + 0.02
    glows = (drawn("glows") < 0.09)[..., None]
    level, strong = drawn("level", 0.12, 0.75)[..., None], (drawn("strength") ** 3)[..., None]
    hue = torch.stack([chance.normal(f"box {box} hue", 0, 0.5, 3) for box in range(_BOXES)], 1)
    colour = (level * (1 + (0.10 + 0.6 * strong) * hue)).clamp(0.02, 0.9)
    colour = torch.where(glows, wall.new_tensor([2.2, 2.3, 2.5]), colour)
    boxes = torch.stack([drawn("x", -0.2, 1.0), drawn("y", -0.1, 1.0), wide, high, drawn("there")], -1)
    return _boxes_over(wall * 0.9, x, y, torch.cat([boxes, colour], -1))


@fused
def _boxes_over(room: Tensor, x: Tensor, y: Tensor, boxes: Tensor) -> Tensor:
    """Pictures (B, H, W, 3) with boxes (B, K, 8) over them: x, y, width, height, presence, colour."""
    for box in range(boxes.shape[1]):
        left, top, wide, high, there = boxes[:, box, :5, None, None].unbind(1)
        inside = ((x - left).abs() < wide / 2) & ((y - top).abs() < high / 2)
        shade = 1.0 - 0.25 * ((y - top) / high + 0.5)
        colour = boxes[:, box, None, None, 5:] * shade[..., None]
        room = torch.where((inside & (there < 0.7))[..., None], colour, room)
    return room


def _discs(chance: Chance, x: Tensor, y: Tensor) -> Tensor:
    """Lamps far out of focus: discs with a slightly brighter rim."""

    def drawn(what: str) -> Tensor:
        return chance.uniforms(tuple(f"disc {disc} {what}" for disc in range(_DISCS)))

    warm = drawn("warm")[..., None]
    colour = warm * x.new_tensor([1.0, 0.62, 0.28]) + (1 - warm) * x.new_tensor([0.75, 0.9, 1.0])
    colour = colour * (drawn("strength") ** 2 * 1.6)[..., None]
    discs = torch.cat([torch.stack([drawn("x"), drawn("y")], -1), colour], -1)
    return _discs_over(discs, x, y, chance.uniform("disc radius", 0.02, 0.07))


@fused
def _discs_over(discs: Tensor, x: Tensor, y: Tensor, radius: Tensor) -> Tensor:
    """(B, H, W, 3) the light of discs (B, K, 5), x, y and colour, of radii (B,)."""
    radius = each(radius)
    total = torch.zeros(len(discs), *x.shape, 3, device=x.device)
    for disc in range(discs.shape[1]):
        across, down = discs[:, disc, :2, None, None].unbind(1)
        away = torch.hypot(x - across, y - down)
        inside = step(away, radius * 1.04, radius * 0.96) * (0.8 + 0.35 * step(away, radius * 0.7, radius))
        total = total + inside[..., None] * discs[:, disc, None, None, 2:]
    return total


def defocused(picture: Tensor, sigma_px: Tensor) -> Tensor:
    """(B, H, W, 3) blurred by (B,) px, on a smaller copy where much blur allows it."""
    people, height, width, _ = picture.shape
    flat = picture.permute(0, 3, 1, 2)
    shrink = 2 if float(sigma_px.max()) > 3.0 else 1
    small = functional.avg_pool2d(flat, shrink) if shrink > 1 else flat
    reach = max(2, min(24, int(2.5 * float(sigma_px.max()) / shrink) + 1))
    taps = torch.arange(-reach, reach + 1, device=picture.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (taps / (sigma_px / shrink).clamp(min=0.05)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)[:, None, None]
    rows = functional.pad(small.reshape(1, people * 3, *small.shape[2:]), (reach,) * 4, mode="replicate")
    rows = functional.conv2d(rows, kernel, groups=people * 3)
    blurred = functional.conv2d(rows, kernel.transpose(2, 3), groups=people * 3).reshape(small.shape)
    if shrink > 1:
        large = functional.interpolate(blurred, size=(height, width), mode="bilinear", align_corners=False)
        sharp = (sigma_px < 1.5)[:, None, None, None]
        blurred = torch.where(sharp, flat, large)
    return blurred.permute(0, 2, 3, 1)
