"""Skin computed from pigments against what colorimeters measured on people."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_training.people import skin_optics  # noqa: E402

pytestmark = pytest.mark.unit

# L*, a*, b* of cheeks and foreheads: ranges that published spectrophotometry of faces spans from very light to dark
# skin (Xiao et al. 2017, four groups; Wee et al. 2009: clusters 52.5/17.0/18.9, 37.7/17.2/14.7, 26.7/14.6/14.7).
MEASURED = ((24.0, 72.0), (5.0, 19.0), (8.0, 23.0))


def _skin(melanin: float, blood: float) -> np.ndarray:
    return skin_optics.lab(skin_optics.linear_rgb(skin_optics.reflectance(np.array(melanin), np.array(blood))))


@pytest.mark.parametrize("melanin", [0.012, 0.02, 0.04, 0.08, 0.13, 0.2, 0.3, 0.42])
@pytest.mark.parametrize("blood", [0.008, 0.014, 0.025])
def test_skin_of_every_tone_lies_where_faces_were_measured(melanin: float, blood: float) -> None:
    for value, (low, high) in zip(_skin(melanin, blood), MEASURED, strict=True):
        assert low <= value <= high


def test_melanin_walks_through_all_classes_of_the_typology_angle() -> None:
    angles = [float(skin_optics.typology_degrees(_skin(m, 0.012))) for m in np.geomspace(0.011, 0.42, 60)]
    assert np.all(np.diff(angles) < 0)
    classes = np.digitize(angles, (-30.0, 10.0, 28.0, 41.0, 55.0))
    assert set(classes.tolist()) == {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("share", "lightness"), [((0.013, 0.063), (54.0, 68.0)), ((0.11, 0.16), (45.0, 53.0)), ((0.18, 0.43), (31.0, 47.0))]
)
def test_published_shares_of_melanosomes_give_light_moderate_and_dark_skin(
    share: tuple[float, float], lightness: tuple[float, float]
) -> None:
    values = [_skin(m, 0.012)[0] for m in share]
    assert lightness[0] <= min(values) and max(values) <= lightness[1]


def test_blood_reddens_and_does_not_yellow() -> None:
    pale, flushed = _skin(0.025, 0.006), _skin(0.025, 0.04)
    assert flushed[1] - pale[1] > 8
    assert abs(flushed[2] - pale[2]) < 3
    assert flushed[0] < pale[0]


def test_skin_shows_the_double_dip_of_oxygenated_blood() -> None:
    spectrum = dict(
        zip(skin_optics.WAVELENGTH_NM.tolist(), skin_optics.reflectance(np.array(0.02), np.array(0.03)), strict=True)
    )
    assert spectrum[540.0] < spectrum[560.0] > spectrum[580.0]
    assert spectrum[700.0] > 2 * spectrum[540.0]


def test_a_white_card_is_white_and_lab_turns_back() -> None:
    assert skin_optics.linear_rgb(np.ones(31)) == pytest.approx(np.ones(3), abs=1e-6)
    colours = np.array([[0.4, 0.25, 0.18], [0.05, 0.06, 0.3], [0.9, 0.9, 0.9]])
    assert skin_optics.rgb_of_lab(skin_optics.lab(colours)) == pytest.approx(colours, abs=2e-3)


def test_the_table_agrees_with_the_formula_between_its_entries() -> None:
    chance = np.random.default_rng(3)
    melanin = np.exp(chance.uniform(np.log(0.011), np.log(0.42), 200))
    blood = np.exp(chance.uniform(np.log(0.0012), np.log(0.088), 200))
    exact = skin_optics.linear_rgb(skin_optics.reflectance(melanin, blood))
    looked = skin_optics.skin_rgb(torch.tensor(melanin, dtype=torch.float32), torch.tensor(blood, dtype=torch.float32))
    assert np.abs(looked.numpy() - exact).max() < 0.006
