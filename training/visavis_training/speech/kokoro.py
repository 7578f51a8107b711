"""Speaks phone symbols with Kokoro-82M and says when each symbol sounds.

The graph is the int8 ONNX export of Kokoro v1.0 (Apache-2.0); the predicted durations are read out with the sound. On a
CPU it runs in ONNX Runtime, on a GPU in torch, from the same file. Knows nothing of text or of faces.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from visavis_models.network_libraries import import_onnxruntime

SAMPLE_RATE_HZ = 24_000
UNIT_S = 0.025
"""One unit of predicted duration: exactly 600 samples."""
TOKEN_LAG_S = 0.075
"""Measured against pocketsphinx: a token's sound begins this much before the sum of the durations before it."""
_DURATIONS = "/encoder/Clip_output_0"
_OUTPUTS = ("audio", _DURATIONS)
_MAX_SYMBOLS = 500

Engine = Callable[[Mapping[str, NDArray[Any]]], list[NDArray[Any]]]
"""From `tokens` int64 (1, L), `style` float32 (1, 256) and `speed` float32 (1,) to the sound and the durations."""


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


@dataclass(frozen=True, slots=True)
class Blend:
    """A voice between two voices."""

    first: str
    second: str
    share: float
    """Of the second voice, 0 to 1."""

    @property
    def voices(self) -> tuple[str, ...]:
        """The recorded voices that sound in it."""
        return (self.first,) if self.second == self.first else (self.first, self.second)


def parse_voice(name: str) -> Blend:
    """Read a voice's name: `af_heart`, or `af_heart+am_adam@0.35` for 35 % of the second in the first.

    Raises:
        ValueError: the name is neither.
    """
    pair, at, share = name.partition("@")
    first, plus, second = pair.partition("+")
    try:
        part = float(share) if at else 0.0
    except ValueError:
        part = -1.0
    if not first or bool(plus) != bool(at) or (plus and not second) or "+" in second or not 0.0 <= part <= 1.0:
        raise ValueError(f"{name!r} is no voice: write af_heart, or af_heart+am_adam@0.35 for a blend")
    return Blend(first, second or first, part)


class Kokoro:
    """One speaker; a process holds one.

    Args:
        folder: holds `model.onnx`, `vocab.json` and `voices/NAME.bin` (float32 (510, 256)) or `voices/NAME.npy` (any
            float). For ONNX Runtime, `model.onnx` must have been through `expose_durations`.
        threads: CPU threads of one call of ONNX Runtime.
        device: "cpu" or a torch device such as "cuda".
        engine: what runs the graph; by default ONNX Runtime on the CPU and torch elsewhere. Torch does not round the
            activations to int8, so the two differ a little in sound and, by single units, in durations.
    """

    def __init__(
        self,
        folder: Path,
        threads: int = 1,
        device: str = "cpu",
        engine: Literal["onnxruntime", "torch"] | None = None,
    ) -> None:
        self._folder = folder
        if (engine or ("onnxruntime" if device == "cpu" else "torch")) == "torch":
            from visavis_training.speech.graph_in_torch import open_graph

            self._run: Engine = open_graph(folder / "model.onnx", _OUTPUTS, device)
        else:
            self._run = _in_onnxruntime(folder / "model.onnx", threads)
        vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))
        self._vocabulary: dict[str, int] = vocabulary.get("vocab", vocabulary)
        self._voices: dict[str, NDArray[np.float32]] = {}

    def voice(self, name: str) -> NDArray[np.float32]:
        """The style vectors of a voice or a blend (see `parse_voice`) by utterance length: float32 (510, 256).

        Raises:
            ValueError: the name cannot be read.
            FileNotFoundError: there is no such voice.
        """
        blend = parse_voice(name)
        first = self._recorded(blend.first)
        if blend.second == blend.first:
            return first
        return (1 - np.float32(blend.share)) * first + np.float32(blend.share) * self._recorded(blend.second)

    def _recorded(self, name: str) -> NDArray[np.float32]:
        if name not in self._voices:
            packed = self._folder / "voices" / f"{name}.npy"
            if packed.is_file():
                self._voices[name] = np.load(packed).astype(np.float32).reshape(-1, 256)
            else:
                raw = np.fromfile(self._folder / "voices" / f"{name}.bin", np.float32)
                self._voices[name] = raw.reshape(-1, 256)
        return self._voices[name]

    def speak(self, phones: str, voice: str, speed: float = 1.0) -> Utterance:
        """Synthesise one utterance of at most 500 symbols.

        Raises:
            ValueError: no symbol is known to the voice, there are too many, or the voice's name cannot be read.
            FileNotFoundError: there is no such voice.
        """
        tokens = "".join(symbol for symbol in phones if symbol in self._vocabulary)
        if not 0 < len(tokens) <= _MAX_SYMBOLS:
            raise ValueError(f"{len(tokens)} symbols: a voice speaks 1 to {_MAX_SYMBOLS} at a time")
        styles = self.voice(voice)
        ids = np.array([[0, *(self._vocabulary[symbol] for symbol in tokens), 0]], np.int64)
        style = styles[min(len(tokens), len(styles)) - 1][None]
        samples, durations = self._run({"tokens": ids, "style": style, "speed": np.array([speed], np.float32)})
        units = np.asarray(durations, np.float64).reshape(-1)
        edges = np.concatenate([[0.0], np.cumsum(units)])[1:-1] * UNIT_S - TOKEN_LAG_S
        return Utterance(np.asarray(samples, np.float32).reshape(-1), tokens, np.maximum(edges, 0.0))


def _in_onnxruntime(graph: Path, threads: int) -> Engine:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    return lambda inputs: list(session.run(list(_OUTPUTS), dict(inputs)))
