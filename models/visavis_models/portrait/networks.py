"""The five networks that look at a portrait, opened once and shared by all analyses of this process.

Each call is one forward pass on arrays of the networks' own sizes; what the numbers mean is the callers' business.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from visavis_models.engine import Engine
from visavis_models.engines import open_engine
from visavis_models.errors import EngineError
from visavis_models.weights import weight_file

NetworkName = Literal["face_detection_near", "face_detection_far", "face_mesh", "body_points", "person_mask"]

_INPUT_PX: dict[NetworkName, int] = {
    "face_detection_near": 128,
    "face_detection_far": 192,
    "face_mesh": 192,
    "body_points": 256,
    "person_mask": 256,
}
_lock = threading.Lock()


def input_size_px(name: NetworkName) -> int:
    """Side of the square picture that a network takes."""
    return _INPUT_PX[name]


@cache
def _engine(name: NetworkName) -> Engine:
    # Each network runs only a few times: what counts is how soon it is open, and ONNX Runtime opens five times sooner.
    # One thread, since these networks are small and a machine in a call has no cores to spare.
    try:
        return open_engine(weight_file(name), "onnxruntime", threads=1)
    except EngineError:
        return open_engine(weight_file(name))


def run_network(name: NetworkName, picture: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """One forward pass. Safe from any thread; passes wait for each other.

    Args:
        name: which network.
        picture: float32 (S, S, 3) RGB in the network's own range.

    Raises:
        EngineError, WeightsError: the network cannot be run here.
    """
    with _lock:
        return _engine(name).run({"image": np.ascontiguousarray(picture[None], np.float32)})
