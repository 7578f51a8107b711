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
from visavis_models.voice.features import FEATURES, HOPS_PER_CHUNK
from visavis_models.voice.mouth import MOUTH_COUNT
from visavis_models.voice.phones import VISEMES as VISEMES
from visavis_models.weights import weight_file

LOOKAHEAD_CHUNKS = 2
LOOKAHEAD_MS = LOOKAHEAD_CHUNKS * CHUNK_MS
STATE_SIZE = 1060


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the network says of one chunk of each of B voices; the chunk heard `LOOKAHEAD_CHUNKS` ago."""

    mouth: NDArray[np.float32]
    """float32 (B, 15), mouth channels, 0..1."""
    visemes: NDArray[np.float32]
    """float32 (B, 15), probabilities of `VISEMES`."""
    speech: NDArray[np.float32]
    """float32 (B,), probability that somebody speaks."""
    closure: NDArray[np.float32]
    """float32 (B,), probability that the lips are together while speaking."""


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
        """The memory of a voice of which nothing was heard: float32 (1060,)."""
        return np.zeros(STATE_SIZE, np.float32)

    def run(self, features: NDArray[np.float32], states: NDArray[np.float32]) -> tuple[Encoded, NDArray[np.float32]]:
        """Hear one chunk of each of B voices.

        Args:
            features: float32 (B, 4, 41).
            states: float32 (B, 1060).

        Returns:
            What is said of them, and their next states.

        Raises:
            EngineError: the engine failed.
        """
        if features.shape[1:] != (HOPS_PER_CHUNK, FEATURES) or states.shape != (len(features), STATE_SIZE):
            raise ValueError(f"features {features.shape}, states {states.shape}: expected (B, 4, 41) and (B, 1060)")
        with self._one_at_a_time:
            values = self._engine.run({"features": features, "state": states})
        scores = values["scores"][:, 0]
        visemes = np.exp(scores[:, MOUTH_COUNT:-2] - scores[:, MOUTH_COUNT:-2].max(axis=1, keepdims=True))
        said = Encoded(
            mouth=np.clip(scores[:, :MOUTH_COUNT], 0.0, 1.0),
            visemes=visemes / visemes.sum(axis=1, keepdims=True),
            speech=_sigmoid(scores[:, -2]),
            closure=_sigmoid(scores[:, -1]),
        )
        return said, values["next_state"]


@cache
def shared_encoder(engine_kind: str | None = None) -> SpeechEncoder:
    """The process's encoder on that kind of engine, compiled once.

    Raises:
        WeightsError: the network does not ship with this copy.
        EngineError: no engine can run it.
    """
    return SpeechEncoder(open_engine(weight_file("listener"), engine_kind, threads=1))
