"""Tracks made of two real sentences: what is labelled is what sounds, and a broken-off run goes on."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from speech_samples import utterances
from visavis_models.errors import StorageError
from visavis_models.voice.mouth import CHANNEL, lip_gap
from visavis_models.voice.phones import PHONES
from visavis_training.speech import disturbances, track_files, tracks
from visavis_training.speech.labels import labels_of
from visavis_training.speech.track_files import FILES

pytestmark = pytest.mark.unit


def test_a_plan_uses_every_utterance_and_is_the_same_again() -> None:
    said = utterances(40)
    plan = tracks.plan(said, seed=3, passes=2)
    assert plan == tracks.plan(said, seed=3, passes=2) != tracks.plan(said, seed=4, passes=2)
    pieces = [piece for track in plan for piece in track.spoken]
    assert Counter(piece.which for piece in pieces) == Counter(list(range(40)) * 2)
    row = 0
    for track in plan:
        assert track.first_row == row
        row += track.rows
        ends = [piece.start + piece.length for piece in track.spoken]
        assert all(piece.start >= end for piece, end in zip(track.spoken[1:], ends, strict=False))
        assert track.spoken[0].start > 0 and ends[-1] + 3200 <= track.rows * 160
    changed = [piece for piece in pieces if piece.up != piece.down]
    assert 0.35 < len(changed) / len(pieces) < 0.65
    rates = [piece.down / piece.up for piece in changed]
    assert 0.82 <= min(rates) < 0.9 and 1.1 < max(rates) <= 1.22
    pauses = [b.start - a.start - a.length for t in plan for a, b in zip(t.spoken, t.spoken[1:], strict=False)]
    assert min(pauses) < 160 and max(pauses) > 16_000


def test_labels_of_a_track_lie_where_its_sounds_are() -> None:
    said = utterances(8)
    for track in tracks.plan(said, seed=5):
        pieces = [said[piece.which][1:] for piece in track.spoken]
        made = tracks.arrays_of(track, pieces)
        for name, (dtype, each, width) in FILES.items():
            assert made[name].dtype == dtype
            assert made[name].shape == ((track.rows * each, width) if width else (track.rows * each,))
        for piece, (_, phones) in zip(track.spoken, pieces, strict=True):
            for p in phones:
                middle = piece.start + ((p.start_s + p.end_s) * 8000 - piece.first) * piece.up / piece.down
                if not piece.start < middle < piece.start + piece.length:
                    continue
                row = int(middle) // 160
                near = made["phone"][row - 1 : row + 2]
                assert PHONES.index(p.symbol) in near or p.end_s - p.start_s < 0.03
                if p.symbol in "pb" and p.end_s - p.start_s > 0.06:
                    closed = int(middle - 0.1 * (p.end_s - p.start_s) * 16_000) // 160
                    assert lip_gap(made["mouth"].astype(np.float32))[closed - 1 : closed + 2].min() < 0.02
        level = np.sqrt(np.mean(made["wave"].reshape(-1, 160).astype(np.float64) ** 2, axis=1))
        assert level[made["phone"] > 0].mean() > 8 * level[made["speech"] == 0].mean()
        line = np.sqrt(np.mean(made["line"].reshape(-1, 160).astype(np.float64) ** 2, axis=1))
        assert np.corrcoef(level, line)[0, 1] > 0.95
        assert made["loudness"].max() <= 1.0 and made["loudness"][made["speech"] == 0].mean() < 0.1
        assert np.all((made["log_f0"] > 0) == (made["voicing"] > 0))
        assert np.abs(made["mouth"][[0, -1]]).max() < 0.01


def test_a_whisper_moves_the_jaw_less_and_a_shout_more_and_both_close_the_lips() -> None:
    said = utterances(1)
    [track] = tracks.plan(said, seed=1)
    made = {}
    for style in ("whisper", "", "shout"):
        styled = replace(track, spoken=tuple(replace(piece, style=style) for piece in track.spoken))
        made[style] = tracks.arrays_of(styled, [said[piece.which][1:] for piece in track.spoken])
    jaw = {style: np.percentile(rows["mouth"][:, CHANNEL["jawOpen"]].astype(float), 95) for style, rows in made.items()}
    assert jaw["whisper"] < 0.85 * jaw[""] and jaw["shout"] > 1.1 * jaw[""]
    gaps = {style: lip_gap(rows["mouth"].astype(np.float32)) for style, rows in made.items()}
    closed = gaps[""] < 0.01
    assert np.mean(gaps["whisper"][closed] < 0.02) > 0.97 and np.mean(gaps["shout"][closed] < 0.02) > 0.97
    assert made["whisper"]["voicing"].mean() < 0.1 < made[""]["voicing"].mean()
    assert made["whisper"]["loudness"].max() < 0.6 and np.array_equal(made["whisper"]["phone"], made[""]["phone"])


def test_a_twentieth_is_whispered_and_a_twentieth_shouted_higher() -> None:
    many = [({"id": i, "voice": "a"}, *utterances(1)[0][1:]) for i in range(300)]
    pieces = [piece for track in tracks.plan(many, seed=4) for piece in track.spoken]
    shares = [np.mean([piece.style == style for piece in pieces]) for style in ("whisper", "shout")]
    assert all(0.02 < share < 0.09 for share in shares)
    assert all(piece.up <= piece.down for piece in pieces if piece.style == "shout")


def test_labels_are_those_of_the_measure() -> None:
    said = utterances(4)
    track = tracks.plan(said, seed=1)[0]
    phones = tracks.phones_of(track, [said[piece.which][1:] for piece in track.spoken])
    assert phones[0].start_s == 0 and phones[-1].end_s == pytest.approx(track.rows / 100)
    assert all(a.end_s == pytest.approx(b.start_s, abs=1e-6) for a, b in zip(phones, phones[1:], strict=False))
    chunks = track.rows // 4
    _, speech = labels_of(phones, chunks)
    _, mine = tracks.labels_at(phones, (np.arange(chunks) + 0.5) / 25)
    assert np.array_equal(mine, speech)


def test_a_run_that_broke_off_goes_on_and_another_seed_begins_anew(tmp_path: Path) -> None:
    said = utterances(8)
    seconds = tracks.make(said, tmp_path, seed=2, processes=2, nuisance_s=20.0)
    assert seconds > 40
    first = track_files.load(tmp_path)
    assert all(values.any() for values in first.values())
    done = (tmp_path / "done.txt").read_text("utf-8").split()
    assert len(done) == len(set(done)) == 1 + len(tracks.plan(said, seed=2))
    lost = next(line for line in done if line != "0")
    (tmp_path / "done.txt").write_text("\n".join(line for line in done if line != lost) + "\n", "utf-8")
    with pytest.raises(StorageError, match="Only"):
        track_files.load(tmp_path)
    wave = np.load(tmp_path / "wave.npy", mmap_mode="r+")
    wave[:160_000] = 1  # of the track that is taken for done: must not be made again
    wave.flush()
    tracks.make(said, tmp_path, seed=2, processes=1, nuisance_s=20.0)
    again = track_files.load(tmp_path)
    assert np.all(again["wave"][:160_000] == 1)
    assert np.array_equal(again["wave"][160_000:], first["wave"][160_000:])
    assert np.array_equal(again["mouth"], first["mouth"]) and np.array_equal(again["nuisance"], first["nuisance"])
    tracks.make(said, tmp_path, seed=3, processes=1, nuisance_s=20.0)
    assert json.loads((tmp_path / "tracks.json").read_text("utf-8"))["seed"] == 3
    assert not np.array_equal(np.load(tmp_path / "wave.npy")[:160_000], first["wave"][:160_000])


@pytest.mark.parametrize(
    "name", ["coloured_noise", "hum", "clicks", "breath", "music", "laughter", "coughs", "animals"]
)
def test_disturbances_are_of_unit_power(name: str) -> None:
    for seed in range(3):
        wave = getattr(disturbances, name)(48_000, np.random.default_rng(seed))
        assert wave.shape == (48_000,) and wave.dtype == np.float32
        assert np.sqrt(np.mean(wave.astype(np.float64) ** 2)) == pytest.approx(1.0, abs=0.01)
        assert np.array_equal(wave, getattr(disturbances, name)(48_000, np.random.default_rng(seed)))
