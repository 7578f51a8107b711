"""Measures neutral heads for what sits on them: how deep the face lies, how wide the skull is, where ears begin.

Depth maps of all people at once from the front and from both sides. Knows nothing of what sits there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.anatomy import Anatomy
from visavis_training.people.anatomy_building import REGIONS
from visavis_training.people.rasteriser import as_triangles, rasterise

_SIDE_PX = 224
_SPAN_DM = 2.24
_FAR_DM = 5.0
_EAR_ROOTS_DM = ((0.744, -0.285, 0.665), (0.743, -0.242, 0.786), (0.7337, -0.190, 0.810), (0.687, -0.052, 0.811))
"""On the base head's left: where the ear's root begins over it and how it runs down behind."""


@dataclass(frozen=True, slots=True)
class FaceFit:
    """B heads, float32, dm, head space."""

    eyes: Tensor
    """(B, 2, 3): centres of the person's right (on the picture's left) and left eyeball."""
    eye_radius: Tensor
    """(B,)."""
    half_width: Tensor
    """(B,): of the face at the temples."""
    ear_roots: Tensor
    """(B, 2, 4, 3): over and behind the right and the left ear."""
    marks: Tensor
    """(B, 478, 3)."""
    depth: Tensor
    """(B, S, S): z of the face seen from the front, far where there is nothing."""
    sides: Tensor
    """(B, 2, S, S): how far right and left the skull without ears reaches, as |x| from the head's middle plane."""
    origin: Tensor
    """(B, 3): middle of the maps."""

    @classmethod
    def of(cls, anatomy: Anatomy, neutral: Tensor) -> FaceFit:
        """Of neutral shapes (B, V, 3)."""
        device, people = neutral.device, len(neutral)
        right, radius = anatomy.eye(neutral, "right")
        left, _ = anatomy.eye(neutral, "left")
        marks = anatomy.marks(neutral)
        aims = anatomy.canonical.new_tensor(_EAR_ROOTS_DM)
        skin = anatomy.parts["skin"]
        corners = [
            torch.cdist(aims * aims.new_tensor([side, 1.0, 1.0]), anatomy.canonical[skin]).argmin(1) + skin.start
            for side in (-1.0, 1.0)
        ]
        roots = torch.stack([neutral[:, c] for c in corners], 1)
        half = (marks[:, 356, 0] - marks[:, 127, 0]) / 2
        origin = torch.stack([(right[:, 0] + left[:, 0]) / 2, (right[:, 1] + left[:, 1]) / 2, right[:, 2] + 0.45], -1)
        local = neutral - origin[:, None]
        scale, middle = _SIDE_PX / _SPAN_DM, _SIDE_PX / 2

        def seen(across: Tensor, depth: Tensor, regions: tuple[str, ...]) -> Tensor:
            points = torch.stack([across * scale + middle, local[..., 1] * scale + middle, depth], -1)
            wanted = torch.tensor([REGIONS.index(name) for name in regions], device=device, dtype=torch.uint8)
            chosen = torch.where(torch.isin(anatomy.region, wanted)[:, None], anatomy.triangles, -1)
            drawn = rasterise(points, as_triangles(chosen), _SIDE_PX, _SIDE_PX, perspective=False, near=-1e9)
            return torch.where(drawn.mask, drawn.depth, torch.full_like(drawn.depth, _FAR_DM))

        front = seen(local[..., 0], local[..., 2], ("skin", "lips", "ears", "eye_left", "eye_right", "neck"))
        from_sides = [-seen(local[..., 2], -side * local[..., 0], ("skin",)) for side in (-1.0, 1.0)]
        return cls(
            torch.stack([right, left], 1), radius, half, roots, marks, front + origin[:, 2, None, None],
            torch.stack(from_sides, 1).reshape(people, 2, _SIDE_PX, _SIDE_PX), origin,
        )  # fmt: skip

    def rows(self, index: Tensor) -> FaceFit:
        """Of people `index` (N,)."""
        return FaceFit(*(getattr(self, name)[index] for name in self.__slots__))

    def face_z(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, n): z of the face at x and y (B, n)."""
        place = torch.stack([x - self.origin[:, :1], y - self.origin[:, 1:2]], -1) * (2 / _SPAN_DM)
        read = functional.grid_sample(self.depth[:, None], place[:, None], align_corners=False, padding_mode="border")
        return read[:, 0, 0]

    def skull_x(self, side: int, z: Tensor, y: Tensor) -> Tensor:
        """(B, n): x of the skull's right (side 0) or left (1) at z and y (B, n)."""
        place = torch.stack([z - self.origin[:, 2:], y - self.origin[:, 1:2]], -1) * (2 / _SPAN_DM)
        map_ = self.sides[:, side, None]
        read = functional.grid_sample(map_, place[:, None], align_corners=False, padding_mode="border")[:, 0, 0]
        return self.origin[:, :1] + (2 * side - 1) * read
