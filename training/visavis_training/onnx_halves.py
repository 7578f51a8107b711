"""Stores the weights of an ONNX file in 16 bits; they are cast when the file is opened and computed in 32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_SMALL = 256


def halve_weights(file: Path) -> None:
    """Rewrite the file; tensors of less than 256 numbers stay as they are.

    Raises:
        onnx.checker.ValidationError: the result is no valid graph.
    """
    model = onnx.load(str(file))
    kept, casts = [], []
    for weight in model.graph.initializer:
        array = numpy_helper.to_array(weight)
        if array.dtype != np.float32 or array.size < _SMALL:
            kept.append(weight)
            continue
        kept.append(numpy_helper.from_array(array.astype(np.float16), weight.name + "_half"))
        casts.append(helper.make_node("Cast", [weight.name + "_half"], [weight.name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(file))
