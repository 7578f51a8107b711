"""Draws crops' maps for training: many frames at once, by the same rules as `visavis_models.diffusion.drawing`.

Batched torch on any device, no gradients. Knows nothing of networks, nor where the strokes come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from visavis_models.diffusion.crops import Region
from visavis_models.diffusion.drawing import FLOW_UNIT
from visavis_models.diffusion.maps import FACE, MAP_CHANNELS, MAPS, REFERENCE_CHANNELS, REFERENCE_MAPS
from visavis_models.diffusion.strokes import (
    EYE_OPENING,
    LIDS,
    LIPS,
    MOUTH_OPENING,
    Strokes,
    canonical_of,
    face_triangles,
)
from visavis_models.face import topology as topo
from visavis_models.face.model import MouthPart, face_model
from visavis_training.people.rasteriser import Fragments, as_triangles, interpolate, rasterise


@dataclass(frozen=True, slots=True)
class StrokeBatch:
    """Strokes of P clips of N frames, all crops of one size, on one device; see `Strokes`."""

    points: Tensor
    """float32 (P, N, 478, 3)."""
    upper_teeth: Tensor
    lower_teeth: Tensor
    tongue: Tensor
    photo: Tensor
    """float32 (P, 478, 2)."""
    at_rest: Tensor
    """float32 (P, 2, 3)."""
    lid_motion: Tensor
    """float32 (P, N)."""
    canonical: Tensor
    """float32 (P, 478, 2)."""
    size_px: tuple[int, int]

    @classmethod
    def of(cls, clips: Sequence[Strokes], regions: Sequence[Region]) -> StrokeBatch:
        """Gather clips of equally many frames and equally large crops on the CPU."""

        def stacked(arrays: Sequence[np.ndarray]) -> Tensor:
            return torch.from_numpy(np.stack(arrays).astype(np.float32))

        points, upper, lower, tongue = (
            stacked([getattr(c, name) for c in clips]) for name in ("points", "upper_teeth", "lower_teeth", "tongue")
        )
        return cls(
            points, upper, lower, tongue, stacked([c.photo for c in clips]), stacked([c.at_rest for c in clips]),
            stacked([c.lid_motion for c in clips]), stacked([canonical_of(r) for r in regions]),
            clips[0].size_px,
        )  # fmt: skip

    def to(self, device: torch.device | str) -> StrokeBatch:
        """On another device, without waiting for it."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{n: x.to(device, non_blocking=True) for n, x in moved.items() if n != "size_px"})


@dataclass(frozen=True, slots=True)
class PictureBatch:
    """Photos of P people, ready to be read by crops."""

    rgb: Tensor
    """float (P, 3, H, W), -1..1, about as fine as the crops."""
    scale: Tensor
    """float32 (P,): its pixels for one of the canvas."""

    def at(self, place: Tensor) -> Tensor:
        """(P, N, h, w, 2) canvas points to colours (P, N, 3, h, w)."""
        return read(self.rgb, (place + 0.5) * self.scale[:, None, None, None, None] - 0.5)


def read(pictures: Tensor, at: Tensor, beyond: str = "border") -> Tensor:
    """Pictures (P, C, H, W) read linearly at (P, N, h, w, 2) px (centres at whole numbers): (P, N, C, h, w)."""
    clips, frames, height, width = at.shape[:4]
    size = torch.tensor([pictures.shape[3], pictures.shape[2]], device=at.device)
    grid = ((at + 0.5) * (2.0 / size) - 1.0).to(pictures.dtype).reshape(clips, frames * height, width, 2)
    made = functional.grid_sample(pictures, grid, "bilinear", beyond, align_corners=False)
    return made.reshape(clips, -1, frames, height, width).transpose(1, 2)


class MapPainter:
    """Holds the face's triangles on a device."""

    def __init__(self, device: torch.device | str) -> None:
        mesh, model = face_triangles(), face_model()
        self.triangles = as_triangles(torch.from_numpy(mesh.triangles), device)
        self.label = torch.cat([torch.from_numpy(mesh.label), torch.tensor([-1])]).to(device)
        self.parts = [_Part.of(part, device) for part in (model.teeth_upper, model.teeth_lower, model.tongue)]

    def driven(self, strokes: StrokeBatch) -> Tensor:
        """The maps of driven frames, `warped` left empty: float32 (P, N, MAP_CHANNELS, h, w)."""
        clips, frames = strokes.points.shape[:2]
        height, width = strokes.size_px
        out = strokes.points.new_zeros(clips, frames, MAP_CHANNELS, height, width)
        maps = {name: out[:, :, part] for name, part in MAPS.items()}
        drawn = self._drawn(strokes.points.flatten(0, 1), strokes.size_px)
        places = torch.cat([strokes.canonical, strokes.photo], -1).repeat_interleave(frames, 0)
        read_out = interpolate(places, self.triangles, drawn).unflatten(0, (clips, frames))
        self._labels(strokes.points, drawn, read_out[..., :2], maps)
        skin = drawn.mask.unflatten(0, (clips, frames)) & (maps["mouth"][:, :, 0] == 0) & (maps["eye"][:, :, 0] == 0)
        shown = skin[:, :, None].float()
        place = read_out[..., 2:]
        maps["shown"].copy_(shown)
        linear, shift = strokes.at_rest[:, None, None, None, :, :2], strokes.at_rest[:, None, None, None, :, 2]
        before = (linear * place[..., None, :]).sum(-1) + shift
        flow = (before - _pixels(height, width, out.device)) * (FLOW_UNIT / width)
        maps["flow"].copy_(flow.movedim(-1, 2) * shown)
        maps["lid_motion"].copy_(strokes.lid_motion[:, :, None, None, None].expand_as(maps["lid_motion"]))
        self._inside(strokes, maps)
        return out

    def reference(self, pictures: PictureBatch, strokes: StrokeBatch) -> Tensor:
        """The maps of the photos themselves: float32 (P, REFERENCE_CHANNELS, h, w)."""
        height, width = strokes.size_px
        clips = len(strokes.photo)
        linear, shift = strokes.at_rest[:, :, :2], strokes.at_rest[:, :, 2]
        points = torch.zeros_like(strokes.points[:, 0])
        points[..., :2] = strokes.photo @ linear.transpose(1, 2) + shift[:, None]
        out = points.new_zeros(clips, 1, REFERENCE_CHANNELS, height, width)
        maps = {name: out[:, :, part] for name, part in REFERENCE_MAPS.items()}
        pixel = _pixels(height, width, out.device) - shift[:, None, None]
        place = (torch.linalg.inv(linear)[:, None, None] @ pixel[..., None])[..., 0]
        maps["photo"].copy_(pictures.at(place[:, None]))
        drawn = self._drawn(points, strokes.size_px)
        canonical = interpolate(strokes.canonical, self.triangles, drawn)
        self._labels(points[:, None], drawn, canonical[:, None], maps)
        return out[:, 0]

    def _drawn(self, points: Tensor, size_px: tuple[int, int]) -> Fragments:
        half = points.new_tensor([0.5, 0.5, 0.0])  # whose pixel centres lie between whole numbers
        return rasterise((points + half).contiguous(), self.triangles, *size_px, perspective=False, near=-1e6)

    def _labels(self, points: Tensor, drawn: Fragments, canonical: Tensor, maps: dict[str, Tensor]) -> None:
        label = self.label[drawn.triangle.long()].unflatten(0, points.shape[:2])[:, :, None]
        opening = (label == MOUTH_OPENING) | (label == EYE_OPENING)
        maps["canonical"].copy_(canonical.movedim(-1, 2) * ~opening * (label >= 0))
        for name, kind in (("lips", LIPS), ("lids", LIDS), ("mouth", MOUTH_OPENING), ("eye", EYE_OPENING)):
            maps[name].copy_(label == kind)
        for iris in (topo.LEFT_IRIS, topo.RIGHT_IRIS):
            maps["iris"].add_(_disc(points[:, :, list(iris), :2], maps["iris"].shape[-2:])[:, :, None] * maps["eye"])

    def _inside(self, strokes: StrokeBatch, maps: dict[str, Tensor]) -> None:
        half = strokes.points.new_tensor([0.5, 0.5, 0.0])
        values, along, depths = [], [], []
        for part, points in zip(self.parts, (strokes.upper_teeth, strokes.lower_teeth, strokes.tongue), strict=True):
            flat = (points.flatten(0, 1) + half).contiguous()
            drawn = rasterise(flat, part.triangles, *strokes.size_px, perspective=False, near=-1e6)
            value = interpolate(part.value.expand(len(flat), -1, -1).contiguous(), part.triangles, drawn)
            values.append(value[..., 0].clamp(-1, 1).unflatten(0, points.shape[:2]))
            along.append(value[..., 1].unflatten(0, points.shape[:2]))
            depths.append(drawn.depth.unflatten(0, points.shape[:2]))
        nearest = torch.stack(depths).amin(0)
        hole = maps["mouth"][:, :, 0]
        for k in range(2):
            seen = (depths[k] <= nearest) & (values[k] > 0)
            maps["teeth"][:, :, k].copy_((0.5 + 0.5 * values[k]) * seen * hole)
            maps["tooth_middle"][:, :, 0].add_((1 - (2 * along[k].frac() - 1).abs()) * seen * hole)
        maps["tongue"][:, :, 0].copy_((depths[2] <= nearest) & depths[2].isfinite())
        maps["tongue"][:, :, 0].mul_(hole)


def tell_warped(maps: Tensor, crops: Tensor) -> None:
    """As `visavis_models.diffusion.warped_crops.tell_warped`: maps (P, N, C, h, w), crops uint8 (P, N, h, w, 3)."""
    face = torch.stack([maps[:, :, MAPS[name]] for name in FACE]).amax(0)
    maps[:, :, MAPS["warped"]] = (crops.permute(0, 1, 4, 2, 3).float() / 127.5 - 1) * (face > 0)


@dataclass(frozen=True, slots=True)
class _Part:
    triangles: Tensor
    value: Tensor

    @classmethod
    def of(cls, part: MouthPart, device: torch.device | str) -> _Part:
        return cls(
            as_triangles(torch.from_numpy(part.triangles), device), torch.from_numpy(part.uv[:, ::-1].copy()).to(device)
        )


def _pixels(height: int, width: int, device: torch.device) -> Tensor:
    """float32 (h, w, 2): x, y of every pixel, whole numbers."""
    y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    return torch.stack([x, y], -1).float()


def _disc(iris: Tensor, size_px: Sequence[int]) -> Tensor:
    """(..., 5, 2) to (..., h, w): see `drawing`."""
    centre = iris[..., 0, :]
    axes = torch.stack([(iris[..., 1, :] - iris[..., 3, :]) / 2, (iris[..., 4, :] - iris[..., 2, :]) / 2], -1)
    size = torch.linalg.det(axes).abs()
    safe = torch.where((size > 1e-3)[..., None, None], axes, torch.eye(2, device=iris.device))
    apart = _pixels(size_px[0], size_px[1], iris.device) - centre[..., None, None, :]
    at = (torch.linalg.inv(safe)[..., None, None, :, :] @ apart[..., None])[..., 0]
    cover = ((1.0 - at.norm(dim=-1)) * size.sqrt()[..., None, None] + 0.5).clamp(0, 1)
    return cover * (size > 1e-3)[..., None, None]
