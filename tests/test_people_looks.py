"""Looks of people: numbers from seeds, textures, light on known surfaces, and what cameras make of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_models.face import topology as topo  # noqa: E402
from visavis_training.people import capture, chance, dentition, eyeball, lighting, scenery, shading, skin_optics  # noqa: E402
from visavis_training.people.eye_textures import REACH, cornea_normals, paint_eyes  # noqa: E402
from visavis_training.people.materials import Material  # noqa: E402
from visavis_training.people.mouth_opening import MouthOpening  # noqa: E402
from visavis_training.people.mouth_textures import arch_place, paint_mouth  # noqa: E402
from visavis_training.people.visible import Visible  # noqa: E402

pytestmark = pytest.mark.unit

SEEDS = torch.arange(64)
NAMES = ("skin", "lips", "mouth_inside", "gums", "upper_teeth", "lower_teeth", "tongue", "eye_left", "eye_right",
         "lashes", "ears", "neck", "body")  # fmt: skip


def _face_landmarks() -> Any:
    """(1, 478, 3) a rough face before the camera: outline, lips 0.5 wide, shut."""
    marks = torch.zeros(1, 478, 3)
    marks[..., 2] = 9.0
    marks[0, 234, 0], marks[0, 454, 0] = -0.7, 0.7
    marks[0, 10, 1], marks[0, 152, 1] = -0.9, 0.9
    for row in (topo.UPPER_LIP[0], topo.LOWER_LIP[0]):
        marks[0, list(row), 0] = torch.linspace(-0.25, 0.25, 11)
        marks[0, list(row), 1] = 0.45
    return marks


def _card(albedo: tuple[float, float, float], scatter: float) -> tuple[Visible, Material]:
    """A flat card of 24 x 24 px that faces the camera, as skin."""
    side = 24
    flat = torch.zeros(1, side, side, 3)
    normal = flat.clone()
    normal[..., 2] = -1.0
    position = flat.clone()
    position[..., 2] = 9.0
    region = torch.full((1, side, side), NAMES.index("skin"))
    visible = Visible(
        NAMES, region, flat, flat[..., :2], normal, position, normal, _face_landmarks(), torch.tensor([0.01])
    )
    plain = torch.zeros(1, side, side)
    colour = torch.tensor(albedo).expand(1, side, side, 3)
    material = Material(colour, normal, normal, plain + 0.45, plain, plain, normal, plain + scatter, plain + 1.0)
    return visible, material


def test_numbers_belong_to_the_seed_and_not_to_the_batch() -> None:
    whole, one = chance.Chance(SEEDS), chance.Chance(SEEDS[17:18])
    assert torch.equal(whole.uniform("nose", count=3)[17:18], one.uniform("nose", count=3))
    points = torch.rand(1, 50, 3)
    assert chance.noise(whole, "pores", points, 20.0, 2)[17] == pytest.approx(
        chance.noise(one, "pores", points, 20.0, 2)[0], abs=1e-4
    )
    assert not torch.equal(whole.uniform("nose"), whole.uniform("ear"))


def test_numbers_are_spread_evenly_and_noise_has_unit_deviation() -> None:
    many = chance.Chance(torch.arange(20000))
    drawn = many.uniform("x")
    assert torch.histc(drawn, 10, 0, 1) / 2000 == pytest.approx(torch.ones(10), abs=0.1)
    neighbours = torch.corrcoef(torch.stack([drawn[:-1], drawn[1:]]))[0, 1]
    assert abs(float(neighbours)) < 0.03
    values = chance.noise(chance.Chance(SEEDS), "y", torch.rand(1, 4000, 3) * 3, 15.0, 3)
    assert float(values.mean()) == pytest.approx(0.0, abs=0.05)
    assert float(values.std()) == pytest.approx(1.0, abs=0.12)


def test_a_white_card_that_faces_the_camera_gets_light_of_one() -> None:
    for kind in range(len(lighting.SCENES)):
        lights = lighting.sample_lights(chance.Chance(SEEDS), torch.full((64,), kind))
        card = torch.tensor([0.0, 0.0, -1.0]).expand(64, 1, 3)
        got = (lighting.card_light(lights, card)[:, 0] * torch.tensor([0.2126, 0.7152, 0.0722])).sum(-1)
        assert got == pytest.approx(torch.ones(64), abs=1e-4)


def test_a_grey_card_photographs_as_middle_grey() -> None:
    source = chance.Chance(SEEDS)
    camera = capture.Camcorder.of(source, torch.full((64,), 5500.0), torch.zeros(64))
    light = lighting.white_of_kelvin(torch.full((64,), 5500.0))
    grey = (0.18 * light)[:, None, None].expand(64, 32, 32, 3)
    shown = capture.capture(grey, camera, torch.Generator().manual_seed(1)).float()[:, 8:24, 8:24].mean((1, 2))
    # 118 is sRGB's value for 18 %; half a stop of scatter in exposure is 18 levels
    assert abs(float(shown.mean()) - 118.0) < 8.0
    assert (shown.mean(1) > 70).all() and (shown.mean(1) < 165).all()
    assert (shown.amax(1) - shown.amin(1)).mean() < 30.0


@pytest.mark.parametrize(("melanin", "low", "high"), [(0.02, 145.0, 205.0), (0.06, 120.0, 185.0), (0.25, 70.0, 135.0)])
def test_lit_skin_comes_out_as_bright_as_its_reflectance(melanin: float, low: float, high: float) -> None:
    """The pilot darkened skin twice: a face whose cheek reflects 30 % came out at 9 %."""
    colour = skin_optics.skin_rgb(torch.tensor([melanin]), torch.tensor([0.013]))[0]
    visible, material = _card(tuple(colour.tolist()), 1.0)
    levels = []
    for seed in range(12):
        lights = lighting.sample_lights(chance.Chance(torch.tensor([seed])))
        light = shading.shade(visible, material, lights)[0, 8:16, 8:16].mean((0, 1))
        white = lighting.card_light(lights, torch.tensor([[[0.0, 0.0, -1.0]]]))[0, 0]
        # red light reaches round the terminator and gloss is added: never darker than paint, hardly brighter
        shares = light / (colour * white)
        assert (shares > 0.95).all() and float(shares[1]) < 1.35
        levels.append(float(capture.to_srgb(light).mean()) * 255)
    assert low < float(np.mean(levels)) < high


def test_shadows_fall_where_something_stands_before_the_lamp() -> None:
    lights = lighting.sample_lights(chance.Chance(torch.tensor([3])), torch.tensor([0]))
    lights.direction[0, 0] = torch.tensor([0.0, 0.0, -1.0])
    lights.right[0, 0] = torch.tensor([1.0, 0.0, 0.0])
    plate = torch.tensor([[[-0.5, -0.5, 8.0], [0.5, -0.5, 8.0], [0.5, 0.5, 8.0], [-0.5, 0.5, 8.0]]])
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32)
    across = torch.linspace(-1.5, 1.5, 61)
    wall = torch.stack([across, torch.zeros(61), torch.full((61,), 9.0)], -1)[None, None]
    reached = lighting.cast_shadows(lights, plate, triangles, wall)[0, 0]
    assert (reached[across.abs() < 0.4] < 0.05).all()
    assert (reached[across.abs() > 0.65] > 0.95).all()
    on_plate = torch.tensor([[[[0.0, 0.0, 8.0]]]])
    assert float(lighting.cast_shadows(lights, plate, triangles, on_plate)) > 0.95


def _opening(gap: float) -> MouthOpening:
    visible, _ = _card((0.5, 0.5, 0.5), 1.0)
    marks = _face_landmarks()
    marks[0, list(topo.UPPER_LIP[0][1:-1]), 1] -= gap / 2
    marks[0, list(topo.LOWER_LIP[0][1:-1]), 1] += gap / 2
    return MouthOpening.of(
        Visible(visible.names, visible.region, visible.canonical, visible.uv, visible.normal, visible.position,
                visible.towards, marks, visible.dm_per_px)
    )  # fmt: skip


def test_light_in_the_mouth_grows_with_the_opening_and_falls_with_depth() -> None:
    lamp = torch.tensor([[[0.0, 0.0, -1.0]]])
    size = torch.tensor([[0.05]])
    frame = torch.zeros(3, dtype=torch.long)
    depths = torch.tensor([[0.0, 0.45, 9.04], [0.0, 0.45, 9.2], [0.0, 0.45, 9.6]])
    shut, _ = _opening(0.0).light(frame, depths, lamp, size)
    narrow, _ = _opening(0.1).light(frame, depths, lamp, size)
    wide, through = _opening(0.5).light(frame, depths, lamp, size)
    assert (shut < 0.02).all()
    assert (wide > narrow).all() and (narrow > shut).all()
    assert wide[0] > 0.6 and (wide[:-1] > 1.5 * wide[1:]).all()
    assert (through > 0.95).all()


def test_the_upper_lip_keeps_light_from_above_out() -> None:
    high = torch.nn.functional.normalize(torch.tensor([[[0.0, -1.0, -1.0]]]), dim=-1)
    at = torch.tensor([[0.0, 0.28, 9.15], [0.0, 0.60, 9.15]])
    _, through = _opening(0.5).light(torch.zeros(2, dtype=torch.long), at, high, torch.tensor([[0.03]]))
    assert float(through[0]) < 0.1 < 0.9 < float(through[1])


def test_teeth_have_the_shades_that_were_measured_on_people() -> None:
    mouths = paint_mouth(chance.Chance(torch.arange(64)), torch.full((64,), 25.0), torch.full((64,), 0.03))
    cell, rows = mouths.arches.shape[-1] // dentition.TEETH_PER_ARCH, mouths.arches.shape[-2]
    body = slice(int(rows * 0.72), int(rows * 0.80))

    def shade(arch: int, tooth: int) -> np.ndarray:
        middle = slice(tooth * cell + cell // 2 - 2, tooth * cell + cell // 2 + 2)
        colours = mouths.arches[:, arch, :3, body, middle].mean((2, 3)).numpy()
        return skin_optics.lab(colours)

    central, canine = shade(0, 5), shade(0, 3)
    assert 72 < central[:, 0].mean() < 82 and -2 < central[:, 1].mean() < 3 and 13 < central[:, 2].mean() < 22
    assert central[:, 0].mean() - canine[:, 0].mean() > 2  # canines are darker and yellower
    assert canine[:, 2].mean() - central[:, 2].mean() > 2
    assert 3 < central[:, 0].std() < 7


def test_gaps_and_gums_stand_apart_from_enamel() -> None:
    mouths = paint_mouth(chance.Chance(torch.arange(20)), torch.full((20,), 40.0), torch.full((20,), 0.03))
    cell, rows = mouths.arches.shape[-1] // dentition.TEETH_PER_ARCH, mouths.arches.shape[-2]
    enamel = mouths.arches[:, 0, :3, int(rows * 0.75)]
    assert (enamel[..., 5 * cell + cell // 2].mean(1) > 1.25 * enamel[..., 5 * cell].mean(1)).all()
    gum = skin_optics.lab(mouths.arches[:, 0, :3, rows // 5].mean(-1).numpy())
    assert 40 < gum[:, 0].mean() < 60 and 17 < gum[:, 1].mean() < 31 and 10 < gum[:, 2].mean() < 21


def test_arch_places_follow_the_layout_of_the_dentition() -> None:
    mesh = dentition.arch_mesh(dentition.ARCHES["upper"])
    place = arch_place(torch.tensor(mesh.uv, dtype=torch.float32))
    rows = len(dentition.FRONT_ROWS) + len(dentition.BACK_ROWS)
    v = place[:, 1].reshape(rows, -1)
    assert v[:, 0] == pytest.approx(torch.tensor((*dentition.FRONT_ROWS, *dentition.BACK_ROWS)), abs=1e-4)
    tooth = (place[:, 0].reshape(rows, -1)[0] * dentition.TEETH_PER_ARCH).reshape(dentition.TEETH_PER_ARCH, -1)
    assert tooth[:, 0] == pytest.approx(torch.arange(12.0), abs=1e-3)
    assert tooth[:, -1] == pytest.approx(torch.arange(1.0, 13.0), abs=1e-3)


def test_irises_end_where_the_eyeball_says_and_pupils_are_black() -> None:
    eyes = paint_eyes(chance.Chance(SEEDS), torch.ones(64), torch.full((64,), 30.0))
    size = eyes.iris.shape[-1]
    share = ((torch.arange(size) + 0.5) / size * 2 - 1) * REACH
    angle = torch.hypot(share[:, None], share[None])
    assert (eyes.iris[:, angle < eyeball.LIMBUS * 0.85] > 0.95).all()
    assert (eyes.iris[:, angle > eyeball.LIMBUS * 1.15] < 0.05).all()
    assert float(eyes.albedo.permute(0, 2, 3, 1)[:, angle < 0.05].max()) < 0.01
    white = eyes.albedo.permute(0, 2, 3, 1)[:, (angle > 0.65) & (angle < 0.8)].mean((1, 2))
    assert (white > 0.26).all() and (white < 0.5).all()  # darker than enamel's rim of white: whites lie in shade too
    brown = paint_eyes(chance.Chance(SEEDS), torch.zeros(64), torch.full((64,), 30.0))
    ring = (angle > eyeball.LIMBUS * 0.6) & (angle < eyeball.LIMBUS * 0.84)
    blue_over_red = [e.albedo[:, 2, ring].mean(1) / e.albedo[:, 0, ring].mean(1) for e in (eyes, brown)]
    assert (blue_over_red[0] > 1.0).float().mean() > 0.2 and (blue_over_red[1] < 1.0).all()


def test_corneas_bulge_towards_the_rim_of_the_iris_only() -> None:
    uv = torch.tensor([[0.5, 0.5], [0.55, 0.5], [0.68, 0.5]])
    ball, front = cornea_normals(uv, torch.eye(3).expand(3, 3, 3))
    assert ball.norm(dim=-1) == pytest.approx(torch.ones(3), abs=1e-5)
    assert front[0] == pytest.approx(torch.tensor([0.0, 0.0, -1.0]), abs=1e-5)
    assert front[1, 0] > 1.3 * ball[1, 0]
    assert front[2] == pytest.approx(ball[2], abs=1e-4)


def test_lamps_show_in_mirrors_with_their_own_shape() -> None:
    lights = lighting.sample_lights(chance.Chance(torch.tensor([1])), torch.tensor([3]))  # a ring
    ahead, right = lights.direction[:, 0], lights.right[:, 0]
    reach = lights.size[0, 0].tan()
    seen = []
    for offset in (0.0, 0.86, 2.5):
        way = torch.nn.functional.normalize(ahead + offset * reach * right, dim=-1)
        seen.append(float(lights.mirrored(way, 0.01).mean()))
    assert seen[1] > 4 * seen[0] and seen[1] > 4 * seen[2]


def test_clean_pictures_have_the_same_grade_and_no_noise() -> None:
    source = chance.Chance(torch.arange(6))
    camera = capture.Camcorder.of(source, torch.full((6,), 4000.0), torch.full((6,), -1.0))
    scene = scenery.backgrounds(source, 64, torch.ones(6, 3))
    clean = capture.capture(scene, camera, clean=True)
    assert torch.equal(clean, capture.capture(scene, camera, clean=True))
    noisy = capture.capture(scene, camera, torch.Generator().manual_seed(0))
    assert not torch.equal(clean, noisy)
    drift = (clean.float() - noisy.float()).mean((1, 2))
    assert (drift.abs() < 5).all()


def test_compression_costs_more_the_lower_its_quality_and_nothing_over_a_hundred() -> None:
    picture = torch.rand(3, 3, 64, 64)
    picture = torch.nn.functional.avg_pool2d(picture, 9, 1, 4)
    none = torch.full((3,), 1.1)
    after = capture.compressed(picture, torch.tensor([20.0, 70.0, 101.0]), none)
    error = (after - picture).abs().mean((1, 2, 3))
    assert error[0] > 1.3 * error[1] > 0 and float(error[2]) == 0.0
    video = capture.compressed(picture, torch.full((3,), 101.0), torch.tensor([0.1, 0.8, 1.1]))
    error = (video - picture).abs().mean((1, 2, 3))
    assert error[0] > error[1] > 0 and float(error[2]) == 0.0


def test_backgrounds_differ_between_people_and_not_between_runs() -> None:
    white = torch.ones(16, 3)
    first = scenery.backgrounds(chance.Chance(torch.arange(16)), 48, white)
    assert torch.equal(first, scenery.backgrounds(chance.Chance(torch.arange(16)), 48, white))
    assert first.isfinite().all() and (first >= 0).all()
    assert torch.cdist(first.reshape(16, -1), first.reshape(16, -1)).fill_diagonal_(1e9).min() > 0.5
