"""The listener that ships: lips from the voice, everything else from presence, joined into motion windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from visavis_models.behaviour import Presence, Situation
from visavis_models.chunk import Chunk
from visavis_models.motion import MotionWindow, rest_motion
from visavis_models.voice.listener import MouthListener, MouthMotion


class Performer:
    """Hears one voice and performs it. Implements `Listener`.

    Args:
        seed: two performers with one seed blink and sway alike.
        engine_kind: which engine runs the network; None takes the best that works.
        mouth_only: leave out presence: eyes, brows, head and body stay at rest.
    """

    def __init__(self, seed: int, engine_kind: str | None = None, mouth_only: bool = False) -> None:
        self._mouth = MouthListener(engine_kind)
        self._presence = Presence(seed)
        self._mouth_only = mouth_only
        self._listening = False
        self.heard: MouthMotion | None = None
        """What the voice said of the newest motion; None while the look-ahead fills."""

    @property
    def lookahead_ms(self) -> int:
        """How much future voice a motion waits for."""
        return self._mouth.lookahead_ms

    def push(self, chunk: Chunk) -> MotionWindow | None:
        """Hear one chunk; see `Listener.push`."""
        self.heard = mouth = self._mouth.push(chunk)
        if mouth is None:
            return None
        if self._mouth_only:
            still = rest_motion(1, mouth.index)
            return replace(still, face=mouth.face[None], speaking=np.array([mouth.speaking]))
        face, head, body = self._presence.step(Situation(mouth.speaking, self._listening, mouth.energy))
        return MotionWindow(
            mouth.index,
            np.clip(face + mouth.face, 0.0, 1.0)[None],
            head[None],
            body[None],
            np.array([mouth.speaking]),
        )

    def interrupt(self, last_shown: int | None = None) -> None:
        """Forget the voice; the mouth closes softly. See `Listener.interrupt`."""
        self._mouth.interrupt(last_shown)

    def set_listening(self, on: bool) -> None:
        """Attend to somebody else's voice, or stop."""
        self._listening = on
