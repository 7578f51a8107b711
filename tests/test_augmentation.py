"""Spoiled clips: targets stay where the sound is, effects delay nothing, nobody's mouth moves without a voice."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np
import pytest

from speech_samples import utterances
from visavis_models.voice.features import features_of
from visavis_models.voice.phones import PHONES
from visavis_training.speech import disturbances, tracks
from visavis_training.speech.track_files import FILES, NUISANCE, NUISANCE_SCALE

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.unit


@cache
def arrays() -> dict[str, np.ndarray]:
    said = utterances(12)
    made = [tracks.arrays_of(track, [said[p.which][1:] for p in track.spoken]) for track in tracks.plan(said, seed=1)]
    joined = {name: np.concatenate([each[name] for each in made]) for name in FILES}
    noises = [disturbances.nuisance(160_000, np.random.default_rng(i)) for i in range(4)]
    joined[NUISANCE] = np.clip(np.concatenate(noises) * NUISANCE_SCALE, -32767, 32767).astype(np.int16)
    return joined


def clips(**changes: Any) -> Any:
    """Clips that are clean but for `changes`."""
    from visavis_training.speech.augmentation import CLEAN, Clips

    return Clips(arrays(), augmentation=CLEAN).with_augmentation(**changes)


def seeded(seed: int = 0) -> Any:
    return torch.Generator().manual_seed(seed)


def test_a_clean_clip_is_the_track_and_its_targets_are_of_the_middles() -> None:
    starts = torch.tensor([160, 16_080, 50_003, 223_456])
    batch = clips().at(starts, 50, seeded(), keep_wave=True)
    for i, start in enumerate(starts.tolist()):
        sound = arrays()["wave"][start : start + 32_000].astype(np.float64)
        wave = batch.wave[i].numpy()
        assert np.corrcoef(sound, wave)[0, 1] > 0.9999
        assert np.abs(features_of(wave) - batch.features[i].numpy()).max() < 0.02
        middles = start / 160 + (np.arange(50) + 0.5) * 4 - 0.5  # in rows, whose own middles are at + 0.5
        around = np.floor(middles).astype(int)
        share = (middles - around)[:, None]
        mouth = arrays()["mouth"].astype(np.float64)
        truth = mouth[around] * (1 - share) + mouth[around + 1] * share
        assert np.abs(batch.mouth[i].numpy() - truth).max() < 1e-3
        nearest = np.floor(middles + 0.5).astype(int)
        for name in ("phone", "speech", "loudness", "voicing", "log_f0"):
            assert np.allclose(getattr(batch, name)[i].numpy(), arrays()[name][nearest], atol=1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"line": 1.0},
        {"room": 1.0},
        {"microphone": 1.0},
        {"telephone": 1.0},
        {"narrow": 1.0},
        {"drift": 1.0, "step": 1.0, "overdriven": 1.0, "peak_db": (-10.0, 6.0)},
    ],
    ids=lambda changes: "+".join(changes),
)
def test_no_effect_delays_the_voice(changes: dict[str, Any]) -> None:
    plain = clips().sample(8, 100, seeded(3), keep_wave=True).wave
    starts = 160 + torch.randint(arrays()["phone"].size * 160 - 101 * 640, (8,), generator=seeded(3))
    spoiled = clips(**changes).at(starts, 100, seeded(4), keep_wave=True).wave
    assert not torch.allclose(plain, spoiled, atol=1e-3)
    lags = []
    heard = plain.abs().amax(1) > 0.1  # not a pause as long as the clip
    assert heard.sum() > 4
    for one, other in zip(plain[heard].numpy(), spoiled[heard].numpy(), strict=True):
        a, b = (np.convolve(np.abs(wave), np.hanning(81), "same") for wave in (one, other))
        a, b = np.diff(a), np.diff(b)  # what rises when: tails of rooms do not count
        fits = np.fft.irfft(np.conj(np.fft.rfft(a, 2**18)) * np.fft.rfft(b, 2**18))
        lags.append(np.argmax(np.roll(fits, 2**17)) - 2**17)
    assert np.median(np.abs(lags)) <= 24  # 1.5 ms
    assert np.mean(np.abs(lags) <= 48) > 0.8


def test_nobody_speaks_where_nobody_is_labelled() -> None:
    batch = clips(no_speech=1.0, noise=1.0, others=1.0).sample(8, 100, seeded(1), keep_wave=True)
    for name in ("mouth", "phone", "speech", "loudness", "voicing", "log_f0"):
        assert not getattr(batch, name).any()
    assert batch.wave.abs().amax(1).min() > 1e-4  # there is a sound, though


def test_a_muted_voice_lets_the_mouth_rest() -> None:
    same = torch.full((32,), 163_456)  # somebody speaks there
    plain = clips().at(same, 150, seeded(5), keep_wave=True)
    muted = clips(mute=1.0).at(same, 150, seeded(5), keep_wave=True)
    quiet = (muted.wave == 0) & (plain.wave != 0)
    assert quiet.any(1).float().mean() > 0.9
    cut = quiet.reshape(32, 150, 640).float().mean(2) > 0.9
    assert not muted.phone[cut].any() and not muted.speech[cut].any() and not muted.voicing[cut].any()
    long = cut.clone()
    for shift in range(1, 5):
        long[:, shift:] &= cut[:, :-shift]
        long[:, :shift] = False
    assert long.any() and plain.mouth[long].amax() > 0.2 and muted.mouth[long].amax() < 1e-6
    before = torch.cumsum(quiet.reshape(32, 150, 640).any(2).int(), 1) == 0
    assert torch.equal(muted.mouth[before], plain.mouth[before])


def test_noise_leaves_the_voice_to_be_heard() -> None:
    clean = clips().sample(24, 150, seeded(7), keep_wave=True)
    noisy = clips(noise=1.0, noise_db=(0.0, 0.0)).sample(24, 150, seeded(7), keep_wave=True)
    levels = noisy.wave.reshape(24, -1, 640).square().mean(2).log10() * 10
    speaks = (clean.loudness > 0.6) & (noisy.speech > 0)
    pauses = (noisy.speech == 0) & (clean.speech == 0)
    assert levels[speaks].mean() > levels[pauses].mean() + 5


def test_other_talkers_stay_below_the_speaker() -> None:
    from visavis_training.speech.augmentation import CLEAN, Clips

    whole: Any = Clips(arrays(), augmentation=CLEAN)
    alone = whole.sample(24, 150, seeded(9), keep_wave=True).wave
    among = whole.with_augmentation(others=1.0, others_db=(-6.0, -6.0)).sample(24, 150, seeded(9), keep_wave=True).wave
    alone, among = (wave[alone.abs().amax(1) > 0.1] for wave in (alone, among))
    scale = (alone * among).sum(1, keepdim=True) / alone.square().sum(1, keepdim=True)
    rest = (among - scale * alone).square().mean(1) / (scale * alone).square().mean(1)
    rest_db = 10 * torch.log10(rest)
    assert rest_db.max() < -4 and rest_db.median() > -25


def test_all_together_is_finite_in_range_quantised_and_the_same_again() -> None:
    from visavis_training.speech.augmentation import Clips

    whole: Any = Clips(arrays())
    batch = whole.sample(24, 100, seeded(11), keep_wave=True)
    again = whole.sample(24, 100, seeded(11), keep_wave=True)
    other = whole.sample(24, 100, seeded(12))
    for field in fields(batch):
        value = getattr(batch, field.name)
        assert torch.isfinite(value.float()).all() and torch.equal(value, getattr(again, field.name)), field.name
    assert not torch.equal(batch.features, other.features)
    assert other.wave is None
    assert batch.features.shape == (24, 400, 41) and batch.features.abs().max() <= 2.0001
    assert batch.mouth.shape == (24, 100, 15) and batch.phone.max() < len(PHONES)
    assert batch.wave.abs().max() <= 1.0
    steps = batch.wave * 32768
    assert torch.equal(steps, steps.round())
    assert (batch.wave.abs().amax(1) > 0.99).any() and (batch.wave.abs().amax(1) < 0.1).any()


def test_warped_bands_keep_their_order_and_their_range() -> None:
    from visavis_training.speech.batch_effects import Dice, warp_bands

    bands_hz = torch.linspace(0, 2800, 42)[1:-1]
    ramp = torch.arange(41.0).expand(64, 3, 41).contiguous()
    warped = warp_bands(Dice(torch.device("cpu"), seeded(0)), ramp, bands_hz, 1.0)
    assert (warped[..., :40].diff(dim=-1) >= -1e-5).all()
    assert warped.min() >= 0 and torch.equal(warped[..., 40], ramp[..., 40])
    moved = (warped[:, 0, 20] - 20) / 20  # a warp of 14 % moves band 20 by some three bands
    assert moved.max() > 0.08 and moved.min() < -0.08 and moved.abs().max() < 0.16
