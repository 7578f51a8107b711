"""Imports the libraries that run networks, with their reports to their makers switched off.

As they come, OpenVINO tells Google Analytics and ONNX Runtime tells Microsoft that they were used, under an id that
they keep in the home folder. What visavis does on a machine is nobody else's business.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

_REPORTER = "openvino_telemetry"
_lock = threading.Lock()


def import_openvino() -> Any:
    """The module `openvino`.

    Raises:
        ImportError: it is not installed.
    """
    with _lock:
        if "openvino" in sys.modules:
            import openvino

            return openvino
        before = sys.modules.get(_REPORTER)
        sys.modules[_REPORTER] = None  # type: ignore[assignment]  # Python's way to say "not to be had": a stub is used
        try:
            import openvino
        finally:
            if before is None:
                del sys.modules[_REPORTER]
            else:
                sys.modules[_REPORTER] = before
        return openvino


def import_onnxruntime() -> Any:
    """The module `onnxruntime`.

    Raises:
        ImportError: it is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when it is loaded: the call alone comes too late
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # all that releases without the variable know
    return onnxruntime
