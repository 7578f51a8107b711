"""The measures of pictures measured: truth is faultless, and every fault that is built in shows in its figure."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from diffusion_fakes import FakeNetworks, the_driven_photo

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from held_out_clips import SHIPPED, HeldOutClip, Shot, of_jpeg, read, save, shot_of  # noqa: E402
from picture_features import feature_distance  # noqa: E402
from picture_judging import Judged  # noqa: E402
from picture_measures import (  # noqa: E402
    borders,
    drift,
    farthest_from_one,
    flicker_ratio,
    psnr_db,
    region_of,
    residuals,
    seam_ratio,
    sharpness,
    true_flow,
)  # fmt: skip
from picture_networks import Way, streamed, windows_of  # noqa: E402
from picture_people import by_truth, by_warp, people_figures  # noqa: E402

from visavis_models.diffusion.crops import MOUTH  # noqa: E402
from visavis_models.diffusion.maps import MAPS  # noqa: E402
from visavis_models.diffusion.sizes import BASE, COMPACT  # noqa: E402

pytestmark = pytest.mark.weights
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def shots() -> list[Shot]:
    """Two mouths, one at its true place and one driven, and two eyes."""
    clips = read(SHIPPED)
    mouths = [clip for clip in clips if clip.region is MOUTH]
    chosen = [next(c for c in mouths if c.true_places), next(c for c in mouths if not c.true_places)]
    return [shot_of(clip, COMPACT) for clip in (*chosen, *[c for c in clips if c.region is not MOUTH][:2])]


@pytest.fixture(scope="module")
def mouth(shots: list[Shot]) -> Judged:
    return Judged.of(shots[0])


def blurred(pictures: Floats, px: float) -> Floats:
    return np.stack([cv2.GaussianBlur(p.transpose(1, 2, 0), (0, 0), px).transpose(2, 0, 1) for p in pictures])


def trembling(pictures: Floats, by: float) -> Floats:
    """Every second frame is brighter."""
    return np.asarray(pictures + by * (np.arange(len(pictures)) % 2)[:, None, None, None], np.float32)


def test_an_error_of_a_tenth_of_the_range_is_twenty_db() -> None:
    truth, region = np.zeros((2, 3, 8, 8), np.float32), np.zeros((2, 8, 8), np.bool_)
    region[:, :4] = True
    shown = np.full_like(truth, 0.2)
    shown[:, :, 4:] = 1.0
    assert psnr_db(shown, truth, region) == pytest.approx(20.0, abs=1e-3), "only the region counts"
    assert np.isnan(psnr_db(shown, truth, np.zeros_like(region)))


def test_the_region_is_the_networks_own(shots: list[Shot]) -> None:
    torch = pytest.importorskip("torch", reason="the networks' region is torch's")
    from visavis_models.diffusion.networks.synthesis_region import synthesis_region

    for shot in (shots[0], shots[2]):
        theirs = synthesis_region(torch.from_numpy(shot.maps)).numpy()[:, 0]
        assert theirs.max() > 0.9
        assert np.abs(region_of(shot.maps) - theirs).max() < 1e-3


def test_blur_lowers_sharpness_and_noise_raises_it(mouth: Judged) -> None:
    truth = mouth.shot.truth
    assert mouth.sharpness_ratio(truth) == pytest.approx(1.0)
    soft, softer = (mouth.sharpness_ratio(blurred(truth, px)) for px in (0.8, 1.6))
    assert softer < soft < 0.85
    grain = np.random.default_rng(0).normal(0, 0.1, truth.shape).astype(np.float32)
    assert mouth.sharpness_ratio(truth + grain) > 1.3
    assert sharpness(truth, np.zeros_like(mouth.region)) == 0.0


def test_what_moves_with_the_face_does_not_flicker_and_what_stays_does() -> None:
    points = np.zeros((4, 478, 3), np.float32)
    from visavis_models.diffusion.strokes import face_triangles

    points[:] = np.concatenate([face_triangles().canonical * 60 + [64, 20], np.zeros((478, 1))], 1)
    points[..., 0] += 2 * np.arange(4)[:, None]
    y, x = np.mgrid[0:96, 0:128]
    texture = [np.sin((x - 2 * t) / 3) * np.cos(y / 4) for t in range(4)]
    moving = np.stack([np.stack([row] * 3) for row in texture]).astype(np.float32)
    flow, region = true_flow(points, (96, 128)), np.ones((4, 96, 128), np.bool_)
    still = np.repeat(moving[:1], 4, 0)
    (with_it, counted), (against, _) = residuals(moving, flow, region), residuals(still, flow, region)
    assert counted.min() > 2000
    assert with_it.sum() < 0.05 * against.sum()


def test_flicker_is_against_the_truths_own(mouth: Judged) -> None:
    truth = mouth.shot.truth
    own = [mouth.residuals(truth)]
    assert flicker_ratio([mouth.residuals(truth)], own) == 1.0
    small, large = (flicker_ratio([mouth.residuals(trembling(truth, by))], own) for by in (0.02, 0.06))
    assert 1.05 < small < large
    frozen = flicker_ratio([mouth.residuals(np.repeat(truth[:1], len(truth), 0))], own)
    assert frozen > 1.2, "a picture that stays where the face moves on is unsteady, too"


def test_a_jump_at_windows_borders_is_a_seam(mouth: Judged) -> None:
    truth = mouth.shot.truth
    assert borders(9, 4, 4).tolist() == [False, False, False, True] * 2
    assert np.flatnonzero(borders(9, 4, 2)).tolist() == [1, 5]

    def run(first: int, jump: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        border = borders(len(truth), 4, first)
        window = np.concatenate([[0], np.cumsum(border)])
        shown = truth + np.float32(jump) * (window % 2)[:, None, None, None].astype(np.float32)
        return mouth.residuals(shown.astype(np.float32)), border

    assert seam_ratio([run(4, 0.0), run(2, 0.0)]) == pytest.approx(1.0)
    assert seam_ratio([run(4, 0.03), run(2, 0.03)]) > 1.05
    assert np.isnan(seam_ratio([run(4, 0.0), run(4, 0.0)])), "the same borders tell nothing"


def test_features_tell_what_looks_different(mouth: Judged) -> None:
    truth = mouth.shot.truth[:6]
    soft = mouth.soft[:6]
    assert feature_distance(truth, truth, soft) == 0.0
    near, far = (feature_distance(blurred(truth, px), truth, soft) for px in (0.7, 2.0))
    assert 0 < near < far
    assert np.isnan(feature_distance(truth, truth, np.zeros_like(soft)))
    lighter = feature_distance(truth + np.float32(0.04), truth, soft)
    assert lighter < far, "a little light matters less than what is gone"


def test_truth_is_faultless_and_warp_is_where_it_starts(shots: list[Shot]) -> None:
    true, warp = people_figures(by_truth, shots, Way()), people_figures(by_warp, shots, Way())
    assert true.keys["mouth_psnr_db"] > 70 and true.keys["mouth_feature_ratio"] == 0.0
    assert true.keys["sharpness_ratio"] == true.keys["seam_ratio"] == 1.0
    assert 1.0 <= true.keys["flicker_ratio"] <= max(shot.clip.coding_flicker for shot in shots) + 1e-6
    assert true.keys["step1_gap_db"] == true.keys["new_frames_difference_db"] == 0.0
    assert warp.keys["mouth_psnr_gain_db"] == 0.0 and warp.keys["mouth_feature_ratio"] == 1.0
    assert 15 < warp.keys["mouth_psnr_db"] < 32


def test_every_fault_shows_in_its_own_figure(shots: list[Shot]) -> None:
    def figures(spoil: Any) -> dict[str, float]:
        return people_figures(lambda given, way: np.stack([spoil(s, way) for s in given]), shots, Way()).keys

    assert figures(lambda s, way: blurred(s.truth, 1.5))["sharpness_ratio"] < 0.8
    assert figures(lambda s, way: trembling(s.truth, 0.1))["flicker_ratio"] > 1.2
    late = figures(lambda s, way: s.truth[np.maximum(np.arange(len(s.truth)) - 2, 0)])
    assert late["mouth_psnr_db"] < 35 and late["mouth_feature_ratio"] > 0.1
    coarse = figures(lambda s, way: s.truth + np.float32(0.1 / way.steps))
    assert coarse["step1_gap_db"] == pytest.approx(20 * np.log10(4), abs=0.1)
    hasty = figures(lambda s, way: s.truth + np.float32(0.01 * way.new))
    assert hasty["new_frames_difference_db"] == pytest.approx(20 * np.log10(4), abs=0.1)


def test_windows_are_fed_with_what_was_shown(shots: list[Shot]) -> None:
    assert windows_of(9, Way(new=4, first=2)) == [slice(0, 2), slice(2, 6), slice(6, 9)]
    networks = FakeNetworks(the_driven_photo)
    shown = streamed(networks, shots[:2], Way(new=4, overlap=3, first=2))
    assert shown.shape == (2, len(shots[0].truth), 3, 96, 128)
    assert [told.known[0].tolist() for told in networks.told[:3]] == [[0, 0, 0], [0, 1, 1], [1, 1, 1]]
    assert np.array_equal(networks.told[2].shown_eighth[:, -1], networks.told[1].eighth[:, -1])
    assert np.array_equal(networks.references[0][1], shots[1].reference)
    cover = the_driven_photo(shots[0].maps)[:, 3:]
    outside = np.broadcast_to(cover == 0, shown[0].shape)
    assert np.array_equal(shown[0][outside], shots[0].warp[outside]), "what is not covered is warp's"


def test_clips_come_back_from_their_file(tmp_path: Path) -> None:
    clip = read(SHIPPED)[0]
    save([clip], tmp_path / "clips.npz")
    [back] = read(tmp_path / "clips.npz")
    assert back.region is clip.region and back.true_places == clip.true_places and back.mouth_px == clip.mouth_px
    assert np.abs(back.points - clip.points).max() <= 1 / 32 and np.array_equal(back.head, clip.head)
    assert np.abs(back.truth.astype(int) - clip.truth).mean() < 2
    with pytest.raises(ValueError, match="make a file"):
        shot_of(clip, BASE)


def test_finer_clips_serve_coarser_networks() -> None:
    clip = next(c for c in read(SHIPPED) if c.region is MOUTH)
    wide = [cv2.resize(frame, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST) for frame in clip.truth]
    half = np.array([0.5, 0.5, 0.0], np.float32)
    finer = replace(clip, mouth_px=(192, 256), truth=np.stack(wide), points=(clip.points + half) * 2 - half)
    crops = finer.crops * 2
    crops[:, :, 2] += 0.5
    one, other = shot_of(clip, COMPACT), shot_of(replace(finer, crops=crops), COMPACT)
    assert np.abs(one.truth - other.truth).max() < 0.01
    assert np.abs(one.maps - other.maps).mean() < 0.01


def test_the_truths_skin_lies_where_the_driven_photos_does(shots: list[Shot]) -> None:
    for shot in shots:
        still = (shot.maps[:, MAPS["shown"]][:, 0] > 0) & (region_of(shot.maps) < 0.05)
        still[:, :6] = still[:, -6:] = still[:, :, :6] = still[:, :, -6:] = False

        def apart(dx: int, dy: int, shot: Shot = shot, still: NDArray[np.bool_] = still) -> float:
            return float(np.abs(np.roll(shot.truth, (dy, dx), (2, 3)) - shot.warp).mean(1)[still].mean())

        shifts = [(dx, dy) for dx in range(-5, 6) for dy in range(-5, 6)]
        best = min(shifts, key=lambda shift: apart(*shift))
        assert max(abs(best[0]), abs(best[1])) <= 2, f"{shot.clip.region.name}: the truth lies elsewhere by {best} px"


def test_what_ships_is_small_and_of_both_kinds() -> None:
    assert SHIPPED.stat().st_size < 1_500_000
    clips: list[HeldOutClip] = read(SHIPPED)
    mouths = [clip for clip in clips if clip.region is MOUTH]
    assert len(mouths) >= 6 and len(clips) - len(mouths) >= 2
    assert any(c.true_places for c in mouths) and any(not c.true_places for c in mouths)
    assert all(len(clip) >= 16 for clip in clips)


def test_small_figures() -> None:
    assert farthest_from_one([1.1, 0.8, float("nan")]) == 0.8
    assert drift(np.array([2.0, 2.0]), np.array([2.1])) == pytest.approx(0.05)


def test_jpeg_keeps_every_pixels_own_colour() -> None:
    from held_out_clips import as_jpeg

    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:, ::2] = (220, 60, 80)
    picture[:, 1::2] = (200, 190, 170)
    assert np.abs(of_jpeg(as_jpeg(picture, 95)).astype(int) - picture).mean() < 4
