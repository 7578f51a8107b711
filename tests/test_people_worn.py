"""Things on bodies: how they are tied to skin and skull, move along, and are labelled with the body."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")
if shutil.which("g++") is None:
    pytest.skip("the rasteriser's CPU code is made by g++", allow_module_level=True)

from people_shapes import sphere  # noqa: E402
from visavis_training.people.binding import Wearer, closest_weights  # noqa: E402
from visavis_training.people.camera import Camera  # noqa: E402
from visavis_training.people.chance import Chance  # noqa: E402
from visavis_training.people.frame_labels import BACKGROUND, SEEN, FrameLabels, Shot, Surface  # noqa: E402
from visavis_training.people.lighting import ShadowMap, sample_lights  # noqa: E402
from visavis_training.people.rasteriser import Neighbours, coverage, vertex_normals  # noqa: E402
from visavis_training.people.worn import (  # noqa: E402
    KINDS,
    REGION_OF_KIND,
    REGIONS,
    WORN_REGIONS,
    Things,
    Worn,
    bind,
    kind,
)
from visavis_training.people.worn_drawing import Dressed, Strands  # noqa: E402
from visavis_training.people.worn_shading import SHADERS, shader  # noqa: E402

pytestmark = pytest.mark.unit

SIZE = 96
POINTS, TRIANGLES = sphere(40)
MARKS = (TRIANGLES[::3], torch.full((len(TRIANGLES[::3]), 3), 1 / 3))
TOP, LEFT, RIGHT = (int((POINTS - torch.tensor(way)).norm(dim=1).argmin()) for way in
                    ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (-1.0, 0.0, 0.0)))  # fmt: skip


def wearer() -> Wearer:
    return Wearer.make(TRIANGLES, torch.zeros(len(TRIANGLES)), POINTS, torch.tensor([LEFT, RIGHT, TOP]))


def surface() -> Surface:
    return Surface.make(TRIANGLES, torch.zeros(len(TRIANGLES)), POINTS, MARKS)


def plate(z: float, half: float = 0.3, what: str = "frame", rigid: float = 1.0, x: float = 0.0) -> Things:
    """A square that faces the viewer, parallel to the picture."""
    corners = torch.tensor([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]])
    corners[:, 0] += x
    triangles = torch.tensor([[0, 2, 1], [0, 3, 2], [-1, -1, -1]], dtype=torch.int32)
    way = torch.tensor([1.0, 0.0, 0.0]).expand(1, 4, 3)
    coat = {"colour": torch.ones(1, 3)}
    kinds = torch.full((1, 3), kind(what), dtype=torch.uint8)
    return Things(
        corners[None], triangles[None], kinds, torch.ones(1, 4, 4), way, torch.full((1, 4), rigid), {what: coat}
    )


def turned(points: Any, yaw: float) -> Any:
    c, s = math.cos(yaw), math.sin(yaw)
    return points @ torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T


def ahead(people: int = 1) -> Camera:
    camera = Camera.facing(torch.full((people,), 10.0), torch.full((people,), 50.0), SIZE, SIZE)
    return replace(camera, focal_px=torch.full((people,), 320.0))


def dented(body: Any) -> Any:
    """The front of the body pushed in; sides and crown stay."""
    front = (-body[..., 2:] - 0.5).clamp(min=0)
    return body + torch.cat([torch.zeros_like(body[..., :2]), 0.4 * front], -1)


def test_things_lie_at_rest_where_they_were_made_and_turn_with_the_whole_body() -> None:
    generator = torch.Generator().manual_seed(0)
    loose = torch.randn(1, 200, 3, generator=generator) * 1.2
    ways = torch.nn.functional.normalize(torch.randn(1, 200, 3, generator=generator), dim=-1)
    things = Things(
        loose, torch.zeros(1, 0, 3, dtype=torch.int32), torch.zeros(1, 0, dtype=torch.uint8), torch.zeros(1, 200, 4),
        ways, torch.rand(1, 200, generator=generator),
    )  # fmt: skip
    bound = bind(POINTS[None], wearer(), things)
    torch.testing.assert_close(bound.posed(POINTS[None]), loose, atol=1e-5, rtol=0)
    shift = torch.tensor([0.3, -0.2, 0.5])
    points, tangents = bound.carried(turned(POINTS, 0.7)[None] + shift)
    torch.testing.assert_close(points, turned(loose, 0.7) + shift, atol=1e-4, rtol=0)
    torch.testing.assert_close(tangents, turned(ways, 0.7), atol=1e-4, rtol=0)


def test_skin_carries_soft_things_and_leaves_rigid_ones_alone() -> None:
    for rigid, expected in ((1.0, 0.0), (0.0, 0.2), (0.5, 0.1)):
        things = plate(-1.02, 0.02, rigid=rigid)
        moved = bind(POINTS[None], wearer(), things).posed(dented(POINTS[None])) - things.points
        assert float(moved[..., 2].mean()) == pytest.approx(expected, abs=0.01), rigid


def test_places_are_the_nearest_of_all_triangles() -> None:
    points = torch.randn(1, 300, 3, generator=torch.Generator().manual_seed(1))
    binding = wearer().nearest(POINTS[None], points)
    every = POINTS[TRIANGLES]
    weights = closest_weights(points[0, :, None], every[None].expand(300, -1, -1, -1))
    least = ((every[None] * weights[..., None]).sum(2) - points[0, :, None]).norm(dim=-1).amin(1)
    found = (binding.on(POINTS[None])[0] - points[0]).norm(dim=-1)
    torch.testing.assert_close(found, least, atol=2e-5, rtol=0)
    torch.testing.assert_close(binding.weights.sum(-1), torch.ones(1, 300))
    assert float(binding.weights.min()) >= -1e-6


def test_normals_of_own_triangles_are_those_of_shared_ones() -> None:
    people = torch.stack([POINTS, POINTS * torch.tensor([1.2, 0.9, 1.0])])
    shared = vertex_normals(people, TRIANGLES, Neighbours.of(TRIANGLES, len(POINTS)))
    nothing = torch.full((2, 5, 3), -1)
    own = torch.cat([nothing, TRIANGLES.expand(2, -1, -1), nothing], 1).int()
    own[1] = own[1].flip(0)  # another order for the second
    found = vertex_normals(people, own, Neighbours.own(own, len(POINTS)))
    torch.testing.assert_close(found, shared, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="neighbours"):
        vertex_normals(people, own, Neighbours.of(TRIANGLES, len(POINTS)))


def test_who_wears_nothing_is_labelled_as_before() -> None:
    body, camera = surface(), ahead()
    worn = Worn.of(POINTS[None], wearer(), Things.nothing(1))
    labels = []
    for clothes in (None, worn):
        shots = [Shot.take(turned(POINTS, yaw)[None], body, camera, worn=clothes) for yaw in (0.3, 0.0)]
        labels.append(FrameLabels.of(shots[0], shots[1], body))
    for name in ("flow", "sight", "canonical", "region", "depth", "normals", "matte", "landmarks", "landmark_seen"):
        assert torch.equal(getattr(labels[0], name), getattr(labels[1], name)), name


def test_pixels_of_glasses_flow_as_the_glasses_do() -> None:
    """The face behind moves, the glasses do not: their pixels flow by nothing, the face's pixels do."""
    body, camera = surface(), ahead()
    worn = Worn.of(POINTS[None], wearer(), plate(-1.2))
    reference = Shot.take(POINTS[None], body, camera, worn=worn)
    driven = Shot.take(dented(POINTS[None]), body, camera, worn=worn)
    labels = FrameLabels.of(driven, reference, body)
    on_glasses = labels.region == REGIONS.index("glasses")
    width = 0.6 * 320 / 8.8
    assert int(on_glasses.sum()) == pytest.approx(width**2, rel=0.12)
    assert float(labels.flow[on_glasses].abs().max()) < 2e-3
    assert float(labels.depth[on_glasses].std()) < 1e-3 and float(labels.depth[on_glasses].mean()) == pytest.approx(8.8)
    ring = (labels.region == 0) & (labels.canonical[..., 2] < -0.75)
    assert float(labels.flow[ring].norm(dim=-1).max()) > 0.2
    facing = labels.normals[on_glasses]
    torch.testing.assert_close(facing, torch.tensor([0.0, 0.0, -1.0]).expand_as(facing), atol=1e-4, rtol=0)
    away = labels.canonical[on_glasses] - torch.tensor([0.0, 0.0, -1.2])
    assert float(away[:, 2].abs().max()) < 1e-4 and float(away.abs().max()) <= 0.3 + 1e-4
    moved = turned(POINTS, 0.4)[None]
    swung = FrameLabels.of(Shot.take(moved, body, camera, worn=worn), reference, body)
    on_glasses = swung.region == REGIONS.index("glasses")
    expected = camera.project(worn.vertices(moved))[0, -4:].mean(0)[:2] - SIZE / 2
    assert float((swung.flow[on_glasses].mean(0) + expected).norm()) < 1.0
    assert bool((swung.sight[on_glasses] == SEEN).all())


def test_landmarks_hide_behind_frames_and_show_through_lenses() -> None:
    body, camera = surface(), ahead()
    seen = {}
    for what in ("frame", "lens"):
        # a millimetre before the skin: closer than the folds in which landmarks of lips may lie
        worn = Worn.of(POINTS[None], wearer(), plate(-1.01, 0.2, what))
        shot = Shot.take(POINTS[None], body, camera, worn=worn)
        labels = FrameLabels.of(shot, shot, body)
        under = (labels.landmarks - SIZE / 2).abs().amax(-1) < 0.15 * 320 / 8.99
        under &= (POINTS[MARKS[0]].mean(1)[:, 2] < 0)[None]
        assert int(under.sum()) >= 3
        seen[what] = labels.landmark_seen[under]
        covered = (labels.region == REGIONS.index("glasses")).any()
        assert bool(covered) is (what == "frame")
    assert not seen["frame"].any() and bool(seen["lens"].all())


def test_what_things_hide_in_the_reference_is_hidden() -> None:
    body, camera = surface(), ahead()
    worn = Worn.of(POINTS[None], wearer(), plate(-1.3, 0.25))
    naked = Worn.of(POINTS[None], wearer(), replace(plate(-1.3, 0.25), triangles=torch.full((1, 3, 3), -1).int()))
    labels = FrameLabels.of(
        Shot.take(POINTS[None], body, camera, worn=naked), Shot.take(POINTS[None], body, camera, worn=worn), body
    )
    middle = labels.sight[0, SIZE // 2 - 3 : SIZE // 2 + 3, SIZE // 2 - 3 : SIZE // 2 + 3]
    assert bool((middle != SEEN).all())
    assert float((labels.sight == SEEN).sum() / (labels.region != BACKGROUND).sum()) > 0.8


def test_strands_are_seen_from_both_sides() -> None:
    body, camera = surface(), ahead()
    standing = plate(0.0, 0.25, "hair", x=1.3)  # beside the ball: it shows its back when the head has turned round
    worn = Worn.of(POINTS[None], wearer(), replace(standing, points=standing.points[..., [0, 1, 2]]))
    reference = Shot.take(POINTS[None], body, camera, worn=worn)
    for yaw in (0.3, math.pi - 0.3):
        driven = Shot.take(turned(POINTS, yaw)[None], body, camera, worn=worn)
        labels = FrameLabels.of(driven, reference, body)
        on_hair = labels.region == REGIONS.index("hair")
        assert int(on_hair.sum()) > 50
        assert float((labels.sight[on_hair] == SEEN).float().mean()) > 0.95


def test_several_things_become_one_and_each_kind_has_one_maker() -> None:
    both = Things.together([plate(-1.2), plate(-1.4, what="hat")])
    assert both.triangles[0].tolist() == [[0, 2, 1], [0, 3, 2], [-1, -1, -1], [4, 6, 5], [4, 7, 6], [-1, -1, -1]]
    assert set(both.coats) == {"frame", "hat"}
    off = both.only(torch.tensor([False]))
    assert bool((off.triangles == -1).all())
    with pytest.raises(ValueError, match="coats of"):
        Things.together([plate(-1.2), plate(-1.4)])
    twice = both.rows(torch.tensor([0, 0]))
    assert len(twice) == 2 and len(twice.coats["hat"]["colour"]) == 2


def test_skin_under_cloth_is_not_drawn() -> None:
    body, camera = surface(), ahead()
    covers = (POINTS[TRIANGLES].mean(1)[:, 1] > 0)[None]
    shot = Shot.take(
        POINTS[None], body, camera, worn=Worn.of(POINTS[None], wearer(), replace(plate(9.0), covers=covers))
    )
    rows = (shot.fragments.triangle[0] >= 0).any(1)
    inner = torch.arange(SIZE) - SIZE / 2
    assert bool(rows[(inner > -30) & (inner < -3)].all())
    back = shot.fragments.depth[0][(inner > 3) & (inner < 20)][:, SIZE // 2]
    assert bool((back > 9.9).all())  # one looks through at the far side, which is covered too, and beyond


def test_cover_counts_only_what_lies_before_a_depth() -> None:
    triangle = torch.tensor([[[0.0, 0.0, 5.0], [8.0, 0.0, 5.0], [0.0, 8.0, 5.0]]])
    corners = torch.tensor([[0, 1, 2]])
    whole = coverage(triangle, corners, 8, 8)
    limit = torch.full((1, 8, 8), 4.9)
    limit[..., :4] = 5.1
    found = coverage(triangle, corners, 8, 8, before=limit)
    assert torch.equal(found[..., :4], whole[..., :4]) and not found[..., 4:].any()
    assert 0 < float(whole[0, 3, 4]) < 1


def test_shadows_on_single_places_are_those_in_pictures() -> None:
    lights = sample_lights(Chance(torch.tensor([3, 4])), torch.tensor([0, 2]))
    things = torch.tensor([[[-0.5, -0.5, 8.0], [0.5, -0.5, 8.0], [0.5, 0.5, 8.0], [-0.5, 0.5, 8.0]]]).repeat(2, 1, 1)
    shadow = ShadowMap.of(lights, things, torch.tensor([[0, 1, 2], [0, 2, 3]]))
    across = torch.linspace(-1.5, 1.5, 41)
    wall = torch.stack(torch.meshgrid(across, across, indexing="xy"), -1)
    wall = torch.cat([wall, torch.full((41, 41, 1), 9.0)], -1).expand(2, -1, -1, -1)
    dense = shadow.reach(wall)
    picture = torch.arange(2).repeat_interleave(41 * 41)
    single = shadow.reach_at(picture, wall.reshape(-1, 3)).reshape(2, 41, 41)
    assert float((dense - single).abs().mean()) < 0.005
    assert 0.02 < float((dense < 0.5).float().mean()) < 0.7


def test_strands_cover_in_proportion_to_their_width() -> None:
    """Even those far narrower than a sample, and only where nothing lies before them."""
    camera = ahead()
    person = torch.zeros(1, dtype=torch.int64)
    body = surface()
    bare = Shot.take(POINTS[None], body, camera).fragments
    covered = {}
    for what, z in (("before", -1.5), ("behind", 1.5)):
        for half in (0.004, 0.012):
            # a slanted strip 1.2 dm long: 0.3 and 0.8 px wide
            strip = plate(z, 1.0, "hair")
            points = torch.tensor(
                [[[-0.6, -half - 0.2, z], [0.6, -half + 0.2, z], [0.6, half + 0.2, z], [-0.6, half - 0.2, z]]]
            )
            worn = Worn.of(POINTS[None], wearer(), replace(strip, points=points))
            dressed = Dressed.of(worn, person, POINTS[None], camera)
            strands = Strands.of(dressed, bare)
            assert strands is not None
            covered[what, half] = float(strands.cover.sum())
    per_dm2 = (320 / 8.5) ** 2
    for half in (0.004, 0.012):
        assert covered["before", half] == pytest.approx(1.2 * 2 * half * per_dm2, rel=0.12)
        assert covered["behind", half] == 0.0
    assert (
        Strands.of(Dressed.of(Worn.of(POINTS[None], wearer(), plate(-1.5)), person, POINTS[None], camera), bare) is None
    )


def test_every_kind_has_a_region_and_a_shader() -> None:
    assert set(SHADERS) == set(KINDS) == set(REGION_OF_KIND)
    assert {REGIONS[-len(WORN_REGIONS) :]} == {WORN_REGIONS} and set(REGION_OF_KIND.values()) == set(WORN_REGIONS)
    for name in KINDS:
        assert callable(shader(name))
