"""What hair people have: hairlines, colours, cuts and beards against what is known, and how strands take light."""

from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_training.people.beard_styles import Beard, part_shares  # noqa: E402
from visavis_training.people.chance import Chance  # noqa: E402
from visavis_training.people.hair_colour import HairColour, hair_rgb  # noqa: E402
from visavis_training.people.hair_cuts import CUT_NAMES, CUTS, choose  # noqa: E402
from visavis_training.people.hair_shading import COAT, shade_hair  # noqa: E402
from visavis_training.people.hairline import Hairline  # noqa: E402
from visavis_training.people.lighting import DISC, Lights  # noqa: E402
from visavis_training.people.worn_shading import Spots  # noqa: E402

pytestmark = pytest.mark.unit

Tensor = Any
MANY = 4000
LUMINANCE = torch.tensor([0.2126, 0.7152, 0.0722])


def crowd(age: float, male: float, origin: int) -> tuple[Chance, Tensor, Tensor, Tensor]:
    origins = torch.zeros(MANY, 3)
    origins[:, origin] = 1.0
    return Chance(torch.arange(MANY)), torch.full((MANY,), age), torch.full((MANY,), male), origins


def heads(count: int) -> Tensor:
    """(1, count, 3) canonical places all over a head."""
    way = torch.nn.functional.normalize(torch.randn(count, 3, generator=torch.Generator().manual_seed(3)), dim=-1)
    return (way * torch.tensor([0.78, 1.0, 0.97]) + torch.tensor([0.0, -0.4, 0.62]))[None]


def test_hairlines_and_beards_are_alike_on_both_sides() -> None:
    chance, age, male, origins = crowd(45.0, 1.0, 2)
    line = Hairline.of(chance, age, male, origins).rows(torch.arange(50))
    places = heads(2000)
    mirrored = places * torch.tensor([-1.0, 1.0, 1.0])
    assert torch.allclose(line.density(places), line.density(mirrored), atol=1e-5)
    assert torch.allclose(part_shares(places), part_shares(mirrored))


def test_hair_grows_on_scalps_and_not_on_faces() -> None:
    chance, age, male, origins = crowd(22.0, 0.0, 1)
    line = Hairline.of(chance, age, male, origins)
    places = torch.tensor(
        [[[0.0, -1.40, 0.6], [0.0, -0.6, 1.55], [0.72, -0.75, 0.7],
          [0.0, -0.6, -0.32], [0.45, 0.1, -0.05], [0.3, -0.25, -0.15], [0.0, 0.8, -0.2]]]
    )  # fmt: skip
    assert (line.density(places)[:, :3] > 0.6).all()
    assert (line.density(places)[:, 3:] == 0).all()


def test_men_lose_hair_with_age_as_measured() -> None:
    """Norwood (1975): a fifth to a third of men of thirty-odd recede markedly, most by seventy; women do not."""
    shares = []
    for age in (20.0, 35.0, 50.0, 70.0):
        line = Hairline.of(*crowd(age, 1.0, 2))
        shares.append(float(((line.recession > 0.5) | (line.bare > 0.5)).float().mean()))
    assert shares == sorted(shares)
    assert shares[0] < 0.06
    assert 0.15 < shares[1] < 0.5
    assert shares[3] > 0.6
    assert Hairline.of(*crowd(70.0, 0.0, 2)).bare.max() == 0


def test_pigment_makes_hair_dark_and_red() -> None:
    eumelanin = torch.tensor([0.08, 0.2, 0.4, 2.0, 5.0])
    bright = hair_rgb(eumelanin, torch.zeros(5)) @ LUMINANCE
    assert (bright.diff() < 0).all()
    # lightness of hair as colorimeters find it: black L* to 20, brown 22 to 30, light brown 35, blond 50
    lightness = 116 * bright ** (1 / 3) - 16
    assert (lightness - torch.tensor([50.0, 36.0, 27.0, 13.0, 11.0])).abs().max() < 6
    red, brown = hair_rgb(torch.tensor([0.1]), torch.tensor([0.6]))[0], hair_rgb(torch.tensor([0.5]), torch.zeros(1))[0]
    assert red[0] / red[2] > brown[0] / brown[2] > 1.2


def test_greying_follows_age() -> None:
    """Panhard et al. (2012): about three quarters of people between 45 and 65 have some grey hair."""
    whites = []
    for age in (20.0, 55.0, 78.0):
        chance, years, _, origins = crowd(age, 1.0, 1)
        whites.append(HairColour.of(chance, years, torch.ones(MANY), origins, torch.full((MANY,), 0.05)).white)
    assert whites[0].mean() < 0.02
    assert 0.55 < (whites[1] > 0.05).float().mean() < 0.95
    assert whites[2].mean() > 0.6


def test_blond_and_red_are_for_some_forebears_only() -> None:
    for origin, bound in ((0, 0.0), (1, 0.0), (2, 0.1)):
        chance, age, male, origins = crowd(25.0, 0.0, origin)
        colour = HairColour.of(chance, age, male, origins, torch.full((MANY,), 0.02))
        light = float(((colour.root @ LUMINANCE) > 0.15).float().mean())
        assert light <= 0.002 if bound == 0.0 else bound < light < 0.5


def test_cuts_go_with_sex_age_and_origin() -> None:
    assert len(CUTS) >= 16
    long = torch.tensor([cut.length[1] > 2.5 for cut in CUTS])
    kinky = torch.tensor([cut.name in ("afro", "afro short", "locs", "braids", "twists") for cut in CUTS])
    women, men = choose(*crowd(28.0, 0.0, 2)), choose(*crowd(28.0, 1.0, 2))
    assert long[women].float().mean() > 0.4 > 0.12 > long[men].float().mean()
    assert kinky[women].float().mean() < 0.03
    assert kinky[choose(*crowd(28.0, 0.0, 0))].float().mean() > 0.35
    old = choose(*crowd(75.0, 0.0, 2))
    assert long[old].float().mean() < long[women].float().mean() / 2
    assert (old == CUT_NAMES.index("set waves")).float().mean() > 0.1
    assert len(torch.cat([women, men, old, choose(*crowd(30.0, 1.0, 0))]).unique()) >= len(CUTS) - 2


def test_only_men_wear_beards() -> None:
    assert not Beard.of(*crowd(40.0, 0.1, 2)).worn.any()
    share = float(Beard.of(*crowd(40.0, 1.0, 2)).worn.float().mean())
    assert 0.3 < share < 0.6
    assert Beard.of(*crowd(16.0, 1.0, 2)).worn.float().mean() < 0.12


def lit(tangent: Tensor, white: float = 0.0, pigment: float = 0.02, around: float = 0.0, lamp: float = 1.0) -> Tensor:
    """(n, 3) light off strands that face the camera and a lamp over it."""
    count = len(tangent)
    ahead = torch.tensor([0.0, 0.0, -1.0]).expand(count, 3)
    sky = torch.zeros(1, 9, 3)
    sky[:, 0] = around
    one = torch.ones(1, 1)
    lights = Lights(
        torch.tensor([[[0.0, 0.0, -1.0]]]), lamp * one[..., None].expand(1, 1, 3), 0.03 * one,
        torch.tensor([[[1.0, 0.0, 0.0]]]), torch.full((1, 1), DISC), sky, torch.ones(1), torch.zeros(1),
    )  # fmt: skip
    coat = {name: torch.zeros(1) for name in COAT} | {
        n: torch.full((1, 3), pigment) for n in ("pigment", "root", "tip")
    }
    coat |= {"white": torch.full((1,), white), "roughness": torch.full((1,), 0.13), "gloss": torch.ones(1)}
    texture = torch.tensor([0.5, 0.5, 0.3, 1.0]).expand(count, 4)
    zero = torch.zeros(count, dtype=torch.int64)
    spots = Spots(
        frame=zero, person=zero, coat=coat, position=ahead * -10, normal=ahead, out=ahead, tangent=tangent,
        towards=ahead, texture=texture, canonical=torch.zeros(count, 3), reach=torch.ones(count, 1),
        open=torch.ones(count), dm_per_px=torch.full((count,), 0.01), lights=lights,
    )  # fmt: skip
    return shade_hair(spots)


def leaning(degrees: Tensor) -> Tensor:
    """(n, 3) tangents that lean to the camera by so much: a lock that curls over a head."""
    angle = degrees * math.pi / 180
    return torch.stack([torch.zeros_like(angle), angle.cos(), -angle.sin()], -1)


def test_highlights_lie_to_the_side_of_the_mirror_that_scales_tilt_them() -> None:
    degrees = torch.linspace(-60, 60, 241)
    light = lit(leaning(degrees))[:, 1]
    peak = float(degrees[light.argmax()])
    assert -12.0 < peak < -1.0
    assert light.max() > 3 * light[[0, -1]].max()


def test_coloured_highlight_lies_on_the_other_side() -> None:
    degrees = torch.linspace(-60, 60, 241)
    colour = torch.tensor([0.40, 0.20, 0.06])
    dark, red = lit(leaning(degrees), pigment=0.0), lit(leaning(degrees), pigment=1.0) * colour
    assert float(degrees[(red[:, 0] - dark[:, 0] * colour[0]).argmax()]) > -4.0


def test_hair_gives_back_no_more_light_than_it_gets() -> None:
    """White hair under an even sky of brightness 1 stays below 1."""
    degrees = torch.linspace(-80, 80, 33)
    light = lit(leaning(degrees), white=1.0, around=1.0, lamp=0.0)
    assert torch.isfinite(light).all()
    assert light.max() < 1.0
    assert light.min() > 0.3
