"""Runs the speech encoder network on an engine, for one voice or many at a time. Knows nothing of media clocks.

One compiled network serves every session of a process: it keeps no memory of its own, each voice's memory is a state
vector, and a lock lets one thread in at a time.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import CHUNK_MS
from visavis_models.engine import Engine
from visavis_models.engines import open_engine
from visavis_models.voice.answers import (
    CLOSURE,
    ENERGY,
    MOUTH,
    PHONE_SCORES,
    PITCH,
    PITCH_BASE_HZ,
    SPEECH,
    VOICING,
)
from visavis_models.voice.features import FEATURES, HOPS_PER_CHUNK
from visavis_models.voice.phones import VISEME_OF_PHONE
from visavis_models.weights import weight_file

LOOKAHEAD_CHUNKS = 2
LOOKAHEAD_MS = LOOKAHEAD_CHUNKS * CHUNK_MS
STATE_SIZE = 42852


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the network says of one chunk of each of B voices; the chunk heard `LOOKAHEAD_CHUNKS` ago."""

    mouth: NDArray[np.float32]
    """float32 (B, 15), mouth channels, 0..1."""
    phones: NDArray[np.float32]
    """float32 (B, phones), probabilities of `visavis_models.voice.phones.PHONES`."""
    visemes: NDArray[np.float32]
    """float32 (B, 15), probabilities of `visavis_models.voice.phones.VISEMES`."""
    speech: NDArray[np.float32]
    """float32 (B,), probability that somebody speaks."""
    closure: NDArray[np.float32]
    """float32 (B,), probability that the lips are together while speaking."""
    voicing: NDArray[np.float32]
    """float32 (B,), probability that the vocal folds sound."""
    pitch_hz: NDArray[np.float32]
    """float32 (B,), fundamental frequency, 60..500; means something only where the voice sounds."""
    energy: NDArray[np.float32]
    """float32 (B,), loudness of the voice (not of what is beside it), 0..1 of the speaker's usual peak."""


def _sigmoid(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * scores)), np.float32)


class SpeechEncoder:
    """The network on its engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._one_at_a_time = threading.Lock()

    @property
    def name(self) -> str:
        """Engine and device."""
        return self._engine.name

    def initial_state(self) -> NDArray[np.float32]:
        """The memory of a voice of which nothing was heard: float32 (42852,)."""
        return np.zeros(STATE_SIZE, np.float32)

    def run(self, features: NDArray[np.float32], states: NDArray[np.float32]) -> tuple[Encoded, NDArray[np.float32]]:
        """Hear one chunk of each of B voices.

        Args:
            features: float32 (B, 4, 41).
            states: float32 (B, 42852).

        Returns:
            What is said of them, and their next states.

        Raises:
            EngineError: the engine failed.
        """
        if features.shape[1:] != (HOPS_PER_CHUNK, FEATURES) or states.shape != (len(features), STATE_SIZE):
            raise ValueError(f"features {features.shape}, states {states.shape}: expected (B, 4, 41) and (B, 42852)")
        with self._one_at_a_time:
            values = self._engine.run({"features": features, "state": states})
        scores = values["scores"][:, 0]
        phones = np.exp(scores[:, PHONE_SCORES] - scores[:, PHONE_SCORES].max(axis=1, keepdims=True))
        phones /= phones.sum(axis=1, keepdims=True)
        said = Encoded(
            mouth=np.clip(scores[:, MOUTH], 0.0, 1.0),
            phones=phones,
            visemes=phones @ VISEME_OF_PHONE,
            speech=_sigmoid(scores[:, SPEECH]),
            closure=_sigmoid(scores[:, CLOSURE]),
            voicing=_sigmoid(scores[:, VOICING]),
            pitch_hz=np.clip(PITCH_BASE_HZ * np.exp2(scores[:, PITCH]), 60.0, 500.0),
            energy=np.clip(scores[:, ENERGY], 0.0, 1.0),
        )
        return said, values["next_state"]


_ENGINES = ("onnxruntime", "openvino")
"""For one chunk at a time ONNX Runtime needs about half of OpenVINO's time here."""


@cache
def shared_encoder(engine_kind: str | None = None) -> SpeechEncoder:
    """The process's encoder on that kind of engine, compiled once.

    Raises:
        WeightsError: the network does not ship with this copy.
        EngineError: no engine can run it.
    """
    return SpeechEncoder(open_engine(weight_file("listener"), engine_kind, threads=1, order=_ENGINES))
