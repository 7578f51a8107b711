"""The listener that ships: lips from the voice, everything else from presence, joined into motion windows."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from visavis_models.behaviour import Presence, Situation
from visavis_models.behaviour.emotional_face import Colour, EmotionalFace, coloured_face
from visavis_models.behaviour.other_side import OtherSide, OtherVoice
from visavis_models.behaviour.presets import conduct
from visavis_models.behaviour.voice_feeling import VoiceFeeling, level_of
from visavis_models.chunk import Chunk
from visavis_models.mood import Mood
from visavis_models.motion import MotionWindow, join_windows, rest_motion
from visavis_models.voice.listener import MouthListener, MouthMotion
from visavis_models.voice.onset import SoftOnset

_REMEMBERED_FRAMES = 50  # 2 s: longer than any frame waits between its motion and its being shown


class Performer:
    """Hears one voice and performs it. Implements `Listener`.

    Args:
        seed: two performers with one seed blink and sway alike.
        engine_kind: which engine runs the network; None takes the best that works.
        mouth_only: leave out presence: eyes, brows, head and body stay at rest.
        mood: how the avatar is to be; see `set_mood`.
    """

    def __init__(
        self, seed: int, engine_kind: str | None = None, mouth_only: bool = False, mood: Mood | None = None
    ) -> None:
        self._mouth = MouthListener(engine_kind)
        self._presence = Presence(seed)
        self._emotion = EmotionalFace(seed)
        self._mood = mood or Mood()
        self._voice = VoiceFeeling()
        self._mouth_only = mouth_only
        self._onset = SoftOnset()
        self._other_side = OtherSide()
        self._other = OtherVoice()
        self._told_to_listen = False
        self._presences: deque[tuple[MotionWindow, Colour | None]] = deque(maxlen=_REMEMBERED_FRAMES)
        self.heard: MouthMotion | None = None
        """What the voice said of the newest motion; None while the look-ahead fills."""

    @property
    def lookahead_ms(self) -> int:
        """How much future voice a motion waits for."""
        return self._mouth.lookahead_ms

    @property
    def hears_other(self) -> bool:
        """Somebody speaks to the avatar, by what is heard; see `Listener.hears_other`."""
        return self._other.speaking

    def push(self, chunk: Chunk) -> MotionWindow | None:
        """Hear one chunk; see `Listener.push`."""
        self.heard = mouth = self._mouth.push(chunk)
        if not self._mouth_only:
            # What they say is heard as it comes: 80 ms before the frame that is made now shows its own voice.
            self._other = self._other_side.push(chunk.other)
        if mouth is None:
            return None
        presence, colour = rest_motion(1, mouth.index), None
        if not self._mouth_only:
            feeling, manner = conduct(self._mood, chunk.feeling, self._voice.step(mouth, level_of(chunk.samples)))
            colour = self._emotion.step(feeling)
            self._presence.manner = manner
            face, head, body = self._presence.step(
                Situation(mouth.speaking, self._told_to_listen, mouth.energy, mouth.pitch_hz, self._other), colour.head
            )
            presence = replace(presence, face=face[None], head=head[None], body=body[None])
        self._presences.append((presence, colour))
        return _speaking(presence, colour, self._onset.step(mouth.face, mouth.speaking), mouth.speaking)

    def interrupt(self, last_shown: int | None = None, next_shown: int | None = None) -> MotionWindow | None:
        """Forget the voice; the mouth closes softly. See `Listener.interrupt`."""
        faces = dict(self._mouth.interrupt(last_shown, next_shown))
        again = [(presence, colour) for presence, colour in self._presences if presence.first_frame in faces]
        if not again:
            return None
        return join_windows(
            [_speaking(presence, colour, faces[presence.first_frame], False) for presence, colour in again]
        )

    def set_listening(self, on: bool) -> None:
        """Attend to somebody else's voice, or stop."""
        self._told_to_listen = on

    def set_mood(self, mood: Mood) -> None:
        """From the next frame on be like this; faces and manners ease into it.

        Raises:
            BadInput: `bad_preset`.
        """
        conduct(mood)
        self._mood = mood


def _speaking(
    presence: MotionWindow, colour: Colour | None, mouth: NDArray[np.float32], speaking: bool
) -> MotionWindow:
    """One frame of presence with a mouth, float32 (52,), coloured by emotion; None: only the mouth moves."""
    face = mouth if colour is None else coloured_face(presence.face[0], mouth, colour)
    return replace(presence, face=np.clip(face, 0.0, 1.0)[None], speaking=np.array([speaking]))
