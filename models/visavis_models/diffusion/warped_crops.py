"""What `warp` has drawn, as crops see it: the photo moved by the mesh, with its drawn mouth and lids.

Networks are told of the very picture that they mend, and what they answer is laid over it as a difference: whatever
they leave alone stays as sharp as the canvas is. Knows nothing of networks.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.diffusion.maps import FACE, MAPS

Floats = NDArray[np.float32]
_FINEST = 4


def crop_of(frame: NDArray[np.uint8], to_crop: NDArray[np.floating], size_px: tuple[int, int]) -> NDArray[np.uint8]:
    """A frame of the canvas as a crop sees it, averaged over what becomes one pixel.

    Args:
        frame: uint8 (H, W, 3).
        to_crop: (2, 3): px of the frame to px of the crop.
        size_px: height and width of the crop.

    Returns:
        uint8 (h, w, 3).
    """
    height, width = size_px
    finer = int(np.clip(np.ceil(1 / np.sqrt(abs(np.linalg.det(to_crop[:, :2])))), 1, _FINEST))
    wide = to_crop.astype(np.float64) * finer
    wide[:, 2] += (finer - 1) / 2
    read = cv2.warpAffine(
        frame, wide, (width * finer, height * finer), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )  # fmt: skip
    if finer > 1:
        read = cv2.resize(read, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(read, np.uint8)


def crops_of(frames: NDArray[np.uint8], to_crop: Floats, size_px: tuple[int, int]) -> NDArray[np.uint8]:
    """Frames (N, H, W, 3) as their crops (N, 2, 3) see them: uint8 (N, h, w, 3)."""
    return np.stack([crop_of(*pair, size_px) for pair in zip(frames, to_crop, strict=True)])


def unit_range(crops: NDArray[np.uint8]) -> Floats:
    """uint8 (N, h, w, 3) as float32 (N, 3, h, w), -1..1."""
    return np.asarray(crops.transpose(0, 3, 1, 2) * np.float32(1 / 127.5) - np.float32(1))


def tell_warped(maps: Floats, crops: NDArray[np.uint8]) -> None:
    """Put crops of `warp`'s pictures into the maps wherever the face is, in place.

    Args:
        maps: float32 (N, MAP_CHANNELS, h, w).
        crops: uint8 (N, h, w, 3).
    """
    face = np.maximum.reduce([maps[:, MAPS[name]] for name in FACE])
    np.multiply(unit_range(crops), face > 0, out=maps[:, MAPS["warped"]])
