from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from visavis_models.engines import ENGINE_KINDS, open_engine
from visavis_models.weights import weight_file

pytestmark = pytest.mark.weights

OPEN_AND_RUN = """
import sys
import numpy as np
from visavis_models.engines import open_engine
from visavis_models.weights import weight_file
open_engine(weight_file("face_detection_near"), sys.argv[1]).run({"image": np.zeros((1, 128, 128, 3), np.float32)})
assert sys.modules.get("openvino_telemetry", sys) is not None  # others in this process may still import it
"""


@pytest.mark.parametrize("kind", ENGINE_KINDS)
def test_no_engine_reports_home(tmp_path: Path, kind: str) -> None:
    """Both libraries would give this machine an id, keep it in the home folder, and send it off with what was done."""
    env = {name: value for name, value in os.environ.items() if name not in ("CI", "XDG_CACHE_HOME")}
    env.pop("ORT_DISABLE_TELEMETRY", None)
    env |= {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", OPEN_AND_RUN, kind], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert [str(path) for path in tmp_path.rglob("*") if path.is_file()] == []


def test_engines_are_tried_in_the_order_asked_for_and_a_forced_one_comes_first() -> None:
    file = weight_file("listener")
    assert open_engine(file, order=("onnxruntime", "openvino")).name == "onnxruntime/CPU"
    assert open_engine(file).name == "openvino/CPU"
    assert open_engine(file, "openvino", order=("onnxruntime",)).name == "openvino/CPU"
