"""Windows of regions whose maps, latents and crops stay on a device. See `diffusion.windows`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from visavis_models.device.networks import TensorNetworks
from visavis_models.device.transfer import uploaded
from visavis_models.diffusion.batch_sizes import BatchSizes
from visavis_models.diffusion.crops import MOUTH
from visavis_models.diffusion.flow_times import steps_of
from visavis_models.diffusion.likeness import Likeness
from visavis_models.diffusion.maps import MAPS
from visavis_models.diffusion.memory import Floats, Overlap, RegionMemory
from visavis_models.diffusion.sizes import LATENT_CHANNELS
from visavis_models.diffusion.window_networks import Told, noise_of
from visavis_models.diffusion.windows import BALL_UNTIL, LUMA, Draft, RegionWindow, WindowMaker


@dataclass(slots=True)
class DeviceMemory(RegionMemory):
    """What one region of one session has shown: arrays are tensors, numbers and motions are the host's."""

    def overlap(self, first_frame: int, count: int, like: tuple[int, int, int]) -> Overlap:
        """See `RegionMemory.overlap`; latents and features are lists, with None where there is no frame."""
        latents: Any = [None] * count
        eighth: Any = [None] * count
        known = np.zeros(count, np.float32)
        for frame, latent, features in self.latents:
            k = frame - first_frame + count
            if 0 <= k < count and tuple(features.shape) == like:
                latents[k], eighth[k], known[k] = latent, features, 1.0
        return Overlap(latents, eighth, known)


class DeviceWindow(RegionWindow):
    """A region's window whose maps are a tensor."""

    __slots__ = ()

    def led_by(self, maps: Floats) -> Floats:
        """See `RegionWindow.led_by`."""
        led: Floats = torch.cat([maps[None], self.maps])
        return led


def on_device(
    windows: Sequence[RegionWindow], likenesses: Sequence[Likeness], device: torch.device
) -> list[RegionWindow]:
    """Bring windows to the device, all of their maps in one copy.

    Args:
        windows: with arrays.
        likenesses: of each, with tensors.
        device: where to.
    """
    if not windows:
        return []
    flat = uploaded(np.concatenate([window.maps.reshape(-1) for window in windows]), device)
    found: list[RegionWindow] = []
    at = 0
    for window, likeness in zip(windows, likenesses, strict=True):
        maps: Any = flat[at : at + window.maps.size].view(window.maps.shape)
        found.append(DeviceWindow(window.region, likeness, window.first_frame, maps, window.motion, window.overlap))
        at += window.maps.size
    return found


def likeness_on_device(likeness: Likeness, device: torch.device) -> Likeness:
    """The same with tensors."""
    tokens: Any = {name: uploaded(array, device) for name, array in likeness.tokens.items()}
    shade: Any = uploaded(likeness.shade, device)
    return replace(likeness, tokens=tokens, shade=shade)


class DeviceWindowMaker(WindowMaker):
    """See `WindowMaker`; windows are of `on_device`, and drafts are of tensors."""

    def __init__(self, networks: TensorNetworks, steps: int, seed: int, batches: BatchSizes | None = None) -> None:
        anything: Any = networks
        super().__init__(anything, steps, seed, batches)
        self._tensors, self._seeded = networks, seed
        self._noises: dict[tuple[int, int], Tensor] = {}
        self._luma = torch.from_numpy(LUMA).to(networks.device)

    def _batch(self, windows: Sequence[RegionWindow], size: int, steps: int) -> list[Draft]:
        count, frames = len(windows), len(windows[0])
        padded: list[Any] = [*windows, *[windows[-1]] * (size - count)]
        maps = torch.cat([w.maps for w in padded])
        features = self._tensors.stem(maps)
        eighth = features.eighth.reshape(size, frames, *features.eighth.shape[1:]).clone()
        known = np.stack([w.overlap.known for w in padded])
        motion = np.stack([w.motion for w in padded])
        height, width = eighth.shape[-2:]
        nothing = torch.zeros((LATENT_CHANNELS + eighth.shape[2], height, width), device=maps.device)
        told: Any = Told(
            eighth,
            uploaded(motion, maps.device),
            torch.stack([w.likeness.shade for w in padded]),
            torch.stack([w.likeness.tokens[w.region.name] for w in padded]),
            _stacked([w.overlap.latents for w in padded], nothing[:LATENT_CHANNELS]),
            _stacked([w.overlap.eighth for w in padded], nothing[LATENT_CHANNELS:]),
            uploaded(known, maps.device),
        )
        new = self._start(maps.shape[2], maps.shape[3]).expand(size, frames, -1, -1, -1).contiguous()
        times = steps_of(steps)
        for begin, end in zip(times, times[1:], strict=False):
            when = torch.full((size, frames), begin, dtype=torch.float32, device=maps.device)
            new = new + (end - begin) * self._tensors.velocity(new, when, told)
        latents = new / torch.sqrt(new.square().mean(-3, keepdim=True) + 1e-6)
        made = self._tensors.decode(latents.reshape(-1, *latents.shape[2:]), features, maps)
        made = made.reshape(size, frames, *made.shape[1:])[:count].clone()
        for k, window in enumerate(windows):
            if window.region is not MOUTH:
                made[k, :, 3] *= 1.0 - _own_eye(window.maps)
            if window.likeness.grey:
                made[k, :, :3] = torch.einsum("nchw,c->nhw", made[k, :, :3], self._luma)[:, None]
        return [Draft(made[k], latents[k], eighth[k]) for k in range(count)]

    def _start(self, height: int, width: int) -> Tensor:
        if (height, width) not in self._noises:
            noise = torch.from_numpy(noise_of(self._seeded, (height, width)))
            self._noises[height, width] = noise.to(self._tensors.device)
        return self._noises[height, width]


def _stacked(overlaps: Sequence[Sequence[Tensor | None]], nothing: Tensor) -> Tensor:
    """(B, O, ...) of what frames before there were."""
    flat = [nothing if each is None else each for overlap in overlaps for each in overlap]
    return torch.stack(flat).view(len(overlaps), -1, *nothing.shape)


def _own_eye(maps: Tensor) -> Tensor:
    """See `diffusion.windows._own_eye`."""
    moved = (maps[:, MAPS["lid_motion"]][:, 0] - BALL_UNTIL[0]) / (BALL_UNTIL[1] - BALL_UNTIL[0])
    moved = moved.clamp(0.0, 1.0)
    between = avg_pool2d(pad(maps[:, MAPS["eye"]], (1, 1, 1, 1), "reflect"), 3, 1)[:, 0]
    return between * (1.0 - moved * moved * (3.0 - 2.0 * moved))
