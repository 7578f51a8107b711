"""Hears the other side of a conversation: whether somebody speaks to the avatar, and where their phrases end.

Nothing of it ever reaches the avatar's lips. Knows nothing of faces, and of words neither.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.behaviour.prosody import Prosody, Rhythm
from visavis_models.voice.activity import VoiceActivity

_ATTENDS_AFTER = 5
"""200 ms of voice: a cough, or the rest of an echo, turns nobody's head."""
_FORGETS_AFTER = 10
"""400 ms: what was heard before such a pause is no beginning of a turn."""
_LEAVES_AFTER = 38
"""1.5 s: a partner who breathes in has not ended (pauses within turns last half a second on average, hardly ever more
than this: Heldner and Edlund 2010)."""
_ABOVE_FLOOR = 3.0
"""Voice is so much louder than the quietest that was heard lately (10 dB): hiss and hum are not."""
_FLOOR_RISES = 1.01
"""A frame; 2 dB a second."""
_LEAST_FLOOR = 0.0015


@dataclass(frozen=True, slots=True)
class OtherVoice:
    """What the other side does in one frame."""

    speaking: bool = False
    """They have the floor, pauses included."""
    rhythm: Rhythm = Rhythm()


class OtherSide:
    """The other side's voice."""

    def __init__(self) -> None:
        self._activity = VoiceActivity(aggressiveness=3)
        self._prosody = Prosody()
        self._loud_frames = 0
        self._since_loud = _LEAVES_AFTER
        self._speaking = False
        self._floor = 1.0
        self._peak = 0.01

    def push(self, samples: NDArray[np.float32] | None) -> OtherVoice:
        """Hear 40 ms, float32 (640,) at 16 kHz; None: nothing came."""
        energy = 0.0 if samples is None else self._loudness(samples)
        if energy > 0.0:
            self._loud_frames, self._since_loud = self._loud_frames + 1, 0
            self._speaking = self._speaking or self._loud_frames >= _ATTENDS_AFTER
        else:
            self._since_loud += 1
            if self._since_loud >= _FORGETS_AFTER:
                self._loud_frames = 0
            self._speaking = self._speaking and self._since_loud < _LEAVES_AFTER
        return OtherVoice(self._speaking, self._prosody.step(energy))

    def _loudness(self, samples: NDArray[np.float32]) -> float:
        """Of a voice, 0..1 of its usual peak; 0 for what is none."""
        power = float(samples @ samples)
        if not math.isfinite(power):
            return 0.0
        active = self._activity.push(samples)
        level = math.sqrt(power / samples.size)
        self._floor = max(min(level, self._floor * _FLOOR_RISES), _LEAST_FLOOR)
        if not active or level < _ABOVE_FLOOR * self._floor:
            return 0.0
        # The peak is forgotten within half a minute: their microphone may be anywhere.
        self._peak = max(level, self._peak * 0.9987)
        return min(1.0, level / self._peak)
