"""How many windows go through the networks at once where every number must be prepared beforehand.

A card plays back what it has recorded for one shape; recording another takes longer than a frame may. So there is a set
of sizes, each batch is padded to the next one, and all of them are recorded before the first session comes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from visavis_models.diffusion.crops import MOUTH, RIGHT_EYE
from visavis_models.diffusion.graph_shapes import axis_lengths, graphs_of, shapes
from visavis_models.diffusion.window_networks import Features, Told, WindowNetworks
from visavis_models.errors import EngineError

_log = logging.getLogger(__name__)

SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Windows in a batch."""
LENGTHS = (2, 4, 8)
"""New frames of a window in a stream. Others (a stream's beginning, one that begins anew) go in small batches."""
OTHER_LENGTHS = (1, 3, 5, 6, 7, 9)
_OTHER_SIZES = (1, 2)
MOST_FRAMES = 256
"""Of one batch: eight frames of 32 avatars. More would take memory, and time, that nobody has."""


@dataclass(slots=True)
class BatchSizes:
    """The sizes that were prepared."""

    sizes: tuple[int, ...] = SIZES
    most_frames: int = MOST_FRAMES
    lengths: tuple[int, ...] = LENGTHS
    recorded: dict[str, float] = field(default_factory=dict)
    """How long which shape took to be prepared, in ms, for people."""

    def fitting(self, frames: int) -> tuple[int, ...]:
        """Sizes of batches of windows of so many new frames, the smallest first."""
        sizes = self.sizes if frames in self.lengths else _OTHER_SIZES
        return tuple(size for size in sizes if size * frames <= self.most_frames) or (1,)

    def parts(self, windows: int, frames: int) -> list[int]:
        """Sizes of the batches in which so many windows of so many new frames go; all but the last are full."""
        sizes = self.fitting(frames)
        full, left = divmod(windows, sizes[-1])
        rest = [next(size for size in sizes if size >= left)] if left else []
        return [sizes[-1]] * full + rest

    def record(
        self, networks: WindowNetworks, shown_frames: int, now_s: Callable[[], float] = time.perf_counter
    ) -> None:
        """Run every shape once, so that none is prepared in the middle of a call; the smallest first.

        Where the card's memory does not suffice, the set ends below.

        Args:
            networks: that run.
            shown_frames: of every window.
            now_s: a clock.

        Raises:
            EngineError: not even the smallest can be run.
        """
        for size, frames in self._shapes():
            if size not in self.fitting(frames):
                continue
            began_s = now_s()
            try:
                for region in (MOUTH, RIGHT_EYE):
                    run_once(networks, region.size_px(networks.size.mouth_px), size, frames, shown_frames)
            except EngineError as error:
                if error.code != "gpu_memory" or size * frames <= min(self.lengths):
                    raise
                self.most_frames = size * frames // 2
                _log.warning("the card has no memory for larger batches", extra={"frames": self.most_frames})
                return self.record(networks, shown_frames, now_s)  # whatever was kept is gone
            self.recorded[f"{size}x{frames}"] = round(1000 * (now_s() - began_s), 1)

    def _shapes(self) -> Iterator[tuple[int, int]]:
        every = {(size, frames) for frames in self.lengths for size in self.sizes}
        every |= {(size, frames) for frames in OTHER_LENGTHS for size in _OTHER_SIZES if frames not in self.lengths}
        yield from sorted(every, key=lambda pair: (pair[0] * pair[1], pair))


def run_once(networks: WindowNetworks, crop_px: tuple[int, int], windows: int, frames: int, shown_frames: int) -> None:
    """One batch of nothing through stem, denoiser and decoder.

    Args:
        networks: that run.
        crop_px: height and width of the crop.
        windows: in the batch.
        frames: new ones of each.
        shown_frames: of each.
    """
    lengths = axis_lengths(networks.size, crop_px, windows, frames, shown_frames)
    graphs = graphs_of(networks.size)
    told = {name: np.zeros(shape, np.float32) for name, shape in shapes(graphs["denoiser"].inputs, lengths).items()}
    maps = np.zeros(shapes(graphs["stem"].inputs, lengths)["maps"], np.float32)
    features = networks.stem(maps)
    latents, time_of_flow = told.pop("latents"), told.pop("time")
    made = networks.velocity(latents, time_of_flow, Told(**told))
    networks.decode(made.reshape(-1, *made.shape[2:]), Features(features.half, features.quarter, features.eighth), maps)
