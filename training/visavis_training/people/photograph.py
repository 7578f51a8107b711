"""From linear light to a photograph: a blurred room behind the person, a lens, a film curve, a sensor's grain.

Arrays in, arrays out; no Blender. The room is drawn from simple shapes in linear light and thrown out of focus with a
round aperture, so that lamps become discs as they do behind a real lens.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]


def _box(room: Pixels, x: float, y: float, width: float, height: float, colour: tuple[float, float, float]) -> None:
    rows, columns = room.shape[:2]
    left, top = int(x * columns), int(y * rows)
    room[max(top, 0) : int((y + height) * rows), max(left, 0) : int((x + width) * columns)] = colour


def _window(room: Pixels, chance: np.random.Generator) -> None:
    _box(room, 0.60, 0.04, 0.30, 0.62, (1.5, 1.65, 1.8))
    _box(room, 0.60, 0.42, 0.30, 0.24, (0.55, 0.75, 0.50))
    _box(room, 0.742, 0.04, 0.016, 0.62, (0.35, 0.33, 0.30))
    _box(room, 0.60, 0.34, 0.30, 0.014, (0.35, 0.33, 0.30))
    _box(room, 0.93, 0.0, 0.07, 1.0, (0.50, 0.45, 0.38))
    _box(room, 0.04, 0.16, 0.20, 0.26, (0.14, 0.16, 0.18))
    _box(room, 0.055, 0.18, 0.17, 0.22, (0.42, 0.33, 0.22))
    _box(room, 0.0, 0.78, 0.45, 0.22, (0.16, 0.10, 0.06))
    for _ in range(26):
        _box(
            room,
            chance.uniform(0.30, 0.44),
            chance.uniform(0.48, 0.80),
            0.035,
            0.03,
            (0.06, chance.uniform(0.10, 0.22), 0.05),
        )


def _shelf(room: Pixels, chance: np.random.Generator) -> None:
    for row in range(6):
        top = -0.04 + row * 0.2
        x = 0.0
        while x < 1.0:
            width, height = chance.uniform(0.012, 0.034), chance.uniform(0.11, 0.16)
            shade = chance.uniform(0.05, 0.45)
            green = chance.uniform(0.66, 1.0)
            tint = np.array([1.0, green, green * chance.uniform(0.55, 1.05)])
            if chance.random() > 0.18:
                _box(room, x, top + 0.17 - height, width, height, tuple(shade * tint))
            x += width + chance.uniform(0.0, 0.004)
        _box(room, 0.0, top + 0.17, 1.0, 0.03, (0.30, 0.21, 0.14))
    _box(room, 0.78, 0.30, 0.05, 0.06, (6.0, 3.9, 2.0))
    room *= np.linspace(1.15, 0.55, room.shape[1], dtype=np.float32)[None, :, None]


def _office(room: Pixels, chance: np.random.Generator) -> None:
    _box(room, 0.0, 0.0, 1.0, 0.12, (0.75, 0.76, 0.78))
    for x in (0.12, 0.42, 0.76):
        _box(room, x, 0.03, 0.13, 0.02, (4.0, 4.2, 4.4))
    _box(room, 0.04, 0.20, 0.26, 0.42, (0.9, 1.05, 1.2))
    for x in (0.165, 0.30):
        _box(room, x, 0.20, 0.010, 0.42, (0.20, 0.21, 0.22))
    _box(room, 0.70, 0.26, 0.22, 0.20, (0.10, 0.16, 0.24))
    _box(room, 0.0, 0.70, 1.0, 0.30, (0.24, 0.21, 0.18))
    for _ in range(34):
        _box(
            room,
            chance.uniform(0.83, 0.98),
            chance.uniform(0.46, 0.74),
            0.03,
            0.035,
            (0.05, chance.uniform(0.10, 0.26), 0.05),
        )
    for x in (0.10, 0.55):
        _box(room, x, 0.60, 0.16, 0.14, (0.07, 0.075, 0.08))


def _lamp(room: Pixels, chance: np.random.Generator) -> None:
    _box(room, 0.10, 0.20, 0.15, 0.17, (3.2, 2.2, 1.25))
    _box(room, 0.168, 0.37, 0.014, 0.30, (0.12, 0.09, 0.06))
    _box(room, 0.0, 0.66, 0.36, 0.34, (0.20, 0.12, 0.07))
    _box(room, 0.66, 0.10, 0.24, 0.30, (0.30, 0.27, 0.22))
    _box(room, 0.68, 0.12, 0.20, 0.26, (0.16, 0.24, 0.26))
    _box(room, 0.58, 0.62, 0.42, 0.38, (0.20, 0.23, 0.20))
    for _ in range(9):
        x, y = chance.uniform(0.55, 0.97), chance.uniform(0.44, 0.58)
        _box(room, x, y, 0.008, 0.008, (14.0, 8.0, 3.6))


ROOMS = {
    "window": (_window, (0.42, 0.40, 0.37)),
    "shelf": (_shelf, (0.10, 0.075, 0.055)),
    "office": (_office, (0.46, 0.47, 0.48)),
    "lamp": (_lamp, (0.34, 0.29, 0.24)),
}


def room_behind(name: str, width_px: int, height_px: int, seed: int) -> Pixels:
    """A room out of focus, linear light (H, W, 3)."""
    draw, wall = ROOMS[name]
    chance = np.random.default_rng(seed)
    room = np.empty((height_px, width_px, 3), np.float32)
    room[:] = wall
    draw(room, chance)
    room *= np.linspace(1.08, 0.82, height_px, dtype=np.float32)[:, None, None]
    radius = max(2, round(width_px * 0.022))
    disc = cv2.circle(np.zeros((2 * radius + 1,) * 2, np.float32), (radius, radius), radius, 1.0, -1, cv2.LINE_AA)
    padded = cv2.copyMakeBorder(room, radius, radius, radius, radius, cv2.BORDER_REPLICATE)
    blurred = cv2.filter2D(padded, -1, disc / disc.sum())[radius:-radius, radius:-radius]
    return np.asarray(cv2.GaussianBlur(blurred, (0, 0), width_px * 0.004), np.float32)


def film(light: Pixels, exposure: float) -> Pixels:
    """Linear light to display values 0..1: a soft shoulder, a little contrast, slightly held-back saturation."""
    grey = light.mean(2, keepdims=True)
    x = np.maximum((light + 0.13 * (grey - light)) * exposure, 0.0)
    x = x * (1.0 + x / 9.0) / (1.0 + x)
    x = (x / 0.72).clip(0, None)
    x = np.where(x > 0.8, 0.8 + 0.2 * np.tanh((x - 0.8) / 0.2), x)
    shown = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-6) ** (1 / 2.4) - 0.055)
    shown = shown + 0.070 * np.sin(2 * np.pi * (shown - 0.5))
    return np.asarray(shown.clip(0.0, 1.0), np.float32)


def develop(light: Pixels, room: str, exposure: float, seed: int) -> NDArray[np.uint8]:
    """A finished RGB photograph uint8 (H, W, 3) of premultiplied linear light with alpha (H, W, 4)."""
    height, width = light.shape[:2]
    behind = room_behind(room, width, height, seed) * 0.55
    alpha = light[..., 3:]
    # Bright rooms spill over the edge of hair and shoulders.
    wrap = cv2.GaussianBlur(behind * (1 - alpha), (0, 0), width * 0.012)
    scene = light[..., :3] + (1 - alpha) * behind + 0.05 * wrap * alpha
    glow = cv2.GaussianBlur(np.minimum(scene, 4.0), (0, 0), width * 0.015)
    scene = scene * 0.965 + glow * 0.035
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None]
    scene = scene * (1.0 - 0.16 * ((rows**2 + columns**2) / 2) ** 1.3)[..., None]
    shown = film(np.asarray(scene, np.float32), exposure)
    chance = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(chance.normal(0, 1, (height, width, 1)).astype(np.float32), (0, 0), 0.6)
    tint = cv2.GaussianBlur(chance.normal(0, 1, (height, width, 3)).astype(np.float32), (0, 0), 1.1)
    amount = 0.012 * (1.15 - shown.mean(2, keepdims=True))
    shown = shown + amount * (grain.reshape(height, width, 1) * 1.4 + tint * 1.2)
    return np.asarray((shown * 255.0 + 0.5).clip(0, 255), np.uint8)
