"""Networks that do nothing but tell facts: crops show the driven photo, a colour, or what latents were shown before.

A latent's first channel over its second is a brightness that is added to the crop; new frames take it over from the
newest frame that they were shown, so a test sees in pictures what a stream remembers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT
from visavis_models.diffusion.maps import MAPS
from visavis_models.diffusion.sizes import COMPACT, RendererSize
from visavis_models.diffusion.window_networks import Features, Told
from visavis_models.motion import BODY_NAMES, HEAD_NAMES, MotionWindow, rest_motion

Floats = NDArray[np.float32]
Paint = Callable[[Floats], Floats]
"""Maps (F, MAP_CHANNELS, H, W) to crops (F, 4, H, W)."""
GALLERY = Path(__file__).parent.parent / "weights" / "gallery"


def motions(*rows: dict[str, float], first_frame: int = 0) -> MotionWindow:
    """A window of rows that name coefficients, with or without their side, and controls of head and body."""
    window = rest_motion(len(rows), first_frame)
    for t, row in enumerate(rows):
        for name, value in row.items():
            for side in ("", "Left", "Right"):
                if name + side in ARKIT:
                    window.face[t, ARKIT[name + side]] = value
            if name in HEAD_NAMES:
                window.head[t, HEAD_NAMES.index(name)] = value
            if name in BODY_NAMES:
                window.body[t, BODY_NAMES.index(name)] = value
    return window


def within_the_crop(cover: Floats, border_px: int = 6) -> Floats:
    """Cover (F, 1, H, W) without a crop's border."""
    kept = np.zeros_like(cover)
    inside = np.s_[:, :, border_px:-border_px, border_px:-border_px]
    kept[inside] = cover[inside]
    return kept


def the_driven_photo(maps: Floats) -> Floats:
    """What the maps show of the photo, over all that it covers."""
    return np.concatenate([maps[:, MAPS["warped"]], within_the_crop(maps[:, MAPS["shown"]])], 1)


class FakeNetworks:
    """See `WindowNetworks`; remembers what it was asked."""

    name = "fake"

    def __init__(self, paint: Paint = the_driven_photo, size: RendererSize = COMPACT, drift: float = 0.0) -> None:
        self.size, self.paint, self.drift = size, paint, drift
        self.told: list[Told] = []
        self.maps: list[Floats] = []
        self.references: list[Floats] = []
        self.spoil: Callable[[Floats], Floats] | None = None
        """Applied to every decoded batch, (F, 4, H, W)."""
        self.raises: Exception | None = None

    def appearance(self, reference: Floats) -> Floats:
        self.references.append(reference)
        height, width = (side // 8 // self.size.token_pool for side in reference.shape[2:])
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
        wanted = np.zeros_like(latents)
        wanted[:, :, 1] = 1.0
        for row, shown, known in zip(wanted, told.shown, told.known, strict=True):
            newest = np.flatnonzero(known)
            before = float((shown[newest[-1], 0] / shown[newest[-1], 1]).mean()) if len(newest) else 0.0
            row[:, 0] = (before + self.drift * np.arange(1, len(row) + 1))[:, None, None]
        return (wanted - latents) / (1 - time)[:, :, None, None, None]

    def decode(self, latents: Floats, features: Features, maps: Floats) -> Floats:
        assert len(latents) == len(maps) == len(features.half)
        made = self.paint(maps)
        made[:, :3] += (latents[:, 0] / latents[:, 1]).mean((1, 2))[:, None, None, None]
        return made if self.spoil is None else self.spoil(made)
