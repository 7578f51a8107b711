"""Speaks phone symbols with Kokoro-82M and says when each symbol sounds.

The graph is the int8 ONNX export of Kokoro v1.0 (Apache-2.0); the predicted durations are read out with the sound. On a
CPU it runs in ONNX Runtime, on a GPU in torch, from the same file. Knows nothing of text or of faces.
"""

from __future__ import annotations

import json
import math
import re
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
PROSODY = 128
"""The graph splits a style vector here: what is before goes to the decoder alone, the rest to the predictor alone."""
_ROUNDING = 0.005
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


Mixture = tuple[tuple[str, float], ...]
"""Recorded voices and weights that sum to 1; a voice that the others are pushed away from has a negative one."""


@dataclass(frozen=True, slots=True)
class Mixed:
    """A voice made of recorded ones: how it sounds and how it speaks may come from different people."""

    timbre: Mixture
    """What the decoder turns symbols into sound with: the vocal tract and the voice's colour."""
    prosody: Mixture
    """What durations, pitch and loudness are predicted with: rhythm, melody, accent."""

    @property
    def voices(self) -> tuple[str, ...]:
        """The recorded voices that sound in it, also those that it is pushed away from."""
        return tuple(dict.fromkeys(name for name, _ in (*self.timbre, *self.prosody)))


def parse_voice(name: str) -> Mixed:
    """Read a voice's name.

    | name | is |
    |---|---|
    | `af_heart` | a recorded voice |
    | `af_heart+am_adam@0.35` | 35 % of the second in the first |
    | `af_heart*0.7+am_adam*0.5-zf_xiaoni*0.2` | any mixture; the weights sum to 1 |
    | `TIMBRE/PROSODY` | each one of the above: sounds like the first, speaks like the second |

    Raises:
        ValueError: the name is none of these.
    """
    parts = name.split("/")
    mixtures = [_mixture(part) for part in parts]
    if len(parts) > 2 or not all(mixtures):
        raise ValueError(
            f"{name!r} is no voice: write af_heart, af_heart+am_adam@0.35 or af_heart*0.6+am_adam*0.4, "
            "and one more of them after a slash for another's prosody"
        )
    return Mixed(mixtures[0], mixtures[-1])


def _mixture(text: str) -> Mixture:
    """Empty where the text is none."""
    if re.fullmatch(r"\w+", text):
        return ((text, 1.0),)
    pair = re.fullmatch(r"(\w+)\+(\w+)@([\d.]+)", text)
    if pair:
        share = _number(pair[3])
        return ((pair[1], 1.0 - share), (pair[2], share)) if 0.0 <= share <= 1.0 else ()
    if not re.fullmatch(r"\w+\*[\d.]+([+-]\w+\*[\d.]+)*", text):
        return ()
    terms = re.findall(r"([+-]?)(\w+)\*([\d.]+)", text)
    mixture = tuple((name, _number(weight) * (-1 if sign == "-" else 1)) for sign, name, weight in terms)
    return mixture if abs(sum(weight for _, weight in mixture) - 1.0) < _ROUNDING else ()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def written(mixture: Mixture) -> str:
    """The name of a mixture, as `parse_voice` reads it: `af_heart*0.6+am_adam*0.4`."""
    if len(mixture) == 1:
        return mixture[0][0]
    return "".join(f"{'-' if weight < 0 else '+'}{name}*{abs(weight):g}" for name, weight in mixture).lstrip("+")


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
        """The style vectors of a voice (see `parse_voice`) by utterance length: float32 (510, 256).

        Raises:
            ValueError: the name cannot be read.
            FileNotFoundError: there is no such voice.
        """
        mixed = parse_voice(name)
        halves = (mixed.timbre, slice(0, PROSODY)), (mixed.prosody, slice(PROSODY, None))
        return np.concatenate(
            [sum(np.float32(weight) * self._recorded(each)[:, half] for each, weight in mix) for mix, half in halves],
            axis=1,
        )

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
