"""Hears the other side of a conversation: whether somebody speaks to the avatar, and where their phrases end.

Nothing of it ever reaches the avatar's lips. Knows nothing of faces, and of words neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.behaviour.prosody import Prosody, Rhythm
from visavis_models.voice.activity import VoiceActivity

_ATTENDS_AFTER = 4
"""160 ms of voice: a cough, or the rest of an echo, turns nobody's head."""
_LEAVES_AFTER = 20
"""800 ms on top of the detector's own hangover: a partner who breathes in has not ended (mean pauses within turns are
half a second: Heldner and Edlund 2010)."""


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
        self._active = 0
        self._silent = _LEAVES_AFTER
        self._peak = 0.02

    def push(self, samples: NDArray[np.float32] | None) -> OtherVoice:
        """Hear 40 ms, float32 (640,) at 16 kHz; None: nothing came."""
        if samples is None:
            self._silent = min(self._silent + 1, _LEAVES_AFTER)
            self._active = 0 if self._silent >= _LEAVES_AFTER else self._active
            return OtherVoice(self._attends, self._prosody.step(0.0))
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        active = self._activity.push(samples)
        if active:
            self._active, self._silent = self._active + 1, 0
        else:
            self._silent = min(self._silent + 1, _LEAVES_AFTER)
            self._active = 0 if self._silent >= _LEAVES_AFTER else self._active
        level = float(np.sqrt(np.mean(samples * samples)))
        # The usual peak, forgotten within half a minute: their microphone may be anywhere.
        self._peak = max(level, self._peak * 0.9987, 0.01) if active else self._peak
        return OtherVoice(self._attends, self._prosody.step(min(1.0, level / self._peak) if active else 0.0))

    @property
    def _attends(self) -> bool:
        return self._active >= _ATTENDS_AFTER + 8  # the detector's hangover counts eight more
