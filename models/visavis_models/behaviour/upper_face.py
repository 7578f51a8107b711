"""Brows and small smiles: what a face says without words. Knows nothing of eyes, heads or sounds.

Brows rise with the pitch of stressed syllables, in most speakers on some of them only (Cavé et al. 1996: 71 % of raises
go with a rise of pitch); they begin about 60 ms before the accent (Flecha-García 2010), which a voice that is heard as
it comes does not allow: here they begin with it. Listeners smile and raise their brows at the ends of phrases
(Brunner 1979: smiles stand where nods and "mm" do).
"""

from __future__ import annotations

import numpy as np

from visavis_models.arkit import ARKIT
from visavis_models.behaviour.easing import FRAME_S, Follower, Strokes, Wander
from visavis_models.behaviour.states import Moment

_USUAL_SMILE = 0.06


class UpperFace:
    """Brows, and the corners of the mouth."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._raises = Strokes(1)
        self._since_s = 0.0
        self._brows = Follower(0.5)
        self._smile = Follower(0.9, _USUAL_SMILE)
        self._smile_s = 0.0
        self._smile_size = 0.0
        self._tone = Wander(np.array([0.022, 0.025]), 3.0, rng)
        self._lopsided = float(rng.uniform(-0.12, 0.12))

    def step(self, now: Moment, nodded: bool, face: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
        """Write the next frame into one row of ARKit coefficients, float32 (52,), in place."""
        scale = now.manner.nod_scale
        stress = now.rhythm.stress
        self._since_s += FRAME_S
        if stress > 0.45 and self._rng.random() < 0.3 * scale and self._since_s > 1.0:
            self._raise(stress * float(self._rng.uniform(0.22, 0.45)) * min(scale, 1.5), 0.45, 0.9)
        elif now.attends and self._rng.random() < 0.6:
            self._raise(float(self._rng.uniform(0.2, 0.35)), 0.5, 0.9)  # "yes?"
        elif (nodded and self._rng.random() < 0.35) or (now.idle > 0.8 and self._rng.random() < FRAME_S / 14.0):
            self._raise(float(self._rng.uniform(0.12, 0.28)), 0.6, 1.2)
        brows = self._brows.step(0.05 * now.listening + 0.04 * now.sounding) + float(self._raises.step()[0])
        self._smiles(now)
        brow_tone, smile_tone = self._tone.step(now.manner.tempo)  # no living face is quite still
        brows = max(0.0, brows + brow_tone + 0.02)
        smile = smile_tone + self._smile.step(
            _USUAL_SMILE + 0.04 * now.listening - 0.02 * now.speaking + self._smile_size + 0.6 * now.manner.smile
        )
        # Inner and outer parts together (AU 1+2): inner ones alone look worried.
        face[ARKIT["browInnerUp"]] = brows
        face[ARKIT["browOuterUpLeft"]] = brows * 0.85
        face[ARKIT["browOuterUpRight"]] = brows * 0.8
        for side, share in (("Left", 1.0 + self._lopsided), ("Right", 1.0 - self._lopsided)):
            face[ARKIT["mouthSmile" + side]] = max(0.0, smile) * share
            face[ARKIT["cheekSquint" + side]] = max(0.0, smile - 0.1) * 0.5

    def _raise(self, size: float, least_s: float, most_s: float) -> None:
        if self._raises.idle:  # brows that are up are not raised again
            self._since_s = 0.0
            self._raises.add(np.array([size]), float(self._rng.uniform(least_s, most_s)))

    def _smiles(self, now: Moment) -> None:
        """Small smiles at the ends of the other side's phrases, and now and then in idleness."""
        self._smile_s -= FRAME_S
        if self._smile_s <= 0.0:
            self._smile_size = 0.0
            invited = now.other.phrase_ended and self._rng.random() < 0.3
            invited = invited or (now.told_only and self._rng.random() < FRAME_S / 8.0)
            if invited or (now.idle > 0.8 and self._rng.random() < FRAME_S / 25.0):
                self._smile_size = float(self._rng.uniform(0.10, 0.22))
                self._smile_s = float(self._rng.uniform(1.2, 2.8))
        elif now.speaking > 0.5:
            self._smile_s = min(self._smile_s, 0.2)
