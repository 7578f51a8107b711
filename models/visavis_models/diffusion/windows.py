"""One region of one session's window: what the networks are told of it, and what they make of it.

Windows of many sessions go through the networks together, those of one length and size in one batch. Knows nothing of
what is shown in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.diffusion.batch_sizes import BatchSizes
from visavis_models.diffusion.crops import MOUTH, Region, mirrored_motion, to_crops
from visavis_models.diffusion.drawing import draw_maps
from visavis_models.diffusion.likeness import Likeness
from visavis_models.diffusion.maps import MAPS
from visavis_models.diffusion.memory import Overlap, ShownCrop
from visavis_models.diffusion.strokes import strokes_of
from visavis_models.diffusion.warped_crops import crops_of, tell_warped
from visavis_models.diffusion.window_networks import Told, WindowNetworks, flowed, noise_of
from visavis_models.warp.renderer import Posed

Floats = NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
BALL_UNTIL = 0.35, 0.7
"""Lids that moved less than the first leave the eyeball wholly to `warp`, those that moved more than the second not."""
LEAST_LID_MOTION = 0.04
"""Lids that moved less than this in a whole window are not generated: they would not be shown."""


@dataclass(frozen=True, slots=True)
class RegionWindow:
    """N crops of one region of one person."""

    region: Region
    likeness: Likeness
    first_frame: int
    maps: Floats
    """float32 (N, MAP_CHANNELS, H, W)."""
    motion: Floats
    """float32 (N, 5, 58), mirrored as the region is."""
    overlap: Overlap

    def __len__(self) -> int:
        return len(self.maps)

    def from_the_portrait(self, newest: ShownCrop | None) -> RegionWindow:
        """The same with nothing shown before; led by the newest crop that was, if it stands right before."""
        overlap = replace(self.overlap, known=np.zeros_like(self.overlap.known))
        if newest is None or newest.frame != self.first_frame - 1:
            return replace(self, overlap=overlap)
        return replace(
            self,
            first_frame=newest.frame,
            maps=self.led_by(newest.maps),
            motion=np.concatenate([newest.motion[None], self.motion]),
            overlap=overlap,
        )

    def led_by(self, maps: Floats) -> Floats:
        """The window's maps behind those of one frame more, float32 (MAP_CHANNELS, H, W)."""
        return np.concatenate([maps[None], self.maps])


@dataclass(frozen=True, slots=True)
class Draft:
    """What the networks made of a window; not judged yet."""

    made: Floats
    """float32 (N, 4, H, W): RGB about -1..1, and cover 0..1."""
    latents: Floats
    """float32 (N, 16, h, w)."""
    eighth: Floats
    """float32 (N, C, h, w)."""


def lids_move(posed: Posed, region: Region) -> bool:
    """Whether an eye's lids move enough in a window to be generated; True for the mouth."""
    if region is MOUTH:
        return True
    gap = posed.driven.lid_gap[:, 1 if region.mirrored else 0]
    return bool(np.abs(1.0 - gap).max() >= LEAST_LID_MOTION)


def region_window(
    region: Region,
    likeness: Likeness,
    posed: Posed,
    frames: NDArray[np.uint8],
    first_frame: int,
    motion: Floats,
    overlap: Overlap,
    mouth_px: tuple[int, int],
) -> RegionWindow:
    """Draw a window's maps.

    Args:
        region: which.
        likeness: whose.
        posed: N frames, as `warp` draws them.
        frames: uint8 (N, H, W, 3): what it has drawn.
        first_frame: on the media clock.
        motion: float32 (N, 5, 58) of the person, not mirrored.
        overlap: what was shown before.
        mouth_px: height and width of the mouth's crop.
    """
    still = likeness.still
    rig = still.rig
    strokes = strokes_of(rig, still.avatar.landmarks, posed.driven, posed.skull, region, mouth_px)
    if region.mirrored:
        motion = np.concatenate(mirrored_motion(motion[..., :52], motion[..., 52:]), -1)
    maps = draw_maps(strokes, region)
    crops = to_crops(region, rig.neutral_points, posed.skull, rig.face_width_px, mouth_px)
    tell_warped(maps, crops_of(frames, crops, strokes.size_px))
    return RegionWindow(region, likeness, first_frame, maps, np.ascontiguousarray(motion), overlap)


class WindowMaker:
    """Takes windows through the networks.

    Args:
        networks: of one size.
        steps: of the flow.
        seed: of the noise: one crop for all frames of all sessions, so that what does not change does not flicker.
        batches: how many windows go through the networks at once; None: any number.
    """

    def __init__(self, networks: WindowNetworks, steps: int, seed: int, batches: BatchSizes | None = None) -> None:
        self.networks, self.steps, self._seed, self._sizes = networks, steps, seed, batches
        self._noise: dict[tuple[int, int], Floats] = {}

    def make(self, windows: Sequence[RegionWindow], steps: Sequence[int] | None = None) -> list[Draft]:
        """A draft for each window.

        Args:
            windows: of any sessions.
            steps: of the flow, of each; None: those of this maker.

        Raises:
            EngineError: the networks cannot run.
        """
        drafts: dict[int, Draft] = {}
        of = steps or [self.steps] * len(windows)

        def kind(k: int) -> tuple[int, tuple[int, ...]]:
            return of[k], windows[k].maps.shape

        for (count, shape), alike in groupby(sorted(range(len(windows)), key=lambda k: (kind(k), k)), key=kind):
            rows = list(alike)
            for size in self._sizes.parts(len(rows), shape[0]) if self._sizes else [len(rows)]:
                batch, rows = rows[:size], rows[size:]
                drafts.update(zip(batch, self._batch([windows[k] for k in batch], size, count), strict=True))
        return [drafts[k] for k in range(len(windows))]

    def _batch(self, windows: Sequence[RegionWindow], size: int, steps: int) -> list[Draft]:
        """Windows of one shape; together with as many copies of the last one as make them `size`."""
        count, frames = len(windows), len(windows[0])
        windows = [*windows, *[windows[-1]] * (size - count)]
        maps = _joined([w.maps for w in windows])
        features = self.networks.stem(maps)
        eighth = features.eighth.reshape(size, frames, *features.eighth.shape[1:])
        told = Told(
            eighth,
            np.stack([w.motion for w in windows]),
            np.stack([w.likeness.shade for w in windows]),
            np.stack([w.likeness.tokens[w.region.name] for w in windows]),
            np.stack([w.overlap.latents for w in windows]),
            np.stack([w.overlap.eighth for w in windows]),
            np.stack([w.overlap.known for w in windows]),
        )
        noise = self._noise_for(maps.shape[2], maps.shape[3])
        start = np.broadcast_to(noise, (size, frames, *noise.shape)).copy()
        latents = flowed(self.networks, start, told, steps)
        made = self.networks.decode(latents.reshape(-1, *latents.shape[2:]), features, maps)
        made = made.reshape(size, frames, *made.shape[1:])[:count]
        for k, window in enumerate(windows[:count]):
            if window.region is not MOUTH:
                made[k, :, 3] *= 1.0 - _own_eye(window.maps)
            if window.likeness.grey:
                made[k, :, :3] = np.einsum("nchw,c->nhw", made[k, :, :3], LUMA)[:, None]
        return [Draft(*parts) for parts in zip(made, latents[:count], eighth[:count], strict=True)]

    def _noise_for(self, height: int, width: int) -> Floats:
        if (height, width) not in self._noise:
            self._noise[height, width] = noise_of(self._seed, (height, width))
        return self._noise[height, width]


def _own_eye(maps: Floats) -> Floats:
    """float32 (N, H, W): how much of what is seen between the lids stays `warp`'s, which moves the photo's own iris."""
    moved = (maps[:, MAPS["lid_motion"]][:, 0] - BALL_UNTIL[0]) / (BALL_UNTIL[1] - BALL_UNTIL[0])
    moved = np.clip(moved, 0.0, 1.0)
    between = np.stack([cv2.blur(np.ascontiguousarray(eye), (3, 3)) for eye in maps[:, MAPS["eye"]][:, 0]])
    return np.asarray(between * (1.0 - moved * moved * (3.0 - 2.0 * moved)), np.float32)


def _joined(maps: list[Floats]) -> Floats:
    return maps[0] if len(maps) == 1 else np.concatenate(maps)
