"""Labels of driven frames: flow, occlusion, depth and the rest, against shapes with answers in closed form."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")
if shutil.which("g++") is None:
    pytest.skip("the rasteriser's CPU code is made by g++", allow_module_level=True)

from people_shapes import amid_nan, sphere  # noqa: E402
from visavis_training.people.camera import Camera  # noqa: E402
from visavis_training.people.frame_labels import (  # noqa: E402
    BACKGROUND,
    HIDDEN,
    NO_SURFACE,
    OUTSIDE,
    SEEN,
    FrameLabels,
    Shot,
    Surface,
    pixel_centres,
)

pytestmark = pytest.mark.unit

SIZE = 128
NOBODY = (torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, 3))


def surface_of(points: Any, triangles: Any, region: Any = None, landmarks: Any = NOBODY) -> Surface:
    zeros = torch.zeros(len(triangles), dtype=torch.uint8) if region is None else region
    return Surface.make(triangles, zeros, points, landmarks)


def ahead(people: int = 1, distance: float = 10.0, focal_px: float = 400.0, size: int = SIZE) -> Camera:
    """Cameras on the axis of head space."""
    camera = Camera.facing(torch.full((people,), distance), torch.full((people,), 50.0), size, size)
    return Camera(camera.rotation, camera.translation, torch.full((people,), focal_px), camera.centre_px, size, size)


def rectangle(left: float, top: float, right: float, bottom: float, z: float) -> Any:
    """Four corners in head space."""
    return torch.tensor([[left, top, z], [right, top, z], [right, bottom, z], [left, bottom, z]])


QUAD = torch.tensor([[0, 2, 1], [0, 3, 2]])


def turned(points: Any, yaw: float) -> Any:
    """About the y axis."""
    c, s = math.cos(yaw), math.sin(yaw)
    return points @ torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T


def test_a_plane_that_moves_flows_by_its_depth_alone() -> None:
    plane = rectangle(-1, -1, 1, 1, 2.0)  # 12 dm from the lens
    surface = surface_of(plane, QUAD)
    reference = Shot.take(plane[None], surface, ahead())
    moves = torch.tensor([[0.0, 0, 0], [0.3, 0, 0], [0, -0.12, 0], [0, 0, -4.0]])
    driven = Shot.take(plane + moves[:, None], surface, ahead(4))
    labels = FrameLabels.of(driven, reference, surface, reference_of=torch.zeros(4, dtype=torch.int64))
    still, right, up, nearer = (labels.flow[i][labels.region[i] != BACKGROUND] for i in range(4))
    torch.testing.assert_close(still, torch.zeros_like(still), atol=2e-3, rtol=0)
    expected = torch.tensor([-0.3 * 400 / 12, 0.0])
    torch.testing.assert_close(right, expected.expand_as(right), atol=2e-3, rtol=0)
    torch.testing.assert_close(up, -torch.tensor([0.0, -0.12 * 400 / 12]).expand_as(up), atol=2e-3, rtol=0)
    from_centre = (pixel_centres(SIZE, SIZE) - SIZE / 2)[labels.region[3] != BACKGROUND]
    torch.testing.assert_close(nearer, from_centre * (8 / 12 - 1), atol=3e-3, rtol=0)
    assert not labels.flow[labels.region == BACKGROUND].any()
    torch.testing.assert_close(labels.depth[3][labels.region[3] != BACKGROUND].mean(), torch.tensor(8.0))
    facing_lens = labels.normals[0][labels.region[0] != BACKGROUND]
    torch.testing.assert_close(facing_lens, torch.tensor([0.0, 0, -1]).expand_as(facing_lens))


def test_what_the_reference_cuts_off_is_outside() -> None:
    plane = rectangle(-1.6, -1, 1.6, 1, 0.0)  # spans x = 0..128 exactly
    surface = surface_of(plane, QUAD)
    reference, driven = (Shot.take(plane[None] + x, surface, ahead()) for x in (torch.tensor([0.5, 0, 0]), 0.0))
    labels = FrameLabels.of(driven, reference, surface)
    row = labels.sight[0, SIZE // 2]
    assert row[:108].tolist() == [SEEN] * 108 and row[108:].tolist() == [OUTSIDE] * 20  # 0.5 dm are 20 px
    assert labels.sight[0, 0].tolist() == [NO_SURFACE] * SIZE
    assert torch.equal(labels.occluded, labels.sight == OUTSIDE) and torch.equal(labels.seen, labels.sight == SEEN)


def test_a_quad_before_another_hides_what_lies_behind_it() -> None:
    back, front = rectangle(-1.5, -1.5, 1.5, 1.5, 0.0), rectangle(-0.4, -0.4, 0.4, 0.4, -2.0)
    points, triangles = torch.cat([back, front]), torch.cat([QUAD, QUAD + 4])
    surface = surface_of(points, triangles, torch.tensor([3, 3, 7, 7], dtype=torch.uint8))
    aside = points.clone()
    aside[4:, 0] += 0.8  # the front one's shadow, 40 px wide, moves by 40 px: from 44..84 to 84..124
    reference, driven = (Shot.take(x[None], surface, ahead()) for x in (points, aside))
    labels = FrameLabels.of(driven, reference, surface)
    region = torch.full((SIZE, SIZE), BACKGROUND)
    region[4:124, 4:124] = 3
    region[44:84, 84:124] = 7
    assert torch.equal(labels.region[0].long(), region)
    hidden = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    hidden[44:84, 44:84] = True
    assert torch.equal(labels.sight[0] == HIDDEN, hidden)
    assert torch.equal(labels.sight[0] == NO_SURFACE, region == BACKGROUND)
    flow = torch.zeros(SIZE, SIZE, 2)
    flow[44:84, 84:124, 0] = -40.0
    torch.testing.assert_close(labels.flow[0], flow, atol=2e-3, rtol=0)
    assert torch.equal(labels.matte[0], (region != BACKGROUND).float())


def test_a_turning_ball_is_labelled_as_rays_say() -> None:
    """Every pixel's ray is met with the ball, turned back, and projected again, all in closed form."""
    points, triangles = sphere(120)
    surface = surface_of(points, triangles)
    yaw, radius, distance = 0.9, 1.0, 10.0
    camera = ahead(distance=distance)
    reference, driven = (Shot.take(turned(points, a)[None], surface, camera) for a in (0.0, yaw))
    labels = FrameLabels.of(driven, reference, surface)

    rays = torch.cat([(pixel_centres(SIZE, SIZE).double() - SIZE / 2) / 400, torch.ones(SIZE, SIZE, 1)], -1)
    along = (rays * torch.tensor([0.0, 0, distance])).sum(-1) / (rays**2).sum(-1)
    miss = distance**2 - along**2 * (rays**2).sum(-1)
    hit = miss < (radius * 0.9) ** 2  # away from the limb, where the facets of the ball matter
    depth = along - ((radius**2 - miss).clamp(min=0) / (rays**2).sum(-1)).sqrt()
    place = rays * depth[..., None] - torch.tensor([0.0, 0, distance])
    before = turned(place.float(), -yaw)
    pixels = camera.project(before.reshape(1, -1, 3)).reshape(SIZE, SIZE, 3)

    torch.testing.assert_close(labels.depth[0][hit].double(), depth[hit], atol=2e-3, rtol=0)
    expected_flow = pixels[..., :2] - pixel_centres(SIZE, SIZE)
    torch.testing.assert_close(labels.flow[0][hit], expected_flow[hit], atol=0.06, rtol=0)
    torch.testing.assert_close(labels.canonical[0][hit], before[hit], atol=3e-3, rtol=0)
    torch.testing.assert_close(labels.normals[0][hit], place.float()[hit], atol=4e-3, rtol=0)

    towards = (before * (torch.tensor([0.0, 0, -distance]) - before)).sum(-1)  # > 0: the point faced the lens before
    seen, hidden = labels.sight[0] == SEEN, labels.sight[0] == HIDDEN
    sure = hit & (towards.abs() > 1.2)  # all but those that lay within 0.3 px of the outline
    assert int((sure & (towards < 0)).sum()) > 100
    assert torch.equal(seen[sure], towards[sure] > 0) and torch.equal(hidden[sure], towards[sure] < 0)
    unsure = hit & ~sure
    assert int(unsure.sum()) > 100
    assert not seen[unsure & (towards < -0.1)].any()  # what was turned away is never called seen
    assert float(hidden[unsure & (towards > 0.1)].float().mean()) < 0.4


def test_the_reference_warped_by_the_flow_is_the_driven_picture() -> None:
    """What the flow is for: torch's own sampling, with pixel edges as its corners, puts every seen point in place."""
    points, triangles = sphere(100)
    surface = surface_of(points, triangles)
    camera = ahead()
    still, moved = points, turned(points, 0.35) * torch.tensor([1.0, 1.1, 1.0]) + torch.tensor([0.1, 0.05, 0.2])
    reference, driven = (Shot.take(x[None], surface, camera) for x in (still, moved))
    labels = FrameLabels.of(driven, reference, surface)
    pattern = FrameLabels.of(reference, reference, surface).canonical  # a smooth picture of the reference
    grid = (pixel_centres(SIZE, SIZE) + labels.flow) * 2 / SIZE - 1
    warped = torch.nn.functional.grid_sample(pattern.permute(0, 3, 1, 2), grid, align_corners=False)
    error = (warped.permute(0, 2, 3, 1) - labels.canonical).abs().amax(-1)
    inner = labels.seen & (labels.normals[..., 2] < -0.5)
    facing_before = labels.canonical[..., 2] < -0.5
    inner &= facing_before
    assert int(inner.sum()) > 2000
    assert float(error[inner].max()) < 0.005


def test_a_ball_at_rest_sees_all_of_itself() -> None:
    """No speckles of false occlusion, not even at the limb, where each pixel spans much depth."""
    points, triangles = sphere(60)
    surface = surface_of(points, triangles)
    reference = Shot.take(points[None], surface, ahead(focal_px=390))
    for step in ((0.0, 0.0), (0.004, 0.003), (-0.011, 0.007)):  # of 0, 0.2 and 0.5 px: none of the ball turns away
        driven = Shot.take(points[None] + torch.tensor([*step, 0.0]), surface, ahead(focal_px=390))
        labels = FrameLabels.of(driven, reference, surface)
        share = float((labels.sight == HIDDEN).sum() / (labels.region != BACKGROUND).sum())
        assert share < 0.004, step


def test_each_frame_asks_its_own_reference_and_camera() -> None:
    points, triangles = sphere(30)
    surface = surface_of(points, triangles)
    people = torch.stack([points, points * 1.3])
    cameras = Camera.random(2, SIZE, SIZE, torch.Generator().manual_seed(0))
    reference = Shot.take(people, surface, cameras)
    reference_of = torch.tensor([1, 0, 1])
    moved = turned(people[reference_of], 0.2)
    driven = Shot.take(moved, surface, cameras.rows(torch.tensor([0, 1, 1])))
    together = FrameLabels.of(driven, reference, surface, reference_of=reference_of)
    for row, source in enumerate(reference_of.tolist()):
        one = Shot.take(moved[row : row + 1], surface, cameras.rows(torch.tensor([[0, 1, 1][row]])))
        whose = Shot.take(people[source : source + 1], surface, cameras.rows(torch.tensor([source])))
        alone = FrameLabels.of(one, whose, surface)
        torch.testing.assert_close(together.flow[row], alone.flow[0], atol=1e-3, rtol=1e-5)
        assert torch.equal(together.sight[row], alone.sight[0])


def test_landmarks_lie_on_their_points_and_know_when_they_are_hidden() -> None:
    points, triangles = sphere(40)
    corners = triangles[torch.arange(0, len(triangles), 9)]
    weights = torch.softmax(torch.randn(len(corners), 3, generator=torch.Generator().manual_seed(0)), 1)
    surface = surface_of(points, triangles, landmarks=(corners, weights))
    camera = ahead()
    shot = Shot.take(points[None], surface, camera)
    face, head = torch.rand(1, 52), torch.rand(1, 6)
    labels = FrameLabels.of(shot, shot, surface, face=face, head=head)
    places = (points[corners] * weights[..., None]).sum(1)
    torch.testing.assert_close(labels.landmarks[0], camera.project(places[None])[0, :, :2])
    towards = (places * (torch.tensor([0.0, 0, -10.0]) - places)).sum(-1)
    sure = towards.abs() > 0.7
    assert torch.equal(labels.landmark_seen[0][sure], towards[sure] > 0)
    assert labels.face is face and labels.head is head
    assert labels.body.shape == (1, 0, 2) and labels.body_seen.shape == (1, 0)


def test_the_matte_is_soft_at_the_border_and_exact_in_all() -> None:
    points, triangles = sphere(80)
    surface = surface_of(points, triangles)
    shot = Shot.take(points[None], surface, ahead())
    matte = FrameLabels.of(shot, shot, surface).matte
    limb = 400 / math.sqrt(10**2 - 1)  # px: where rays touch the ball
    assert float(matte.sum()) == pytest.approx(math.pi * limb**2, rel=0.003)
    assert 100 < int(((matte > 0) & (matte < 1)).sum()) < 600
    assert torch.equal(matte[0] == 1, (matte[0] == 1) & shot.fragments.mask[0])


def test_regions_must_fit_the_triangles() -> None:
    points, triangles = sphere(8)
    with pytest.raises(ValueError, match="regions for"):
        Surface.make(triangles, torch.zeros(3), points, NOBODY)


def test_label_pictures_show_what_the_labels_say() -> None:
    from visavis_training.people.label_pictures import PICTURES, flow_colours, label_pictures, sheet

    points, triangles = sphere(24)
    surface = surface_of(points, triangles, landmarks=(triangles[:40], torch.full((40, 3), 1 / 3)))
    reference, driven = (Shot.take(turned(points, a)[None], surface, ahead()) for a in (0.0, 0.8))
    labels = FrameLabels.of(driven, reference, surface)
    pictures = label_pictures(labels)
    assert tuple(pictures) == PICTURES
    assert all(x.dtype == torch.uint8 and x.shape == (1, SIZE, SIZE, 3) for x in pictures.values())
    red = (pictures["sight"][..., 0].int() - pictures["sight"][..., 1]) > 10
    assert torch.equal(red, labels.sight == HIDDEN)
    for name, picture in pictures.items():
        assert not picture[labels.matte == 0].any(), name
        assert float(picture[labels.region != BACKGROUND].float().std()) > 10 or name == "matte", name
    assert sheet(labels).shape == (SIZE, SIZE * len(PICTURES), 3)
    compass = torch.tensor([[[5.0, 0.0], [-5.0, 0.0], [0.0, 0.0], [2.5, 0.0]]])
    colours = flow_colours(compass)[0]
    torch.testing.assert_close(colours[0], torch.tensor([1.0, 0, 0]), atol=1e-5, rtol=0)
    torch.testing.assert_close(colours[1], torch.tensor([0.0, 1, 1]), atol=1e-5, rtol=0)
    torch.testing.assert_close(colours[2:], torch.tensor([[1.0, 1, 1], [1, 0.5, 0.5]]), atol=1e-5, rtol=0)


def test_regions_left_out_are_not_drawn_and_change_nothing_else() -> None:
    back, front = rectangle(-1.5, -1.5, 1.5, 1.5, 0.0), rectangle(-0.4, -0.4, 0.4, 0.4, -2.0)
    points, triangles = torch.cat([back, front]), torch.cat([QUAD + 4, QUAD])
    region = torch.tensor([9, 9, 0, 0], dtype=torch.uint8)
    surface = Surface.make(triangles, region, points, NOBODY, without=(9,))
    shot = Shot.take(points[None], surface, ahead())
    labels = FrameLabels.of(shot, shot, surface)
    assert set(labels.region.unique().tolist()) == {0, BACKGROUND}
    assert set(shot.fragments.triangle.unique().tolist()) == {-1, 2, 3}
    assert torch.equal(triangles, torch.cat([QUAD + 4, QUAD]))  # the caller's stay as they were
    outwards = replace(shot, view=amid_nan(shot.view)).normals(surface)[0]
    assert not outwards[4:].any()  # what is not drawn has no normals, and nothing is read to find any
    torch.testing.assert_close(outwards[:4], torch.tensor([0.0, 0, -1]).expand(4, 3))


def test_a_point_just_under_the_surface_shows_unless_it_is_an_iris() -> None:
    wall, under = rectangle(-1, -1, 1, 1, 0.0), rectangle(-1, -1, 1, 1, 0.01)
    points, triangles = torch.cat([wall, under]), torch.cat([QUAD, QUAD + 4])
    corners = torch.tensor([4, 5, 6]).repeat(478, 1)
    weights = torch.tensor([0.25, 0.5, 0.25]).repeat(478, 1)
    surface = surface_of(points, triangles, landmarks=(corners, weights))
    deeper = points.clone()
    deeper[4:, 2] = 0.03
    shot = Shot.take(torch.stack([points, deeper]), surface, ahead(2))
    seen = FrameLabels.of(shot, shot, surface).landmark_seen
    assert seen[0, :468].all() and not seen[0, 468:].any() and not seen[1].any()
