"""Writes the trained speech encoder as the ONNX file that ships: weights in 16 bits, computed in 32.

    python -m visavis_training.speech.export --weights OUT/encoder.safetensors --out weights/listener.onnx

Voices (B) and chunks (T) are free dimensions; the state goes in and comes out. Says the sha256 for the manifest, and
fails if the file does not agree with the network it was made from.
"""

from __future__ import annotations

import argparse
import hashlib
import warnings
from pathlib import Path

import numpy as np
import torch

from visavis_models.network_libraries import import_onnxruntime
from visavis_models.voice.encoder import LOOKAHEAD_CHUNKS, STATE_SIZE
from visavis_models.voice.features import FEATURES
from visavis_training.onnx_halves import halve_weights
from visavis_training.speech.network import NAMED, SpeechEncoder


def export(model: SpeechEncoder, out: Path) -> None:
    """Write the graph, then its weights in half precision."""
    features, state = torch.zeros(2, 8, FEATURES), torch.zeros(2, model.state_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (features, state),
            str(out),
            input_names=["features", "state"],
            output_names=["scores", "next_state"],
            dynamic_axes={
                "features": {0: "B", 1: "T4"},
                "state": {0: "B"},
                "scores": {0: "B", 1: "T"},
                "next_state": {0: "B"},
            },
            opset_version=17,
            dynamo=False,
        )
    halve_weights(out)


def worst_difference(model: SpeechEncoder, out: Path) -> float:
    """Largest difference between the file run chunk by chunk and the network run on the whole, over random features."""
    onnxruntime = import_onnxruntime()

    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    source = np.random.default_rng(0)
    features = source.uniform(-2, 1, (3, 4 * 50, FEATURES)).astype(np.float32)
    with torch.no_grad():
        whole, _ = model(torch.from_numpy(features), torch.zeros(3, model.state_size))
    state = np.zeros((3, model.state_size), np.float32)
    pieces = []
    for t in range(50):
        scores, state = session.run(None, {"features": features[:, 4 * t : 4 * t + 4], "state": state})
        pieces.append(scores)
    return float(np.abs(np.concatenate(pieces, axis=1) - whole.numpy()).max())


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(args.weights, "pt") as opened:
        parameters = NAMED[opened.metadata()["shape"]]
    model = SpeechEncoder(parameters)
    if (model.state_size, parameters.lookahead_chunks) != (STATE_SIZE, LOOKAHEAD_CHUNKS):
        raise SystemExit(
            f"visavis_models.voice.encoder says a state of {STATE_SIZE} and {LOOKAHEAD_CHUNKS} chunks of look-ahead; "
            f"this network has {model.state_size} and {parameters.lookahead_chunks}: change them there"
        )
    weights = {
        name: value.half().float() if value.numel() >= 256 else value for name, value in load_file(args.weights).items()
    }
    model.load_state_dict(weights, strict=True)
    model.eval()
    export(model, args.out)
    difference = worst_difference(model, args.out)
    content = args.out.read_bytes()
    print(f"largest difference, streamed file against whole network: {difference:.2e}")
    print(f'sha256 = "{hashlib.sha256(content).hexdigest()}"\nbytes = {len(content)}')
    if difference > 1e-3:
        raise SystemExit("the exported file does not agree with the network")


if __name__ == "__main__":
    main()
