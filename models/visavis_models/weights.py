"""Finds the weight files that ship and proves that they are what the manifest says."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from visavis_models.errors import WeightsError

_SUFFIXES = (".onnx", ".tflite", ".safetensors")


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One entry of `weights/manifest.toml`."""

    name: str
    file: str
    version: str
    source: str
    """Where it comes from, or the command that made it."""
    sha256: str
    bytes: int
    licence: str


def weights_folder() -> Path:
    """Where the weights lie: inside the installed package, or at the top of a source checkout.

    Raises:
        WeightsError: neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_weights", package.parents[1] / "weights"):
        if (folder / "manifest.toml").is_file():
            return folder
    raise WeightsError("weights_missing", "The weights that ship with visavis are not there.", "Reinstall visavis.")


@cache
def manifest() -> dict[str, WeightFile]:
    """The manifest by name.

    Raises:
        WeightsError: an entry lacks a key, has one too many, or is not a kind of file that is safe to load.
    """
    path = weights_folder() / "manifest.toml"
    entries: dict[str, WeightFile] = {}
    for name, table in tomllib.loads(path.read_text("utf-8")).items():
        try:
            entry = WeightFile(name=name, **table)
        except TypeError as error:
            raise WeightsError(
                "weights_manifest", f"Entry {name} of {path} is wrong: {error}.", "Correct the manifest."
            ) from error
        if not entry.file.endswith(_SUFFIXES):
            raise WeightsError(
                "weights_manifest",
                f"{entry.file} is not a kind of file that is safe to load.",
                f"Use one of {', '.join(_SUFFIXES)}.",
            )
        entries[name] = entry
    return entries


@cache
def weight_file(name: str) -> Path:
    """The path of a weight file, checked once against its sha256.

    Raises:
        WeightsError: it is not in the manifest, missing, or not the file that the manifest describes.
    """
    entry = manifest().get(name)
    if entry is None:
        raise WeightsError(
            "weights_missing", f"There is no weight file named {name}.", "Add it to weights/manifest.toml."
        )
    path = weights_folder() / entry.file
    if not path.is_file():
        raise WeightsError("weights_missing", f"The weight file {path} is missing.", "Reinstall visavis.")
    if hashlib.sha256(path.read_bytes()).hexdigest() != entry.sha256:
        raise WeightsError(
            "weights_altered",
            f"The weight file {path} is not the one that the manifest describes.",
            "Reinstall visavis.",
        )
    return path
