"""The rasteriser's kernels by themselves, on numpy arrays: this runs where torch is not installed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from visavis_training.people import compiled_kernels
from visavis_training.people.compiled_kernels import CpuKernels

pytestmark = pytest.mark.unit

if shutil.which("g++") is None:
    pytest.skip("the rasteriser's CPU code is made by g++", allow_module_level=True)

SOURCE = Path(compiled_kernels.__file__).with_name("rasteriser.cu")
HEIGHT, WIDTH = 40, 37


def drawn(points: NDArray[np.float32], triangles: NDArray[np.int32]) -> tuple[Any, Any, Any]:
    """Triangle (H, W), weights (H, W, 3) and depth (H, W) of one mesh."""
    kernels = CpuKernels(SOURCE)
    keys = np.full((HEIGHT, WIDTH), -1, np.int64)
    large, large_count = np.zeros(len(triangles), np.int32), np.zeros(1, np.int32)
    sizes = (len(points), len(triangles), HEIGHT, WIDTH, 0.1)
    for name in ("nearest_small", "nearest_large"):
        kernels.launch(name, len(triangles), points, triangles, 0, keys, large, large_count, *sizes, 0, 1)
    triangle, depth = np.empty((HEIGHT, WIDTH), np.int32), np.empty((HEIGHT, WIDTH), np.float32)
    weights = np.empty((HEIGHT, WIDTH, 3), np.float32)
    kernels.launch(
        "resolve", keys.size, points, triangles, 0, keys, triangle, weights, depth, *sizes, 1, float("inf")
    )  # fmt: skip
    return triangle, weights, depth


def test_a_bent_sheet_has_no_holes_and_gives_its_own_points_back() -> None:
    rng = np.random.default_rng(0)
    flat = np.concatenate([rng.uniform(-3, 43, (150, 2)), [[-9, -9], [50, -9], [-9, 50], [50, 50]]])
    triangles = Delaunay(flat).simplices.astype(np.int32)
    depth = 5 + np.sin(flat[:, :1] * 0.2)
    points = np.concatenate([flat, depth], 1).astype(np.float32)
    triangle, weights, found = drawn(points, triangles)
    assert triangle.min() >= 0
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    corners = points[triangles[triangle]]
    share = weights * corners[..., 2] / found[..., None]  # from the surface to the picture, where x and y are straight
    place = (corners[..., :2] * share[..., None]).sum(-2)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    np.testing.assert_allclose(place[..., 0], columns, atol=2e-3)
    np.testing.assert_allclose(place[..., 1], rows, atol=2e-3)
    alone = np.stack([drawn(points, triangles[k : k + 1])[0] for k in range(len(triangles))]) >= 0
    np.testing.assert_array_equal(alone.sum(0), 1)


def test_arrays_that_are_not_contiguous_are_refused() -> None:
    points = np.zeros((4, 3), np.float32)
    with pytest.raises(ValueError, match="not contiguous"):
        drawn(np.asfortranarray(points), np.zeros((2, 3), np.int32))
