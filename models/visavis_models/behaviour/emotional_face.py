"""Emotion over time: it comes and goes at its own pace, is never quite even, and never opens lips that are to be shut.

An emotion's onset and offset take as long as `LOOKS` says. While it lasts it swells and sinks slowly, brows apart from
the mouth, and a little more of it shows on the person's left (Sackeim et al. 1978; the difference is small where the
expression is spontaneous, Ekman et al. 1981), so that it is no mask. Knows nothing of voices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT, ARKIT_NAMES
from visavis_models.behaviour.easing import FRAME_S, Spring, Wander
from visavis_models.behaviour.emotion import LOOKS, coefficients
from visavis_models.mood import EMOTIONS, Feeling
from visavis_models.voice.lips import eased
from visavis_models.voice.mouth import lip_gap, mouth_of_face

_FACES = np.stack([coefficients(LOOKS[name].face) for name in EMOTIONS])
_PARTINGS = np.stack([coefficients(LOOKS[name].parting) for name in EMOTIONS])
_OPENINGS = np.array([LOOKS[name].opening - 1.0 for name in EMOTIONS])
_JAWS = np.array([LOOKS[name].jaw for name in EMOTIONS])
_HEADS = np.array([LOOKS[name].head for name in EMOTIONS])
_ONSETS_S = np.array([LOOKS[name].onset_s for name in EMOTIONS])
_PACES = [LOOKS[name].onset_s / LOOKS[name].offset_s for name in EMOTIONS]
"""How much more slowly each goes than it comes."""

_UPPER = np.array([name.startswith(("brow", "eye")) for name in ARKIT_NAMES])
_LEFT = np.array([name.endswith("Left") for name in ARKIT_NAMES])
_RIGHT = np.array([name.endswith("Right") for name in ARKIT_NAMES])
_LEFT_BIAS = 0.03
"""Of each coefficient: the left shows so much more than the mean, the right so much less."""
_UNEVEN = np.array([0.08, 0.08, 0.04, 0.04])
"""Standard deviations: of how much upper and lower face show, and of the difference between their two sides."""
_UNEVEN_S = 2.8
_SETTLES_S, _SETTLED = 2.5, 0.92
"""An expression reaches its apex, then settles to this share of it within so many seconds."""

_OPENING_UNITS = np.array([ARKIT[name] for name in (
    "jawOpen", "mouthClose", "mouthFunnel", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft",
    "mouthUpperUpRight",
)])  # fmt: skip
"""What parts the lips, and what undoes it: scaled together, so that shut stays shut."""
_ROUNDING = np.array([ARKIT["mouthPucker"], ARKIT["mouthFunnel"]])
_CORNERS = np.array([name.startswith(("mouthSmile", "mouthFrown", "mouthStretch", "mouthDimple", "mouthPress"))
                     for name in ARKIT_NAMES])  # fmt: skip
_SMILES = np.array([ARKIT["mouthSmileLeft"], ARKIT["mouthSmileRight"]])
_FROWNS = np.array([ARKIT["mouthFrownLeft"], ARKIT["mouthFrownRight"]])
_LIPS = np.array([name.startswith(("mouthShrug", "mouthRoll", "mouthPress")) for name in ARKIT_NAMES])
_ROUNDING_RELAXES = 0.8
_SPEECH_RELAXES = 0.6
"""How much corners give way to rounded lips, and pressed or pushed lips to any opening."""
_PARTS_FROM, _PARTS_SPAN = 0.04, 0.16
"""Lip gaps (units of jawOpen) from which on an emotion may bare teeth, and over which it comes to do so."""
_JAW, _CLOSE = ARKIT["jawOpen"], ARKIT["mouthClose"]
_BLINKS = (ARKIT["eyeBlinkLeft"], ARKIT["eyeBlinkRight"])
_WIDES = (ARKIT["eyeWideLeft"], ARKIT["eyeWideRight"])


@dataclass(frozen=True, slots=True)
class Colour:
    """What emotion does in one frame."""

    face: NDArray[np.float64]
    """float64 (52,): added; none of it parts the lips."""
    parting: NDArray[np.float64]
    """float64 (52,): added as far as the voice parts the lips."""
    opening: float
    """What the voice's opening is multiplied by."""
    jaw: float
    head: NDArray[np.float64]
    """float64 (6,), `HEAD_NAMES`: how the head is held besides; presence adds it and keeps the eyes on the viewer."""


_NO_COLOUR = Colour(np.zeros(len(ARKIT_NAMES)), np.zeros(len(ARKIT_NAMES)), 1.0, 0.0, np.zeros(6))
"""Of somebody who feels nothing in particular: most people, most of the time; it costs nothing."""
_FADED = 1e-6
_SHOWS = np.array([name != "neutral" for name in EMOTIONS])


class EmotionalFace:
    """One person's emotion, frame by frame.

    Args:
        seed: two with one seed vary alike.
    """

    def __init__(self, seed: int) -> None:
        self._springs = [Spring(1, float(onset)) for onset in _ONSETS_S]
        self._shares = np.zeros(len(EMOTIONS))
        self._uneven = Wander(_UNEVEN, _UNEVEN_S, np.random.default_rng([seed, 8]))
        self._since_s = 0.0
        self._felt = Feeling()

    def step(self, feeling: Feeling) -> Colour:
        """The next frame of somebody who feels so."""
        if feeling != self._felt:
            self._felt, self._since_s = feeling, 0.0
        self._since_s += FRAME_S
        settling = _SETTLED + (1.0 - _SETTLED) * math.exp(-max(0.0, self._since_s - 1.0) / _SETTLES_S)
        uneven = self._uneven.step()
        if (feeling.emotion == "neutral" or feeling.strength == 0.0) and self._shares[_SHOWS].max() < _FADED:
            return _NO_COLOUR
        for i, (name, spring) in enumerate(zip(EMOTIONS, self._springs, strict=True)):
            target = feeling.strength if name == feeling.emotion else 0.0
            pace = 1.0 if target >= self._shares[i] else _PACES[i]
            self._shares[i] = min(max(float(spring.step(target, pace)[0]), 0.0), 1.0)
        upper, lower, upper_side, lower_side = uneven
        gain = np.where(_UPPER, 1.0 + upper, 1.0 + lower)
        side = _LEFT_BIAS + np.where(_UPPER, upper_side, lower_side)
        gain *= 1.0 + side * _LEFT - side * _RIGHT
        gain = np.clip(gain, 0.7, 1.3) * settling
        shares = self._shares
        return Colour(
            np.clip(shares @ _FACES * gain, 0.0, 1.0),
            np.clip(shares @ _PARTINGS * gain, 0.0, 1.0),
            1.0 + float(shares @ _OPENINGS),
            float(shares @ _JAWS) * float(settling),
            shares @ _HEADS,
        )


def coloured_face(presence: NDArray[np.float32], mouth: NDArray[np.float32], colour: Colour) -> NDArray[np.float32]:
    """A face, float32 (52,): eyes and brows of presence, the voice's mouth, and what emotion does to both.

    Lips that the voice brings together stay together, and so do those of the silent.

    Args:
        presence: float32 (52,), without lips but for corners.
        mouth: float32 (52,), the voice's.
        colour: of this frame.
    """
    if colour is _NO_COLOUR:
        return np.asarray(np.minimum(presence + mouth, 1.0), np.float32)
    voice = mouth.astype(np.float64)
    voice[_OPENING_UNITS] *= colour.opening
    gap = float(lip_gap(mouth_of_face(mouth)))
    parts = eased((gap - _PARTS_FROM) / _PARTS_SPAN)
    felt = colour.face.copy()
    felt[_CORNERS] *= 1.0 - _ROUNDING_RELAXES * min(1.0, float(voice[_ROUNDING].sum()))
    felt[_LIPS] *= 1.0 - _SPEECH_RELAXES * parts
    felt += parts * colour.parting
    blink = presence[list(_BLINKS)].astype(np.float64)
    felt[list(_WIDES)] *= 1.0 - blink
    calm = presence.astype(np.float64)
    calm[_SMILES] *= 1.0 - np.minimum(felt[_FROWNS], 1.0)  # nobody smiles out of habit while they frown
    base = calm + voice
    face = base + felt * np.maximum(0.0, 1.0 - base)  # never beyond 1, and the fuller one is the less is added
    hang = colour.jaw * (1.0 - eased(gap / 0.2))
    # The jaw hangs behind shut lips as far as the voice leaves it to: both by the same amount, or the lips would part.
    hang = min(hang, 1.0 - float(face[_JAW]), 1.0 - float(face[_CLOSE]))
    face[[_JAW, _CLOSE]] += max(0.0, hang)
    return np.clip(face, 0.0, 1.0).astype(np.float32)
