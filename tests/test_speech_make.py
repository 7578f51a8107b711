"""One command makes a corpus; it goes on where it stopped and says what a machine lacks."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from speech_fakes import PaintedVoice, rows_of_a_plan
from visavis_models.errors import StorageError, VisavisError
from visavis_training.speech import corpus, fetch, make, manifest

pytest.importorskip("soundfile")
pytestmark = pytest.mark.unit


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which only fetching has been done."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / fetch.RECORD).write_text('{"files": {}, "packages": []}', "utf-8")
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
    assert manifest.problems(fetched) == []


def test_a_second_call_does_nothing_again(fetched: Path) -> None:
    put_plan(fetched)
    first, _ = run(fetched, until="speak", engines=("piper",))
    second, lines = run(fetched, until="speak", engines=("piper",))
    assert "speak: done before" in lines
    assert second == first


def test_aligning_waits_until_all_engines_have_spoken(fetched: Path) -> None:
    put_plan(fetched)
    with pytest.raises(VisavisError, match="1 shards are not spoken yet: 0000"):
        run(fetched, engines=("piper",))


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
