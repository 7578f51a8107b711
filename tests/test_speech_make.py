"""One command makes a corpus; it goes on where it stopped and says what a machine lacks."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from speech_fakes import PaintedVoice, rows_of_a_plan
from visavis_models.errors import StorageError, VisavisError
from visavis_training.speech import corpus, fetch, make, manifest
from visavis_training.speech.phones import Phone

pytest.importorskip("soundfile")
pytestmark = pytest.mark.unit


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which only fetching has been done."""
    (tmp_path / "tools").mkdir()
    files = {}
    for part in ("kokoro", "piper"):
        (tmp_path / "tools" / part).mkdir()
        (tmp_path / "tools" / part / "model.onnx").write_bytes(b"graph")
        files[f"{part}/model.onnx"] = fetch.sha256_of(tmp_path / "tools" / part / "model.onnx")
    (tmp_path / "tools" / fetch.RECORD).write_text(json.dumps({"files": files, "packages": []}), "utf-8")
    monkeypatch.setattr(corpus, "open_text_speaker", lambda engine, tools: PaintedVoice())
    monkeypatch.setattr(corpus, "_opened", {})
    return tmp_path


def run(out: Path, **asked: Any) -> tuple[dict[str, Any], list[str]]:
    lines: list[str] = []
    return make.make(out, report=lines.append, **asked), lines


def put_plan(out: Path, count: int = 3) -> None:
    rows = rows_of_a_plan(count) + rows_of_a_plan(2, "kokoro", first=count)
    (out / "plan.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def test_a_plan_made_elsewhere_is_spoken_here(fetched: Path) -> None:
    put_plan(fetched)
    told, lines = run(fetched, until="speak", engines=("piper",))
    assert told["utterances"] == {"test": 1, "train": 2}
    assert told["plan"]["rows"] == 5
    assert told["steps"]["speak"]["runs"][0]["shards"] == 1
    assert "fetch: done before" in lines and "plan: done before" in lines
    _, lines = run(fetched, until="speak", engines=("piper", "flite"))
    assert "the plan has nothing for flite to speak: make another corpus if it shall" in lines
    assert manifest.problems(fetched) == []


def test_a_second_call_does_nothing_again(fetched: Path) -> None:
    put_plan(fetched)
    first, _ = run(fetched, until="speak", engines=("piper",))
    second, lines = run(fetched, until="speak", engines=("piper",))
    assert "speak: done before" in lines
    assert second == first


def test_aligning_is_done_again_only_where_shards_were_added(fetched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def align(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        lines = [json.dumps({"id": row["id"], "phones": [], "kept": row["id"] != 1}) for row, _ in corpus.read(fetched)]
        (fetched / "aligned.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
        return subprocess.CompletedProcess(command, 0)

    put_plan(fetched)
    monkeypatch.setattr(make, "_run", align)
    told, _ = run(fetched, engines=("piper",))
    assert (told["steps"]["align"]["kept"], told["steps"]["align"]["disputed"]) == (2, 1)
    assert commands[0][-6:] == ["--corpus", str(fetched), "--device", "cpu", "--processes", "1"]
    run(fetched, engines=("piper",))
    assert len(commands) == 1
    monkeypatch.setattr(corpus, "speak_many", lambda rows, *others: iter([voiced(row) for row in rows]))
    run(fetched)
    assert len(commands) == 2


def voiced(row: dict[str, Any]) -> SimpleNamespace:
    wave = (9000 * np.linspace(0, 1, 8000) ** 4 * np.sin(np.arange(8000))).astype(np.int16)
    return SimpleNamespace(row=row, samples=wave, phones=[Phone("a", 0.0, 0.2), Phone("m", 0.2, 0.5)])


def test_a_machine_that_cannot_plan_says_how_to_go_on(fetched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(VisavisError, match="espeak-ng and misaki") as raised:
        run(fetched)
    assert "--until plan" in raised.value.remedy


def test_another_plan_is_not_mixed_in(fetched: Path) -> None:
    put_plan(fetched)
    manifest.note(fetched, "plan", {"hours": 16.0, "seed": 1})
    with pytest.raises(StorageError, match="16.0 hours and seed 1"):
        run(fetched, until="plan", seed=2)
