"""Where in the speech encoder's scores each of its answers stands. Shared by the network's training and its use."""

from __future__ import annotations

from visavis_models.voice.mouth import MOUTH_COUNT
from visavis_models.voice.phones import PHONES

MOUTH = slice(0, MOUTH_COUNT)
"""Mouth channels, 0..1."""
PHONE_SCORES = slice(MOUTH_COUNT, MOUTH_COUNT + len(PHONES))
"""Scores of `PHONES`, for a softmax."""
SPEECH, CLOSURE, VOICING, PITCH, ENERGY = range(PHONE_SCORES.stop, PHONE_SCORES.stop + 5)
"""Scores (for a sigmoid) that somebody speaks, that the lips are together while speaking, that the voice sounds; the
pitch in octaves above `PITCH_BASE_HZ`, of use where the voice sounds; the energy, 0..1 of the speaker's usual peak."""
OUTPUTS = ENERGY + 1
PITCH_BASE_HZ = 100.0
