"""The rasteriser of the people factory: no holes, no double pixels, exact weights, the same bits every time."""

from __future__ import annotations

import ctypes
import math
import shutil
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")
if shutil.which("g++") is None:
    pytest.skip("the rasteriser's CPU code is made by g++", allow_module_level=True)


from people_shapes import QUAD, SIZE, quad, sheet  # noqa: E402
from visavis_models.errors import EngineError  # noqa: E402
from visavis_training.people import compiled_kernels  # noqa: E402
from visavis_training.people.compiled_kernels import CpuKernels, cpu_library  # noqa: E402
from visavis_training.people.rasteriser import (  # noqa: E402
    SOURCE,
    as_triangles,
    coverage,
    interpolate,
    per_triangle,
    rasterise,
)

pytestmark = pytest.mark.unit


def test_a_pixel_belongs_to_what_lies_at_its_centre() -> None:
    points = torch.stack([quad(2, 1, 5, 3), quad(2.5, 1.5, 5.5, 3.5), quad(2.51, 1.51, 5.51, 3.51)])
    shown = rasterise(points, QUAD, 8, 8).mask
    expected = torch.zeros(3, 8, 8, dtype=torch.bool)
    expected[0, 1:3, 2:5] = True
    expected[1, 1:3, 2:5] = True  # centres on the left and upper edge are in, those on the right and lower one out
    expected[2, 2:4, 3:6] = True
    assert torch.equal(shown, expected)


@pytest.mark.parametrize("on_centres", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_adjacent_triangles_share_pixels_out_without_holes(seed: int, on_centres: bool) -> None:
    points, triangles = sheet(seed, on_centres)
    alone = rasterise(points.expand(len(triangles), -1, -1), triangles[:, None], SIZE, SIZE).mask
    assert torch.equal(alone.sum(0), torch.ones(SIZE, SIZE, dtype=torch.int64))
    together = rasterise(points, triangles, SIZE, SIZE)
    assert torch.equal(together.triangle[0].long(), alone.int().argmax(0))


def test_soft_coverage_has_no_seams() -> None:
    points, triangles = sheet(3, on_centres=True)
    assert torch.equal(coverage(points, triangles, SIZE, SIZE), torch.ones(1, SIZE, SIZE))


def test_weights_give_back_the_pixel_centre_and_sum_to_one() -> None:
    points, triangles = sheet(1, on_centres=False)
    shown = rasterise(points, triangles, SIZE, SIZE, perspective=False)
    torch.testing.assert_close(shown.weights.sum(-1), torch.ones(1, SIZE, SIZE))
    back = interpolate(points, triangles, shown)
    torch.testing.assert_close(back[0, 3, 7, :2], torch.tensor([7.5, 3.5]), atol=2e-4, rtol=0)
    centres = torch.arange(SIZE) + 0.5
    torch.testing.assert_close(back[0, ..., 0], centres.expand(SIZE, SIZE), atol=5e-4, rtol=0)
    torch.testing.assert_close(back[0, ..., 2], shown.depth[0], atol=1e-5, rtol=0)


def test_weights_follow_perspective_on_a_slanted_plane() -> None:
    """A floor: depth and place of what every pixel shows are those of the ray through its centre."""
    focal, size = 40.0, 32
    floor = torch.tensor([[-9.0, 1.0, 2.0], [9.0, 1.0, 2.0], [9.0, 1.0, 30.0], [-9.0, 1.0, 30.0]])
    pixels = torch.cat([floor[:, :2] * focal / floor[:, 2:] + size / 2, floor[:, 2:]], 1)[None]
    shown = rasterise(pixels, QUAD, size, size)
    world = interpolate(floor[None], QUAD, shown)[0]
    row, column = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    depth = focal / (row - size / 2)
    inside = shown.mask[0]
    assert int(inside.sum()) > 200
    torch.testing.assert_close(shown.depth[0][inside], depth[inside], rtol=2e-3, atol=0)
    torch.testing.assert_close(world[..., 2][inside], depth[inside], rtol=2e-3, atol=0)
    across = (column - size / 2) * depth / focal
    torch.testing.assert_close(world[..., 0][inside], across[inside], rtol=3e-3, atol=2e-3)
    straight = rasterise(pixels, QUAD, size, size, perspective=False).depth[0]
    assert float((straight - depth)[inside].abs().max()) > 1.0  # what a blend without perspective would say


def test_the_nearest_surface_wins_and_of_equals_the_first() -> None:
    points = torch.cat([quad(0, 0, 8, 8, 5.0), quad(0, 0, 8, 8, 4.0), quad(0, 0, 8, 8, 4.0)])[None]
    layers = torch.cat([QUAD, QUAD + 4, QUAD + 8])
    shown = rasterise(points, layers, 8, 8)
    assert set(shown.triangle.unique().tolist()) == {2, 3}
    upside_down = rasterise(points, layers.flip(0), 8, 8)
    assert set(upside_down.triangle.unique().tolist()) == {0, 1}
    torch.testing.assert_close(shown.depth, torch.full((1, 8, 8), 4.0))


def test_depths_below_zero_keep_their_order_without_perspective() -> None:
    points = torch.cat([quad(0, 0, 4, 4, -2.0), quad(0, 0, 4, 4, -3.0), quad(0, 0, 2, 4, 1.0)])[None]
    layers = torch.cat([QUAD, QUAD + 4, QUAD + 8])
    shown = rasterise(points, layers, 4, 4, perspective=False, near=-10.0)
    assert float(shown.depth.max()) == float(shown.depth.min()) == -3.0


def test_large_triangles_and_small_ones_show_the_same() -> None:
    rng = torch.Generator().manual_seed(0)
    steps = 40
    grid = torch.stack(torch.meshgrid(torch.arange(steps + 1), torch.arange(steps + 1), indexing="xy"), -1).float()
    corner = (torch.arange(steps)[:, None] * (steps + 1) + torch.arange(steps)).reshape(-1)
    fine = torch.cat(
        [
            torch.stack([corner, corner + 1, corner + steps + 2], 1),
            torch.stack([corner, corner + steps + 2, corner + steps + 1], 1),
        ]
    )
    size = 200
    for _ in range(3):
        turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=rng))
        plane = torch.cat([grid.reshape(-1, 2) / steps - 0.5, torch.zeros((steps + 1) ** 2, 1)], 1) @ turn * 2
        plane[:, 2] += 4
        pixels = torch.cat([plane[:, :2] * 300 / plane[:, 2:] + size / 2, plane[:, 2:]], 1)[None]
        coarse = torch.tensor([[0, steps, (steps + 1) ** 2 - 1], [0, (steps + 1) ** 2 - 1, (steps + 1) * steps]])
        few, many = (rasterise(pixels, t, size, size) for t in (coarse, fine))
        assert int(few.mask.sum()) > 2000
        differs = few.mask != many.mask  # corners of the fine mesh are snapped each for itself
        assert int(differs.sum()) <= 4
        both = few.mask & many.mask
        torch.testing.assert_close(few.depth[both], many.depth[both], rtol=2e-4, atol=0)


def test_threads_of_a_grid_share_all_work_out() -> None:
    """The kernels' loops, run as each thread of a small grid in turn, do what one thread does alone."""
    points, triangles = sheet(2, on_centres=False)
    points = torch.cat([points, points + torch.tensor([0.3, 0.1, 0.5])]) * torch.tensor([4.0, 4.0, 1.0])
    alone = rasterise(points, triangles, 4 * SIZE, 4 * SIZE)
    shares = coverage(points * 0.7, triangles, 4 * SIZE, 4 * SIZE)
    library = ctypes.CDLL(str(cpu_library(SOURCE)))
    ran: set[str] = set()

    class Threads(CpuKernels):
        def launch(self, name: str, count: int, *arguments: Any, blocks: int | None = None) -> None:
            ran.add(name)
            for place in np.random.default_rng(0).permutation(5 * 7):
                library.be_thread(int(place) // 7, 5, int(place) % 7, 7)
                super().launch(name, count, *arguments)
            library.be_thread(0, 1, 0, 1)

    device = torch.device("cpu")
    before = compiled_kernels.kernels(SOURCE, device)
    compiled_kernels._made[SOURCE, device] = Threads(SOURCE)
    try:
        shared = rasterise(points, triangles, 4 * SIZE, 4 * SIZE)
        shared_shares = coverage(points * 0.7, triangles, 4 * SIZE, 4 * SIZE)
    finally:
        compiled_kernels._made[SOURCE, device] = before
    assert ran == {"nearest_small", "nearest_large", "resolve", "cover_small", "cover_large", "share_covered"}
    assert torch.equal(alone.triangle, shared.triangle) and torch.equal(alone.weights, shared.weights)
    assert torch.equal(alone.depth, shared.depth) and torch.equal(shares, shared_shares)


def test_the_same_input_gives_the_same_bits_alone_or_in_a_batch() -> None:
    sheets = [sheet(seed, on_centres=False) for seed in (4, 5)]
    triangles = sheets[0][1]
    points = torch.cat([sheets[0][0], sheets[0][0] * 1.1, sheets[0][0] * 0.9])
    first, again = (rasterise(points, triangles, SIZE, SIZE + 3) for _ in range(2))
    assert torch.equal(first.weights, again.weights) and torch.equal(first.depth, again.depth)
    single = rasterise(points[1:2], triangles, SIZE, SIZE + 3)
    assert torch.equal(first.triangle[1], single.triangle[0]) and torch.equal(first.weights[1], single.weights[0])


def test_meshes_of_their_own_are_padded_with_minus_one() -> None:
    (first, few), (second, many) = sheet(6, False), sheet(7, True)
    most_points, most = max(first.shape[1], second.shape[1]), max(len(few), len(many))
    points, triangles = torch.zeros(2, most_points, 3), torch.full((2, most, 3), -1)
    for row, (own, corners) in enumerate(((first, few), (second, many))):
        points[row, : own.shape[1]], triangles[row, : len(corners)] = own[0], corners
    both = rasterise(points, triangles, SIZE, SIZE)
    values = interpolate(points, triangles, both)
    for row, (own, corners) in enumerate(((first, few), (second, many))):
        alone = rasterise(own, corners, SIZE, SIZE)
        assert torch.equal(both.triangle[row], alone.triangle[0])
        assert torch.equal(values[row], interpolate(own, corners, alone)[0])


def test_indices_in_any_memory_order_draw_the_same() -> None:
    points, triangles = sheet(8, on_centres=False)
    shuffled = torch.from_numpy(np.asfortranarray(triangles.numpy()))
    assert not shuffled.is_contiguous()
    expected = rasterise(points, as_triangles(triangles), SIZE, SIZE)
    assert torch.equal(rasterise(points, shuffled, SIZE, SIZE).triangle, expected.triangle)
    strided = points.transpose(1, 2).contiguous().transpose(1, 2)
    assert torch.equal(rasterise(strided, triangles, SIZE, SIZE).weights, expected.weights)


@pytest.mark.parametrize("bad", [0.05, -3.0, math.nan, math.inf])
def test_triangles_before_the_near_plane_are_left_out_whole(bad: float) -> None:
    points = torch.cat([quad(0, 0, 8, 8, 4.0), quad(0, 0, 8, 8, 5.0)])[None]
    points[0, 1, 2] = bad
    shown = rasterise(points, torch.cat([QUAD, QUAD + 4]), 8, 8)
    assert set(shown.triangle.unique().tolist()) == {1, 2, 3} or set(shown.triangle.unique().tolist()) == {1, 2}
    assert not (shown.triangle == 0).any()
    assert torch.isfinite(shown.depth).all()


def test_nothing_is_drawn_of_what_has_no_area_or_lies_too_far_away() -> None:
    flat = torch.tensor([[[1.0, 1, 5], [6, 6, 5], [3, 3, 5]]])
    assert not rasterise(flat, torch.tensor([[0, 1, 2]]), 8, 8).mask.any()
    far = quad(-7e4, 0, 8, 8)[None]
    assert not rasterise(far, QUAD, 8, 8).mask.any()
    huge = quad(-6e4, -6e4, 6e4, 6e4)[None]
    assert rasterise(huge, QUAD, 8, 8).mask.all()
    empty = rasterise(flat, torch.tensor([[0, 1, 2]]), 8, 8)
    assert torch.isinf(empty.depth).all() and not empty.weights.any()


def test_nobody_and_nothing_can_be_drawn() -> None:
    points, triangles = sheet(1, on_centres=False)
    for people, faces in ((0, triangles), (1, triangles[:0])):
        shown = rasterise(points[:people], faces, 5, 6)
        assert shown.triangle.shape == (people, 5, 6) and not shown.mask.any()
        assert interpolate(points[:people], faces, shown).shape == (people, 5, 6, 3)
        assert coverage(points[:people], faces, 5, 6).sum() == 0


def test_front_and_back_are_told_apart() -> None:
    points = quad(0, 0, 8, 8)[None]
    clockwise = QUAD  # as seen on the picture, y down
    assert not rasterise(points, clockwise, 8, 8, facing="front").mask.any()
    assert rasterise(points, clockwise, 8, 8, facing="back").mask.all()
    assert rasterise(points, clockwise.flip(1), 8, 8, facing="front").mask.all()
    both = rasterise(points, clockwise.flip(1), 8, 8)
    torch.testing.assert_close(interpolate(points, clockwise.flip(1), both)[0, 2, 5, :2], torch.tensor([5.5, 2.5]))


def test_interpolating_is_the_weighted_sum_of_the_corners() -> None:
    points, triangles = sheet(9, on_centres=False)
    points = torch.cat([points, points * 0.5])
    shown = rasterise(points, triangles, SIZE, SIZE)
    assert not shown.mask.all() and shown.mask.any()
    for values in (torch.randn(2, points.shape[1], 5), torch.randn(points.shape[1], 5)):
        each = values if values.ndim == 3 else values.expand(2, -1, -1)
        corners = triangles[shown.triangle.clamp(min=0).long()]
        found = torch.stack([each[i, corners[i]] for i in range(2)])
        expected = (found * shown.weights[..., None]).sum(-2)
        torch.testing.assert_close(interpolate(values, triangles, shown), expected, atol=1e-5, rtol=1e-5)
    regions = per_triangle(torch.arange(len(triangles), dtype=torch.int16), shown, -5)
    assert torch.equal(regions.int(), torch.where(shown.mask, shown.triangle, -5))


def test_wrong_input_is_refused() -> None:
    points, triangles = sheet(1, on_centres=False)
    with pytest.raises(ValueError, match="names vertex"):
        rasterise(points, triangles + 50, 8, 8)
    with pytest.raises(ValueError, match="expected float"):
        rasterise(points[0], triangles, 8, 8)
    with pytest.raises(ValueError, match="expected \\(F, 3\\)"):
        rasterise(points, triangles.expand(2, -1, -1), 8, 8)
    with pytest.raises(ValueError, match="cannot be drawn"):
        rasterise(points, triangles, 8, 0)
    with pytest.raises(ValueError, match="before the lens"):
        rasterise(points, triangles, 8, 8, near=0.0)
    with pytest.raises(EngineError, match="cannot run on meta"):
        compiled_kernels.kernels(SOURCE, torch.device("meta"))
