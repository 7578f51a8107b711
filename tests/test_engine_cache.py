"""Built engines on disk: found by what they were made of, whole or not at all, whoever builds or dies meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import fields, replace
from pathlib import Path

import pytest

from visavis_models.engines.cache import EngineCache, EngineKey
from visavis_models.engines.file_lock import FileLock
from visavis_models.errors import EngineError, StorageError

pytestmark = pytest.mark.unit
KEY = EngineKey("denoiser-mouth", "aa", "x:(1,):(2,):(3,)", "fp16", "tensorrt-rtx", "1.7", "portable:SM80")
SETUP = f"""
import sys
from pathlib import Path
from visavis_models.engines.cache import EngineCache, EngineKey
key, cache = {KEY!r}, EngineCache(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("name", [field.name for field in fields(EngineKey)])
def test_an_engine_made_of_anything_else_is_not_found(tmp_path: Path, name: str) -> None:
    cache = EngineCache(tmp_path)
    cache.store(KEY, b"engine")
    assert cache.find(KEY) == b"engine"
    other = replace(KEY, **{name: "other"})
    assert cache.find(other) is None
    with pytest.raises(EngineError, match=f"visavis build --backend {other.backend}"):
        cache.load(other)


def test_a_stale_engine_is_named(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)
    path = cache.store(KEY, b"engine")
    with pytest.raises(EngineError, match=f"{path.name} was made of something else"):
        cache.load(replace(KEY, library_version="1.8"))


def test_a_damaged_engine_is_named_and_built_anew(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)
    path = cache.store(KEY, b"engine")
    path.write_bytes(b"engina")
    with pytest.raises(EngineError, match=path.name):
        cache.load(KEY)
    assert cache.built(KEY, lambda: b"new") == (b"new", True)
    assert cache.built(KEY, lambda: b"newer") == (b"new", False) and cache.load(KEY) == b"new"
    path.with_suffix(".json").write_text("{", "utf-8")
    with pytest.raises(EngineError, match="json"):
        cache.load(KEY)


def test_an_engine_can_be_read_by_whoever_serves(tmp_path: Path) -> None:
    path = EngineCache(tmp_path).store(KEY, b"engine")
    assert path.stat().st_mode & 0o044 == 0o044


def test_two_builders_of_one_engine_build_it_once(tmp_path: Path) -> None:
    begun, go_on, builds = threading.Event(), threading.Event(), list[int]()

    def slow() -> bytes:
        builds.append(1)
        begun.set()
        assert go_on.wait(10)
        return b"engine"

    found: list[tuple[bytes, bool]] = []
    first = threading.Thread(target=lambda: found.append(EngineCache(tmp_path).built(KEY, slow)))
    first.start()
    assert begun.wait(10)
    with pytest.raises(EngineError, match=f"process {os.getpid()}"):
        EngineCache(tmp_path).built(KEY, slow, patience_s=0.2)
    second = threading.Thread(target=lambda: found.append(EngineCache(tmp_path).built(KEY, slow)))
    second.start()
    go_on.set()
    first.join(10)
    second.join(10)
    assert sorted(found) == [(b"engine", False), (b"engine", True)] and len(builds) == 1


def test_a_builder_that_was_killed_leaves_no_lock_and_no_half_engine(tmp_path: Path) -> None:
    code = SETUP + "def build():\n    print('begun', flush=True)\n    sys.stdin.read()\ncache.built(key, build)"
    builder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert builder.stdout is not None and builder.stdin is not None
    assert builder.stdout.readline() == b"begun\n"
    (tmp_path / f"{KEY.stem}.abc.part").write_bytes(b"half")  # what a killed one was writing
    with pytest.raises(EngineError, match=f"process {builder.pid}"):
        EngineCache(tmp_path).built(KEY, lambda: b"", patience_s=0.2)
    builder.send_signal(signal.SIGKILL)
    builder.wait(10)
    builder.stdin.close()
    builder.stdout.close()
    assert EngineCache(tmp_path).built(KEY, lambda: b"engine", patience_s=0.2) == (b"engine", True)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".engine", ".json"]


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise EngineError("engine_build", "No.", "Try again.")

    with pytest.raises(EngineError):
        EngineCache(tmp_path).built(KEY, fail)
    assert list(tmp_path.iterdir()) == []
    assert EngineCache(tmp_path).built(KEY, lambda: b"engine") == (b"engine", True)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of files' sizes")
def test_a_full_disk_is_told_of_and_keeps_the_old_engine_or_none(tmp_path: Path) -> None:
    code = SETUP + (
        "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from visavis_models.errors import StorageError\n"
        "try:\n    cache.built(key, lambda: bytes(100000))\nexcept StorageError as error:\n    print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert "The disk is full" in said.stdout and "visavis build" in said.stdout, said
    assert list(tmp_path.iterdir()) == [] and EngineCache(tmp_path).find(KEY) is None


def test_a_folder_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="--cache"):
        EngineCache(tmp_path / "file" / "engines").built(KEY, lambda: b"engine")


def test_a_lock_is_one_holders(tmp_path: Path) -> None:
    one, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert one.take() and not other.take() and other.holder() == str(os.getpid())
    one.give_back()
    one.give_back()
    assert other.take() and not one.take()
    other.give_back()
    assert list(tmp_path.iterdir()) == []
