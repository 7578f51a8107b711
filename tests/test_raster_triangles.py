"""The rasteriser: watertight, nearest wins, attributes exact."""

import numpy as np
import pytest
from scipy.spatial import Delaunay

from visavis_models.raster import EMPTY, affine_planes, attribute_map, rasterise

pytestmark = pytest.mark.unit


def _random_mesh(seed: int, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    inner = rng.uniform(-3, 99, (count, 2))
    frame = np.array([[-20, -20], [120, -20], [-20, 100], [120, 100]], float)
    points = np.concatenate([inner, frame])
    depth = np.zeros((len(points), 1))
    return np.concatenate([points, depth], 1).astype(np.float32), Delaunay(points).simplices.astype(np.int32)


def test_a_triangulated_plane_leaves_no_pixel_uncovered() -> None:
    points, triangles = _random_mesh(0)
    number, _ = rasterise(points, triangles, (80, 96))
    assert (number != EMPTY).all()


def test_shared_edges_are_drawn_by_one_triangle_only() -> None:
    points, triangles = _random_mesh(1, 60)
    drawn = np.zeros((80, 96), int)
    for row in triangles:
        number, _ = rasterise(points, row[None], (80, 96))
        drawn += number != EMPTY
    assert (drawn == 1).all()


def test_attributes_at_pixels_are_those_of_the_plane() -> None:
    points, triangles = _random_mesh(2)
    number, _ = rasterise(points, triangles, (80, 96))
    planes = affine_planes(points, triangles, np.ascontiguousarray(points[:, :2]))
    seen = attribute_map(number, planes)
    ys, xs = np.mgrid[:80, :96]
    assert np.abs(seen[..., 0] - xs).max() < 1e-3
    assert np.abs(seen[..., 1] - ys).max() < 1e-3


def test_a_window_shows_the_same_as_the_whole() -> None:
    points, triangles = _random_mesh(3)
    whole, _ = rasterise(points, triangles, (80, 96))
    part, _ = rasterise(points, triangles, (20, 30), origin=(40, 25))
    assert np.array_equal(part, whole[25:45, 40:70])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearer_triangle_hides_the_farther(order: tuple[int, int]) -> None:
    near = [[0, 0, 1], [9, 0, 1], [0, 9, 1]]
    far = [[0, 0, 5], [9, 0, 5], [0, 9, 5]]
    points = np.array(near + far, np.float32)
    triangles = np.array([[0, 1, 2], [3, 4, 5]], np.int32)[list(order)]
    number, depth = rasterise(points, np.ascontiguousarray(triangles), (10, 10))
    assert number[2, 2] == order.index(0)
    assert depth[2, 2] == pytest.approx(1.0)


def test_pixels_outside_are_empty_and_degenerate_triangles_draw_nothing() -> None:
    points = np.array([[1, 1, 0], [5, 1, 0], [9, 1, 0], [-50, -50, 0], [-40, -50, 0], [-50, -40, 0]], np.float32)
    number, _ = rasterise(points, np.array([[0, 1, 2], [3, 4, 5]], np.int32), (12, 12))
    assert (number == EMPTY).all()
