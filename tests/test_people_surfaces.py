"""What is drawn on the rasteriser: votes, coverage, who hides whom, normals, means."""

from __future__ import annotations

import math
import shutil

import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")
if shutil.which("g++") is None:
    pytest.skip("the rasteriser's CPU code is made by g++", allow_module_level=True)


from people_shapes import QUAD, amid_nan, quad, sphere  # noqa: E402
from visavis_training.people.rasteriser import (  # noqa: E402
    HIDDEN,
    NO_SURFACE,
    OUTSIDE,
    SEEN,
    Neighbours,
    coverage,
    downsample,
    per_triangle,
    rasterise,
    sight,
    vertex_normals,
    vote,
)

pytestmark = pytest.mark.unit


def test_votes_draw_a_smooth_border_through_triangles() -> None:
    steps, step = 16, 8.0
    place = torch.arange((steps + 1) ** 2)
    points = torch.stack(
        [place % (steps + 1) * step, place // (steps + 1) * step, torch.full_like(place, 5.0) * 1.0], 1
    )
    corner = (torch.arange(steps)[:, None] * (steps + 1) + torch.arange(steps)).reshape(-1)
    upper = torch.stack([corner, corner + 1, corner + steps + 2], 1)
    lower = torch.stack([corner, corner + steps + 2, corner + steps + 1], 1)
    triangles = torch.cat([upper, lower])
    region = (points[triangles].mean(1)[:, 0] > 60).long()  # the column of squares 56..64 is cut along its diagonals
    counts = torch.zeros(len(points), 2)
    for k in range(3):
        counts.index_put_((triangles[:, k], region), torch.ones(len(triangles)), accumulate=True)
    shown = rasterise(points[None], triangles, 128, 128)
    smooth = vote(counts / counts.sum(1, keepdim=True), triangles, shown, 9)[0, 16:112]
    hard = per_triangle(region.to(torch.uint8), shown, 9)[0, 16:112]
    borders = [128 - x.sum(1).float() for x in (smooth, hard)]
    assert float(borders[1].std()) > 2
    assert float(borders[0].std()) < 0.8 and float(borders[0].mean()) == pytest.approx(60, abs=1.5)
    apart = torch.tensor([[1.0, 0], [0, 1], [0, 1], [0.6, 0.4]]).repeat_interleave(1, 0)
    few = vote(apart, QUAD, rasterise(quad(0, 0, 8, 8)[None], QUAD, 10, 10), 9)[0]
    assert few[9].tolist() == [9] * 10 and few[0, 0] == 0 and few[0, 7] == 1


def test_coverage_is_the_area_within_the_pixel() -> None:
    half = coverage(quad(2.25, 1.0, 5.5, 3.125)[None], QUAD, 6, 8)[0]
    columns = torch.tensor([0, 0, 0.75, 1, 1, 0.5, 0, 0])
    torch.testing.assert_close(half[1], columns)
    torch.testing.assert_close(half[3], columns * 0.125, atol=0.09, rtol=0)
    turns = torch.arange(60) * (2 * math.pi / 60)
    rim = torch.stack([16 + 11 * turns.cos(), 15.3 + 11 * turns.sin(), torch.full((60,), 5.0)], 1)
    disc = torch.cat([rim, torch.tensor([[16, 15.3, 5.0]])])[None]
    fan = torch.stack([torch.full((60,), 60), torch.arange(60), (torch.arange(60) + 1) % 60], 1)
    area = 0.5 * 60 * 11**2 * math.sin(2 * math.pi / 60)
    assert float(coverage(disc, fan, 32, 32).sum()) == pytest.approx(area, rel=0.003)
    shown = rasterise(disc, fan, 32, 32)
    assert abs(float(shown.mask.sum()) - area) < 8
    quick = coverage(disc, fan, 32, 32, drawn=shown)
    assert torch.equal(quick, coverage(disc, fan, 32, 32))
    hair = torch.tensor([[[20.1, 2.0, 5.0], [20.3, 2.0, 5.0], [20.2, 30.0, 5.0]]])  # between the centres of pixels
    nothing = rasterise(hair, torch.tensor([[0, 1, 2]]), 32, 32)
    assert not nothing.mask.any()
    thin = coverage(hair, torch.tensor([[0, 1, 2]]), 32, 32, drawn=nothing)
    assert float(thin.sum()) == pytest.approx(0.2 * 28 / 2, rel=0.15) and not thin[..., :20].any()


def test_a_point_is_hidden_by_what_lies_before_it() -> None:
    points = torch.cat([quad(0, 0, 16, 16, 6.0), quad(4, 4, 9, 9, 5.0)])[None]
    layers = torch.cat([QUAD, QUAD + 4])
    shown = rasterise(points, layers, 16, 16)
    asked = [
        (2.0, 2.0, 6.0, SEEN),
        (6.0, 6.0, 6.0, HIDDEN),
        (6.0, 6.0, 5.0, SEEN),
        (6.0, 6.0, 5.003, SEEN),  # within the tolerance
        (6.0, 6.0, 5.01, HIDDEN),
        (6.0, 6.0, 4.0, SEEN),
        (-0.1, 6.0, 6.0, OUTSIDE),
        (6.0, 16.0, 6.0, OUTSIDE),
        (math.nan, 6.0, 6.0, OUTSIDE),
        (6.0, 6.0, 0.0, OUTSIDE),
    ]
    queries = torch.tensor([row[:3] for row in asked])[None]
    assert sight(queries, points, layers, shown)[0].tolist() == [row[3] for row in asked]
    own = torch.full((1, len(asked)), -1)
    own[0, 1], own[0, 4] = 2, 3  # the triangle seen at (6, 6) is 2 or 3: one of both points lies on it
    answers = sight(queries, points, layers, shown, own_triangle=own)[0]
    assert sorted(answers[[1, 4]].tolist()) == [SEEN, HIDDEN] or answers[[1, 4]].tolist() == [SEEN, SEEN]
    assert set(answers[[0, 2, 3, 5, 6]].tolist()) == {NO_SURFACE}


def test_slanted_surfaces_do_not_hide_themselves() -> None:
    """A plane so steep that depth changes by far more than the tolerance within each pixel."""
    floor = torch.tensor([[0.0, 2.0, 3.0], [32.0, 2.0, 3.0], [32.0, 30.0, 40.0], [0.0, 30.0, 40.0]])[None]
    shown = rasterise(floor, QUAD, 32, 32)
    rng = torch.Generator().manual_seed(0)
    share = torch.rand(400, 1, generator=rng)
    x = torch.rand(400, 1, generator=rng) * 32
    nearness = (1 - share) / 3 + share / 40  # straight on the picture is straight in 1 / depth
    on_it = torch.cat([x, 2 + 28 * share, 1 / nearness], 1)[None]
    assert set(sight(on_it, floor, QUAD, shown).unique().tolist()) == {SEEN}
    behind = on_it * torch.tensor([1.0, 1.0, 1.3])
    inner = (on_it[0, :, 1] > 4) & (on_it[0, :, 1] < 28)
    assert (sight(behind, floor, QUAD, shown)[0][inner] == HIDDEN).float().mean() > 0.95


def test_normals_of_a_sphere_point_outwards() -> None:
    points, triangles = sphere(24)
    normals = vertex_normals(points[None] * 3, triangles, Neighbours.of(triangles, len(points)))[0]
    assert float((normals * points).sum(-1).min()) > 0.99
    lonely = torch.cat([points, torch.zeros(1, 3)])
    assert not vertex_normals(lonely[None], triangles, Neighbours.of(triangles, len(lonely)))[0, -1].any()


@pytest.mark.parametrize("listed", [False, True], ids=["not listed", "listed"])
@pytest.mark.parametrize("own", [False, True], ids=["one mesh", "own meshes"])
def test_triangles_that_are_not_drawn_read_no_memory_outside(own: bool, listed: bool) -> None:
    points, triangles = sphere(8)
    kept = triangles.clone()
    kept[::3] = -1
    people = amid_nan(torch.stack([points, points * 2]))
    whole, drawn = ((t.expand(2, -1, -1) if own else t) for t in (triangles, kept))
    make = Neighbours.own if own else Neighbours.of
    normals = vertex_normals(people, drawn, make(whole if listed else drawn, len(points)))
    assert normals.isfinite().all()
    fewer = triangles[torch.arange(len(triangles)) % 3 > 0]
    expected = vertex_normals(people, fewer, Neighbours.of(fewer, len(points)))
    torch.testing.assert_close(normals, expected)


def test_a_point_on_a_triangle_that_the_other_picture_lacks_is_hidden() -> None:
    wall = amid_nan(quad(0, 0, 8, 8)[None])
    shown = rasterise(wall, QUAD, 8, 8)
    centres = torch.stack(torch.meshgrid(torch.arange(8) + 0.5, torch.arange(8) + 0.5, indexing="xy"), -1)
    asked = torch.cat([centres.reshape(1, -1, 2), torch.full((1, 64, 1), 5.0)], -1)
    lacking = QUAD.clone()
    lacking[0] = -1
    found = sight(
        asked, wall, lacking, rasterise(wall, lacking, 8, 8), own_triangle=shown.triangle.flatten(1), own_points=wall
    )
    on_first = shown.triangle.flatten(1) == 0
    assert set(found[on_first].tolist()) == {HIDDEN}
    assert set(found[~on_first].tolist()) == {SEEN}


def test_downsampling_takes_means() -> None:
    picture = torch.arange(2 * 4 * 6 * 3, dtype=torch.float32).reshape(2, 4, 6, 3)
    small = downsample(picture, 2)
    torch.testing.assert_close(small[1, 1, 2], picture[1, 2:4, 4:6].mean((0, 1)))
    with pytest.raises(ValueError, match="divided"):
        downsample(picture, 4)
