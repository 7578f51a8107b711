"""Learning on drawn shapes: losses fall, stages follow one another, a stopped run goes on as if it had not been."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_models.diffusion.maps import MAP_CHANNELS, MAPS, REFERENCE_CHANNELS, REFERENCE_MAPS  # noqa: E402
from visavis_models.diffusion.sizes import COMPACT, MOTION_FRAMES, MOTION_VALUES  # noqa: E402
from visavis_training.renderer.clip_store import ClipStore, flattened, graded, in_a_mirror  # noqa: E402
from visavis_training.renderer.critic import Adversary, Pair  # noqa: E402
from visavis_training.renderer.crop_feed import CropFeed, write  # noqa: E402
from visavis_training.renderer.crop_stream import CropBatch  # noqa: E402
from visavis_training.renderer.judging import figures, psnr_db  # noqa: E402
from visavis_training.renderer.learning import STAGES, Learner, LearningSettings  # noqa: E402
from visavis_training.renderer.losses import Seen, picture_losses  # noqa: E402
from visavis_training.renderer.train import Clock, fill, judge, read_held_out, train  # noqa: E402

pytestmark = pytest.mark.unit
SMALL = replace(
    COMPACT, mouth_px=(32, 64), width=32, heads=2, stem=(8, 16, 16), decoder=(16, 16, 8), encoder=(16, 16, 32)
)
FEW = LearningSettings(pictures=16, rate=3e-3)


def windows(step: int, region: str = "mouth", count: int = 6, frames: int = 4) -> CropBatch:
    """Mouths that open by their jaw's coefficient: dark inside, skin of one colour a person."""
    chance = torch.Generator().manual_seed(step)
    height, width = (32, 64) if region == "mouth" else (16, 32)
    maps = torch.zeros(count, frames, MAP_CHANNELS, height, width)
    skin = torch.rand(count, 1, 3, 1, 1, generator=chance) * 0.6
    motion = torch.rand(count, frames, MOTION_FRAMES, MOTION_VALUES, generator=chance)
    hole = MAPS["mouth"] if region == "mouth" else MAPS["eye"]
    for q in range(count):
        for n in range(frames):
            half = 2 + int(6 * motion[q, n, -1, 0])
            maps[q, n, hole, height // 2 - half // 2 : height // 2 + half, width // 4 : -width // 4] = 1
    around = MAPS["lips"] if region == "mouth" else MAPS["lids"]
    maps[:, :, around, height // 4 : -height // 4, width // 6 : -width // 6] = 1
    maps[:, :, around] *= 1 - maps[:, :, hole]
    maps[:, :, MAPS["shown"]] = 1 - maps[:, :, hole]
    maps[:, :, MAPS["lid_motion"]] = 1.0
    target = torch.where(maps[:, :, hole] > 0, torch.tensor(-0.8), skin.expand(-1, frames, -1, height, width))
    maps[:, :, MAPS["warped"]] = target * maps[:, :, MAPS["shown"]]
    reference = torch.zeros(count, REFERENCE_CHANNELS, height, width)
    reference[:, REFERENCE_MAPS["photo"]] = target[:, 0]
    in_order = torch.arange(count) % 2 == 0
    return CropBatch(step, region, maps, reference, target, motion, torch.rand(count, 3, generator=chance), in_order)


class Windows:
    """Endless batches, every second one of eyes."""

    def __init__(self, step: int = 0) -> None:
        self.step = step

    def __iter__(self) -> Windows:
        return self

    def __next__(self) -> CropBatch:
        self.step += 1
        return windows(self.step, "eye" if self.step % 2 else "mouth")


def filled() -> ClipStore:
    store = ClipStore(24, torch.float32)
    assert fill(store, Windows(), 24) > 4
    return store


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_learns_shapes(stage: str) -> None:
    learner, store = Learner(SMALL, stage, "cpu", seed=2, settings=FEW), filled()
    parts = [learner.step(store, 0.0) for _ in range(80)]
    first, last = (
        sum(float(sum(v for n, v in p.items() if n != "slope")) for p in some) for some in (parts[:8], parts[-8:])
    )
    assert last < (0.75 if stage == "autoencoder" else 0.96) * first
    assert all(bool(torch.isfinite(value)) for value in parts[-1].values())


def test_what_is_inside_counts_more_than_what_is_never_shown() -> None:
    batch = flattened(windows(1))
    maps, target = batch.maps[:, 0], batch.target[:, 0]
    right = torch.cat([target, torch.zeros_like(target[:, :1])], 1)

    def loss(where: Any) -> float:
        wrong = right.clone()
        wrong[:, :3] += 0.5 * where
        return float(picture_losses(wrong, Seen.of(maps, target))["pixels"])

    inside, corner = torch.zeros(32, 64), torch.zeros(32, 64)
    inside[14:18, 30:34], corner[:4, :4] = 1, 1
    assert loss(inside) > 20 * loss(corner) > 0
    assert loss(torch.zeros(32, 64)) == 0


def test_a_mirror_twice_is_none() -> None:
    batch = windows(3)
    batch.maps[:, :, MAPS["canonical"]] = torch.rand(2, 32, 64)
    twice = in_a_mirror(in_a_mirror(batch))
    for name in ("maps", "reference", "target", "motion"):
        assert torch.equal(getattr(twice, name), getattr(batch, name))
    assert not torch.equal(in_a_mirror(batch).motion, batch.motion)


def test_another_grade_changes_photo_and_truth_alike() -> None:
    batch = windows(3, count=24)
    batch.shade[:] = torch.tensor([-0.4, -0.3, -0.2])
    batch.maps[:, :, MAPS["warped"]] = batch.target  # `warp` draws mouths as well
    batch.maps[:, :, MAPS["shown"], :2] = batch.maps[:, :, MAPS["warped"], :2] = 0  # beyond the face
    other = graded(batch, torch.Generator().manual_seed(1))
    face = torch.stack([batch.maps[:, :, MAPS[name]] for name in ("shown", "mouth", "eye")]).amax(0)
    shown = face.expand_as(batch.target) > 0
    assert torch.allclose(other.maps[:, :, MAPS["warped"]][shown], other.target[shown])
    assert not other.maps[:, :, MAPS["warped"]][~shown].any(), "what shows nothing has no colour"
    moved = (other.target - batch.target).abs().amax((1, 2, 3, 4))
    assert (moved == 0).any() and (moved > 0.03).sum() > 8 and moved.max() < 0.4
    before, after = batch.target[:, 0, :, 0, 0], other.target[:, 0, :, 0, 0]
    scale = (other.shade - after) / (batch.shade - before)
    first, then = batch.target[:, 0, :, 5, 9] - before, other.target[:, 0, :, 5, 9] - after
    assert torch.allclose(then, scale * first, atol=1e-4), "the teeth's shade is graded with the photo"
    for name in ("lips", "mouth", "canonical", "flow"):
        assert torch.equal(other.maps[:, :, MAPS[name]], batch.maps[:, :, MAPS[name]])


def test_the_store_keeps_the_newest_and_gives_what_is_asked() -> None:
    store = ClipStore(8, torch.float32)
    for step in range(5):
        store.put(windows(step, count=3))
    assert store.count("mouth") == 8 and store.count("eye") == 0
    got = store.sample("mouth", 40, torch.Generator().manual_seed(0), in_order=True)
    assert bool(got.in_order.all()) and got.maps.shape[0] == 40
    with pytest.raises(ValueError, match="eye"):
        store.sample("eye", 1, torch.Generator())


def test_psnr_counts_its_region_only() -> None:
    target, region = torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    region[:, :, :4] = 1
    shown = target.clone()
    shown[:, :, 4:] = 1.0
    shown[1, :, :4] = 0.2
    found = psnr_db(shown, target, region)
    assert found[0] > 60 and found[1] == pytest.approx(20.0, abs=0.01)


def test_a_leg_writes_weights_figures_and_sheets_and_goes_on(tmp_path: Path) -> None:
    held_out = {"mouth": windows(900, count=6), "eye": windows(901, "eye", count=6)}
    learner = Learner(SMALL, "denoiser", "cpu", settings=FEW)
    clock = Clock(0.02)

    def due(steps: int, batches: int) -> bool:
        return steps % 2 == 0

    train(learner, Windows(), filled(), clock, held_out, tmp_path, due, made=0, report_s=0.5)
    rows = [json.loads(line) for line in (tmp_path / "denoiser.jsonl").read_text().splitlines()]
    assert rows[-1]["steps"] == learner.steps > 0 and {"flow", "mouth_steps1_db", "eye_steps4_db"} <= set(rows[-1])
    assert all((tmp_path / f"denoiser{end}").is_file() for end in (".safetensors", ".pt", "-mouth.png", "-eye.png"))
    again = Learner(SMALL, "denoiser", "cpu", seed=9, settings=FEW)
    again.recall(torch.load(tmp_path / "denoiser.pt", weights_only=True))
    store, other = filled(), filled()
    assert again.steps == learner.steps
    here, there = learner.step(store, 0.5), again.step(other, 0.5)
    assert all(torch.equal(here[name], there[name]) for name in here)
    assert judge(again, held_out, None).keys() == judge(learner, held_out, None).keys()


def test_a_feed_gives_what_was_written_and_keeps_nothing(tmp_path: Path) -> None:
    given = [windows(k, "eye" if k % 2 else "mouth") for k in range(4)]
    for k, batch in enumerate(given):
        write(batch, tmp_path / f"{k}.safetensors")
    (tmp_path / "half.part").write_bytes(b"a killed producer's")
    feed = CropFeed(tmp_path, "cpu")
    try:
        taken = [next(feed) for _ in given]
    finally:
        feed.close()
    for before, after in zip(given, taken, strict=True):
        assert after.region == before.region and torch.equal(after.in_order, before.in_order)
        assert after.maps.dtype == torch.float32 and torch.allclose(after.maps, before.maps, atol=1e-3)
    assert not feed.waiting and not list(tmp_path.glob("*.safetensors"))


def test_held_out_windows_are_read_or_missed_by_name(tmp_path: Path) -> None:
    write(windows(1), tmp_path / "a.safetensors")
    with pytest.raises(FileNotFoundError, match="crop_feed"):
        read_held_out(tmp_path, "cpu")
    write(windows(2, "eye"), tmp_path / "b.safetensors")
    assert set(read_held_out(tmp_path, "cpu")) == {"mouth", "eye"}


def test_a_critic_learns_to_tell_blurred_from_true() -> None:
    torch.manual_seed(0)
    batch = flattened(windows(5, count=12))
    maps, target = batch.maps[:, 0], batch.target[:, 0]
    texture = target + 0.4 * torch.randn(target.shape)
    seen = Seen.of(maps, texture)
    smooth = torch.cat([torch.nn.functional.avg_pool2d(texture, 5, 1, 2), torch.full_like(target[:, :1], 8.0)], 1)
    adversary, pair = Adversary("cpu"), Pair.of(smooth, seen)
    losses = [float(adversary.learn(pair)) for _ in range(80)]
    assert losses[-1] < 0.5 * losses[0]
    same = Pair(pair.true, pair.true, pair.maps, pair.weight)
    assert float(adversary.lack(pair)) > float(adversary.lack(same))


def test_untrained_networks_show_no_better_than_the_truth() -> None:
    batch = windows(5)
    learner = Learner(SMALL, "autoencoder", "cpu")
    found = figures(batch, {"truth": torch.cat([batch.target, torch.full_like(batch.target[:, :, :1], 20.0)], 2),
                            "repeated": learner.repeats(batch)})  # fmt: skip
    assert found["truth"] > 40 > found["repeated"]
