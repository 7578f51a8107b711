from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

NOWHERE_TO_KEEP = """
import numba.core.caching as caching
caching.CacheImpl._locator_classes = [caching.UserProvidedCacheLocator]  # read-only installation, no home folder
from visavis_server import compiled_code, doctor, settings, wiring
assert not compiled_code.can_be_kept()
print(wiring.default_renderer().name)
(check,) = doctor._compiler(settings.Settings())
print(check.status, check.remedy)
"""


def test_drawing_works_where_compiled_code_cannot_be_kept(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"} | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", NOWHERE_TO_KEEP], env=env, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["warp", "warning Set NUMBA_CACHE_DIR to a folder that you may write to."]
    assert list(tmp_path.iterdir()) == []
