"""One person's presence: eyes, brows, head and body together, eased between states. Knows nothing of lips."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT_COUNT
from visavis_models.behaviour.eyes import Blinks, Gaze, draw_eyes
from visavis_models.behaviour.manner import NEUTRAL, EasedManner, Manner
from visavis_models.behaviour.posture import HeadMotion, Posture
from visavis_models.behaviour.states import Situation, States
from visavis_models.behaviour.torso import Torso
from visavis_models.behaviour.upper_face import UpperFace


class Presence:
    """Everything that moves without words.

    Args:
        seed: two presences with one seed behave alike in like situations.
    """

    def __init__(self, seed: int) -> None:
        # A source of chance for each part: what one does with its own changes nothing of the others.
        parts = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(6)]
        self._states = States()
        self._blinks = Blinks(parts[0])
        self._gaze = Gaze(parts[1])
        self._posture = Posture(parts[2])
        self._head = HeadMotion(parts[3])
        self._torso = Torso(parts[4])
        self._upper_face = UpperFace(parts[5])
        self._manner = EasedManner()
        self.manner: Manner = NEUTRAL
        """How the person carries themselves from the next frame on; eased."""

    def step(
        self, now: Situation, held: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """The next frame.

        Args:
            now: what goes on.
            held: float (6,), `HEAD_NAMES`: how the head is held besides, by a feeling; eyes hold on to the viewer.

        Returns:
            face float32 (52,) with the upper face only (and a trace of a smile), head float32 (6,), body float32 (B,).
        """
        moment = self._states.step(now, self._manner.step(self.manner))
        looks_deg = self._gaze.step(moment)
        lids = self._blinks.step(moment, self._gaze.jumped)
        posture = self._posture.step(moment)
        head = self._head.step(moment, now.energy, posture, self._gaze.goal)
        if held is not None:
            head = head + held
        body = self._torso.step(moment, now.energy, posture, self._posture.shifted, head)
        face = np.zeros(ARKIT_COUNT, np.float32)
        draw_eyes(face, lids, looks_deg, head)
        self._upper_face.step(moment, self._head.nodded, face)
        return (
            np.minimum(np.maximum(face, np.float32(0)), np.float32(1)),
            head.astype(np.float32),
            body.astype(np.float32),
        )
