"""Speaks English text with a Piper voice (VITS) through ONNX Runtime and says when each phone sounds.

Needs the program `espeak-ng` for the phonemes. The voice's noise comes from outside the graph, so that a seed gives the
same utterance again. Knows nothing of corpora or of faces.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visavis_models.network_libraries import import_onnxruntime
from visavis_training.speech.phones import phones_of_tokens
from visavis_training.speech.spoken_text import SpokenText

UNIT_SAMPLES = 256
"""One unit of the voice's durations.

A filler stands between the phonemes and takes almost half of all time. It is given to the phone after it: so the sound
changes most within 2 ms of the borders, and they lie 8 ms (starts) and 5 ms (ends) after pocketsphinx's, which are 7 ms
early by the same measure; given to the phone before, borders are 28 and 25 ms after pocketsphinx's (40 sentences at
speeds 0.8, 1 and 1.25, 1021 phones).
"""
_DURATIONS = "/Ceil_output_0"
_NOISES = {"/dp/RandomNormalLike": "duration_noise", "/RandomNormalLike": "voice_noise"}
_CHANNELS = {"duration_noise": 2, "voice_noise": 192}
_BEGIN, _END, _PAD = "^", "$", "_"

_SOUNDS: dict[str, str] = {
    "aɪ": "I", "aʊ": "W", "eɪ": "A", "ɔɪ": "Y", "dʒ": "ʤ", "tʃ": "ʧ", "oʊ": "O", "əʊ": "Q", "ɚ": "əɹ", "ɜː": "ɜɹ",
    "ɝ": "ɜɹ", "əl": "əl", "ɪɹ": "ɪɹ", "ʔ": "t", "r": "ɹ", "g": "ɡ", "ɬ": "l", "ç": "k", "oː": "o", "ɐ": "ə",
    "aɪə": "Iə", "aɪɚ": "Iəɹ", "iə": "iə", "l̩": "əl", "n̩": "n", "m̩": "m", "x": "k",
}  # fmt: skip
"""What espeak-ng writes, its ties cut, in our phones; what is not here is a phone of ours already."""
_CLAUSE = re.compile(r"([,.;:!?—]+)(?=\s|$)")
_SWITCH = re.compile(r"\([a-z-]+\)")
_KEPT = " ˈˌ,.;:!?—"


@dataclass(frozen=True, slots=True)
class Written:
    """A stretch of the phonemes: what Piper is given, and our phones in it (a pause or a stress stands for itself)."""

    given: str
    phones: str


def written(text: str) -> list[Written]:
    """The phonemes of an English text by espeak-ng, its punctuation kept.

    Raises:
        subprocess.CalledProcessError: espeak-ng failed.
    """
    found: list[Written] = []
    for piece in _CLAUSE.split(text.replace("’", "'")):
        if _CLAUSE.fullmatch(piece):
            found.append(Written(piece[0], piece[0]))
        elif piece.strip():
            command = ["espeak-ng", "--ipa", "--tie=^", "-q", "-b", "1", "-v", "en-us", piece.strip()]
            told = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout
            if found:
                found.append(Written(" ", " "))
            found += sounds_of(_SWITCH.sub("", " ".join(told.split())))
    return found


def sounds_of(ipa: str) -> list[Written]:
    """One group for every sound: letters tied by "^" with the marks after them, and each stress and space alone."""
    groups: list[str] = []
    tied = False
    for letter in ipa:
        if letter == "^":
            tied = True
        elif groups and groups[-1] not in _KEPT and (tied or letter in "ː\u0329\u0303ʲʰ"):
            groups[-1] += letter
            tied = False
        else:
            groups.append(letter)
            tied = False
    return [Written(group, group if group in _KEPT else _phones_of(group)) for group in groups]


def _phones_of(group: str) -> str:
    plain = re.sub("[ː\u0329\u0303ʲʰ]", "", group)
    return _SOUNDS.get(group) or _SOUNDS.get(plain) or plain


def expose(graph: Path, out: Path) -> None:
    """Write a copy of a Piper graph that also gives its durations and takes its noise as inputs (needs `onnx`).

    The noise inputs are float32 (1, 2, T) `duration_noise` and (1, 192, frames) `voice_noise`; longer ones are cut.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load(str(graph))
    nodes = []
    for node in model.graph.node:
        name = _NOISES.get(node.name)
        if node.op_type != "RandomNormalLike" or name is None:
            nodes.append(node)
            continue
        nodes += [
            helper.make_node("Shape", [node.input[0]], [f"{name}_shape"]),
            helper.make_node("Slice", [name, "noise_from", f"{name}_shape", "noise_axes"], [node.output[0]]),
        ]
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, _CHANNELS[name], None]))
    model.graph.initializer.extend(
        [helper.make_tensor("noise_from", 7, [3], [0, 0, 0]), helper.make_tensor("noise_axes", 7, [3], [0, 1, 2])]
    )
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.output.append(helper.make_tensor_value_info(_DURATIONS, TensorProto.FLOAT, [1, 1, None]))
    onnx.save(model, str(out))


class Piper:
    """One voice; a process holds one.

    Args:
        folder: holds `model.onnx` (see `expose`) and `config.json`.
        threads: CPU threads of one call.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        config = json.loads((folder / "config.json").read_text("utf-8"))
        self.rate_hz = int(config["audio"]["sample_rate"])
        self._ids: dict[str, int] = {symbol: ids[0] for symbol, ids in config["phoneme_id_map"].items()}

    def speak(
        self, text: str, speed: float = 1.0, seed: int = 0, noise: float = 0.667, swing: float = 0.8
    ) -> SpokenText:
        """Speak an English text.

        Args:
            text: one or a few sentences.
            speed: 1.25 takes four fifths of the time.
            seed: the same one gives the same samples.
            noise: how freely the voice sounds, 0..1.
            swing: how freely its durations vary, 0..1.

        Raises:
            subprocess.CalledProcessError: espeak-ng failed.
            ValueError: nothing in the text can be spoken.
        """
        ids, spans = [self._ids[_BEGIN], self._ids[_PAD]], []
        for part in written(text):
            known = [self._ids[letter] for letter in part.given if letter in self._ids]
            if known:
                spans.append((part.phones, len(ids) - 1, len(ids) - 1 + 2 * len(known)))  # with the filler before
                for one in known:
                    ids += [one, self._ids[_PAD]]
        if not spans:
            raise ValueError("nothing to speak")
        ids.append(self._ids[_END])
        samples, durations = self._run(ids, speed, seed, noise, swing)
        ends = np.concatenate([[0.0], np.cumsum(durations)]) * UNIT_SAMPLES / self.rate_hz
        tokens, edges = "", [float(ends[spans[0][1]])]
        for phones, first, last in spans:
            tokens += phones
            edges += list(np.linspace(ends[first], ends[last], len(phones) + 1)[1:])
        edges = [max(0.0, edge) for edge in edges]
        return SpokenText(samples, self.rate_hz, phones_of_tokens(tokens, edges, len(samples) / self.rate_hz))

    def _run(
        self, ids: list[int], speed: float, seed: int, noise: float, swing: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        source = np.random.default_rng(seed)
        frames = 60 + int(len(ids) * 20 / speed)
        samples, durations = self._session.run(
            ["output", _DURATIONS],
            {
                "input": np.array([ids], np.int64),
                "input_lengths": np.array([len(ids)], np.int64),
                "scales": np.array([noise, 1.0 / speed, swing], np.float32),
                "duration_noise": source.standard_normal((1, 2, len(ids)), np.float32),
                "voice_noise": source.standard_normal((1, 192, frames), np.float32),
            },
        )
        units = np.asarray(durations, np.float64).reshape(-1)
        return np.asarray(samples, np.float32).reshape(-1), units
