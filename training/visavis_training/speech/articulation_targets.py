"""What each phone would look like if it were held, and how stubbornly it keeps that look beside others.

The shapes are ARKit mouth channels read off phonetic descriptions (P. Ladefoged and I. Maddieson, "The Sounds of the
World's Languages", 1996; for Mandarin W.-S. Lee and E. Zee, JIPA 33, 2003). Knows nothing of time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visavis_models.voice.mouth import CHANNEL, MOUTH_CHANNELS, MOUTH_COUNT
from visavis_training.speech.phones import SILENCE, VISEME_OF, VOWELS

GROUPS: tuple[str, ...] = ("jaw", "rounding", "lips")
"""What a phone can care about separately. Loudness moves the jaw (JALI's jaw axis), effort the rest (its lip axis)."""
_JAW = frozenset(("jawOpen",))
_ROUND = frozenset(("mouthFunnel", "mouthPucker", "jawForward"))
GROUP_OF = np.array([0 if name in _JAW else 1 if name in _ROUND else 2 for name in MOUTH_CHANNELS])
"""int64 (15,): index into `GROUPS` of each channel."""

RETROFLEX = frozenset(("ʂ", "ꭧ", "ɻ"))
AFTER_RETROFLEX = "ɨ after retroflex"
"""Pinyin writes two apical vowels as -i: that of zhi, chi, shi, ri keeps the slight protrusion of its consonant."""

# Each line: phones, a colon, how they look. Openings are in order of vowel height; 0.46 is an unhurried open vowel.
_SHAPES = """
p b m: jawOpen .07
f v: jawOpen .07 mouthUpperUp .14 mouthLowerDown .02
ʋ: jawOpen .09 mouthUpperUp .1 mouthLowerDown .04
ɸ β: jawOpen .08 mouthFunnel .08
θ ð: jawOpen .11 tongueOut .36 mouthLowerDown .2 mouthUpperUp .1 mouthStretch .06
t d ʈ ɖ ɾ: jawOpen .07 mouthLowerDown .2 mouthUpperUp .09 mouthStretch .08 mouthSmile .04 tongueOut .02
n ɳ ɲ ɴ: jawOpen .1 mouthLowerDown .16 mouthUpperUp .07 mouthStretch .06 tongueOut .02
l ʎ: jawOpen .14 mouthLowerDown .16 mouthUpperUp .08 mouthStretch .05 tongueOut .09
k ɡ ŋ q: jawOpen .13 mouthLowerDown .14 mouthUpperUp .06
x ɣ χ ɰ: jawOpen .14 mouthLowerDown .14 mouthUpperUp .06
c ɟ ç ʝ: jawOpen .09 mouthLowerDown .18 mouthUpperUp .08 mouthStretch .14 mouthSmile .12
h: jawOpen .18 mouthLowerDown .14 mouthUpperUp .06
s z ʦ ʣ: jawOpen .03 mouthLowerDown .28 mouthUpperUp .14 mouthStretch .2 mouthSmile .14
ʃ ʒ ʧ ʤ: jawOpen .05 mouthFunnel .46 mouthPucker .22 mouthLowerDown .14 mouthUpperUp .1 jawForward .1
ʂ ꭧ: jawOpen .05 mouthFunnel .26 mouthPucker .1 mouthLowerDown .24 mouthUpperUp .14 jawForward .06
ɻ: jawOpen .08 mouthFunnel .24 mouthPucker .14 mouthLowerDown .14 mouthUpperUp .06
ɕ ʨ ʥ: jawOpen .04 mouthFunnel .03 mouthLowerDown .26 mouthUpperUp .13 mouthStretch .22 mouthSmile .2
ɹ: jawOpen .1 mouthFunnel .32 mouthPucker .26 mouthLowerDown .1 mouthUpperUp .04
ɽ ʁ: jawOpen .12 mouthFunnel .04 mouthLowerDown .14 mouthUpperUp .06
ɑ: jawOpen .46 mouthLowerDown .22 mouthUpperUp .1
a: jawOpen .46 mouthLowerDown .24 mouthUpperUp .12 mouthStretch .06
æ: jawOpen .41 mouthLowerDown .26 mouthUpperUp .14 mouthStretch .2 mouthSmile .1
ɐ: jawOpen .36 mouthLowerDown .22 mouthUpperUp .1 mouthStretch .05
ʌ: jawOpen .32 mouthLowerDown .2 mouthUpperUp .09 mouthStretch .04
ɛ: jawOpen .28 mouthLowerDown .24 mouthUpperUp .11 mouthStretch .2 mouthSmile .12
e: jawOpen .2 mouthLowerDown .22 mouthUpperUp .1 mouthStretch .24 mouthSmile .2
ə ᵊ: jawOpen .18 mouthLowerDown .15 mouthUpperUp .06 mouthStretch .04
ɜ ɚ: jawOpen .18 mouthLowerDown .14 mouthUpperUp .07 mouthFunnel .18 mouthPucker .1
ɤ: jawOpen .22 mouthLowerDown .18 mouthUpperUp .06 mouthStretch .1
i j: jawOpen .09 mouthLowerDown .18 mouthUpperUp .08 mouthStretch .28 mouthSmile .32
ɪ ᵻ: jawOpen .15 mouthLowerDown .18 mouthUpperUp .08 mouthStretch .18 mouthSmile .16
ɨ: jawOpen .06 mouthLowerDown .26 mouthUpperUp .12 mouthStretch .16 mouthSmile .1
ɨ after retroflex: jawOpen .07 mouthLowerDown .22 mouthUpperUp .12 mouthFunnel .16 mouthPucker .05 jawForward .04
ɯ: jawOpen .1 mouthLowerDown .14 mouthUpperUp .06 mouthStretch .08 mouthPucker .06
ɒ: jawOpen .4 mouthFunnel .3 mouthPucker .08 mouthLowerDown .12 mouthUpperUp .04
ɔ: jawOpen .32 mouthFunnel .42 mouthPucker .16 mouthLowerDown .1 mouthUpperUp .04
o: jawOpen .22 mouthFunnel .42 mouthPucker .34 mouthLowerDown .06
ʊ: jawOpen .14 mouthFunnel .3 mouthPucker .38 mouthLowerDown .04
u: jawOpen .09 mouthFunnel .26 mouthPucker .64 jawForward .06
w: jawOpen .06 mouthFunnel .2 mouthPucker .7 jawForward .06
y: jawOpen .08 mouthFunnel .28 mouthPucker .54 jawForward .06 mouthShrugUpper .08
ɥ: jawOpen .07 mouthFunnel .24 mouthPucker .58 jawForward .06 mouthShrugUpper .08
ø: jawOpen .19 mouthFunnel .4 mouthPucker .34 mouthLowerDown .06
œ: jawOpen .28 mouthFunnel .4 mouthPucker .18 mouthLowerDown .1
"""


def _targets() -> dict[str, NDArray[np.float64]]:
    table = {SILENCE: np.zeros(MOUTH_COUNT)}
    for line in _SHAPES.strip().splitlines():
        phones, _, shape = line.partition(":")
        target = np.zeros(MOUTH_COUNT)
        words = shape.split()
        for name, value in zip(words[::2], words[1::2], strict=True):
            target[CHANNEL[name]] = float(value)
        for phone in [phones] if phones == AFTER_RETROFLEX else phones.split():
            table[phone] = target
    return table


TARGETS = _targets()
"""float64 (15,) for every phone but the diphthongs, which are split first, and for `AFTER_RETROFLEX`."""

# (jaw, rounding, lips), 0 (takes its neighbours' shape) .. 2 (keeps its own). Sibilants need the lower teeth in their
# jet, so their jaw is the least free of all; k and h leave jaw and lips to the vowel (Keating et al. 1994).
_OF_VISEME: dict[str, tuple[float, float, float]] = {
    "PP": (0.8, 0.06, 0.3),
    "FF": (0.9, 0.15, 0.8),
    "TH": (0.9, 0.2, 1.0),
    "DD": (0.9, 0.1, 0.4),
    "nn": (0.6, 0.1, 0.35),
    "kk": (0.3, 0.06, 0.12),
    "SS": (1.8, 0.25, 0.8),
    "CH": (1.7, 1.6, 0.9),
    "RR": (0.6, 0.7, 0.5),
}
_OF_PHONE: dict[str, tuple[float, float, float]] = {
    "h": (0.04, 0.03, 0.03),
    "ŋ": (0.3, 0.06, 0.12),
    "l": (0.5, 0.1, 0.6),
    "ɕ": (1.5, 0.4, 1.3), "ʨ": (1.5, 0.4, 1.3), "ʥ": (1.5, 0.4, 1.3),
    "ʂ": (1.7, 0.8, 0.9), "ꭧ": (1.7, 0.8, 0.9),
    "ə": (0.6, 0.3, 0.4), "ᵊ": (0.5, 0.25, 0.3), "ᵻ": (0.6, 0.35, 0.5),
    "w": (1.2, 1.4, 1.1), "ɥ": (1.2, 1.4, 1.1), "j": (1.0, 0.9, 1.0),
    "i": (1.1, 1.1, 1.0), "u": (1.1, 1.2, 1.0), "y": (1.1, 1.2, 1.0),
}  # fmt: skip


def dominance_of(symbol: str) -> tuple[float, float, float]:
    """How strongly a phone of unhurried speech pulls (jaw, rounding, lips) towards its target."""
    if symbol in _OF_PHONE:
        return _OF_PHONE[symbol]
    return (1.0, 1.0, 0.9) if symbol in VOWELS else _OF_VISEME[VISEME_OF[symbol]]
