"""Draws people in plain colours with one soft light, to be looked at: contact sheets for judging shapes and contact.

Uses the product's rasteriser. Knows nothing of skin, hair or cameras.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visavis_models.raster import affine_planes, attribute_map, rasterise
from visavis_training.people.anatomy_building import REGIONS

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

COLOURS = np.array(
    [
        (0.80, 0.62, 0.53), (0.68, 0.36, 0.35), (0.40, 0.14, 0.14), (0.75, 0.42, 0.42), (0.93, 0.91, 0.84),
        (0.90, 0.87, 0.79), (0.72, 0.38, 0.38), (0.93, 0.93, 0.93), (0.93, 0.93, 0.93), (0.10, 0.08, 0.07),
        (0.78, 0.58, 0.50), (0.76, 0.58, 0.50), (0.42, 0.46, 0.55),
    ],
    np.float32,
)  # fmt: skip
"""RGB 0..1 of each of `REGIONS`."""
_IRIS, _PUPIL = np.array((0.30, 0.40, 0.45), np.float32), np.array((0.03, 0.03, 0.03), np.float32)
_LIGHT = np.array((-0.35, -0.55, -0.76), np.float32)


def vertex_normals(points: Floats, triangles: Ints) -> Floats:
    """(V, 3) unit normals."""
    corner = points[triangles]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normals = np.zeros_like(points)
    for k in range(3):
        np.add.at(normals, triangles[:, k], face)
    unit: Floats = normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12)
    return unit


def draw(
    points: Floats,
    triangles: Ints,
    region: NDArray[np.uint8],
    canonical: Floats,
    box: tuple[float, float, float],
    size_px: int,
    hidden: tuple[str, ...] = ("lashes",),
    uv_angle: Floats | None = None,
) -> NDArray[np.uint8]:
    """One square picture, RGB.

    Args:
        points: (V, 3) head space.
        triangles: (F, 3).
        region: (F,) of each triangle.
        canonical: (V, 3), unused corners may be anything; kept for pictures of the surface's names.
        box: x and y of the middle and the side of the square that is seen, dm.
        size_px: side of the picture.
        hidden: regions left out.
        uv_angle: (V,) radians from the pole for the vertices of the eyes: draws irises.
    """
    shown = ~np.isin(region, [REGIONS.index(name) for name in hidden])
    drawn, kind = np.ascontiguousarray(triangles[shown]), region[shown]
    double = size_px * 2
    scale = double / box[2]
    distance = 9.0
    depth = points[:, 2] + distance
    pixels = np.empty_like(points)
    pixels[:, 0] = ((points[:, 0] - box[0]) * distance / depth) * scale + double / 2
    pixels[:, 1] = ((points[:, 1] - box[1]) * distance / depth) * scale + double / 2
    pixels[:, 2] = depth
    number, _ = rasterise(pixels, drawn, (double, double))
    values = np.concatenate([vertex_normals(points, triangles), canonical], 1)
    if uv_angle is not None:
        values = np.concatenate([values, uv_angle[:, None]], 1)
    seen = attribute_map(number, affine_planes(pixels, drawn, np.ascontiguousarray(values, np.float32)))
    normal = seen[..., :3] / (np.linalg.norm(seen[..., :3], axis=-1, keepdims=True) + 1e-6)
    normal = np.where(normal[..., 2:3] > 0, -normal, normal)
    light = 0.30 + 0.75 * np.clip(normal @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, 1)
    colour = COLOURS[kind[np.maximum(number, 0)]]
    if uv_angle is not None:
        eye = np.isin(kind[np.maximum(number, 0)], [REGIONS.index("eye_left"), REGIONS.index("eye_right")])
        angle = seen[..., 6]
        colour = np.where((eye & (angle < 0.5))[..., None], _IRIS, colour)
        colour = np.where((eye & (angle < 0.2))[..., None], _PUPIL, colour)
    picture = np.where((number >= 0)[..., None], colour * light[..., None], 0.55)
    picture = picture.reshape(size_px, 2, size_px, 2, 3).mean((1, 3))
    return np.asarray((picture.clip(0, 1) ** (1 / 1.4) * 255), np.uint8)


def sheet(pictures: list[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    """Pictures of one size side by side, row after row."""
    rows = [np.concatenate(pictures[i : i + columns], 1) for i in range(0, len(pictures), columns)]
    width = max(row.shape[1] for row in rows)
    rows = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    return np.concatenate(rows, 0)
