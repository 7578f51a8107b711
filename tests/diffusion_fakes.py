"""Networks that do nothing but tell facts: crops show the driven photo, a colour, or how many frames were known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from visavis_models.diffusion.maps import MAPS
from visavis_models.diffusion.sizes import COMPACT, RendererSize
from visavis_models.diffusion.window_networks import Features, Told

Floats = NDArray[np.float32]
Paint = Callable[[Floats], Floats]
"""Maps (F, MAP_CHANNELS, H, W) to crops (F, 4, H, W)."""


def the_driven_photo(maps: Floats) -> Floats:
    """What the maps show of the photo, over all that it covers but the crop's edge."""
    cover = maps[:, MAPS["shown"]].copy()
    cover[:, :, :8] = cover[:, :, -8:] = cover[:, :, :, :8] = cover[:, :, :, -8:] = 0
    return np.concatenate([maps[:, MAPS["warped"]], cover], 1)


class FakeNetworks:
    """See `WindowNetworks`; remembers what it was asked."""

    name = "fake"

    def __init__(self, paint: Paint = the_driven_photo, size: RendererSize = COMPACT) -> None:
        self.size, self.paint = size, paint
        self.told: list[Told] = []
        self.maps: list[Floats] = []
        self.references: list[Floats] = []
        self.spoil: Callable[[Floats], Floats] | None = None
        """Applied to every decoded batch, (F, 4, H, W)."""
        self.raises: Exception | None = None

    def appearance(self, reference: Floats) -> Floats:
        self.references.append(reference)
        height, width = reference.shape[2] // 8 // self.size.token_pool, reference.shape[3] // 8 // self.size.token_pool
        return np.zeros((len(reference), height * width, self.size.width), np.float32)

    def stem(self, maps: Floats) -> Features:
        if self.raises is not None:
            raise self.raises
        self.maps.append(maps)
        frames, _, height, width = maps.shape
        half, quarter, eighth = (
            np.zeros((frames, channels, height // by, width // by), np.float32)
            for channels, by in zip(self.size.stem, (2, 4, 8), strict=True)
        )
        eighth[:] = maps[:, MAPS["mouth"]].mean((1, 2, 3))[:, None, None, None]
        return Features(half, quarter, eighth)

    def velocity(self, latents: Floats, time: Floats, told: Told) -> Floats:
        self.told.append(told)
        assert latents.shape[:2] == time.shape == told.eighth.shape[:2] == told.motion.shape[:2]
        assert told.shown.shape[:2] == told.known.shape == told.shown_eighth.shape[:2]
        return -latents + told.eighth[:, :, :1]

    def decode(self, latents: Floats, features: Features, maps: Floats) -> Floats:
        assert len(latents) == len(maps) == len(features.half)
        made = self.paint(maps)
        return made if self.spoil is None else self.spoil(made)
