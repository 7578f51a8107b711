"""From linear light to a photograph: a lens's glow, falloff and colour fringe, a film curve, a sensor's noise.

Arrays in, arrays out; no Blender.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Grade:
    """How a camera renders light: exposure in stops, white balance (below 0 cooler), contrast, colour, noise."""

    stops: float = 0.0
    warmth: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0
    noise: float = 1.0
    vignette: float = 0.12


def film(light: Pixels, grade: Grade) -> Pixels:
    """Linear light to display values 0..1: a toe, a straight middle and a long soft shoulder."""
    grey = (light @ np.array([0.2126, 0.7152, 0.0722], np.float32))[..., None]
    x = np.maximum(grey + (light - grey) * grade.saturation, 0.0)
    # Bright colours bleach towards white as film and sensors do; the curve is a generic filmic rational.
    x = x + (grey - x) * (grey / (grey + 6.0))
    x = x * 0.78
    x = (x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14)
    shown = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-6) ** (1 / 2.4) - 0.055)
    shown = 0.5 + (shown - 0.5) * (1.0 + 0.25 * (grade.contrast - 1.0)) if grade.contrast != 1.0 else shown
    return np.asarray(shown.clip(0.0, 1.0), np.float32)


def develop(light: Pixels, grade: Grade, seed: int) -> NDArray[np.uint8]:
    """A finished RGB photograph uint8 (H, W, 3) of linear light (H, W, 3)."""
    height, width = light.shape[:2]
    size = max(height, width)
    balance = np.array([1.0 + 0.10 * grade.warmth, 1.0, 1.0 - 0.12 * grade.warmth], np.float32)
    scene = np.asarray(light * balance * np.float32(2.0**grade.stops), np.float32)
    for share, radius in ((0.035, 0.006), (0.03, 0.03)):
        glow = cv2.GaussianBlur(np.minimum(scene, 8.0), (0, 0), size * radius)
        scene = scene * (1 - share) + glow * share
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * height / size
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None] * width / size
    scene = scene * (1.0 - grade.vignette * (rows**2 + columns**2) ** 1.2)[..., None]
    scene = _fringe(scene, 0.0005)
    chance = np.random.default_rng(seed)
    # Photon noise grows with the root of light; the sensor's own is even. A camera's denoiser leaves soft grain.
    shot = cv2.GaussianBlur(chance.normal(0, 1, (height, width, 3)).astype(np.float32), (0, 0), 0.75) * 2.0
    scene = scene + grade.noise * (0.006 * np.sqrt(np.maximum(scene, 0.0)) + 0.0012) * shot
    shown = film(np.maximum(scene, 0.0), grade)
    sharp = shown + 0.35 * (shown - cv2.GaussianBlur(shown, (0, 0), 1.0))
    return np.asarray((sharp * 255.0 + 0.5).clip(0, 255), np.uint8)


def _fringe(scene: Pixels, amount: float) -> Pixels:
    """Red a little larger and blue a little smaller than green, as lenses leave it."""
    height, width = scene.shape[:2]
    planes = []
    for channel, scale in enumerate((1.0 + amount, 1.0, 1.0 - amount)):
        grow = np.array([[scale, 0, width / 2 * (1 - scale)], [0, scale, height / 2 * (1 - scale)]], np.float32)
        plane = np.ascontiguousarray(scene[..., channel])
        planes.append(cv2.warpAffine(plane, grow, (width, height), borderMode=cv2.BORDER_REFLECT))
    return np.asarray(np.stack(planes, -1), np.float32)
