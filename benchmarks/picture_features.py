"""How different two pictures look: a distance of features, as in R. Zhang et al., 2018, of a network that ships.

Features are those of `face_mesh` (MediaPipe's face landmarks, Apache-2.0) before each halving of its picture, at 1/2,
1/4, 1/8 and 1/16: trained on faces, never for this. At every place they are brought to unit length, differences are
squared, averaged over the region, and summed over the four. No weights are fitted to what people think.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.network_libraries import import_openvino
from visavis_models.weights import weight_file

Floats = NDArray[np.float32]
_LAYERS = 4


@cache
def _network(height: int, width: int) -> Any:
    openvino = import_openvino()
    core = openvino.Core()
    whole = core.read_model(str(weight_file("face_mesh")))
    pools = [op for op in whole.get_ordered_ops() if op.get_type_name() == "MaxPool"][:_LAYERS]
    model = openvino.Model([pool.input_value(0) for pool in pools], whole.get_parameters(), "features")
    model.reshape([1, height, width, 3])
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "2"}
    return core.compile_model(model, "CPU", exact).create_infer_request()


def features(picture: Floats) -> list[Floats]:
    """Of float32 (3, h, w), -1..1, h and w multiples of 16: four float32 (C, h', w'), unit length at every place."""
    request = _network(*picture.shape[1:])
    request.infer({0: np.ascontiguousarray(picture.transpose(1, 2, 0)[None] * 0.5 + 0.5, np.float32)})
    found = []
    for k in range(_LAYERS):
        x = np.array(request.get_output_tensor(k).data[0], np.float32)
        found.append(x / np.sqrt(np.square(x).sum(0, keepdims=True) + 1e-8))
    return found


def feature_distance(shown: Floats, truth: Floats, region: NDArray[np.floating]) -> float:
    """How different a clip looks from the truth: 0 the same.

    Args:
        shown: float32 (N, 3, h, w), -1..1.
        truth: the same.
        region: (N, h, w): what counts, 0..1.

    Returns:
        The mean over frames that have anything in the region; nan if none has.
    """
    found = []
    for one, other, counts in zip(shown, truth, region, strict=True):
        if not counts.any():
            continue
        total = 0.0
        for a, b in zip(features(one), features(other), strict=True):
            share = cv2.resize(counts.astype(np.float32), a.shape[:0:-1], interpolation=cv2.INTER_AREA)
            total += float((np.square(a - b).sum(0) * share).sum() / max(float(share.sum()), 1e-6))
        found.append(total)
    return float(np.mean(found)) if found else float("nan")
