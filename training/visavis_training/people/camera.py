"""Pinhole cameras over head space: lenses that people use, projection to pixels and depth, and exact crops to a face.

Picture coordinates are continuous: x runs from 0 at the left edge to `width` at the right one, so that the pixel in
column c has its centre at c + 0.5; y likewise, downwards. Knows nothing of meshes, lens faults or what is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)
_LEAST_DEPTH = 1e-4


@dataclass(frozen=True, slots=True)
class Lens:
    """A kind of camera as people use it; ranges are drawn from evenly."""

    name: str
    equivalent_mm: tuple[float, float]
    """Focal length that shows as much on 36 x 24 mm film, compared by the diagonal."""
    distance_dm: tuple[float, float]
    """From the lens to the head."""
    height_dm: tuple[float, float]
    """Of the lens over the eyes; it is tilted back to the head."""
    sideways_dm: tuple[float, float]
    share: float
    """How many of a hundred pictures are taken so."""


LENSES: tuple[Lens, ...] = (
    # Front cameras of phones: 24 to 32 mm at an arm's length, often held a little high.
    Lens("phone", (24.0, 32.0), (3.5, 7.0), (-0.8, 1.5), (-0.8, 0.8), 40.0),
    # Webcams and laptops: 65 to 78 degrees of diagonal, on the screen's upper rim.
    Lens("webcam", (27.0, 34.0), (4.5, 9.0), (-0.5, 1.5), (-1.0, 1.0), 35.0),
    # Portrait lenses and phones' tele cameras.
    Lens("portrait", (50.0, 105.0), (12.0, 28.0), (-1.5, 1.5), (-2.0, 2.0), 25.0),
)


def field_of_view(equivalent_mm: float) -> float:
    """Diagonal field of view in radians of a lens given as on full frame."""
    return 2 * math.atan(FULL_FRAME_DIAGONAL_MM / (2 * equivalent_mm))


@dataclass(frozen=True, slots=True)
class Camera:
    """B pinhole cameras whose pictures have one size."""

    rotation: Tensor
    """float32 (B, 3, 3): view = rotation @ point + translation; axes of view: x right, y down, z into the picture."""
    translation: Tensor
    """float32 (B, 3) in dm."""
    focal_px: Tensor
    """float32 (B,)."""
    centre_px: Tensor
    """float32 (B, 2): where the axis meets the picture; need not lie in it."""
    height: int
    """Of the pictures in px."""
    width: int
    """Of the pictures in px."""

    def __post_init__(self) -> None:
        people = len(self)
        for name, shape in (("rotation", (3, 3)), ("translation", (3,)), ("focal_px", ()), ("centre_px", (2,))):
            found = tuple(getattr(self, name).shape)
            if found != (people, *shape):
                raise ValueError(f"Camera.{name} has shape {found}, expected {(people, *shape)}")

    def __len__(self) -> int:
        return int(self.focal_px.shape[0])

    @classmethod
    def facing(
        cls,
        distance_dm: Tensor,
        equivalent_mm: Tensor,
        height: int,
        width: int,
        *,
        height_dm: Tensor | None = None,
        sideways_dm: Tensor | None = None,
        at: Tensor | None = None,
    ) -> Camera:
        """Cameras before the head, looking at one point of it, upright.

        Args:
            distance_dm: (B,) along the axis of head space.
            equivalent_mm: (B,) focal length as on full frame.
            height: of the pictures in px.
            width: of the pictures in px.
            height_dm: (B,) of the lens over that point.
            sideways_dm: (B,) of the lens to the picture's right of it.
            at: (B, 3) the point in head space; its origin if not given.
        """
        nil = torch.zeros_like(distance_dm)
        at = torch.zeros(len(distance_dm), 3, device=distance_dm.device) if at is None else at
        aside, over = nil if sideways_dm is None else sideways_dm, nil if height_dm is None else height_dm
        place = at + torch.stack([aside, -over, -distance_dm], -1)
        ahead = torch.nn.functional.normalize(at - place, dim=-1)
        down = torch.zeros_like(ahead)
        down[:, 1] = 1
        right = torch.nn.functional.normalize(torch.linalg.cross(down, ahead), dim=-1)
        rotation = torch.stack([right, torch.linalg.cross(ahead, right), ahead], 1)
        translation = -(rotation @ place[..., None])[..., 0]
        focal_px = equivalent_mm * (math.hypot(height, width) / FULL_FRAME_DIAGONAL_MM)
        centre = torch.stack([torch.full_like(nil, width / 2), torch.full_like(nil, height / 2)], -1)
        return cls(rotation, translation, focal_px, centre, height, width)

    @classmethod
    def random(
        cls, people: int, height: int, width: int, generator: torch.Generator, lenses: Sequence[Lens] = LENSES
    ) -> Camera:
        """Cameras as `lenses` are used. Drawn on the CPU: one seed gives the same cameras for every device."""
        chosen = torch.multinomial(torch.tensor([lens.share for lens in lenses]), people, True, generator=generator)

        def drawn(name: str) -> Tensor:
            ranges = torch.tensor([getattr(lens, name) for lens in lenses])[chosen]
            return ranges[:, 0] + torch.rand(people, generator=generator) * (ranges[:, 1] - ranges[:, 0])

        distance, focal = drawn("distance_dm"), drawn("equivalent_mm")
        over, aside = drawn("height_dm"), drawn("sideways_dm")
        return cls.facing(distance, focal, height, width, height_dm=over, sideways_dm=aside)

    def to(self, device: torch.device | str) -> Camera:
        """The same cameras with their numbers on `device`."""
        return self._each(lambda x: x.to(device))

    def rows(self, index: Tensor) -> Camera:
        """Cameras `index` (N,), in that order, repeated as it says."""
        return self._each(lambda x: x[index])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Camera:
        return replace(
            self,
            rotation=change(self.rotation),
            translation=change(self.translation),
            focal_px=change(self.focal_px),
            centre_px=change(self.centre_px),
        )

    def view(self, points: Tensor) -> Tensor:
        """(B, V, 3) head space, dm → (B, V, 3) as the camera sees it: x right, y down, z its depth; dm."""
        return torch.baddbmm(self.translation[:, None], points, self.rotation.transpose(1, 2))

    def place(self, view: Tensor) -> Tensor:
        """(B, ..., 3) of `view` → (B, ..., 3): x, y in px and the depth in dm, which is ≤ 0 behind the lens."""
        ones = (1,) * (view.ndim - 2)
        depth = view[..., 2:]
        scale = self.focal_px.view(-1, *ones, 1) / depth.clamp(min=_LEAST_DEPTH)
        return torch.cat([view[..., :2] * scale + self.centre_px.view(-1, *ones, 2), depth], -1)

    def project(self, points: Tensor) -> Tensor:
        """(B, V, 3) head space, dm → (B, V, 3): x, y in px and the depth in dm."""
        return self.place(self.view(points))

    def crop(self, boxes: Tensor, height: int, width: int) -> Camera:
        """The cameras whose whole picture is what these show in `boxes`, exactly (a crop is a pinhole camera too).

        Args:
            boxes: float (B, 4): left, top, right, bottom in px of this picture; may reach beyond it.
            height: of the new pictures in px.
            width: of the new pictures in px; boxes are taken to have this shape, their widths count.
        """
        scale = width / (boxes[:, 2] - boxes[:, 0])
        x, y = ((self.centre_px - (boxes[:, :2] + boxes[:, 2:]) / 2) * scale[:, None]).unbind(-1)
        centre = torch.stack([x + width / 2, y + height / 2], -1)
        return replace(self, focal_px=self.focal_px * scale, centre_px=centre, height=height, width=width)

    def similar(self, change: Tensor, height: int, width: int) -> Camera:
        """The cameras whose whole picture is this one turned, scaled and moved in its plane, exactly.

        Args:
            change: float32 (B, 2, 3): from px of this picture to px of the new one; no mirroring.
            height: of the new pictures in px.
            width: of the new pictures in px.
        """
        linear, shift = change[:, :, :2], change[:, :, 2]
        scale = linear[:, 0].norm(dim=-1)
        turn = torch.zeros_like(self.rotation)
        turn[:, :2, :2] = linear / scale[:, None, None]
        turn[:, 2, 2] = 1
        return Camera(
            turn @ self.rotation,
            (turn @ self.translation[..., None])[..., 0],
            self.focal_px * scale,
            (linear @ self.centre_px[..., None])[..., 0] + shift,
            height,
            width,
        )

    def finer(self, factor: int) -> Camera:
        """The same pictures with `factor` times as many pixels on each side."""
        return replace(
            self,
            focal_px=self.focal_px * factor,
            centre_px=self.centre_px * factor,
            height=self.height * factor,
            width=self.width * factor,
        )


def face_boxes(
    landmarks: Tensor,
    *,
    margin: float = 0.25,
    shift: float = 0.0,
    zoom: float = 0.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Square boxes around faces: float (B, 4), left, top, right, bottom in px.

    Args:
        landmarks: float (B, N, 2) in px; their bounding box is the face.
        margin: added on each side, as a share of the face's longer side.
        shift: the box is moved by up to this share of its side, each way.
        zoom: its side is multiplied by 1 - zoom .. 1 + zoom.
        generator: of the CPU; needed where `shift` or `zoom` is not 0.
    """
    low, high = landmarks.amin(1), landmarks.amax(1)
    side = (high - low).amax(1) * (1 + 2 * margin)
    centre = (low + high) / 2
    if shift or zoom:
        drawn = (torch.rand(len(landmarks), 3, generator=generator) * 2 - 1).to(landmarks.device, non_blocking=True)
        side = side * (1 + zoom * drawn[:, 2])
        centre = centre + shift * side[:, None] * drawn[:, :2]
    half = side[:, None] / 2
    return torch.cat([centre - half, centre + half], 1)
