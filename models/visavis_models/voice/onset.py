"""Lets a shut mouth open softly when speech begins. Knows nothing of networks or sound.

Within speech a mouth opens fast, but it has been moving all the while; out of stillness the same step is seen as
a jump.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visavis_models.voice.mouth import lip_gap, mouth_of_face

MOST_OPENING = 0.17
"""How much further the lips part in one frame, in units of `lip_gap`: what 98 of 100 frames of speech stay below."""
_SOFT_FRAMES = 6


class SoftOnset:
    """The mouth of one voice at the beginnings of its turns."""

    def __init__(self) -> None:
        self._left = _SOFT_FRAMES
        self._before: NDArray[np.float32] | None = None

    def step(self, face: NDArray[np.float32], speaking: bool) -> NDArray[np.float32]:
        """One frame on.

        Args:
            face: float32 (52,), what the voice asks for.
            speaking: whether there is speech in this frame.

        Returns:
            float32 (52,), what is shown: at most a frame or two late, and only while lips part out of silence.
        """
        if speaking and self._left == 0:
            self._before = None  # nothing is remembered in the midst of speech
            return face
        self._left = self._left - 1 if speaking else _SOFT_FRAMES
        before, shown = self._before, face
        if before is not None:
            further = float(lip_gap(mouth_of_face(face)) - lip_gap(mouth_of_face(before)))
            if further > MOST_OPENING:
                shown = before + np.float32(MOST_OPENING / further) * (face - before)
        self._before = shown
        return shown
