"""Skin as numbers on the surface: pigment, redness, oil, wrinkles. Blender only shades what is painted here.

Colour is pigment physics in short: a base reflectance darkened by melanin and haemoglobin, each with its own
absorption of red, green and blue. Nothing here knows of the renderer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from visavis_training.people.features import Features, above_hairline
from visavis_training.people.surface import Floats, Surface, bump, noise, smooth_step

MELANIN_ABSORPTION = np.array([0.62, 1.0, 1.42])
HAEMOGLOBIN_ABSORPTION = np.array([0.10, 1.0, 0.72])


@dataclass(frozen=True, slots=True)
class Complexion:
    """A skin: base colour in sRGB 0..255, and strengths of what varies over it (0 none, 1 strong)."""

    base: tuple[int, int, int]
    redness: float = 0.5
    freckles: float = 0.0
    blotches: float = 0.5
    dark_circles: float = 0.4
    lip_redness: float = 0.5
    lip_depth: float = 0.2
    stubble: float = 0.0
    wrinkles: float = 0.1
    oil: float = 0.4
    moles: int = 3


@dataclass(frozen=True, slots=True)
class Paint:
    """Per vertex: linear reflectance (V, 3), roughness (V,), share of lip (V,), outward displacement (V,) in metres."""

    colour: Floats
    roughness: Floats
    lip: Floats
    relief: Floats


def linear(colour: tuple[int, int, int] | Floats) -> Floats:
    """SRGB 0..255 to linear 0..1."""
    value = np.asarray(colour, dtype=np.float64) / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def beard_area(features: Features, points: Floats) -> Floats:
    """Where a beard grows (N,), 0..1: upper lip, chin, jaw and the front of the cheeks up to the sideburns."""
    width = features.eye_distance
    x = np.abs(points[:, 0] - features.mouth[0]) / width
    z = (points[:, 2] - features.mouth[2]) / width
    # Upper edge: under the nose, then rising over the cheek towards the ear.
    edge = np.interp(x, (0.0, 0.30, 0.42, 0.50, 0.62, 0.85, 1.1), (0.42, 0.38, 0.26, 0.10, 0.18, 0.50, 0.85))
    edge = edge + 0.10 * noise(points, 130.0, 2, 4)
    area = smooth_step(edge - z, -0.08, 0.16)
    lower = smooth_step(z, -1.35, -0.95)
    front = smooth_step(points[:, 1], features.middle[1] + 0.015, features.middle[1] - 0.015)
    near_lips = 1.0 - smooth_step(
        features.lips if len(points) == len(features.lips) else np.zeros(len(points)), 0.2, 0.6
    )
    bare = 1.0 - 0.75 * smooth_step(np.abs(z + 0.22) + np.abs(x - 0.22) * 1.2, 0.13, 0.05)
    philtrum = 1.0 - 0.6 * np.exp(-((x / 0.045) ** 2)) * (z > 0.0)
    return np.asarray(area * lower * front * near_lips * bare * philtrum)


def paint(features: Features, surface: Surface, complexion: Complexion, seed: int) -> Paint:
    """Paint the whole surface; the same seed paints the same skin."""
    points, width = surface.points, features.eye_distance
    eyes, nose, mouth = features.eyes, features.nose_tip, features.mouth
    chance = np.random.default_rng(seed)
    fine = noise(points, 900.0, 3, seed + 1)
    mottle = noise(points, 190.0, 3, seed + 2)
    broad = noise(points, 38.0, 3, seed + 3)

    def mirrored(x: float, y: float, z: float, radius: tuple[float, float, float]) -> Floats:
        scale = np.array(radius) * width
        marks = [bump(points, eyes + np.array([side * x, y, z]) * width, scale) for side in (-1.0, 1.0)]
        return np.asarray(np.maximum(*marks))

    in_front = smooth_step(points[:, 1], eyes[1] + 1.2 * width, eyes[1] + 0.4 * width)
    cheeks = mirrored(0.62, 0.1, -0.62, (0.42, 0.6, 0.34)) * (0.75 + 0.7 * mottle)
    nose_red = bump(points, nose + np.array([0, 0.1, 0.05]) * width, np.array([0.28, 0.4, 0.25]) * width)
    wings = np.maximum(*[bump(points, nose + np.array([s * 0.27, 0.25, -0.03]) * width, 0.12 * width) for s in (-1, 1)])
    chin_red = bump(points, features.chin, np.array([0.3, 0.4, 0.2]) * width)
    sockets = mirrored(0.5, -0.2, -0.30, (0.40, 0.6, 0.13))
    inner_sockets = mirrored(0.27, -0.25, -0.17, (0.17, 0.5, 0.17))
    lids = mirrored(0.5, -0.2, 0.02, (0.40, 0.6, 0.20))
    forehead = bump(points, eyes + np.array([0, 0, 1.0]) * width, np.array([0.9, 1.2, 0.4]) * width)

    red = complexion.redness * (
        0.34 * cheeks + 0.36 * nose_red + 0.30 * wings + 0.16 * chin_red + 0.5 * features.ears + 0.18 * lids
    )
    red += complexion.blotches * (0.11 * mottle + 0.08 * broad + 0.05 * fine) + 0.10 * complexion.dark_circles * lids
    red += complexion.dark_circles * (0.22 * sockets + 0.32 * inner_sockets)
    melanin = complexion.blotches * (0.10 * broad + 0.07 * mottle + 0.05 * fine) + 0.05 * forehead
    melanin += complexion.dark_circles * (0.20 * sockets + 0.28 * inner_sockets + 0.14 * lids)
    spots = smooth_step(noise(points, 420.0, 2, seed + 5) + 0.25 * noise(points, 90.0, 2, seed + 6), 0.34, 0.62)
    where = (cheeks.clip(0, 1) + nose_red + 0.4 * forehead + 0.15).clip(0, 1) * in_front
    melanin += complexion.freckles * 0.9 * spots * where
    face_points = np.flatnonzero((features.face > 0.5) & (features.lips < 0.01) & (points[:, 1] < eyes[1] + 0.03))
    for index in chance.choice(face_points, complexion.moles) if complexion.moles else ():
        melanin += 0.9 * bump(points, points[index], chance.uniform(0.0008, 0.0016))

    lip = smooth_step(features.lips + 0.12 * mottle, 0.25, 0.75)
    red += lip * (0.75 * complexion.lip_redness + 0.18 * noise(points * np.array([1, 1, 0.2]), 900.0, 2, seed + 7))
    melanin += lip * 0.55 * complexion.lip_depth
    seam = smooth_step(np.abs(points[:, 2] - mouth[2]), 0.0045, 0.001) * lip
    red += 0.25 * seam

    shadow = complexion.stubble * beard_area(features, points)
    melanin += shadow * (0.36 + 0.16 * mottle + 0.10 * fine)
    scalp = smooth_step(above_hairline(features, points), -0.03, 0.06) * (1.0 - features.ears)

    base = linear(complexion.base)
    absorbed = np.outer(melanin, MELANIN_ABSORPTION) + np.outer(red, HAEMOGLOBIN_ABSORPTION)
    colour = base * np.exp(-absorbed)
    grey = colour.mean(1, keepdims=True)
    cool = (0.45 * shadow)[:, None]
    colour = colour * (1 - cool) + cool * grey * np.array([0.86, 0.98, 1.06])
    colour = colour * (1.0 - 0.35 * scalp[:, None])
    wet_rim, rim_red = _lid_rim(features, points)
    colour = colour * (1 - 0.55 * wet_rim[:, None]) + 0.55 * wet_rim[:, None] * rim_red * base
    inside = features.inner_mouth[:, None]
    colour = colour * (1 - inside) + inside * np.array([0.22, 0.05, 0.045])

    shine = bump(points, eyes + np.array([0, -0.2, 0.75]) * width, np.array([0.6, 1.0, 0.5]) * width)
    shine = np.maximum(shine, nose_red)
    roughness = 0.56 - 0.16 * complexion.oil * shine - 0.04 * mottle - 0.03 * fine
    roughness = roughness * (1 - lip) + lip * (0.43 + 0.06 * mottle)
    roughness = roughness * (1 - wet_rim) + wet_rim * 0.14
    relief = complexion.wrinkles * _wrinkles(features, points, seed) + 0.00005 * mottle * (1 - lip)
    return Paint(colour.clip(0.005, 0.95), roughness.clip(0.1, 0.8), lip, relief)


def _lid_rim(features: Features, points: Floats) -> tuple[Floats, Floats]:
    rim = np.zeros(len(points))
    for eye in (features.left_eye, features.right_eye):
        away = np.linalg.norm(points - eye, axis=1) - features.eye_radius
        rim = np.maximum(rim, smooth_step(away, 0.0011, 0.0003) * (points[:, 1] < eye[1]))
    return rim, np.array([1.05, 0.74, 0.70])


def _wrinkles(features: Features, points: Floats, seed: int) -> Floats:
    """Displacement (N,) in metres at full strength: forehead lines, crow's feet, folds beside the mouth, under-eye."""
    width, eyes = features.eye_distance, features.eyes
    local = (points - eyes) / width
    x, z = np.abs(local[:, 0]), local[:, 2]
    sway = noise(points, 60.0, 2, seed + 11)
    breaks = (0.6 + 0.8 * noise(points, 45.0, 2, seed + 12)).clip(0.0, 1.2)
    rows = np.cos((z + 0.10 * sway + 0.05 * x**2) * 2 * np.pi / 0.17)
    forehead = (
        -0.00034
        * np.maximum(rows, 0.0) ** 4
        * smooth_step(z, 0.55, 0.72)
        * smooth_step(z, 1.30, 1.1)
        * smooth_step(x, 0.9, 0.6)
    )
    fan = np.arctan2(z + 0.02, np.maximum(x - 0.72, 0.01))
    feet = -0.00030 * np.maximum(np.cos(fan * 12.0 + sway), 0) ** 3
    feet *= smooth_step(x, 0.80, 0.88) * smooth_step(x, 1.12, 0.98) * smooth_step(np.abs(fan), 0.9, 0.5)
    line_x = np.interp(z, (-1.25, -0.95, -0.70, -0.55), (0.50, 0.50, 0.36, 0.27))
    fold = -0.0009 * np.exp(-(((x - line_x) / 0.045) ** 2)) * smooth_step(z, -1.3, -1.1) * smooth_step(z, -0.5, -0.62)
    fold += (
        0.0006 * np.exp(-(((x - line_x - 0.11) / 0.09) ** 2)) * smooth_step(z, -1.2, -1.0) * smooth_step(z, -0.45, -0.6)
    )
    under = -0.00028 * np.maximum(np.cos((z + 0.28 + 0.25 * (x - 0.5) ** 2 + 0.03 * sway) * 2 * np.pi / 0.075), 0) ** 3
    under *= np.exp(-(((x - 0.5) / 0.30) ** 2) - (((z + 0.30) / 0.09) ** 2))
    frown = -0.0004 * np.exp(-(((x - 0.15) / 0.025) ** 2)) * smooth_step(z, 0.2, 0.3) * smooth_step(z, 0.62, 0.5)
    front = points[:, 1] < features.middle[1]
    return np.asarray((forehead * breaks + feet * breaks + fold + under * breaks + frown) * front)
