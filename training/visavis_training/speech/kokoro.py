"""Speaks phone symbols with Kokoro-82M and says when each symbol sounds.

The graph is the int8 ONNX export of Kokoro v1.0 (Apache-2.0); its duration predictor is made a second output. Knows
nothing of text or of faces. Runs wherever numpy and ONNX Runtime do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visavis_models.network_libraries import import_onnxruntime

SAMPLE_RATE_HZ = 24_000
UNIT_S = 0.025
"""One unit of predicted duration: exactly 600 samples."""
TOKEN_LAG_S = 0.075
"""Measured against pocketsphinx: a token's sound begins this much before the sum of the durations before it."""
_DURATIONS = "/encoder/Clip_output_0"


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one call of the voice gave."""

    samples: NDArray[np.float32]
    """float32 (N,), 24 kHz."""
    tokens: str
    """The symbols spoken, those that the voice does not know left out."""
    edges_s: NDArray[np.float64]
    """float64 (len(tokens) + 1,): when each symbol begins, and when the last ends; corrected for `TOKEN_LAG_S`."""


def expose_durations(graph: Path, out: Path) -> None:
    """Write a copy of the Kokoro graph whose second output are the tokens' durations (needs the package `onnx`)."""
    import onnx

    model = onnx.load(str(graph))
    if all(output.name != _DURATIONS for output in model.graph.output):
        model.graph.output.append(onnx.ValueInfoProto(name=_DURATIONS))
    onnx.save(model, str(out))


class Kokoro:
    """One speaker engine; a process holds one.

    Args:
        folder: holds `model.onnx` (see `expose_durations`), `vocab.json` and `voices/NAME.bin` (float32 (510, 256)) or
            `voices/NAME.npy`.
        threads: CPU threads of one call.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        onnxruntime = import_onnxruntime()

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._folder = folder
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))
        self._vocabulary: dict[str, int] = vocabulary.get("vocab", vocabulary)
        self._voices: dict[str, NDArray[np.float32]] = {}

    def voice(self, name: str) -> NDArray[np.float32]:
        """The style vectors of a voice by utterance length: float32 (510, 256)."""
        if name not in self._voices:
            packed = self._folder / "voices" / f"{name}.npy"
            if packed.is_file():
                self._voices[name] = np.load(packed).astype(np.float32)
            else:
                raw = np.fromfile(self._folder / "voices" / f"{name}.bin", np.float32)
                self._voices[name] = raw.reshape(-1, 256)
        return self._voices[name]

    def speak(self, phones: str, voice: str, speed: float = 1.0) -> Utterance:
        """Synthesise one utterance of at most 500 symbols.

        Raises:
            ValueError: no symbol is known to the voice, or there are too many.
        """
        tokens = "".join(symbol for symbol in phones if symbol in self._vocabulary)
        if not 0 < len(tokens) <= 500:
            raise ValueError(f"{len(tokens)} symbols: a voice speaks 1 to 500 at a time")
        styles = self.voice(voice)
        ids = np.array([[0, *(self._vocabulary[symbol] for symbol in tokens), 0]], np.int64)
        style = styles[min(len(tokens), len(styles)) - 1][None]
        samples, durations = self._session.run(
            ["audio", _DURATIONS], {"tokens": ids, "style": style, "speed": np.array([speed], np.float32)}
        )
        units = np.asarray(durations, np.float64).reshape(-1)
        edges = np.concatenate([[0.0], np.cumsum(units)])[1:-1] * UNIT_S - TOKEN_LAG_S
        return Utterance(np.asarray(samples, np.float32).reshape(-1), tokens, np.maximum(edges, 0.0))
