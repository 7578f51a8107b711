"""Mouth and eye openings: where two soft curves enclose a hole in the skin, and how its inside is laid in.

The contours are smooth curves through the landmarks, evaluated per column of the opening's own frame, so edges are
antialiased at every size. Knows nothing of teeth, irises or motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

COLUMNS = 65
"""Samples along an opening, corner to corner."""


@dataclass(frozen=True, slots=True)
class Opening:
    """An opening between two curves. The frame: u along the corners (0..length), v at right angles, downwards."""

    corner: tuple[float, float]
    """x, y px of the corner on the picture's left."""
    along: tuple[float, float]
    """Unit vector to the other corner."""
    length_px: float
    upper: NDArray[np.float32]
    """float32 (65,): v in px of the upper edge at equal steps of u."""
    lower: NDArray[np.float32]
    """float32 (65,): v of the lower edge; never above the upper one."""

    def box(self, grow_px: float, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the pixels within `grow_px` of the opening; empty if outside the picture."""
        u = np.linspace(0.0, self.length_px, COLUMNS)
        v = np.concatenate([self.upper, self.lower])
        u = np.concatenate([u, u])
        x = self.corner[0] + u * self.along[0] - v * self.along[1]
        y = self.corner[1] + u * self.along[1] + v * self.along[0]
        left, top = max(0, int(x.min() - grow_px)), max(0, int(y.min() - grow_px))
        right, bottom = min(width, int(x.max() + grow_px) + 2), min(height, int(y.max() + grow_px) + 2)
        return left, top, max(left, right), max(top, bottom)


@numba.njit("void(f4[:,::1], f8, f8, f8, f8, f8, f4[::1])", nogil=True, cache=True)
def _edge(row, first_x, first_y, along_x, along_y, length, out):  # type: ignore[no-untyped-def]
    # A smooth curve through the points: cubic pieces with limited slopes, so that it does not overshoot.
    count, samples = row.shape[0], out.shape[0]
    u, v, tangent = np.empty(count), np.empty(count), np.empty(count)
    for i in range(count):
        x, y = row[i, 0] - first_x, row[i, 1] - first_y
        at, height = x * along_x + y * along_y, y * along_x - x * along_y
        k = i
        while k > 0 and u[k - 1] > at:
            u[k], v[k] = u[k - 1], v[k - 1]
            k -= 1
        u[k], v[k] = at, height
    for i in range(1, count):
        u[i] = max(u[i], u[i - 1] + 1e-4)
    before = (v[1] - v[0]) / (u[1] - u[0])
    tangent[0] = before
    for i in range(1, count - 1):
        after = (v[i + 1] - v[i]) / (u[i + 1] - u[i])
        tangent[i] = 2.0 * before * after / (before + after) if before * after > 0.0 else 0.0
        before = after
    tangent[count - 1] = before
    edge = np.empty(samples + 6)
    k = 0
    for i in range(samples):
        at = length * i / (samples - 1)
        while k < count - 2 and at >= u[k + 1]:
            k += 1
        h = u[k + 1] - u[k]
        t = min(max((at - u[k]) / h, 0.0), 1.0)
        t2, t3 = t * t, t * t * t
        start = (2 * t3 - 3 * t2 + 1) * v[k] + (t3 - 2 * t2 + t) * h * tangent[k]
        edge[i + 3] = start + (3 * t2 - 2 * t3) * v[k + 1] + (t3 - t2) * h * tangent[k + 1]
    # Flesh has no corners: rounded, mirrored through both ends so that these stay where they are.
    last = samples + 2
    for i in range(1, 4):
        edge[3 - i] = 2 * edge[3] - edge[3 + i]
        edge[last + i] = 2 * edge[last] - edge[last - i]
    for i in range(samples):
        sides = edge[i] + edge[i + 6] + 2 * (edge[i + 1] + edge[i + 5]) + 3 * (edge[i + 2] + edge[i + 4])
        out[i] = (sides + 4 * edge[i + 3]) / 16.0


def make_opening(upper: NDArray[np.float32], lower: NDArray[np.float32]) -> Opening:
    """The opening between two rows of points, float32 (n, 2) px each, from the picture's left corner to the right."""
    first, last = upper[0].astype(np.float64), upper[-1].astype(np.float64)
    length = max(float(np.hypot(*(last - first))), 1e-3)
    along = (last - first) / length
    top, bottom = np.empty(COLUMNS, np.float32), np.empty(COLUMNS, np.float32)
    for row, edge in ((upper, top), (lower, bottom)):
        _edge(np.ascontiguousarray(row, np.float32), first[0], first[1], along[0], along[1], length, edge)
    np.maximum(bottom, top, out=bottom)
    return Opening((first[0], first[1]), (along[0], along[1]), length, top, bottom)


_LAY = (
    "void(u1[:,:,::1], u1[:,:,::1], u1[:,:,::1], i4, i4, f4[::1], f4[::1], f4, f4, f4, f4, f4, "
    "f4, f4, f4, f4, f4, f4, f4, f4, f4, f4, f4, f4)"
)


@numba.njit(_LAY, nogil=True, cache=True, fastmath=True)
def _lay(  # type: ignore[no-untyped-def]
    frame, skin, inside, left, top, upper, lower, corner_x, corner_y, along_x, along_y, length,
    skin_share, inside_share, soft, shade, depth_px, line, line_at, line_px, line_gap, line_r, line_g, line_b,
):  # fmt: skip
    one, nil, half = np.float32(1), np.float32(0), np.float32(0.5)
    columns = np.float32(upper.shape[0] - 1)
    for y in range(skin.shape[0]):
        for x in range(skin.shape[1]):
            px, py = np.float32(x + left) - corner_x, np.float32(y + top) - corner_y
            u = px * along_x + py * along_y
            v = py * along_x - px * along_y
            cover, dark, drawn = nil, one, nil
            if u > nil and u < length:
                place = u / length * columns
                k = min(np.int32(place), np.int32(columns) - 1)
                part = place - np.float32(k)
                a = upper[k] + (upper[k + 1] - upper[k]) * part
                b = lower[k] + (lower[k + 1] - lower[k]) * part
                # Coverage of a pixel whose edge is softened over `soft` px on both sides of each curve.
                wide = soft + half
                in_upper = min(max((v - a) / (wide + wide) + half, nil), one)
                in_lower = min(max((b - v) / (wide + wide) + half, nil), one)
                cover = max(in_upper + in_lower - one, nil)
                ends = min(u, length - u) / length
                cover *= min(ends / np.float32(0.02), one)
                if shade > nil:
                    gap = min((b - a) / (np.float32(0.35) * depth_px), one)
                    below = min(max((v - a) / depth_px, nil), one)
                    below = below * (np.float32(2) - below)
                    gap = gap * gap * (np.float32(3) - gap - gap)
                    dark = one - shade * (one - (np.float32(0.45) + np.float32(0.55) * below) * gap)
                    # Cheeks keep the light from the corners.
                    ends = one - min(ends / np.float32(0.32), one)
                    dark *= one - np.float32(1.1) * shade * ends * ends
                if line > nil:
                    place = u / length
                    taper = min(np.float32(7) * place * (one - place), one)
                    away = (v - a - (b - a) * line_at) / line_px
                    drawn = line * taper * np.exp(-away * away)
                    if line_gap > nil:
                        apart = min((b - a) / line_gap, one)
                        drawn *= one - apart * apart * (np.float32(3) - apart - apart)
            for c in range(3):
                old = np.float32(frame[y + top, x + left, c])
                outer = old + (np.float32(skin[y, x, c]) - old) * skin_share
                # Light that has passed through lips and gums is red: shade takes green and blue first.
                lit = dark
                if c == 0:
                    lit = np.sqrt(dark) * np.float32(0.4) + dark * np.float32(0.6)
                elif c == 2:
                    lit = dark * (np.float32(0.92) + np.float32(0.08) * dark)
                inner = old + (np.float32(inside[y, x, c]) * lit - old) * inside_share
                value = outer + (inner - outer) * cover
                tint = line_r if c == 0 else (line_g if c == 1 else line_b)
                value += (tint - value) * drawn
                frame[y + top, x + left, c] = np.uint8(min(max(value + half, nil), np.float32(255)))


@dataclass(frozen=True, slots=True)
class Line:
    """A soft dark line along an opening: shut lips or lashes."""

    strength: float
    """0..1."""
    at: float
    """0 on the upper edge, 1 on the lower one."""
    half_width_px: float
    colour: tuple[float, float, float]
    until_px: float = 0.0
    """Where the edges are further apart than this there is no line; 0 draws it everywhere."""


NO_LINE = Line(0.0, 0.0, 1.0, (0.0, 0.0, 0.0))


def lay_in(
    frame: NDArray[np.uint8],
    skin: NDArray[np.uint8],
    inside: NDArray[np.uint8],
    corner: tuple[int, int],
    opening: Opening,
    *,
    skin_share: float,
    inside_share: float,
    soft_px: float,
    shade: float = 0.0,
    depth_px: float = 1.0,
    line: Line = NO_LINE,
) -> None:
    """Put the inside of an opening, and the skin around it, into a frame.

    Args:
        frame: uint8 (H, W, 3), changed in place.
        skin: uint8 (h, w, 3): the cleaned skin of a part of the frame.
        inside: uint8 (h, w, 3): what is seen through the opening.
        corner: x and y in the frame of the first pixel of `skin` and `inside`.
        opening: the two curves.
        skin_share: how much of `skin` replaces the frame outside the opening, 0..1.
        inside_share: the same inside it.
        soft_px: softness of the edges.
        shade: how dark the inside grows near the upper edge and in narrow gaps, 0..1.
        depth_px: over which distance.
        line: drawn last.
    """
    _lay(
        frame, skin, inside, corner[0], corner[1], opening.upper, opening.lower, *opening.corner, *opening.along,
        opening.length_px, skin_share, inside_share, soft_px, shade, depth_px,
        line.strength, line.at, line.half_width_px, line.until_px, *line.colour,
    )  # fmt: skip
