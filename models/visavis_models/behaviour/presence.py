"""One person's presence: eyes, brows, head and body together, eased between states. Knows nothing of lips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT, ARKIT_COUNT
from visavis_models.behaviour.easing import Spring
from visavis_models.behaviour.eyes import Blinks, Gaze, draw_eyes
from visavis_models.behaviour.posture import Body, HeadMotion


@dataclass(frozen=True, slots=True)
class Situation:
    """What goes on in one frame."""

    speaking: bool
    """The avatar speaks."""
    listening: bool
    """Somebody speaks to the avatar."""
    energy: float
    """Loudness of the avatar's own voice, 0..1."""


class Presence:
    """Everything that moves without words.

    Args:
        seed: two presences with one seed behave alike in like situations.
    """

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._blinks = Blinks(rng)
        self._gaze = Gaze(rng)
        self._head = HeadMotion(rng)
        self._body = Body(rng)
        self._brows = Spring(1, 0.35)
        self._warmth = Spring(1, 1.2)
        self._energy_mean = 0.0
        self._was_speaking = False

    def step(self, now: Situation) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """The next frame.

        Returns:
            face float32 (52,) with the upper face only (and a trace of a smile), head float32 (6,), body float32 (B,).
        """
        phrase_ended = self._was_speaking and not now.speaking
        self._was_speaking = now.speaking
        right, up = self._gaze.step(now.speaking, now.listening)
        lids = self._blinks.step(now.speaking, phrase_ended or self._gaze.jumped)
        head = self._head.step(now.speaking, now.listening, now.energy)
        body = self._body.step(now.speaking, now.energy)
        self._energy_mean += 0.05 * (now.energy - self._energy_mean)
        accent = max(0.0, now.energy - self._energy_mean)
        brows = float(self._brows.step(0.55 * accent + (0.10 if now.listening else 0.02))[0])
        warmth = float(self._warmth.step(0.12 if now.listening else 0.04 if now.speaking else 0.07)[0])

        face = np.zeros(ARKIT_COUNT, np.float32)
        # Eyes hold on to the camera while the head turns (vestibulo-ocular reflex); an eye turns about 35 degrees.
        draw_eyes(face, lids, float(np.clip(right - head[1] * 1.3, -1, 1)), float(np.clip(up + head[0] * 1.3, -1, 1)))
        face[ARKIT["browInnerUp"]] = brows
        face[ARKIT["browOuterUpLeft"]] = brows * 0.55
        face[ARKIT["browOuterUpRight"]] = brows * 0.45
        face[ARKIT["mouthSmileLeft"]] = warmth
        face[ARKIT["mouthSmileRight"]] = warmth * 0.9
        return np.clip(face, 0.0, 1.0), head.astype(np.float32), body.astype(np.float32)
