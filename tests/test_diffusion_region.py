"""Where generated pixels may be: drawn shapes whose right answer is plain."""

from __future__ import annotations

from typing import Any

import pytest

from visavis_models.diffusion.maps import MAP_CHANNELS, MAPS

torch = pytest.importorskip("torch")

from visavis_models.diffusion.networks.synthesis_region import composed, synthesis_region  # noqa: E402

pytestmark = pytest.mark.unit


def maps(height: int = 96, width: int = 128) -> Any:
    return torch.zeros(1, MAP_CHANNELS, height, width)


def with_mouth() -> Any:
    drawn = maps()
    drawn[:, MAPS["lips"], 30:50, 40:90] = 1
    drawn[:, MAPS["mouth"], 36:44, 48:82] = 1
    drawn[:, MAPS["shown"]] = 1 - drawn[:, MAPS["mouth"]]
    return drawn


def with_eye(moved: float) -> Any:
    drawn = maps(48, 64)
    drawn[:, MAPS["lids"], 16:32, 12:52] = 1
    drawn[:, MAPS["eye"], 20:28, 18:46] = 1
    drawn[:, MAPS["lid_motion"]] = moved
    return drawn


def test_the_mouth_is_all_in_and_far_skin_is_all_out() -> None:
    region = synthesis_region(with_mouth())[0, 0]
    assert region[32:48, 44:86].min() > 0.99
    assert region[:14].max() == 0 and region[70:].max() == 0 and region[:, :20].max() == 0
    assert region.diff(dim=0).abs().max() < 0.35, "no hard edge"


def test_nothing_is_shown_at_a_crops_border() -> None:
    drawn = maps()
    drawn[:, MAPS["lips"]] = 1
    region = synthesis_region(drawn)[0, 0]
    assert region[0].max() == region[-1].max() == region[:, 0].max() == region[:, -1].max() == 0
    assert region[48, 64] == 1


@pytest.mark.parametrize(("moved", "low", "high"), [(0.0, 0.0, 0.0), (0.12, 0.1, 0.6), (1.0, 0.99, 1.0)])
def test_eyes_belong_to_the_photo_until_lids_move(moved: float, low: float, high: float) -> None:
    region = synthesis_region(with_eye(moved))[0, 0]
    assert low <= region[24, 32] <= high
    assert region[:6].max() == 0, "brows always do"


def test_pixels_outside_stay_the_photos_and_openings_are_filled() -> None:
    drawn = with_mouth()
    drawn[:, MAPS["warped"]] = 0.25 * drawn[:, MAPS["shown"]]
    made = torch.full((1, 4, 96, 128), -0.5)
    made[:, 3] = -20.0  # the mask says: nothing
    picture, cover = composed(made, drawn)
    outside = synthesis_region(drawn)[0, 0] == 0
    assert torch.equal(picture[0, :, outside], drawn[:, MAPS["warped"]][0][:, outside])
    assert torch.allclose(picture[0, :, 40, 60], torch.tensor(-0.5)), "there is nothing else to show between the lips"
    assert picture[0, 0, 32, 44] == pytest.approx(0.25, abs=1e-4) and cover[0, 0, 32, 44] < 1e-6
