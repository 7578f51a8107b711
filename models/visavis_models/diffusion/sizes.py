"""The two sizes of the renderer's networks, and the layout of what goes in and out of them.

One architecture: every number that tells `compact` (a laptop's CPU) from `base` (a GPU) stands here. Imports no torch,
so that a product that runs exported networks knows their shapes too.
"""

from __future__ import annotations

from dataclasses import dataclass

from visavis_models.arkit import ARKIT_COUNT
from visavis_models.diffusion.maps import MAP_CHANNELS, REFERENCE_CHANNELS

LATENT_FACTOR = 8
"""Pixels of a crop along each side of one latent place."""
LATENT_CHANNELS = 16
PICTURE_CHANNELS = 4
"""RGB and mask."""
MOTION_VALUES = ARKIT_COUNT + 6
"""Of one motion: ARKit coefficients, then the head's six."""
MOTION_FRAMES = 5
"""Motions that tell of a frame: its own and the four before it."""
SHADE_VALUES = 3
"""Linear RGB reflectance of the person's teeth."""


@dataclass(frozen=True, slots=True)
class RendererSize:
    """Widths and depths of one size of the networks."""

    name: str
    mouth_px: tuple[int, int]
    """Height and width of the mouth's crop; multiples of `LATENT_FACTOR`. Eyes have half of it each way."""
    stem: tuple[int, int, int]
    """Channels of the condition's features at 1/2, 1/4 and 1/8 of the crop."""
    width: int
    """Channels of the denoiser."""
    blocks: str
    """The denoiser's blocks in order: c convolution, s attention over places, x attention to motion and appearance,
    t attention over time."""
    heads: int
    decoder: tuple[int, int, int]
    """Channels of the decoder at 1/8, 1/4 and 1/2."""
    decoder_depth: tuple[int, int, int]
    """Blocks at each of the decoder's levels."""
    encoder: tuple[int, int, int]
    """Channels of the picture's encoder (training only) at 1/2, 1/4 and 1/8."""
    token_pool: int
    """Latent places along each side that make one appearance token."""

    @property
    def eye_px(self) -> tuple[int, int]:
        """Height and width of an eye's crop."""
        return self.mouth_px[0] // 2, self.mouth_px[1] // 2

    @property
    def map_channels(self) -> int:
        """Channels of the maps of a driven frame."""
        return MAP_CHANNELS

    @property
    def reference_channels(self) -> int:
        """Channels of the maps of the reference."""
        return REFERENCE_CHANNELS


COMPACT = RendererSize(
    name="compact", mouth_px=(96, 128), stem=(16, 32, 64), width=128, blocks="cxtcsxtc", heads=4,
    decoder=(96, 48, 24), decoder_depth=(2, 1, 2), encoder=(48, 96, 192), token_pool=2,
)  # fmt: skip
"""For two cores of a laptop."""
BASE = RendererSize(
    name="base", mouth_px=(192, 256), stem=(24, 48, 96), width=160, blocks="cxtcsxtc", heads=5,
    decoder=(160, 96, 48), decoder_depth=(2, 2, 2), encoder=(64, 128, 256), token_pool=2,
)  # fmt: skip
"""For GPUs: a face region of 512 px."""
SIZES = {size.name: size for size in (COMPACT, BASE)}
