"""Eyeballs: a painted sphere with a sunken iris, and a clear cornea over it. Geometry and colour only, no renderer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from visavis_training.people.skin import linear
from visavis_training.people.surface import Floats, Ints, noise, smooth_step

RINGS = 150
SPOKES = 192


@dataclass(frozen=True, slots=True)
class Iris:
    """An iris: outer and inner colour in sRGB 0..255, radii in metres, ring darkness 0..1."""

    outer: tuple[int, int, int]
    inner: tuple[int, int, int]
    radius: float = 0.0064
    pupil: float = 0.0021
    limbus: float = 0.7


@dataclass(frozen=True, slots=True)
class Eyeball:
    """One eye in metres: ball vertices, quads and linear colours, and the cornea's vertices and quads."""

    ball: Floats
    ball_quads: Ints
    colour: Floats
    cornea: Floats
    cornea_quads: Ints


def _dome(angles: Floats) -> tuple[Floats, Floats, Ints]:
    """Unit directions (R*S, 3) about -y, their angle from the pole (R*S,) and quads."""
    spin = np.linspace(0.0, 2 * np.pi, SPOKES, endpoint=False)
    polar, around = np.meshgrid(angles, spin, indexing="ij")
    directions = np.stack([np.sin(polar) * np.cos(around), -np.cos(polar), np.sin(polar) * np.sin(around)], -1)
    ring, spoke = np.meshgrid(np.arange(len(angles) - 1), np.arange(SPOKES), indexing="ij")
    after = (spoke + 1) % SPOKES
    quads = np.stack(
        [ring * SPOKES + spoke, ring * SPOKES + after, (ring + 1) * SPOKES + after, (ring + 1) * SPOKES + spoke], -1
    )
    return directions.reshape(-1, 3), polar.ravel(), quads.reshape(-1, 4)


def _aim(points: Floats, gaze: Floats) -> Floats:
    """Turn directions about -y so that -y becomes the gaze, without roll."""
    forward = gaze / np.linalg.norm(gaze)
    side = np.cross(-forward, np.array([0.0, 0.0, 1.0]))
    side /= np.linalg.norm(side)
    turned: Floats = points @ np.stack([side, -forward, np.cross(side, -forward)])
    return turned


def eyeball(centre: Floats, radius: float, gaze: Floats, iris: Iris, nasal: float, seed: int) -> Eyeball:
    """One eye looking along `gaze` (3,); `nasal` is -1 or +1, the side of the nose in x."""
    edge = float(np.arcsin(iris.radius / radius))
    angles = np.concatenate([np.linspace(0.002, edge * 1.15, 100), np.linspace(edge * 1.15, 1.9, RINGS - 99)[1:]])
    directions, polar, quads = _dome(angles)
    across = np.sin(polar) * radius
    sunk = np.cos(edge) * radius - 0.0004 - 0.0006 * (1 - across / iris.radius)
    depth = np.where(polar < edge, np.minimum(np.cos(polar) * radius, sunk), np.cos(polar) * radius)
    ball = directions * radius
    ball[:, 1] = -depth

    around = np.arctan2(directions[:, 2], directions[:, 0])
    part = across / iris.radius
    circle = np.stack([np.cos(around), np.sin(around), 0 * around], 1)
    fibre = noise(circle * np.array([1.0, 1, 1]) + 0.18 * part[:, None], 11.0, 4, seed)
    fibre += 0.6 * noise(circle + 0.05 * part[:, None], 30.0, 2, seed + 1)
    outer, inner = linear(iris.outer), linear(iris.inner)
    crown = smooth_step(part + 0.10 * fibre, 0.62, 0.36)[:, None]
    colour = (outer * (1 - crown) + inner * crown) * (1.0 + 0.75 * fibre[:, None]).clip(0.25, 2.2)
    colour *= (1.0 - iris.limbus * smooth_step(part, 0.80, 1.0))[:, None]
    pupil = smooth_step(across + 0.00008 * fibre, iris.pupil + 0.00012, iris.pupil - 0.00006)[:, None]
    colour = colour * (1 - pupil) + 0.002 * pupil

    white = np.tile(linear((178, 167, 159)), (len(polar), 1))
    corner = smooth_step(polar, 0.55, 1.15)
    inwards = smooth_step(directions[:, 0] * nasal, 0.45, 0.85)
    vein = np.abs(noise(directions * np.array([0.5, 1.0, 1.6]), 7.0, 4, seed + 2))
    vein = smooth_step(vein, 0.06, 0.0) * corner
    pink = (0.16 * corner + 0.45 * inwards + 0.35 * vein)[:, None]
    white = white * np.exp(-pink * np.array([0.12, 0.9, 0.75]))
    white *= (1.0 - 0.6 * smooth_step(directions[:, 2], 0.0, 0.40) - 0.12 * corner)[:, None]
    rim = smooth_step(polar, edge * 1.07, edge * 0.955)[:, None]
    colour = white * (1 - rim) + colour * rim

    cap_angles = np.linspace(0.002, edge * 1.35, 60)
    cap, cap_polar, cap_quads = _dome(cap_angles)
    bulge = 0.0011 * smooth_step(cap_polar, edge * 1.3, 0.0) + 0.00012
    cornea = cap * (radius + bulge)[:, None]
    return Eyeball(centre + _aim(ball, gaze), quads, colour.clip(0, 1), centre + _aim(cornea, gaze), cap_quads)
