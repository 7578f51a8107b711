"""The listener that ships: lips from the voice, everything else from presence, joined into motion windows."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from visavis_models.behaviour import Presence, Situation
from visavis_models.chunk import Chunk
from visavis_models.motion import MotionWindow, join_windows, rest_motion
from visavis_models.voice.listener import MouthListener, MouthMotion

_REMEMBERED_FRAMES = 50  # 2 s: longer than any frame waits between its motion and its being shown


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
        self._presences: deque[MotionWindow] = deque(maxlen=_REMEMBERED_FRAMES)
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
        presence = rest_motion(1, mouth.index)
        if not self._mouth_only:
            face, head, body = self._presence.step(Situation(mouth.speaking, self._listening, mouth.energy))
            presence = replace(presence, face=face[None], head=head[None], body=body[None])
        self._presences.append(presence)
        return _speaking(presence, mouth.face, mouth.speaking)

    def interrupt(self, last_shown: int | None = None, next_shown: int | None = None) -> MotionWindow | None:
        """Forget the voice; the mouth closes softly. See `Listener.interrupt`."""
        faces = dict(self._mouth.interrupt(last_shown, next_shown))
        again = [presence for presence in self._presences if presence.first_frame in faces]
        if not again:
            return None
        return join_windows([_speaking(presence, faces[presence.first_frame], False) for presence in again])

    def set_listening(self, on: bool) -> None:
        """Attend to somebody else's voice, or stop."""
        self._listening = on


def _speaking(presence: MotionWindow, mouth: NDArray[np.float32], speaking: bool) -> MotionWindow:
    """One frame of presence with a mouth, float32 (52,)."""
    return replace(presence, face=np.clip(presence.face + mouth, 0.0, 1.0), speaking=np.array([speaking]))
