"""Windows kept on the GPU: people are drawn more slowly than networks learn, so each window is used several times.

A ring for mouths and one for eyes, filled as windows come. Knows nothing of how they are made or used.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from visavis_models.diffusion.crops import FACE_MIRROR
from visavis_models.diffusion.maps import FACE, MAPS, REFERENCE_MAPS
from visavis_training.renderer.crop_stream import CropBatch

_KEPT = ("maps", "reference", "target", "motion", "shade", "in_order")


@dataclass(slots=True)
class _Ring:
    rows: dict[str, Tensor]
    filled: int = 0
    next: int = 0


class ClipStore:
    """The last `room` windows of each kind of crop.

    Args:
        room: windows of mouths; eyes, which are smaller, have as many.
        dtype: of what is kept.
    """

    def __init__(self, room: int, dtype: torch.dtype = torch.float16) -> None:
        self.room, self.dtype = room, dtype
        self._rings: dict[str, _Ring] = {}

    def count(self, region: str) -> int:
        """How many windows of a kind there are."""
        return self._rings[region].filled if region in self._rings else 0

    def put(self, batch: CropBatch) -> None:
        """Keep a batch's windows in the place of the oldest."""
        given = {name: getattr(batch, name) for name in _KEPT}
        if batch.region not in self._rings:
            rows = {n: x.new_empty((self.room, *x.shape[1:]), dtype=self._kind(x)) for n, x in given.items()}
            self._rings[batch.region] = _Ring(rows)
        ring = self._rings[batch.region]
        count = len(batch.shade)
        places = (torch.arange(count) + ring.next) % self.room
        for name, x in given.items():
            ring.rows[name][places.to(x.device)] = x.to(ring.rows[name].dtype)
        ring.next = (ring.next + count) % self.room
        ring.filled = min(ring.filled + count, self.room)

    def _kind(self, x: Tensor) -> torch.dtype:
        return self.dtype if x.is_floating_point() else x.dtype

    def sample(self, region: str, count: int, generator: torch.Generator, in_order: bool = False) -> CropBatch:
        """Random windows of a kind, each with its own grade of colours, half of the mouths in a mirror.

        Args:
            region: `mouth` or `eye`.
            count: how many.
            generator: of the CPU.
            in_order: only windows whose frames are consecutive.

        Raises:
            ValueError: there are none.
        """
        ring = self._rings.get(region)
        if ring is None or not ring.filled:
            raise ValueError(f"there are no windows of {region}s yet")
        weights = torch.ones(ring.filled)
        if in_order:
            weights = ring.rows["in_order"][: ring.filled].float().cpu() + 1e-6
        chosen = torch.multinomial(weights, count, True, generator=generator)
        device = ring.rows["maps"].device
        taken = {name: rows[chosen.to(device)] for name, rows in ring.rows.items()}
        taken = {name: x.float() if x.is_floating_point() else x for name, x in taken.items()}
        batch = graded(CropBatch(step=-1, region=region, **taken), generator)
        if region == "mouth" and torch.rand((), generator=generator) < 0.5:
            return in_a_mirror(batch)
        return batch


_CONTRAST, _BRIGHTNESS = (0.15, 0.06), (0.10, 0.04)
"""Half ranges of a grade: of all colours alike, and of red, green and blue each."""
_UNGRADED = 0.3
"""Windows that keep their colours."""


def graded(batch: CropBatch, generator: torch.Generator) -> CropBatch:
    """Windows as other cameras would have graded them: photo, truth and teeth alike, contrast and brightness a channel.

    Where a map shows nothing it stays 0.
    """
    count = len(batch.shade)

    def drawn(together: float, apart: float) -> Tensor:
        alike = (2 * torch.rand(count, 1, generator=generator) - 1) * together
        each = (2 * torch.rand(count, 3, generator=generator) - 1) * apart
        kept = torch.rand(count, 1, generator=generator) < _UNGRADED
        return torch.where(kept, 0.0, alike + each).to(batch.shade)

    more, lighter = drawn(*_CONTRAST), drawn(*_BRIGHTNESS)

    def regraded(colours: Tensor, cover: Tensor | float = 1.0) -> Tensor:
        scale, shift = (x.reshape(count, *[1] * (colours.ndim - 4), 3, 1, 1) for x in (1 + more, lighter))
        return (scale * colours + shift * cover).clamp(-1, 1)

    maps, reference = batch.maps.clone(), batch.reference.clone()
    face = torch.stack([maps[:, :, MAPS[name]] for name in FACE]).amax(0)
    maps[:, :, MAPS["warped"]] = regraded(maps[:, :, MAPS["warped"]], face)
    photo = REFERENCE_MAPS["photo"]
    reference[:, photo] = regraded(reference[:, photo])
    shade = ((1 + more) * batch.shade + lighter).clamp(-1, 1)
    return replace(batch, maps=maps, reference=reference, target=regraded(batch.target), shade=shade)


def in_a_mirror(batch: CropBatch) -> CropBatch:
    """The same windows with left and right exchanged, in pictures, maps and motion."""
    maps, reference = batch.maps.flip(-1).clone(), batch.reference.flip(-1).clone()
    for name in ("canonical", "flow"):
        maps[:, :, MAPS[name].start] *= -1
    reference[:, REFERENCE_MAPS["canonical"].start] *= -1
    order = torch.cat([torch.from_numpy(FACE_MIRROR), torch.arange(6) + len(FACE_MIRROR)]).to(maps.device)
    sign = maps.new_ones(len(order))
    sign[[-5, -4, -3]] = -1  # yaw, roll, x
    return replace(
        batch, maps=maps, reference=reference, target=batch.target.flip(-1), motion=batch.motion[..., order] * sign
    )


def flattened(batch: CropBatch) -> CropBatch:
    """Every frame as a window of its own."""
    windows, frames = batch.maps.shape[:2]
    wide = {"maps", "target", "motion"}
    made = {
        f.name: getattr(batch, f.name).flatten(0, 1)[:, None]
        if f.name in wide
        else getattr(batch, f.name).repeat_interleave(frames, 0)
        for f in fields(batch)
        if f.name in _KEPT
    }
    assert len(made["shade"]) == windows * frames
    return replace(batch, **made)
