"""Square crops of a picture, turned so that a face or a body stands upright in them.

They know the way there for pixels and the way back for points and masks, and nothing of what is looked for in them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Crop:
    """A turned square of the canvas."""

    x_px: float
    """Centre."""
    y_px: float
    side_px: float
    angle: float = 0.0
    """Radians, clockwise on the screen: how far the crop's own right points below the canvas's."""

    def matrix(self, size_px: int) -> NDArray[np.float64]:
        """float64 (2, 3): from crop pixels (edges at 0 and `size_px`) to canvas pixels."""
        scale = self.side_px / size_px
        cosine, sine = math.cos(self.angle) * scale, math.sin(self.angle) * scale
        half = size_px / 2
        return np.array(
            [
                [cosine, -sine, self.x_px - cosine * half + sine * half],
                [sine, cosine, self.y_px - sine * half - cosine * half],
            ]
        )

    def take(self, canvas: NDArray[np.uint8], size_px: int, border: int = cv2.BORDER_REPLICATE) -> NDArray[np.float32]:
        """The crop as float32 (size, size, 3), 0..255.

        Args:
            canvas: uint8 (H, W, 3).
            size_px: side of the result.
            border: OpenCV's border mode for what lies outside the canvas.
        """
        matrix = _pixel_centres(self.matrix(size_px))
        # Bilinear sampling alone would alias where the crop is much smaller than the square it shows.
        shrink = self.side_px / size_px
        source = canvas
        if shrink > 2:
            blur = shrink / 3
            source = np.asarray(cv2.GaussianBlur(canvas, (0, 0), blur), np.uint8)
        crop = cv2.warpAffine(
            source, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=border
        )
        return crop.astype(np.float32)

    def points_to_canvas(self, points: NDArray[np.floating], size_px: int) -> NDArray[np.float32]:
        """Points (N, 2) or (N, 3) of the crop, in its pixels, on the canvas; depth is scaled alike."""
        matrix = self.matrix(size_px)
        flat = points[:, :2].astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
        if points.shape[1] == 2:
            return flat.astype(np.float32)
        depth = points[:, 2:3] * (self.side_px / size_px)
        return np.concatenate([flat, depth], axis=1).astype(np.float32)

    def mask_to_canvas(self, mask: NDArray[np.float32], width_px: int, height_px: int) -> NDArray[np.float32]:
        """A square mask of the crop drawn on the canvas, float32 (H, W); 0 outside the crop."""
        matrix = _pixel_centres(self.matrix(mask.shape[0]))
        return np.asarray(cv2.warpAffine(mask, matrix, (width_px, height_px), flags=cv2.INTER_LINEAR), np.float32)


def _pixel_centres(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same map between pixel indices, whose centres lie half a pixel in."""
    moved = matrix.copy()
    moved[:, 2] += 0.5 * matrix[:, :2].sum(axis=1) - 0.5
    return moved
