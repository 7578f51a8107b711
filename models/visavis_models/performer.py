"""The listener that ships: lips from the voice, everything else from presence, joined into motion windows."""

from __future__ import annotations

import numpy as np

from visavis_models.behaviour import Presence, Situation
from visavis_models.chunk import Chunk
from visavis_models.motion import MotionWindow
from visavis_models.voice.listener import MouthListener


class Performer:
    """Hears one voice and performs it. Implements `Listener`.

    Args:
        seed: two performers with one seed blink and sway alike.
        engine_kind: which engine runs the network; None takes the best that works.
    """

    def __init__(self, seed: int, engine_kind: str | None = None) -> None:
        self._mouth = MouthListener(engine_kind)
        self._presence = Presence(seed)
        self._listening = False

    @property
    def lookahead_ms(self) -> int:
        """How much future voice a motion waits for."""
        return self._mouth.lookahead_ms

    def push(self, chunk: Chunk) -> MotionWindow | None:
        """Hear one chunk; see `Listener.push`."""
        mouth = self._mouth.push(chunk)
        if mouth is None:
            return None
        face, head, body = self._presence.step(Situation(mouth.speaking, self._listening, mouth.energy))
        return MotionWindow(
            mouth.index,
            np.clip(face + mouth.face, 0.0, 1.0)[None],
            head[None],
            body[None],
            np.array([mouth.speaking]),
        )

    def interrupt(self) -> None:
        """Forget the voice; the mouth closes softly."""
        self._mouth.interrupt()

    def set_listening(self, on: bool) -> None:
        """Attend to somebody else's voice, or stop."""
        self._listening = on
