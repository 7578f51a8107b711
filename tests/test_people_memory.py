"""Kernels read and write nothing outside their arrays: tests that draw, run once more with the kernels watched.

Only this notices reading a little too far: the CPU reads whatever lies there, a GPU faults where that is nobody's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")
if shutil.which("g++") is None:
    pytest.skip("the CPU's kernels are made by g++", allow_module_level=True)

pytestmark = [pytest.mark.unit, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
WATCHED = "-g -fsanitize=address"
DRAWING = ("test_people_surfaces.py", "test_people_labels.py", "test_people_worn.py")


def watched(tmp_path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Python with AddressSanitizer and watched kernels."""
    asked = subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    library = asked.stdout.strip()
    if not Path(library).is_absolute():
        pytest.skip("g++ has no AddressSanitizer here")
    more = {
        "VISAVIS_KERNEL_FLAGS": WATCHED,
        "XDG_CACHE_HOME": str(tmp_path),
        "LD_PRELOAD": library,
        "ASAN_OPTIONS": "detect_leaks=0:protect_shadow_gap=0",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, *command], env=os.environ | more, capture_output=True, text=True, cwd=HERE.parent
    )


def test_drawing_and_labels_stay_within_their_arrays(tmp_path: Path) -> None:
    files = [str(HERE / name) for name in DRAWING]
    done = watched(tmp_path, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert list((tmp_path / "visavis" / "kernels").glob("*.so"))


def test_watching_notices_a_kernel_that_reads_too_far(tmp_path: Path) -> None:
    too_far = (
        "import torch; from visavis_training.people.rasteriser import SOURCE, kernels; device = torch.device('cpu');"
        "few = torch.zeros(4, dtype=torch.int32);"
        "kernels(SOURCE, device).launch('share_covered', 5, few, torch.zeros(5))"
    )
    done = watched(tmp_path, "-c", too_far)
    assert done.returncode != 0 and "share_covered" in done.stderr and "AddressSanitizer" in done.stderr
