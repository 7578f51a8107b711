"""Engines on disk: found by what they were made of, written whole or not at all, never used when anything differs.

An engine is its library's own format and fits one version of it, so a key holds everything that went into it: the
graph, the shapes, the precision, library and version, and the cards. Two builders of one engine wait for each other.
Knows neither builders nor runners.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from visavis_models.engines.file_lock import FileLock
from visavis_models.errors import EngineError, StorageError

BUILD_COMMAND = "visavis build"
_PATIENCE_S = 900.0
"""No engine of ours takes longer to build."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class EngineKey:
    """What an engine was made of."""

    name: str
    """Of the network and region, for people: `renderer_compact_denoiser-mouth`."""
    graph_sha256: str
    profile: str
    """`ShapeProfile.as_text`."""
    precision: str
    backend: str
    library_version: str
    cards: str
    """`portable:SM80,SM86` or the card's own name and architecture."""

    @property
    def digest(self) -> str:
        """The same for the same key."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def stem(self) -> str:
        """Name of its files."""
        return f"{self.name}-{self.digest[:16]}"


def default_folder() -> Path:
    """Where engines lie if nothing else is said."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "visavis" / "engines"


class EngineCache:
    """Engines in one folder: NAME.engine, and NAME.json that says its key and its sha256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, key: EngineKey) -> bytes | None:
        """The engine of that key; None if there is none.

        Raises:
            EngineError: there is one, but it is damaged.
        """
        engine, note = self._paths(key)
        try:
            told, content = json.loads(note.read_text("utf-8")), engine.read_bytes()
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise _damaged(note) from error
        except OSError as error:
            raise EngineError(
                "engine_unreadable", f"{engine} cannot be read: {error.strerror}.", "Let it be read, or delete it."
            ) from error
        if not isinstance(told, dict) or told.get("key") != asdict(key):
            return None
        if told.get("sha256") != hashlib.sha256(content).hexdigest():
            raise _damaged(engine)
        return content

    def load(self, key: EngineKey) -> bytes:
        """The engine of that key.

        Raises:
            EngineError: there is none, or it is damaged; says how it is built.
        """
        content = self.find(key)
        if content is None:
            older = sorted(path.name for path in self.folder.glob(f"{key.name}-*.engine"))
            why = f"{older[-1]} was made of something else" if older else "none was built"
            raise EngineError(
                "engine_missing",
                f"There is no engine for {key.name}: {why}.",
                f"Run `{BUILD_COMMAND} --backend {key.backend}`.",
            )
        return content

    def store(self, key: EngineKey, content: bytes) -> Path:
        """Keep an engine; whoever reads meanwhile sees the old one or the new one whole.

        Raises:
            StorageError: there is no room for it, or the folder cannot be written to.
        """
        engine, note = self._paths(key)
        told = {"key": asdict(key), "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            note.unlink(missing_ok=True)  # an engine without its note is none
            _write(engine, content)
            _write(note, json.dumps(told, indent=1).encode())
        except OSError as error:
            raise self._unkept(error) from error
        return engine

    def built(self, key: EngineKey, build: Callable[[], bytes], patience_s: float = _PATIENCE_S) -> tuple[bytes, bool]:
        """The engine of that key, built if there is none or a damaged one.

        Args:
            key: of the engine.
            build: makes it.
            patience_s: how long to wait for another builder of the same engine.

        Returns:
            the engine, and whether it was built now.

        Raises:
            EngineError: it cannot be built, or another builder holds it for too long.
            StorageError: it cannot be kept.
        """
        with suppress(EngineError):
            if (content := self.find(key)) is not None:
                return content, False
        with self._locked(key, patience_s):
            with suppress(EngineError):
                if (content := self.find(key)) is not None:
                    return content, False  # by whoever held the lock
            for part in self.folder.glob(f"{key.stem}.*.part"):
                part.unlink(missing_ok=True)  # of a builder that was killed
            content = build()
            self.store(key, content)
            return content, True

    @contextmanager
    def _locked(self, key: EngineKey, patience_s: float) -> Iterator[None]:
        lock, began = FileLock(self.folder / f"{key.stem}.lock"), time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            while not lock.take():
                if time.monotonic() - began > patience_s:
                    raise EngineError(
                        "engine_locked",
                        f"Another builder (process {lock.holder()}) has been at {key.name} for {patience_s:.0f} s.",
                        f"Wait for it, or end it; then run `{BUILD_COMMAND}` again.",
                    )
                time.sleep(0.1)
        except OSError as error:
            raise self._unkept(error) from error
        try:
            yield
        finally:
            lock.give_back()

    def _unkept(self, error: OSError) -> StorageError:
        full = error.errno in _FULL
        message = "The disk is full" if full else f"Engines cannot be kept in {self.folder}: {error.strerror}"
        remedy = f"Make room in {self.folder}, or" if full else "Let it be written to, or"
        remedy = f"{remedy} give another folder with --cache; then run `{BUILD_COMMAND}` again."
        return StorageError("engines_not_kept", f"{message}.", remedy)

    def _paths(self, key: EngineKey) -> tuple[Path, Path]:
        return self.folder / f"{key.stem}.engine", self.folder / f"{key.stem}.json"


def _damaged(path: Path) -> EngineError:
    return EngineError("engine_damaged", f"{path} is damaged.", f"Run `{BUILD_COMMAND}`; it is built anew.")


def _write(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f"{path.stem}.", suffix=".part", delete=False) as part:
        try:
            part.write(content)
            part.flush()
            os.fsync(part.fileno())
            os.chmod(part.name, 0o644)  # whoever serves may be another user than who built
        except OSError:
            Path(part.name).unlink(missing_ok=True)
            raise
    Path(part.name).replace(path)
