"""A corpus is spoken into shards that follow from the plan alone, survive a killed run, and can be carried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from speech_fakes import LENGTH_S, PaintedVoice, heard_hz, rows_of_a_plan, tone_hz
from visavis_models.errors import StorageError, VisavisError
from visavis_training.speech import corpus, shards, transport
from visavis_training.speech.phones import Phone

soundfile = pytest.importorskip("soundfile")
pytestmark = pytest.mark.unit
DATA = Path(__file__).parent / "data"


@pytest.fixture
def voice(monkeypatch: pytest.MonkeyPatch) -> PaintedVoice:
    painted = PaintedVoice()
    monkeypatch.setattr(shards, "ROWS_PER_SHARD", 4)
    monkeypatch.setattr(corpus, "open_text_speaker", lambda engine, tools: painted)
    monkeypatch.setattr(corpus, "_opened", {})
    return painted


def silently(line: str) -> None:
    del line


def speak(rows: list[dict[str, Any]], out: Path) -> corpus.Speech:
    return corpus.speak(rows, out / "tools", out, report=silently)


def files_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "shards").iterdir() if path.suffix in (".flac", ".jsonl")}


def test_every_row_comes_back_with_its_own_sound_and_gapless_phones(voice: PaintedVoice, tmp_path: Path) -> None:
    rows = rows_of_a_plan(10)
    done = speak(rows, tmp_path)
    assert (done.made, done.dropped) == (["piper000", "piper001", "piper002"], 0)
    found = corpus.read(tmp_path)
    assert [row["id"] for row, _ in found] == list(range(10))
    for row, samples in found:
        assert samples.dtype == np.int16 and len(samples) == row["samples"] == LENGTH_S * 16_000
        assert heard_hz(samples) == pytest.approx(tone_hz(row["id"]), abs=2)
        assert np.abs(samples).max() == pytest.approx(16_384, abs=2)
        assert row["phones"] == [["sil", 0.0, 0.1], ["a", 0.1, 0.3], ["m", 0.3, LENGTH_S]]
        assert {key: row[key] for key in rows[0]} == rows[row["id"]]


def test_one_part_is_read_alone(voice: PaintedVoice, tmp_path: Path) -> None:
    speak(rows_of_a_plan(10), tmp_path)
    assert [row["id"] for row, _ in corpus.read(tmp_path, "test")] == [0, 5]
    assert len(corpus.read(tmp_path, "train")) == 8


def test_a_killed_run_goes_on_and_ends_as_an_unbroken_one(voice: PaintedVoice, tmp_path: Path) -> None:
    rows = rows_of_a_plan(12)
    speak(rows, tmp_path / "whole")
    killed = [{**row, "text": "!killed"} if row["id"] == 6 else row for row in rows]
    with pytest.raises(KeyboardInterrupt):
        speak(killed, tmp_path / "broken")
    assert shards.names(tmp_path / "broken") == ["piper000"]
    voice.asked.clear()
    done = speak(rows, tmp_path / "broken")
    assert (done.present, done.made) == (["piper000"], ["piper001", "piper002"])
    assert voice.asked == list(range(4, 12))
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "whole")


def test_a_shard_without_its_record_is_spoken_again(voice: PaintedVoice, tmp_path: Path) -> None:
    speak(rows_of_a_plan(4), tmp_path)
    (tmp_path / "shards" / "piper000.made.json").unlink()
    with pytest.raises(StorageError, match="no finished shard"):
        corpus.read(tmp_path)
    assert speak(rows_of_a_plan(4), tmp_path).made == ["piper000"]


def test_shards_of_another_plan_are_refused(voice: PaintedVoice, tmp_path: Path) -> None:
    rows = rows_of_a_plan(4)
    speak(rows, tmp_path)
    with pytest.raises(StorageError, match="another plan"):
        speak([{**row, "speed": 1.1} for row in rows], tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("!silent", "the voice said nothing"),
        ("!broken", "the voice said nothing"),
        ("!clipped", "clipped"),
        ("!hurried", "too short for its phones"),
        ("!failing", "the program failed"),
    ],
)
def test_broken_utterances_are_dropped_and_the_reason_is_kept(
    voice: PaintedVoice, tmp_path: Path, text: str, reason: str
) -> None:
    rows = rows_of_a_plan(4)
    rows[2]["text"] = text
    assert speak(rows, tmp_path).dropped == 1
    assert [row["id"] for row, _ in corpus.read(tmp_path)] == [0, 1, 3]
    record = shards.record_of(tmp_path, "piper000")
    assert record is not None and record["dropped"] == [{"id": 2, "reason": reason}]


def test_a_run_in_which_nothing_can_be_spoken_stops(
    voice: PaintedVoice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "ROWS_PER_SHARD", 20)
    rows = [{**row, "text": "!failing"} for row in rows_of_a_plan(20)]
    with pytest.raises(VisavisError, match="20 of the 20 utterances of shard piper000 .* the program failed"):
        speak(rows, tmp_path)
    assert shards.names(tmp_path) == []


def test_engines_not_asked_for_wait(voice: PaintedVoice, tmp_path: Path) -> None:
    rows = rows_of_a_plan(2) + rows_of_a_plan(2, "flite", first=2)
    done = corpus.speak(rows, tmp_path, tmp_path, report=silently, engines=("flite",))
    assert done.made == ["flite000"]
    assert speak(rows, tmp_path).made == ["piper000"]


def test_an_unknown_engine_is_named(tmp_path: Path) -> None:
    with pytest.raises(VisavisError, match="festival"):
        corpus.speak(rows_of_a_plan(1, "festival"), tmp_path, tmp_path, report=silently, engines=("festival",))


def test_a_shard_of_nothing_but_broken_utterances_can_be_read(voice: PaintedVoice, tmp_path: Path) -> None:
    rows = rows_of_a_plan(5)
    speak([{**row, "text": "!silent"} if row["id"] < 4 else row for row in rows], tmp_path)
    assert [row["id"] for row, _ in corpus.read(tmp_path)] == [4]
    assert len(shards.samples_of(tmp_path, "piper000")) == 0


@dataclass
class Said:
    row: dict[str, Any]
    samples: NDArray[np.int16]
    phones: list[Phone]


def test_kokoro_answers_in_any_order_and_shards_keep_the_plans(
    voice: PaintedVoice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backwards(
        rows: Iterable[dict[str, Any]], folder: Path, device: str, processes: int, failed: Callable[..., None]
    ) -> Iterator[Said]:
        assert (folder, device, processes) == (tmp_path / "kokoro", "cuda", 3)
        swell = np.arange(8000) / 8000
        waiting: list[dict[str, Any]] = []
        for row in [*rows, None]:
            if row is not None:
                waiting.append(row)
            if len(waiting) == 6 or row is None:
                for each in reversed(waiting):
                    if each["id"] == 7:
                        failed(each, "no such voice")
                    else:
                        wave = 9000 * swell**4 * np.sin(2 * np.pi * tone_hz(each["id"]) * swell / 2)
                        yield Said(
                            {**each, "tokens": "am"},
                            wave.astype(np.int16),
                            [Phone("a", 0.0, 0.2), Phone("m", 0.2, 0.5)],
                        )
                waiting.clear()

    monkeypatch.setattr(corpus, "speak_many", backwards)
    rows = rows_of_a_plan(10, "kokoro")
    done = corpus.speak(rows, tmp_path, tmp_path, "cuda", 3, silently)
    assert (sorted(done.made), done.dropped) == (["0000", "0001", "0002"], 1)
    found = corpus.read(tmp_path)
    assert [row["id"] for row, _ in found] == [0, 1, 2, 3, 4, 5, 6, 8, 9]
    for row, samples in found:
        assert heard_hz(samples) == pytest.approx(tone_hz(row["id"]), abs=2)
    record = shards.record_of(tmp_path, "0001")
    assert record is not None and record["dropped"] == [{"id": 7, "reason": "no such voice"}]


def test_corpora_merge_by_copying_unless_they_share_numbers(voice: PaintedVoice, tmp_path: Path) -> None:
    speak(rows_of_a_plan(3), tmp_path / "one")
    speak(rows_of_a_plan(3, "flite", first=3), tmp_path / "two")
    speak(rows_of_a_plan(1, "flite"), tmp_path / "three")
    for path in (tmp_path / "two" / "shards").iterdir():
        (tmp_path / "one" / "shards" / path.name).write_bytes(path.read_bytes())
    assert [row["id"] for row, _ in corpus.read(tmp_path / "one")] == [3, 4, 5, 0, 1, 2]
    for path in (tmp_path / "three" / "shards").iterdir():
        (tmp_path / "one" / "shards" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(StorageError, match="share numbers"):
        corpus.read(tmp_path / "one")


def test_a_carried_corpus_keeps_every_sample_in_its_place(tmp_path: Path) -> None:
    voice, _ = soundfile.read(DATA / "speech_en.flac", dtype="int16")
    pieces = [voice[1000:40_001], voice[40_001:97_777], voice[97_777:]]
    rows = rows_of_a_plan(3)
    utterances = [
        ({**row, "phones": [["a", 0.0, round(len(piece) / 16_000, 4)]]}, piece)
        for row, piece in zip(rows, pieces, strict=True)
    ]
    shards.write(tmp_path / "here", "piper000", utterances, {"plan": shards.hash_of(rows), "dropped": []})
    transport.pack(tmp_path / "here", tmp_path / "packed")
    small = (tmp_path / "packed" / "piper000.ogg").stat().st_size
    assert small < 0.45 * (tmp_path / "here" / "shards" / "piper000.flac").stat().st_size
    assert transport.unpack(tmp_path / "packed", tmp_path / "there") == ["piper000"]
    assert transport.unpack(tmp_path / "packed", tmp_path / "there") == []
    assert shards.is_made(tmp_path / "there", "piper000", rows)
    for (row, got), piece in zip(corpus.read(tmp_path / "there"), pieces, strict=True):
        assert len(got) == len(piece) == row["samples"]
        middle = piece[2000:-2000].astype(float)
        fits = [float(middle @ got[2000 + lag : len(got) - 2000 + lag].astype(float)) for lag in range(-40, 41)]
        assert abs(int(np.argmax(fits)) - 40) <= 1
        assert max(fits) > 0.97 * float(middle @ middle)
