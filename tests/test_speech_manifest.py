"""The manifest says how a corpus came about, and a corpus that was altered no longer fits it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from speech_fakes import PaintedVoice, rows_of_a_plan
from visavis_training.speech import corpus, manifest, shards

pytest.importorskip("soundfile")
pytestmark = pytest.mark.unit


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shards, "ROWS_PER_SHARD", 4)
    monkeypatch.setattr(corpus, "open_text_speaker", lambda engine, tools: PaintedVoice())
    monkeypatch.setattr(corpus, "_opened", {})
    rows = rows_of_a_plan(6)
    rows[3]["text"] = "!clipped"
    (tmp_path / "plan.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    corpus.speak(rows, tmp_path, tmp_path, report=lambda line: None)
    manifest.note(tmp_path, "plan", {"seed": 7, "wall_s": 1.0})
    manifest.summarise(tmp_path, rows, tmp_path / "tools")
    return tmp_path


def test_it_counts_what_is_there_and_what_was_dropped(made: Path) -> None:
    told = manifest.read(made)
    assert told["utterances"] == {"test": 2, "train": 3}
    assert told["hours"]["engine"] == {"piper": pytest.approx(2.5 / 3600, abs=1e-4)}
    assert told["dropped"] == {"clipped": 1}
    assert told["steps"]["plan"]["seed"] == 7
    assert told["steps"]["plan"]["versions"]["numpy"]


def test_an_untouched_corpus_fits(made: Path) -> None:
    assert manifest.problems(made) == []


def test_a_lost_shard_is_missed(made: Path) -> None:
    for path in (made / "shards").glob("piper001*"):
        path.unlink()
    assert manifest.problems(made) == ["shard piper001 is lost"]


def test_other_samples_are_noticed(made: Path) -> None:
    import soundfile

    path = made / "shards" / "piper000.flac"
    samples, rate_hz = soundfile.read(path, dtype="int16")
    samples[5000] += 1
    soundfile.write(path, samples, rate_hz)
    assert manifest.problems(made) == ["shard piper000 has other samples"]


def test_a_gap_between_phones_is_noticed(made: Path) -> None:
    path = made / "shards" / "piper000.jsonl"
    lines = path.read_text("utf-8").splitlines()
    row = json.loads(lines[1])
    row["phones"][1][1] += 0.02
    path.write_text("\n".join([lines[0], json.dumps(row), *lines[2:]]) + "\n", "utf-8")
    assert manifest.problems(made) == ["utterance 1 has a gap in its phones at 0.100 s"]


def test_another_plan_is_noticed(made: Path) -> None:
    path = made / "plan.jsonl"
    path.write_text(path.read_text("utf-8").replace('"speed": 1.0', '"speed": 1.1', 1), "utf-8")
    assert manifest.problems(made) == ["plan.jsonl is another plan"]


def test_a_folder_without_a_manifest_is_not_called_sound(tmp_path: Path) -> None:
    assert manifest.problems(tmp_path)
