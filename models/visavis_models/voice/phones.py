"""The sounds that a voice is heard to make, and what each looks like from outside. Knows nothing of audio or of faces.

A phone is what the lips of one sound do: stress, tone, length and aspiration are folded into the sound that carries
them. Symbols are those of the International Phonetic Alphabet, affricates and English diphthongs as one letter each.
"""

from __future__ import annotations

import numpy as np

SILENCE = "sil"

VISEMES: tuple[str, ...] = (
    "sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou",
)  # fmt: skip
"""Silence and the fourteen mouth shapes of MPEG-4 (ISO/IEC 14496-2, facial animation), by their usual short names."""

_CLASSES: dict[str, str] = {
    "PP": "p b m",
    "FF": "f v ʋ ɸ β",
    "TH": "θ ð",
    "DD": "t d ɾ ʈ ɖ",
    "kk": "k ɡ x h ŋ q ɣ χ c ɟ ɰ",
    "CH": "ʃ ʒ ʧ ʤ ɕ ʨ ʂ ꭧ ʥ",
    "SS": "s z ʦ ʣ ç ʝ",
    "nn": "n l ɲ ɳ ʎ ɴ",
    "RR": "ɹ ɻ ʁ ɽ",
    "aa": "ɑ a ɐ ʌ æ",
    "E": "ɛ e ə ɜ ɚ ᵊ ɤ A",
    "ih": "i ɪ ɨ ᵻ j",
    "oh": "ɔ o ɒ O ø œ",
    "ou": "u ʊ w y ɥ ɯ",
}
VISEME_OF: dict[str, str] = {SILENCE: "sil", "I": "aa", "W": "aa", "Y": "oh", "Q": "E"} | {
    phone: viseme for viseme, phones in _CLASSES.items() for phone in phones.split()
}
"""The short name of each phone's mouth shape."""
PHONES: tuple[str, ...] = (SILENCE, *sorted(set(VISEME_OF) - {SILENCE}))
"""Every phone, silence first; the order of the network's answers."""
VISEME_OF_PHONE = np.array([[float(VISEME_OF[phone] == viseme) for viseme in VISEMES] for phone in PHONES], np.float32)
"""float32 (phones, 15): probabilities of phones times this are probabilities of visemes."""
BILABIALS = frozenset("pbm")
