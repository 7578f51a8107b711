"""Eight emotions: what each does to a face, a head and a manner at full strength. Knows nothing of time or of voices.

Action units (AU) of the six basic ones: Ekman and Friesen 1978, Facial Action Coding System, table 11-1; Ekman,
Friesen and Hager 2002, FACS Investigator's Guide. They are happy 6+12, sad 1+4+15(+17), surprised 1+2+5+26, afraid
1+2+4+5+7+20, angry 4+5+7+23(+24), disgusted 9(+10)+17(+15). Calm is no basic emotion: it is neutral with a trace of a
smile, heavier lids and little movement, as the actors of RAVDESS play it (Livingstone and Russo 2018).

How long they take to come: rise times of 200 to 900 ms are read best, sadness slow and disgust quick (Recio et al.
2013); lifelike ones lie between 240 and 3040 ms (Hoffmann et al. 2010). Corners of lips in spontaneous smiles rise in
about half a second and fall more slowly (Schmidt et al. 2003, 2006); surprise is the briefest (Ekman and Friesen 1975).
Heads: sadness bows, anger thrusts forward, fear and disgust draw back (Wallbott 1998).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT, ARKIT_COUNT
from visavis_models.behaviour.manner import NEUTRAL, Manner
from visavis_models.mood import Emotion, Feeling

_DEG = math.pi / 180.0


@dataclass(frozen=True, slots=True)
class EmotionLook:
    """What one emotion does at full strength."""

    face: Mapping[str, float]
    """ARKit coefficients by name, both sides where the name lacks Left and Right. None of them parts the lips."""
    parting: Mapping[str, float]
    """Coefficients that bare teeth: they join in only as far as the voice parts the lips."""
    opening: float
    """How much wider or narrower the voice opens the mouth; 1 leaves it."""
    jaw: float
    """How far the jaw hangs behind lips that stay shut."""
    head: tuple[float, float, float, float, float, float]
    """Where the head is held, `HEAD_NAMES`."""
    onset_s: float
    offset_s: float
    manner: Manner = NEUTRAL


LOOKS: Mapping[Emotion, EmotionLook] = MappingProxyType(
    {
        "neutral": EmotionLook({}, {}, 1.0, 0.0, (0.0,) * 6, 0.8, 0.8),
        "happy": EmotionLook(
            face={"mouthSmile": 1.0, "cheekSquint": 0.85, "eyeSquint": 0.30, "mouthDimple": 0.25,
                  "browOuterUp": 0.12},
            parting={"mouthUpperUp": 0.18},
            opening=1.08,
            jaw=0.0,
            head=(-1.5 * _DEG, 0.0, 1.8 * _DEG, 0.0, 0.0, 0.02),
            onset_s=0.7,
            offset_s=1.4,
            manner=Manner(tempo=1.15, head_scale=1.2, gaze_on_viewer=0.75, nod_scale=1.2),
        ),
        "sad": EmotionLook(
            face={"browInnerUp": 1.1, "browDown": 0.35, "mouthFrown": 1.1, "mouthShrugLower": 0.40,
                  "eyeBlink": 0.13, "eyeSquint": 0.06},
            parting={},
            opening=0.85,
            jaw=0.0,
            head=(4.5 * _DEG, 0.0, 1.8 * _DEG, 0.0, 0.015, -0.01),
            onset_s=1.3,
            offset_s=2.4,
            manner=Manner(tempo=0.7, head_scale=0.7, gaze_on_viewer=0.58, blink_rate_scale=0.9, nod_scale=0.6),
        ),
        "angry": EmotionLook(
            face={"browDown": 1.1, "browOuterUp": 0.25, "eyeSquint": 0.36, "eyeWide": 0.10, "noseSneer": 0.50,
                  "mouthPress": 0.80, "mouthRollLower": 0.25, "mouthRollUpper": 0.20, "mouthFrown": 0.60,
                  "mouthShrugLower": 0.20},
            parting={"mouthLowerDown": 0.20, "mouthUpperUp": 0.10},
            opening=1.10,
            jaw=0.0,
            head=(2.5 * _DEG, 0.0, 0.0, 0.0, 0.0, 0.04),
            onset_s=0.7,
            offset_s=1.8,
            manner=Manner(tempo=1.2, head_scale=1.15, gaze_on_viewer=0.85, blink_rate_scale=0.75, nod_scale=1.3),
        ),
        "surprised": EmotionLook(
            face={"browInnerUp": 1.0, "browOuterUp": 1.05, "eyeWide": 1.1},
            parting={},
            opening=1.20,
            jaw=0.30,
            head=(-2.2 * _DEG, 0.0, 0.0, 0.0, 0.0, -0.02),
            onset_s=0.4,
            offset_s=1.2,
            manner=Manner(tempo=1.15, head_scale=1.05, gaze_on_viewer=0.82, blink_rate_scale=0.7, nod_scale=1.1),
        ),
        "calm": EmotionLook(
            face={"mouthSmile": 0.42, "eyeBlink": 0.15, "cheekSquint": 0.10},
            parting={},
            opening=0.94,
            jaw=0.0,
            head=(0.0, 0.0, 2.0 * _DEG, 0.0, 0.0, 0.0),
            onset_s=1.5,
            offset_s=2.0,
            manner=Manner(tempo=0.75, head_scale=0.7, gaze_on_viewer=0.75, blink_rate_scale=0.85, nod_scale=0.8),
        ),
        "afraid": EmotionLook(
            face={"browInnerUp": 1.1, "browOuterUp": 0.55, "browDown": 0.40, "eyeWide": 1.1,
                  "mouthStretch": 1.1, "mouthFrown": 0.15},
            parting={"mouthLowerDown": 0.25},
            opening=1.0,
            jaw=0.10,
            head=(-1.0 * _DEG, 2.0 * _DEG, 0.0, 0.0, 0.0, -0.05),
            onset_s=0.5,
            offset_s=1.6,
            manner=Manner(tempo=1.3, head_scale=0.85, gaze_on_viewer=0.64, blink_rate_scale=1.4, nod_scale=0.7),
        ),
        "disgusted": EmotionLook(
            face={"noseSneer": 1.1, "browDown": 0.75, "eyeSquint": 0.38, "cheekSquint": 0.80,
                  "mouthFrown": 0.75, "mouthShrugLower": 0.80},
            parting={"mouthUpperUp": 0.35},
            opening=0.92,
            jaw=0.0,
            head=(-2.0 * _DEG, 3.0 * _DEG, 1.0 * _DEG, 0.0, 0.0, -0.03),
            onset_s=0.7,
            offset_s=1.6,
            manner=Manner(tempo=0.9, head_scale=0.9, gaze_on_viewer=0.60, nod_scale=0.8),
        ),
    }
)  # fmt: skip
"""By emotion."""

_SMILING = ("neutral", "happy", "calm")
_FACTORS = ("tempo", "head_scale", "blink_rate_scale", "nod_scale")


def coefficients(named: Mapping[str, float]) -> NDArray[np.float64]:
    """float64 (52,) of coefficients by name; a name without Left and Right stands for both."""
    face = np.zeros(ARKIT_COUNT)
    for name, value in named.items():
        for full in (name, f"{name}Left", f"{name}Right"):
            if full in ARKIT:
                face[ARKIT[full]] = value
    return face


def felt_manner(base: Manner, feeling: Feeling) -> Manner:
    """A manner as a feeling changes it: in proportion to its strength."""
    asked, share = LOOKS[feeling.emotion].manner, feeling.strength
    changes = {name: getattr(base, name) * (1.0 + share * (getattr(asked, name) - 1.0)) for name in _FACTORS}
    gaze = base.gaze_on_viewer + share * (asked.gaze_on_viewer - NEUTRAL.gaze_on_viewer)
    smile = base.smile * (1.0 if feeling.emotion in _SMILING else 1.0 - share)
    return replace(base, gaze_on_viewer=min(max(gaze, 0.0), 1.0), smile=smile, **changes)
