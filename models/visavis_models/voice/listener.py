"""Hears one voice and says what its mouth does, frame by frame: features, network, exact lips, speech or silence.

Knows nothing of blinks, heads or pictures.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import CHUNK_SAMPLES, Chunk
from visavis_models.errors import BadVoice
from visavis_models.voice.activity import VoiceActivity
from visavis_models.voice.encoder import LOOKAHEAD_CHUNKS, LOOKAHEAD_MS, Encoded, SpeechEncoder, shared_encoder
from visavis_models.voice.features import FeatureStream
from visavis_models.voice.lips import SpeechGate, sealed
from visavis_models.voice.mouth import MOUTH_COUNT, face_of_mouth
from visavis_models.voice.phones import VISEMES

_log = logging.getLogger(__name__)

_BILABIAL = VISEMES.index("PP")
_INTERRUPTED_FRAMES = 3  # 120 ms: as quick as looks natural; with what is on its way, a receiver sees it within 250 ms

_REMEMBERED_FRAMES = 50  # 2 s: longer than any frame waits between its motion and its being shown


@dataclass(frozen=True, slots=True)
class MouthMotion:
    """What the voice says of one frame."""

    index: int
    """The frame on the media clock."""
    face: NDArray[np.float32]
    """float32 (52,), ARKit coefficients, 0..1; only those that speech moves are ever above 0."""
    speaking: bool
    """Whether the person speaks, short pauses included: for states, not for lips."""
    energy: float
    """How loud the voice is against the speaker's usual peak: 0 silent, 1 the loudest; noise does not count."""
    speech_probability: float
    """0..1, the network's own, without hangover."""
    visemes: NDArray[np.float32]
    """float32 (15,), probabilities of `visavis_models.voice.phones.VISEMES`."""
    phones: NDArray[np.float32]
    """float32 (phones,), probabilities of `visavis_models.voice.phones.PHONES`."""
    voicing: float
    """Probability that the vocal folds sound, 0..1."""
    pitch_hz: float
    """Fundamental frequency, 60..500; 0 where the voice does not sound."""


class MouthListener:
    """The mouth of one voice. One instance a session, used by one thread at a time; the network is shared by all.

    Args:
        engine_kind: one of `visavis_models.engines.ENGINE_KINDS`, or None for the first that works.

    Raises:
        WeightsError, EngineError: the network cannot be loaded.
    """

    lookahead_ms: int = LOOKAHEAD_MS

    def __init__(self, engine_kind: str | None = None) -> None:
        self._encoder = shared_encoder(engine_kind)
        self._warned = False
        self._first: int | None = None
        self._mouths: deque[tuple[int, NDArray[np.float32]]] = deque(maxlen=_REMEMBERED_FRAMES)
        self._left_mouth = np.zeros(MOUTH_COUNT, np.float32)
        self._since_interrupt = _INTERRUPTED_FRAMES
        self._forget()

    def _forget(self) -> None:
        self._features = FeatureStream()
        self._activity = VoiceActivity()
        self._gate = SpeechGate()
        self._state = self._encoder.initial_state()
        self._unheard = LOOKAHEAD_CHUNKS
        self._active: deque[bool] = deque([False] * LOOKAHEAD_CHUNKS, LOOKAHEAD_CHUNKS + 1)

    def push(self, chunk: Chunk) -> MouthMotion | None:
        """Hear one chunk; chunks come in order.

        Returns:
            The motion of frame `chunk.index - lookahead_ms / 40`, or None for the first `lookahead_ms / 40` chunks.

        Raises:
            BadVoice: the chunk does not have 640 samples.
            EngineError: the engine failed.
        """
        return push_all([self], [chunk])[0]

    def interrupt(
        self, last_shown: int | None = None, next_shown: int | None = None
    ) -> list[tuple[int, NDArray[np.float32]]]:
        """The speaker was cut off: forget what was heard; the mouth is shut 120 ms later. Frame numbering goes on.

        Args:
            last_shown: see `Listener.interrupt`.
            next_shown: see there.

        Returns:
            Frames that were told already, with what their faces do now, float32 (52,).
        """
        seen = [mouth for index, mouth in self._mouths if last_shown is None or index <= last_shown]
        if seen:
            self._left_mouth = seen[-1]
        self._since_interrupt = 0
        self._forget()
        again = [] if next_shown is None else [index for index, _ in self._mouths if index >= next_shown]
        self._mouths = deque((m for m in self._mouths if m[0] not in again), _REMEMBERED_FRAMES)
        shut = np.zeros(MOUTH_COUNT, np.float32)
        self._mouths.extend((index, self._closing(shut)) for index in again)
        return [(index, face_of_mouth(mouth)) for index, mouth in self._mouths if index in again]

    def _closing(self, mouth: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the mouth does in the next frame, if without an interruption it did this."""
        if self._since_interrupt >= _INTERRUPTED_FRAMES:
            return mouth
        self._since_interrupt += 1
        # Quick at first and slow at last: the picture has stood still until now, and nobody sees a slow beginning.
        kept = np.float32((1.0 - self._since_interrupt / _INTERRUPTED_FRAMES) ** 1.5)
        return kept * self._left_mouth + (1 - kept) * mouth

    def _hear(self, chunk: Chunk) -> NDArray[np.float32]:
        samples = np.asarray(chunk.samples, np.float32)
        if samples.shape != (CHUNK_SAMPLES,):
            raise BadVoice(
                "chunk_size", f"A chunk has {samples.shape} samples, not 640.", "Cut the voice into 40 ms at 16 kHz."
            )
        finite = np.isfinite(samples)
        if not finite.all():
            samples = np.where(finite, samples, np.float32(0))
            if not self._warned:
                self._warned = True
                _log.warning("voice has samples that are not numbers; they are heard as silence")
        samples = np.clip(samples, -1.0, 1.0)
        heard = self._features.push(samples)
        self._active.append(self._activity.push(samples))
        return heard

    def _show(self, chunk: Chunk, said: Encoded, row: int) -> MouthMotion | None:
        if self._first is None:
            self._first = chunk.index
        speech = float(said.speech[row])
        if self._unheard:  # what the network says now is of a time before the voice began
            self._unheard -= 1
            speech, share = 0.0, 0.0
        else:
            share = self._gate.step(speech)
        index = chunk.index - LOOKAHEAD_CHUNKS
        if index < self._first:
            return None
        closure = max(float(said.closure[row]), float(said.visemes[row, _BILABIAL]))
        mouth = self._closing(sealed(said.mouth[row], closure) * np.float32(share))
        self._mouths.append((index, mouth))
        sounds = share > 0.0 and float(said.voicing[row]) > 0.5
        return MouthMotion(
            index=index,
            face=face_of_mouth(mouth),
            speaking=bool(share > 0.0 and any(self._active)),
            energy=float(said.energy[row]) * share,
            speech_probability=speech,
            visemes=said.visemes[row],
            phones=said.phones[row],
            voicing=float(said.voicing[row]) * share,
            pitch_hz=float(said.pitch_hz[row]) if sounds else 0.0,
        )


def push_all(listeners: Sequence[MouthListener], chunks: Sequence[Chunk]) -> list[MouthMotion | None]:
    """Each listener hears its own chunk, all in one pass of the network; see `MouthListener.push`.

    The listeners must share one engine kind.
    """
    if not listeners:
        return []
    encoder: SpeechEncoder = listeners[0]._encoder
    heard = np.stack([listener._hear(chunk) for listener, chunk in zip(listeners, chunks, strict=True)])
    said, states = encoder.run(heard, np.stack([listener._state for listener in listeners]))
    shown = []
    for row, (listener, chunk) in enumerate(zip(listeners, chunks, strict=True)):
        listener._state = states[row]
        shown.append(listener._show(chunk, said, row))
    return shown
